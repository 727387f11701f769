"""The queries of the Third Provenance Challenge, answered from the PROV document of a run.

    trilha export last -o run.provn
    python queries.py run.provn core1 261887437030025144 J062941_LoadDB.db
    python queries.py run.provn core2 P2Detection
    python queries.py run.provn optional5 halted.provn

The document may be in any format that Trilha reads, OPM among them. What a query asks of the contents of the
database it asks of the database; how these came there, of the document alone. Which optional queries there
are, and how they were understood, is said in docs/how-to/third-provenance-challenge.md.
"""

import sqlite3
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import trilha
from trilha.database import unpacked
from trilha.prov import Document, Kind

TRILHA = "https://w3id.org/trilha/ns#"
PROV = "http://www.w3.org/ns/prov#"
INPUTS = ("JobID", "CSVRootPath")
ORDER = ("control", "revised")
"""Roles of what is used without its content going into what is made: a gate that was passed, and the version
of a table that the next version takes the place of."""
GATE = "HaltUnless"


@dataclass
class Activity:
    """A task of the workflow, with its attempts.

    Attributes:
        name: of the step.
        table: whose file it is about; empty for those before and after the tables.
        facts: attributes by their short names.
        start, end: times, as far as they are known.
        used: entities that it, an attempt of it, or a step within one used, each with its roles.
        made: entities that it, an attempt of it, or a step within one generated.
        result: that it generated itself.
    """

    name: str
    facts: dict[str, list[Any]]
    table: str = ""
    start: Any = None
    end: Any = None
    used: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    made: set[str] = field(default_factory=set)
    result: str = ""

    @property
    def status(self) -> str:
        """How it ended, in Parsl's words: ``exec_done``, ``failed`` or ``dep_fail``."""
        return next(iter(self.facts.get("status", [])), "")


@dataclass(frozen=True)
class Contribution:
    """A row of the database, and the line that it came from.

    Attributes:
        table: of the row.
        key: of the row.
        file: path of the CSV file.
        line: in it, from 1.
        rows: the entity that tells of the row and of those that were inserted with it.
        steps: that led to it, the last first: the evidence.
    """

    table: str
    key: tuple[Any, ...]
    file: str
    line: int | None
    rows: str
    steps: tuple[str, ...]


