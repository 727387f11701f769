"""Steps: activities that a user would name, entered by ``with`` or by calling a decorated function.

Arguments and return values become usages, generations and derivations by the identity of the objects: what
one step returned and another takes is one entity. What a step changed in place is a new entity, a revision
of the old one.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from contextvars import Token
from pathlib import PurePath
from types import CodeType, MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context
from trilha.capture.context import Activity, current, process
from trilha.capture.files import path_text
from trilha.capture.identity import Known, Objects, describe, inside, is_value, parts_of, token, within
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.terms import common_name
from trilha.capture.plans import associate_block, plan_of, state_plan
from trilha.capture.structures import structures_in
from trilha.capture.values import key_of, plain_parts, python_type, text_of, value_of, way_of
from trilha.capture.views import View, view_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = [
    "Call",
    "Step",
    "as_it_is",
    "derive_from_used",
    "made",
    "meet",
    "plan_of",
    "state_hyperparameters",
    "state_plan",
    "use_object",
]

_OBJECT: Final = literal_name("trilha:Object")
_REVISION: Final = literal_name("prov:Revision")
_HYPERPARAMETER: Final = literal_name("trilha:Hyperparameter")
_PAIRS: Final = 64
"""At most so many derivations are stated for one call: each result from each argument."""
_MOST_ARGUMENTS: Final = 64
_MOST_YIELDED: Final = 64
_DEEPEST: Final = 8


class Call:
    """A step that is going on: made when it begins, then `end` or `fail`.

    Args:
        recorder: of the run.
        label: the step's name.
        plan: IRI of the step's plan, or None.
        arguments: by the names of the parameters: plain values become attributes, objects usages.
        enter: make it the current activity at once.
    """

    __slots__ = ("_before", "_reset", "_yielded", "activity", "recorder")

    def __init__(
        self,
        recorder: Recorder,
        label: str,
        plan: str | None,
        arguments: dict[str, Any],
        *,
        enter: bool = True,
    ) -> None:
        at = time.time_ns()
        values, objects = split_arguments(arguments, recorder.objects)
        self.recorder = recorder
        self._yielded = 0
        self.activity = recorder.begin(label, current(recorder), at, *values)
        if plan is not None:
            recorder.associated(self.activity.identifier, plan or None)
        self._before: list[tuple[Callable[[], Any], Known, int, str, object]] = []
        for role, thing in objects[:_MOST_ARGUMENTS]:
            try:
                was = recorder.objects.itself(thing)
                known, usage = use_object(recorder, self.activity, thing, at, role)
                # What was met just now, by itself, had its token taken just now.
                mark = known.token if was is None and known.hold is thing else token(thing)
                self._before.append((_let_go(thing), known, usage, role, mark))
            except Exception:
                recorder.failed()
        self._reset: Token[Activity | None] | None = context.enter(self.activity) if enter else None

    def end(self, result: Any = None) -> None:
        """The step is over and gave `result`."""
        self.leave()
        recorder, activity = self.recorder, self.activity
        if process.recorder is not recorder:
            return
        at = time.time_ns()
        recorder.files.settle(activity, at)
        about = _returned(result)
        results: list[tuple[str, Any]] = []
        if not is_value(result):
            results = parts_of(result, "") or [("", result)]
        self._change(at, {id(thing) for _, thing in results})
        taken = {id(held()) for held, *_ in self._before}
        for role, thing in results:
            if id(thing) not in taken and self._is_new(thing):
                self._generate(thing, role, at)
        parted = bool(results) and results[0][1] is not result
        for role, thing in structures_in(result) if parted else ():
            # What stands beside those parts: it is stated when somebody asks for it.
            if not within(thing) and recorder.objects.itself(thing) is None:
                recorder.objects.expect(thing, _Beside(recorder, activity, role, at, self._sources()))
        if self._yielded:
            about = (*about, "trilha:yielded", self._yielded)
        recorder.end(activity, at, *about)

    def fail(self, error: BaseException) -> None:
        """The step raised `error`."""
        self.leave()
        recorder = self.recorder
        if process.recorder is not recorder:
            return
        at = time.time_ns()
        recorder.files.settle(self.activity, at)
        self._change(at, set())
        recorder.end(
            self.activity, at, "trilha:exception", type.__getattribute__(type(error), "__qualname__")
        )

    def give(self, thing: Any) -> None:
        """The step, a generator, yielded `thing` and goes on."""
        self._yielded += 1
        if self._yielded > _MOST_YIELDED or process.recorder is not self.recorder:
            return
        at = time.time_ns()
        taken = {id(held()) for held, *_ in self._before}
        for role, part in [] if is_value(thing) else parts_of(thing, "") or [("", thing)]:
            if id(part) not in taken and self._is_new(part):
                self._generate(part, f"{role} {self._yielded}", at)

    def leave(self) -> None:
        """Make the activity around this one the current one again, if this one was entered."""
        reset, self._reset = self._reset, None
        if reset is not None and not context.leave(reset) and context.current_activity.get() is self.activity:
            # Left in another context than it was entered in, as a fixture of a test may be.
            context.enter(self.activity.enclosing)

    def _sources(self) -> dict[int | str, int]:
        """The entities that went into the step, each with its usage."""
        return {known.entity: usage for _, known, usage, _, _ in self._before}

    def _is_new(self, thing: Any) -> bool:
        """Whether nothing is known of `thing` but that this step has read it from a file."""
        expected = self.recorder.objects.expected(thing)
        return (expected is not None and expected.activity is self.activity) or (
            self.recorder.objects.get(thing) is None
        )

    def _generate(self, thing: Any, role: str, at: int) -> None:
        recorder = self.recorder
        read = recorder.objects.expected(thing)
        known = _gave(recorder, self.activity, thing, role, at, self._sources())
        if read is not None and known.generation is not None:
            read.became(known.entity, known.generation)  # type: ignore[arg-type] # a number, of this process

    def _change(self, at: int, returned: set[int]) -> None:
        """State a new entity for each argument that the step changed in place.

        Whether an object without a token changed cannot be told; if the step returned it, it is taken for a
        result.
        """
        recorder, activity = self.recorder, self.activity
        for held, known, usage, role, before in self._before:
            thing = held()
            if thing is None:
                continue
            recorder.bring_up_to_date(thing)
            now_known = recorder.objects.get(thing)
            if now_known is None or now_known.entity != known.entity:
                continue
            after = token(thing)
            if after == before if before is not None else id(thing) not in returned:
                continue
            entity = next(recorder.numbers)
            label = f"{role} after {activity.label}"
            recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing))
            generation = recorder.generated(entity, activity.identifier, at)
            recorder.objects.put(thing, entity, generation, after)
            revision = ("prov:type", _REVISION)
            recorder.derived(entity, known.entity, activity.identifier, generation, usage, *revision)
            for source, other in list(self._sources().items())[:_PAIRS]:
                if source != known.entity:
                    recorder.derived(entity, source, activity.identifier, generation, other)


def _gave(
    recorder: Recorder, activity: Activity, thing: Any, role: str, at: int, sources: dict[int | str, int]
) -> Known:
    """State that the step gave `thing`, which came of `sources`, and of the results that it holds."""
    entity = next(recorder.numbers)
    label = f"{activity.label}(){role}"
    recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing))
    generation = recorder.generated(entity, activity.identifier, at)
    held = recorder.objects.held(thing, sources)
    known = recorder.objects.put(thing, entity, generation)
    for source, usage in list(sources.items())[:_PAIRS]:
        recorder.derived(entity, source, activity.identifier, generation, usage)
    for source in held:
        recorder.derived(entity, source)
    return known


class _Beside:
    """A list of numbers, say, that a step gave beside arrays and the like, until somebody asks for it.

    Args:
        recorder: of the run.
        activity: the step.
        role: its path in what the step gave.
        at: when, in nanoseconds since 1970-01-01 UTC.
        sources: the entities that went into the step, each with its usage.
    """

    __slots__ = ("_at", "_recorder", "_role", "_sources", "activity")

    def __init__(
        self, recorder: Recorder, activity: Activity, role: str, at: int, sources: dict[int | str, int]
    ) -> None:
        self.activity = activity
        self._recorder = recorder
        self._role = role
        self._at = at
        self._sources = sources

    def arrives(self, thing: Any) -> Known:
        """The step gave it."""
        return _gave(self._recorder, self.activity, thing, self._role, self._at, self._sources)

    def became(self, entity: int, generation: int) -> None:
        """The step has it as its result already."""


def _let_go(thing: Any) -> Callable[[], Any]:
    """A function that gives `thing` for as long as the program keeps it.

    A step must not keep alive what its function lets go of, unless there is no other way.
    """
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: thing


class Step:
    """A step that is a ``with`` block; does nothing where no run is recorded.

    Args:
        label: the step's name.
        arguments: recorded with it: plain values as attributes, objects as usages.
        code: that the block stands in, where that is known.
        line: of the ``with``, from 1.
    """

    __slots__ = ("_arguments", "_call", "_code", "_label", "_line")

    def __init__(
        self, label: str, arguments: dict[str, Any], code: CodeType | None = None, line: int = 0
    ) -> None:
        self._label = label
        self._arguments = arguments
        self._code = code
        self._line = line
        self._call: Call | None = None

    @property
    def activity(self) -> Activity | None:
        """The step's activity, once it is entered; None where nothing is recorded."""
        return self._call.activity if self._call is not None else None

    def begin(self) -> None:
        """Begin the step; never raises."""
        recorder = process.recorder
        if recorder is None:
            return
        try:
            # "": the association is stated below or, without a plan, here.
            self._call = Call(recorder, self._label, "" if self._code is None else None, self._arguments)
            if self._code is not None:
                identifier = self._call.activity.identifier
                associate_block(recorder, identifier, self._label, self._code, self._line)
        except Exception:
            recorder.failed()

    def end(self, error: BaseException | None) -> None:
        """End the step; never raises."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            if error is None:
                call.end()
            else:
                call.fail(error)
        except Exception:
            call.recorder.failed()


def _returned(result: Any) -> tuple[Any, ...]:
    """What a call returned as far as it is plain values: attribute keys and values in turn."""
    parts = plain_parts(result)
    if parts is None:
        return () if result is None or not is_value(result) else ("trilha:returned", value_of(result))
    about: list[Any] = []
    for name, value in parts.items():
        if value is not None:
            about += [key_of("trilha:returned.", name), value_of(value)]
    return tuple(about)


def split_arguments(
    arguments: dict[str, Any], known: Objects | None = None
) -> tuple[list[Any], list[tuple[str, Any]]]:
    """Arguments as attributes of the activity (keys and values in turn), and as objects with their names.

    Args:
        arguments: by name.
        known: the objects that have been met; None where only the attributes are wanted.
    """
    values: list[Any] = []
    objects: list[tuple[str, Any]] = []
    for name, thing in arguments.items():
        if is_value(thing):
            if thing is not None:
                values += [key_of("trilha:arg.", name), value_of(thing)]
        elif (path := _path_of(thing)) is not None:
            values += [key_of("trilha:arg.", name), path_text(path)]
        elif known is not None:
            objects += known.given(thing, name)
    return values, objects


def _path_of(thing: Any) -> str | None:
    """The path that an argument is; None for an object, as a file of a data set is that is there."""
    kind = type(thing)
    if issubclass(kind, PurePath):
        return str(thing)
    own = way_of(kind, "__trilha_path__")
    return own(thing) if own is not None else None


def meet(recorder: Recorder, thing: Any, label: str, *attributes: Any) -> Known:
    """What is known of `thing`; met for the first time, it came from the run, by ways not recorded.

    It is derived from the objects that it holds, where those are known, and from what it was taken out of.
    """
    known = recorder.objects.itself(thing)
    if known is not None:
        return known
    parts = within(thing)
    known = recorder.objects.by_parts(parts)
    if known is None:
        view = view_of(recorder.objects, thing)
        held = [recorder.objects.get(part) for part in inside(thing, parts)]
        held += recorder.objects.members(thing)
        held.append(recorder.objects.whole(thing))
        if view is not None:
            held.append(as_it_is(recorder, view.whole, view.known, "the whole array"))
            attributes = (*attributes, *_rows_of(view))
        entity = next(recorder.numbers)
        recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing), *attributes)
        generation = recorder.generated(entity, recorder.run.identifier, None)
        known = recorder.objects.put(thing, entity, generation, parts=parts)
        for source in {part.entity: None for part in held if part is not None and part.entity != entity}:
            recorder.derived(entity, source)
    return known


def as_it_is(recorder: Recorder, thing: Any, known: Known | None, label: str) -> Known:
    """What is known of `thing` as it is now: a new version of what it was, if it has changed since.

    Args:
        recorder: of the run.
        thing: an object.
        known: what `Objects.itself` gives for it.
        label: of it, where it is met for the first time.
    """
    if known is None:
        return meet(recorder, thing, label)
    if known.token is None:
        return known
    mark = token(thing)
    if known.token == mark:
        return known
    entity = next(recorder.numbers)
    name = python_type(thing).rpartition(".")[2]
    changed = "changed array" if "array" in name else f"changed {name}"
    recorder.entity(entity, "prov:type", _OBJECT, "prov:label", changed, *describe(thing))
    generation = recorder.generated(entity, recorder.run.identifier, None)
    recorder.derived(entity, known.entity, None, None, None, "prov:type", _REVISION)
    return recorder.objects.put(thing, entity, generation, mark)


def _rows_of(view: View) -> tuple[Any, ...]:
    """What is said of an array that is some rows of another one: keys and values in turn."""
    rows = view.rows
    if rows is None or len(rows) == view.whole.shape[0]:
        return ()
    from trilha.capture.learning.indices import rows_of

    return rows_of(rows)


def use_object(recorder: Recorder, activity: Activity, thing: Any, at: int, role: str) -> tuple[Known, int]:
    """Record that `activity` used `thing`; gives what is known of it and the usage's identifier."""
    recorder.bring_up_to_date(thing)
    known = meet(recorder, thing, role if role and role != "self" else python_type(thing).rpartition(".")[2])
    usage = activity.used.get(known.entity)
    if usage is None:
        attributes = ("prov:role", role) if role else ()
        usage = activity.used[known.entity] = recorder.used(
            activity.identifier, known.entity, at, *attributes
        )
    return known, usage


