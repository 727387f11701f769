"""Files of HDF5: which are read and written, and which arrays go into them and come out of them."""

import inspect

import h5py
import numpy as np
import pytest
from tests.capture.graph import recording

import trilha
from trilha.prov import Kind


@trilha.step
def make():
    return np.arange(12.0).reshape(6, 2)


@trilha.step
def meet(thing):
    return None


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("raw.h5", "w") as file:
        file["images"] = np.ones((4, 3))
        file["labels"] = np.arange(4)
    return tmp_path


def origins(graph, entity):
    return {graph.label(one[3]) for one in graph.of(Kind.DERIVATION) if one[2] == entity}


def is_valid(graph):
    with trilha.open(graph.folder) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    assert not graph.dropped


def created(file, thing):
    file.create_dataset("x", data=thing)


def assigned(file, thing):
    file["x"] = thing


def in_a_group(file, thing):
    file.create_group("inner").create_dataset("x", thing.shape, thing.dtype, thing)


def in_parts(file, thing):
    rows = file.create_dataset("x", thing.shape)
    rows[:3] = thing[:3]
    rows[3:] = thing[3:]


@pytest.mark.parametrize("write", [created, assigned, in_a_group, in_parts])
def test_a_file_that_an_array_is_written_to_is_derived_from_it(here, write):
    with recording(here / "store") as graph, h5py.File("out.h5", "w") as file:
        write(file, make())
    [out] = [one for one in graph.all("out.h5") if any(made[2] == one for made in graph.of(Kind.GENERATION))]
    found = origins(graph, out)
    parts = {label for one in graph.of(Kind.DERIVATION) if one[2] == out for label in origins(graph, one[3])}
    assert "make()" in found | parts
    is_valid(graph)


READS = {
    "all": lambda one: one[:],
    "as a scalar": lambda one: one[()],
    "rows": lambda one: one[1:3],
    "converted": np.asarray,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_array_that_is_read_is_derived_from_its_file(here, read):
    with recording(here / "store") as graph, h5py.File("raw.h5") as file:
        meet(read(file["images"]))
    [made] = graph.all("ndarray of raw.h5[/images]")
    assert origins(graph, made) == {"raw.h5"}
    is_valid(graph)


def test_a_file_that_is_opened_and_left_open_is_read_or_written_all_the_same(here):
    with recording(here / "store") as graph:
        left = [h5py.File("raw.h5"), h5py.File(here / "new.h5", "w")]
        left[1]["x"] = [1.0]
        left[1].flush()
    used = {graph.label(one[3]) for one in graph.of(Kind.USAGE)}
    made = {graph.label(one[2]) for one in graph.of(Kind.GENERATION)}
    assert "raw.h5" in used
    assert "new.h5" in made
    for file in left:
        file.close()


def test_a_file_that_is_changed_is_a_revision_of_what_it_was(here):
    with recording(here / "store") as graph, h5py.File("raw.h5", "a") as file:
        file["more"] = np.zeros(2)
    before, after = graph.all("raw.h5")
    assert [(one[2], one[3]) for one in graph.of(Kind.DERIVATION)] == [(after, before)]


def test_what_is_no_file_or_cannot_be_opened_is_not_recorded_and_raises_what_it_did(here):
    import io

    def told(call):
        with pytest.raises((OSError, ValueError, TypeError)) as caught:
            call()
        return str(caught.value), len(inspect.getinnerframes(caught.value.__traceback__))

    calls = [
        lambda: h5py.File("missing.h5"),
        lambda: h5py.File("raw.h5", "x"),
        lambda: h5py.File("raw.h5", "nonsense"),
        lambda: h5py.File("raw.h5", "r").create_dataset("x", data=1),
        lambda: h5py.File("raw.h5")["images"]["field"],
    ]
    plain = [told(call) for call in calls]
    with recording(here / "store") as graph:
        assert [message for message, _ in map(told, calls)] == [message for message, _ in plain]
        with h5py.File(io.BytesIO(), "w") as file:
            file["x"] = make()
            meet(file["x"][:])
    assert not graph.all("missing.h5")
    assert len(graph.all("raw.h5")) == 1
    is_valid(graph)


def test_h5py_is_as_it_was_after_the_run(here):
    before = h5py.File.__init__, h5py.Group.create_dataset, h5py.Dataset.__getitem__, h5py.Dataset.__setitem__
    with recording(here / "store"):
        assert h5py.File.__init__ is not before[0]
        assert inspect.signature(h5py.File) == inspect.signature(before[0]).replace(
            parameters=list(inspect.signature(before[0]).parameters.values())[1:]
        )
    assert before == (
        h5py.File.__init__,
        h5py.Group.create_dataset,
        h5py.Dataset.__getitem__,
        h5py.Dataset.__setitem__,
    )
