"""The First Provenance Challenge: its workflow as it is, recorded, and its nine queries answered.

What the answers should be is worked out here from the challenge's description of the workflow, not from runs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.capture.integrations.ways import check_documents

import trilha
from trilha.cli.main import _status
from trilha.query.runs import find_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "first_provenance_challenge"

ALIGN = [f"align_warp anatomy{n}.img reference.img warp{n}.warp -m 12 -q" for n in range(1, 5)]
RESLICE = [f"reslice warp{n}.warp resliced{n}" for n in range(1, 5)]
SOFTMEAN = ["softmean atlas.hdr y null resliced1.img resliced2.img resliced3.img resliced4.img"]
SLICER = {axis: f"slicer atlas.hdr -{axis} .5 atlas-{axis}.pgm" for axis in "xyz"}
CONVERT = {axis: f"convert atlas-{axis}.pgm atlas-{axis}.gif" for axis in "xyz"}


def pair(name):
    return (f"{name}.hdr", f"{name}.img")


FLOW = {
    **{ALIGN[n - 1]: ((*pair(f"anatomy{n}"), *pair("reference")), (f"warp{n}.warp",)) for n in range(1, 5)},
    **{RESLICE[n - 1]: ((*pair(f"anatomy{n}"), f"warp{n}.warp"), pair(f"resliced{n}")) for n in range(1, 5)},
    SOFTMEAN[0]: (tuple(name for n in range(1, 5) for name in pair(f"resliced{n}")), pair("atlas")),
    SLICER["x"]: (pair("atlas"), ("atlas-x.pgm",)),
    CONVERT["x"]: (("atlas-x.pgm",), ("atlas-x.gif",)),
}
"""What each command that led to Atlas X Graphic takes and makes, by the challenge's description."""


