"""What the user means by a file, a name or an identifier.

A file is found by its content, wherever it lies and whatever it is called now. A name is a label or the last
part of a path. An identifier is an IRI, ``prefix:local`` with one of the fixed prefixes, or ``#n``, the n-th
thing of the last run (``RUN#n`` of another).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.errors import NotFound, UsageError
from trilha.query import runs
from trilha.query.things import EMPTY, PREFIXES, SHA256, Thing, describe
from trilha.query.wording import moment, size
from trilha.store import call_sql, sql
from trilha.store.values import escape, unescape

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Found", "digest", "find", "generated_at", "occurrences"]

_BLOCK: Final = 1 << 20
_SHOWN: Final = 5
_TABLE_KINDS = ("entity", "activity", "unknown")


class Found(NamedTuple):
    """What was found.

    Attributes:
        asked: what was asked for.
        how: ``"content"``, ``"file"`` (by path, size and time: its content was never hashed), ``"name"`` or
            ``"identifier"``.
        key: of the thing that answers, in the store.
        others: keys of further things that are the same for the question: other meetings with the same
        content. notes: what the reader should know of the choice that was made, in sentences.
    """

    asked: str
    how: str
    key: int
    others: tuple[int, ...]
    notes: tuple[str, ...]


def find(store: Store, what: str, run: str | None = None) -> Found:
    """The thing that `what` means.

    Args:
        store: to look in.
        what: path of a file, a name, or an identifier.
        run: only in this run (as `runs.find_run` takes it).

    Raises:
        NotFound: there is none, or more than one.
        UsageError: `what` is empty, or a folder, or a file that cannot be read.
    """
    if not what:
        raise UsageError("expected a file, a name or an identifier, not an empty text")
    within = runs.find_run(store, run) if run is not None else None
    if os.path.isfile(what):
        return _by_file(store, what, within)
    found = _by_identifier(store, what, within) or _by_name(store, what, within)
    if found is not None:
        return _last_version(store, found, within)
    if os.path.isdir(what):
        raise UsageError(f"{what}: is a folder; give a file in it")
    raise NotFound(_nothing(store, what, run if within is not None else None))


def digest(path: str) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        UsageError: the file cannot be read.
    """
    import hashlib

    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read to find it by its content: {error.strerror or error}"
        ) from None


def occurrences(store: Store, content: int) -> list[int]:
    """The entities that are known to have had the content with the key `content`."""
    rows = store.connection.execute(sql.OCCURRENCES, (content,))
    return [row[0] for row in rows]


def generated_at(store: Store, keys: Iterable[int]) -> dict[int, int | None]:
    """When each of those entities that have a generation was generated; the latest of several."""
    found: dict[int, int | None] = {}
    for key, time in sql.among(store.connection.execute, sql.GENERATED_AT, sorted(set(keys))):
        found[key] = max(found.get(key) or 0, time) if time is not None else found.get(key)
    return found


# -- files
# -------------------------------------------------------------------------------------------------------


def _by_file(store: Store, path: str, within: runs.Run | None) -> Found:
    status = os.stat(path)
    hexadecimal = digest(path)
    row = store.connection.execute(sql.KEY_OF_IRI, (SHA256 + hexadecimal,)).fetchone()
    full = os.path.abspath(path)
    unhashed = _same_file(store, full, status, within)
    if row is not None:
        met = occurrences(store, row[0])
        here = set(_at_path(store, full))
        written = generated_at(store, (*unhashed, *met))
        if unhashed and unhashed[-1] in written and not any(key in written for key in met if key in here):
            # The same bytes may have been written elsewhere, but how this very file was written is known.
            return _as_file(path, unhashed[-1], (row[0], *met))
        if met and SHA256 + hexadecimal != EMPTY:
            return _choose(store, path, row[0], met, full, within)
        if met:
            same_path = _at_path(store, full)
            met = [key for key in met if key in same_path]
            if met:
                return _choose(store, path, row[0], met, full, within)
        if not met:
            # A script: it was never opened by the program, but it is the plan of a run.
            return Found(path, "content", row[0], (), ())
    if unhashed:
        return _as_file(path, unhashed[-1])
    for key, thing in describe(store, _at_path(store, full)).items():
        if thing.is_a("trilha:Database"):
            # Its file is not read: what is known are its versions.
            return _last_version(store, Found(path, "file", key, (), ()), within)
    raise NotFound(_unknown_file(store, path, full, hexadecimal, status.st_size))


