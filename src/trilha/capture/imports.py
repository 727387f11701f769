"""Loading an integration when, and only when, the program imports its library.

The loader of a library that we know is given one more thing to do after it has run the library's code. It
stays what it is otherwise, and is itself again afterwards.

An installed package may bring integrations of its own, as entry points of the group
``trilha.integrations``: the name is the library to watch, the value the module (or ``module:object``) with
the two functions. They are looked for when the program imports the first library, or at once where it has
imported one already.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet
from trilha.capture.interrupts import pass_on
from trilha.capture.resting import at_rest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from trilha.capture.recorder import Recorder

__all__ = ["GROUP", "INTEGRATIONS", "forked", "installed", "unwatch", "watch"]

INTEGRATIONS: Final[dict[str, str]] = {
    "torch": "trilha.capture.integrations.torch",
    "torch.distributed": "trilha.capture.integrations.distributed",
    "torch.distributed.checkpoint.state_dict_loader": "trilha.capture.integrations.torch.checkpoints",
    "torch.distributed.checkpoint.state_dict_saver": "trilha.capture.integrations.torch.checkpoints",
    "keras": "trilha.capture.integrations.keras",
    "lightning.pytorch": "trilha.capture.integrations.lightning",
    "pytorch_lightning": "trilha.capture.integrations.lightning",
    "transformers.modeling_utils": "trilha.capture.integrations.transformers",
    "transformers.tokenization_utils_base": "trilha.capture.integrations.transformers",
    "transformers.trainer": "trilha.capture.integrations.transformers",
    "cloudpickle.cloudpickle": "trilha.capture.integrations.cloudpickle",
    "ray.cloudpickle.cloudpickle": "trilha.capture.integrations.cloudpickle",
    "parsl": "trilha.capture.integrations.parsl",
    "parsl.executors.execute_task": "trilha.capture.integrations.parsl.worker",
    "dask.local": "trilha.capture.integrations.dask.local",
    "dask.threaded": "trilha.capture.integrations.dask.local",
    "dask.multiprocessing": "trilha.capture.integrations.dask.local",
    "distributed.client": "trilha.capture.integrations.dask.client",
    "ray": "trilha.capture.integrations.ray",
    "threading": "trilha.capture.integrations.executors.begun",
    "subprocess": "trilha.capture.integrations.executors.begun",
    "concurrent.futures.thread": "trilha.capture.integrations.executors.threads",
    "concurrent.futures.process": "trilha.capture.integrations.executors.processes",
    "multiprocessing.pool": "trilha.capture.integrations.executors.pools",
    "multiprocessing.process": "trilha.capture.integrations.executors.process",
    "multiprocessing.connection": "trilha.capture.integrations.executors.messages",
    "multiprocessing.queues": "trilha.capture.integrations.executors.messages",
    "joblib.parallel": "trilha.capture.integrations.joblib",
    "joblib.memory": "trilha.capture.integrations.joblib.memory",
    "joblib.numpy_pickle": "trilha.capture.integrations.saving",
    "json": "trilha.capture.integrations.saving",
    "matplotlib.figure": "trilha.capture.integrations.saving",
    "numpy": "trilha.capture.integrations.saving",
    "pandas": "trilha.capture.integrations.saving",
    "pickle": "trilha.capture.integrations.saving",
    "safetensors.numpy": "trilha.capture.integrations.saving",
    "safetensors.torch": "trilha.capture.integrations.torch.safetensors",
    "skops.io": "trilha.capture.integrations.saving",
    "sqlite3": "trilha.capture.integrations.sqlite3",
    "deepxde": "trilha.capture.integrations.deepxde",
    "h5py": "trilha.capture.integrations.h5py",
    "torch.utils.tensorboard.writer": "trilha.capture.integrations.tensorboard",
    "tensorboardX.writer": "trilha.capture.integrations.tensorboard",
    "mlflow.tracking.client": "trilha.capture.integrations.mlflow",
    "wandb.sdk.wandb_run": "trilha.capture.integrations.wandb",
    "tqdm.std": "trilha.capture.integrations.tqdm",
    "sklearn": "trilha.capture.integrations.sklearn",
    "sklearn.datasets": "trilha.capture.integrations.sklearn",
    "sklearn.metrics": "trilha.capture.integrations.sklearn",
    "sklearn.model_selection": "trilha.capture.integrations.sklearn",
}
"""Which module of ours goes with which library.

