"""Where things came from and what came of them: lineage, paths, makers, impact.

What is asked about is named as `finding.find` takes it (a file, a name, an identifier), or by its type and
run: ``model``, ``metrics``, ``"test metrics"``, ``training`` mean the last such thing of the one run that is
asked about, ``"raw data"`` the largest file that it read.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

from trilha.errors import NotFound, UsageError
from trilha.query import runs as the_runs
from trilha.query.finding import Found
from trilha.query.finding import find as find_thing
from trilha.query.lineage import Lineage, Link, lineage
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import Thing, describe, run_of
from trilha.query.trail import raw, results
from trilha.query.unknown import of_lineage
from trilha.store import sql
from trilha.store.values import from_ns

__all__ = ["impact", "made_by", "meant", "origin", "path"]

_PROV_ONLY = ("wasGeneratedBy", "used", "wasDerivedFrom", "wasInformedBy", "hadMember", "sameContent")
_TYPES = {
    "model": ("Model",),
    "data": ("Dataset",),
    "dataset": ("Dataset",),
    "metrics": ("Metrics",),
    "checkpoint": ("Checkpoint",),
    "training": ("Training",),
    "evaluation": ("Evaluation",),
    "split": ("Split",),
    "train": ("Subset",),
    "validation": ("Subset",),
    "test": ("Subset",),
    "architecture": ("Architecture",),
}


@question(
    "lineage",
    "WHAT",
    "All that led to a thing, link by link, back to the raw data.",
    papers=("D4", "D7", "K7"),
    acceptance=(1,),
)
def origin(asked: Asked, what: str) -> Answer:
    """The links of the trail upstream; the summary names the raw data."""
    told = lineage(asked.store, meant(asked, what))
    files = [{"file": one.label, "sha256": one.fact("trilha:sha256")} for one in raw(told)]
    return _links(told, {"raw data": [one["file"] for one in files]})


@question(
    "impact",
    "WHAT",
    "All that came of a file, a data set, a commit or a package, in whichever run.",
    papers=("K9",),
    acceptance=(10,),
)
def impact(asked: Asked, what: str) -> Answer:
    """The links of the trail downstream; the summary names the runs and the files that came of it."""
    told = lineage(asked.store, meant(asked, what), downstream=True)
    summary = {
        "runs": [f"{run.name} ({run.short})" for run in told.runs.values()],
        "files": sorted({thing.label for thing, _ in results(told)}),
    }
    return _links(told, summary)


def _links(told: Lineage, summary: dict[str, Any]) -> Answer:
    rows = []
    for link in told.links:
        run = told.runs.get(run_of(link.effect) or "") or told.runs.get(run_of(link.cause) or "")
        rows.append({"depth": link.depth, **_link(told, link), "run": run.name if run else None})
    return Answer(("depth", "what", "via", "from", "when", "run"), rows, summary, of_lineage(told))


def _link(told: Lineage, link: Link) -> dict[str, Any]:
    return {
        "what": told.things[link.effect].label,
        "via": link.via,
        "from": told.things[link.cause].label,
        "when": None if link.time is None else from_ns(link.time),
        "what id": link.effect,
        "from id": link.cause,
    }


@question(
    "path",
    "FROM TO",
    "The shortest directed path between two things, from the later one to the earlier one.",
    papers=("D2", "D3", "D4"),
    acceptance=(2,),
)
def path(asked: Asked, begin: str, end: str) -> Answer:
    """The links between two things. Which of the two is the later one is found out."""
    for later, earlier in ((begin, end), (end, begin)):
        told = lineage(asked.store, meant(asked, later))
        targets = _targets(asked, told, earlier)
        links = _shortest(told, targets)
        if links is not None:
            rows = [_link(told, link) for link in links]
            turned = {"direction": f"{later} came from {earlier}", "length": len(rows)}
            return Answer(("what", "via", "from", "when"), rows, turned, _loose(told, links))
    nothing = f"Neither of {begin!r} and {end!r} is known to have come from the other."
    return Answer(("what", "via", "from", "when"), [], {}, [nothing], yes=False)


def _targets(asked: Asked, told: Lineage, what: str) -> set[str]:
    """What in the trail is meant: what is so called there, else what is so called anywhere."""
    tail = "/" + what.lstrip("./")
    called = {
        iri
        for iri, thing in told.things.items()
        if what in (iri, thing.label)
        or any(str(one).endswith(tail) for one in thing.facts.get("trilha:path", ()))
    }
    if called:
        return called
    found = meant(asked, what)
    rows = sql.among(asked.store.connection.execute, sql.NAMES, [found.key, *found.others])
    return {row[1] for row in rows}


def _shortest(told: Lineage, targets: set[str]) -> list[Link] | None:
    """Breadth first; that an activity was started by another is followed only if nothing else leads there."""
    for starts in (False, True):
        came: dict[str, Link | None] = dict.fromkeys(told.starts)
        waiting = deque(told.starts)
        while waiting:
            here = waiting.popleft()
            if here in targets and came[here] is not None:
                return _walked(came, here)
            for link in told.links_by_effect.get(here, ()):
                if (link.via in _PROV_ONLY or starts) and link.cause not in came:
                    came[link.cause] = link
                    waiting.append(link.cause)
    return None


def _loose(told: Lineage, links: list[Link]) -> list[str]:
    """Where a path says only that an activity had used something when it made something."""
    said = []
    for made, used in itertools.pairwise(links):
        if made.via == "wasGeneratedBy" and used.via == "used":
            derived = told.links_by_effect.get(made.effect, ())
            if not any(link.via == "wasDerivedFrom" and link.cause == used.cause for link in derived):
                what, cause = told.things[made.effect].label, told.things[used.cause].label
                by = told.things[used.effect].label
                said.append(
                    f"Whether {cause} went into {what}: {by} had used the one when it made the other."
                )
    return said


def _walked(came: dict[str, Link | None], end: str) -> list[Link]:
    links: list[Link] = []
    link = came[end]
    while link is not None:
        links.append(link)
        link = came[link.effect]
    return links[::-1]


@question(
    "made-by",
    "WHAT",
    "The activity that made a thing, with who, where, when and by which plan.",
    papers=("D3", "K8"),
    acceptance=(3, 12),
)
def made_by(asked: Asked, what: str) -> Answer:
    """The generating activity of a thing, and of each thing with the same content."""
    found = meant(asked, what)
    told = lineage(asked.store, found, depth=1)
    rows = []
    for link in told.links:
        if link.via == "wasGeneratedBy":
            rows.append(_maker(asked, told.things[link.cause], told.things[link.effect]))
    unknown = [] if rows else [f"What made {what}: no recorded activity did."]
    columns = ("thing", "activity", "started", "took", "by", "on", "run", "id")
    return Answer(columns, rows, {}, [*found.notes, *unknown], yes=None if rows else False)


def _maker(asked: Asked, activity: Thing, thing: Thing) -> dict[str, Any]:
    from trilha.query.account import account

    row: dict[str, Any] = {"thing": thing.label, "activity": activity.label, "started": None, "took": None}
    if activity.start is not None:
        row["started"] = from_ns(activity.start)
        row["took"] = None if activity.end is None else (activity.end - activity.start) / 1e9
    run = the_runs.of_uuids(asked.store, {activity.run}).get(activity.run) if activity.run else None
    if run is None:
        return row | {"by": None, "on": None, "run": None, "id": None}
    told = account(asked.store, run)
    return row | {
        "by": told.person.label if told.person else None,
        "on": told.machine.label if told.machine else None,
        "run": run.name,
        "id": run.short,
    }


@question("graph", "[N]", "The links of the graph as they were recorded, the first n.", papers=("D5",))
def graph(asked: Asked, n: str = "25") -> Answer:
    """Relations, in the order in which they were recorded."""
    if not n.isdecimal() or not int(n):
        raise UsageError(f"{n!r}: expected how many links, a whole number from 1")
    from trilha.prov.record import CLASSES
    from trilha.prov.terms import Kind

    rows: list[dict[str, Any]] = []
    for run in asked.keys:
        found = list(asked.store.connection.execute(sql.LINKS_OF_RUN, (run, int(n) - len(rows))))
        things = describe(asked.store, {key for row in found for key in row[:2]})
        for effect, cause, kind in found:
            via = CLASSES[Kind(kind)].__name__
            rows.append(
                {"what": things[effect].label, "via": via, "from": things[cause].label, **asked.named(run)}
            )
        if len(rows) >= int(n):
            break
    return Answer(("what", "via", "from", "run", "id"), rows)


# -- what is meant


def meant(asked: Asked, what: str) -> Found:
    """The thing that `what` means.

    Raises:
        NotFound: there is none, or more than one.
    """
    typed = _by_type(asked, what)
    if typed is not None:
        return typed
    return find_thing(asked.store, what, asked.one_run)


def _by_type(asked: Asked, what: str) -> Found | None:
    words = what.lower().split()
    raw_data = words == ["raw", "data"]
    if not raw_data and (not words or any(word not in _TYPES for word in words)):
        return None
    if len(asked.keys) != 1:
        found = f"{len(asked.keys)} runs are asked about" if asked.keys else "no run is asked about"
        raise NotFound(f"{what!r} means a thing of one run, and {found}: say which with --run, or --where")
    run = asked.keys[0]
    kind = words[-1]
    things = _read(asked, run) if raw_data else asked.things(*_TYPES[kind]).get(run, [])
    parts = [word for word in words if word in ("train", "validation", "test")]
    if parts:
        things = [(key, thing) for key, thing in things if _part(asked, run, key, thing) == parts[0]]
    if not things:
        raise NotFound(f"the run {asked.runs[run].name or asked.runs[run].short} has no {what}")
    key = _last_version(asked, things) if kind == "model" else things[-1][0]
    notes: tuple[str, ...] = ()
    if len(things) > 1 and kind != "model":
        notes = (f"The run has {len(things)} things of the kind {what!r}; this is the last one.",)
    return Found(what, "type", key, (), notes)


def _read(asked: Asked, run: int) -> list[tuple[int, Thing]]:
    """The files that a run read as data and had not written itself, the largest last."""
    execute = asked.store.connection.execute
    keys = [row[3] for row in execute(sql.DATA_OF_RUN, (run,)) if row[1] == "file"]
    made = {row[0] for row in sql.among(execute, sql.UPSTREAM, keys) if row[1] == 4}
    found = [(key, thing) for key, thing in describe(asked.store, keys).items() if key not in made]
    return sorted(found, key=lambda one: (one[1].fact("trilha:size", 0), one[1].iri))


def _part(asked: Asked, run: int, key: int, thing: Thing) -> Any:
    """Of which part of the data a thing is: it says so, or the activity that made it does."""
    if thing.fact("trilha:part") is not None:
        return thing.fact("trilha:part")
    execute = asked.store.connection.execute
    makers = {row[3] for row in sql.among(execute, sql.UPSTREAM, [key]) if row[1] == 4}
    for one, activity in asked.things("Evaluation").get(run, []):
        if one in makers:
            return activity.fact("trilha:part") or _part_used(asked, one)
    return None


def _part_used(asked: Asked, evaluation: int) -> Any:
    """Of which part of the data an evaluation was, told by what it used; None unless that is one part."""
    used = [
        row[3] for row in sql.among(asked.store.connection.execute, sql.UPSTREAM, [evaluation]) if row[1] == 5
    ]
    parts = {thing.fact("trilha:part") for thing in describe(asked.store, used).values()} - {None}
    return parts.pop() if len(parts) == 1 else None


def _last_version(asked: Asked, things: list[tuple[int, Thing]]) -> int:
    """Of several versions of a model the one that nothing was made of in turn."""
    keys = [key for key, thing in things if "trilha:File" not in thing.types] or [key for key, _ in things]
    execute = asked.store.connection.execute
    former = {row[3] for row in sql.among(execute, sql.UPSTREAM, keys) if row[1] == 10}
    last = [key for key in keys if key not in former] or keys
    return last[-1]
