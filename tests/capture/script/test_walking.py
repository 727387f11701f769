"""What walks through syntax trees finds all that Python's own does, but for parts without parts."""

import ast
from pathlib import Path

import pytest

from trilha.capture.script.walking import children, walk

TEXTS = Path(__file__).parents[2] / "trace"
NO_PARTS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


def programs():
    for name in ("language.txt", "features.txt", "language_3_12.txt"):
        for text in (TEXTS / name).read_text("utf-8").split("### ")[1:]:
            try:
                yield ast.parse(text.partition("\n")[2])
            except SyntaxError:  # of newer versions of Python
                continue
    yield ast.parse("match x:\n    case {'a': [*b], **c} | Point(x=1):\n        del c[0], b.d\n")


@pytest.fixture(scope="module")
def trees():
    found = list(programs())
    kinds = {type(node) for tree in found for node in ast.walk(tree)}
    assert len(kinds) > 70
    return found


def test_parts_are_found_in_the_order_of_their_fields(trees):
    for tree in trees:
        for node in ast.walk(tree):
            own = [one for one in ast.iter_child_nodes(node) if not isinstance(one, NO_PARTS)]
            assert children(node) == own


def test_a_walk_meets_each_part_once(trees):
    for tree in trees:
        met = list(walk(tree))
        assert len(met) == len(set(met))
        assert set(met) == {one for one in ast.walk(tree) if not isinstance(one, NO_PARTS)}