def load(name):
    """A script of the example as a module."""
    spec = importlib.util.spec_from_file_location(f"first_challenge_{name}", EXAMPLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


queries = load("queries")


def script(folder, *words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs: one as in the challenge, and one with darker images and pictures as JPEG."""
    folder = tmp_path_factory.mktemp("challenge")
    recorded = ["-c", "from trilha.cli import main; main()", "run", "--name"]
    for name, maximum, options in (("one", "4095", []), ("two", "2000", ["--jpeg"])):
        script(folder, str(EXAMPLE / "prepare.py"), name, maximum)
        script(folder, *recorded, name, str(EXAMPLE / "workflow.py"), name, *options)
    return folder


@pytest.fixture
def store(place, monkeypatch):
    monkeypatch.chdir(place)
    with trilha.open() as opened:
        yield opened


def commands(calls):
    return [" ".join([call.procedure, *call.arguments]) for call in calls]


def near(place, paths):
    return [Path(path).relative_to(place).as_posix() for path in paths]


def test_the_tools_do_what_they_say(place):
    def voxels(name):
        return np.fromfile(place / "one" / f"{name}.img", "<i2").astype(float)

    images = np.stack([voxels(f"resliced{number}") for number in range(1, 5)])
    mean = images.sum(axis=0) / np.maximum((images > 0).sum(axis=0), 1)
    assert np.abs(voxels("atlas") - mean).max() <= 0.5
    assert 2000 < voxels("atlas").max() <= 4095
    # Warped, an image lies on the reference better than before.
    reference = voxels("reference")
    for number in range(1, 5):
        before, after = (
            np.abs(voxels(f"{name}{number}") - reference).mean() for name in ("anatomy", "resliced")
        )
        assert after < before
    assert (place / "one" / "atlas-x.gif").read_bytes().startswith(b"GIF8")
    assert (place / "two" / "atlas-x.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_workflow_does_the_same_without_being_recorded(place, tmp_path):
    shutil.copytree(place / "one", tmp_path / "again", ignore=shutil.ignore_patterns("[wr]*[1-4]*", "atlas*"))
    script(tmp_path, str(EXAMPLE / "workflow.py"), "again")
    names = sorted(path.name for path in (place / "one").iterdir())
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (place / "one" / name).read_bytes(), name


def test_what_is_recorded_is_valid(store):
    for name in ("one", "two"):
        verdict = store.document(find_run(store, name).uuid).validate()
        assert verdict, str(verdict)


def test_1_everything_that_caused_the_graphic_to_be_as_it_is(store):
    found = queries.first(store, "one/atlas-x.gif")
    told = dict(zip(commands(found), [(call.used, call.made) for call in found], strict=True))
    assert told == FLOW
    assert {call.stage for call in found} == {1, 2, 3, 4, 5}


def test_2_excluding_everything_prior_to_softmean(store):
    found = queries.second(store, "one/atlas-x.gif")
    assert commands(found) == [*SOFTMEAN, SLICER["x"], CONVERT["x"]]


def test_3_stages_3_4_and_5(store):
    found = queries.third(store, "one/atlas-x.gif")
    assert [(call.stage, line) for call, line in zip(found, commands(found), strict=True)] == [
        (3, SOFTMEAN[0]),
        (4, SLICER["x"]),
        (5, CONVERT["x"]),
    ]


def test_4_the_calls_of_align_warp_of_a_weekday(store):
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    # The day cannot be chosen: each is told under the day on which it ran, and under no other.
    found = {day: queries.fourth(store, day) for day in days}
    every = [call for day in days for call in found[day]]
    assert Counter(commands(every)) == Counter(ALIGN * 2)
    for day, calls in found.items():
        assert all(call.began.weekday() == days.index(day) for call in calls)
    assert queries.fourth(store) == found["Monday"]


def test_5_the_graphics_from_a_header_with_that_maximum(store, place):
    assert near(place, queries.fifth(store, "4095")) == [f"one/atlas-{axis}.gif" for axis in "xyz"]
    assert near(place, queries.fifth(store, "2000")) == [f"two/atlas-{axis}.jpg" for axis in "xyz"]
    assert queries.fifth(store, "409") == []


def test_5_a_header_that_has_changed_is_no_evidence(store, place):
    queries.scan.cache_clear()
    headers = [place / "two" / f"anatomy{number}.hdr" for number in range(1, 5)]
    kept = [header.read_bytes() for header in headers]
    try:
        for header in headers:
            header.write_bytes((place / "one" / header.name).read_bytes())
        assert near(place, queries.fifth(store, "4095")) == [f"one/atlas-{axis}.gif" for axis in "xyz"]
        assert queries.fifth(store, "2000") == []
    finally:
        for header, content in zip(headers, kept, strict=True):
            header.write_bytes(content)
        queries.scan.cache_clear()


def test_6_the_averages_of_what_was_aligned_by_the_twelfth_order(store, place):
    found = near(place, queries.sixth(store))
    assert found == [f"{run}/atlas.{suffix}" for run in ("one", "two") for suffix in ("hdr", "img")]


def test_7_what_differs_between_the_two_runs(store):
    only_one, only_two = queries.seventh(store, "one", "two")
    assert [" ".join([procedure, *words]) for procedure, words, _ in only_one] == list(CONVERT.values())
    assert [" ".join([procedure, *words]) for procedure, words, _ in only_two] == [
        *(f"pgmtoppm white atlas-{axis}.pgm atlas-{axis}.ppm" for axis in "xyz"),
        *(f"pnmtojpeg atlas-{axis}.ppm atlas-{axis}.jpg" for axis in "xyz"),
    ]
    assert {made for *_, made in only_two} == {
        (f"atlas-{axis}.{suffix}",) for axis in "xyz" for suffix in ("ppm", "jpg")
    }


@pytest.fixture(scope="module")
def annotated(place):
    """Annotations after the fact, as the challenge's user makes them."""
    here = Path.cwd()
    os.chdir(place)
    try:
        for what, *said in (
            ("one/anatomy1.img", "center=UChicago"),
            ("one/anatomy3.img", "center=UChicago"),
            ("one/anatomy4.img", "center=Southampton"),
            ("two/anatomy2.img", "center=UChicago"),
            ("one/reference.hdr", "center=UChicago"),
            ("one/atlas-x.gif", "studyModality=speech", "quality=good", "rater=4"),
            ("one/atlas-y.gif", "studyModality=touch", "quality=bad"),
            ("two/atlas-z.jpg", "studyModality=audio"),
        ):
            assert _status(["annotate", what, *said]) == 0
    finally:
        os.chdir(here)


def test_8_the_outputs_of_align_warp_from_images_of_a_center(annotated, store, place):
    # All four calls of the first run take the reference's header, which is annotated, too.
    found = near(place, queries.eighth(store))
    assert found == [*(f"one/warp{number}.warp" for number in range(1, 5)), "two/warp2.warp"]
    assert near(place, queries.eighth(store, "Southampton")) == ["one/warp4.warp"]
    assert queries.eighth(store, "Manchester") == []


def test_9_the_graphics_of_a_modality_and_their_other_annotations(annotated, store, place):
    found = {Path(name).relative_to(place).as_posix(): said for name, said in queries.ninth(store).items()}
    assert found == {"one/atlas-x.gif": {"quality": "good", "rater": 4}, "two/atlas-z.jpg": {}}
    assert list(queries.ninth(store, "visual")) == []


def test_the_graphs_as_opm_are_legal_and_come_back_the_same(place):
    check_documents(place / ".trilha")


def test_each_query_is_a_command(annotated, place):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    for words, line in (
        (["2", "one/atlas-x.gif"], CONVERT["x"]),
        (["7", "one", "two"], "+ pnmtojpeg atlas-x.ppm atlas-x.jpg"),
        (["9"], "{'quality': 'good', 'rater': 4}"),
    ):
        done = subprocess.run(
            [sys.executable, str(EXAMPLE / "queries.py"), *words],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert line in done.stdout
