"""What is known of an entity, activity or agent, as plain data.

Prefixes in this room are always the fixed ones: a key such as ``"trilha:path"`` stands for the whole IRI.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.store import sql
from trilha.store.contents import EMPTY
from trilha.store.values import plain, run_of, unescape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["EMPTY", "LABEL", "PREFIXES", "SHA256", "Thing", "Things", "describe", "run_of", "shorten"]

PREFIXES: Final = {
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "trilha": "https://w3id.org/trilha/ns#",
    "sha256": "nih:sha-256;",
    "pypi": "pkg:pypi/",
    "commit": "swh:1:rev:",
}
"""The prefixes that a question may use, and that answers use for keys and types."""

SHA256: Final = PREFIXES["sha256"]
LABEL: Final = "prov:label"
_FEW: Final = 2_000
"""So many things are described at once, whoever is looked at."""
_KINDS: Final = {1: "entity", 2: "activity", 3: "agent"}


class Thing(NamedTuple):
    """An entity, activity or agent.

    Attributes:
        iri: its identifier.
        kind: ``"entity"``, ``"activity"`` or ``"agent"``; ``"unknown"`` where it was named but never
        described. run: UUID of the run that it was met in; None for what is not of one run: contents,
        packages, people. label: what to call it; made up from the identifier where nothing better is known.
        types: its types, such as ``"trilha:File"``.
        start: when an activity started, nanoseconds since 1970-01-01 UTC, if known.
        end: when it ended.
        facts: its other attributes: values by key, in the order in which they were stated.
        executed: of a task the nanoseconds that its attempts took in all; None where it has none, or where
            that is not known of each.
    """

    iri: str
    kind: str
    run: str | None
    label: str
    types: tuple[str, ...]
    start: int | None
    end: int | None
    facts: dict[str, list[Any]]
    executed: int | None = None

    def fact(self, key: str, default: Any = None) -> Any:
        """The last stated value of an attribute, such as ``"trilha:path"``."""
        values = self.facts.get(key)
        return values[-1] if values else default

    def is_a(self, *types: str) -> bool:
        """Whether it is of one of these types."""
        return any(one in self.types for one in types)

    @property
    def took(self) -> int | None:
        """How long an activity took, in nanoseconds, if known.

        Of an attempt without the wait for a worker, as the view ``attempt`` has it; of a task what its
        attempts took, without the time until a worker was free and what it needs was there.
        """
        if self.is_a("trilha:Task"):
            return self.executed
        between = self._between
        if not self.is_a("trilha:Attempt"):
            return between
        executed = self.fact("trilha:took")
        if isinstance(executed, (int, float)):
            return round(executed * 1e9)
        waited = self.fact("trilha:waited")
        if between is not None and isinstance(waited, (int, float)):
            return between - round(waited * 1e9)
        return between

    @property
    def waited(self) -> int | None:
        """How long a task or an attempt waited, in nanoseconds, if known.

        Of a task all the time in which no attempt executed: until what it needs was there and a worker was
        free, and between attempts. Not known where attempts overlapped.
        """
        if self.is_a("trilha:Task"):
            between = self._between
            waited = None if between is None or self.executed is None else between - self.executed
            return waited if waited is not None and waited >= 0 else None
        if not self.is_a("trilha:Attempt"):
            return None
        told, began = self.fact("trilha:waited"), self.fact("trilha:began")
        if isinstance(told, (int, float)):
            return round(told * 1e9)
        return began - self.start if isinstance(began, int) and self.start is not None else None

    @property
    def _between(self) -> int | None:
        return self.end - self.start if self.start is not None and self.end is not None else None


class Things(Mapping[str, Thing]):
    """Things of one answer by IRI, which are described when somebody looks at them.

    Args:
        store: that they are in.
        keys: of them, by IRI, in the order in which they are told.
    """

    def __init__(self, store: Store, keys: dict[str, int]) -> None:
        self._store = store
        self._keys = keys
        self._known: dict[str, Thing] = {}

    def __getitem__(self, iri: str) -> Thing:
        known = self._known.get(iri)
        if known is None:
            self.know([iri] if len(self._keys) > _FEW else self._keys)
            known = self._known[iri]
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def values(self) -> ValuesView[Thing]:
        """All of them, described at once."""
        self.know(self._keys)
        return super().values()

    def items(self) -> ItemsView[str, Thing]:
        """All of them, described at once."""
        self.know(self._keys)
        return super().items()

    def know(self, iris: Iterable[str]) -> None:
        """Describe these at once, since somebody will look at them.

        Raises:
            KeyError: one is not of the answer.
        """
        missing = {self._keys[iri] for iri in iris if iri not in self._known}
        if missing:
            self._known.update((thing.iri, thing) for thing in describe(self._store, missing).values())

    def files(self, iris: Iterable[str]) -> list[Thing]:
        """Those of `iris` that are files, in that order."""
        keys = {self._keys[iri]: iri for iri in iris}
        rows = sql.among(self._store.connection.execute, sql.FILES_AMONG, sorted(keys))
        found = {keys[row[0]] for row in rows}
        self.know(found)
        return [self._known[iri] for iri in keys.values() if iri in found]

    def unhashed(self) -> list[Thing]:
        """The files whose content is not known."""
        iris = {key: iri for iri, key in self._keys.items()}
        rows = sql.among(self._store.connection.execute, sql.UNHASHED_AMONG, sorted(iris))
        found = [iris[row[0]] for row in rows]
        self.know(found)
        return [self._known[iri] for iri in found]


def shorten(iri: str) -> str:
    """`iri` with one of the fixed prefixes, if one fits."""
    for prefix, begin in PREFIXES.items():
        if iri.startswith(begin):
            return f"{prefix}:{iri[len(begin) :]}"
    return iri


def describe(store: Store, keys: Iterable[int]) -> dict[int, Thing]:
    """What is known of the things with these keys."""
    found = _described(store, keys)
    tasks = [key for key, thing in found.items() if thing.is_a("trilha:Task")]
    started = list(sql.among(store.connection.execute, sql.STARTED_BY, sorted(tasks)))
    missing = {key for _, key in started} - found.keys()
    parts = found | (_described(store, missing) if missing else {})
    took: dict[int, list[int | None]] = {}
    for task, key in started:
        if parts[key].is_a("trilha:Attempt"):
            took.setdefault(task, []).append(parts[key].took)
    for task, each in took.items():
        known = [one for one in each if one is not None]
        found[task] = found[task]._replace(executed=sum(known) if len(known) == len(each) else None)
    return found


def _described(store: Store, keys: Iterable[int]) -> dict[int, Thing]:
    """What is said of these things themselves."""
    wanted = sorted(set(keys))
    execute: Callable[..., Any] = store.connection.execute
    facts: dict[int, dict[str, list[Any]]] = {}
    shorts: dict[str, str] = {}
    for key, iri, type_, whole, number, text, value in sql.among(execute, sql.FACTS, wanted):
        short = shorts.get(iri) or shorts.setdefault(iri, shorten(iri))
        about = facts.get(key)
        if about is None:
            about = facts[key] = {}
        values = about.get(short)
        one = plain(type_, whole, number, text, value)
        if values is None:
            about[short] = [one]
        elif one not in values:
            values.append(one)
    found: dict[int, Thing] = {}
    for key, iri, kind, _, start, end in sql.among(execute, sql.ELEMENTS, wanted):
        known = found.get(key)
        if known is None:
            found[key] = _thing(unescape(iri), _KINDS[kind], facts.pop(key, {}), start, end)
        elif (start is not None and known.start is None) or (end is not None and known.end is None):
            found[key] = known._replace(
                start=known.start if known.start is not None else start,
                end=known.end if known.end is not None else end,
            )
    _name_the_rest(execute, wanted, found)
    return found


def _name_the_rest(execute: Callable[..., Any], wanted: Sequence[int], found: dict[int, Thing]) -> None:
    """Things that other statements name, and whose own statement was not recorded or not read."""
    missing = [key for key in wanted if key not in found]
    for key, iri in sql.among(execute, sql.NAMES, missing):
        found[key] = _thing(unescape(iri), "unknown", {}, None, None)


def _thing(iri: str, kind: str, facts: dict[str, list[Any]], start: int | None, end: int | None) -> Thing:
    types = tuple([_short_type(value) for value in facts.pop("prov:type", ()) if isinstance(value, str)])
    labels = facts.get(LABEL) or facts.get("trilha:name")
    label = str(labels[-1]) if labels else _made_up(iri)
    return Thing(iri, kind, run_of(iri), label, types, start, end, facts)


@lru_cache(1024)
def _short_type(iri: str) -> str:
    return shorten(iri)


def _made_up(iri: str) -> str:
    short = shorten(iri)
    if run_of(iri):
        return iri[45:]
    return short if len(short) <= 80 else short[:79] + "…"
