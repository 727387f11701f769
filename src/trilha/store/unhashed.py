"""Files of one run that are the same although one process could not hash them: rows of ``same_content``.

A worker that its pool ends (`multiprocessing.Pool` does so as soon as it has all results) may be gone before
it has hashed what it wrote last. What another process of the run read at the same path, of the same size and
time of change, is that file. Where both were hashed, their contents tell (`trilha.store.contents`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from trilha.store import sql

__all__ = ["sources"]

_KNOWN: Final = 512
"""Letters of a path that things are known by."""


class _File:
    """A file as one process met it.

    Args:
        run: key of its run.
    """

    __slots__ = ("digest", "modified", "path", "run", "size")

    def __init__(self, run: int) -> None:
        self.run = run
        self.path = ""
        self.size: int | None = None
        self.modified: Any = None
        self.digest = ""

    def is_the_same(self, other: _File) -> bool:
        """Whether it is what `other` is, as far as its name and times can tell."""
        if self.digest and other.digest:
            return False
        return (self.path, self.size, self.modified) == (other.path, other.size, other.modified)

    def has_the_bytes_of(self, other: _File) -> bool:
        """Whether both were hashed, and are equal."""
        return bool(self.digest) and self.digest == other.digest


def sources(
    execute: Callable[..., Any], through: int, also: Iterable[int]
) -> Iterator[tuple[int, int | None, frozenset[int]]]:
    """What was read of files that one process wrote and another read, and of which one has no hash.

    Args:
        execute: of a connection.
        through: the last statement that was looked at before.
        also: keys of entities that are to be looked at again.

    Yields:
        The key of a file, that of what was written as it (None for nothing), and those of all that can have
        been given as such before: what it does not have the bytes of.
    """
    fresh = {row[0] for row in execute(sql.NEW_FILES, (through,))} | set(also)
    if through:
        # Else all of them are new.
        fresh |= {row[0] for row in execute(sql.FILES_WRITTEN_NEW, (through, through))}
    files = _files(execute, fresh)
    if through:
        texts = {one.path[:_KNOWN] for one in files.values()}
        near = {row[0] for text in sorted(texts) for row in execute(sql.KNOWN_AS, (text,))}
        files |= _files(execute, near - files.keys())
    groups: dict[tuple[int, str], list[int]] = {}
    for key, one in files.items():
        groups.setdefault((one.run, one.path), []).append(key)
    for keys in groups.values():
        # At first nothing is given that a hash could take back.
        if len(keys) > 1 and (through or not all(files[key].digest for key in keys)):
            yield from _within(execute, {key: files[key] for key in sorted(keys)})


def _within(
    execute: Callable[..., Any], files: dict[int, _File]
) -> Iterator[tuple[int, int | None, frozenset[int]]]:
    """The same among the files that one run met at one path."""
    written: dict[int, int] = {}
    for key, time in sql.among(execute, sql.GENERATED_AT, sorted(files)):
        written[key] = max(written.get(key, 0), time or 0)
    derived = {row[0] for row in sql.among(execute, sql.DERIVED_AMONG, sorted(files))}
    for key, one in files.items():
        possible = frozenset(other for other in written if not one.has_the_bytes_of(files[other]))
        made = key in written or key in derived
        alike = [] if made else [other for other in written if one.is_the_same(files[other])]
        # Several processes may have written it: what was read is what the last one did.
        yield key, max(alike, key=lambda other: (written[other], other), default=None), possible


def _files(execute: Callable[..., Any], keys: Iterable[int]) -> dict[int, _File]:
    """Those of the entities with these keys that are files of which the time of change is known."""
    found: dict[int, _File] = {}
    for key, run, iri, text, whole in sql.among(execute, sql.FILE_FACTS, sorted(keys)):
        one = found.get(key) or found.setdefault(key, _File(run))
        what = iri.rpartition("#")[2]
        if what == "path":
            one.path = text
        elif what == "size":
            one.size = whole
        elif what == "modified":
            one.modified = whole if whole is not None else text
        else:
            one.digest = text
    return {key: one for key, one in found.items() if one.path and one.modified is not None}
