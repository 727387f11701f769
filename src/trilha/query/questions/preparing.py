"""How the data was prepared: transformations, splits, and what happened to a thing on its way."""

from __future__ import annotations

from typing import Any

from trilha.query.lineage import lineage
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.questions.origins import meant
from trilha.query.things import Thing
from trilha.query.unknown import of_lineage
from trilha.store.values import from_ns

__all__ = ["operations", "parts", "preparation"]

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
        for order, (_, thing) in enumerate(things, 1):
            rows.append(
                {
                    **asked.named(run),
                    "order": thing.fact("trilha:order", order),
                    "transformation": thing.fact("trilha:name", thing.label),
                    "settings": settings_of(thing),
                    "class": thing.fact("trilha:class"),
                    "took": _took(thing),
                }
            )
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
    """The parts that data was split into. Which rows are in one is told by the fingerprint only."""
    rows = []
    unnamed = 0
    for run, things in asked.things("Subset").items():
        for _, thing in things:
            fingerprint = thing.fact("trilha:fingerprint")
            unnamed += fingerprint is None
            rows.append(
                {
                    **asked.named(run),
                    "part": thing.fact("trilha:part", thing.label),
                    "length": thing.fact("trilha:length"),
                    "shape": thing.fact("trilha:shape"),
                    "fingerprint": fingerprint,
                }
            )
    unknown = []
    if rows:
        unknown.append(
            "Which records and features are in a part: a split is recorded by size and fingerprint. Two parts"
            " with one fingerprint hold the same records of the same data."
        )
    if unnamed:
        unknown.append(f"The records of {unnamed} parts at all: their indices were not told to the recorder.")
    return Answer(("run", "id", "part", "length", "shape", "fingerprint"), rows, {}, unknown)


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
        made = {link.cause for link in told.links if link.via == "wasGeneratedBy"}
        done = [told.things[iri] for iri in made if iri not in seen and not iri.endswith("#run")]
        seen |= made
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


def settings_of(thing: Thing) -> dict[str, Any]:
    """What an activity was given as plain values."""
    return {
        key.removeprefix(_SETTING): values[-1]
        for key, values in thing.facts.items()
        if key.startswith(_SETTING)
    }


def _took(thing: Thing) -> float | None:
    return None if thing.start is None or thing.end is None else (thing.end - thing.start) / 1e9
