"""Keys of rows of databases, which a run tells densely, as they were told.

`trilha.database` says which rows a step inserted, updated or deleted in one text for all of them; what shows
things elsewhere cuts long texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.journal.keys import unpacked
from trilha.store import sql

if TYPE_CHECKING:
    from trilha.store.store import Store

__all__ = ["rows_told"]

_PACKED: Final = tuple(
    f"https://w3id.org/trilha/ns#{name}" for name in ("keys", "keys_before", "lines", "deleted_keys")
)
_TEXTS: Final = (
    "SELECT s.identifier, k.iri, a.text FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key WHERE s.identifier IN ({keys}) AND k.iri IN (?, ?, ?, ?)"
)


def rows_told(store: Store, things: Iterable[int]) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    """What these things tell of rows.

    Args:
        store: to look in.
        things: keys of entities of the types ``trilha:Rows`` and ``trilha:TableVersion``.

    Returns:
        For each, by the name of what it tells (``"keys"``, ``"keys_before"``, ``"lines"``,
        ``"deleted_keys"``): a tuple for each row, in order. What cannot be read is left out.
    """
    found = {}
    for thing, iri, text in sql.among(store.connection.execute, _TEXTS, sorted(set(things)), *_PACKED):
        try:
            found[thing, iri.rpartition("#")[2]] = unpacked(text or "")
        except ValueError:
            continue
    return found
