"""How the data was prepared: transformations, splits, and what happened to a thing on its way."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from typing import Any

from trilha.errors import UsageError
from trilha.query.lineage import lineage
from trilha.query.questions.asking import Answer, Asked, question, told_once
from trilha.query.questions.origins import meant
from trilha.query.things import Thing, describe
from trilha.query.unknown import of_lineage
from trilha.store import sql
from trilha.store.values import escape, from_ns

__all__ = ["operations", "parts", "preparation", "ranges", "record", "records_of", "settings_of"]

_SETTING = "trilha:arg."


@question(
    "preparation",
    "",
    "Which transformations (filters) were applied to the data of each run, in order, with settings.",
    papers=("D6", "D7", "K7"),
    acceptance=(1, 6),
)
def preparation(asked: Asked) -> Answer:
    """The transformations; with ``--where 'accuracy > 0.9'`` those of the models that reached it."""
    rows = []
    found = asked.things("Transformation")
    for run, things in found.items():
        told = []
        for _, thing in things:
            row = {
                **asked.named(run),
                "order": thing.fact("trilha:order"),
                "transformation": thing.fact("trilha:name", thing.label),
                "settings": settings_of(thing),
                "class": thing.fact("trilha:class"),
                "took": _took(thing),
            }
            told.append((thing, row))
        rows += told_once(told, ("took",))
    without = len(asked.keys) - len(found)
    unknown = []
    if without:
        runs = f"{without} run{'s' if without > 1 else ''}"
        unknown.append(f"How the data of {runs} was prepared: no transformation was recorded.")
    columns = ("run", "id", "order", "transformation", "settings", "class", "took")
    names = dict.fromkeys(row["transformation"] for row in rows)
    return Answer(columns, rows, {"transformations": list(names)}, unknown)


@question(
    "parts",
    "",
    "What went into train, validation and test: sizes, and fingerprints of the indices.",
    papers=("D8", "K7"),
    acceptance=(9, 15),
)
def parts(asked: Asked) -> Answer:
    """The parts that data was split into; ``records`` of a row, no column, says which ones are in it."""
    rows = []
    unnamed = 0
    found = asked.things("Subset")
    for run, things in found.items():
        told = []
        for _, thing in things:
            row = {
                **asked.named(run),
                "part": thing.fact("trilha:part", thing.label),
                "length": thing.fact("trilha:length"),
                "shape": thing.fact("trilha:shape"),
                "fingerprint": thing.fact("trilha:fingerprint"),
                "records": ranges(bits) if (bits := records_of(thing)) is not None else None,
            }
            told.append((thing, row))
        once = told_once(told)
        unnamed += sum(row["records"] is None for row in once)
        rows += once
    unknown = asked.without("parts of the data", found)
    if unnamed:
        unknown.append(
            f"Which records are in {unnamed} part{'s' if unnamed > 1 else ''}: the indices were not told,"
            " or there are very many. Two parts with one fingerprint hold the same records of the same data."
        )
    return Answer(("run", "id", "part", "length", "shape", "fingerprint"), rows, {}, unknown)


@question(
    "record",
    "NUMBER",
    "Which part a record of the data (by its index, from 0) went into, in each run.",
    papers=("D8",),
    acceptance=(9,),
)
def record(asked: Asked, number: str) -> Answer:
    """A row for each part that the record is in; the summary counts the parts of which it is not known."""
    if not number.isdecimal():
        raise UsageError(f"{number!r}: expected the index of a record, a whole number from 0")
    rows = []
    unknown = 0
    for run, things in asked.things("Subset").items():
        told = []
        for _, thing in things:
            bits = records_of(thing)
            unknown += bits is None
            if bits is not None and bits >> int(number) & 1:
                part, length = thing.fact("trilha:part", thing.label), thing.fact("trilha:length")
                told.append((thing, {**asked.named(run), "part": part, "length": length}))
        rows += told_once(told)
    said = [f"Of {unknown} parts: which records are in them was not recorded."] if unknown else []
    return Answer(("run", "id", "part", "length"), rows, {}, said, yes=bool(rows))


@question(
    "operations",
    "WHAT",
    "Which steps a thing's data went through, from the raw data on, and what was done with it then.",
    papers=("D7", "D9"),
    acceptance=(1, 9),
)
def operations(asked: Asked, what: str) -> Answer:
    """The activities upstream and downstream of a thing that used something and made something, in time."""
    found = meant(asked, what)
    rows = []
    unknown: list[str] = []
    seen: set[str] = set()
    for downstream, when in ((False, "before"), (True, "after")):
        told = lineage(asked.store, found, downstream=downstream)
        unknown += [said for said in of_lineage(told) if said not in unknown]
        made = _whole(asked, [told.things[link.cause] for link in told.links if link.via == "wasGeneratedBy"])
        done = [thing for iri, thing in made.items() if iri not in seen and not iri.endswith("#run")]
        seen |= made.keys()
        for thing in sorted(done, key=lambda one: (one.start or 0, one.iri)):
            types = [one.removeprefix("trilha:") for one in thing.types if one != "trilha:Step"]
            run = told.runs.get(thing.run or "")
            rows.append(
                {
                    "when": when,
                    "activity": thing.label,
                    "type": ", ".join(types) or "Step",
                    "settings": settings_of(thing),
                    "started": None if thing.start is None else from_ns(thing.start),
                    "run": run.name if run else None,
                }
            )
    return Answer(("when", "activity", "type", "settings", "started", "run"), rows, {}, unknown)


def _whole(asked: Asked, activities: list[Thing]) -> dict[str, Thing]:
    """The activities by IRI; of epochs the training that they belong to."""
    execute = asked.store.connection.execute
    whole = {one.iri: one for one in activities if not one.is_a("trilha:Epoch")}
    epochs = [one.iri for one in activities if one.is_a("trilha:Epoch")]
    keys = [execute(sql.KEY_OF_IRI, (escape(iri),)).fetchone()[0] for iri in dict.fromkeys(epochs)]
    starters = [row[3] for row in sql.among(execute, sql.UPSTREAM, keys) if row[1] == 7 and row[2] == 3]
    return whole | {one.iri: one for one in describe(asked.store, starters).values()}


def records_of(thing: Thing) -> int | None:
    """Which records are in a part, bit n for the n-th; None where that was not recorded or makes no sense."""
    text = thing.fact("trilha:records")
    try:
        return None if text is None else int.from_bytes(zlib.decompress(b64decode(str(text))), "little")
    except (ValueError, zlib.error):
        return None


def ranges(bits: int) -> str:
    """Numbers as people write them: ``0-3, 7``."""
    found = []
    for run in re.finditer("1+", f"{bits:b}"[::-1]):
        first, last = run.start(), run.end() - 1
        found.append(str(first) if first == last else f"{first}-{last}")
    return ", ".join(found)


def settings_of(thing: Thing) -> dict[str, Any]:
    """What an activity was given as plain values."""
    return {
        key.removeprefix(_SETTING): values[-1]
        for key, values in thing.facts.items()
        if key.startswith(_SETTING)
    }


def _took(thing: Thing) -> float | None:
    return None if thing.took is None else thing.took / 1e9
