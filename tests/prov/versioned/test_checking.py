"""The rules of Versioned-PROV: each is told where it is broken, and holds on what keeps it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trilha import formats
from trilha.cli.main import main
from trilha.prov import Document, Name
from trilha.prov.versioned import VERSION
from trilha.prov.versioned.checking import check, is_versioned

EX = {"ex": "http://example.org/", "version": VERSION.iri}
REFERENCE, PUT, ADD, DEL, VOID = (VERSION[name] for name in ("Reference", "Put", "Add", "Del", "VoidEntity"))


def document() -> Document:
    """Two names of a list of two, one of which is taken out again."""
    made = Document(EX)
    for name in ("ex:list", "ex:a", "ex:b", "ex:one", "ex:two"):
        made.entity(name)
    made.entity("ex:void", {"prov:type": VOID})
    put(made, "ex:list", "ex:one", "0", 1)
    put(made, "ex:list", "ex:two", "1", 1)
    refer(made, "ex:a", "ex:list", 2)
    refer(made, "ex:b", "ex:a", 3)
    put(made, "ex:list", "ex:void", "1", 4)
    return made


def put(
    made: Document, collection: str, member: str, key: str | None, checkpoint: object, type_: Name = PUT
) -> None:
    more = {} if key is None else {VERSION["key"]: key}
    when = {} if checkpoint is None else {VERSION["checkpoint"]: checkpoint}
    made.had_member(collection, member, {"prov:type": type_, **more, **when})


def refer(made: Document, name: str, before: str, checkpoint: object) -> None:
    when = {} if checkpoint is None else {VERSION["checkpoint"]: checkpoint}
    made.was_derived_from(name, before, attributes={"prov:type": REFERENCE, **when})


def access(made: Document, more: dict[str, object]) -> None:
    made.was_derived_from("ex:c", "ex:one", attributes={VERSION[key]: value for key, value in more.items()})


def test_a_document_that_keeps_the_rules() -> None:
    assert check(document()) == ()
    assert is_versioned(document())
    assert document().validate().valid


BROKEN: list[tuple[str, Callable[[Document], object]]] = [
    ("one-reference", lambda d: refer(d, "ex:b", "ex:two", 5)),
    ("reference-checkpoint", lambda d: refer(d, "ex:c", "ex:b", None)),
    ("reference-circle", lambda d: refer(d, "ex:list", "ex:b", 5)),
    ("change-checkpoint", lambda d: put(d, "ex:list", "ex:one", "1", None)),
    ("checkpoint-order", lambda d: put(d, "ex:list", "ex:one", "1", "later")),
    ("monotone", lambda d: put(d, "ex:list", "ex:two", "0", 1)),
    (
        "monotone",
        lambda d: put(d, "ex:list", "ex:two", "1", 4, ADD) or put(d, "ex:list", "ex:one", "1", 4, ADD),
    ),
    ("change", lambda d: put(d, "ex:list", "ex:two", None, 5, ADD)),
    ("position", lambda d: put(d, "ex:list", "ex:two", "7", 5, ADD)),
    ("placeholder", lambda d: put(d, "ex:list", "ex:void", "0", 5, ADD)),
    ("placeholder", lambda d: put(d, "ex:list", "ex:one", "0", 5, DEL)),
    ("placeholder", lambda d: d.was_derived_from("ex:c", "ex:void")),
    ("access", lambda d: access(d, {"collection": Name("http://example.org/a"), "access": "x"})),
    ("access", lambda d: access(d, {"key": "0"})),
    ("access", lambda d: access(d, {"collection": "nothing:there"})),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_rule_that_is_broken_is_told(number: int) -> None:
    rule, breaking = BROKEN[number]
    made = document()
    breaking(made)
    faults = check(made)
    assert rule in {fault.rule for fault in faults}
    assert all(fault.message and fault.statements for fault in faults)


def test_checkpoints_may_be_numbers_times_or_text() -> None:
    for first, second in ((1, 2.5), ("2018-06-10T17:30:49", "2018-06-10T17:30:50"), ("9", "10"), ("a", "b")):
        made = Document(EX)
        put(made, "ex:list", "ex:one", "0", first)
        put(made, "ex:list", "ex:two", "0", second)
        assert check(made) == ()


@pytest.mark.parametrize("format_", ["provn", "json", "jsonld", "xml", "ttl", "trig", "nt", "nq", "rdf"])
def test_every_format_carries_it(format_: str) -> None:
    stream = io.BytesIO()
    formats.write(document(), stream, format_)
    read = formats.read(io.BytesIO(stream.getvalue()), format_)
    assert {r.key for r in read.records} >= {
        r.key for r in document().records if r.kind.provn == "wasDerivedFrom"
    }
    assert check(read) == ()
    assert is_versioned(read)
    from trilha.prov.versioned.history import History

    name = Name("http://example.org/b")
    assert sorted(History(read).members(name, 3)) == sorted(History(document()).members(name, 3))
    assert History(read).root(name) == "http://example.org/list"


def test_bundles_are_checked_on_their_own() -> None:
    made = document()
    bundle = made.bundle("ex:bundle")
    bundle.was_derived_from("ex:b", "ex:two", attributes={"prov:type": REFERENCE, VERSION["checkpoint"]: 5})
    assert check(made) == ()
    bundle.was_derived_from("ex:b", "ex:one", attributes={"prov:type": REFERENCE, VERSION["checkpoint"]: 5})
    assert [fault.bundle for fault in check(made)] == ["http://example.org/bundle"]


def validated(*arguments: object) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["validate", *map(str, arguments)])
    return ended.value.code


def test_validate_tells_it_beside_prov_constraints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.provn", tmp_path / "bad.provn"
    formats.write(document(), good)
    made = document()
    refer(made, "ex:b", "ex:two", 5)
    formats.write(made, bad)
    assert validated(good) == 0
    assert "Versioned-PROV: its rules hold" in capsys.readouterr().out
    assert validated(bad) == 1
    out = capsys.readouterr().out
    assert "valid" in out
    assert "an entity has one reference" in out
    assert validated(bad, "--json") == 1
    told = json.loads(capsys.readouterr().out)["files"][0]
    assert told["valid"] is True
    assert [fault["rule"] for fault in told["versioned"]["faults"]] == ["one-reference"]
