"""What Ray's references refer to: values that a program puts there, gets, and hands on.

Where a value comes into this process (`ray.get`, `await`, an argument that is too large to be sent along),
Ray deserializes it in one place, which is listened to. The process that made a call learns there that the
call is over, and states what follows: that the calls before it gave what it took, and what its results are
derived from. What it never learns of stays unsaid: an edge may be missing, none is wrong. References
themselves are never held on to, since Ray keeps what they refer to for as long.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, Quiet, current_activity, process
from trilha.capture.handed import hide_frame
from trilha.capture.identity import describe, is_value
from trilha.capture.integrations.ray.names import NIL, Names, names, task_of
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.patches import Patches
from trilha.capture.shaped import Hole, shape_of
from trilha.capture.values import text_of, value_of
from trilha.capture.whose import asked_by_user
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Call", "about_object", "begin", "forget", "is_there", "remember"]

_OBJECT: Final = literal_name("trilha:Object")
_ENTITY, _GENERATION = int(Kind.ENTITY), int(Kind.GENERATION)
_USAGE, _DERIVATION = int(Kind.USAGE), int(Kind.DERIVATION)
_MOST: Final = 100_000
"""Calls whose end has not been learned, and objects that are known to be there; the oldest are let go."""
_BLAMES: Final = "input arguments for this task could not be computed"
"""What the text of Ray's error says once for each task that failed because one before it had."""
_PAIRS: Final = 64
_TOGETHER: Final = 8
"""At most so many derivations are said together with what is derived; of more, each by itself."""
_STATUS: Final = (
    ("TaskCancelledError", "cancelled"),
    ("WorkerCrashedError", "lost"),
    ("RayActorError", "lost"),
    ("NodeDiedError", "lost"),
    ("OutOfMemoryError", "lost"),
    ("RayTaskError", "failed"),
)
"""What Ray's error says of a task; of others, that an object was lost say, it says nothing."""


class Call:
    """A call that this process made and has not seen the end of.

    Args:
        activity: the task.
        results: identifiers of the objects that it is to give; of a generator, the one that stands for it.
        awaits: objects that it takes and that are not known to be there, with the parameter's name.
        yields: it is a generator.
    """

    __slots__ = ("activity", "awaits", "results", "yields")

    def __init__(
        self, activity: Activity, results: Sequence[str], awaits: Sequence[tuple[str, str]], *, yields: bool
    ) -> None:
        self.activity = activity
        self.results = results
        self.awaits = awaits
        self.yields = yields


_calls: Final[dict[str, Call]] = {}
"""By the digits of the task."""
_there: Final[dict[str, None]] = {}
"""Objects that are known to be there, the oldest first."""


def remember(task: str, call: Call) -> None:
    """Have the end of a call told once it is learned of."""
    _calls[task] = call
    if len(_calls) > _MOST:
        _calls.pop(next(iter(_calls)), None)


def is_there(reference: str) -> bool:
    """Whether this process knows that the object exists."""
    return reference in _there


def forget() -> None:
    """The run is over."""
    _calls.clear()
    _there.clear()


def begin(recorder: Recorder, patches: Patches) -> None:
    """Listen to values that come and to `ray.put`."""
    owner = sys.modules["ray._private.worker"].Worker
    deserialize = owner.deserialize_objects

    def deserialize_objects(self: Any, serialized: Any, references: Any, *rest: Any, **named: Any) -> Any:
        values = deserialize(self, serialized, references, *rest, **named)
        if process.recorder is recorder:
            with Quiet():
                try:
                    for reference, value in zip(references, values, strict=False):
                        if reference is not None:  # Ray looks at an error that nobody has asked for
                            _came(recorder, reference.hex(), value)
                except Exception:
                    recorder.failed()
        return values

    patches.wrap(recorder, owner, "deserialize_objects", deserialize_objects)
    library = sys.modules["ray"]
    put = library.put

    def put_and_record(value: Any, *rest: Any, **named: Any) -> Any:
        try:
            reference = put(value, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        if process.recorder is recorder and asked_by_user(sys._getframe(1)):
            with Quiet():
                try:
                    _put(recorder, reference.hex(), value)
                except Exception:
                    recorder.failed()
        return reference

    patches.wrap(recorder, library, "put", put_and_record)


def _put(recorder: Recorder, reference: str, value: Any) -> None:
    """The program put `value` where `reference` refers to."""
    known = names(recorder)
    activity = current_activity.get() or recorder.run
    before = state_object(known, reference, "ray.put()", value)
    recorder.statement(
        (_GENERATION, known.generation(reference), known.object(reference), activity.identifier, None, ())
    )
    if before is not None:
        recorder.derived(known.object(reference), before)
    _is_there_now(reference)


def state_object(known: Names, reference: str, label: str, value: Any) -> int | str | None:
    """State an object, and have `value` known as it; gives what it was known as before, if it was."""
    entity = known.object(reference)
    about, before = about_object(known, entity, value)
    known.recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *about)
    return before


def about_object(known: Names, entity: str, value: Any) -> tuple[tuple[Any, ...], int | str | None]:
    """Have `value` known as an object; gives what to say of it, and what it was before, if it was known."""
    if is_value(value):
        return () if value is None else ("prov:value", value_of(value)), None
    objects = known.recorder.objects
    about, before = describe(value), objects.get(value)
    if before is None:
        objects.put(value, entity)
    return about, None if before is None or before.entity == entity else before.entity


