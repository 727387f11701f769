"""What Dask's distributed scheduler does: each task that it is handed, each try of it, what became of it.

Called by a plug-in of the scheduler (`plugin`), in its event loop: each call is bounded by what one task
refers to, writes to memory alone, and raises nothing. The scheduler numbers the tries of tasks; the number
travels to the worker, so that both know an attempt by one name. Tested on distributed 2026.8.0.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.context import Activity
from trilha.capture.integrations.dask.nodes import Said, facts_of, key_text, read_node
from trilha.capture.integrations.dask.told import attempt_name
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.plans import plan_of
from trilha.capture.shaped import Hole, shape_of
from trilha.capture.siblings import iri_of
from trilha.capture.tasks import Attempt, Task
from trilha.capture.values import is_value, key_of, text_of, value_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Announced", "Tasks"]

_DASKS_OWN: Final = frozenset(["span"])
_HOW: Final = {"get": "compute"}
_APART: Final = frozenset(["map"])
"""Methods of a client that hand over tasks of which none takes what another gives."""
_AT_ONCE: Final = 250
"""So many tasks of a graph are stated before the loop goes on: a few milliseconds."""
_MOST_TOGETHER: Final = 10_000
"""Of so many tasks that one call handed over a client learns where a result came from."""
_FINISHED: Final = "finished"


class Announced(NamedTuple):
    """A graph that a client is about to hand over.

    Attributes:
        run: UUID of the client's run.
        place: IRI of the activity that hands it over.
        how: name of the client's method.
        given: IRIs of the objects that tasks take, by key and parameter.
    """

    run: str
    place: str
    how: str
    given: dict[Any, dict[str, str]]


class _Failure(Exception):
    """An error of which only the text is known."""

    def __repr__(self) -> str:
        return str(self.args[0])


class _Known:
    """A task that the scheduler knows."""

    __slots__ = ("attempt", "failed", "group", "number", "takes", "task", "together", "worker")

    def __init__(self, task: Task, group: _Group | None) -> None:
        self.task = task
        self.group = group
        self.together: list[Any] = [] if group is None or group.activity.label in _APART else group.keys
        self.attempt: Attempt | None = None
        self.number: int | None = None
        self.worker = ""
        self.failed = False
        self.takes: list[tuple[Any, str]] = []


class _Coming(NamedTuple):
    """A graph whose tasks are not all stated yet: that of a large one is left to when the loop has time."""

    place: Activity
    group: _Group | None
    given: dict[Any, dict[str, str]]
    at: int


class _Group:
    """The activity of a client that handed over several tasks at once; over when all of them are."""

    __slots__ = ("activity", "keys", "left")

    def __init__(self, activity: Activity, keys: list[Any]) -> None:
        self.activity = activity
        self.keys = keys
        self.left = len(keys)


class Tasks:
    """The tasks of one scheduler that belong to one run.

    Args:
        recorder: of the run.
        scheduler: that has them.
        later: has a function called when the loop has time.

    Attributes:
        recorder: of the run.
    """

    def __init__(
        self, recorder: Recorder, scheduler: Any, later: Callable[[Callable[[], None]], object]
    ) -> None:
        self.recorder = recorder
        self._scheduler = scheduler
        self._later = later
        self._coming: dict[Any, _Coming] = {}
        self._split: Callable[[Any], str] = importlib.import_module("dask.utils").key_split
        self._known: dict[Any, _Known] = {}
        self._scattered: dict[Any, str] = {}

    # -- what a client hands over

    def graph(self, keys: Any, announced: Announced | None) -> None:
        """A graph has come.

        Args:
            keys: of its tasks; those that the scheduler had before are among them (reference: its traps).
            announced: by the client that handed it over, if it told.
        """
        tasks, waiting = self._scheduler.tasks, bool(self._coming)
        new = [
            key
            for key in keys
            if key not in self._known
            and key not in self._coming
            and (state := tasks.get(key)) is not None
            and state.run_spec is not None
        ]
        if not new:
            return
        place, at = self.recorder.run, time.time_ns()
        if announced is not None:
            place = Activity(announced.place, announced.how, None)
        group = None
        if len(new) > 1 and (announced is None or announced.how != "submit"):
            how = _HOW.get(announced.how, announced.how) if announced is not None else "graph"
            facts = ("trilha:engine", "dask", "trilha:scheduler", "distributed", "trilha:tasks", len(new))
            group = _Group(self.recorder.begin(how, place, at, *facts), new)
            place = group.activity
        given = announced.given if announced is not None else {}
        self._coming.update(dict.fromkeys(new, _Coming(place, group, given, at)))
        if not waiting:
            self._meet_some()

    def _meet_some(self) -> None:
        """State some of the tasks that are to be stated, and have the others stated later."""
        for key in list(islice(self._coming, _AT_ONCE)):
            self._meet_now(key)
        if self._coming:
            self._later(self._meet_some)

    def _meet_now(self, key: Any) -> _Known | None:
        """What is known of a task, which is stated if it has not been."""
        coming = self._coming.pop(key, None)
        if coming is None:
            return self._known.get(key)
        state = self._scheduler.tasks.get(key)
        if state is None or state.run_spec is None:
            return None
        return self._meet(state, coming)

    def _meet(self, state: Any, coming: _Coming) -> _Known:
        """State a task that the scheduler was handed."""
        recorder, key = self.recorder, state.key
        given = coming.given.get(key, {})
        try:
            said = read_node(recorder, state.run_spec, self._split(key))
        except Exception:
            pass_on()
            said = Said(self._split(key), [], [(one.key, "data") for one in state.dependencies], [], [])
        facts: list[Any] = ["trilha:key", key_text(key)]
        for name, value in (state.annotations or {}).items():
            if name not in _DASKS_OWN and value is not None:
                told = value_of(value) if is_value(value) else text_of(value)
                facts += [key_of("trilha:annotation.", str(name)), told]
        for one in said.fused:
            facts += ["trilha:fused", one]
        function = said.functions[0] if said.functions else _Failure
        values, objects = facts_of([pair for pair in said.arguments if pair[0] not in given])
        uses: list[tuple[int | str, str]] = [(taken, role) for role, taken in given.items()]
        takes: list[tuple[Any, str]] = []
        for dependency, role in said.depends:
            entity = self._entity(dependency)
            if entity is None or not self._is_there(dependency):
                takes.append((dependency, role))
            else:
                uses.append((entity, role))
        about: Any = {"place": coming.place, "uses": uses, "at": coming.at}
        task = Task(recorder, said.label, "dask", function, *facts, *values, **about)
        for role, thing in objects:
            task.uses(thing, role)
        for other in said.functions[1:]:
            plan = plan_of(recorder, other)
            if plan is not None:
                recorder.associated(task.activity.identifier, plan)
        known = self._known[key] = _Known(task, coming.group)
        known.takes = takes
        return known

    def _entity(self, key: Any) -> int | str | None:
        known = self._known.get(key)
        return known.task.result if known is not None else self._scattered.get(key)

    def _is_there(self, key: Any) -> bool:
        known = self._known.get(key)
        return known is None or (known.task.over and not known.failed)

    def scattered(self, entities: dict[Any, str]) -> None:
        """A client has sent data to workers: entities by key."""
        self._scattered.update(entities)

    def results(self, keys: list[Any]) -> dict[Any, str]:
        """IRIs of the results of tasks, by key, as far as they are known."""
        found = {key: self._entity(key) for key in keys}
        return {key: iri_of(self.recorder, one) for key, one in found.items() if one is not None}

    def together(self, keys: list[Any]) -> dict[Any, list[Any]]:
        """The keys that a task was handed over with, its own among them, by its key; some of very many."""
        found: dict[Any, list[Any]] = {}
        for key in keys:
            known = self._known.get(key)
            found[key] = [key, *(known.together[:_MOST_TOGETHER] if known is not None else ())]
        return found

    # -- what becomes of it

    def moved(self, key: Any, start: str, finish: str, facts: dict[str, Any]) -> None:
        """A task went from one state to another."""
        known = self._meet_now(key)
        if known is None:
            if finish == "forgotten":
                self._scattered.pop(key, None)
            return
        state = self._scheduler.tasks.get(key)
        if start == "processing" and finish != "processing":
            self._tried(known, state, finish, facts)
        if finish == "processing":
            self._trying(known, state)
        elif finish == "memory" and not known.task.over:
            self._finished(known, state, facts)
        elif finish == "erred" and not known.task.over:
            self._failed(known, state, facts)
        elif finish == "forgotten":
            self._forgotten(self._known.pop(key))

    def _trying(self, known: _Known, state: Any) -> None:
        """The scheduler hands a task to a worker."""
        if known.failed:
            # Once more, after it had failed for good: a call of its own.
            known = self._again(known, state)
        for key, role in known.takes:
            # Now there is a result to be taken.
            entity = self._entity(key)
            if entity is not None:
                known.task.uses_entity(entity, role)
        known.takes = []
        worker = state.processing_on
        known.number, known.worker = state.run_id, worker.address
        name = attempt_name(self.recorder, self._scheduler.id, state.run_id)
        where = ("trilha:worker", text_of(worker.name), "trilha:address", worker.address)
        known.attempt = Attempt(known.task, *where, name=name)

    def _again(self, before: _Known, state: Any) -> _Known:
        place = before.task.activity.enclosing or self.recorder.run
        known = self._meet(state, _Coming(place, None, {}, time.time_ns()))
        told = literal_name(iri_of(self.recorder, before.task.activity.identifier))
        self.recorder.activity(known.task.activity.identifier, None, None, "trilha:again", told)
        return known

    def _tried(self, known: _Known, state: Any, finish: str, facts: dict[str, Any]) -> None:
        """A worker has done with a task, or is gone."""
        attempt, known.attempt = known.attempt, None
        if attempt is None:
            return
        worker = facts.get("worker") or known.worker
        if state is not None and state.run_id != known.number and finish in ("memory", "erred"):
            # Another worker has taken it over before it began.
            self._say(attempt, "moved")
            known.worker = worker
            name = attempt_name(self.recorder, self._scheduler.id, state.run_id)
            attempt = Attempt(known.task, "trilha:address", worker, name=name)
        if finish == "memory":
            attempt.ran = _times(facts)
            if known.task.over:
                attempt.ended()
            else:
                attempt.gave_result()
        elif finish == "erred" and worker in self._scheduler.workers:
            attempt.ended(_Failure(facts.get("exception_text") or "?"), *_times(facts))
        elif worker not in self._scheduler.workers:
            self._say(attempt, "lost")
        elif str(facts.get("stimulus_id", "")).startswith("task-erred"):
            # To be tried again; the worker has said why.
            self.recorder.end(attempt.activity, time.time_ns(), "trilha:status", "failed")
        else:
            self._say(attempt, "withdrawn")

    def _say(self, attempt: Attempt, status: str) -> None:
        self.recorder.activity(attempt.activity.identifier, None, None, "trilha:status", status)

    def _finished(self, known: _Known, state: Any, facts: dict[str, Any]) -> None:
        task = known.task
        task.ended(_FINISHED)
        kind, size = facts.get("typename") or state.type, facts.get("nbytes", state.nbytes)
        if isinstance(kind, str) and isinstance(size, int) and size >= 0:
            shape_of(self.recorder, _result, _result).state(task.result, kind, size)
        self._leave(known)

    def _failed(self, known: _Known, state: Any, facts: dict[str, Any]) -> None:
        text = facts.get("exception_text")
        more: list[Any] = []
        blame = getattr(state, "exception_blame", None)
        if blame is not None and blame.key != state.key:
            more = ["trilha:blames", key_text(blame.key)]
        text = text or getattr(blame, "exception_text", None) or "a worker was lost while it computed this"
        known.failed = True
        known.task.failed("failed", _Failure(text), *more)
        self._leave(known)

    def _forgotten(self, known: _Known) -> None:
        """The scheduler forgets a task, as nobody wants its result any more."""
        if not known.task.over:
            known.task.over = True
            self.recorder.end(known.task.activity, time.time_ns(), "trilha:status", "cancelled")
            self._leave(known)

    def _leave(self, known: _Known) -> None:
        group, known.group = known.group, None
        if group is not None:
            group.left -= 1
            if not group.left:
                self.recorder.end(group.activity, time.time_ns())


def _result() -> Template:
    """Holes: result of a task, name of its type, and bytes that it takes."""
    about = ("trilha:python_type", Hole(1), "trilha:bytes", Hole(2))
    return ((int(Kind.ENTITY), Hole(0), about),)


def _times(facts: dict[str, Any]) -> tuple[Any, ...]:
    """How long a worker spent on each part of a try, in seconds: attribute keys and values in turn."""
    spent: dict[str, float] = {}
    for one in facts.get("startstops") or ():
        action = str(one["action"]).replace("-", "_")
        spent[action] = spent.get(action, 0.0) + one["stop"] - one["start"]
    return tuple(fact for action, seconds in spent.items() for fact in (f"trilha:{action}_seconds", seconds))