def use_value(recorder: Recorder, activity: Activity, value: Any, at: int) -> None:
    """Record that `activity` used a plain value, which is an entity of this usage alone."""
    entity = next(recorder.numbers)
    about = () if value is None else ("prov:value", value_of(value))
    recorder.entity(entity, "prov:type", _OBJECT, "prov:label", text_of(value)[:200], *about)
    recorder.used(activity.identifier, entity, at)


def made(recorder: Recorder, activity: Activity, thing: Any, at: int, label: str) -> None:
    """Record that `activity` made `thing`, out of all that it is known to have used."""
    plain = is_value(thing)
    before = None if plain else recorder.objects.get(thing)
    entity = next(recorder.numbers)
    about = ("prov:value", value_of(thing)) if plain and thing is not None else ()
    recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing), *about)
    generation = recorder.generated(entity, activity.identifier, at)
    if before is not None and before.entity not in activity.used:
        recorder.derived(entity, before.entity)
    derive_from_used(recorder, activity, entity, generation)
    if not plain:
        recorder.objects.put(thing, entity, generation)


def derive_from_used(
    recorder: Recorder, activity: Activity, entity: int | str, generation: int | None
) -> None:
    """State that `entity` was derived from what `activity` is known to have used, the latest first.

    Without a `generation` another activity made it (the one that opened the file, say): then this one is
    not named.
    """
    for source, usage in reversed(list(activity.used.items())[-_PAIRS:]):
        if source != entity:
            how = (activity.identifier, generation, usage) if generation is not None else ()
            recorder.derived(entity, source, *how)


