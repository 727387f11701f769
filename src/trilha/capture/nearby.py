"""Modules that lie in a folder beside the program, by the names of others.

Python looks beside the script first, so that what lies there hides modules of the same name.
"""

from __future__ import annotations

import os
from importlib.machinery import all_suffixes
from typing import TYPE_CHECKING, Final

from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["NEEDED", "beside"]

NEEDED: Final = frozenset(["ast", "ctypes", "fcntl", "hashlib", "reprlib", "resource"])
"""Modules that we import ourselves while the program runs."""


def beside(place: str, names: AbstractSet[str]) -> frozenset[str]:
    """Those of some names that are names of modules, or of packages, which lie in a folder.

    A folder without an ``__init__`` hides no module that lies elsewhere (PEP 420), nor does a table.
    """
    try:
        entries = os.listdir(place)
    except OSError:
        pass_on()
        return frozenset()
    suffixes = all_suffixes()
    found = set()
    for entry in entries:
        name, dot, rest = entry.partition(".")
        if name in names and name not in found:
            package = os.path.join(place, name, "__init__")
            if dot + rest in suffixes if dot else any(os.path.exists(package + end) for end in suffixes):
                found.add(name)
    return frozenset(found)
