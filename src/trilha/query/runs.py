"""Which runs there are, and which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from trilha.errors import NotFound
from trilha.prov import PROV, TRILHA
from trilha.store import sql
from trilha.store.values import escape, unescape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["STATES", "Run", "campaigns", "count", "find_run", "of_campaign", "of_keys", "of_uuids", "runs"]

STATES = {0: "lost", 1: "running"}
"""Of a run without an end, by the state of its first journal; ``unknown`` otherwise."""

_ALL = 2**62


class Run(NamedTuple):
    """A run, as a list of runs shows it. Times are nanoseconds since 1970-01-01 UTC.

    Attributes:
        key: in the store; never the same in another store.
        uuid: its identifier is ``urn:uuid:<uuid>#run``.
        name: what the user called it, or the script's name; empty if that was not recorded.
        status: ``finished``, ``failed``, ``interrupted``, ``running``, ``lost`` (its process was killed or
        the
            machine went down: how it ended was not recorded) or ``unknown`` (written on another host, with no
            end recorded so far).
        start: when it started.
        end: when it ended, if it did.
        exit_status: of its process, where known.
        exception: type and message of what ended it; empty if nothing did.
        dropped: how many events were not recorded, as it says itself.
        command: the command line.
        damage: how many parts of its journals could not be read.
    """

    key: int
    uuid: str
    name: str
    status: str
    start: int | None
    end: int | None
    exit_status: int | None
    exception: str
    dropped: int
    command: str
    damage: int

    @property
    def short(self) -> str:
        """The first eight digits of the UUID, for people."""
        return self.uuid[:8]


def runs(store: Store, limit: int | None = None) -> list[Run]:
    """The runs in a store, the newest first.

    Args:
        store: to look in.
        limit: how many at most; None for all.
    """
    rows = store.connection.execute(sql.RUNS_NEWEST_FIRST, (_ALL if limit is None else limit,))
    return [_run(row) for row in rows]


def count(store: Store) -> int:
    """How many runs there are in a store."""
    return int(store.connection.execute(sql.RUN_COUNT).fetchone()[0])


def of_uuids(store: Store, uuids: set[str]) -> dict[str, Run]:
    """The runs with these UUIDs, as far as they are in the store."""
    found = {}
    for uuid in sorted(uuids):
        row = store.connection.execute(sql.RUN_OF_UUID, (uuid,)).fetchone()
        if row is not None:
            found[uuid] = _run(row)
    return found


def of_keys(store: Store, keys: Sequence[int]) -> list[Run]:
    """The runs with these keys, in the order of the keys."""
    found = {row[0]: _run(row) for row in sql.among(store.connection.execute, sql.RUNS_OF_KEYS, keys)}
    return [found[key] for key in keys if key in found]


def of_campaign(store: Store, name: str) -> list[int]:
    """The keys of the runs of a campaign, the newest first.

    Raises:
        NotFound: no run is of a campaign of that name.
    """
    found = campaigns(store)
    if name not in found:
        from difflib import get_close_matches

        close = get_close_matches(name, found, 3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        if not found:
            hint = " Runs are put into one by `trilha run --campaign NAME`."
        raise NotFound(f"no run in {store.folder} is of a campaign called {name!r}.{hint}")
    keys = found[name]
    return [row[0] for row in store.connection.execute(sql.KEYS_NEWEST_FIRST) if row[0] in keys]


def campaigns(store: Store) -> dict[str, set[int]]:
    """The keys of the runs of each campaign, by its name."""
    keys = [
        store.connection.execute(sql.KEY_OF_IRI, (iri,)).fetchone()
        for iri in (PROV["label"], PROV["type"], TRILHA["Campaign"])
    ]
    found: dict[str, set[int]] = {}
    if all(keys):
        for name, run in store.connection.execute(sql.CAMPAIGNS, [key[0] for key in keys]):
            found.setdefault(unescape(name), set()).add(run)
    return found


def find_run(store: Store, text: str) -> Run:
    """The run that `text` means: ``last``, a name, a UUID, or the beginning of one.

    Raises:
        NotFound: there is none, or more than one.
    """
    if text == "last":
        newest = runs(store, 1)
        if not newest:
            raise NotFound(f"there are no runs in {store.folder} yet; record one with `trilha run SCRIPT`")
        return newest[0]
    uuid = text.removeprefix("urn:uuid:").partition("#")[0].lower()
    row = store.connection.execute(sql.RUN_OF_UUID, (uuid,)).fetchone()
    if row is not None:
        return _run(row)
    found = [_run(row) for row in store.connection.execute(sql.RUNS_OF_LABEL, (escape(text),))]
    if not found and uuid and all(digit in "0123456789abcdef-" for digit in uuid):
        found = [_run(row) for row in store.connection.execute(sql.RUNS_BETWEEN, (uuid, uuid + "g"))]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(_ambiguous(text, found))
    raise NotFound(_nothing(store, text))


def _ambiguous(text: str, found: list[Run]) -> str:
    from trilha.query.wording import moment

    shown = [f"{run.short} ({run.status}, {moment(run.start)})" for run in found[:5]]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"{len(found)} runs are called {text!r}: {', '.join(shown)}{more}. Give the id of one, or `last`"


def _nothing(store: Store, text: str) -> str:
    from difflib import get_close_matches

    names = [unescape(row[0]) for row in store.connection.execute(sql.NAMES_OF_RUNS)]
    close = get_close_matches(text, names, 3)
    hint = (
        f" Did you mean {' or '.join(map(repr, close))}?"
        if close
        else " `trilha list` shows the runs there are."
    )
    return f"no run called {text!r}, and none whose id begins so, in {store.folder}.{hint}"


def _run(row: tuple[Any, ...]) -> Run:
    key, uuid, label, start, end, status, exit_status, exception, dropped, command, state, damage = row
    return Run(
        key,
        uuid,
        unescape(label or ""),
        unescape(status) if status else STATES.get(state, "unknown"),
        start,
        end,
        exit_status,
        unescape(exception or ""),
        dropped or 0,
        unescape(command or ""),
        damage,
    )
