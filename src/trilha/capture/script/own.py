"""Which modules are the program's own.

Those whose source lies in the folder of the script, or in the project that this folder is a part of, and not
among installed packages.
"""

from __future__ import annotations

import os
from typing import Final

from trilha.capture.places import installed

__all__ = ["Own", "project_of"]

_MARKS: Final = (".git", "pyproject.toml", "setup.py", "setup.cfg")
"""What lies in the uppermost folder of a project."""
_NOT_OWN: Final = ("site-packages", "dist-packages", ".venv", "node_modules", "dfa_lib_python")
"""The last is Trilha's own, wherever it was installed from."""
_PACKAGE: Final = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), ""
)


def project_of(place: str) -> str:
    """The uppermost folder of the project that a folder is a part of; itself, where none is marked.

    Args:
        place: the real path of a folder.
    """
    home, at = os.path.realpath(os.path.expanduser("~")), place
    while at not in (home, os.path.dirname(at)):
        if any(os.path.exists(os.path.join(at, mark)) for mark in _MARKS):
            return at
        at = os.path.dirname(at)
    return place


class Own:
    """The folders of a program's own modules.

    Args:
        place: where Python looks for them first: beside the script, or where a module is run.
    """

    def __init__(self, place: str) -> None:
        self._known: dict[str, str] = {}
        place = os.path.realpath(place)
        self._folders = {os.path.join(place, ""), os.path.join(project_of(place), "")}
        theirs = (*(folder for group in installed() for folder in group), _PACKAGE)
        # What the program's own folders themselves lie below is not taken for a package.
        self._theirs = tuple(
            folder for folder in theirs if not any(own.startswith(folder) for own in self._folders)
        )

    def holds(self, path: str) -> bool:
        """Whether a folder, or the file of a module, is one of the program's own."""
        where = os.path.join(self._real(path), "")
        for folder in self._folders:
            if where.startswith(folder):
                parts = where[len(folder) :].split(os.sep)
                return not where.startswith(self._theirs) and not any(
                    part in _NOT_OWN or part.startswith("python3") for part in parts
                )
        return False

    def _real(self, path: str) -> str:
        """The real path, for which only the last part is looked at where that of the folder is known."""
        if not os.path.isabs(path):
            return os.path.realpath(path)
        known = self._known.get(path)
        if known is None:
            folder, name = os.path.split(path)
            if name in ("", os.curdir, os.pardir) or os.path.islink(path):
                known = os.path.realpath(path)
            else:
                known = os.path.join(self._real(folder), name)
            self._known[path] = known
        return known
