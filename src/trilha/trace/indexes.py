"""The indexes of a store's traces: each made when the first question asks for it, and kept beside the store.

An index is derived from one journal and can be deleted at any time. It is made again where the journal has
changed, or where another Trilha made it; `docs/reference/trace.md` tells where it lies.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any, Final

from trilha import __version__
from trilha.capture.journal import read
from trilha.errors import JournalError
from trilha.trace.columns import Damaged
from trilha.trace.indexing import FORMAT, index
from trilha.trace.reading import chunks, journals, order
from trilha.trace.traced import Traced

__all__ = ["FOLDER", "forget", "traces"]

FOLDER: Final = "traces"
"""In the store: a folder for each run, a file for each journal that holds a trace."""
_SUFFIX: Final = ".columns"
_UNFINISHED: Final = ".unfinished"


def traces(folder: str, run: str, told: Callable[[float], object] = lambda _share: None) -> list[Traced]:
    """The traces of the processes of a run, from their indexes; an index that is missing is made.

    That of the first process comes first, those of forked ones last, each with what its parent had done
    before; else they come as they began.

    Args:
        folder: of the store.
        run: UUID of the run.
        told: takes now and then which share of a journal has become index, from 0 to 1.
    """
    found = []
    for path in journals(folder, run):
        name = os.path.basename(path).removesuffix(".journal") + _SUFFIX
        try:
            one = _trace(path, os.path.join(folder, FOLDER, run, name), told)
        except (OSError, JournalError):
            continue
        if one is not None:
            found.append((one.forked, order(path), one))
    return [one for *_, one in sorted(found, key=lambda one: one[:2])]


def forget(folder: str, run: str) -> None:
    """Delete the indexes of a run's traces."""
    place = os.path.join(folder, FOLDER, run)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(place):
            if name.endswith((_SUFFIX, _UNFINISHED)):
                os.unlink(os.path.join(place, name))
        os.rmdir(place)


def _trace(path: str, kept: str, told: Callable[[float], object]) -> Traced | None:
    """The trace of a journal; None if it has none."""
    key = _key(path)
    known = _known(kept, key)
    if known is not None:
        return known
    size = os.path.getsize(path) or 1
    pieces = chunks(path, lambda place: told(place / size))
    first = next(pieces, None)
    if first is None:
        return None
    keep = read(path).alive() is not True  # What is still recorded would have to be made again anyway.
    with _target(kept, keep=keep) as (file, folder):
        index(chain([first], pieces), file, key, folder)
        return Traced(file, os.path.basename(kept).removesuffix(_SUFFIX))


def _key(path: str) -> list[Any]:
    """What an index must have been made of to be used."""
    state = os.stat(path)
    return [__version__, FORMAT, state.st_size, state.st_mtime_ns]


def _known(kept: str, key: list[Any]) -> Traced | None:
    with contextlib.suppress(OSError, Damaged), open(kept, "rb") as file:
        found = Traced(file, os.path.basename(kept).removesuffix(_SUFFIX))
        if found.key == key:
            return found
    return None


@contextlib.contextmanager
def _target(kept: str, *, keep: bool) -> Iterator[tuple[IO[bytes], str | None]]:
    """A file for an index: it becomes `kept` when it is whole, if it can be and is to be kept."""
    place = os.path.dirname(kept)
    try:
        if not keep:
            raise PermissionError(kept)
        os.makedirs(place, exist_ok=True)
        _sweep(kept)
        name = f"{kept}.{os.getpid()}-{threading.get_ident()}{_UNFINISHED}"
        file = open(name, "w+b")  # noqa: SIM115 -- closed below
        if not _held(file, name):
            file.close()
            raise PermissionError(kept)
    except OSError:
        with tempfile.TemporaryFile() as passing:
            yield passing, None
        return
    try:
        with file:
            yield file, place
            os.replace(name, kept)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _sweep(kept: str) -> None:
    """Delete what was left of making this index by processes that were killed: nobody holds its lock."""
    place, begin = os.path.dirname(kept), os.path.basename(kept) + "."
    for name in os.listdir(place):
        if name.startswith(begin) and name.endswith(_UNFINISHED):
            path = os.path.join(place, name)
            with contextlib.suppress(OSError), open(path, "r+b") as file:
                if _held(file, path):
                    os.unlink(path)


def _held(file: IO[bytes], path: str) -> bool:
    """Take the lock of a file, which goes with the process; tells whether it was free and the file is there.

    Raises:
        OSError: the file system knows no locks (flock), or the file is no more.
    """
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
