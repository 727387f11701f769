"""Of which variables the bindings in a text are."""

import ast

from trilha.trace.evaluations import Component, Kind
from trilha.trace.variables import Variables

TEXT = """\
é = 'é'; f0 = lambda a: [a for a in 'é']; x = é
def outer(a, b=[one for one in 'ab']):
    def inner(c):
        global x
        x = c; é = lambda d: (d, [e for e in d])
        return é
    class Kept:
        y = [inner(z) for z in a]
        def method(self): return {k: (lambda v: v)(k) for k in self.y}
    return Kept
async def other(): x = 1; return x
class Kept:
    class Kept:
        def outer(self): x = f'{[é for é in "é"]}'
y = (lambda: 1)(), [x for x in [y for y in 'ab']]
"""


def component(node):
    lines = TEXT.splitlines()
    begin = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
    end = len(lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode())
    place = node.lineno, begin, node.end_lineno, end
    return Component(0, "script.py", *place, "", Kind.NAME)


def named(node, around=()):
    """Each part of a text, with the names of the functions and classes in whose text it stands."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        around = (*around, node.name)
    elif isinstance(node, ast.Lambda):
        around = (*around, "<lambda>")
    yield node, ".".join(around)
    for one in ast.iter_child_nodes(node):
        yield from named(one, around)


def test_each_part_stands_in_the_functions_around_it():
    known = Variables(TEXT)
    told = [(one, name) for one, name in named(ast.parse(TEXT)) if isinstance(one, ast.Name)]
    assert [known.function(component(one)) for one, _ in told] == [name for _, name in told]
    assert sum("." in name for _, name in told) == 21


def test_functions_and_classes_are_named_with_those_around_them():
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    expected = [name for one, name in named(ast.parse(TEXT)) if isinstance(one, kinds)]
    assert list(Variables(TEXT).functions()) == expected


def test_a_binding_is_of_the_variable_that_a_function_declares():
    known = Variables(TEXT)
    told = [one for one in ast.walk(ast.parse(TEXT)) if isinstance(one, ast.Name) and one.id == "x"]
    bound = [component(one) for one in told if isinstance(one.ctx, ast.Store)]
    bound.sort(key=lambda one: one.line)
    assert [(one.line, known.function(one, "x"), known.binds(one, "x")) for one in bound] == [
        (1, "", True),
        (5, "", True),
        (11, "other", False),
        (14, "Kept.Kept.outer", False),
        (15, "", False),
    ]
