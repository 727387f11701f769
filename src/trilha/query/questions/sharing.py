"""Data in common: between runs, and between training and test."""

from __future__ import annotations

from typing import Any

from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import EMPTY, SHA256, Thing
from trilha.store import sql

__all__ = ["overlap", "shared_data"]

_TRAINING = ("training data",)
_TESTING = ("evaluation data", "test data", "validation data")


@question(
    "shared-data",
    "",
    "Data that several runs used: files by content, parts of data by the fingerprint of their indices.",
    papers=("K9",),
    acceptance=(10, 15),
)
def shared_data(asked: Asked) -> Answer:
    """Each content or fingerprint that more than one run read."""
    read: dict[str, dict[int, Thing]] = {}
    for run, things in asked.things("File").items():
        used = _used(asked, run)
        for key, thing in things:
            digest = thing.fact("trilha:sha256")
            if key in used and digest and SHA256 + str(digest) != EMPTY:
                read.setdefault(f"sha256 {digest}", {})[run] = thing
    for run, things in asked.things("Subset").items():
        for _, thing in things:
            mark = thing.fact("trilha:fingerprint")
            if mark:
                read.setdefault(f"indices {mark}", {})[run] = thing
    rows: list[dict[str, Any]] = []
    for mark, met in read.items():
        if len(met) > 1:
            names = sorted({f"{asked.runs[run].name} ({asked.runs[run].short})" for run in met})
            label = sorted({str(thing.fact("trilha:part", thing.label)) for thing in met.values()})
            rows.append({"data": ", ".join(label), "same": mark, "runs": names, "count": len(names)})
    rows.sort(key=lambda row: (-row["count"], row["data"], row["same"]))
    unhashed = "Of data without a file or known indices (made or fetched by the program) nothing can be told."
    return Answer(("data", "count", "runs", "same"), rows, {}, [unhashed])


def _used(asked: Asked, run: int) -> set[int]:
    return {row[1] for row in asked.store.connection.execute(sql.RELATIONS_IN_RUN, (run, 5))}


@question(
    "overlap",
    "",
    "Whether a model was evaluated on data that it, or another model here, was trained on.",
    papers=("K9",),
    acceptance=(15,),
)
def overlap(asked: Asked) -> Answer:
    """Each pair of training and evaluation data that are certain to be the same, or certain to be apart."""
    sides = {run: _sides(asked, run) for run in asked.keys}
    rows: list[dict[str, Any]] = []
    untold = 0
    for run, (trained, _) in sides.items():
        for other, (_, tested) in sides.items():
            for key, one in trained:
                for another, two in tested:
                    said = _verdict(key, one, another, two, same_run=run == other)
                    if said is None:
                        untold += run == other
                    elif run == other or said.startswith("the same"):
                        rows.append(
                            {
                                "trained": asked.runs[run].name,
                                "on": one.label,
                                "evaluated": asked.runs[other].name,
                                "with": two.label,
                                "verdict": said,
                            }
                        )
    same = sum(row["verdict"].startswith("the same") for row in rows)
    unknown = []
    if untold:
        unknown.append(
            f"Of {untold} pairs of training and evaluation data: neither their contents nor their indices are"
            " recorded."
        )
    unknown.append(
        "Whether two parts that are not the same have some records in common, unless one split made both."
    )
    columns = ("trained", "on", "evaluated", "with", "verdict")
    return Answer(columns, rows, {"overlaps": same}, unknown, yes=same > 0)


def _sides(asked: Asked, run: int) -> tuple[list[tuple[int, Thing]], list[tuple[int, Thing]]]:
    """What a run trained on, and what it evaluated on: by role and by part."""
    roles: dict[int, set[str]] = {}
    for entity, role in asked.store.connection.execute(
        sql.ROLES_IN_RUN, (run, "http://www.w3.org/ns/prov#role")
    ):
        roles.setdefault(entity, set()).add(str(role))
    from trilha.query.things import describe

    things = describe(asked.store, roles)
    trained: dict[int, Thing] = {}
    tested: dict[int, Thing] = {}
    for key, said in roles.items():
        if any(role.startswith(_TRAINING) for role in said):
            trained[key] = things[key]
        if any(role.startswith(_TESTING) for role in said):
            tested[key] = things[key]
    for key, thing in asked.things("Subset").get(run, []):
        part = thing.fact("trilha:part")
        if part == "train":
            trained[key] = thing
        elif part in ("test", "validation"):
            tested[key] = thing
    return list(trained.items()), list(tested.items())


def _verdict(key: int, one: Thing, another: int, two: Thing, *, same_run: bool) -> str | None:
    if key == another:
        return "the same data"
    for fact, what in (("trilha:sha256", "content"), ("trilha:fingerprint", "indices")):
        mine, its = one.fact(fact), two.fact(fact)
        if mine is not None and mine == its:
            return f"the same {what}"
    parts = one.fact("trilha:part"), two.fact("trilha:part")
    if same_run and None not in parts and parts[0] != parts[1]:
        return "apart: two parts of a split" if _both_known(one, two) else None
    return None


def _both_known(one: Thing, two: Thing) -> bool:
    return one.fact("trilha:fingerprint") is not None and two.fact("trilha:fingerprint") is not None
