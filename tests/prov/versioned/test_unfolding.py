"""Unfolding and folding, held against Python on random programs with aliases, nesting and deletion."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trace.obvious import Obvious, trace

from trilha.errors import UsageError
from trilha.prov import PROV, Document, Name
from trilha.prov.record import Insertion, Membership, Removal
from trilha.prov.versioned import VERSION
from trilha.prov.versioned.checking import check
from trilha.prov.versioned.history import History
from trilha.prov.versioned.snapshots import Snapshot, Snapshots
from trilha.prov.versioned.unfolding import FORMS, VERSION_OF, fold, unfold
from trilha.trace.evaluations import Evaluation, Kind
from trilha.trace.mapping import stated

NAMES = "abc"
DEPTH = 3
STEPS = st.lists(st.tuples(st.integers(0, 8), *[st.integers(0, 11)] * 3), min_size=1, max_size=12)


def program(steps: list[tuple[int, ...]]) -> tuple[str, list[dict[str, Any]]]:
    """A program that runs, and what its names are after each line: as trees, cut where they are deep."""
    names: dict[str, Any] = {}
    lines: list[str] = []
    states: list[dict[str, Any]] = []
    for what, one, two, three in steps:
        target, other = NAMES[one % 3], NAMES[two % 3]
        line = written(names, what, target, other, one, three)
        exec(line, {}, names)
        lines.append(line)
        states.append({name: tree(value) for name, value in names.items()})
    return "\n".join(lines) + "\n", states


def written(names: dict[str, Any], what: int, target: str, other: str, one: int, three: int) -> str:
    """The line for a step, or another one where that could not be done."""
    held, source = names.get(target), names.get(other)
    if held is None or what == 0:
        return f"{target} = [{one}, {three}]" if three % 3 else f"{target} = {{'k{three % 2}': {one}}}"
    if source is not None and what == 1:
        return f"{target} = {other}"
    if isinstance(held, dict):
        key = f"'k{three % 3}'"
        if what in (2, 3) and eval(key) in held:
            return f"del {target}[{key}]"
        return f"{target}[{key}] = {other if source is not None else three}"
    if isinstance(held, list) and held:
        at = three % len(held)
        if what == 2:
            return f"del {target}[{at}]"
        if what == 3:
            return f"{target}.insert({at}, {other if source is not None else one})"
        if what == 4:
            return f"{other} = {target}[{at}]"
        if what == 5:
            return f"{target}.pop({at})"
        if what == 6:
            return f"{target}[{at}] = {three}"
        return f"{target}[{at}] = {other if source is not None else three}"
    if isinstance(held, list):
        return f"{target}.append({other if source is not None else one})"
    return f"{target} = [{one}]"


def tree(value: Any, depth: int = DEPTH) -> Any:
    if isinstance(value, list):
        return {str(at): tree(one, depth - 1) for at, one in enumerate(value)} if depth else "…"
    if isinstance(value, dict):
        return {repr(key): tree(one, depth - 1) for key, one in value.items()} if depth else "…"
    return repr(value)


def traced(source: str) -> tuple[Obvious, Document, list[tuple[dict[str, Name], int]]]:
    """The trace of a program, its document, and after each line the names' entities and the checkpoint."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = trace(source)
    made = stated(run.events, run.components)
    after: list[tuple[dict[str, Name], int]] = []
    names: dict[str, Name] = {}
    checkpoint = 0
    for line in range(1, source.count("\n") + 1):
        for event in run.events:
            if isinstance(event, Evaluation) and event.name:
                component = run.components[event.component]
                if component.line == line and component.kind is Kind.ASSIGN:
                    names[event.name] = made.entities[event.number]
        for record, at in zip(made.document.records, made.lines, strict=True):
            if at == line and isinstance(moment := record.value(VERSION["checkpoint"]), int):
                checkpoint = max(checkpoint, moment)
        after.append((dict(names), checkpoint))
    return run, made.document, after


def values(document: Document) -> dict[Name, str]:
    """What each entity says its value is, or what it refers to says."""
    return {
        record.id: str(value)
        for record in document.records
        if record.id and (value := record.value(PROV["value"])) is not None
    }


