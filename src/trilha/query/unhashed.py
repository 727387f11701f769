"""Files of one run that are the same although one process could not hash them.

A worker that its pool ends (`multiprocessing.Pool` does so as soon as it has all results) may be gone before
it has hashed what it wrote last. What another process of the run read at the same path, of the same size and
time of change, is that file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from trilha.query.finding import generated_at
from trilha.query.things import Thing, describe
from trilha.store import sql
from trilha.store.values import escape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["read_as", "written_as"]

_MOST: Final = 256
"""Of so many files a search asks at once."""


def written_as(store: Store, read: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Those files among `read` that a process of their run had written, each with what it wrote.

    Args:
        store: to look in.
        read: keys of entities that nothing is known to have generated.
    """
    for key, alike in _alike(store, read):
        times = generated_at(store, alike)
        if times:
            yield key, max(times, key=lambda one: (times[one] or 0, one))


def read_as(store: Store, written: Iterable[int]) -> Iterator[tuple[int, int]]:
    """What processes of their run read of those files among `written`: each with what was written.

    Args:
        store: to look in.
        written: keys of entities.
    """
    for key, alike in _alike(store, written):
        read = set(alike) - generated_at(store, alike).keys()
        # It is the last that was written of them, as for `written_as`.
        found = dict(written_as(store, sorted(read))) if read else {}
        yield from ((one, key) for one, source in found.items() if source == key)


def _alike(store: Store, keys: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
    """Those of the entities with these keys that are files, each with what is the same file."""
    files = [
        (key, one) for key, one in describe(store, list(keys)[:_MOST]).items() if one.is_a("trilha:File")
    ]
    for key, file in files:
        path = str(file.fact("trilha:path", ""))
        rows = store.connection.execute(sql.KNOWN_AS, (escape(path)[:512],))
        others = describe(store, [row[0] for row in rows if row[0] != key])
        yield key, [other for other, one in others.items() if _is_the_same(one, file)]


def _is_the_same(one: Thing, file: Thing) -> bool:
    if one.run != file.run or (one.fact("trilha:sha256") and file.fact("trilha:sha256")):
        return False
    return file.fact("trilha:modified") is not None and _stamp(one) == _stamp(file)


def _stamp(file: Thing) -> tuple[Any, ...]:
    return file.fact("trilha:size"), file.fact("trilha:modified")