# -- what comes


def _came(recorder: Recorder, reference: str, value: Any) -> None:
    """The value of an object has come into this process."""
    if reference == NIL:
        return
    known = names(recorder)
    if _is_error(value):
        _failed(known, reference, value)
        return
    entity = known.object(reference)
    if not is_value(value) and recorder.objects.get(value) is None:
        recorder.objects.put(value, entity)
    if task_of(reference) in _calls:
        _learn(known, reference)
    activity = current_activity.get()
    if (
        activity is not None
        and activity.identifier != recorder.run.identifier
        and entity not in activity.used
    ):
        activity.used[entity] = recorder.used(activity.identifier, entity, None)


def _is_error(value: Any) -> bool:
    return any(kind.__name__ == "RayError" for kind in type(value).__mro__)


def _is_there_now(reference: str) -> None:
    _there[reference] = None
    if len(_there) > _MOST:
        del _there[next(iter(_there))]


def _learn(known: Names, reference: str) -> None:
    """An object is there: so its call is over, and so are those that gave what that one took."""
    waiting = [reference]
    while waiting:
        one = waiting.pop()
        task = task_of(one)
        call = _calls.get(task)
        if call is None or is_there(one):
            continue
        awaits, call.awaits = call.awaits, ()
        roles: dict[str, str] = {}
        for taken, role in awaits:
            entity = known.object(taken)
            if entity not in call.activity.used:
                roles[entity] = role
                call.activity.used[entity] = next(known.recorder.numbers)
            waiting.append(taken)
        if call.yields:
            _state_usages(known, call.activity, roles)
            if one != call.results[0]:  # which stands for the generator
                _state_result(known, call.activity, one, "", {})
            continue
        del _calls[task]
        for place, result in enumerate(call.results):
            part = f"[{place}]" if len(call.results) > 1 else ""
            _state_result(known, call.activity, result, part, {} if place else roles)


def _state_usages(known: Names, activity: Activity, roles: dict[str, str]) -> None:
    """State that a call used what it waited for, by entity, each in the role of a parameter."""
    for entity, role in roles.items():
        about = ("prov:role", role)
        usage = (_USAGE, activity.used[entity], activity.identifier, entity, None, about)
        known.recorder.statement(usage)


def _state_result(known: Names, activity: Activity, reference: str, part: str, roles: dict[str, str]) -> None:
    """State that an object is of a call, what it is derived from, and what of that was used by it unsaid.

    The process that executed the call says so, too, where it is recorded, and in the same words.
    """
    recorder, entity, generation = known.recorder, known.object(reference), known.generation(reference)
    sources = [pair for pair in list(activity.used.items())[:_PAIRS] if pair[0] != entity]
    together = len(sources) if len(sources) <= _TOGETHER and entity not in roles else 0
    if not together:
        _state_usages(known, activity, roles)
    label = f"{activity.label}(){part}"
    how = tuple([roles.get(str(source)) for source, _ in sources[:together]])
    shape = shape_of(recorder, ("ray gives", label, how), lambda: _gives(label, how))
    told = [one for pair in sources[:together] for one in pair]
    shape.state(entity, generation, activity.identifier, *told)
    for source, usage in sources[together:]:
        recorder.derived(entity, source, activity.identifier, generation, usage)
    _is_there_now(reference)


def _gives(label: str, roles: tuple[str | None, ...]) -> Template:
    """Holes: object, generation and task; then what it is derived from and the usage of that.

    Args:
        label: of the object.
        roles: for each derivation the parameter that its usage is now said to be of, or None.
    """
    entity, generation, task = Hole(0), Hole(1), Hole(2)
    template: list[tuple[Any, ...]] = [
        (_ENTITY, entity, ("prov:type", _OBJECT, "prov:label", label)),
        (_GENERATION, generation, entity, task, None, ()),
    ]
    for place, role in enumerate(roles):
        source, usage = Hole(3 + 2 * place), Hole(4 + 2 * place)
        if role is not None:
            template.append((_USAGE, usage, task, source, None, ("prov:role", role)))
        template.append((_DERIVATION, None, entity, source, task, generation, usage, ()))
    return tuple(template)


def _failed(known: Names, reference: str, error: Any) -> None:
    """In the place of an object there is an error: so its call failed, or one did whose result it takes."""
    text = str(error) if hasattr(error, "traceback_str") else ""
    for _ in range(text.count(_BLAMES)):
        call = _calls.pop(task_of(reference), None)
        if call is None:
            return
        _state_failure(known, call, "failed", error)
        if len(call.awaits) != 1:
            return  # which of them failed is not known
        reference = call.awaits[0][0]
    call = _calls.pop(task_of(reference), None)
    if call is not None:
        kinds = [
            kind.__name__ for one in (error, getattr(error, "cause", None)) for kind in type(one).__mro__
        ]
        _state_failure(known, call, next((said for kind, said in _STATUS if kind in kinds), None), error)


def _state_failure(known: Names, call: Call, status: str | None, error: Any) -> None:
    about = [] if status is None else ["trilha:status", status]
    cause = getattr(error, "cause", None) or error
    told = ("trilha:exception", text_of(cause)[:2000])
    known.recorder.activity(call.activity.identifier, None, None, *about, *told)
