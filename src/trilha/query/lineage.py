"""Where a thing came from, and what came of it.

Upstream of an entity lie what it was derived from, and the activity that generated it with all that this
activity (and what it started) had used by then. A file that a run only read continues to the run that wrote
the same bytes. Downstream is the mirror image. The search goes level by level with a set of what was
visited, so that it ends on any graph, and asks the store a fixed number of questions a level.

Sources: PROV-DM sections 5.1 and 5.2 (what the relations say); PROV-CONSTRAINTS 5.2 (nothing used after an
entity was generated can have gone into it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.prov.uncollected import uncollected
from trilha.query.closure import keeps_graph, upstream
from trilha.query.finding import Found
from trilha.query.runs import Run, of_uuids
from trilha.query.things import Things, describe, run_of
from trilha.store import sql, views
from trilha.store.values import unescape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Lineage", "Link", "lineage"]

_GENERATION, _USAGE, _COMMUNICATION, _START, _DERIVATION = 4, 5, 6, 7, 10
_ATTRIBUTION, _ASSOCIATION, _MEMBERSHIP = 11, 12, 18
_STARTER, _PLAN = 3, 3
_RUN: Final = "#run"
_OF_RUN: Final = len("urn:uuid:00000000-0000-0000-0000-000000000000#")
_STATED: Final = itemgetter(-1)
_BEFORE: Final = -(2**63)
_AFTER: Final = 2**63


class Link(NamedTuple):
    """One step of a trail, from an effect to a cause.

    Attributes:
        effect: IRI of the later thing.
        cause: IRI of the earlier one.
        via: the PROV relation: ``wasDerivedFrom``, ``wasGeneratedBy``, ``used``, ``wasStartedBy``,
            ``wasInformedBy``, ``hadMember``, ``wasAssociatedWith``, ``wasAttributedTo``, ``hadPlan``; or
            ``sameContent``, where a file that was read had the bytes that another run or process had written;
            or ``partOf``, where an attempt, or what was done in one, goes on to its call.
        depth: how many activities or derivations lie between it and what was asked for.
        time: when it happened, nanoseconds since 1970-01-01 UTC, where that is known.
        weaker: the effect says itself what it was derived from, so that this is only "was there too".
        activity: of a derivation, the activity in which it happened, where that is known.
        others: of a ``sameContent``, in how many other places the same bytes were written.
    """

    effect: str
    cause: str
    via: str
    depth: int
    time: int | None = None
    weaker: bool = False
    activity: str | None = None
    others: int = 0


class Lineage(NamedTuple):
    """A trail: things, and the links between them.

    Attributes:
        found: what was asked for.
        direction: ``"upstream"`` or ``"downstream"``.
        starts: IRIs of the things it starts from.
        things: all that it meets, by IRI.
        depths: of the entities and activities, by IRI.
        links: in the order in which they were met, the nearest first.
        runs: the runs it goes through, by UUID.
        cut: IRIs of things at which it was broken off, because it would have become deeper than was asked
        for. links_by_effect: the links of each effect.
        links_by_cause: the links of each cause.
    """

    found: Found
    direction: str
    starts: tuple[str, ...]
    things: Things
    depths: dict[str, int]
    links: list[Link]
    runs: dict[str, Run]
    cut: tuple[str, ...]
    links_by_effect: dict[str, list[Link]]
    links_by_cause: dict[str, list[Link]]


def lineage(store: Store, found: Found, *, downstream: bool = False, depth: int | None = None) -> Lineage:
    """The trail of what was found.

    Args:
        store: to look in.
        found: from `finding.find`.
        downstream: what came of it, instead of where it came from.
        depth: how many activities or derivations deep; None for all.
    """
    search: _Search = _Downstream(store) if downstream else _Upstream(store)
    starts = [found.key, *found.others] if downstream else [found.key]
    if not downstream and found.how == "identifier":
        starts += found.others
    with uncollected():
        if depth is None:
            search.look_ahead(starts)
        search.run(starts, depth)
        return search.result(found, "downstream" if downstream else "upstream", starts)


class _Search:
    """Breadth-first search, one level at a time. Works on the store's integer keys."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._execute = store.connection.execute
        self.links: dict[tuple[int, int, str, int | None], tuple[Any, ...]] = {}
        self.depths: dict[int, int] = {}
        self.level = 0
        self.cut: list[int] = []
        self._iris: dict[int, str] = {}
        self._above = _Relations(self._execute, sql.UPSTREAM, 0)
        self._below = _Relations(self._execute, sql.DOWNSTREAM, 3)
        """Relations to what lies below: of an upstream search, what activities started."""

    def look_ahead(self, starts: list[int]) -> None:
        """Ask at once for what will be met, as far as that is known beforehand."""

    def run(self, starts: list[int], depth: int | None) -> None:
        """Search from `starts`, at most `depth` levels."""
        things = describe(self._store, starts)
        frontier = [key for key in starts if things[key].kind != "activity"]
        activities = [key for key in starts if things[key].kind == "activity"]
        for key in starts:
            self.depths[key] = 0
        while frontier or activities:
            if depth is not None and self.level >= depth:
                self.cut = [key for key in self._same(frontier) if self._goes_on(key)]
                break
            frontier = self._expand(self._same(frontier), activities)
            activities = []
            self.level += 1

    def _expand(self, entities: list[int], activities: list[int]) -> list[int]:
        raise NotImplementedError

    def _same(self, entities: list[int]) -> list[int]:
        """`entities`, and those of other runs that they continue to because they had the same content."""
        raise NotImplementedError

    def _goes_on(self, key: int) -> bool:
        raise NotImplementedError

    def _link(
        self,
        effect: int,
        cause: int,
        via: str,
        time: int | None = None,
        weaker: bool = False,
        activity: int | None = None,
        others: int = 0,
    ) -> None:
        self.links.setdefault(
            (effect, cause, via, activity),
            (effect, cause, via, self.level + 1, time, weaker, activity, others),
        )

    def _reach(self, keys: Iterable[int], depth: int) -> list[int]:
        """Those of `keys` that were not visited yet; they are now."""
        new = []
        for key in keys:
            if key not in self.depths:
                self.depths[key] = depth
                new.append(key)
        return new

    def _upstream(self, keys: Iterable[int]) -> list[tuple[Any, ...]]:
        return self._above.of(set(keys))

    def _downstream(self, keys: Iterable[int]) -> list[tuple[Any, ...]]:
        return self._below.of(set(keys))

    def _parts(self, keys: Iterable[int]) -> list[tuple[Any, ...]]:
        """Those activities that are parts of a call, each with what started it."""
        return list(sql.among(self._execute, views.PARTS, sorted(set(keys))))

    def _iri(self, keys: Iterable[int]) -> dict[int, str]:
        missing = sorted(key for key in set(keys) if key not in self._iris)
        self._iris.update(sql.among(self._execute, sql.NAMES, missing))
        return self._iris

    def _first_uses(self, keys: Iterable[int]) -> dict[int, int | None]:
        return dict(sql.among(self._execute, sql.FIRST_USES, sorted(set(keys))))

    def _times_of(self, activities: Iterable[int]) -> dict[int, tuple[int | None, int | None]]:
        """When activities started and ended."""
        rows = sql.among(self._execute, sql.TIMES_OF_ACTIVITIES, sorted(set(activities)))
        return {key: (start, end) for key, start, end in rows}

    def result(self, found: Found, direction: str, starts: list[int]) -> Lineage:
        """What was found, with names instead of keys."""
        self.level = 0
        for effect, kind, argument, cause in sql.among(self._execute, sql.RESPONSIBLE, sorted(self.depths)):
            self.level = self.depths[effect] - 1
            if kind == _ATTRIBUTION:
                self._link(effect, cause, "wasAttributedTo")
            else:
                self._link(effect, cause, "hadPlan" if argument == _PLAN else "wasAssociatedWith")
        keys = {key[0] for key in self.links} | {key[1] for key in self.links} | set(self.depths)
        rows = sql.among(self._execute, sql.NAMES, sorted(keys))
        iris = {key: unescape(iri) for key, iri in rows}
        link_of = Link._make
        links = [
            link_of((iris[effect], iris[cause], via, depth, time, weaker, iris[at] if at else None, others))
            for effect, cause, via, depth, time, weaker, at, others in self.links.values()
        ]
        by_effect: dict[str, list[Link]] = defaultdict(list)
        by_cause: dict[str, list[Link]] = defaultdict(list)
        for link in links:
            by_effect[link[0]].append(link)
            by_cause[link[1]].append(link)
        last = len(self.depths) + 1
        order = sorted((self.depths.get(key, last), iri, key) for key, iri in iris.items())
        begins = {iri[:_OF_RUN] for iri in iris.values()}
        return Lineage(
            found,
            direction,
            tuple(iris[key] for key in starts),
            Things(self._store, {iri: key for _, iri, key in order}),
            {iris[key]: depth for key, depth in self.depths.items()},
            links,
            of_uuids(self._store, {run for run in map(run_of, begins) if run}),
            tuple(iris[key] for key in self.cut),
            dict(by_effect),
            dict(by_cause),
        )


