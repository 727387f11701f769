"""Data in common: between runs, and between training and test."""

from __future__ import annotations

from typing import Any

from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.questions.preparing import records_of
from trilha.query.things import EMPTY, SHA256, Thing
from trilha.store import sql

__all__ = ["overlap", "shared_data"]

_Sides = tuple[list[tuple[int, Thing]], list[tuple[int, Thing]]]
_TRAINING = ("training data",)
_APART = "no record in common"
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
    # Pictures and labels that were split alike say the same.
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    untold = 0
    for run, (trained, _) in sides.items():
        for other, (_, tested) in sides.items():
            for key, one in trained:
                for another, two in tested:
                    said = _verdict(asked, (key, one), (another, two), same_run=run == other)
                    if said is None:
                        untold += run == other
                    else:
                        row = {
                            "trained": asked.runs[run].name,
                            "on": one.label,
                            "evaluated": asked.runs[other].name,
                            "with": two.label,
                            "verdict": said,
                        }
                        rows[(asked.runs[run].uuid, asked.runs[other].uuid, *row.values())] = row
    same = sum(row["verdict"] != _APART for row in rows.values())
    unknown = _unsaid(asked, sides)
    if untold:
        unknown.append(
            f"What {untold} pair{'s' if untold > 1 else ''} of training and evaluation data have in common:"
            " they are not two parts of one split with recorded indices."
        )
    columns = ("trained", "on", "evaluated", "with", "verdict")
    return Answer(columns, list(rows.values()), {"overlaps": same}, unknown, yes=same > 0)


def _unsaid(asked: Asked, sides: dict[int, _Sides]) -> list[str]:
    """That models were trained and nothing is known of their evaluation, or the other way round."""
    trained = {run for run, (data, _) in sides.items() if data}
    tested = {run for run, (_, data) in sides.items() if data}
    taught, judged = asked.things("Training").keys(), asked.things("Evaluation").keys()
    said = []
    if silent := (trained | taught) - tested - judged:
        said.append(f"What the models of {_runs(silent)} were evaluated on: no evaluation was recorded.")
    if silent := judged - tested:
        said.append(f"On what data the evaluations of {_runs(silent)} were: it was not recorded.")
    if silent := (tested | judged) - trained - taught:
        said.append(
            f"What the models that {_runs(silent)} evaluated were trained on: no training was recorded there."
        )
    if silent := taught - trained:
        said.append(f"On what data the trainings of {_runs(silent)} were: it was not recorded.")
    return said


def _runs(keys: set[int]) -> str:
    return "the run" if len(keys) == 1 else f"{len(keys)} runs"


def _sides(asked: Asked, run: int) -> _Sides:
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


def _verdict(asked: Asked, one: tuple[int, Thing], two: tuple[int, Thing], *, same_run: bool) -> str | None:
    """What two sets of data have in common, where that is certain."""
    if one[0] == two[0]:
        return "the same data"
    for fact, what in (("trilha:sha256", "content"), ("trilha:fingerprint", "indices")):
        mine, its = one[1].fact(fact), two[1].fact(fact)
        if mine is not None and mine == its:
            return f"the same {what}" + ("" if same_run or what == "content" else ", if it is the same data")
    if not same_run:
        return None
    ours, theirs = records_of(one[1]), records_of(two[1])
    if ours is not None and theirs is not None and _one_split(asked, one[0], two[0]):
        common = (ours & theirs).bit_count()
        return f"{common} of {theirs.bit_count()} records in common" if common else _APART
    return _APART if _kept_apart(asked, one, two) else None


def _kept_apart(asked: Asked, one: tuple[int, Thing], two: tuple[int, Thing]) -> bool:
    """Whether the two are parts of parts of one split that have no record in common."""
    for key, thing in _wholes(asked, one):
        ours = records_of(thing)
        for other, another in _wholes(asked, two):
            theirs = records_of(another)
            if (
                ours is not None
                and theirs is not None
                and not ours & theirs
                and _one_split(asked, key, other)
            ):
                return True
    return False


def _wholes(asked: Asked, part: tuple[int, Thing]) -> list[tuple[int, Thing]]:
    """A part of data, or the loader of one; the part that it was split from, and so on.

    What came of several things may hold records of each: there the chain ends.
    """
    parts = {key: thing for things in asked.things("Subset").values() for key, thing in things}
    found = [part]
    while len(found) < 10 and (found[-1][0] in parts or found[-1][1].is_a("trilha:DataLoader")):
        rows = sql.among(asked.store.connection.execute, sql.UPSTREAM, [found[-1][0]])
        wholes = {row[3] for row in rows if row[1] == 10}
        if len(wholes) != 1 or not wholes <= parts.keys() or wholes & {key for key, _ in found}:
            break
        (whole,) = wholes
        found.append((whole, parts[whole]))
    return found


def _one_split(asked: Asked, one: int, two: int) -> bool:
    """Whether two parts were made by one activity from one whole."""
    rows = sql.among(asked.store.connection.execute, sql.UPSTREAM, [one, two])
    causes: dict[tuple[int, int], set[int]] = {}
    for effect, kind, _, cause, *_ in rows:
        causes.setdefault((kind, effect), set()).add(cause)
    return all(causes.get((kind, one), set()) & causes.get((kind, two), set()) for kind in (4, 10))
