"""The nine queries of the First Provenance Challenge, over what Trilha recorded.

queries.py NUMBER [ARGUMENT...]:

    1, 2, 3 PICTURE       what led to an atlas graphic; not before softmean; stages 3 to 5 only
    4 [WEEKDAY]           calls of align_warp with -m 12 on a Monday, or another weekday (UTC)
    5 [MAXIMUM]           atlas graphics from a header with global maximum=4095, or another
    6                     averaged images that align_warp with -m 12 had gone into
    7 RUN RUN             what differs between two runs of the workflow
    8 [CENTER]            outputs of align_warp from images annotated with center=UChicago, or another
    9 [MODALITY...]       atlas graphics annotated with studyModality speech, visual or audio, or others

Source: Moreau et al., "The First Provenance Challenge", Concurrency and Computation 20(5), 2008.
"""

import functools
import hashlib
import itertools
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import trilha
from trilha.query.annotations import annotated, said_of
from trilha.query.finding import find
from trilha.query.lineage import lineage
from trilha.query.runs import find_run, runs

STAGES = {
    "align_warp": 1,
    "reslice": 2,
    "softmean": 3,
    "slicer": 4,
    "convert": 5,
    "pgmtoppm": 5,
    "pnmtojpeg": 5,
}
TOOLS = Path(__file__).resolve().parent / "tools"


class Call(NamedTuple):
    """One call of a tool. Files are told by their names."""

    stage: int
    procedure: str
    arguments: tuple[str, ...]
    began: datetime
    used: tuple[str, ...]
    made: tuple[str, ...]

    def __str__(self):
        command = " ".join([self.procedure, *self.arguments])
        return f"stage {self.stage}, {self.began:%A %H:%M:%S}: {command}\n    {self.used} -> {self.made}"


def calls(told):
    """The calls of tools in a trail, by their identifiers."""
    found = {}
    for iri, thing in told.things.items():
        if thing.label not in STAGES or not thing.is_a("trilha:Process"):
            continue
        words = shlex.split(thing.fact("trilha:command"))
        script = next(place for place, word in enumerate(words) if Path(word).name == thing.label)
        used = [told.things[link.cause] for link in told.links if link.effect == iri and link.via == "used"]
        made = [
            told.things[link.effect]
            for link in told.links
            if link.cause == iri and link.via == "wasGeneratedBy"
        ]
        found[iri] = Call(
            STAGES[thing.label],
            thing.label,
            tuple(words[script + 1 :]),
            datetime.fromtimestamp(thing.start / 1e9, UTC),
            names(used, thing.fact("trilha:cwd")),
            names(made, thing.fact("trilha:cwd")),
        )
    return found


def names(things, folder):
    """The names of files in the folder of the workflow; its tools lie elsewhere."""
    paths = [Path(thing.fact("trilha:path")) for thing in things if thing.is_a("trilha:File")]
    return tuple(sorted({path.name for path in paths if path.parent == Path(folder)}))


def upstream(store, what, run=None):
    """The trail that led to a file, a thing by its identifier, or a name."""
    return lineage(store, find(store, what, run))


def in_order(found):
    """Calls by their stages."""
    return sorted(found, key=lambda call: (call.stage, call.arguments))


def first(store, picture):
    """Everything that caused the graphic to be as it is."""
    return in_order(calls(upstream(store, picture)).values())


def second(store, picture):
    """The same, excluding everything prior to the averaging of images with softmean."""
    told = upstream(store, picture)
    known, kept, waiting = calls(told), set(), list(told.starts)
    met = set(waiting)
    while waiting:
        thing = waiting.pop()
        if thing in known:
            kept.add(thing)
            if known[thing].procedure == "softmean":
                continue
        for link in told.links_by_effect.get(thing, ()):
            if link.cause not in met:
                met.add(link.cause)
                waiting.append(link.cause)
    return in_order(known[iri] for iri in kept)


def third(store, picture):
    """The details of stages 3, 4 and 5."""
    return [call for call in first(store, picture) if call.stage >= 3]


def recorded(store, run):
    """The calls of tools in a run, whether anything came of them or not, from its PROV document alone."""
    document = store.document(run.uuid)
    things = {record.id: record for record in document.records if record.kind.is_element}
    told = {name: facts(record) for name, record in things.items()}
    used, made = {}, {}
    for record in document.records:
        if record.kind.provn == "used":
            used.setdefault(record.activity, []).append(record.entity)
        elif record.kind.provn == "wasGeneratedBy":
            made.setdefault(record.activity, []).append(record.entity)
    found = {}
    for name, about in told.items():
        if "Process" in about.get("type", ()) and about["label"][0] in STAGES:
            words, folder = shlex.split(about["command"][0]), about["cwd"][0]
            procedure = about["label"][0]
            script = next(place for place, word in enumerate(words) if Path(word).name == procedure)
            both = (
                tuple(
                    sorted(
                        {
                            path.name
                            for path in paths_of(some.get(name, ()), told)
                            if path.parent == Path(folder)
                        }
                    )
                )
                for some in (used, made)
            )
            arguments = tuple(words[script + 1 :])
            found[str(name)] = Call(STAGES[procedure], procedure, arguments, things[name].start, *both)
    return found


