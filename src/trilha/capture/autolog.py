"""Recording a script or a notebook from one line on: `autolog`.

What `trilha run` does for a script that is not changed, this does from where it is called: files, libraries
that are imported already or later, models, data. In a notebook each cell is an activity (`notebook.cells`).
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trilha.capture.active import active
from trilha.capture.context import process
from trilha.errors import UsageError

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Recording", "autolog", "finish"]


class Recording:
    """The run that `autolog` records; as a context manager, until the block is left.

    Attributes:
        name: the run's name.
        id: UUID of the run as text; empty where nothing is recorded.
    """

    def __init__(self, name: str, recorder: Recorder | None) -> None:
        self.name = name
        self.id = recorder.uuid if recorder is not None else ""
        self._recorder = recorder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recorder is not None and self._recorder is process.recorder:
            finish(error)

    def finish(self) -> None:
        """End the run, if it goes on and `autolog` began it."""
        if self._recorder is process.recorder:
            finish()

    def __repr__(self) -> str:
        return f"<trilha run {self.name!r} {self.id or 'not recorded'}>"


_begun: Recorder | None = None
"""Of the run that `autolog` began in this process."""
_recording: Recording | None = None


def autolog(name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> Recording:
    """Record this process as one run from here on, until it ends, `finish` is called or the block is left.

    Called again, as by a cell of a notebook that is run again, it goes on with the same run. Where a run is
    recorded already (under ``trilha run``, in a process that a recorded one started), it adds to that.

    Args:
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Returns:
        The run; a context manager, which ends it.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """
    global _begun, _recording
    if not isinstance(name, str):
        raise UsageError(
            f"trilha.autolog takes a name, not {type(name).__name__}: trilha.autolog({str(name)!r})"
        )
    if not isinstance(store, (str, os.PathLike)):
        raise UsageError(f"trilha.autolog(store=...) takes the path of a folder, not {type(store).__name__}")
    recorder = active()
    if recorder is None:
        recorder = _begun = _start(name or _name(), os.fspath(store), attributes)
        _recording = Recording(name or _name(), recorder)
    elif attributes or _recording is None or _recording._recorder is not recorder:
        _add(recorder, attributes)
        if _recording is None or _recording._recorder is not recorder:
            _recording = Recording(name or recorder.run.label, recorder)
    _watch_cells(recorder)
    return _recording


def finish(error: BaseException | None = None) -> None:
    """End the run that `autolog` began; nothing happens where there is none.

    Args:
        error: what it ended by, where it did not end as it should.
    """
    if _begun is None or process.recorder is not _begun:
        return
    from trilha.capture import outcome, session

    status, _, text = outcome.of(error)
    session.finish(status, None, text)


def _start(name: str, store: str, attributes: dict[str, Any]) -> Recorder | None:
    from trilha.capture.resting import at_rest

    with at_rest():
        return _started(name, store, attributes)


def _started(name: str, store: str, attributes: dict[str, Any]) -> Recorder | None:
    from trilha.capture import session
    from trilha.capture.steps import split_arguments

    script = "" if _shell() is not None else _script()
    argv = ["python", *sys.argv] if script else None
    values, _ = split_arguments(attributes)
    return session.start(name, store=store, argv=argv, script=script, attributes=tuple(values))


_watched: Recorder | None = None
"""Whose run the cells of the notebook were recorded for last."""


def _watch_cells(recorder: Recorder | None) -> None:
    """Record the cells of the notebook that this is called in, if it is one, from now on."""
    global _watched
    shell = _shell()
    if recorder is None or shell is None or _watched is recorder:
        return
    _watched = recorder
    try:
        from trilha.capture.notebook import cells

        cells.watch(recorder, shell)
    except Exception:
        recorder.failed()


def _add(recorder: Recorder, attributes: dict[str, Any]) -> None:
    from trilha.capture.steps import split_arguments

    try:
        values, _ = split_arguments(attributes)
        if values:
            recorder.activity(recorder.run.identifier, None, None, *values)
    except Exception:
        recorder.failed()


def _shell() -> Any:
    """The shell of IPython that runs in this process, or None."""
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get() if get is not None else None


def _script() -> str:
    """Path of the script that Python runs; empty if there is none."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(path) if isinstance(path, str) and os.path.isfile(path) else ""


def _name() -> str:
    shell = _shell()
    if shell is None:
        path = getattr(sys, "argv", [""])[0]
    else:
        # As Jupyter's server and VS Code tell their kernels.
        path = os.environ.get("JPY_SESSION_NAME") or shell.user_ns.get("__vsc_ipynb_file__") or "notebook"
    return os.path.splitext(os.path.basename(str(path)))[0] or "python"
