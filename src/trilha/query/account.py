"""All about one run: what a reader wants to know before asking where something came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from trilha.query.annotations import Annotation, of_run
from trilha.query.runs import Run
from trilha.query.settings import Hyperparameter, as_stated
from trilha.query.things import PREFIXES, Thing, describe
from trilha.store import sql
from trilha.store.values import plain, unescape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Account", "File", "Hyperparameter", "Measured", "Step", "account"]

_OBJECTS = ("trilha:Model", "trilha:Optimizer", "trilha:DataLoader", "trilha:Scheduler", "trilha:Dataset")
_NUMBERED = ("trilha:Epoch", "trilha:Adaptation")
"""Activities whose labels differ only by a number."""


class Step(NamedTuple):
    """A step of a run, or several of one name that followed each other.

    Attributes:
        thing: the activity; the first of several.
        times: how many it stands for.
        took: nanoseconds in all; None if an end is not known. Of a task what its attempts executed,
            without the time until a worker was free and what it needs was there; None if none is known.
        steps: what it started.
        ended: whether every one of them is known to have ended.
        last: the last of several; the same as `thing` where there is one.
        raised: how many of them an exception ended.
        exception: the first line of the first of these exceptions; empty where there is none.
    """

    thing: Thing
    times: int
    took: int | None
    steps: list[Step]
    ended: bool
    last: Thing
    raised: int
    exception: str


class File(NamedTuple):
    """A file as the run met it.

    Attributes:
        thing: the entity.
        read: whether the run read it.
        written: whether the run wrote it.
    """

    thing: Thing
    read: bool
    written: bool


class Measured(NamedTuple):
    """A metric of the run, wherever in it it was logged.

    Attributes:
        name: of the metric.
        values: how many there are, not-a-number among them.
        nans: how many are not-a-number.
        first, last, lowest, highest: values; not-a-number where there is none.
    """

    name: str
    values: int
    nans: int
    first: float
    last: float
    lowest: float
    highest: float


class Account(NamedTuple):
    """All about one run.

    Attributes:
        run: as a list shows it.
        activity: the run's own activity; None if it was not recorded.
        person: who ran it.
        machine: where.
        packages: what it imported, the interpreter first.
        commit: of the code, if it lay in a repository.
        dirty: whether there were uncommitted changes; None where that is not known.
        script: the plan of the run.
        steps: the steps of the run itself, in time.
        files: in the order in which they were met.
        hyperparameters: in the order in which they were met.
        objects: models, optimisers, loaders and other named objects, the last version of each.
        metrics: in the order in which they were met.
        trainings: how many trainings there are, those that started others among them.
        processes: how many processes wrote journals.
        damage: what could not be read: journal, offset, length, reason.
        unhashed: how many files have no hash.
        annotations: what users said of the run and its things, each with the thing.
    """

    run: Run
    activity: Thing | None
    person: Thing | None
    machine: Thing | None
    packages: list[Thing]
    commit: Thing | None
    dirty: bool | None
    script: Thing | None
    steps: list[Step]
    files: list[File]
    hyperparameters: list[Hyperparameter]
    objects: list[Thing]
    metrics: list[Measured]
    trainings: int
    processes: int
    damage: list[tuple[str, int, int, str]]
    unhashed: int
    annotations: list[tuple[Thing, Annotation]]


def account(store: Store, run: Run) -> Account:
    """All about `run`."""
    return _Reader(store, run).account()


class _Reader:
    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._execute = store.connection.execute
        self._types: dict[str, list[int]] = {}
        for key, iri in self._execute(sql.TYPES_IN_RUN, (run.key, PREFIXES["prov"] + "type")):
            keys = self._types.setdefault(unescape(iri).removeprefix(PREFIXES["trilha"]), [])
            if key not in keys:
                keys.append(key)
        self._run_key = next(iter(self._types.get("Run", ())), 0)

    def account(self) -> Account:
        used = list(self._execute(sql.RELATIONS_IN_RUN, (self._run.key, 5)))
        made = list(self._execute(sql.RELATIONS_IN_RUN, (self._run.key, 4)))
        followed = list(self._execute(sql.ASSOCIATIONS_OF, (self._run_key, self._run.key)))
        files = self._files({row[1] for row in used}, {row[0] for row in made})
        commit = next(iter(self._of("Commit")), None)
        person = next((row[0] for row in followed if row[0]), None)
        script = next((row[1] for row in followed if row[1]), None)
        about = describe(self._store, [key for key in (self._run_key, person, script) if key])
        processes = list(self._execute(sql.PROCESSES_OF_RUN, (self._run.key,)))
        return Account(
            self._run,
            about.get(self._run_key),
            about.get(person or 0),
            next(iter(self._of("Machine")), None),
            sorted(
                self._of("Package"),
                key=lambda thing: (not thing.iri.startswith("pkg:generic/"), thing.label.lower()),
            ),
            commit,
            self._dirty(used) if commit else None,
            about.get(script or 0),
            self._steps(),
            files,
            self._hyperparameters(),
            self._objects(),
            self._metrics(),
            len(self._types.get("Training", ())),
            len(processes),
            [
                (row[0], row[1], row[2], unescape(row[3]))
                for row in self._execute(sql.DAMAGE_OF_RUN, (self._run.key,))
            ],
            sum(1 for file in files if not file.thing.fact("trilha:sha256")),
            of_run(self._store, self._run),
        )

    def _of(self, *types: str) -> list[Thing]:
        keys = list(dict.fromkeys(key for type_ in types for key in self._types.get(type_, ())))
        things = describe(self._store, keys)
        return [things[key] for key in keys if key in things]

    def _files(self, read: set[int], written: set[int]) -> list[File]:
        keys = self._types.get("File", [])
        things = describe(self._store, keys)
        return [File(things[key], key in read, key in written) for key in keys if key in things]

    def _dirty(self, used: list[tuple[Any, ...]]) -> bool | None:
        commits = set(self._types.get("Commit", ()))
        statements = [row[3] for row in used if row[1] in commits]
        for _, iri, type_, whole, number, text in sql.among(
            self._execute, sql.FACTS_OF_STATEMENTS, statements
        ):
            if iri == PREFIXES["trilha"] + "dirty":
                return bool(plain(type_, whole, number, text, None))
        return None

    def _hyperparameters(self) -> list[Hyperparameter]:
        keys = list(dict.fromkeys(self._types.get("Hyperparameter", ())))
        things = describe(self._store, keys)
        return as_stated(
            self._store, [(key, things[key].label, things[key]) for key in keys if key in things]
        )

    def _objects(self) -> list[Thing]:
        """Of an object that changed, the version that nothing was derived from in turn.

        Where it took over a whole state, what it became was stated as an alternate of what it had been.
        """
        keys = [key for type_ in _OBJECTS for key in self._types.get(type_.removeprefix("trilha:"), ())]
        checkpoints = set(self._types.get("File", ()))
        keys = [key for key in dict.fromkeys(keys) if key not in checkpoints]
        every, kept = set(keys), set(keys)
        for kind in (16, 10):  # alternates, derivations
            for row in self._execute(sql.RELATIONS_IN_RUN, (self._run.key, kind)):
                if row[0] in (kept if kind == 16 else every):
                    kept.discard(row[1])
        things = describe(self._store, kept)
        return [things[key] for key in keys if key in kept and key in things]

    def _metrics(self) -> list[Measured]:
        from trilha.store.metrics import summaries

        by_name: dict[str, list[Any]] = {}
        for one in summaries(self._store.connection, self._run.key):
            by_name.setdefault(one.metric, []).append(one)
        found = []
        for name, parts in by_name.items():
            first = min(parts, key=lambda one: one.first_time or 0)
            last = max(parts, key=lambda one: one.last_time or 0)
            lowest = min((one.lowest for one in parts if one.lowest == one.lowest), default=float("nan"))
            highest = max((one.highest for one in parts if one.highest == one.highest), default=float("nan"))
            count, nans = sum(one.values for one in parts), sum(one.nans for one in parts)
            found.append(Measured(name, count, nans, first.first, last.last, lowest, highest))
        return found

    # -- steps -----------------------------------------------------------------------------------------------

    def _steps(self) -> list[Step]:
        rows = list(self._execute(sql.ACTIVITIES_IN_RUN, (self._run.key,)))
        starters = dict(self._execute(sql.STARTERS_IN_RUN, (self._run.key,)))
        order = [row[0] for row in rows if row[0] != self._run_key]
        things = describe(self._store, order)
        below: dict[int, list[int]] = {}
        known = set(order)
        for key in order:
            starter = starters.get(key, self._run_key)
            below.setdefault(starter if starter in known and starter != key else self._run_key, []).append(
                key
            )
        # The deepest first, so that what a step started is there when the step is made.
        made: dict[int, list[Step]] = {}
        for key in reversed(_outside_in(self._run_key, below)):
            made[key] = _together([_step(things[one], made.get(one, [])) for one in below.get(key, ())])
        return made.get(self._run_key, [])


def _outside_in(root: int, below: dict[int, list[int]]) -> list[int]:
    """`root` and all below it, each once and before what is below it, even if the journal has circles."""
    order, seen = [root], {root}
    for key in order:
        for one in below.get(key, ()):
            if one not in seen:
                seen.add(one)
                order.append(one)
    return order


def _step(thing: Thing, steps: list[Step]) -> Step:
    exception = str(thing.fact("trilha:exception", "")).partition("\n")[0]
    return Step(thing, 1, thing.took, steps, thing.end is not None, thing, int(bool(exception)), exception)


def _attempted(steps: list[Step]) -> int | None:
    """Nanoseconds that the attempts among these took in all."""
    took = [one.took for one in steps if one.thing.is_a("trilha:Attempt")]
    known = [one for one in took if one is not None]
    return sum(known) if known and len(known) == len(took) else None


def _together(steps: list[Step]) -> list[Step]:
    """Steps of one name side by side are told as one; epochs and adaptations too, whatever their labels."""
    found: list[Step] = []
    places: dict[tuple[str, bool], int] = {}
    for step in steps:
        task = step.thing.is_a("trilha:Task")
        name = next((one for one in _NUMBERED if one in step.thing.types), step.thing.label), task
        place = places.get(name)
        if place is None:
            places[name] = len(found)
            found.append(step)
            continue
        other = found[place]
        took = other.took + step.took if other.took is not None and step.took is not None else None
        inside = _together([*other.steps, *step.steps])
        if task:
            took = _attempted(inside)
        ended = other.ended and step.ended
        times, raised = other.times + step.times, other.raised + step.raised
        exception = other.exception or step.exception
        found[place] = Step(other.thing, times, took, inside, ended, step.last, raised, exception)
    return found