def _last_version(store: Store, found: Found, within: runs.Run | None) -> Found:
    """Of a table or a database as such, the version of it that was made last; else what was found."""
    (thing,) = describe(store, [found.key]).values()
    if not (thing.is_a("trilha:Table") or thing.is_a("trilha:Database")):
        return found
    versions = describe(store, occurrences(store, found.key))
    keys = [key for key, one in versions.items() if within is None or one.run == within.uuid]
    if not keys:
        return found
    times = generated_at(store, keys)
    last = max(keys, key=lambda key: (key in times, times.get(key) or 0, key))
    others = tuple(key for key in keys if key != last)
    note = f"{found.asked} has {len(keys)} versions; what came before is told from the last of them."
    notes = (*found.notes, note) if others else found.notes
    return found._replace(key=last, others=() if found.how == "identifier" else others, notes=notes)


def _choose(
    store: Store, asked: str, content: int, met: list[int], path: str, within: runs.Run | None
) -> Found:
    """Which of several meetings with one content answers: where it was written; at this path; last."""
    things = describe(store, met)
    if within is not None:
        met = [key for key in met if things[key].run == within.uuid]
        if not met:
            raise NotFound(
                f"{asked}: the run {within.name or within.short} neither read nor wrote this content"
            )
    times = generated_at(store, met)

    def rank(key: int) -> tuple[bool, bool, int, str]:
        thing = things[key]
        return key in times, path in thing.facts.get("trilha:path", ()), times.get(key) or 0, thing.iri

    best = max(_before_read_here(store, met, times, things, path), key=rank)
    others = tuple(key for key in met if key != best)
    notes = []
    writers = _writings(store, {key: things[key] for key in times}) - (best in times)
    plural = "s" if writers > 1 else ""
    if writers and best in times:
        notes.append(
            f"The same bytes were written {writers} other time{plural}; this is the trail of the last."
        )
    elif writers:
        notes.append(f"The same bytes were written {writers} time{plural}, after this file had been read.")
    recorded = things[best].facts.get("trilha:path", ())
    if recorded and path and path not in recorded:
        notes.append(f"Found by content: it was {recorded[-1]} when it was recorded.")
    return Found(asked, "content", best, (content, *others), tuple(notes))


def _writings(store: Store, written: dict[int, Thing]) -> int:
    """How often these were written. A file that an attempt wrote its call may tell of, too."""
    counts: dict[tuple[int, str], Counter[bool]] = {}
    by_nobody = set(written)
    for key, activity, call in sql.among(store.connection.execute, call_sql.MADE, sorted(written)):
        by_nobody.discard(key)
        path = str(written[key].fact("trilha:path", key))
        counts.setdefault((call, path), Counter())[activity == call] += 1
    return len(by_nobody) + sum(max(count.values()) for count in counts.values())


def _before_read_here(
    store: Store, met: list[int], times: dict[int, int | None], things: dict[int, Thing], path: str
) -> list[int]:
    """Those of `met` that can be where the file at `path` came from, or are it.

    What was only read there has its source, if any, among what was written before: what another wrote
    afterwards with the same bytes may well have come of it.
    """
    here = [key for key in met if path and path in things[key].facts.get("trilha:path", ())]
    if not here or any(key in times for key in here):
        return met
    known = sql.among(store.connection.execute, sql.FIRST_USES, sorted(here))
    first = max((use for _, use in known if use is not None), default=None)
    if first is None:
        return met
    return [key for key in met if key in here or (times.get(key) or 0) <= first]