class Trace:
    """A run of the workflow, read from its document."""

    def __init__(self, document: Document) -> None:
        self.entities: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self.tasks: dict[str, Activity] = {}
        self.maker: dict[str, str] = {}
        self.sources: dict[str, list[str]] = defaultdict(list)
        activities: dict[str, Activity] = {}
        starter: dict[str, str] = {}
        for record in document:
            if record.kind in (Kind.ENTITY, Kind.ACTIVITY):
                facts = self.entities[str(record.id)]
                for key, value in record.attributes:
                    facts[str(key).removeprefix(TRILHA).removeprefix(PROV)].append(value)
                if record.kind is Kind.ACTIVITY:
                    name = next(iter(facts["label"]), "")
                    activities[str(record.id)] = Activity(name, facts, start=record[2], end=record[3])
            elif record.kind is Kind.START:
                starter[str(record[2])] = str(record[4])
        whose = {one: self._task(one, starter) for one in activities}
        self.run = next((one for one in activities.values() if one.name == "LoadWorkflow"), None)
        self.tasks = {one: about for one, about in activities.items() if self._is(one, "Task")}
        for one, task in self.tasks.items():
            around = one
            while around in starter and not task.table:
                around = starter[around]
                task.table = str(self.fact(around, "arg.TargetTable") or "")
        for record in document:
            if record.kind is Kind.USAGE and whose.get(str(record[2])) in self.tasks:
                roles = {str(value) for key, value in record.attributes if str(key) == PROV + "role"}
                self.tasks[whose[str(record[2])]].used[str(record[3])] |= roles or {""}
            elif record.kind is Kind.GENERATION and whose.get(str(record[3])) in self.tasks:
                task = whose[str(record[3])]
                self.maker[str(record[2])] = task
                self.tasks[task].made.add(str(record[2]))
                if str(record[3]) == task and self._is(str(record[2]), "Object"):
                    self.tasks[task].result = str(record[2])
            elif record.kind is Kind.DERIVATION:
                self.sources[str(record[2])].append(str(record[3]))
        self._spread()

    def _task(self, activity: str, starter: dict[str, str]) -> str:
        """The task that an activity belongs to: that of an attempt, and of a step within one; else itself."""
        around = activity
        while not self._is(around, "Task"):
            if around not in starter:
                return activity
            around = starter[around]
        return around

    def _spread(self) -> None:
        """Give a task the table of the one that its entry, or what it lets pass, came from or goes to.

        A task that Parsl launches before the program has gone on lies in no ``ForEach``.
        """
        pairs = [
            (maker, task)
            for task in self.tasks.values()
            for one, roles in task.used.items()
            if roles & {"entry", "passed"} and one in self.maker
            if (maker := self.tasks[self.maker[one]]).name != "ReadCSVReadyFile"
        ]
        for _ in pairs:
            for one, other in pairs:
                one.table = one.table or other.table
                other.table = other.table or one.table

    def _is(self, one: str, kind: str) -> bool:
        return any(str(value) == TRILHA + kind for value in self.entities[one]["type"])

    # -- what there is

    def fact(self, one: str, key: str) -> Any:
        """The last value of an attribute of an entity; None without."""
        values = self.entities[one].get(key)
        return values[-1] if values else None

    def all(self, kind: str) -> list[str]:
        """The entities of a type."""
        return [one for one in self.entities if self._is(one, kind)]

    def versions(self, table: str) -> dict[int, str]:
        """The versions of a table by number."""
        found = {self.fact(one, "version"): one for one in self.all("TableVersion") if self._of(one, table)}
        return {number: found[number] for number in sorted(found) if number is not None}

    def tables(self, entities: set[str]) -> set[str]:
        """The tables that these are versions of."""
        return {str(self.fact(one, "table")) for one in entities if self._is(one, "TableVersion")}

    def _of(self, one: str, table: str) -> bool:
        return bool(self.fact(one, "table") == table)

    def answer(self, task: Activity) -> Any:
        """What a check found: True or False; None where it did not come to that."""
        return self.fact(task.result, "value")

    # -- lineage

    def upstream(self, task: str) -> list[str]:
        """The tasks whose results went into a task, the last first; order alone does not count."""
        found: list[str] = []
        waiting = [task]
        while waiting:
            for used, roles in self.tasks[waiting.pop(0)].used.items():
                before = self.maker.get(used)
                counts = self._first(used, roles) or not all(map(_is_order, roles))
                if before is not None and counts and before not in (*found, task):
                    found.append(before)
                    waiting.append(before)
        return sorted(found, key=lambda one: self.tasks[one].end, reverse=True)

    def _first(self, used: str, roles: set[str]) -> bool:
        """Whether it is the first version of a table: without it there would be no table to insert into."""
        return "revised" in roles and self.fact(used, "version") == 1

    def rows(self, table: str, key: tuple[Any, ...], change: str) -> list[str]:
        """The entities that tell how a row was changed, in order."""
        found = []
        for one in self.all("Rows"):
            told = self._of(one, table) and self.fact(one, "change") == change
            if told and tuple(key) in unpacked(self.fact(one, "keys")):
                found.append(one)
        return sorted(found, key=lambda one: self.fact(one, "version"))


def _is_order(role: str) -> bool:
    return role.partition("[")[0] in ORDER


# -- the core queries


def core1(trace: Trace, database: str | Path, detection: int) -> list[Contribution]:
    """Which CSV files contributed to a detection?

    Basic: the first, with the detection itself. Advanced and detailed: also those with the image that the
    detection refers to and with the frame of the image, by the rows that describe them.
    """
    query = 'SELECT "objID", "detectID", "imageID" FROM "P2Detection" WHERE "detectID" = {}'
    *key, image = _first(database, query, int(detection))
    (frame,) = _first(database, 'SELECT "frameID" FROM "P2ImageMeta" WHERE "imageID" = {}', image)
    wanted = {"P2Detection": tuple(key), "P2ImageMeta": (image,), "P2FrameMeta": (frame,)}
    return [one for table, key in wanted.items() for one in contributions(trace, table, key)]


