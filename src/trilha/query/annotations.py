"""What users said of things: by whom, when, and of which things something was said.

What is said of a content holds for every file that has it, since a file is a specialization of its content
(PROV-CONSTRAINTS, inference 21).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from trilha.query.finding import occurrences
from trilha.query.runs import Run
from trilha.query.things import Thing, describe
from trilha.store import sql
from trilha.store.values import escape, to_ns

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Annotation", "annotated", "of_run", "said_of"]


class Annotation(NamedTuple):
    """One annotation.

    Attributes:
        about: key of the thing that it was said of; of a file, it may be its content.
        name: of the annotation.
        value: a number, text, truth value or time; None where there is none.
        person: IRI of who said it; empty where that is not known.
        time: when, in nanoseconds since 1970-01-01 UTC; None where that is not known.
        iri: of the annotation itself.
    """

    about: int
    name: str
    value: Any
    person: str
    time: int | None
    iri: str


def said_of(store: Store, keys: Iterable[int]) -> dict[int, list[Annotation]]:
    """What was said of things, or of their contents, the earliest first.

    Args:
        store: to look in.
        keys: of the things.

    Returns:
        By the key of each thing that something was said of.
    """
    execute = store.connection.execute
    wanted = sorted(set(keys))
    asked: dict[int, list[int]] = {key: [key] for key in wanted}
    for key, content in sql.among(execute, sql.CONTENTS_OF, wanted):
        asked.setdefault(content, []).append(key)
    rows = list(sql.among(execute, sql.ANNOTATIONS_OF, sorted(asked)))
    told = {key: one for key, one in describe(store, [row[1] for row in rows]).items() if one.is_a(_TYPE)}
    who = {
        row[0]: row[3] for row in sql.among(execute, sql.RESPONSIBLE, sorted(told)) if row[1] == _ATTRIBUTION
    }
    people = {key: one.iri for key, one in describe(store, who.values()).items()}
    found: dict[int, dict[int, Annotation]] = {}
    for about, annotation in rows:
        if annotation not in told:
            continue
        thing = told[annotation]
        when = thing.fact("trilha:time")
        one = Annotation(
            about,
            str(thing.fact("trilha:name", thing.label)),
            thing.fact("prov:value"),
            people.get(who.get(annotation, 0), ""),
            to_ns(when) if isinstance(when, datetime) else None,
            thing.iri,
        )
        for key in asked[about]:
            found.setdefault(key, {})[annotation] = one
    return {
        key: sorted(some.values(), key=lambda one: (one.time or 0, one.iri)) for key, some in found.items()
    }


_ATTRIBUTION = 11
_TYPE = "trilha:Annotation"


def annotated(store: Store, name: str, value: Any = None) -> list[Thing]:
    """The things that something of this name was said of; for a content, the files that have it.

    Args:
        store: to look in.
        name: of the annotation.
        value: that one of the annotations of that name has; None for any.
    """
    rows = store.connection.execute(sql.ANNOTATED, (escape(name)[:512],))
    keys: dict[int, None] = {}
    for annotation, about, _, _, number, text in rows:
        said = number if number is not None else text
        if (
            value is not None
            and said != value
            and describe(store, [annotation])[annotation].fact("prov:value") != value
        ):
            continue
        keys.update(dict.fromkeys([about, *occurrences(store, about)]))
    things = describe(store, keys)
    return [things[key] for key in keys if not things[key].is_a("trilha:Content")]


def of_run(store: Store, run: Run) -> list[tuple[Thing, Annotation]]:
    """What was said of a run, its things and the contents that it met, then or afterwards, in order of time.

    Of a content, the thing is a file of the run that has it, where there is one.
    """
    keys = [row[0] for row in store.connection.execute(sql.ANNOTATED_IN_RUN, (run.key, run.key))]
    pairs = [
        (_file_in(store, key, run) or key, one)
        for key, some in said_of(store, keys).items()
        for one in some
        if one.about == key
    ]
    things = describe(store, [key for key, _ in pairs])
    return sorted(
        ((things[key], one) for key, one in pairs), key=lambda pair: (pair[1].time or 0, pair[1].iri)
    )


def _file_in(store: Store, content: int, run: Run) -> int | None:
    """The last file of a run that has a content, if `content` is one."""
    names = sql.among(store.connection.execute, sql.NAMES, occurrences(store, content))
    return max((key for key, iri in names if iri.startswith(f"urn:uuid:{run.uuid}#")), default=None)