def _at_path(store: Store, path: str) -> list[int]:
    rows = store.connection.execute(sql.KNOWN_AS, (escape(path)[:512],))
    return [row[0] for row in rows]


def _as_file(path: str, key: int, others: tuple[int, ...] = ()) -> Found:
    note = "Its content was not hashed when it was recorded: taken for the same by path, size and time."
    return Found(path, "file", key, others, (note,))


def _same_file(store: Store, path: str, status: os.stat_result, within: runs.Run | None) -> list[int]:
    """What was met at a path and is this very file, though it was not hashed; the last written last."""
    found = []
    for key, thing in describe(store, _at_path(store, path)).items():
        if within is not None and thing.run != within.uuid:
            continue
        modified = thing.fact("trilha:modified")
        same_time = modified is not None and abs(modified.timestamp() - status.st_mtime) < 1e-3
        if same_time and thing.fact("trilha:size") == status.st_size and not thing.fact("trilha:sha256"):
            found.append(key)
    written = generated_at(store, found)
    return sorted(found, key=lambda key: (key in written, key))


def _unknown_file(store: Store, path: str, full: str, hexadecimal: str, length: int) -> str:
    looked = (
        f"{path}: no recorded run read or wrote this content ({size(length)}, sha256 {hexadecimal[:16]}…)"
    )
    if not length:
        looked = f"{path}: is empty, and an empty file has no content to be found by"
    known = describe(store, _at_path(store, full))
    if not known:
        if _is_sqlite(full):
            return (
                f"{looked}: databases of SQLite are recorded where TRILHA_DATABASES asks for them, such as"
                f" TRILHA_DATABASES={os.path.basename(path)}"
            )
        other = "the document of another file?" if store.holds_document else "another store? Say with --store"
        return f"{looked}, nor a file at this path, in {store.folder}. Is it {other}"
    thing = known[max(known)]
    met = runs.of_uuids(store, {thing.run}) if thing.run else {}
    name = next((f"{one.name or 'a run'} ({one.short})" for one in met.values()), "a run")
    return (
        f"{looked}. A file at this path was met by {name} with other content"
        f" ({size(thing.fact('trilha:size', 0))}, {_when(thing)}): it was changed since, outside of any"
        f" recorded run."
        f" For the trail of what was recorded: trilha lineage '{name_of(thing)}'"
    )


def name_of(thing: Thing) -> str:
    """How to ask for this very thing: ``RUN#n``, or its IRI."""
    return thing.iri.removeprefix("urn:uuid:") if thing.run else thing.iri


