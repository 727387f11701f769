"""Finding what is meant, and writing a journal that says something of it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from trilha.capture.annotating import statements
from trilha.capture.journal import Head
from trilha.capture.journal.frames import VERSION
from trilha.capture.journal.writer import encode, faithful, literal_name, open_file
from trilha.capture.machine import boot_id, host, machine_iri, person
from trilha.errors import NotFound, StoreError, UsageError
from trilha.prov import Kind
from trilha.query.finding import Found, find, occurrences
from trilha.query.runs import find_run
from trilha.query.things import EMPTY, SHA256, Thing, describe
from trilha.store import sql
from trilha.store.values import escape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Meant", "Said", "annotate", "meant", "value_of"]

_KINDS: Final = {
    "entity": Kind.ENTITY,
    "unknown": Kind.ENTITY,
    "activity": Kind.ACTIVITY,
    "agent": Kind.AGENT,
}
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PERSON: Final = literal_name("prov:Person")


class Meant(NamedTuple):
    """What a user means.

    Attributes:
        key: of the thing that is annotated; of a file, it may be its content.
        shown: key of the thing to show for it: the file.
        notes: what the reader should know of the choice that was made, in sentences.
    """

    key: int
    shown: int
    notes: tuple[str, ...]


class Said(NamedTuple):
    """What was annotated.

    Attributes:
        thing: as it was before.
        run: UUID of the run whose journals say it now.
        notes: what the reader should know of the choice that was made, in sentences.
    """

    thing: Thing
    run: str
    notes: tuple[str, ...]


def annotate(store: Store, what: str, values: Mapping[str, Any], run: str | None = None) -> Said:
    """Say something of a thing that is recorded.

    A file means its content, wherever it was met; with `run`, the file as that run met it.

    Args:
        store: to look in, and to write to; it is brought up to date.
        what: a run (name, id, its beginning, ``last``), the path of a file, a label, or an identifier.
        values: by name: numbers, texts, truth values, times.
        run: only in this run.

    Raises:
        NotFound: there is no such thing, or more than one.
        UsageError: there is nothing to say, or a name is empty.
        StoreError: the journal cannot be written.
    """
    if not values or not all(values):
        raise UsageError(f"annotate {what}: expected NAME=VALUE, such as center=UChicago")
    key, shown, notes = meant(store, what, run)
    things = describe(store, [key, shown])
    thing = things[key]
    uuid = thing.run or things[shown].run or _run_naming(store, key, run)
    _write(store, uuid, thing, values)
    store.refresh()
    return Said(thing, uuid, notes)


def meant(store: Store, what: str, run: str | None = None) -> Meant:
    """The thing that `what` means.

    Raises:
        NotFound: there is no such thing, or more than one.
    """
    if run is None and not os.path.isfile(what) and "#" not in what:
        activity = _run_called(store, what)
        if activity is not None:
            return Meant(activity, activity, ())
    found = find(store, what, run)
    if run is not None or found.how != "content":
        return Meant(found.key, found.key, found.notes)
    return Meant(_content(store, found), found.key, ())


def _run_called(store: Store, what: str) -> int | None:
    """Key of the activity of the run that is called so; None if none is."""
    try:
        uuid = find_run(store, what).uuid
    except NotFound:
        if store.connection.execute(sql.RUNS_OF_LABEL, (escape(what),)).fetchone() is not None:
            raise
        return None
    row = store.connection.execute(sql.KEY_OF_IRI, (f"urn:uuid:{uuid}#run",)).fetchone()
    return int(row[0]) if row else None


def _content(store: Store, found: Found) -> int:
    """The content that was found, but for that of an empty file: there, the file."""
    for key, thing in describe(store, [found.key, *found.others]).items():
        if (
            thing.iri.startswith(SHA256)
            and thing.iri != EMPTY
            and (key == found.key or _is_of(store, key, found))
        ):
            return key
    return found.key


def _is_of(store: Store, content: int, found: Found) -> bool:
    return found.key in occurrences(store, content)


def _run_naming(store: Store, key: int, run: str | None) -> str:
    """The newest run that says anything of a thing that is of no single run."""
    if run is not None:
        return find_run(store, run).uuid
    row = store.connection.execute(sql.RUN_NAMING, (key,)).fetchone()
    if row is None:
        raise NotFound("no run tells of this; say of which run it is to be said with --run")
    return str(row[0])


def _write(store: Store, uuid: str, thing: Thing, values: Mapping[str, Any]) -> None:
    folder = os.path.join(store.journals, uuid)
    row = store.connection.execute(sql.RUN_BY_UUID, (uuid,)).fetchone()
    first = store.connection.execute(sql.FIRST_JOURNAL, (row[0],)).fetchone() if row else None
    now, (who, login) = time.time_ns(), person()
    head = Head(
        version=VERSION,
        run=uuid,
        uid=str(uuid4()),
        parent=first[0] if first else uuid,
        host=host(),
        machine=machine_iri(),
        boot=boot_id(),
        started=now,
        bases=((1, f"urn:uuid:{uuid}#{uuid4().hex[:12]}-"),),
    )
    complaints: list[str] = []
    try:
        file = open_file(folder, head, complaints.append, way="grouped")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}. Check its permissions") from None
    try:
        file.append(encode((int(Kind.AGENT), who, ("prov:type", _PERSON, "prov:label", login))))
        about = int(_KINDS[thing.kind]), _marked(thing.iri)
        for number, (name, value) in enumerate(values.items(), 1):
            for cells in statements(about, number, name, value, who, now):
                file.append(encode((*cells[:-1], [faithful(cell) for cell in cells[-1]])))
    finally:
        file.close()
    if complaints or file.dropped:
        raise StoreError(f"{folder}: {(complaints or ['the journal cannot be written'])[0]}")


def _marked(iri: str) -> Any:
    """An IRI as a name in a statement, never taken for ``prefix:local``."""
    return faithful(f":{iri}")


def value_of(text: str) -> Any:
    """The value that a text on a command line says: a number, a truth value or a time, else the text."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    try:
        when = datetime.fromisoformat(text) if len(text) > 10 and "T" in text else None
    except ValueError:
        when = None
    return when if when is not None and when.tzinfo is not None else text
