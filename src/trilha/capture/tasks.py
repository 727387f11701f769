"""Tasks that a program hands to a parallel engine, and each attempt to execute one.

A task is a call: it uses its arguments and generates its result. An attempt is one try of it, somewhere; a
task whose first attempt failed and whose second did not has both, each with its own start, end and place. A
result that was not computed again, because the engine had kept an earlier one, says whose it is: the same
content under the key by which the engine found it.

A workflow has very many of them, so what is said when a task begins, when an attempt does, and when both are
over is one frame of the journal each (`trilha.capture.shaped`).

Source of the model: processes, executions and attempts of Swift (Gadelha et al., "Provenance management in
Swift", FGCS 2011).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from trilha.capture.attempts import Attempt, Last, attempt_ends
from trilha.capture.background import TASKS_S
from trilha.capture.callees import Callee, arguments_of, callee_of
from trilha.capture.context import Activity, Brief, current_activity
from trilha.capture.identity import Known, describe, is_value, token
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, Shape, remember, shape_of, with_holes
from trilha.capture.steps import use_object
from trilha.capture.values import key_of, stands_for_itself, text_of, value_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["TOGETHER", "Alike", "Attempt", "Task", "alike_of", "arguments_of"]

_TYPES: Final = {
    name: literal_name(f"trilha:{name}") for name in ("Step", "Task", "Attempt", "Object", "Memo")
}
_ENTITY, _ACTIVITY, _START = int(Kind.ENTITY), int(Kind.ACTIVITY), int(Kind.START)
_GENERATION, _USAGE, _DERIVATION = int(Kind.GENERATION), int(Kind.USAGE), int(Kind.DERIVATION)
_ASSOCIATION, _SPECIALIZATION = int(Kind.ASSOCIATION), int(Kind.SPECIALIZATION)
_MOST: Final = 256
_PAIRS: Final = 64
TOGETHER: Final = 8
"""At most so many usages or derivations are said together with their task; of more, each by itself."""
_VALUE: Final = ("prov:value",)
_now = time.time_ns


class Alike:
    """Tasks that are told alike: calls of one function, handed to one engine, with facts of the same keys.

    What they have in common is said in shapes (`trilha.capture.shaped`), found once for all of them.

    Args:
        recorder: of the run.
        label: what to call each of them.
        engine: that they are handed to.
        plan: IRI of the plan that they follow, or None.
        keys: of their facts.
        roles: of the entities that they use.

    Attributes:
        recorder: of the run.
        label: what to call each of them.
        begins: the shape of what is said when one begins.
        ends: those of what is said when one ends with an attempt and gives a plain value, by what
            `attempt_ends` is given, and, where the value is derived from entities, how many these are.
        recent: of one of `ends`, as `trilha_tasks` was last asked for it: what `attempt_ends` was given, the
            shape, and how many entities.
        tries: of the first attempt of one, as `trilha_tasks` was last asked for it: the keys of its facts,
            and the shape of what is said when it begins.
    """

    __slots__ = ("begins", "ends", "label", "recent", "recorder", "tries")

    def __init__(
        self,
        recorder: Recorder,
        label: str,
        engine: str,
        plan: str | None,
        keys: tuple[str, ...],
        roles: tuple[str, ...] = (),
    ) -> None:
        self.recorder = recorder
        self.label = label
        self.begins = Shape(recorder, _task_begins(recorder, label, engine, plan, keys, roles))
        self.ends: dict[Any, Shape] = {}
        self.recent: tuple[Any, Shape, int] | None = None
        self.tries: tuple[tuple[str, ...], Shape] | None = None
        recorder.flusher.slow_down(TASKS_S)


def alike_of(
    recorder: Recorder,
    label: str,
    engine: str,
    plan: str | None,
    keys: tuple[str, ...],
    roles: tuple[str, ...] = (),
) -> Alike:
    """What is known of tasks that are told alike; arguments as `Alike`'s."""
    key = (Alike, label, engine, plan, keys, roles)
    found: Alike | None = recorder.shapes.get(key)
    if found is None:
        found = Alike(recorder, label, engine, plan, keys, roles)
        remember(recorder, key, found)
    return found