def state_hyperparameters(
    recorder: Recorder,
    activity: Activity,
    values: dict[Any, Any],
    prefix: str = "",
    depth: int = _DEEPEST,
    *,
    common: Mapping[str, str] = MappingProxyType({}),
) -> list[int]:
    """Record hyperparameters that `activity` uses, each as an entity; those in a dict by a name with dots.

    Gives the entities.

    Args:
        recorder: of the run.
        activity: that uses them.
        values: by their own names.
        prefix: of the names.
        depth: how many levels of dicts are opened.
        common: common names of own ones (with dots) that `trilha.capture.learning.terms` does not know, or
            that are others here; empty for none.
    """
    at, entities = time.time_ns(), []
    for name, value in list(values.items()):
        full = f"{prefix}{str.__str__(name) if issubclass(type(name), str) else text_of(name)}"
        if issubclass(type(value), dict) and depth and dict.__len__(value):
            nested = dict(dict.items(value))
            entities += state_hyperparameters(
                recorder, activity, nested, f"{full}.", depth - 1, common=common
            )
            continue
        entity = next(recorder.numbers)
        about = ["prov:type", _HYPERPARAMETER, "prov:label", full, "trilha:name", full]
        shared = common[full] if full in common else common_name(full)
        if shared:
            about += ["trilha:common", shared]
        if value is not None:
            about += ["prov:value", value_of(value) if is_value(value) else text_of(value)]
        recorder.entity(entity, *about)
        recorder.used(activity.identifier, entity, at)
        entities.append(entity)
    return entities
