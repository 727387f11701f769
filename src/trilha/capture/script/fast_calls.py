"""Calls of a script's functions by way of `trilha_calls`, which is in C, where that is installed.

It states what `trilha.capture.steps.Call` states where a call is ordinary: given numbers, short texts and
lists of numbers, giving one of these, a new list of numbers, a tuple of numbers and texts, or nothing. The
rest it leaves to the hooks in Python (`trilha.capture.script.calls`), with nothing done yet: what is recorded
is the same with it and without. The journal has it as shapes: what differs from call to call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, current_activity, process
from trilha.capture.extensions import extension
from trilha.capture.files import Files
from trilha.capture.identity import Known, Objects
from trilha.capture.journal.mapped import MappedFile
from trilha.capture.journal.writer import literal_name
from trilha.capture.recorder import STEP, Recorder
from trilha.capture.shaped import Hole, Shape, shape_of, with_holes
from trilha.capture.steps import Call
from trilha.capture.structures import Members
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.journal.shapes import Template
    from trilha.capture.script.rewriting import Function

__all__ = ["MOST_VALUES", "NOTHING", "hooks", "library", "rehearse", "shape_of_call", "shapes_of", "usable"]

NOTHING: Final = object()
"""What a call gives of which no result is known."""
MOST_VALUES: Final = 32
"""Parameters of a function, and members of a tuple that it gives."""
_LONGEST_LABEL: Final = 200
_LONGEST_NAME: Final = 64
_OBJECT: Final = literal_name("trilha:Object")
_REVISION: Final = literal_name("prov:Revision")

library: Any = extension("trilha_calls")


def hooks(
    functions: dict[str, Any],
    local: Any,
    ours: tuple[Callable[..., None], Callable[..., None], Any, Callable[..., None]],
    find_shape: Callable[[Recorder, Any], None],
    classes: tuple[type, type],
    limits: tuple[int, int, int],
) -> tuple[Callable[..., None], Callable[..., None], Any]:
    """What is called when a function of the script begins, and when it is left; what notes what it gives.

    Args:
        functions: that tell of their calls, by key.
        local: has the calls that go on in a thread, ``stack``.
        ours: the same in Python, which does what is not ordinary, and what is told of an error.
        find_shape: has one of `functions` have its ``shape``.
        classes: types of the values of `functions`, and of a call that goes on.
        limits: how many calls of a function are recorded and counted, and how many of those inside it.
    """
    begin, leave, keep, failed = ours
    try:
        known = *classes, Call, Activity, Known, Recorder, Objects, Members, Shape, Files, MappedFile
        given = (
            process,
            current_activity,
            failed,
            NOTHING,
            functions,
            local,
            begin,
            leave,
            shapes_of,
            find_shape,
        )
        made: tuple[Callable[..., None], Callable[..., None], Any] = library.hooks(*given, known, limits)
    except (AttributeError, TypeError):
        return begin, leave, keep  # There is none, or it is one for another version of Trilha.
    return made


def usable() -> bool:
    """Whether there is a library, for this version of Trilha."""
    return hasattr(library, "rehearse")


def rehearse(recorder: Recorder, counted: Any) -> None:
    """Have a call of a function gone through that is none, so that the first one finds what it needs.

    Args:
        recorder: of the run.
        counted: one of the functions that the hooks know, with its shape.
    """
    given = [[0.0]]
    names, objects = counted.function.parameters, recorder.objects
    told = objects.told
    if told is not None:
        objects.told = lambda thing, entity, _: told(thing, entity, None)
    try:
        library.rehearse(
            counted, tuple(0 if at or name == "self" else given for at, name in enumerate(names))
        )
    except Exception:
        recorder.failed()
    finally:
        objects.told = told
        objects.forget(given)


def shapes_of(recorder: Recorder) -> tuple[Any, ...]:
    """The numbers of the shapes of what is said of all calls, in C's order, and this process's activity.

    They are defined in the journal when they are first asked for. Where that was not possible, the number of
    one is 0.
    """
    known = recorder.calls
    if known is None or known[-1] is not recorder.run:
        made = [Shape(recorder, one).number for one in _templates(recorder)]
        known = recorder.calls = (*made, recorder.run)
    return known


def _templates(recorder: Recorder) -> list[Template]:
    first, second, third, fourth, fifth, sixth, seventh, eighth = map(Hole, range(8))
    lists = "trilha:python_type", "list", "trilha:length", third
    entity = int(Kind.ENTITY), first, ("prov:type", _OBJECT, "prov:label", second, *lists)
    generation, usage, derivation = int(Kind.GENERATION), int(Kind.USAGE), int(Kind.DERIVATION)
    met = entity, (generation, fourth, first, recorder.run.identifier, None, ())
    made = entity, (generation, fourth, first, fifth, sixth, ())
    came = derivation, None, first, second, third, fourth, fifth
    revision = "prov:type", _REVISION
    changed = *made, (derivation, None, first, seventh, fifth, fourth, eighth, revision)
    over = int(Kind.ACTIVITY), first, None, second
    several = tuple(f"trilha:returned.{place}" for place in range(MOST_VALUES))
    return [
        # A list that nobody has met: its number, label, length, and the number of its generation.
        met,
        # One that a call made or changed: likewise, with the call and the time.
        made,
        # A usage, and derivations: their arguments.
        ((usage, first, second, third, fourth, ("prov:role", fifth)),),
        ((*came, revision),),
        ((*came, ()),),
        # A call is over, and gave a value, or several of them: its number, the time, these.
        ((*over, ("trilha:returned", third)),),
        ((*over, with_holes(several, 2)),),
        # A list that nobody has met, and that it was used: also the numbers of usage and call, and the time.
        (*met, (usage, fifth, sixth, first, seventh, ("prov:role", second))),
        # A list that a call changed: also the number that it had, and that of its usage.
        changed,
        # The same of a call that is over then.
        (*changed, (int(Kind.ACTIVITY), fifth, None, sixth, ())),
    ]


def shape_of_call(recorder: Recorder, function: Function) -> Shape | bool:
    """The shape of what is said when `function` is called, or another one with parameters of the same names.

    What differs: number, time, activity around it, label, plan, and values of the parameters.

    Returns:
        False if there is none, because its names are unusual, or the journal has no room.
    """
    names = function.parameters
    if (
        len(names) > MOST_VALUES
        or not "".join((function.label, *names)).isascii()
        or len(function.label) > _LONGEST_LABEL
        or any(len(name) > _LONGEST_NAME for name in names)
    ):
        return False

    def template() -> Template:
        call, at, starter, label, plan = map(Hole, range(5))
        values = with_holes(tuple(f"trilha:arg.{name}" for name in names), 5)
        return (
            (int(Kind.ACTIVITY), call, at, None, ("prov:type", STEP, "prov:label", label, *values)),
            (int(Kind.START), None, call, None, starter, at, ()),
            (int(Kind.ASSOCIATION), None, call, recorder.person, plan, ()),
        )

    made = shape_of(recorder, ("call", names), template)
    return made if made.number else False