class Task(Brief):
    """A call that was handed to an engine.

    Args:
        recorder: of the run.
        label: what to call it: the function's name.
        engine: that it was handed to.
        function: that is to be called, or what is known of it; its source is the plan.
        facts: further attributes, keys and values in turn.
        at: when, in nanoseconds since 1970-01-01 UTC; now by default.
        name: IRI by which another process knows it, too; a number of this process by default.
        place: activity that made the call; the current one by default.
        uses: entities that it uses, each with the parameter's name.

    Attributes:
        recorder: of the run.
        alike: what it has in common with others.
        at: when it was handed over, in nanoseconds since 1970-01-01 UTC.
        result: entity that its result will be.
        generation: of it by this task.
        attempts: how many there have been.
        over: it has a result, or failed for good.
        awaited: files that another task is to write before this one is launched: path and role.
        outputs: what it is to write: the parameters that name files, by their paths.
        last: of the attempt that has given a result, whose end is said together with the task's.
        trying: attempt that goes on in another process, for an engine that tells its end by the task: itself,
            or, where `trilha_tasks` told of it, the number behind `named` in its IRI.
        named: see `trying`.
    """

    __slots__ = (
        "__weakref__",
        "_usages",
        "alike",
        "at",
        "attempts",
        "awaited",
        "generation",
        "last",
        "named",
        "outputs",
        "over",
        "recorder",
        "result",
        "trying",
    )

    def __init__(
        self,
        recorder: Recorder,
        label: str,
        engine: str,
        function: Callable[..., Any] | Callee,
        *facts: Any,
        at: int | None = None,
        name: str | None = None,
        place: Activity | None = None,
        uses: Sequence[tuple[int | str, str]] = (),
    ) -> None:
        plan = function.plan if type(function) is Callee else callee_of(recorder, function).plan  # type: ignore[arg-type]
        roles = tuple([role for _, role in uses[:TOGETHER]])
        alike = alike_of(recorder, label, engine, plan, facts[::2], roles)
        self._begin(alike, facts[1::2], at, name, place, uses)

    @classmethod
    def of(cls, alike: Alike, values: Sequence[Any], uses: Sequence[tuple[int | str, str]] = ()) -> Self:
        """A task that is handed over now, in the current activity.

        Args:
            alike: what it has in common with others.
            values: of its facts, in the order of their keys; None for one that is to be left out.
            uses: entities that it uses, each with the parameter's name.
        """
        task = cls.__new__(cls)
        task._begin(alike, values, uses=uses)
        return task

    def _begin(
        self,
        alike: Alike,
        values: Sequence[Any],
        at: int | None = None,
        name: str | None = None,
        place: Activity | None = None,
        uses: Sequence[tuple[int | str, str]] = (),
    ) -> None:
        self.alike = alike
        self.label = alike.label
        self.recorder = recorder = alike.recorder
        numbers = recorder.numbers
        self.at = at = _now() if at is None else at
        self.identifier = number = next(numbers) if name is None else name
        self.enclosing = place = (current_activity.get() or recorder.run) if place is None else place
        self.result = next(numbers)
        self.generation = next(numbers)
        self.attempts = 0
        self.over = False
        self._blocks = self._used = None
        self.awaited: Sequence[tuple[str, str]] = ()
        self.outputs: Mapping[str, str] | tuple[()] = ()
        self.last: Last | None = None
        self.trying: Attempt | int | None = None
        self.named = ""
        self._usages: dict[int | str, int] | tuple[int, ...] | None = None
        if not uses:
            alike.begins.state(number, at, place.identifier, *values)
            return
        usages = self._usages = {}
        contents = [number, at, place.identifier, *values]
        for entity, _ in uses[:TOGETHER]:
            usage = next(numbers)
            contents += (usage, entity)
            self.used[entity] = usages[entity] = usage
        alike.begins.state(*contents)
        for entity, role in uses[TOGETHER:]:
            self.uses_entity(entity, role)

    @property
    def activity(self) -> Activity:
        """The task itself."""
        return self

    def _takes(self, entity: int | str, usage: int) -> None:
        """Results are derived from `entity`, by `usage`."""
        self._taken()[entity] = usage

    def _taken(self) -> dict[int | str, int]:
        """The entities that results are derived from, each with its usage."""
        usages = self._usages
        if isinstance(usages, dict):
            return usages
        # `trilha_tasks` keeps what a task uses from its begin on as a tuple, entities and usages in turn.
        taken: dict[int | str, int] = dict(zip(usages[::2], usages[1::2], strict=True)) if usages else {}
        if taken:
            self._used = {**taken, **(self._used or {})}
        self._usages = taken
        return taken

    @property
    def used(self) -> dict[int | str, int]:  # type: ignore[override]
        """As an `Activity` has it."""
        if type(self._usages) is tuple:
            self._taken()
        if self._used is None:
            self._used = {}
        return self._used

    def tried(self) -> Attempt | None:
        """The attempt that went on in another process, which is over; None for none, or once it was given."""
        trying, self.trying = self.trying, None
        return Attempt.begun(self, f"{self.named}{trying}") if isinstance(trying, int) else trying

    # -- what goes in

    def uses_values(self, values: Mapping[str, Any]) -> None:
        """Plain arguments, by name."""
        facts: list[Any] = []
        for name, value in list(values.items())[:_MOST]:
            if value is not None:
                facts += [key_of("trilha:arg.", name), value_of(value) if is_value(value) else text_of(value)]
        if facts:
            self.recorder.activity(self.identifier, None, None, *facts)

    def uses(self, thing: Any, role: str) -> dict[str, int | str]:
        """An object, known by its identity; a tuple or list of objects is its parts.

        Returns:
            The entities that it uses, by their roles.
        """
        at, used = _now(), {}
        for name, part in self.recorder.objects.given(thing, role):
            known, usage = use_object(self.recorder, self, part, at, name)
            self._takes(known.entity, usage)
            used[name] = known.entity
        return used

    def uses_entity(self, entity: int | str, role: str) -> None:
        """An entity: another task's result, or a file."""
        self.used[entity] = usage = self.recorder.used(self.identifier, entity, None, "prov:role", role)
        self._takes(entity, usage)

    def uses_file(self, path: str, role: str) -> None:
        """A file that is there and may be read."""
        entity = self.recorder.files.read(os.path.abspath(path), self, _now(), role)
        if entity is not None:
            self._takes(entity, self.used[entity])

    # -- what comes out

    def ended(self, status: str, result: Any = None, *facts: Any, at: int | None = None) -> Known | None:
        """The task is over and has a result.

        Args:
            status: in the engine's words.
            result: that it gave.
            facts: further attributes of the activity, keys and values in turn.
            at: when, in nanoseconds since 1970-01-01 UTC; now by default.

        Returns:
            What is known of the result; None for nothing, or a plain value.
        """
        at = _now() if at is None else at
        recorder, entity = self.recorder, self.result
        self.over = True
        last, self.last = self.last, None
        generation = self.generation
        simple = stands_for_itself(result)
        if simple and last is not None and self._usages is None and not facts:
            ends = self.alike.ends.get(last[1]) or self._ends(last[1])
            ends.state(self.identifier, at, entity, generation, status, result, *last[2])
            return None
        before: Known | None = None
        held: Sequence[int | str] = ()
        if simple:
            # For None the shape leaves the value out.
            plain, about, told = True, _VALUE, (result,)
        elif is_value(result):
            plain, about, told = True, _VALUE, (value_of(result),)
        else:
            known = describe(result)
            plain, about, told = False, known[::2], known[1::2]
            before = recorder.objects.itself(result)
            if before is None:
                held = recorder.objects.held(result, self._taken() if self._usages else ())
        sources = self._sources() if self._usages else ()
        together = len(sources) if len(sources) <= TOGETHER else 0
        derived = [one for pair in sources for one in pair] if together else ()
        how, spent = (None, ()) if last is None else last[1:]
        keys = facts[::2]
        key = (self.alike, keys, about, together, how)
        shape = recorder.shapes.get(key)
        if shape is None:
            label = self.label
            shape = shape_of(recorder, key, lambda: _task_ends(label, keys, about, together, how))
        if simple and together and how is not None and not facts:
            self.alike.ends[how, together] = shape
        shape.state(self.identifier, at, entity, generation, status, *facts[1::2], *told, *derived, *spent)
        if not together:
            for source, usage in sources:
                recorder.derived(entity, source, self.identifier, generation, usage)
        for source in held:
            # Of a call that was made in this one, say, whose result it gives in its own.
            recorder.derived(entity, source)
        if before is not None:
            # It gave back what was there already; or what became of it.
            recorder.derived(entity, before.entity)
            mark = None if before.token is None else token(result)
            if mark == before.token:
                recorder.objects.put_attributes(result, before)
                return None
            now_known = recorder.objects.put(result, entity, generation, mark)
        elif plain:
            return None
        else:
            now_known = recorder.objects.put(result, entity, generation)
        recorder.objects.put_attributes(result, now_known)
        return now_known

    def _ends(self, how: tuple[Any, ...]) -> Shape:
        """The shape of the most common end, found for the first time."""
        recorder, label = self.recorder, self.label
        key = (self.alike, (), _VALUE, 0, how)
        shape = shape_of(recorder, key, lambda: _task_ends(label, (), _VALUE, 0, how))
        self.alike.ends[how] = shape
        return shape

    def _sources(self) -> Sequence[tuple[int | str, int]]:
        """What the result is derived from, each with its usage."""
        return [pair for pair in self._taken().items() if pair[0] != self.result][:_PAIRS]

    def failed(self, status: str, error: BaseException, *facts: Any, at: int | None = None) -> None:
        """The task is over and has no result."""
        self.over = True
        last, self.last = self.last, None
        if last is not None:
            last[0].end_apart(last)
        told = ("trilha:exception", text_of(error)[:2000])
        at = _now() if at is None else at
        self.recorder.end(self, at, "trilha:status", status, *told, *facts)

    def role_of(self, *paths: str) -> str:
        """The parameter that named a file that it writes, which is at these paths; empty if none did."""
        named = self.outputs
        return next((named[path] for path in paths if path in named), "") if named else ""

    def wrote(self, path: str) -> None:
        """The task wrote a file, which is derived from what the task used."""
        recorder = self.recorder
        path = os.path.abspath(path)
        entity = recorder.files.produce(path, self, _now())
        if entity is None:
            return
        generation = recorder.files.generation_at(path, self)
        for source, usage in list(self._taken().items())[:_PAIRS]:
            if source != entity:
                how = (self.identifier, generation, usage) if generation is not None else ()
                recorder.derived(entity, source, *how)

    def remembered_as(self, engine: str, key: str, *, cached: bool) -> None:
        """The engine keeps the result under a key; `cached` tells that it was found there.

        All results under one key are one content, computed once: that of another run included.
        """
        shape = shape_of(self.recorder, ("memo",), _remembered)
        content = f"urn:trilha:memo:{engine}:{key}"
        shape.state(self.result, content, f"{self.label}() {key[:8]}", cached)


