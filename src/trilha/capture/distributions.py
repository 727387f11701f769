"""Installed distributions, found by the names of their folders.

A distribution is told by a folder ``<name>-<version>.dist-info`` beside what it brought ("Recording installed
projects", PyPA specifications), older ones by ``.egg-info``, which may be a file, or by ``EGG-INFO`` in an
egg. `importlib.metadata` reads them too, but importing it and the parser of mail that it needs takes longer
than all else that beginning a run does. Their files are read as `trilha.capture.reading` reads.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

from trilha.capture.interrupts import pass_on
from trilha.capture.reading import content

__all__ = ["Distribution", "Distributions"]

_TOP: Final = re.compile(r"^[^/,\n]+", re.MULTILINE)
"""What a line of a RECORD begins with: a top-level folder or file (PEP 376)."""
_SEPARATORS: Final = re.compile(r"[-_.]+")
_HEADER: Final = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


class Distribution:
    """One installed distribution.

    Args:
        path: of the folder, or the file, that tells of it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._told: tuple[str, str] | None = None
        self._modules: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """As its own description has it.

        Raises:
            ValueError: the description cannot be read, or does not say.
        """
        return self._described()[0]

    @property
    def version(self) -> str:
        """As its own description has it.

        Raises:
            ValueError: the description cannot be read, or does not say.
        """
        return self._described()[1]

    def _described(self) -> tuple[str, str]:
        if self._told is None:
            text = self._text("METADATA") or self._text("PKG-INFO") or self._text("")
            head = text.partition("\n\n")[0]
            found = dict(reversed(_HEADER.findall(head)))
            if not found.get("Name") or not found.get("Version"):
                raise ValueError(f"{self.path}: a distribution that does not say its name and version")
            self._told = found["Name"], found["Version"]
        return self._told

    @property
    def modules(self) -> frozenset[str]:
        """Names of the top-level modules that it brought."""
        if self._modules is None:
            listed = self._text("top_level.txt")
            if listed:
                self._modules = frozenset(listed.split())
            else:
                tops = {top.removesuffix(".py") for top in _TOP.findall(self._text("RECORD"))}
                self._modules = frozenset(top for top in tops if top and "." not in top)
        return self._modules

    def _text(self, name: str) -> str:
        """The text of one of its files; empty where there is none."""
        path = os.path.join(self.path, name) if name else self.path
        try:
            return content(path).decode("utf-8", "replace").replace("\r\n", "\n")
        except OSError:
            pass_on()
            return ""


class Distributions:
    """Those that the program may import from, as they were when `look` was called last."""

    def __init__(self) -> None:
        self._by_name: dict[str, Distribution] = {}
        self._known: dict[str, Distribution] = {}
        self._owners: dict[str, Distribution] | None = None
        self._met: dict[Distribution, None] = {}

    def look(self) -> None:
        """Look which there are. This opens folders, as Python does: not for a thread beside the program."""
        by_name: dict[str, Distribution] = {}
        for folder in list(sys.path):
            for path in _told_in(folder):
                distribution = self._known.setdefault(path, Distribution(path))
                by_name.setdefault(_plain(_name_in(path)), distribution)
        if by_name.keys() != self._by_name.keys():
            self._owners = None
        self._by_name = by_name

    def of_module(self, module: str) -> Distribution | None:
        """The distribution that brought a top-level module; None where none says so."""
        found = self.called(module) or next((one for one in list(self._met) if module in one.modules), None)
        if found is None:
            found = self._owner(module)
        if found is not None:
            self._met[found] = None
        return found

    def called(self, module: str) -> Distribution | None:
        """The one that is called as a top-level module is, if it brought that; nearly all are."""
        found = self._by_name.get(_plain(module))
        if found is not None and (_plain(_name_in(found.path)) == module.lower() or module in found.modules):
            return found
        return None

    def _owner(self, module: str) -> Distribution | None:
        """The one that says that it brought a module; all are read for that, which takes some time."""
        if self._owners is None:
            owners: dict[str, Distribution] = {}
            for distribution in self._by_name.values():
                for name in distribution.modules:
                    owners.setdefault(name, distribution)
            # At once: the background and the end of the run may ask at the same time.
            self._owners = owners
        return self._owners.get(module)


def _told_in(folder: object) -> list[str]:
    """Paths of what tells of distributions in a folder of ``sys.path``."""
    try:
        place = os.fspath(folder) or os.curdir  # type: ignore[call-overload]
        names = os.listdir(place)
    except (OSError, ValueError, TypeError):
        pass_on()
        return []
    if place.lower().endswith(".egg") and "EGG-INFO" in names:
        return [os.path.join(place, "EGG-INFO")]
    return [os.path.join(place, name) for name in names if name.lower().endswith((".dist-info", ".egg-info"))]


def _name_in(path: str) -> str:
    """A distribution's name as its folder has it: to read hundreds of descriptions takes half a second."""
    folder, _, name = path.rpartition(os.sep)
    if name == "EGG-INFO":
        name = folder.rpartition(os.sep)[2]
    return name.rpartition(".")[0].partition("-")[0]


def _plain(name: str) -> str:
    """A name in which all ways to write it are one (PEP 503), with the underscores of folder names."""
    return _SEPARATORS.sub("_", name).lower()
