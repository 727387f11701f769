"""Paths here, and keys of object stores by their URIs; these through fsspec, where it is installed."""

from __future__ import annotations

import glob as local_glob
import importlib
import os
import re
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.errors import MissingExtra

__all__ = ["condition", "exists", "file_system", "found", "is_remote", "natural"]

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_remote(path: str) -> bool:
    """Whether `path` is a URI; ``file://`` counts as one, too."""
    return _URI.match(path) is not None


def file_system(uri: str) -> tuple[Any, str]:
    """The file system of a URI, as fsspec has it, and the path there.

    Raises:
        MissingExtra: fsspec, or the library that it needs for this kind of URI, is not installed.
    """
    try:
        core: Any = importlib.import_module("fsspec.core")
    except ImportError:
        raise MissingExtra("fsspec", "data") from None
    try:
        system, path = core.url_to_fs(uri)
    except ImportError as error:
        raise MissingExtra(error.name or str(error), "data") from None
    return system, str(path)


def found(pattern: str) -> list[str]:
    """The files that a pattern with ``*``, ``?`` or ``[…]`` finds, in natural order."""
    if not is_remote(pattern):
        paths = [path for path in local_glob.glob(pattern, recursive=True) if os.path.isfile(path)]
        return sorted(paths, key=natural)
    system, path = file_system(pattern)
    begin, mark, rest = pattern.partition("://")
    slashes = rest[: len(rest) - len(rest.lstrip("/"))]
    whole = path.lstrip("/") != rest.lstrip("/")
    return sorted(
        (
            str(system.unstrip_protocol(one)) if whole else begin + mark + slashes + str(one).lstrip("/")
            for one in system.glob(path)
        ),
        key=natural,
    )


def exists(path: str) -> bool:
    """Whether there is a file; of an object store, it is asked."""
    if not is_remote(path):
        return os.path.isfile(path)
    system, inside = file_system(path)
    return bool(system.isfile(inside))


def condition(path: str) -> tuple[int, ...] | None:
    """What tells a file from the one that it becomes; None for what is not there or not here."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        pass_on()
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def natural(text: str) -> list[tuple[bool, int, str]]:
    """A key to sort by in which 10 comes after 9."""
    return [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", text)
    ]
