"""Questions to Versioned-PROV: members at a checkpoint, who shares, what an element was made from."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

import pytest
from tests.trace.obvious import trace

from trilha import formats
from trilha.errors import NotFound
from trilha.prov import Document, Name
from trilha.prov.versioned import VERSION
from trilha.prov.versioned.checking import check
from trilha.prov.versioned.history import History
from trilha.prov.versioned.unfolding import fold, unfold
from trilha.trace.mapping import document_of

PAPER = (Path(__file__).parents[2] / "trace/floyd_warshall.txt").read_text("utf-8")


@pytest.fixture
def ours() -> Document:
    with contextlib.redirect_stdout(io.StringIO()):
        traced = trace(PAPER)
    return document_of(traced.events, traced.components)


def labelled(document: Document, label: str) -> list[Name]:
    return [
        record.id  # type: ignore[misc]
        for record in document.records
        if record.kind.provn == "entity" and record.value("http://www.w3.org/ns/prov#label") == label
    ]


def made_from(history: History, entity: str, result: str) -> set[tuple[str, ...]]:
    paths = history.paths(result)
    return {(*paths[one.collection], one.key) for one in history.elements_behind(entity)}


def test_the_question_of_the_paper(ours: Document) -> None:
    history = History(ours)
    asked = labelled(ours, "result[0][2]")[0]
    assert made_from(history, asked, labelled(ours, "result")[0]) == {("0", "1"), ("1", "2")}


def test_the_question_of_the_paper_to_the_document_of_its_authors() -> None:
    theirs = formats.read(Path(__file__).with_name("floydwarshall.provn"))
    assert len(theirs) == 413
    assert check(theirs) == ()
    history = History(theirs)
    assert made_from(history, "result@0@2", "result#1") == {("0", "1"), ("1", "2")}
    deep = history.elements_behind("result@0@2", deep=True)
    assert [one.key for one in deep] == ["1", "2"]
    assert [name.partition("#")[2] for name in history.sharing("dist#1")] == [
        "matrix#1",
        "dist#1",
        "result#1",
    ]
    assert fold(unfold(theirs, "dictionary")).validate().valid


def test_the_matrix_in_all_of_its_states(ours: Document) -> None:
    history = History(ours)
    values = {r.id: r.value("http://www.w3.org/ns/prov#value") for r in ours.records if r.id}
    result = labelled(ours, "result")[0]

    def matrix(checkpoint: int | None) -> list[list[str]]:
        rows = [row for _, row in history.members(result, checkpoint)]
        return [[str(values[one]) for _, one in history.members(row, checkpoint)] for row in rows]

    changes = [c.checkpoint for row in history.members(result) for c in history.changes(row[1])[3:]]
    states = [matrix(int(str(checkpoint)) - 1) for checkpoint in sorted(changes)] + [matrix(None)]
    assert states == [
        [["0", "1", "4"], ["10000", "0", "2"], ["2", "10000", "0"]],
        [["0", "1", "4"], ["10000", "0", "2"], ["2", "3", "0"]],
        [["0", "1", "3"], ["10000", "0", "2"], ["2", "3", "0"]],
        [["0", "1", "3"], ["4", "0", "2"], ["2", "3", "0"]],
    ]


def test_who_shares(ours: Document) -> None:
    history = History(ours)
    dist, result = labelled(ours, "dist")[0], labelled(ours, "result")[0]
    root = history.root(dist)
    assert history.sharing(result) == history.sharing(dist) == [root, result, dist]
    row = history.follow(result, ["2"])
    assert set(labelled(ours, "disti")) & set(history.sharing(row))


def test_a_missing_member_is_told(ours: Document) -> None:
    history = History(ours)
    with pytest.raises(NotFound, match="has no member '9'"):
        history.follow(labelled(ours, "result")[0], ["0", "9"])


def test_insertions_and_removals_in_the_middle_are_found_as_a_list_has_them() -> None:
    drawn = random.Random(5)
    made = Document({"ex": "http://example.org/", "version": VERSION.iri})
    made.entity("ex:void", {"prov:type": VERSION["VoidEntity"]})
    plain: list[str] = []
    states: list[list[str]] = []
    for checkpoint in range(400):
        at = drawn.randrange(len(plain) + 1)
        what = drawn.choice(["Add", "Add", "Del", "Put"]) if at < len(plain) else "Add"
        member = f"ex:e{checkpoint}"
        if what == "Add":
            plain.insert(at, member)
        elif what == "Del":
            del plain[at]
        else:
            plain[at] = member
        keys = {VERSION["key"]: str(at), VERSION["checkpoint"]: checkpoint, "prov:type": VERSION[what]}
        made.had_member("ex:list", "ex:void" if what == "Del" else member, keys)
        states.append(list(plain))
    assert len(made) == 401
    history = History(made)
    for checkpoint in range(0, 400, 7):
        found = [member for _, member in history.members("ex:list", checkpoint)]
        assert found == [f"http://example.org/{name[3:]}" for name in states[checkpoint]]
        for at, member in enumerate(found):
            assert history.member("ex:list", str(at), checkpoint) == member


def test_a_set_has_members_without_keys() -> None:
    made = Document({"ex": "http://example.org/", "version": VERSION.iri})
    for checkpoint, (what, name) in enumerate([("Put", "ex:a"), ("Put", "ex:b"), ("Del", "ex:a")]):
        attributes = {"prov:type": VERSION[what], VERSION["checkpoint"]: checkpoint}
        made.had_member("ex:set", name, attributes)
    history = History(made)
    assert history.members("ex:set", 1) == [(None, "http://example.org/a"), (None, "http://example.org/b")]
    assert history.members("ex:set") == [(None, "http://example.org/b")]


@pytest.mark.parametrize("also", ["", "Add"])
def test_behind_a_put_without_a_key_it_is_not_known_where_members_are_that_were_put_before(also):
    made = Document({"ex": "http://example.org/", "version": VERSION.iri})
    steps = [("Put", "a", "0"), (also or "Put", "b", "1"), ("Put", "c", None), ("Put", "d", "1")]
    for checkpoint, (what, name, key) in enumerate(steps):
        attributes = {"prov:type": VERSION[what], VERSION["checkpoint"]: checkpoint}
        made.had_member("ex:l", f"ex:{name}", {**attributes, **({VERSION["key"]: key} if key else {})})
    history = History(made)

    def members(checkpoint):
        return {(key, name[-1]) for key, name in history.members("ex:l", checkpoint)}

    assert members(1) == {("0", "a"), ("1", "b")}
    assert members(2) == {(None, "a"), (None, "b"), (None, "c")}
    assert [history.member("ex:l", key, 2) for key in "01"] == [None, None]
    assert members(3) == {(None, "a"), ("1", "d"), (None, "c")}
    assert history.member("ex:l", "1", 3) == "http://example.org/d"
    assert not list(history.out_of_range())
