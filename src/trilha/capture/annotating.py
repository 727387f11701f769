"""What a user says of a thing: an annotation, a name and a value, by somebody, at some time.

An annotation is an entity of its own, so that who said it and when is known: generated at that time,
attributed to the person, and influenced by the thing that it is about. No activity is named as its maker,
since what a user says of a result did not come out of the program's data. The thing itself has it as an
attribute, ``trilha:annotation.<name>``, too: a reader that knows PROV alone finds it where it belongs.

Source: annotations of Swift's provenance database (Gadelha et al., "Provenance management in Swift", FGCS
2011), and the eighth and ninth query of the First Provenance Challenge (2006).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, current
from trilha.capture.identity import is_value
from trilha.capture.journal.writer import literal_name
from trilha.capture.steps import meet
from trilha.capture.values import key_of, python_type, text_of, value_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["ANNOTATION", "annotate", "statements"]

ANNOTATION: Final = "trilha:annotation."
"""What the key of an annotation's attribute begins with, on the thing that it is about."""

_TYPE: Final = literal_name("trilha:Annotation")
Cells = tuple[Any, ...]


def annotate(recorder: Recorder, thing: Any, values: Mapping[str, Any]) -> None:
    """State annotations of a thing, said in the current step.

    Args:
        recorder: of the run.
        thing: an activity, the path of a file that is there, an object, or None for the current step.
        values: by name.
    """
    activity, at = current(recorder), time.time_ns()
    kind, identifier = _meant(recorder, activity, thing)
    if identifier is None:
        recorder.complain(f"trilha.annotate({text_of(thing)[:200]}): {kind}, so nothing was recorded")
        return
    for name, value in values.items():
        said = None if value is None else value_of(value) if is_value(value) else text_of(value)
        about = int(Kind[kind]), identifier
        for cells in statements(about, next(recorder.numbers), name, said, recorder.person, at):
            recorder.statement(cells)


def statements(
    about: tuple[int, Any], annotation: Any, name: str, value: Any, person: str, at: int
) -> Iterator[Cells]:
    """The statements of one annotation, as cells.

    Args:
        about: kind (1 entity, 2 activity, 3 agent) and identifier of the thing.
        annotation: identifier of the annotation.
        name: of the annotation.
        value: a plain value; None where there is none.
        person: IRI of who said it.
        at: when, in nanoseconds since 1970-01-01 UTC.
    """
    kind, thing = about
    facts: list[Any] = ["prov:type", _TYPE, "prov:label", name, "trilha:name", name]
    facts += ["trilha:time", datetime.fromtimestamp(at / 1e9, UTC)]
    facts += [] if value is None else ["prov:value", value]
    yield (int(Kind.ENTITY), annotation, facts)
    yield (int(Kind.GENERATION), None, annotation, None, at, ())
    yield (int(Kind.ATTRIBUTION), None, annotation, person, ())
    yield (int(Kind.INFLUENCE), None, annotation, thing, ())
    if value is not None:
        times = (None, None) if kind == Kind.ACTIVITY else ()
        yield (kind, thing, *times, (key_of(ANNOTATION, name), value))


def _meant(recorder: Recorder, activity: Activity, thing: Any) -> tuple[str, Any]:
    """Kind and identifier of what is meant; why there is none, and None."""
    from trilha.capture.api import Run, run

    kind = type(thing)
    if thing is None:
        return "ACTIVITY", activity.identifier
    if thing is run:
        return "ACTIVITY", recorder.run.identifier
    if kind is Run:
        said = thing.activity
        return "ACTIVITY", recorder.run.identifier if said is None else said.identifier
    if kind is Activity:
        return "ACTIVITY", thing.identifier
    recorder.bring_up_to_date(thing)
    known = None if is_value(thing) else recorder.objects.get(thing)
    if known is not None:
        return "ENTITY", known.entity
    if issubclass(kind, str) or hasattr(kind, "__fspath__"):
        path = os.path.abspath(os.fsdecode(os.fspath(thing)))
        found = recorder.files.entity_at(path)
        return ("ENTITY", found) if found is not None else (f"there is no file {path}", None)
    if is_value(thing):
        return f"a {python_type(thing)} has no identity that could be annotated", None
    return "ENTITY", meet(recorder, thing, python_type(thing).rpartition(".")[2]).entity