class _Relations:
    """Relations of things on one side, asked of the store once.

    Args:
        execute: of a connection.
        text: the query, whose rows begin with effect, kind, argument and cause, and end with the statement.
        column: that has the thing that is asked about.
    """

    def __init__(self, execute: Callable[..., Any], text: str, column: int) -> None:
        self._execute = execute
        self._text = text
        self._column = column
        self._known: dict[int, list[tuple[Any, ...]]] = {}

    def of(self, keys: set[int]) -> list[tuple[Any, ...]]:
        """The relations of the things with these keys, as they were stated."""
        known = self._known
        self.fetch(keys)
        return sorted((row for key in keys for row in known[key]), key=_STATED)

    def fetch(self, keys: Iterable[int]) -> None:
        """Ask for those of things that will be asked about."""
        known, column = self._known, self._column
        missing = [key for key in keys if key not in known]
        if missing:
            known.update((key, []) for key in missing)
            for row in sql.among(self._execute, self._text, sorted(missing)):
                known[row[column]].append(row)


class _Upstream(_Search):
    """Towards the causes."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._bounds: dict[int, int] = {}
        """Up to when the usages of an activity have been followed."""
        self._below = _Relations(self._execute, sql.STARTED, 3)
        self._taken: dict[int, int] = {}
        """The same of activities that were met by way of a part of them."""

    def look_ahead(self, starts: list[int]) -> None:
        """Ask at once for what lies upstream, by the graph of calls that a large store keeps."""
        if keeps_graph(self._store):
            past = upstream(self._store, starts)
            self._above.fetch((*starts, *past.data_keys, *past.activity_keys))
            self._below.fetch(past.activity_keys)

    def _goes_on(self, key: int) -> bool:
        return any(row[1] in (_GENERATION, _DERIVATION, _MEMBERSHIP) for row in self._upstream([key]))

    def _same(self, entities: list[int]) -> list[int]:
        found = list(sql.among(self._execute, sql.SOURCES, sorted(entities)))
        self.level -= 1
        for key, source, others in found:
            self._link(key, source, "sameContent", others=others)
        self.level += 1
        return entities + self._reach((source for _, source, _ in found), self.level)

    def _expand(self, entities: list[int], activities: list[int]) -> list[int]:
        rows = self._upstream(entities)
        derived = {row[0] for row in rows if row[1] == _DERIVATION}
        causes: list[int] = []
        bounds: dict[int, int] = dict.fromkeys(activities, _AFTER)
        timeless = [row[0] for row in rows if row[1] == _GENERATION and row[4] is None]
        first_uses = self._first_uses(timeless) if timeless else {}
        for effect, kind, _, cause, time, activity, _ in rows:
            if kind == _DERIVATION:
                self._link(effect, cause, "wasDerivedFrom", time, activity=activity or None)
                causes.append(cause)
            elif kind == _GENERATION:
                self._link(effect, cause, "wasGeneratedBy", time, weaker=effect in derived)
                bound = time if time is not None else first_uses.get(effect)
                bounds[cause] = max(bounds.get(cause, _BEFORE), _AFTER if bound is None else bound)
            elif kind == _MEMBERSHIP:
                self._link(effect, cause, "hadMember")
                causes.append(cause)
        self._reach(bounds, self.level + 1)
        causes += self._used_by(bounds)
        return self._reach(causes, self.level + 1)

    def _used_by(self, bounds: dict[int, int]) -> list[int]:
        """What the activities used up to their bounds, with what they had started and been informed by."""
        causes: list[int] = []
        while bounds:
            bounds = {key: bound for key, bound in bounds.items() if bound > self._bounds.get(key, _BEFORE)}
            self._bounds.update(bounds)
            further: dict[int, int] = {}
            started: dict[int, int] = {}
            for effect, kind, argument, cause, time, *_ in self._upstream(bounds):
                if kind == _START and argument == _STARTER and cause not in self._bounds:
                    started[effect] = cause
                elif kind == _USAGE and _not_after(time, bounds[effect]):
                    self._link(effect, cause, "used", time)
                    causes.append(cause)
                elif kind == _COMMUNICATION:
                    self._link(effect, cause, "wasInformedBy")
                    further[cause] = _AFTER
                elif kind == _START and argument != _STARTER and _not_after(time, bounds[effect]):
                    self._link(effect, cause, "wasStartedBy", time)
                    causes.append(cause)
            begun = [
                (effect, cause, time)
                for effect, _, _, cause, time, *_ in self._downstream(bounds)
                if _not_after(time, bounds[cause])
            ]
            times = self._times_of(effect for effect, _, _ in begun) if begun else {}
            for effect, cause, time in begun:
                self._link(effect, cause, "wasStartedBy", time)
                # All that was used in what was over by then counts, whatever another host's clock says.
                over = times.get(effect, (None, None))[1]
                bound = _AFTER if over is not None and over <= bounds[cause] else bounds[cause]
                further[effect] = max(further.get(effect, _BEFORE), bound)
            self._reach(further, self.level + 1)
            names = self._iri(started.values())
            causes += self._taken_by_calls(
                {key: bounds[key] for key, cause in started.items() if not names[cause].endswith(_RUN)}
            )
            bounds = further
        return causes

    def _taken_by_calls(self, bounds: dict[int, int]) -> list[int]:
        """What the calls used that these are parts of: an attempt has all that its call was given."""
        causes: list[int] = []
        while bounds:
            further: dict[int, int] = {}
            for effect, cause, time, is_attempt in self._parts(bounds):
                self._link(effect, cause, "partOf", time)
                bound = _AFTER if is_attempt else bounds[effect]
                if bound > max(self._bounds.get(cause, _BEFORE), self._taken.get(cause, _BEFORE)):
                    further[cause] = bound
            self._taken.update(further)
            self._reach(further, self.level + 1)
            for effect, kind, _, cause, time, *_ in self._upstream(further):
                if kind == _USAGE and _not_after(time, further[effect]):
                    self._link(effect, cause, "used", time)
                    causes.append(cause)
            bounds = further
        return causes


class _Downstream(_Search):
    """Towards the effects: the mirror image."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._bounds: dict[int, int] = {}
        """From when on the generations of an activity have been followed."""

    def _goes_on(self, key: int) -> bool:
        return any(row[1] in (_USAGE, _DERIVATION) for row in self._downstream([key]))

    def _same(self, entities: list[int]) -> list[int]:
        found = list(sql.among(self._execute, sql.READ_AGAIN, sorted(entities)))
        self.level -= 1
        for key, source, others in found:
            self._link(key, source, "sameContent", others=others)
        self.level += 1
        return entities + self._reach((key for key, _, _ in found), self.level)

    def _expand(self, entities: list[int], activities: list[int]) -> list[int]:
        effects: list[int] = []
        bounds: dict[int, int] = dict.fromkeys(activities, _BEFORE)
        for effect, kind, argument, cause, time, activity, _ in self._downstream(entities):
            if kind == _DERIVATION:
                self._link(effect, cause, "wasDerivedFrom", time, activity=activity or None)
                effects.append(effect)
            elif kind == _USAGE:
                self._link(effect, cause, "used", time)
                bounds[effect] = min(bounds.get(effect, _AFTER), _BEFORE if time is None else time)
            elif kind == _ASSOCIATION and argument == _PLAN:
                self._link(effect, cause, "hadPlan")
                bounds[effect] = _BEFORE
            elif kind == _MEMBERSHIP:
                self._link(effect, cause, "hadMember")
                effects.append(effect)
        self._reach(bounds, self.level + 1)
        effects += self._generated_by(bounds)
        return self._reach(effects, self.level + 1)

    def _generated_by(self, bounds: dict[int, int]) -> list[int]:
        """What the activities, and those that started them or were informed by them, generated in time."""
        effects: list[int] = []
        users = set(bounds)
        # What these used goes on to their parts; what a part used goes on to no other part of its call.
        while bounds:
            bounds = {key: bound for key, bound in bounds.items() if bound < self._bounds.get(key, _AFTER)}
            self._bounds.update(bounds)
            further: dict[int, int] = {}
            below = self._downstream(bounds)
            names = self._iri(users)
            within = [
                row[0]
                for row in below
                if row[1] == _START
                and row[2] == _STARTER
                and row[3] in users
                and not names[row[3]].endswith(_RUN)
            ]
            for part, call, time, is_attempt in self._parts(within):
                self._link(part, call, "partOf", time)
                further[part] = _BEFORE if is_attempt else bounds[call]
                users.add(part)
            rows = [row for row in below if row[1] in (_GENERATION, _COMMUNICATION)]
            made = [row[0] for row in rows if row[1] == _GENERATION]
            first_uses = self._first_uses(
                [row[0] for row in rows if row[1] == _GENERATION and row[4] is None]
            )
            derived = {row[0] for row in self._upstream(made) if row[1] == _DERIVATION} if made else set()
            for effect, kind, _, cause, time, *_ in rows:
                if kind == _COMMUNICATION:
                    self._link(effect, cause, "wasInformedBy")
                    further[effect] = _BEFORE
                elif _not_before(time if time is not None else first_uses.get(effect), bounds[cause]):
                    self._link(effect, cause, "wasGeneratedBy", time, weaker=effect in derived)
                    effects.append(effect)
            starters = [
                (effect, cause, time)
                for effect, kind, argument, cause, time, *_ in self._upstream(bounds)
                if kind == _START and argument == _STARTER
            ]
            times = self._times_of(effect for effect, _, _ in starters) if starters else {}
            timeless = [effect for effect, _, _ in starters if bounds[effect] == _BEFORE]
            attempts = {part for part, _, _, is_attempt in self._parts(timeless) if is_attempt}
            for effect, cause, time in starters:
                self._link(effect, cause, "wasStartedBy", time)
                start, over = times.get(effect, (None, None))
                bound = bounds[effect]
                if start is not None and bound == _BEFORE and effect not in attempts:
                    # When it was used is not known; not before its activity began, at any rate.
                    bound = start
                if start is not None and over is not None and over < bound:
                    # It was used after its activity was over: by another host's clock. It was in between.
                    bound = start
                further[cause] = min(further.get(cause, _AFTER), bound)
            self._reach(further, self.level + 1)
            bounds = further
        return effects


def _not_after(time: int | None, bound: int | None) -> bool:
    return time is None or bound is None or time <= bound


def _not_before(time: int | None, bound: int) -> bool:
    return time is None or time >= bound
