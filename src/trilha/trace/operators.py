"""What operators give: the members of sums, what a special method of the program returned, and new objects.

The log says what an operator gave only where the text treats the name that it is bound to as a data
structure. Elsewhere an operation of objects gives one that has no token yet: it gets that where the log meets
it next.

Source: Python Language Reference, "Emulating numeric types"; Library Reference, "Sequence Types".
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.copying import member_sources
from trilha.trace.evaluations import Kind, Role, Source
from trilha.trace.heap import (
    ARRAY,
    DEQUE,
    DICT,
    FRAME,
    INSTANCE,
    LIST,
    SET,
    TUPLE,
    Ref,
    Thing,
    Value,
    number_of,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.waiting import OF_DESCRIPTORS, WITH_KEY, Call
from trilha.trace.writing import Writing

__all__ = ["Operators", "given_by"]

_METHODS: Final[dict[type, str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
    ast.BitOr: "or",
    ast.UAdd: "pos",
    ast.USub: "neg",
    ast.Invert: "invert",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}
_OF_ONE: Final = {ast.Not: ("bool", "len")}
"""Methods of an only operand."""
_SWAPPED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_OF_ITEMS: Final = frozenset(("__setitem__", "__delitem__"))
_OF_ITS_KIND: Final = {
    LIST: frozenset((ast.Add, ast.Mult)),
    DEQUE: frozenset((ast.Add, ast.Mult)),
    SET: frozenset((ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)),
    DICT: frozenset((ast.BitOr,)),
}
"""The operators by which data structures give another one of their kind."""
_SEEKING: Final = frozenset((ast.In, ast.NotIn))
"""The operators that take of an iterator."""
_OF_ANY_KIND: Final = frozenset((ARRAY, FRAME, INSTANCE))
"""What these give with an operator is an object, as far as is known."""


class Operands(list[Value]):
    """The operands of an operation, as far as they were evaluated.

    Attributes:
        gave: what methods of the program gave that it ran, of several comparisons.
        ran: what else of the program ran within these gave.
    """

    __slots__ = ("gave", "ran")

    def __init__(self) -> None:
        super().__init__()
        self.gave: list[Value] = []
        self.ran: list[Value] = []


class Operators(Writing):
    """What is known of operators; a part of `trilha.trace.replay.Replay`."""

    def op(self, at: int, *values: Value) -> Value:
        """An operation."""
        if at == self.stop:
            self.check(at, *values)
        known = True
        for one in values:
            if type(one) is Ref:
                return self._of_objects(at, values)
            known = known and one is not None
        if at == self.within:
            return self._of_objects(at, values)
        made = self._evaluation(at, Kind.OPERATION, sources_of(values, Role.OPERAND))
        if not known:
            self.lane.objects = number_of(made)
        return made

    def _of_objects(self, at: int, values: Sequence[Value]) -> Value:
        """An operation of which an operand is an object."""
        how = _operator(self._nodes[at])
        self.escapes(*values)
        result = self.by_method(at, how, values)
        sources = sources_of([*values, *self.run_within(at, values)], Role.OPERAND)
        if how is ast.Mod and thing_of(values[0]) is None and not number_of(result):
            sources = (*sources, *sources_of(self.writes(values[-1], ord("%")), Role.OPERAND))
        if number_of(result):
            return self._evaluation(at, Kind.OPERATION, (*sources, *given_by(result)), thing_of(result))
        made = self._unmet(how, values)
        if made is not None:
            sources = (*sources, *self._keep(made, how, values))
        value = self._evaluation(at, Kind.OPERATION, sources, made)
        self.lane.objects = number_of(value)
        if how in _SEEKING:
            self.advances(number_of(value), values[-1])
        if made is not None and made.kind == LIST and how is ast.Add and None not in map(thing_of, values):
            made.over = ("+", list(values), number_of(value))
        return value

    # -- operations whose operands are not all evaluated

    def br(self, at: int, tested: int | None = None, value: Value = None) -> bool:
        """Whether the block of this number runs."""
        raise NotImplementedError

    def first(self) -> Operands:
        """Such an operation begins."""
        self.lane.operands.append(Operands())
        found: Operands = self.lane.operands[-1]
        return found

    def add(self, value: Value) -> bool:
        """One more operand of it."""
        self.lane.operands[-1].append(value)
        return True

    def stops(self, at: int, value: Value) -> bool:
        """One more operand of a condition: whether it is the last one.

        Args:
            at: its number.
            value: of it.
        """
        self.lane.operands[-1].append(value)
        return self.br(at, at, value)

    def goes_on(self, at: int, before: int) -> bool:
        """Whether the operand of this number is evaluated, behind the one that was before."""
        return self.br(at, before, self.lane.operands[-1][-1])

    def compared(self, at: int, behind: int) -> bool:
        """One of several comparisons was made: whether the next one is.

        Args:
            at: number of all of them.
            behind: that of the operand that comes next.
        """
        values = self.lane.operands[-1]
        self._compare(at, values)
        # Other numbers stand for parts that the text has.
        tested, node = -behind, self._nodes[at]
        if tested not in self._nodes and isinstance(node, ast.Compare):
            left, right = [node.left, *node.comparators][len(values) - 2 : len(values)]
            self._nodes[tested] = ast.Compare(left, [node.ops[len(values) - 2]], [right])
        return self.br(behind, tested, values[-1])

    def tests(self, at: int, tested: int, value: Value) -> bool:
        """Whether a conditional expression chooses its first part, or a comprehension keeps an element.

        Args:
            at: its number.
            tested: that of the condition.
            value: of that.
        """
        self.lane.operands[-1].append(value)
        return self.br(at, tested, value)

    def chosen(self, at: int, values: Operands, value: Value) -> Value:
        """What a conditional expression chose."""
        self.over_with(values)
        sources = (*sources_of(values, Role.GUARD), *same_source(value))
        return self._evaluation(at, Kind.OPERATION, sources, thing_of(value))

    def last(self, at: int, values: Operands, _: object) -> Value:
        """The value of ``and`` or ``or``: that of the last operand that was evaluated."""
        self.over_with(values)
        sources = sources_of(values, Role.OPERAND)
        if sources and number_of(values[-1]):
            sources = (*sources[:-1], sources[-1]._replace(same=True))
        return self._evaluation(at, Kind.OPERATION, sources, thing_of(values[-1]))

    def all(self, at: int, values: Operands, _: object) -> Value:
        """The truth of ``and`` or ``or``."""
        self.over_with(values)
        return self.op(at, *values)

    def chain(self, at: int, values: Operands, _: object) -> Value:
        """What several comparisons give: what the last one gave that was made."""
        self.over_with(values)
        node: Any = self._nodes[at]
        if len(values) > len(node.comparators):
            self._compare(at, values)
        elif at == self.stop:
            self.check(at)
        *others, result = values.gave
        self.escapes(*values)
        sources = sources_of([*values, *others, *values.ran], Role.OPERAND) + given_by(result)
        made = self._evaluation(at, Kind.OPERATION, sources, thing_of(result) if number_of(result) else None)
        if any(one is None or type(one) is Ref for one in values):
            self.lane.objects = number_of(made)
        return made

    def _compare(self, at: int, values: Operands) -> None:
        """Follow one of several comparisons: that of the last two operands."""
        node: Any = self._nodes[at]
        how = type(node.ops[len(values) - 2])
        values.gave.append(self.by_method(at, how, values[-2:]))
        values.ran += self.run_within(at, values[-2:])
        if at == self.stop:
            self.check(at)

    def over_with(self, values: Operands) -> None:
        """An operation is over; those in it are, where an exception left them."""
        while self.lane.operands and self.lane.operands.pop() is not values:
            pass

    def seen(self, at: int, *values: Value) -> Value:
        """An operation whose value was looked at."""
        self.check(at)
        how = _operator(self._nodes[at])
        result = self.by_method(at, how, values)
        ran = self.run_within(at, values)
        self._expect(words.RESULT, at)
        value = self.met(result)
        self._advance()
        thing = thing_of(value)
        sources = sources_of([*values, *ran], Role.OPERAND)
        if number_of(result):
            sources = (*sources, *given_by(result))
        elif thing is not None:
            same = {number_of(one) for one in values if thing_of(one) is thing}
            sources = tuple(one._replace(same=one.evaluation in same) for one in sources)
            sources = (*sources, *self._summed(thing, how, values))
        return self._evaluation(at, Kind.OPERATION, sources, thing)

    def by_method(
        self,
        at: int,
        how: type | None,
        values: Sequence[Value],
        prefix: str = "",
    ) -> Value:
        """Follow the special methods of the program that an operation runs; gives what the last returned.

        One that may leave it to others is followed by these; each runs once.

        Args:
            at: number of the operation.
            how: its operator.
            values: its operands.
            prefix: what the names of the methods that come first begin with.
        """
        result: Value = None
        ways = self._methods(how, values, prefix) if how is not None else None
        if ways:
            lane = self.lane
            while (way := self._next_way(at if how not in _OF_ONE else -1, ways)) is not None:
                ways.remove(way)
                before, lane.call, lane.result = lane.call, way[1], None
                try:
                    self._beside()
                finally:
                    lane.call = before
                result, lane.result = lane.result, None
                if not self._may_leave_it(way[0]):
                    break
            if self.is_cut():
                raise self.at_cut()
            if at == self.stop:
                self.check(at, *values)
        return result

    def by_setter(self, container: Value, keys: Sequence[Value], values: tuple[Value, ...]) -> bool:
        """Follow the functions of the program that run because an attribute or item is stored or deleted.

        Args:
            container: whose it is.
            keys: what its key is made of.
            values: what is stored, if anything.

        Returns:
            Whether one ran that alone says what is stored: of a property, of a descriptor, or of an object
            that has no items of its own.
        """
        lane, held, stored = self.lane, thing_of(container), False
        if any(_may_be_compared(thing_of(one)) for one in keys):
            while self.kind == words.ENTER and self.is_of_keys(self.site):
                self._beside()
        # Where there are several threads, to look at the next record is to let another one go on.
        while self.storing and self.kind == words.ENTER and self.is_storing(self.site):
            name = self._functions[self.site][0].rpartition(".")[2]
            items = name in _OF_ITEMS and held is not None and held.kind == INSTANCE
            stored = stored or items or name not in WITH_KEY
            if name in WITH_KEY:
                given = (keys[0] if len(keys) == 1 else None, *values)
            else:
                given = (container, *values) if name in OF_DESCRIPTORS else values
            target = None if name in OF_DESCRIPTORS else container
            before, lane.call = lane.call, Call(0, name, target, tuple((None, one) for one in given))
            try:
                self._beside()
            finally:
                lane.call = before
        if self.storing and self.is_cut():
            raise self.at_cut()
        return stored

    def _next_way(self, at: int, ways: list[tuple[int, Call]]) -> tuple[int, Call] | None:
        """The method of an operand that begins next, and the call of it that an operator is, if one does."""
        # Where there are several threads, to look at the next record is to let another one go on.
        if not ways or self.kind != words.ENTER:
            return None
        if at != -1 and self.within not in (-1, at):
            return None  # It is of another part of the text.
        return next((one for one in ways if one[0] == self.site), None)

    def run_within(self, at: int, values: Sequence[Value]) -> list[Value]:
        """Follow what a part of the text runs of the program besides; gives what that gave.

        So are compared the members of data structures; and iterators are gone through that call a function.

        Args:
            at: number of the part.
            values: of which what runs may be given something.
        """
        if at != self.within:
            return []
        lane, look = self.lane, Call(0, None, None, tuple((None, one) for one in values))
        before, lane.call = lane.call, look
        try:
            while self.kind == words.ENTER and at == self.within:
                self._beside()
        finally:
            lane.call = before
        if self.is_cut():
            raise self.at_cut()
        self.check(at, *values)
        return look.handed

    def _may_leave_it(self, place: int) -> bool:
        """Whether a method may leave an operation to another one, by ``NotImplemented``."""
        known = self._leaving_it.get(place)
        if known is None:
            parts = ast.walk(self._nodes[place])
            known = any(isinstance(one, ast.Name) and one.id == "NotImplemented" for one in parts)
            self._leaving_it[place] = known
        return known

    @staticmethod
    def _methods(how: type, values: Sequence[Value], prefix: str) -> list[tuple[int, Call]]:
        """The methods of the program that an operator may be calls of: where each is, and the call."""
        first, last = values[0], values[-1]
        if how in _OF_ONE:
            ways = [(name, one, None) for one in values for name in _OF_ONE[how]]
        elif how in _SEEKING:
            ways = [("contains", last, first)]
        else:
            own = _METHODS.get(how, "")
            ways = [(name, first, last) for name in {own: 0, f"{prefix}{own}": 0}]
            if len(values) > 1:
                ways += [(name, last, first) for name in (f"r{own}", _SWAPPED.get(own)) if name]
            if how is ast.NotEq:  # What has none is asked whether it is the same.
                ways += [("eq", first, last), ("eq", last, first)]
        found = []
        for name, one, other in ways:
            held = thing_of(one)
            method = thing_of(held.member(f".__{name}__")) if held is not None else None
            if method is not None and method.function is not None:
                given = ((None, other),) if len(values) > 1 and how not in _OF_ONE else ()
                found.append((method.function.place, Call(0, f"__{name}__", one, given)))
        return found

    def _unmet(self, how: type | None, values: Sequence[Value]) -> Thing | None:
        """The object that an operation gives of which the log does not tell; None if it gives none."""
        if how not in _METHODS:
            return None
        for held in map(thing_of, values):
            if held is not None and (held.kind in _OF_ANY_KIND or how in _OF_ITS_KIND.get(held.kind, ())):
                made = self._new_thing(held.kind)
                made.unmet = made.open = True
                return made
        return None

    def _keep(self, made: Thing, how: type | None, values: Sequence[Value]) -> list[Source]:
        """Keep the members of an object that the log has not met until it does; gives their sources."""
        if made.kind == DICT:
            return self.fill_dict(made, *map(thing_of, values))
        if made.kind != LIST:
            return []
        parts = [self.members(one) for one in values if thing_of(one) is not None]
        found = [one for part in parts for one in part or ()]
        if None in parts or (how is ast.Add and len(parts) < 2):
            return [one._replace(name=None) for one in member_sources(("", one) for one in found)]
        made.items = found
        return member_sources((str(at), one) for at, one in enumerate(found))

    def _summed(self, made: Thing, how: type | None, values: Sequence[Value]) -> list[Source]:
        """Note the members of what ``+``, ``*`` or ``|`` made of data structures; gives their sources."""
        held = [thing_of(one) for one in values]
        if made.kind == DICT and how is ast.BitOr:
            return self.fill_dict(made, *held)
        if made.kind != LIST or made in held:
            return []
        parts = [self.members(one) for one in values if thing_of(one) is not None]
        if how is ast.Add and len(parts) == 2 and None not in parts:
            return self.fill(made, [one for part in parts for one in part or ()])
        if how is ast.Mult and len(parts) == 1 and parts[0] and self.is_short(made):
            return self.fill(made, parts[0] * (len(made.items) // len(parts[0])))
        return []


def _may_be_compared(key: Thing | None) -> bool:
    """Whether a data structure that looks for a key may run a method of the program."""
    if key is None or key.kind == TUPLE:
        return key is not None
    return key.member(".__hash__") is not None or key.member(".__eq__") is not None


def given_by(result: Value) -> tuple[Source, ...]:
    """The source of what a special method returned; none if that is not known."""
    return (Source(number_of(result), Role.RESULT, None, True),) if number_of(result) else ()


def _operator(node: Any) -> type | None:
    """The operator of an operation, if it has just one."""
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) if len(node.ops) == 1 else None
    return type(node.op) if isinstance(node, (ast.BinOp, ast.UnaryOp)) else None
