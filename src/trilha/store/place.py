"""Where a store is, whether it is one, and whose turn it is to write.

A store is a folder: ``journals/<run>/<uid>.journal``, which programs write, and ``store.sqlite``, the index
over them. Whether a folder is a store is told by looking, without opening anything for writing, so that what
is no store stays untouched.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import Final

from trilha.errors import StoreError
from trilha.store.schema import APPLICATION_ID, VERSION

__all__ = [
    "DEFAULT",
    "INDEX",
    "JOURNALS",
    "LOCK",
    "DamagedIndex",
    "Header",
    "check",
    "locate",
    "locked",
    "newer",
    "writable",
]

DEFAULT: Final = ".trilha"
INDEX: Final = "store.sqlite"
JOURNALS: Final = "journals"
LOCK: Final = "store.lock"

_MAGIC: Final = b"SQLite format 3\0"


class DamagedIndex(StoreError):
    """What lies where the index should be is no database, or one that is damaged: it can be made anew."""


class Header:
    """What the first bytes of an index file say.

    Attributes:
        version: of its schema; 0 where it was only begun.
    """

    __slots__ = ("version",)

    def __init__(self, version: int) -> None:
        self.version = version


def locate(place: str | os.PathLike[str] | None = None) -> str:
    """The folder that is meant: `place`, else the variable ``TRILHA_STORE``, else ``.trilha`` here.

    Raises:
        StoreError: `place` is a URL of something that is not supported.
    """
    text = os.fspath(place) if place is not None else os.environ.get("TRILHA_STORE") or DEFAULT
    scheme, mark, rest = text.partition("://")
    if not mark:
        return os.path.abspath(os.path.expanduser(text or "."))
    if scheme == "file":
        from urllib.parse import unquote

        return os.path.abspath(unquote(rest))
    raise StoreError(
        f"store {text!r}: this Trilha keeps stores in folders and knows no {scheme}:// ones; give the path"
        f" of a folder"
    )


def check(folder: str) -> Header | None:
    """What the index of the store in `folder` says of itself; None if there are only journals yet.

    Raises:
        StoreError: there is no store in `folder`, or its index is none of ours.
    """
    if not os.path.exists(folder):
        raise StoreError(
            f"{folder}: there is no store here; record a first run with `trilha run SCRIPT`, or say where"
            f" the store is with --store or TRILHA_STORE; a document alone is asked with --document"
        )
    if not os.path.isdir(folder):
        raise StoreError(
            f"{folder}: is a file; a store is a folder that holds {INDEX} or {JOURNALS}/. Give the folder"
        )
    index = os.path.join(folder, INDEX)
    if not os.path.exists(index):
        if os.path.isdir(os.path.join(folder, JOURNALS)):
            return None
        raise StoreError(
            f"{folder}: is no store: it holds neither {INDEX} nor {JOURNALS}/. Give the folder that `trilha"
            f" run` wrote"
            f" (by default {DEFAULT})"
        )
    return _header(index)


def _header(index: str) -> Header | None:
    try:
        with open(index, "rb") as file:
            begin = file.read(100)
    except OSError as error:
        raise StoreError(
            f"{index}: cannot be read: {error.strerror or error}. Check its permissions"
        ) from None
    if not begin:
        return None
    if len(begin) < 100 or not begin.startswith(_MAGIC):
        raise DamagedIndex(
            f"{index}: expected an SQLite database of Trilha; it begins with {begin[:16]!r}. `trilha"
            f" reindex` puts it"
            " aside and makes the index anew from the journals"
        )
    version, application = struct.unpack_from(">I", begin, 60)[0], struct.unpack_from(">I", begin, 68)[0]
    if application != APPLICATION_ID:
        raise StoreError(
            f"{index}: is a database of another program (application id {application:#x}); expected a store"
            f" of Trilha."
            " Give another folder with --store or TRILHA_STORE"
        )
    return Header(version)


def newer(folder: str, version: int, written_by: str) -> StoreError:
    """The refusal of a store that a later Trilha made."""
    from trilha.store.version import own_version

    need = f"Trilha {written_by} or later" if written_by else "a later Trilha"
    return StoreError(
        f"{folder}: a store of version {version}; Trilha {own_version()} reads up to version {VERSION}. It"
        f" needs {need}:"
        f' pip install --upgrade "trilha{">=" + written_by if written_by else ""}". Nothing was changed'
    )


def writable(folder: str) -> bool:
    """Whether this process may write the index in `folder`."""
    if not os.access(folder, os.W_OK):
        return False
    index = os.path.join(folder, INDEX)
    return not os.path.exists(index) or os.access(index, os.W_OK)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the store's file lock: one process at a time loads journals (and migrates, and rebuilds).

    The lock is the kernel's (flock(2)): it goes with the process that held it, however that ended.

    Raises:
        OSError: the lock file cannot be made.
    """
    import fcntl

    handle = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