def of_history(
    history: History, known: dict[Name, str], name: Name, checkpoint: int, depth: int = DEPTH
) -> Any:
    if not history.is_collection(name):
        text = known[name]
        return {} if text in ("[]", "{}") else text
    if not depth:
        return "…"
    return {
        key: of_history(history, known, member, checkpoint, depth - 1)
        for key, member in history.members(name, checkpoint)
    }


class Unfolded:
    """A reader of unfolded documents: what they say, and nothing else."""

    def __init__(self, document: Document) -> None:
        self.known = values(document)
        self.members: dict[Name, dict[str, Name]] = {}
        self.versions: dict[Name, list[tuple[int, Name]]] = {}
        for record in document.records:
            if isinstance(record, Membership):
                held = self.members.setdefault(record.collection, {})
                held[str(record.value(VERSION["key"]))] = record.entity
            elif isinstance(record, Insertion):
                before = dict(self.members.get(record.before, {}))
                before.update({str(key): member for key, member in record.pairs})
                self.members[record.after] = before
            elif isinstance(record, Removal):
                before = self.members[record.before]
                gone = set(map(str, record.keys))
                self.members[record.after] = {k: m for k, m in before.items() if k not in gone}
            elif isinstance(base := record.value(VERSION_OF), Name):
                moment = record.value(VERSION["checkpoint"])
                assert isinstance(moment, int)
                assert record.id is not None
                self.versions.setdefault(base, []).append((moment, record.id))
                self.members.setdefault(record.id, {})

    def at(self, name: Name, checkpoint: int) -> Name:
        some = [(moment, one) for moment, one in self.versions.get(name, ()) if moment <= checkpoint]
        return max(some)[1] if some else name

    def tree(self, name: Name, depth: int = DEPTH) -> Any:
        if name not in self.members:
            text = self.known.get(name, "[]")
            return {} if text in ("[]", "{}") else text
        if not depth:
            return "…"
        return {key: self.tree(member, depth - 1) for key, member in self.members[name].items()}


def ordered(value: Any) -> str:
    """Trees as text without the order of keys; an empty one is as one that is cut off."""
    return repr(_sorted(value)).replace("'…'", "[]")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _sorted(one)) for key, one in value.items())
    return value


@settings(deadline=None, max_examples=40)
@given(STEPS)
def test_every_state_of_a_program_is_in_its_history(steps: list[tuple[int, ...]]) -> None:
    source, states = program(steps)
    _, document, after = traced(source)
    assert check(document) == ()
    known = values(document)
    for history in (History(document), *(History(fold(unfold(document, form))) for form in FORMS)):
        for (names, checkpoint), state in zip(after, states, strict=True):
            for name, expected in state.items():
                found = of_history(history, known, names[name], checkpoint)
                assert ordered(found) == ordered(expected)


@settings(deadline=None, max_examples=40)
@given(STEPS, st.sampled_from(FORMS))
def test_every_state_of_a_program_is_in_what_is_unfolded(steps: list[tuple[int, ...]], form: str) -> None:
    source, states = program(steps)
    _, document, after = traced(source)
    made = unfold(document, form)
    assert str(made.validate()) == "valid"
    reader = Unfolded(made)
    for (names, checkpoint), state in zip(after, states, strict=True):
        for name, expected in state.items():
            found = reader.tree(reader.at(names[name], checkpoint))
            assert ordered(found) == ordered(expected)


def test_folding_gives_back_the_document_of_the_paper() -> None:
    from tests.prov.versioned.test_history import PAPER

    _, document, _ = traced(PAPER)
    for form in FORMS:
        folded = fold(unfold(document, form))
        assert folded == document


def test_a_snapshot_is_made_once_and_holds_its_circles() -> None:
    _, document, after = traced("a = [1]\na.append(a)\nb = [a]\na[0] = 2\n")
    snapshots = Snapshots(History(document))
    names, checkpoint = after[-1]
    found = snapshots.at(names["b"], checkpoint)
    inner = found.inner["0"]
    assert isinstance(inner, Snapshot)
    assert inner.inner["1"] is inner
    kept = len(snapshots)
    assert snapshots.at(names["a"], checkpoint) is inner
    assert len(snapshots) == kept
    assert [key for key, _ in snapshots.at(names["a"], after[0][1]).members] == ["0"]


def test_an_unknown_form_is_told() -> None:
    with pytest.raises(UsageError, match="expected one of plain, dictionary"):
        unfold(Document(), "other")