def _is_sqlite(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _when(thing: Thing) -> str:
    modified = thing.fact("trilha:modified")
    return moment(round(modified.timestamp() * 1e9)) if modified is not None else "time unknown"


# -- identifiers ---------------------------------------------------------------------------------------------


def _by_identifier(store: Store, what: str, within: runs.Run | None) -> Found | None:
    iri = _as_iri(store, what, within)
    if iri is None:
        return None
    row = store.connection.execute(sql.KEY_OF_IRI, (escape(iri),)).fetchone()
    if row is not None:
        key = int(row[0])
        if iri.startswith(SHA256) and iri != EMPTY:
            met = occurrences(store, key)
            if met:
                return _choose(store, what, key, met, "", within)
        return Found(what, "identifier", key, (), ())
    if iri.startswith(SHA256) and len(iri) - len(SHA256) >= 6:
        return _by_digest_prefix(store, what, iri, within)
    return None


def _as_iri(store: Store, what: str, within: runs.Run | None) -> str | None:
    """The IRI that `what` may be; None if it does not look like one."""
    begin, mark, rest = what.partition("#")
    if mark and rest and "/" not in what and ":" not in begin:
        try:
            run = runs.find_run(store, begin) if begin else within or runs.find_run(store, "last")
        except NotFound:
            return None
        return f"urn:uuid:{run.uuid}#{rest}"
    prefix, mark, local = what.partition(":")
    if not mark:
        return None
    return PREFIXES[prefix] + local if prefix in PREFIXES else what


def _by_digest_prefix(store: Store, what: str, iri: str, within: runs.Run | None) -> Found | None:
    rows = list(store.connection.execute(sql.KEYS_BETWEEN, (iri, iri + "g")))
    if not rows:
        return None
    if len(rows) > 1:
        shown = ", ".join(unescape(row[1]).removeprefix(SHA256)[:16] for row in rows[:_SHOWN])
        raise NotFound(f"{len(rows)} contents begin with {what!r}: {shown}. Give more digits")
    met = occurrences(store, rows[0][0])
    if met:
        return _choose(store, what, rows[0][0], met, "", within)
    return Found(what, "identifier", rows[0][0], (), ())


# -- names ---------------------------------------------------------------------------------------------------


def _by_name(store: Store, what: str, within: runs.Run | None) -> Found | None:
    tail = what.rstrip("/").rpartition("/")[2]
    keys = _at_path(store, what) or ([] if tail == what else _at_path(store, tail))
    things = describe(store, keys)
    things = {key: one for key, one in things.items() if one.kind in _TABLE_KINDS and _is_called(one, what)}
    if within is not None:
        things = {key: one for key, one in things.items() if one.run == within.uuid}
    entities = {key: one for key, one in things.items() if one.kind == "entity"} or things
    if not entities:
        return None
    same = _one_content(store, entities)
    if same is not None:
        return _choose(store, what, same, list(entities), "", None)
    in_runs = {one.run for one in entities.values()}
    if len(in_runs) > 1:
        raise NotFound(_ambiguous(store, what, entities))
    times = generated_at(store, entities)
    best = max(entities, key=lambda key: (times.get(key) or entities[key].start or 0, key))
    notes = []
    if len(entities) > 1:
        notes.append(
            f"{len(entities)} things are called {what!r} in this run; this is the trail of the last one."
        )
    return Found(what, "name", best, (), tuple(notes))


def _is_called(thing: Thing, what: str) -> bool:
    paths = [str(path) for path in thing.facts.get("trilha:path", ())]
    if "/" in what:
        tail = "/" + what.removeprefix("./").lstrip("/")
        return any(path == what or path.endswith(tail) for path in paths) or thing.label == what
    return True


def _one_content(store: Store, things: dict[int, Thing]) -> int | None:
    """The content that all of the things had, if it is one and the same."""
    digests = {thing.fact("trilha:sha256") for thing in things.values()}
    if len(things) < 2 or len(digests) != 1 or None in digests:
        return None
    iri = SHA256 + str(digests.pop())
    row = store.connection.execute(sql.KEY_OF_IRI, (iri,)).fetchone() if iri != EMPTY else None
    return int(row[0]) if row else None


def _ambiguous(store: Store, what: str, things: dict[int, Thing]) -> str:
    known = runs.of_uuids(store, {one.run for one in things.values() if one.run})
    newest = sorted(known.values(), key=lambda run: run.start or 0, reverse=True)
    shown = [f"{run.short} ({run.name}, {moment(run.start)})" for run in newest[:_SHOWN]]
    more = f" and {len(newest) - _SHOWN} more" if len(newest) > _SHOWN else ""
    return (
        f"{what!r} was met in {len(newest)} runs, each time another thing: {', '.join(shown)}{more}."
        " Say which with --run, or give the file itself"
    )


def _nothing(store: Store, what: str, run: str | None = None) -> str:
    from difflib import get_close_matches

    tail = what.rstrip("/").rpartition("/")[2]
    begin = escape(tail[:1])
    rows = store.connection.execute(sql.LIKE_NAMES, (begin, begin + "\U0010ffff"))
    close = [one for one in get_close_matches(tail, [unescape(row[0]) for row in rows], 4) if one != what]
    hint = f" Did you mean {' or '.join(map(repr, close[:3]))}?" if close else ""
    where = str(store.folder) if run is None else f"the run {run!r} of {store.folder}"
    return (
        f"nothing is known of {what!r} in {where}: it is no file here, and no recorded thing has it as its"
        f" label, file name or identifier.{hint}"
    )