An integration is a module with two functions: ``begin(recorder, library)``, called when the library has been
imported or a run begins after that, and ``end(recorder)``, called when the run ends, which undoes that. It
may have a third one, ``forked(recorder)``, called in a forked child; see `forked`.
"""

GROUP: Final = __name__.partition(".")[0] + ".integrations"
"""Group of the entry points by which other packages name integrations of theirs."""


class _Finder:
    """Finds nothing of its own: asks the finders behind it and adds to what they find.

    It is no `importlib.abc.MetaPathFinder` by name: importing that takes longer than all of ours.
    """

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.begun: list[Any] = []
        self.known: dict[str, list[str]] | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have for a library that we know; None for everything else."""
        if self.recorder is None or not self._watches(name):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._extend(spec, name)
                return spec
        return None

    def _watches(self, name: str) -> bool:
        if name in INTEGRATIONS:
            return True
        if self.known is None:
            if "." in name or name in sys.stdlib_module_names:
                return False
            self.look()
        return name in (self.known or ())

    def look(self) -> None:
        """Look for integrations of other packages."""
        self.known = {}
        with Quiet():
            try:
                self.known = installed()
            except Exception:
                pass_on()
                if self.recorder is not None:
                    self.recorder.failed()

    def _extend(self, spec: ModuleSpec, name: str) -> None:
        loader: Any = spec.loader
        execute: Callable[[Any], None] | None = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: Any) -> None:
            try:
                del loader.exec_module
            except AttributeError:
                pass
            try:
                execute(module)
            except BaseException as error:
                # Python hides the frames of an import in a traceback; ours would show.
                trace = error.__traceback__
                error.__traceback__ = trace.tb_next if trace is not None else None
                raise
            self.begin(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass

    def begin(self, name: str, library: Any) -> None:
        """Let the integrations of library `name` begin."""
        recorder = self.recorder
        if recorder is None:
            return
        ours = [INTEGRATIONS[name]] if name in INTEGRATIONS else []
        for place in [*ours, *(self.known or {}).get(name, ())]:
            with Quiet(), at_rest():
                try:
                    integration = _load(place)
                    integration.begin(recorder, library)
                    self.begun.append(integration)
                    # What came with a large library is looked up while the program works, not at its end.
                    recorder.worker.add(recorder.packages.look)
                except Exception as error:
                    recorder.failed()
                    recorder.complain(
                        f"what {name} does is not recorded: its integration {place} failed"
                        f" ({type(error).__name__}); TRILHA_DEBUG=1 shows where"
                    )


_finder: Final = _Finder()


def watch(recorder: Recorder) -> None:
    """Begin the integrations of the libraries that are there, and of those that will be imported."""
    _finder.recorder = recorder
    _finder.begun.clear()
    _finder.known = None
    if recorder.in_program:
        # The program may have imported a library that a package of others knows.
        _finder.look()
    for name in [*INTEGRATIONS, *((_finder.known or {}).keys() - INTEGRATIONS.keys())]:
        library = sys.modules.get(name)
        if library is not None:
            _finder.begin(name, library)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def unwatch(recorder: Recorder) -> None:
    """End the integrations: what they changed in their libraries is as it was."""
    for integration in reversed(_finder.begun):
        try:
            integration.end(recorder)
        except Exception:
            recorder.failed()
    _finder.begun.clear()
    _finder.recorder = None
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def forked(recorder: Recorder) -> None:
    """In a forked child: what the integrations had begun to state is the parent's to end.

    One that has a function ``forked(recorder)`` begins anew by it; the others rest in this process.
    """
    mine = [one for one in _finder.begun if getattr(one, "forked", None) is not None]
    _finder.begun[:] = mine
    for integration in mine:
        try:
            integration.forked(recorder)
        except Exception:
            recorder.failed()


def _load(place: str) -> Any:
    """The integration that ``module`` or ``module:object`` names."""
    name, _, path = place.partition(":")
    found: Any = importlib.import_module(name)
    for part in filter(None, path.split(".")):
        found = getattr(found, part)
    return found


def installed() -> dict[str, list[str]]:
    """The integrations of other packages, by the library that they watch.

    Reads the ``entry_points.txt`` of each installed distribution (entry points specification of the Python
    packaging guide). `importlib.metadata` does that too, but takes ten times as long to be imported.
    """
    found: dict[str, list[str]] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)
        except (OSError, ValueError, TypeError):
            pass_on()
            continue
        for name in names:
            if not name.endswith((".dist-info", ".egg-info")):
                continue
            text = _content(os.path.join(folder, name, "entry_points.txt"))
            if GROUP.encode() in text:
                for library, place in _entries(text.decode("utf-8", "replace")):
                    if place not in found.setdefault(library, []):
                        found[library].append(place)
    return found


def _content(path: str) -> bytes:
    """The first million bytes of a file; none where it cannot be read. In a third of the time of `open`."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        pass_on()
        return b""
    try:
        return os.read(number, 1 << 20)
    except OSError:
        pass_on()
        return b""
    finally:
        os.close(number)


def _entries(text: str) -> list[tuple[str, str]]:
    """Names and values of our group in the text of an ``entry_points.txt``."""
    found = []
    group = ""
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == GROUP and "=" in line:
            library, _, place = line.partition("=")
            found.append((library.strip(), place.partition("[")[0].strip()))
    return found
