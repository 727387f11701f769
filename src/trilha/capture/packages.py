"""The interpreter and the installed packages that the program imported, as entities that the run used.

A package is named by its package URL, so that the same release met in two runs, or on two machines, is one
entity. Looking them up costs time, so the background thread does it while the program runs, and what was
imported later is added at the end.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trilha.capture import machine
from trilha.capture.distributions import Distribution, Distributions
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Packages", "owner_of"]

_PACKAGE: Final = literal_name("trilha:Package")


class Packages:
    """The packages of one run, in one process.

    Attributes:
        distributions: those that are installed, as they were when the run began, or ends.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # Before a launched script begins, only our own needs have been imported.
        ours = () if recorder.in_program else sys.modules
        self._seen: set[str] = {name.partition(".")[0] for name in ours}
        self._stated: dict[str, object] = {}
        self.distributions = Distributions()
        # Here and now: folders are opened as Python does (see `reading`), and whoever asks finds them listed.
        self.distributions.look()

    def later(self) -> None:
        """Have the packages that are imported now looked up by the background thread."""
        self._recorder.worker.add(self.look)

    def finish(self) -> None:
        """State all that have been imported by now: the run ends."""
        self.distributions.look()
        self.look()

    def interpreter(self) -> None:
        """State the interpreter."""
        iri = machine.python_iri()
        label = f"{platform.python_implementation()} {platform.python_version()}"
        self._recorder.entity(
            iri, "prov:type", _PACKAGE, "prov:label", label, "trilha:compiler", platform.python_compiler()
        )
        self._recorder.used(self._recorder.run.identifier, iri, None)

    def look(self, halted: Callable[[], bool] = lambda: False) -> bool:
        """State the packages of the modules that were imported since the last look.

        Args:
            halted: tells whether to break off.

        Returns:
            Whether it was done to the end.
        """
        modules = {name.partition(".")[0] for name in list(sys.modules)} - self._seen
        # Those first of which the name tells whose they are: what else they brought need not be looked for.
        for module in sorted(modules, key=lambda one: (self.distributions.called(one) is None, one)):
            if halted():
                return False
            if self._is_told(module):
                self._seen.add(module)
        return True

    def _is_told(self, module: str) -> bool:
        """State the package of a module; False where it may be found when folders are listed anew."""
        if module in sys.stdlib_module_names or module.startswith("_") or module == "trilha":
            return True
        try:
            if not _is_installed(sys.modules.get(module)):
                return True
            found = self.distributions.of_module(module)
            if found is None:
                return False
            self.state(found)
        except Exception:
            # A package whose own description is broken says nothing of itself.
            self._recorder.failed()
        return True

    def state(self, distribution: Distribution) -> str:
        """State one package; gives its IRI."""
        name, version = distribution.name, distribution.version
        iri = machine.package_iri(name, version)
        if self._stated.setdefault(iri, mark := object()) is mark:
            # The background and the end of the run may look at once; one of them states it.
            label = f"{name} {version}"
            about = ("prov:type", _PACKAGE, "prov:label", label)
            self._recorder.entity(iri, *about, "trilha:name", name, "trilha:version", version)
            self._recorder.used(self._recorder.run.identifier, iri, None)
        return iri


def _is_installed(module: object) -> bool:
    """Whether a module lies in a folder of installed packages. No lazy module is made to load by that."""
    try:
        about = object.__getattribute__(module, "__dict__")
        path = about.get("__file__") or getattr(about.get("__spec__"), "origin", None) or ""
        places = [path, *list(about.get("__path__") or [])[:1]]
    except Exception:
        pass_on()
        return False
    return any("site-packages" in place or "dist-packages" in place for place in places if type(place) is str)


def owner_of(folder: str, recorder: Recorder) -> str | None:
    """IRI of the package that ships `folder` of site-packages; None where none says so."""
    found = recorder.packages.distributions.of_module(folder)
    return recorder.packages.state(found) if found is not None else None
