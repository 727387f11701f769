"""The obvious tracer itself: it runs a script as Python does, and names the elements that are meant."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from tests.trace.obvious import Obvious, trace

from trilha.trace.evaluations import Change, Evaluation, How, Kind, Role

PAPER = Path(__file__).with_name("floyd_warshall.txt").read_text("utf-8")


def last(traced: Obvious, kind: Kind) -> Evaluation:
    of_kind = [
        e for e in traced.events if isinstance(e, Evaluation) and traced.components[e.component].kind is kind
    ]
    return of_kind[-1]


def changes(source: str) -> list[tuple[How, str | None, object]]:
    traced = trace(source)
    return [
        (event.how, event.key, None if event.member is None else traced.values[event.member])
        for event in traced.events
        if isinstance(event, Change)
    ]


def test_the_program_of_the_paper_runs(capsys: pytest.CaptureFixture[str]) -> None:
    traced = trace(PAPER)
    assert capsys.readouterr().out == "3\n"
    assert changes(PAPER) == [(How.PUT, "1", 3), (How.PUT, "2", 3), (How.PUT, "0", 4)]
    assert traced.globals["result"] == [[0, 1, 3], [4, 0, 2], [2, 3, 0]]


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, *b, c=3, **d):\n    return [a, *b, c] if a > 1 else d\nx = f(2, 3, c=4), f(0, q=1)",
        (
            "def o():\n    n = 0\n    def i():\n        nonlocal n\n        n += 1\n        return n\n"
            "    return i() + i() + n\nx = o()"
        ),
        (
            "x = [y * 2 for y in range(5) if y]\nx.insert(1, 9)\nx.append(x.pop(0))\n"
            "x.sort(key=lambda q: -q)\ndel x[1:2]"
        ),
        "x = {'a': 1, **{'b': 2}}\ndel x['a']\nx.update(c=3)",
        "try:\n    {}['k']\nexcept KeyError as e:\n    x = str(e)",
        (
            "class P:\n    n = 1\n    def up(self, by):\n"
            "        self.n += by\n        return self\nx = P().up(4).n"
        ),
        "i = 0\nwhile i < 4:\n    i += 1\n    if i == 2: continue\n    x = f'{i:>3}'\nelse:\n    x += '!'",
        "(a, b), c = (1, 2), 3\nx = b, c",
    ],
)
def test_a_script_does_what_it_does_without(source: str) -> None:
    plain: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(source, plain)
        assert trace(source).globals["x"] == plain["x"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = [1]\nx.append(2)", [(How.PUT, "1", 2)]),
        ("x = [1, 2]\nx.insert(0, 3)", [(How.INSERT, "0", 3)]),
        ("x = [1, 2]\nx.pop(0)", [(How.REMOVE, "0", None)]),
        ("x = [1, 2]\ndel x[0]", [(How.REMOVE, "0", None)]),
        ("x = {'a': 1}\ndel x['a']", [(How.DELETE, "'a'", None)]),
        ("x = [2, 1]\nx.sort()", [(How.CLEAR, None, None), (How.PUT, "0", 1), (How.PUT, "1", 2)]),
        (
            "x = [1, 2, 3]\nx[0:2] = [9]",
            [(How.REMOVE, "1", None), (How.REMOVE, "0", None), (How.INSERT, "0", 9)],
        ),
        ("x = []\nx += [4]", [(How.PUT, "0", 4)]),
        ("class A: pass\na = A()\na.b = 5", [(How.PUT, ".b", 5)]),
    ],
)
def test_changes_are_said(source: str, expected: list[tuple[How, str | None, object]]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    ("source", "element"),
    [
        ("x = [1]\nx.append(2)\ny = x[1]", 2),
        ("x = [1, 2]\nx.insert(0, 3)\ny = x[1]", 1),
        ("x = {'a': 1}\nx.update({'a': 7})\ny = x['a']", 7),
        ("x = [[1], [2]]\nz = x[::-1]\ny = z[0][0]", 2),
        ("class A: n = 4\ny = A().n", 4),
        ("def f(*a): return a\ny = f(5, 6)[1]", 6),
    ],
)
def test_an_access_names_the_evaluation_that_put_its_element_there(source: str, element: int) -> None:
    traced = trace(source)
    found = [source for source in last(traced, Kind.ACCESS).sources if source.role is Role.ELEMENT]
    assert [traced.values[one.evaluation] for one in found] == [element]


def test_a_call_leads_to_what_was_returned() -> None:
    traced = trace("def f(x):\n    return x\ny = f([1])")
    call = last(traced, Kind.CALL)
    assert [source.evaluation for source in call.sources if source.role is Role.RESULT] == [
        last(traced, Kind.RETURN).number
    ]
