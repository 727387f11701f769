"""Calls of a script's functions by way of `trilha_calls`, which is in C, where that is installed.

It states what `trilha.capture.steps.Call` states where a call is ordinary: given numbers, short texts and
lists of numbers, giving one of these, a new list of numbers, a tuple of numbers and texts, or nothing. The
rest it leaves to the hooks in Python (`trilha.capture.script.calls`), with nothing done yet: what is recorded
is the same with it and without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from trilha.capture.context import Activity, current_activity, process
from trilha.capture.extensions import extension
from trilha.capture.identity import Known
from trilha.capture.journal.mapped import MappedFile
from trilha.capture.journal.writer import encode, literal_name
from trilha.capture.recorder import STEP
from trilha.capture.steps import Call
from trilha.prov import Kind

__all__ = ["NOTHING", "hooks", "library"]

NOTHING: Final = object()
"""What a call gives of which no result is known."""
_KINDS: Final = (
    *(Kind.ENTITY, Kind.ACTIVITY, Kind.GENERATION, Kind.USAGE, Kind.DERIVATION),
    *(Kind.START, Kind.ASSOCIATION),
)
_WORDS: Final = (STEP, literal_name("trilha:Object"), literal_name("prov:Revision"))

library: Any = extension("trilha_calls")


def hooks(
    functions: dict[str, Any],
    local: Any,
    ours: tuple[Callable[..., None], Callable[..., None], Any, Callable[..., None]],
    counted: type,
    opened: type,
    limits: tuple[int, int, int],
) -> tuple[Callable[..., None], Callable[..., None], Any]:
    """What is called when a function of the script begins, and when it is left; what notes what it gives.

    Args:
        functions: that tell of their calls, by key.
        local: has the calls that go on in a thread, ``stack``.
        ours: the same in Python, which does what is not ordinary, and what is told of an error.
        counted: type of the values of `functions`.
        opened: type of a call that goes on.
        limits: how many calls of a function are recorded and counted, and how many of those inside it.
    """
    begin, leave, keep, failed = ours
    try:
        classes = counted, opened, Call, Activity, Known, MappedFile
        given = process, current_activity, failed, NOTHING, functions, local, begin, leave
        words = tuple(map(encode, _WORDS))
        made: tuple[Callable[..., None], Callable[..., None], Any] = library.hooks(
            *given, classes, limits, tuple(map(int, _KINDS)), words
        )
    except (AttributeError, TypeError):
        return begin, leave, keep  # There is none, or it is one for another version of Trilha.
    return made