# -- the shapes


def _task_begins(
    recorder: Recorder,
    label: str,
    engine: str,
    plan: str | None,
    keys: tuple[str, ...],
    roles: tuple[str, ...],
) -> Template:
    """Holes: task, when, who called, then a value for each key, then usage and entity for each role."""
    about: tuple[Any, ...] = ("prov:type", _TYPES["Step"], "prov:label", label, "prov:type", _TYPES["Task"])
    about += ("trilha:engine", engine, *with_holes(keys, 3))
    template: list[tuple[Any, ...]] = [
        (_ACTIVITY, Hole(0), Hole(1), None, about),
        (_START, None, Hole(0), None, Hole(2), Hole(1), ()),
    ]
    if plan is not None:
        template.append((_ASSOCIATION, None, Hole(0), recorder.person, plan, ()))
    at = 3 + len(keys)
    for place, role in enumerate(roles):
        usage, entity = Hole(at + 2 * place), Hole(at + 2 * place + 1)
        template.append((_USAGE, usage, Hole(0), entity, None, ("prov:role", role)))
    return tuple(template)


def _task_ends(
    label: str,
    facts: tuple[str, ...],
    about: tuple[str, ...],
    sources: int,
    attempt: tuple[Any, ...] | None,
) -> Template:
    """Holes: task, when, result, generation and status.

    Then a value for each key of `facts` and of `about` (of the result), source and usage of each derivation;
    and of the attempt itself, what `attempt_ends` says.
    """
    task, at, result, generation = map(Hole, range(4))
    place = 5 + len(facts)
    told = ("prov:type", _TYPES["Object"], "prov:label", f"{label}()", *with_holes(about, place))
    place += len(about)
    template: list[tuple[Any, ...]] = [
        (_ENTITY, result, told),
        (_GENERATION, generation, result, task, at, ()),
    ]
    for source in range(place, place + 2 * sources, 2):
        how = (task, generation, Hole(source + 1))
        template.append((_DERIVATION, None, result, Hole(source), *how, ()))
    place += 2 * sources
    if attempt is not None:
        template = [*attempt_ends(label, task, place, *attempt), *template]
    template.append((_ACTIVITY, task, None, at, ("trilha:status", Hole(4), *with_holes(facts, 5))))
    return tuple(template)


def _remembered() -> Template:
    """Holes: result, content, label of the content, whether the result was found."""
    about = ("prov:type", _TYPES["Memo"], "prov:label", Hole(2))
    return (
        (_ENTITY, Hole(1), about),
        (_SPECIALIZATION, None, Hole(0), Hole(1), ()),
        (_ENTITY, Hole(0), ("trilha:cached", Hole(3))),
    )
