"""``trilha calls``, as a user gives it."""

import json
import re

import pytest
from tests.cli.commands import trilha

SCRIPT = """\
def fib(n, *rest, k=1):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class A:
    def fails(self):
        raise ValueError

    def go(self):
        try:
            self.fails()
        except ValueError:
            return [fib(i) for i in range(5)]


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def gives(n):
    for i in range(n):
        yield i


for _ in range(3):
    A().go()
even(10)
print(max([1, 2], key=lambda v: -v), sum(gives(3)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("calls")
    (place / "work.py").write_text(SCRIPT)
    assert trilha(place, "run", "--grain", "variable", "work.py") == "1 3\n"
    return place


def test_the_help(folder, golden):
    golden("help-calls.txt", trilha(folder, "calls", "--help"))


def test_the_calls_as_a_tree(folder, golden):
    golden("calls.txt", trilha(folder, "calls"))
    assert trilha(folder, "calls", "--depth", "1") == "<module>  work.py\n… 4 more below (--depth)\n"


def test_the_calls_as_a_graph(folder):
    dot = trilha(folder, "calls", "--dot")
    nodes = dict(re.findall(r'(c\d+) \[label="(\S+)', dot))
    edges = [(nodes[one], nodes[other]) for one, other in re.findall(r"(c\d+) -> (c\d+)", dot)]
    assert ("A.go(self)", "A.fails(self)") in edges
    assert len(edges) == len(nodes) - 1
    assert len(re.findall(" -> ", trilha(folder, "calls", "--dot", "--depth", "2"))) < len(edges)
    assert "expected one of them" in trilha(folder, "calls", "--dot", "--json", status=2)


def test_the_calls_as_json(folder):
    (module,) = json.loads(trilha(folder, "calls", "last", "--json"))["calls"]
    by_name = {one["name"]: one for one in module["calls"]}
    assert (module["name"], module["count"]) == ("<module>", 1)
    go = by_name["A.go"]
    assert (go["count"], go["arguments"], go["line"]) == (3, ["self"], 9)
    fails, fib = go["calls"]
    assert (fails["name"], fails["count"], fails["raised"]) == ("A.fails", 3, 3)
    assert (fib["arguments"], fib["count"], fib["again"]) == (["n", "rest", "k"], 57, 42)
    (odd,) = by_name["even"]["calls"]
    assert (by_name["even"]["count"], by_name["even"]["again"], odd["count"]) == (6, 5, 5)
    assert by_name["<lambda>"]["arguments"] == ["v"]
    assert by_name["gives"]["count"] == 1


def test_a_run_without_a_trace_says_how_to_have_one(tmp_path):
    (tmp_path / "one.py").write_text("x = 1\n")
    trilha(tmp_path, "run", "one.py")
    assert "trilha run --grain variable" in trilha(tmp_path, "calls", status=1)
