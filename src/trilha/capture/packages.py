"""The interpreter and the installed packages that the program imported, as entities that the run used.

A package is named by its package URL, so that the same release met in two runs, or on two machines, is one
entity. Looking them up costs time, so the background thread does it while the program runs, and what was
imported later is added at the end.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trilha.capture import machine
from trilha.capture.journal.writer import literal_name
from trilha.capture.reading import Readable

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from trilha.capture.recorder import Recorder

__all__ = ["Packages", "owner_of"]

_PACKAGE: Final = literal_name("trilha:Package")
_TOP: Final = re.compile(r"^[^/,\n]+", re.MULTILINE)
"""What a line of a RECORD begins with: a top-level folder or file (PEP 376)."""


class Packages:
    """The packages of one run, in one process."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # Before a launched script begins, only our own needs have been imported.
        ours = () if recorder.in_program else sys.modules
        self._seen: set[str] = {name.partition(".")[0] for name in ours}
        self._stated: dict[str, object] = {}
        self._owners: dict[str, str] | None = None

    def later(self) -> None:
        """Have the packages that are imported now looked up by the background thread.

        What that would open as Python opens it, modules and folders, is opened here (see `reading`).
        """
        import email.parser  # noqa: F401
        from importlib.metadata import distributions

        list(distributions(name="none of this name"))
        self._recorder.worker.add(self.look)

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
        for module in sorted({name.partition(".")[0] for name in list(sys.modules)} - self._seen):
            if halted():
                return False
            self._seen.add(module)
            if module in sys.stdlib_module_names or module.startswith("_") or module == "trilha":
                continue
            try:
                if _is_installed(sys.modules.get(module)):
                    for distribution in self._distributions(module):
                        self.state(distribution)
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
            self._recorder.entity(
                *(
                    iri,
                    "prov:type",
                    _PACKAGE,
                    "prov:label",
                    label,
                    "trilha:name",
                    name,
                    "trilha:version",
                    version,
                )
            )
            self._recorder.used(self._recorder.run.identifier, iri, None)
        return iri

    def _distributions(self, module: str) -> list[Distribution]:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            found = _apart(distribution(module))
            if _brings(found, module):
                return [found]
        except (PackageNotFoundError, ValueError):
            pass
        name = self._owner_names().get(module)
        try:
            return [_apart(distribution(name))] if name else []
        except PackageNotFoundError:
            return []

    def _owner_names(self) -> dict[str, str]:
        """The distribution that brings each top-level module."""
        if self._owners is None:
            from importlib.metadata import distributions

            owners: dict[str, str] = {}
            for found in map(_apart, distributions()):
                name = _name_of(found)
                if name:
                    for module in _modules(found):
                        owners.setdefault(module, name)
            # At once: the background and the end of the run may ask at the same time.
            self._owners = owners
        return self._owners


def _apart(found: Distribution) -> Distribution:
    """The same distribution, whose files are read in a way that no descriptor of the program suffers by."""
    from importlib.metadata import PathDistribution

    path = getattr(found, "_path", None)
    return PathDistribution(Readable(path)) if type(found) is PathDistribution and path else found


def _name_of(found: Distribution) -> str:
    """A distribution's name as its folder has it: to parse hundreds of descriptions takes half a second."""
    path = getattr(found, "_path", None)
    return str(getattr(path, "name", "")).rpartition(".")[0].partition("-")[0]


def _is_installed(module: object) -> bool:
    """Whether a module lies in a folder of installed packages. No lazy module is made to load by that."""
    try:
        about = object.__getattribute__(module, "__dict__")
        path = about.get("__file__") or getattr(about.get("__spec__"), "origin", None) or ""
        places = [path, *list(about.get("__path__") or [])[:1]]
    except Exception:
        return False
    return any("site-packages" in place or "dist-packages" in place for place in places if type(place) is str)


def _modules(distribution: Distribution) -> set[str]:
    listed = distribution.read_text("top_level.txt")
    if listed:
        return set(listed.split())
    record = distribution.read_text("RECORD") or ""
    tops = {top.removesuffix(".py") for top in _TOP.findall(record)}
    return {top for top in tops if top and "." not in top}


def _brings(distribution: Distribution, module: str) -> bool:
    return distribution.name.lower().replace("-", "_") == module.lower() or module in _modules(distribution)


def owner_of(folder: str, recorder: Recorder) -> str | None:
    """IRI of the package that ships `folder` of site-packages; None where none says so."""
    packages = recorder.packages
    for distribution in packages._distributions(folder):
        return packages.state(distribution)
    return None