def _first(database: str | Path, query: str, value: int) -> tuple[int, ...]:
    """The first row that a query finds, as whole numbers."""
    if str(database).startswith("postgresql://"):
        import psycopg

        with psycopg.connect(str(database)) as connection:
            row = connection.execute(query.format("%s"), (value,)).fetchone()
    else:
        file = sqlite3.connect(f"file:{Path(database).absolute()}?mode=ro", uri=True)
        row = file.execute(query.format("?"), (value,)).fetchone()
        file.close()
    return tuple(map(int, row))


def contributions(trace: Trace, table: str, key: tuple[Any, ...]) -> list[Contribution]:
    """Where a row of a table came from."""
    found = []
    for rows in trace.rows(table, key, "inserted"):
        place = unpacked(trace.fact(rows, "keys")).index(key)
        lines = trace.fact(rows, "lines")
        line = unpacked(lines)[place][0] if lines else None
        maker = trace.maker[rows]
        steps = (maker, *trace.upstream(maker))
        names = tuple(trace.tasks[one].name for one in steps)
        for source in trace.sources[rows]:
            path = trace.fact(source, "path")
            if path:
                found.append(Contribution(table, key, path, line, rows, names))
    return found


def core2(trace: Trace, table: str) -> list[dict[str, Any]]:
    """Was the range check performed for this table? Each time, with what it saw and found."""
    last = max(trace.versions(table), default=0)
    found = []
    for task in trace.tasks.values():
        if task.name != "IsMatchTableColumnRanges" or task.table != table:
            continue
        seen = [number for number, one in trace.versions(table).items() if one in task.used]
        found.append(
            {
                "performed": bool(task.result),
                "passed": trace.answer(task),
                "version": max(seen, default=None),
                "of the last version": last in seen,
                "at": task.end,
            }
        )
    return found


def core3(trace: Trace, table: str, key: tuple[Any, ...], column: str) -> list[str]:
    """Which steps were strictly necessary for a table to contain a value?

    Those that made the row, and those whose results went into these. Steps that only had to be passed
    (checks, gates), that changed other columns, or that came later are not.
    """
    steps: list[str] = []
    needed = trace.rows(table, key, "inserted")
    for one in trace.rows(table, key, "updated"):
        if column in str(trace.fact(one, "changed")).split(", "):
            needed.append(one)
    for one in needed:
        for step in (trace.maker[one], *trace.upstream(trace.maker[one])):
            if trace.tasks[step].name not in steps:
                steps.append(trace.tasks[step].name)
    return steps


# -- the optional queries


def halt(trace: Trace) -> dict[str, Any] | None:
    """The step where the run was halted (6): the check that failed, and its table; None if it was not."""
    for task in trace.tasks.values():
        if task.name == GATE and task.status == "failed":
            (passed,) = [one for one, roles in task.used.items() if "passed" in roles]
            check = trace.tasks[trace.maker[passed]]
            return {"step": check.name, "table": check.table, "at": check.end}
    return None


def optional1(trace: Trace) -> dict[str, Any]:
    """How many tables were loaded before a range check halted the run? And which passed all checks?"""
    loaded = [
        task.table
        for task in trace.tasks.values()
        if task.name == "LoadCSVFileIntoTable" and task.status == "exec_done"
    ]
    passed = [
        task.table
        for task in trace.tasks.values()
        if task.name == "IsMatchTableColumnRanges" and trace.answer(task) is True
    ]
    return {"halted": halt(trace), "loaded": loaded, "passed": [one for one in loaded if one in passed]}


def optional2(trace: Trace) -> set[tuple[str, str, str]]:
    """Which pairs of steps could change places, with the same result for this input?

    Each table's steps are taken in the order in which they ended. Two can change places if neither needs, nor
    disturbs, the other or a step between them: what one makes the other does not use, and none changes a
    table that the other looks at. Gates are left out: for this input they were all passed.

    Returns:
        The table, empty for the steps before the tables, and the two steps in their order.
    """
    chains: dict[str, list[str]] = defaultdict(list)
    done = [one for one, task in trace.tasks.items() if task.name != GATE and task.status == "exec_done"]
    for one in sorted(done, key=lambda one: trace.tasks[one].end):
        chains[trace.tasks[one].table].append(one)
    found = set()
    for table, chain in chains.items():
        for place, first in enumerate(chain):
            for other in range(place + 1, len(chain)):
                between, second = chain[place + 1 : other], chain[other]
                if not any(_bound(trace, first, one) for one in (*between, second)) and not any(
                    _bound(trace, one, second) for one in between
                ):
                    found.add((table, trace.tasks[first].name, trace.tasks[second].name))
    return found


