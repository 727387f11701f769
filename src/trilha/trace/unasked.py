"""What runs of a program where its text has no call (special methods, setters), and what runs it.

The log tells that a function begins, and not of which operation that is. A condition that does not hold has
no record: a method that begins then may have been run by the condition, or by what comes after it.

Source: Python Language Reference, "Special method names".
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection
from typing import Any, Final

from trilha.capture.script.sites import ordering, used_as_values
from trilha.trace.heap import Value, number_of
from trilha.trace.waiting import SETTING, STORING

__all__ = ["Unasked", "is_plain", "methods_of"]

_CALLED: Final = frozenset(("__init__", "__call__", "__new__"))
"""Special methods that run only by calls in a text, if no library has a part in their class."""
_TRUTH: Final = frozenset(("__bool__", "__len__"))
_COMPARED: Final = frozenset(("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__hash__"))
_OF_KEYS: Final = frozenset(("__hash__", "__eq__"))
_GONE_THROUGH: Final = frozenset(("__contains__", "__iter__", "__next__", "__getitem__", "__reversed__"))
_MAKING: Final = frozenset(("__init__", "__new__"))
_READING: Final = frozenset(("property", "cached_property"))
"""Decorators of functions that run when an attribute is read."""
_BINARY: Final = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "xor", "or"),
)
_CALCULATED: Final = frozenset(
    [f"__{way}{one}__" for one in _BINARY for way in ("", "r", "i")]
    + [f"__{one}__" for one in ("neg", "pos", "abs", "invert", "index", "int", "float", "complex")]
)
_WRITTEN: Final = frozenset(("__str__", "__repr__", "__format__", "__bytes__"))
_ENTERED: Final = frozenset(("__enter__", "__exit__", "__aenter__", "__aexit__"))
_KNOWN: Final = _TRUTH | _COMPARED | _GONE_THROUGH | _CALCULATED | _WRITTEN | _ENTERED | STORING
"""What it is known of which operations run it; anything may run others (``__getattr__``, ``__del__``)."""
_TOLD: Final = (
    *(ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call, ast.Lambda),
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
)
"""Expressions behind which nothing runs any more: there is a record of them, or they run nothing."""
_EXCEPTIONS: Final = frozenset(
    name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)
)


def is_plain(node: ast.ClassDef, known: Collection[str]) -> bool:
    """Whether no library has a part in what the methods of a class are run by.

    Operators of a library may make objects of classes that are derived from its own, and run any method.

    Args:
        node: the definition of the class.
        known: names of such classes before it.
    """
    names = {one.id for one in node.bases if isinstance(one, ast.Name)}
    others = [one for one in node.bases if not isinstance(one, ast.Name)]
    return not others and not node.keywords and names <= _EXCEPTIONS.union(known)


def methods_of(test: ast.expr, *, calm: bool) -> frozenset[str] | None:
    """The special methods that may run when an expression's truth is asked for, where no record tells.

    Args:
        test: the expression.
        calm: no operation of it had an object as operand.

    Returns:
        Their names, of those that are known; None if it may be any.
    """
    found = _TRUTH
    waiting: list[ast.expr] = [test]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _TOLD):
            continue
        if isinstance(one, ast.NamedExpr):
            waiting.append(one.value)
        elif isinstance(one, ast.BoolOp):
            waiting += one.values
        elif isinstance(one, ast.IfExp):
            waiting += [one.body, one.orelse]  # What it tests is told of.
        elif isinstance(one, ast.UnaryOp):
            waiting.append(one.operand)
            found |= frozenset() if calm or isinstance(one.op, ast.Not) else _CALCULATED
        elif isinstance(one, ast.Compare):
            operands = [one.left, *one.comparators]
            waiting += operands
            if all(isinstance(how, (ast.Is, ast.IsNot)) for how in one.ops):
                continue
            seeks = any(isinstance(how, (ast.In, ast.NotIn)) for how in one.ops)
            # With a constant, nothing is compared but the other operand, or the members of an array.
            simple = not seeks and len(operands) == 2 and any(map(_is_constant, operands))
            if not calm and not simple:
                return None
            # Tuples are no objects that the log knows, and what is in them may be.
            found |= frozenset() if calm and simple else _COMPARED
        elif isinstance(one, ast.BinOp):
            waiting += [one.left, one.right]
            numeric = _is_number(one.right)
            if (isinstance(one.op, ast.Mod) and not numeric) or not (calm or numeric):
                return None
            found |= frozenset() if calm else _CALCULATED
        else:
            return None
    return found


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


class Unasked:
    """Tells what may have begun without a call; a part of `trilha.trace.replay.Replay`.

    Attributes:
        setters: names, with their classes', of functions that were given to ``property``; numbers of lambdas.
        plain: names, with those around, of classes that no library has a part in.
    """

    lane: Any
    whole: bool
    within: int
    _functions: dict[int, Any]
    _nodes: dict[int, ast.AST]

    def __init__(self) -> None:
        self.setters: set[str] = set()
        self.plain: set[str] = set()
        self._run_by: dict[int, tuple[int, frozenset[str] | None, frozenset[str] | None]] = {}
        self._used: tuple[int, set[str], dict[ast.AST, set[str]], set[ast.AST]] = 0, set(), {}, set()

    def is_calm(self) -> bool:
        """Whether nothing was done since the last record that may run a method of the program."""
        return self.whole and self.lane.objects <= self.lane.read

    def begins_unasked(self, place: int, tested: int | None, value: Value, *, calm: bool) -> bool:
        """Whether a function begins without a call: a special method, or what a property or a class runs.

        Args:
            place: of the function.
            tested: number of the expression whose truth is asked for; None if anything may have run it.
            value: of that.
            calm: nothing before may have run any.
        """
        known = self._functions.get(place)
        if known is None or (tested is not None and self._is_run_elsewhere(tested)):
            return False
        owner, _, name = known[0].rpartition(".")
        setter = self.is_setter(place)
        if owner in self.plain:
            if name in _CALLED:
                return False  # What begins is of a call that comes later.
            of_operation = setter or name in _KNOWN
            if of_operation and (calm if tested is None else not self._is_run_by(tested, name, value)):
                return False  # It is of one that comes later.
        return name.startswith("__") or (known[5] and name == "mro") or setter

    def is_run_within(self, tested: int) -> bool:
        """Whether what begins next is certainly run by an expression, or a part of it."""
        runs = self._nodes.get(self.within)
        return runs is not None and any(one is runs for one in ast.walk(self._nodes[tested]))

    def _is_run_elsewhere(self, tested: int) -> bool:
        """Whether what begins is certainly run by another expression than this one, and those around it."""
        if self.within == -1:
            return False
        test, runs = self._nodes[tested], self._nodes[self.within]
        if not isinstance(runs, ast.expr):
            return False
        return not any(one is runs for one in ast.walk(test)) and not any(
            one is test for one in ast.walk(runs)
        )

    def _is_run_by(self, tested: int, name: str, value: Value) -> bool:
        if tested not in self._run_by:
            node: Any = self._nodes[tested]
            parts = sum(1 for _ in ast.walk(node))
            self._run_by[tested] = parts, methods_of(node, calm=False), methods_of(node, calm=True)
        parts, otherwise, calm = self._run_by[tested]
        # An operation before the expression may be taken for one of it: then more methods may be of it.
        found = calm if self.lane.objects < number_of(value) - parts else otherwise
        return found is None or name in found

    def may_give_items(self, place: int, *, own: bool) -> bool:
        """Whether a function may run because all is taken of an iterator, and not by a call behind that.

        A library's iterator runs only functions that it was handed: the text has these without calling them.

        Args:
            place: of the function.
            own: the iterator is one of the program.
        """
        known = self._functions.get(place)
        if known is None or self.is_setter(place):
            return False
        node: Any = self._nodes[place]
        decorators = getattr(node, "decorator_list", ())
        if any(isinstance(one, ast.Name) and one.id in _READING for one in decorators):
            return False
        owner, _, name = known[0].rpartition(".")
        if name in _MAKING and known[5]:
            return self._is_used({owner.rpartition(".")[2]})
        if name.startswith("__") and known[5]:
            return not own or owner not in self.plain or name in _GONE_THROUGH
        if decorators or (known[5] and owner not in self.plain):
            return True
        _, lambdas, quick = self._as_values()
        if node in quick:
            return False
        return self._is_used(lambdas.get(node, set()) if isinstance(node, ast.Lambda) else {name})

    def _is_used(self, names: set[str]) -> bool:
        """Whether functions of these names may be called by others than the text; of none, they may."""
        return not names or not names.isdisjoint(self._as_values()[0])

    def _as_values(self) -> tuple[set[str], dict[ast.AST, set[str]], set[ast.AST]]:
        count = len(self._nodes)
        if self._used[0] != count:
            nodes = self._nodes.values()
            self._used = count, *used_as_values(nodes), ordering(nodes)
        return self._used[1:]

    def is_of_keys(self, place: int) -> bool:
        """Whether a function may run because a data structure looks for a key."""
        known = self._functions.get(place)
        return known is not None and known[5] and known[0].rpartition(".")[2] in _OF_KEYS

    def is_storing(self, place: int) -> bool:
        """Whether a function may run because an attribute or item is stored or deleted."""
        known = self._functions.get(place)
        return known is not None and (known[0].rpartition(".")[2] in STORING or self.is_setter(place))

    def is_setter(self, place: int) -> bool:
        """Whether a function is one that a property runs when it is stored or deleted."""
        known = self._functions.get(place)
        if known is not None and known[5] and not self.setters.isdisjoint((known[0], str(place))):
            return True
        decorators = getattr(self._nodes[place], "decorator_list", ())
        return any(isinstance(one, ast.Attribute) and one.attr in SETTING for one in decorators)
