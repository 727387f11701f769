"""Files that a traced program renamed: who wrote what is found under the later name.

A program that must not leave half a file writes another one, and gives it the name when it is whole
(`os.replace`); who reads the file reads what was written under the first name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from trilha.trace.evaluations import Opened

__all__ = ["under_later_names"]


def under_later_names(opened: Iterable[Opened]) -> list[Opened]:
    """Files as they were opened; those that were written and then renamed, under their later names, too.

    Args:
        opened: in the order in which it happened, renames among them.

    Returns:
        no renames: the call that renamed a file is told as one that may have written what it is called since.
    """
    found: list[Opened] = []
    held: dict[str, list[Opened]] = {}
    for one in opened:
        if not one.target:
            found.append(one)
            if one.written:
                held.setdefault(one.path, []).append(one)
        elif one.evaluation:  # Else it is not known whether that was done.
            folder = os.path.join(one.path, "")
            renamed = [path for path in held if path == one.path or path.startswith(folder)]
            for path in renamed or [one.path]:
                name = one.target + path[len(one.path) :]
                writers = [before._replace(path=name) for before in held.pop(path, [])]
                held[name] = [*writers, one._replace(path=name, target="")]
                found += held[name]
    return found