def _bound(trace: Trace, first: str, second: str) -> bool:
    """Whether the order of two steps matters."""
    if first in trace.upstream(second):
        return True
    before, after = trace.tasks[first], trace.tasks[second]
    seen, changed = trace.tables({*before.used, *before.made}), trace.tables(after.made)
    return bool(seen & changed)


def optional3(trace: Trace) -> timedelta | None:
    """How long after the list of files was found right was a file found missing? None if none was."""
    ends = {"IsMatchCSVFileTables": True, "IsExistsCSVFile": False}
    times = {
        task.name: task.end
        for task in trace.tasks.values()
        if task.name in ends and trace.answer(task) is ends[task.name]
    }
    return times["IsExistsCSVFile"] - times["IsMatchCSVFileTables"] if len(times) == 2 else None


def optional5(traces: dict[str, Trace]) -> list[str]:
    """Of several runs: which were halted?"""
    return [name for name, trace in traces.items() if halt(trace) is not None]


def optional7(trace: Trace) -> list[str]:
    """Which steps were completed before the halt (7 and 8)? In the order in which they ended."""
    done = [task for task in trace.tasks.values() if task.name != GATE and task.status == "exec_done"]
    return [task.name for task in sorted(done, key=lambda task: task.end) if trace.answer(task) is not False]


def optional10(trace: Trace) -> dict[str, str]:
    """What did the user put in?"""
    facts = trace.run.facts if trace.run is not None else {}
    return {name: str(value) for name in INPUTS for value in facts.get(f"arg.{name}", [])}


def optional11(trace: Trace) -> dict[str, list[str]]:
    """Which steps took what the user put in, as it was?"""
    given = optional10(trace)
    found: dict[str, list[str]] = {}
    for task in trace.tasks.values():
        taken = [name for name in given if given[name] in map(str, task.facts.get(f"arg.{name}", []))]
        if taken:
            found[task.name] = taken
    return found


OPTIONAL = {"1": optional1, "2": optional2, "3": optional3, "6": halt, "7": optional7, "8": optional7}
OPTIONAL |= {"10": optional10, "11": optional11}
USAGE = (
    "expected a document and core1 DETECTION DATABASE, core2 TABLE, core3 TABLE KEY COLUMN, optional5 FILE"
)


def main(*words: str) -> None:
    """Answer a query of the command line."""
    match words:
        case path, "core1", detection, database:
            for one in core1(Trace(trilha.read(path)), database, int(detection)):
                print(f"{Path(one.file).name}, line {one.line}: {one.table} {one.key}")
                print(f"  by {', '.join(one.steps)}")
        case path, "core2", table:
            _print(core2(Trace(trilha.read(path)), table) or ["The run did not come to this table."])
        case path, "core3", table, key, column:
            _print(core3(Trace(trilha.read(path)), table, tuple(map(int, key.split(","))), column))
        case path, "optional5", *others:
            _print(optional5({one: Trace(trilha.read(one)) for one in (path, *others)}))
        case path, query if query.removeprefix("optional") in OPTIONAL:
            _print(OPTIONAL[query.removeprefix("optional")](Trace(trilha.read(path))))
        case _:
            sys.exit(f"{USAGE}, or one of {', '.join(f'optional{number}' for number in OPTIONAL)}")


def _print(answer: Any) -> None:
    if isinstance(answer, set):
        answer = sorted(answer)
    for one in answer if isinstance(answer, list) else [answer]:
        print(_text(one))


def _text(answer: Any) -> str:
    if isinstance(answer, dict):
        return "; ".join(f"{key}: {_text(value)}" for key, value in answer.items())
    if isinstance(answer, list | tuple):
        return ", ".join(map(_text, answer))
    return str(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