def facts(record):
    """The attributes of a statement: values by the last part of their keys."""
    found = {}
    for key, value in record.attributes:
        found.setdefault(str(key).rpartition("#")[2], []).append(str(value).rpartition("#")[2] or str(value))
    return found


def paths_of(entities, told):
    """The paths of those entities that are files."""
    return [Path(told[one]["path"][0]) for one in entities if "File" in told.get(one, {}).get("type", ())]


def files(store, *procedures):
    """The identifiers of the files that calls of these tools made, in all runs."""
    found = []
    for run in runs(store):
        wanted = {name for name, call in recorded(store, run).items() if call.procedure in procedures}
        found += [
            str(record.entity)
            for record in store.document(run.uuid).records
            if record.kind.provn == "wasGeneratedBy" and str(record.activity) in wanted
        ]
    return found


def fourth(store, weekday="Monday"):
    """All calls of align_warp with a twelfth order nonlinear 1365 parameter model that ran on a Monday."""
    every = [call for run in runs(store) for call in recorded(store, run).values()]
    return in_order(call for call in every if is_twelfth(call) and f"{call.began:%A}" == weekday)


def is_twelfth(call):
    """Whether a call aligned by a model of the twelfth order."""
    words = call.arguments
    return call.procedure == "align_warp" and any(pair == ("-m", "12") for pair in itertools.pairwise(words))


def fifth(store, maximum="4095"):
    """All atlas graphics from workflows where at least one input anatomy header had that global maximum.

    Headers are told as text by scanheader. One whose file has changed since it was read is no evidence.
    """
    found = []
    for iri in files(store, "convert", "pnmtojpeg"):
        told = upstream(store, iri)
        headers = [
            thing
            for thing in told.things.values()
            if thing.is_a("trilha:File") and Path(thing.fact("trilha:path")).match("anatomy*.hdr")
        ]
        if any(f"global maximum={maximum}" in scanned(header) for header in headers):
            found.append(told.things[iri].fact("trilha:path"))
    return sorted(found)


def scanned(header):
    """The lines of a header as it was when it was read; none if it is not there any more."""
    return scan(Path(header.fact("trilha:path")), header.fact("trilha:sha256"))


@functools.cache
def scan(path, digest):
    """The lines that scanheader prints of a file, if it still has that content."""
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        return []
    words = [sys.executable, TOOLS / "scanheader", path]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def sixth(store):
    """All averaged images of softmean that align_warp with -m 12 preceded, directly or indirectly."""
    found = []
    for iri in files(store, "softmean"):
        told = upstream(store, iri)
        if any(map(is_twelfth, calls(told).values())):
            found.append(told.things[iri].fact("trilha:path"))
    return sorted(found)


def seventh(store, one, other):
    """What one run did and the other did not: calls by tool and arguments, and the files that they made."""
    both = [
        {
            (call.procedure, call.arguments, call.made)
            for call in recorded(store, find_run(store, name)).values()
        }
        for name in (one, other)
    ]
    return sorted(both[0] - both[1]), sorted(both[1] - both[0])


def eighth(store, center="UChicago"):
    """The outputs of align_warp where the inputs are annotated with center=UChicago."""
    found = set()
    for image in annotated(store, "center", center):
        told = lineage(store, find(store, image.iri), downstream=True, depth=1)
        using = {link.effect for link in told.links if link.via == "used" and link.cause == image.iri}
        for link in told.links:
            if (
                link.via == "wasGeneratedBy"
                and link.cause in using
                and told.things[link.cause].label == "align_warp"
            ):
                found.add(told.things[link.effect].fact("trilha:path"))
    return sorted(found)


def ninth(store, *modalities):
    """The atlas graphics annotated with one of these as studyModality, and all their other annotations."""
    found = {}
    for modality in modalities or ("speech", "visual", "audio"):
        for picture in annotated(store, "studyModality", modality):
            said = said_of(store, [find(store, picture.iri).key]).popitem()[1]
            others = {one.name: one.value for one in said if one.name != "studyModality"}
            found[picture.fact("trilha:path")] = others
    return dict(sorted(found.items()))


QUERIES = (first, second, third, fourth, fifth, sixth, seventh, eighth, ninth)

if __name__ == "__main__":
    number, *rest = sys.argv[1:]
    with trilha.open() as opened:
        answer = QUERIES[int(number) - 1](opened, *rest)
    if isinstance(answer, dict):
        answer = [f"{name}: {value}" for name, value in answer.items()]
    elif isinstance(answer, tuple):
        answer = [f"- {' '.join([p, *a])} -> {m}" for p, a, m in answer[0]] + [
            f"+ {' '.join([p, *a])} -> {m}" for p, a, m in answer[1]
        ]
    print(*answer, sep="\n")
