"""A slow, obvious tracer of Python: it walks the syntax tree, and tells every evaluation that it makes.

It is what faster ways to the same events are tested against, so it does nothing clever. Functions and classes
that it makes are real ones, which builtins can call. What it does not know raises `NotImplementedError`
(generators, async, patterns of classes, with, import of traced modules).

What it holds to, beyond the words of `trilha.trace.evaluations`:

- A name that was bound has no evaluation of its own: who reads it has its binding (the ASSIGN) as source.
- A CALL is numbered when it returns, after all that happened in it; one that raises has no evaluation.
- The iteration of a loop is an ACCESS with an ITERABLE, then an ASSIGN; so is each part of an unpacking,
  whose ACCESS has a COLLECTION. Comprehensions are loops, then a DEFINITION.
- A guard is the test of an `if` or `while` that encloses the statement in the same activation; ASSIGN, PART
  and RETURN have it, and the outermost evaluation of a statement that is an expression.
- A method's receiver is a COLLECTION of its CALL.
- A value made of known members (a slice, a sum of lists, a copy) has them as MEMBER sources, named by key.
- `del a[i]` of a list is a PART without VALUE and a REMOVE, of a dict a PART and a DELETE.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import Any

from trilha.trace.evaluations import (
    Activation,
    Change,
    Component,
    Ended,
    Evaluation,
    Event,
    How,
    Kind,
    Role,
    Source,
)

__all__ = ["Obvious", "trace", "trace_cells"]

Traced = tuple[Any, int]
"""A value, and the evaluation that gave it."""

WAYS = (zip, enumerate, chain, type(reversed([])), type({}.items()), type({}.keys()), type({}.values()))
"""What goes through others, and is no data structure of its own."""
ATOMS = (int, float, complex, str, bytes, bool, type(None), type(...), ModuleType, *WAYS)
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.MatMult: operator.matmul,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
IN_PLACE: dict[type, Callable[..., Any]] = {
    ast.Add: operator.iadd,
    ast.Sub: operator.isub,
    ast.Mult: operator.imul,
    ast.Div: operator.itruediv,
    ast.FloorDiv: operator.ifloordiv,
    ast.Mod: operator.imod,
    ast.Pow: operator.ipow,
    ast.BitAnd: operator.iand,
    ast.BitOr: operator.ior,
    ast.BitXor: operator.ixor,
    ast.LShift: operator.ilshift,
    ast.RShift: operator.irshift,
    ast.MatMult: operator.imatmul,
}
COPIES = (list, tuple)


class _Break(BaseException):
    pass


class _Continue(BaseException):
    pass


class _Returned(BaseException):
    def __init__(self, traced: Traced) -> None:
        self.traced = traced


class Frame:
    """The names of one scope, and the activation in which it runs."""

    def __init__(self, activation: int, kind: str, parent: Frame | None, bound: set[str]) -> None:
        self.activation = activation
        self.kind = kind
        self.parent = parent
        self.bound = bound
        self.names: dict[str, Traced] = {}
        self.outer: set[str] = set()
        self.foreign: set[str] = set()
        self.guards: list[int] = []
        self.top: Frame = parent.top if parent else self

    def home(self, name: str) -> Frame:
        """The frame that a name belongs to, for binding it."""
        if name in self.outer:
            return self.top
        if name in self.foreign:
            return next(frame for frame in self.enclosing() if name in frame.names or name in frame.bound)
        return self

    def enclosing(self) -> Iterator[Frame]:
        """The functions around, from the inside."""
        frame = self.parent
        while frame is not None:
            if frame.kind == "function":
                yield frame
            frame = frame.parent

    def find(self, name: str) -> Frame | None:
        """The frame in which a name is bound, for reading it; None if in none."""
        if name in self.outer:
            return self.top if name in self.top.names else None
        if name in self.names:
            return self
        if self.kind == "function" and name in self.bound and name not in self.foreign:
            raise UnboundLocalError(f"cannot access local variable {name!r}")
        for frame in (*self.enclosing(), self.top):
            if name in frame.names:
                return frame
        return None


def trace_cells(cells: list[str]) -> tuple[Obvious, list[BaseException | None]]:
    """Run texts one after the other with the same names; gives what each raised, too."""
    made, frame, raised = Obvious(""), Frame(0, "module", None, set()), []
    for at, source in enumerate(cells, 1):
        error = None
        try:
            made.run_cell(source, f"In [{at}]", frame)
        except Exception as one:
            error = one
        raised.append(error)
    return made, raised


def trace(source: str, file: str = "script.py") -> Obvious:
    """Run a script and write down all that it does.

    Raises:
        NotImplementedError: for what this tracer does not know.
        BaseException: what the script raises (`Obvious.run` keeps the events that came before).
    """
    made = Obvious(source, file)
    made.run()
    return made


class Obvious:
    """One run of a script.

    Attributes:
        events: what happened.
        components: by number.
        values: of the evaluations, by number.
        globals: the script's names, afterwards.
    """

    def __init__(self, source: str, file: str = "script.py") -> None:
        self.source, self.file = source, file
        self.tree = ast.parse(source)
        self.events: list[Event] = []
        self.components: dict[int, Component] = {}
        self.values: dict[int, Any] = {}
        self.members: dict[int, dict[str | tuple[None, int] | None, int]] = {}
        self.keys: dict[int, dict[str, int]] = {}
        self._ways: dict[int, tuple[str, list[Traced]]] = {}
        self._gone: Counter[int] = Counter()
        self._taken: dict[int, int] = {}
        self._pairs: set[int] = set()
        self._counted: dict[int, int] = {}
        self.globals: dict[str, Any] = {}
        self._by_node: dict[tuple[ast.AST, Kind], int] = {}
        self._things: dict[int, int] = {}
        self._kept: list[Any] = []
        self._number = 0
        self._activations = 0
        self._called: tuple[list[Source], Frame] | None = None
        self._result: tuple[Any, int] | None = None
        self._raised: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._ran: list[int] = []
        self._texts: dict[ast.AST, tuple[str, str]] = {}

    def run(self) -> None:
        """Run the script."""
        frame = Frame(0, "module", None, set())
        self.events.append(Activation(0, "<module>", None, None, 0))
        how = "raised"
        try:
            self.body(self.tree.body, frame)
            how = "returned"
        finally:
            self.events.append(Ended(0, self._tick(), how))
            self.globals = {name: value for name, (value, _) in frame.names.items()}
            self.events = [self._known_call(event) for event in self.events]

    def run_cell(self, source: str, file: str, frame: Frame) -> None:
        """Run one more text with the names of `frame`, as an activation of its own."""
        tree = ast.parse(source)
        self._texts |= dict.fromkeys(ast.walk(tree), (source, file))
        self._activations += 1
        frame.activation = self._activations
        self.events.append(Activation(frame.activation, file, None, None, self._number))
        how = "raised"
        try:
            self.body(tree.body, frame)
            how = "returned"
        finally:
            frame.guards.clear()
            self.events.append(Ended(frame.activation, self._tick(), how))

    # -- writing down ----------------------------------------------------------------------------------------

    def _tick(self) -> int:
        self._number += 1
        return self._number

    def _known_call(self, event: Event) -> Event:
        if isinstance(event, Activation):
            return event._replace(call=self._calls.get(event.number))
        return event

    def thing(self, value: Any) -> int:
        """The identity of a value; 0 for one whose identity does not matter."""
        if isinstance(value, ATOMS):
            return 0
        if id(value) not in self._things:
            self._kept.append(value)  # so that no other object gets its id
            self._things[id(value)] = len(self._kept)
        return self._things[id(value)]

    def component(self, node: ast.AST, kind: Kind) -> int:
        """The number of a part of the text."""
        number = self._by_node.get((node, kind))
        if number is None:
            number = self._by_node[node, kind] = len(self.components) + 1
            at: Any = node
            source, file = self._texts.get(node, (self.source, self.file))
            text = ast.get_source_segment(source, at) or ast.unparse(node)
            self.components[number] = Component(
                *(number, file, at.lineno, at.col_offset, at.end_lineno, at.end_col_offset, text, kind)
            )
        return number

    def say(
        self,
        node: ast.AST,
        kind: Kind,
        frame: Frame,
        value: Any,
        sources: list[Source],
        name: str | None = None,
    ) -> int:
        """Write an evaluation down; its number."""
        number = self._tick()
        # A pair that an iteration makes is no data structure of its own, either.
        thing = self.thing(value) if id(value) not in self._pairs else 0
        told = repr(value) if isinstance(value, (*ATOMS, list, tuple, dict, set, range)) else None
        self.events.append(
            Evaluation(
                *(number, self.component(node, kind), frame.activation, tuple(sources), thing),
                *(told, name),
            )
        )
        self.values[number] = value
        given = {source.name: source.evaluation for source in sources if source.role is Role.MEMBER}
        if thing and given:
            self.members[thing] = dict(given)
        return number

    def change(
        self, by: int, thing: Any, how: How, key: str | None = None, member: int | None = None
    ) -> None:
        """Write a change down, and keep who the members are."""
        token = self.thing(thing)
        self.events.append(Change(self._number, by, token, how, key, member))
        held = self.members.setdefault(token, {})
        if how is How.CLEAR:
            held.clear()
        elif how is How.DELETE:
            held.pop(key, None)
        elif how is How.PUT:
            place: Any = (None, by) if key is None else key
            if member is None:
                held.pop(place, None)
            else:
                held[place] = member
        else:
            self._shift(held, int(str(key)), how)
            if how is How.INSERT and member is not None:
                held[key] = member

    def _keyed(self, thing: Any, was: bool, key: str, of: int | None) -> None:
        """A dict keeps the key that it got first."""
        held = self.keys.setdefault(self.thing(thing), {})
        if not was:
            held.pop(key, None)
        if of is not None:
            held.setdefault(key, of)

    @staticmethod
    def _shift(held: dict[Any, int], at: int, how: How) -> None:
        old = {int(str(key)): member for key, member in held.items()}
        held.clear()
        for place, member in old.items():
            if how is How.INSERT:
                held[repr(place + (place >= at))] = member
            elif place != at:
                held[repr(place - (place > at))] = member

    def element(self, container: Any, key: str | None) -> list[Source]:
        """The member of a container under a key, as a source; none if it is not known."""
        number = self.members.get(self.thing(container), {}).get(key)
        return [] if number is None else [Source(number, Role.ELEMENT, same=True)]

    def all_members(self, values: Any) -> list[Source]:
        """The members of a list or tuple at their places."""
        held = self.members.get(self.thing(values), {})
        places = map(repr, range(len(values)))
        return [Source(held[place], Role.MEMBER, place) for place in places if place in held]

    # -- statements ------------------------------------------------------------------------------------------

    def body(self, statements: list[ast.stmt], frame: Frame) -> None:
        """Run statements."""
        for statement in statements:
            method = getattr(self, f"s_{type(statement).__name__}", None)
            if method is None:
                raise NotImplementedError(type(statement).__name__)
            try:
                method(statement, frame)
            except Exception as error:
                if isinstance(error, NotImplementedError) or id(error) in self._raised:
                    raise
                self._raised[id(error)] = self.say(statement, Kind.RETURN, frame, error, self.guards(frame))
                raise

    def guards(self, frame: Frame) -> list[Source]:
        """The tests under which a statement stands."""
        return [Source(number, Role.GUARD) for number in frame.guards]

    def guarded(self, statements: list[ast.stmt], frame: Frame, test: int) -> None:
        """Run statements under a test."""
        frame.guards.append(test)
        try:
            self.body(statements, frame)
        finally:
            frame.guards.pop()

    def s_Expr(self, node: ast.Expr, frame: Frame) -> None:
        _, number = self.expression(node.value, frame)
        last = self.events[-1]
        at = next((i for i in range(len(self.events) - 1, -1, -1) if self._is(self.events[i], number)), None)
        if at is not None and frame.guards and not isinstance(node.value, ast.Name):
            last = self.events[at]
            assert isinstance(last, Evaluation)
            self.events[at] = last._replace(sources=(*last.sources, *self.guards(frame)))

    @staticmethod
    def _is(event: Event, number: int) -> bool:
        return isinstance(event, Evaluation) and event.number == number

    def s_Pass(self, node: ast.Pass, frame: Frame) -> None:
        """Nothing."""

    def s_Break(self, node: ast.Break, frame: Frame) -> None:
        raise _Break

    def s_Continue(self, node: ast.Continue, frame: Frame) -> None:
        raise _Continue

    def s_Global(self, node: ast.Global, frame: Frame) -> None:
        frame.outer.update(node.names)

    def s_Nonlocal(self, node: ast.Nonlocal, frame: Frame) -> None:
        frame.foreign.update(node.names)

    def s_Import(self, node: ast.Import, frame: Frame) -> None:
        for one in node.names:
            module = __import__(one.name)
            if one.asname:
                for part in one.name.split(".")[1:]:
                    module = getattr(module, part)
            self.bind(one.asname or one.name.partition(".")[0], module, [], one, frame)

    def s_ImportFrom(self, node: ast.ImportFrom, frame: Frame) -> None:
        module = __import__(str(node.module), fromlist=[one.name for one in node.names])
        for one in node.names:
            self.bind(one.asname or one.name, getattr(module, one.name), [], one, frame)

    def s_Assign(self, node: ast.Assign, frame: Frame) -> None:
        traced = self.expression(node.value, frame)
        for target in node.targets:
            self.assign(target, traced, frame)

    def s_AnnAssign(self, node: ast.AnnAssign, frame: Frame) -> None:
        if node.value is not None:
            self.assign(node.target, self.expression(node.value, frame), frame)

    def s_AugAssign(self, node: ast.AugAssign, frame: Frame) -> None:
        target: Any = node.target
        if isinstance(target, ast.Name):
            old = self.expression(ast.copy_location(ast.Name(target.id, ast.Load()), target), frame)
            place: Any = None
        else:
            place = self.place(target, frame)
            old = self.access(target, place, frame)
        operand = self.expression(node.value, frame)
        before = len(old[0]) if isinstance(old[0], list) else 0
        value = IN_PLACE[type(node.op)](old[0], operand[0])
        same = value is old[0] and self.thing(value) != 0
        sources = [Source(old[1], Role.OPERAND, same=same), Source(operand[1], Role.OPERAND)]
        number = self.say(node, Kind.OPERATION, frame, value, sources)
        if same and isinstance(value, list):
            self._appended(number, value, before, operand[0])
        if place is None:
            self.assign(target, (value, number), frame)
        else:
            self.store(target, place, (value, number), frame)

    def _appended(self, by: int, changed: list[Any], before: int, given: Any) -> None:
        held = self.members.get(self.thing(given), {}) if isinstance(given, COPIES) else {}
        for at in range(before, len(changed)):
            self.change(by, changed, How.PUT, repr(at), held.get(repr(at - before)))

    def s_Delete(self, node: ast.Delete, frame: Frame) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                if frame.home(target.id).names.pop(target.id, None) is None:
                    raise NameError(f"name {target.id!r} is not defined")
                continue
            (container, at), key, sources, name = place = self.place(target, frame)
            length = len(container) if isinstance(container, list) else 0
            found = range(length)[key] if isinstance(container, list) and isinstance(key, slice) else None
            if isinstance(target, ast.Subscript):
                del container[key]
            else:
                delattr(container, key)
            number = self.say(target, Kind.PART, frame, None, [*sources, *self.guards(frame)], name)
            if found is not None:
                self._take_out(number, container, [*found], length)
            elif isinstance(container, list):
                self.change(number, container, How.REMOVE, name)
            else:
                self.change(number, container, How.DELETE, name)
            del place, at

    def s_If(self, node: ast.If, frame: Frame) -> None:
        value, number = self.expression(node.test, frame)
        self.guarded(node.body if value else node.orelse, frame, number)

    def s_Match(self, node: ast.Match, frame: Frame) -> None:
        subject = self.expression(node.subject, frame)
        for case in node.cases:
            bound: dict[str, tuple[Any, list[Source]]] = {}
            whole = [Source(subject[1], Role.VALUE, same=True)]
            if not self._fits(case.pattern, subject[0], whole, bound):
                continue
            for name, (value, sources) in bound.items():
                found_in = Role.COLLECTION if sources and sources[0].role is Role.ELEMENT else Role.ITERABLE
                of = [] if sources is whole else [Source(subject[1], found_in)]
                self.bind(name, value, [*sources, *of], case.pattern, frame)
            if case.guard is None:
                return self.guarded(case.body, frame, subject[1])
            value, number = self.expression(case.guard, frame)
            if value:
                return self.guarded(case.body, frame, number)
        return None

    def _fits(self, pattern: Any, value: Any, of: list[Source], bound: dict[str, Any]) -> bool:
        """Whether a pattern fits a value, which is from these sources; `bound` gets what its names are."""
        if isinstance(pattern, ast.MatchValue):
            return bool(value == ast.literal_eval(pattern.value))
        if isinstance(pattern, ast.MatchAs):
            if pattern.name is not None:
                bound[pattern.name] = value, of
            return pattern.pattern is None or self._fits(pattern.pattern, value, of, bound)
        if isinstance(pattern, ast.MatchMapping) and isinstance(value, dict):
            keys = [ast.literal_eval(one) for one in pattern.keys]
            if pattern.rest is not None:
                rest = {key: one for key, one in value.items() if key not in keys}
                held = self.members.get(self.thing(value), {})
                named = [Source(held[repr(key)], Role.MEMBER, repr(key)) for key in rest]
                bound[pattern.rest] = rest, named
            return all(
                key in value and self._fits(one, value[key], self.element(value, repr(key)), bound)
                for key, one in zip(keys, pattern.patterns, strict=True)
            )
        if not isinstance(pattern, ast.MatchSequence) or not isinstance(value, COPIES):
            return False
        star = [at for at, one in enumerate(pattern.patterns) if isinstance(one, ast.MatchStar)]
        behind = len(pattern.patterns) - star[0] - 1 if star else 0
        if len(value) < len(pattern.patterns) - len(star) or not (
            star or len(value) == len(pattern.patterns)
        ):
            return False
        for at, one in enumerate(pattern.patterns):
            if isinstance(one, ast.MatchStar):
                found = self.all_members(value)[at : len(value) - behind]
                named = [source._replace(name=repr(order)) for order, source in enumerate(found)]
                if one.name is not None:
                    bound[one.name] = list(value[at : len(value) - behind]), named
            else:
                place = at if not star or at < star[0] else len(value) - len(pattern.patterns) + at
                if not self._fits(one, value[place], self.element(value, repr(place)), bound):
                    return False
        return True

    def s_Assert(self, node: ast.Assert, frame: Frame) -> None:
        if not self.expression(node.test, frame)[0]:
            raise AssertionError(*([] if node.msg is None else [self.expression(node.msg, frame)[0]]))

    def s_While(self, node: ast.While, frame: Frame) -> None:
        while True:
            value, number = self.expression(node.test, frame)
            if not value:
                return self.body(node.orelse, frame)
            try:
                self.guarded(node.body, frame, number)
            except _Continue:
                continue
            except _Break:
                return None

    def s_For(self, node: ast.For, frame: Frame) -> None:
        for traced in self.items(node.iter, node.target, frame):
            self.assign(node.target, traced, frame)
            try:
                self.body(node.body, frame)
            except _Continue:
                continue
            except _Break:
                return
        self.body(node.orelse, frame)

    def items(self, iterable: ast.expr, node: ast.AST, frame: Frame) -> Iterator[Traced]:
        """What a loop gets, each an ACCESS."""
        values, number = self.expression(iterable, frame)
        for at, value in enumerate(values):
            parts = list(self._parts_at(self._at((values, number), at), value))
            known = [Source(one, Role.ELEMENT, same=True) for one in parts if one and one > 0]
            sources = [Source(number, Role.ITERABLE), *(known if None not in parts else [])]
            yield value, self.say(node, Kind.ACCESS, frame, value, sources, repr(at))

    def _at(self, traced: Traced, at: int) -> Any:
        """The evaluation of what is at a position of an iteration; a list of them for a pair.

        None where it is not known; 0 for a count, or less than that by the evaluation of what it begins with.
        """
        value, _ = traced
        if id(value) in self._ways:
            how, given = self._ways[id(value)]
            if id(value) in self._taken:
                at = self._taken[id(value)]
                self._taken[id(value)] += 1
            if how == "zip":
                return [self._at(one, at) for one in given]
            if how == "chain":
                while given and self._gone[id(value)] >= len(given[0][0]):
                    del given[0]
                    self._gone[id(value)] = 0
                self._gone[id(value)] += 1
                return self._at(given[0], self._gone[id(value)] - 1)
            if how == "enumerate":
                return [-given[1][1] if len(given) > 1 else 0, self._at(given[0], at)]
            if how == "reversed":
                return self._at(given[0], given[1][1] - at)
            words = list(map(repr, given[0][0]))
            member = self.members.get(self.thing(given[0][0]), {}).get(words[at])
            key = self.keys.get(self.thing(given[0][0]), {}).get(words[at])
            return {"items": [key, member], "keys": key, "values": member}[how]
        if isinstance(value, dict):
            return self.keys.get(self.thing(value), {}).get(repr(list(value)[at]))
        if isinstance(value, (list, tuple)):
            return self.members.get(self.thing(value), {}).get(repr(at))
        return None

    def _parts_at(self, known: Any, value: Any) -> Iterator[int | None]:
        """The evaluations in a pair, to any depth, which are those of its members from here on."""
        if not isinstance(known, list):
            yield known
            return
        held = self.members.setdefault(self.thing(value), {})
        self._pairs.add(id(value))
        for at, (one, part) in enumerate(zip(known, value, strict=True)):
            if isinstance(one, int) and one <= 0:
                self._counted[self.thing(value)] = -one
            elif isinstance(one, int):
                held[repr(at)] = one
            yield from self._parts_at(one, part)

    def s_Try(self, node: ast.Try, frame: Frame) -> None:
        depth = len(frame.guards)
        try:
            try:
                self.body(node.body, frame)
            except Exception as error:
                del frame.guards[depth:]
                self._handle(node, error, frame)
            else:
                self.body(node.orelse, frame)
        finally:
            self.body(node.finalbody, frame)

    def _handle(self, node: ast.Try, error: Exception, frame: Frame) -> None:
        for handler in node.handlers:
            if handler.type is None or isinstance(error, self.expression(handler.type, frame)[0]):
                if handler.name:
                    raised = self._raised.get(id(error))
                    sources = [] if raised is None else [Source(raised, Role.VALUE, same=True)]
                    self.bind(handler.name, error, sources, handler, frame)
                self.body(handler.body, frame)
                if handler.name:
                    frame.home(handler.name).names.pop(handler.name, None)
                return
        raise error

    def s_Raise(self, node: ast.Raise, frame: Frame) -> None:
        if node.exc is None:
            raise NotImplementedError("raise of what is handled")
        error, number = self.expression(node.exc, frame)
        error = error() if isinstance(error, type) else error
        self._kept.append(error)
        sources = [Source(number, Role.VALUE, same=True), *self.guards(frame)]
        self._raised[id(error)] = self.say(node, Kind.RETURN, frame, error, sources)
        raise error

    def s_Return(self, node: ast.Return, frame: Frame) -> None:
        value, sources = None, []
        if node.value is not None:
            value, number = self.expression(node.value, frame)
            sources = [Source(number, Role.VALUE, same=True)]
        number = self.say(node, Kind.RETURN, frame, value, [*sources, *self.guards(frame)])
        raise _Returned((value, number))

    def s_FunctionDef(self, node: ast.FunctionDef, frame: Frame) -> None:
        made = self.function(node, node.name, frame)
        traced: Traced | None = None
        for decorator in reversed(node.decorator_list):
            given = self.expression(decorator, frame)
            made = given[0](made)
            traced = given
        sources = [] if traced is None else [Source(traced[1], Role.FUNCTION)]
        self.bind(node.name, made, sources, node, frame)

    def s_ClassDef(self, node: ast.ClassDef, frame: Frame) -> None:
        bases = [self.expression(one, frame) for one in node.bases]
        inside = Frame(frame.activation, "class", frame, set())
        self.body(node.body, inside)
        names = {name: value for name, (value, _) in inside.names.items()}
        made = type(node.name, tuple(value for value, _ in bases), names)
        sources = [Source(number, Role.OPERAND) for _, number in bases]
        sources += [Source(number, Role.MEMBER, f".{name}") for name, (_, number) in inside.names.items()]
        number = self.say(node, Kind.DEFINITION, frame, made, sources)
        self.bind(node.name, made, [Source(number, Role.VALUE, same=True)], node, frame)

    # -- binding ---------------------------------------------------------------------------------------------

    def bind(self, name: str, value: Any, sources: list[Source], node: ast.AST, frame: Frame) -> None:
        """Bind a name."""
        if not hasattr(node, "lineno"):
            raise NotImplementedError(type(node).__name__)
        number = self.say(node, Kind.ASSIGN, frame, value, [*sources, *self.guards(frame)], name)
        frame.home(name).names[name] = value, number

    def assign(self, target: ast.expr, traced: Traced, frame: Frame) -> None:
        """Assign to a target of any kind."""
        value, number = traced
        if isinstance(target, ast.Name):
            self.bind(target.id, value, [Source(number, Role.VALUE, same=True)], target, frame)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, traced, frame)
        else:
            self.store(target, self.place(target, frame), traced, frame)

    def _unpack(self, targets: list[ast.expr], traced: Traced, frame: Frame) -> None:
        if any(isinstance(one, ast.Starred) for one in targets):
            raise NotImplementedError("starred target")
        before, self._ran = self._ran, []
        values = list(traced[0])
        ran = [Source(number, Role.OPERAND) for number in self._ran]
        self._ran = before
        if len(values) != len(targets):
            raise ValueError(f"expected {len(targets)} values to unpack")
        for at, (target, value) in enumerate(zip(targets, values, strict=True)):
            known = self.element(traced[0], repr(at)) if isinstance(traced[0], COPIES) else []
            sources = [Source(traced[1], Role.COLLECTION), *known, *ran]
            if at == 0 and (first := self._counted.get(self.thing(traced[0]))) is not None:
                # A position, which comes of counting alone.
                sources = [Source(first, Role.OPERAND)] if first else []
            number = self.say(target, Kind.ACCESS, frame, value, sources, repr(at))
            self.assign(target, (value, number), frame)

    def place(self, target: ast.expr, frame: Frame) -> tuple[Traced, Any, list[Source], str]:
        """The container and key of a subscript or attribute, with their sources and the key's name."""
        if isinstance(target, ast.Attribute):
            container = self.expression(target.value, frame)
            return container, target.attr, [Source(container[1], Role.COLLECTION)], f".{target.attr}"
        assert isinstance(target, ast.Subscript)
        container = self.expression(target.value, frame)
        sources = [Source(container[1], Role.COLLECTION)]
        if isinstance(target.slice, ast.Slice):
            parts: list[Any] = []
            for one in (target.slice.lower, target.slice.upper, target.slice.step):
                traced = (None, 0) if one is None else self.expression(one, frame)
                parts.append(traced[0])
                sources += [Source(traced[1], Role.KEY)] if one is not None else []
            shown = ["" if part is None else repr(part) for part in parts]
            return container, slice(*parts), sources, ":".join(shown if shown[2] else shown[:2])
        key, number = self.expression(target.slice, frame)
        sources.append(Source(number, Role.KEY))
        if isinstance(container[0], (list, tuple, range)) and isinstance(key, int) and key < 0:
            return container, key, sources, repr(key + len(container[0]))
        return container, key, sources, repr(key)

    def access(self, node: ast.expr, place: tuple[Traced, Any, list[Source], str], frame: Frame) -> Traced:
        """Read a subscript or attribute."""
        (container, _), key, sources, name = place
        if isinstance(node, ast.Attribute):
            value = getattr(container, key)
            known = self.element(container, name) or self._of_class(container, name)
            return value, self.say(node, Kind.ACCESS, frame, value, [*sources, *known], name)
        value = container[key]
        if isinstance(key, slice) and isinstance(container, COPIES):
            held = self.members.get(self.thing(container), {})
            for at, old in enumerate(range(len(container))[key]):
                if repr(old) in held:
                    sources = [*sources, Source(held[repr(old)], Role.MEMBER, repr(at))]
        else:
            sources = [*sources, *self.element(container, name)]
        return value, self.say(node, Kind.ACCESS, frame, value, sources, name)

    def _of_class(self, container: Any, name: str) -> list[Source]:
        for one in type(container).__mro__:
            if id(one) in self._things and (found := self.element(one, name)):
                return found
        return []

    def store(
        self, target: Any, place: tuple[Traced, Any, list[Source], str], traced: Traced, frame: Frame
    ) -> None:
        """Write a subscript or attribute."""
        (container, _), key, sources, name = place
        value, number = traced
        gone = (
            list(range(len(container))[key]) if isinstance(key, slice) and isinstance(container, list) else []
        )
        length = len(container) if isinstance(container, list) else 0
        held = self.members.get(self.thing(value), {}) if isinstance(value, COPIES) else {}
        puts = [(at, held.get(repr(at))) for at in range(len(value) if isinstance(value, COPIES) else 0)]
        was = isinstance(container, dict) and key in container
        if isinstance(target, ast.Attribute):
            setattr(container, key, value)
        else:
            container[key] = value
        sliced = isinstance(key, slice)
        went_in = Source(number, Role.OPERAND if sliced else Role.VALUE, same=not sliced)
        by = self.say(target, Kind.PART, frame, value, [*sources, went_in, *self.guards(frame)], name)
        if not sliced:
            if isinstance(container, dict):
                of = next(source.evaluation for source in sources if source.role is Role.KEY)
                self._keyed(container, was, name, of)
            self.change(by, container, How.PUT, name, by)
            return
        if not isinstance(container, list):
            raise NotImplementedError("assignment to a slice of what is no list")
        if key.step not in (None, 1):
            for at, member in puts:
                self.change(by, container, How.PUT, repr(gone[at]), member)
            return
        start = key.indices(length)[0]
        self._take_out(by, container, gone, length)
        for at, member in puts:
            how = How.PUT if len(gone) == length else How.INSERT
            self.change(by, container, how, repr(start + at), member)

    def _take_out(self, by: int, container: list[Any], gone: list[int], length: int) -> None:
        if gone and len(gone) == length:
            self.change(by, container, How.CLEAR)
        for at in sorted(gone, reverse=True) if len(gone) < length else ():
            self.change(by, container, How.REMOVE, repr(at))

    # -- expressions -----------------------------------------------------------------------------------------

    def expression(self, node: ast.expr, frame: Frame) -> Traced:
        """Evaluate an expression."""
        method = getattr(self, f"x_{type(node).__name__}", None)
        if method is None:
            raise NotImplementedError(type(node).__name__)
        found: Traced = method(node, frame)
        return found

    def x_Constant(self, node: ast.Constant, frame: Frame) -> Traced:
        return node.value, self.say(node, Kind.LITERAL, frame, node.value, [])

    def x_Name(self, node: ast.Name, frame: Frame) -> Traced:
        home = frame.find(node.id)
        if home is not None:
            return home.names[node.id]
        try:
            value = getattr(builtins, node.id)
        except AttributeError:
            raise NameError(f"name {node.id!r} is not defined") from None
        return value, self.say(node, Kind.NAME, frame, value, [], node.id)

    def x_NamedExpr(self, node: ast.NamedExpr, frame: Frame) -> Traced:
        traced = self.expression(node.value, frame)
        home = frame
        self.bind(node.target.id, traced[0], [Source(traced[1], Role.VALUE, same=True)], node.target, home)
        return home.home(node.target.id).names[node.target.id]

    def operation(self, node: ast.expr, frame: Frame, value: Any, operands: list[Traced]) -> Traced:
        """Write an operation down."""
        sources = [Source(number, Role.OPERAND) for _, number in operands]
        if isinstance(value, list) and len(operands) == 2:
            left, right = operands[0][0], operands[1][0]
            if (
                isinstance(right, list)
                and isinstance(left, list)
                and isinstance(getattr(node, "op", 0), ast.Add)
            ):
                sources += self.all_members(left)
                sources += [
                    one._replace(name=repr(int(str(one.name)) + len(left))) for one in self.all_members(right)
                ]
            elif isinstance(left, list) and isinstance(right, int):
                for at in range(right):
                    sources += [
                        one._replace(name=repr(int(str(one.name)) + at * len(left)))
                        for one in self.all_members(left)
                    ]
        if isinstance(value, dict) and isinstance(getattr(node, "op", 0), ast.BitOr):
            both = [self.thing(operand) for operand, _ in operands]
            held = {**self.members.get(both[0], {}), **self.members.get(both[1], {})}
            sources += [Source(number, Role.MEMBER, str(key)) for key, number in held.items()]
            self.keys[self.thing(value)] = {**self.keys.get(both[1], {}), **self.keys.get(both[0], {})}
        return value, self.say(node, Kind.OPERATION, frame, value, sources)

    def x_BinOp(self, node: ast.BinOp, frame: Frame) -> Traced:
        operands = [self.expression(node.left, frame), self.expression(node.right, frame)]
        value = OPERATORS[type(node.op)](operands[0][0], operands[1][0])
        return self.operation(node, frame, value, operands)

    def x_UnaryOp(self, node: ast.UnaryOp, frame: Frame) -> Traced:
        operand = self.expression(node.operand, frame)
        return self.operation(node, frame, OPERATORS[type(node.op)](operand[0]), [operand])

    def x_Compare(self, node: ast.Compare, frame: Frame) -> Traced:
        operands = [self.expression(node.left, frame)]
        value: Any = True
        ran: list[Traced] = []
        for sign, right in zip(node.ops, node.comparators, strict=True):
            operands.append(self.expression(right, frame))
            before, self._ran = self._ran, []
            value = OPERATORS[type(sign)](operands[-2][0], operands[-1][0])
            ran += [(None, number) for number in self._ran]
            self._ran = before
            if not value:
                break
        return self.operation(node, frame, value, [*operands, *ran])

    def x_BoolOp(self, node: ast.BoolOp, frame: Frame) -> Traced:
        sources: list[Source] = []
        value: Any = None
        for one in node.values:
            value, number = self.expression(one, frame)
            sources.append(Source(number, Role.OPERAND))
            if bool(value) is isinstance(node.op, ast.Or):
                break
        sources[-1] = sources[-1]._replace(same=True)
        return value, self.say(node, Kind.OPERATION, frame, value, sources)

    def x_IfExp(self, node: ast.IfExp, frame: Frame) -> Traced:
        test, number = self.expression(node.test, frame)
        value, chosen = self.expression(node.body if test else node.orelse, frame)
        sources = [Source(number, Role.GUARD), Source(chosen, Role.OPERAND, same=True)]
        return value, self.say(node, Kind.OPERATION, frame, value, sources)

    def x_JoinedStr(self, node: ast.JoinedStr, frame: Frame) -> Traced:
        operands: list[Traced] = []
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += part.value
                continue
            assert isinstance(part, ast.FormattedValue)
            operands.append(self.expression(part.value, frame))
            shown = operands[-1][0]
            convert = {115: str, 114: repr, 97: ascii}.get(part.conversion)
            shown = convert(shown) if convert else shown
            wanted = "" if part.format_spec is None else self.expression(part.format_spec, frame)[0]
            text += format(shown, wanted)
        return self.operation(node, frame, text, operands)

    def parts(self, nodes: list[ast.expr], frame: Frame) -> tuple[list[Any], list[Source]]:
        """The values of a list's or tuple's parts, and the sources that they are."""
        values: list[Any] = []
        sources: list[Source] = []
        for one in nodes:
            if isinstance(one, ast.Starred):
                many, number = self.expression(one.value, frame)
                known = self.all_members(many) if isinstance(many, COPIES) else []
                sources += [Source(number, Role.COLLECTION)]
                sources += [
                    member._replace(name=repr(len(values) + int(str(member.name)))) for member in known
                ]
                values += many
            else:
                value, number = self.expression(one, frame)
                sources.append(Source(number, Role.MEMBER, repr(len(values))))
                values.append(value)
        return values, sources

    def x_List(self, node: ast.List, frame: Frame) -> Traced:
        values, sources = self.parts(node.elts, frame)
        return values, self.say(node, Kind.DEFINITION, frame, values, sources)

    def x_Tuple(self, node: ast.Tuple, frame: Frame) -> Traced:
        values, sources = self.parts(node.elts, frame)
        made = tuple(values)
        return made, self.say(node, Kind.DEFINITION, frame, made, sources)

    def x_Set(self, node: ast.Set, frame: Frame) -> Traced:
        values, sources = self.parts(node.elts, frame)
        made = set(values)
        named = [source._replace(name=None) for source in sources]
        return made, self.say(node, Kind.DEFINITION, frame, made, named)

    def x_Dict(self, node: ast.Dict, frame: Frame) -> Traced:
        made: dict[Any, Any] = {}
        keys: dict[str, int] = {}
        sources: list[Source] = []
        for key, one in zip(node.keys, node.values, strict=True):
            if key is None:
                more, number = self.expression(one, frame)
                made |= more
                held = self.members.get(self.thing(more), {})
                sources.append(Source(number, Role.COLLECTION))
                sources += [Source(held[repr(k)], Role.MEMBER, repr(k)) for k in more if repr(k) in held]
                for k, of in self.keys.get(self.thing(more), {}).items():
                    keys.setdefault(k, of)
                continue
            known, at = self.expression(key, frame)
            value, number = self.expression(one, frame)
            made[known] = value
            keys.setdefault(repr(known), at)
            sources += [Source(at, Role.KEY), Source(number, Role.MEMBER, repr(known))]
        self.keys[self.thing(made)] = keys
        return made, self.say(node, Kind.DEFINITION, frame, made, sources)

    def x_Subscript(self, node: ast.Subscript, frame: Frame) -> Traced:
        return self.access(node, self.place(node, frame), frame)

    def x_Attribute(self, node: ast.Attribute, frame: Frame) -> Traced:
        return self.access(node, self.place(node, frame), frame)

    def x_Lambda(self, node: ast.Lambda, frame: Frame) -> Traced:
        made = self.function(node, "<lambda>", frame)
        return made, self.say(node, Kind.DEFINITION, frame, made, [])

    def x_ListComp(self, node: ast.ListComp, frame: Frame) -> Traced:
        found = list(self.comprehended(node.elt, node.generators, frame))
        values = [value for value, _ in found]
        sources = [Source(number, Role.MEMBER, repr(at)) for at, (_, number) in enumerate(found)]
        return values, self.say(node, Kind.DEFINITION, frame, values, sources)

    def x_SetComp(self, node: ast.SetComp, frame: Frame) -> Traced:
        found = list(self.comprehended(node.elt, node.generators, frame))
        sources = [Source(number, Role.MEMBER) for _, number in found]
        made = {value for value, _ in found}
        return made, self.say(node, Kind.DEFINITION, frame, made, sources)

    def x_DictComp(self, node: ast.DictComp, frame: Frame) -> Traced:
        made: dict[Any, Any] = {}
        members: dict[str, int] = {}
        keys = self.keys[self.thing(made)] = {}
        for (key, of), (value, number) in self.comprehended((node.key, node.value), node.generators, frame):
            made[key] = value
            members[repr(key)] = number
            keys.setdefault(repr(key), of)
        sources = [Source(number, Role.MEMBER, name) for name, number in members.items()]
        return made, self.say(node, Kind.DEFINITION, frame, made, sources)

    def comprehended(
        self, node: ast.expr | tuple[ast.expr, ast.expr], clauses: list[ast.comprehension], frame: Frame
    ) -> Iterator[Any]:
        """What a comprehension gives, one after the other; of a dict's pairs, both."""
        inside = Frame(frame.activation, "function", frame, set())
        inside.guards = list(frame.guards)
        yield from self._clauses(node, clauses, inside, frame)

    def _clauses(
        self,
        node: ast.expr | tuple[ast.expr, ast.expr],
        clauses: list[ast.comprehension],
        inside: Frame,
        outside: Frame,
    ) -> Iterator[Any]:
        if not clauses:
            if isinstance(node, tuple):
                yield self.expression(node[0], inside), self.expression(node[1], inside)
            else:
                yield self.expression(node, inside)
            return
        for traced in self.items(clauses[0].iter, clauses[0].target, outside):
            self.assign(clauses[0].target, traced, inside)
            if all(self.expression(test, inside)[0] for test in clauses[0].ifs):
                yield from self._clauses(node, clauses[1:], inside, inside)

    # -- calls -----------------------------------------------------------------------------------------------

    def x_Call(self, node: ast.Call, frame: Frame) -> Traced:
        receiver: Traced | None = None
        sources: list[Source] = []
        if isinstance(node.func, ast.Attribute):
            receiver = self.expression(node.func.value, frame)
            function = getattr(receiver[0], node.func.attr)
            role = Role.FUNCTION if isinstance(receiver[0], ModuleType) else Role.COLLECTION
            sources.append(Source(receiver[1], role))
        else:
            function, number = self.expression(node.func, frame)
            sources.append(Source(number, Role.FUNCTION))
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for one in node.args:
            value, number = self.expression(one.value if isinstance(one, ast.Starred) else one, frame)
            if isinstance(one, ast.Starred):
                known = (
                    {source.name: source for source in self.all_members(value)}
                    if isinstance(value, COPIES)
                    else {}
                )
                for at, part in enumerate(value):
                    source = known.get(repr(at))
                    sources.append(Source(source.evaluation if source else number, Role.ARGUMENT))
                    positional.append(part)
            else:
                sources.append(Source(number, Role.ARGUMENT))
                positional.append(value)
        for word in node.keywords:
            if word.arg is None:
                raise NotImplementedError("**")
            value, number = self.expression(word.value, frame)
            sources.append(Source(number, Role.ARGUMENT, word.arg))
            named[word.arg] = value
        return self._call(node, function, receiver, positional, named, sources, frame)

    def _call(
        self,
        node: ast.Call,
        function: Any,
        receiver: Traced | None,
        positional: list[Any],
        named: dict[str, Any],
        sources: list[Source],
        frame: Frame,
    ) -> Traced:
        given = [*positional, *named.values(), *([receiver[0]] if receiver else [])]
        changeable = {id(one): one for one in given if isinstance(one, (list, dict, set, deque))}
        before = [(one, _snapshot(one)) for one in changeable.values()]
        self._called, self._result = (sources, frame), None
        first = self._activations
        value = function(*positional, **named)
        self._called = None
        self._goes_through(function, receiver, value, positional, sources)
        result, self._result = self._result, None
        followed = result is not None and result[0] is value
        if result is not None and followed:
            sources = [*sources, Source(result[1], Role.RESULT, same=True)]
        else:
            more = self._given(function, receiver, positional, value, sources)
            if function is next and more:
                sources = [one._replace(role=Role.ITERABLE) for one in sources[:2]] + sources[2:]
            sources = [*sources, *more]
        held = self.thing(receiver[0]) if receiver else 0
        old = dict(self.members.get(held, {}))
        number = self.say(node, Kind.CALL, frame, value, sources)
        if self._activations > first and result is not None:
            self._calls[first + 1] = number
        arguments = [source.evaluation for source in sources if source.role is Role.ARGUMENT]
        for thing, was in before if not followed else ():
            updated = (
                receiver is not None and thing is receiver[0] and not any(thing is one for one in positional)
            )
            if was != _snapshot(thing) or (updated and getattr(function, "__name__", "") == "update"):
                name = getattr(function, "__name__", "") if receiver and thing is receiver[0] else ""
                self._changed(number, thing, was, name, positional, arguments, old)
        return value, number

    def _goes_through(
        self,
        function: Any,
        receiver: Traced | None,
        value: Any,
        positional: list[Any],
        sources: list[Source],
    ) -> None:
        """Keep what an iterator or a view that a call gave goes through, and the keys of a copied dict."""
        name = getattr(function, "__name__", "")
        given = [source.evaluation for source in sources if source.role is Role.ARGUMENT]
        if function in (zip, enumerate, reversed, chain):
            self._kept.append(value)  # so that no other object gets its id
            self._ways[id(value)] = name, list(zip(positional, given, strict=True))
            self._taken[id(value)] = 0
            if function is reversed:
                self._ways[id(value)][1].append((None, len(positional[0]) - 1))
        elif receiver is not None and isinstance(receiver[0], dict) and name in ("items", "keys", "values"):
            self._kept.append(value)
            self._ways[id(value)] = name, [receiver]
        copied = receiver[0] if receiver is not None and name == "copy" else None
        copied = positional[0] if function is dict and positional else copied
        if isinstance(value, dict) and isinstance(copied, dict):
            self.keys[self.thing(value)] = dict(self.keys.get(self.thing(copied), {}))

    def _given(
        self, function: Any, receiver: Traced | None, positional: list[Any], value: Any, sources: list[Source]
    ) -> list[Source]:
        """What the value of a builtin's call is, or holds, where that is known."""
        name = getattr(function, "__name__", "")
        if function is next and id(positional[0]) in self._ways:
            parts = list(self._parts_at(self._at((positional[0], 0), 0), value))
            return [Source(one, Role.ELEMENT) for one in parts if one and one > 0]
        if (
            receiver is not None
            and isinstance(receiver[0], (list, dict))
            and name in ("pop", "get", "setdefault")
        ):
            key = positional[0] if positional else -1
            if isinstance(receiver[0], list):
                key = key if key >= 0 else key + len(receiver[0]) + 1
            return self.element(receiver[0], repr(key))
        copied = receiver[0] if receiver is not None and name == "copy" else None
        copied = positional[0] if function is dict and positional else copied
        if isinstance(copied, (list, dict)):
            held = self.members.get(self.thing(copied), {})
            return [Source(number, Role.MEMBER, str(key)) for key, number in held.items()]
        if function is list and positional and id(positional[0]) in self._ways:
            found = [self._at((positional[0], 0), at) for at in range(len(value))]
            for one, part in zip(found, value, strict=True):
                list(self._parts_at(one, part))
            return [
                Source(one, Role.MEMBER, repr(at)) for at, one in enumerate(found) if isinstance(one, int)
            ]
        if (
            function in COPIES
            and positional
            and isinstance(positional[0], COPIES)
            and value is not positional[0]
        ):
            return self.all_members(positional[0])
        if self.thing(value):
            at = [source for source in sources if source.role is Role.ARGUMENT]
            for one, source in zip(positional, at, strict=False):
                if one is value:
                    return [Source(source.evaluation, Role.VALUE, same=True)]
        return []

    def _changed(
        self,
        by: int,
        thing: Any,
        was: list[Any],
        name: str,
        positional: list[Any],
        arguments: list[int],
        old: dict[Any, int],
    ) -> None:
        """Write down what a builtin did to a container."""
        length = len(was)
        if name in ("append", "add"):
            self.change(by, thing, How.PUT, repr(length) if name == "append" else None, arguments[0])
        elif name == "insert":
            at = min(max(positional[0] + (length if positional[0] < 0 else 0), 0), length)
            self.change(by, thing, How.INSERT, repr(at), arguments[1])
        elif name in ("pop", "remove") and isinstance(thing, list):
            at = was.index(positional[0]) if name == "remove" else (positional or [-1])[0]
            self.change(by, thing, How.REMOVE, repr(at + length if at < 0 else at))
        elif name == "setdefault":
            self._keyed(thing, False, repr(positional[0]), arguments[0])
            self.change(by, thing, How.PUT, repr(positional[0]), arguments[1] if len(arguments) > 1 else None)
        elif name == "extend":
            self._appended(by, thing, length, positional[0])
        elif isinstance(thing, dict):
            held = self.members.get(self.thing(positional[0]), {}) if positional and name == "update" else {}
            words = dict(zip(map(repr, thing), thing.values(), strict=True))
            gone = [key for key, _ in was if repr(key) not in words]
            for key in gone:
                self.change(by, thing, How.DELETE, repr(key))
            if name == "update":
                keys = self.keys.get(self.thing(positional[0]), {}) if positional else {}
                for key in positional[0] if positional else ():
                    self._keyed(
                        thing, any(repr(key) == repr(one) for one, _ in was), repr(key), keys.get(repr(key))
                    )
                    self.change(by, thing, How.PUT, repr(key), held.get(repr(key)))
        elif not len(thing):
            self.change(by, thing, How.CLEAR)
        elif isinstance(thing, (set, deque)):
            raise NotImplementedError(f"{type(thing).__name__}.{name}")
        else:
            self._moved(by, thing, was, old)

    def _moved(self, by: int, thing: list[Any], was: list[Any], old: dict[Any, int]) -> None:
        """A list was sorted or reversed: each goes to its new place, those that are equal in their order."""
        left = list(range(len(was)))
        self.change(by, thing, How.CLEAR)
        for at, value in enumerate(thing):
            found = next(place for place in left if was[place] is value)
            left.remove(found)
            self.change(by, thing, How.PUT, repr(at), old.get(repr(found)))

    def function(self, node: ast.FunctionDef | ast.Lambda, name: str, frame: Frame) -> Callable[..., Any]:
        """A real function that runs the body of a definition."""
        if any(isinstance(one, (ast.Yield, ast.YieldFrom, ast.Await)) for one in ast.walk(node)):
            raise NotImplementedError("generator")
        arguments = node.args
        defaults = [self.expression(one, frame) for one in arguments.defaults]
        keywords = [one and self.expression(one, frame) for one in arguments.kw_defaults]
        bound = _bound(node)
        prefix = "" if frame.kind == "module" else "<locals>."

        def run(*positional: Any, **named: Any) -> Any:
            called, self._called = self._called, None
            self._activations += 1
            inside = Frame(self._activations, "function", frame, bound)
            caller = called[1].activation if called else None
            begun = Activation(inside.activation, prefix + name, None, caller, self._number)
            self.events.append(begun)
            if called is None:
                self._calls.pop(inside.activation, None)
            at = (
                [source for source in called[0] if source.role in (Role.ARGUMENT, Role.COLLECTION)]
                if called
                else []
            )
            self._parameters(node, inside, (positional, named), at, (defaults, keywords))
            how = "raised"
            try:
                if isinstance(node, ast.Lambda):
                    value, number = self.expression(node.body, inside)
                    number = self.say(
                        node.body, Kind.RETURN, inside, value, [Source(number, Role.VALUE, same=True)]
                    )
                else:
                    self.body(node.body, inside)
                    value, number = None, self.say(node, Kind.RETURN, inside, None, [])
                how = "returned"
            except _Returned as returned:
                value, number = returned.traced
                how = "returned"
            finally:
                self.events.append(Ended(inside.activation, self._number, how))
            self._result = value, number
            if called is None:
                self._ran.append(number)
            return value

        run.__name__ = name
        return run

    def _parameters(
        self,
        node: ast.FunctionDef | ast.Lambda,
        frame: Frame,
        given: tuple[tuple[Any, ...], dict[str, Any]],
        sources: list[Source],
        defaults: tuple[list[Traced], list[Any]],
    ) -> None:
        """Bind the parameters of a function."""
        arguments, (positional, named) = node.args, given
        ordered = [*arguments.posonlyargs, *arguments.args]
        known = {source.name: source.evaluation for source in sources if source.name}
        unnamed: list[int | None] = [source.evaluation for source in sources if not source.name]
        if sources and len(unnamed) > len(positional):  # a receiver that is not passed
            unnamed = unnamed[len(unnamed) - len(positional) :]
        unnamed += [None] * (len(positional) - len(unnamed))
        first = len(ordered) - len(defaults[0])
        for at, one in enumerate(ordered):
            if at < len(positional):
                self._parameter(one, positional[at], unnamed[at], frame)
            elif one.arg in named:
                self._parameter(one, named[one.arg], known.get(one.arg), frame)
            elif at >= first:
                self._parameter(one, *defaults[0][at - first], frame)
            else:
                raise TypeError(f"missing argument {one.arg!r}")
        if arguments.vararg:
            rest = positional[len(ordered) :]
            told = [
                Source(number, Role.MEMBER, repr(at))
                for at, number in enumerate(unnamed[len(ordered) :])
                if number is not None
            ]
            self.bind(arguments.vararg.arg, rest, told, arguments.vararg, frame)
        elif len(positional) > len(ordered):
            raise TypeError(f"takes {len(ordered)} arguments")
        for one, default in zip(arguments.kwonlyargs, defaults[1], strict=True):
            if one.arg in named:
                self._parameter(one, named[one.arg], known.get(one.arg), frame)
            else:
                self._parameter(one, *default, frame)
        if arguments.kwarg:
            names = {one.arg for one in [*ordered, *arguments.kwonlyargs]}
            more = {key: value for key, value in named.items() if key not in names}
            told = [Source(known[key], Role.MEMBER, repr(key)) for key in more if key in known]
            self.bind(arguments.kwarg.arg, more, told, arguments.kwarg, frame)

    def _parameter(self, node: ast.arg, value: Any, number: int | None, frame: Frame) -> None:
        sources = [] if number is None else [Source(number, Role.VALUE, same=True)]
        self.bind(node.arg, value, sources, node, frame)


def _snapshot(thing: Any) -> Any:
    """What a container holds now."""
    return list(thing.items()) if isinstance(thing, dict) else list(thing)


def _bound(node: ast.FunctionDef | ast.Lambda) -> set[str]:
    """The names that the body of a function binds itself."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(node.body) if isinstance(node, ast.FunctionDef) else [node.body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (ast.FunctionDef, ast.ClassDef)):
            found.add(one.name)
            continue
        if isinstance(one, ast.Lambda):
            continue
        if isinstance(one, (ast.Global, ast.Nonlocal)):
            found.difference_update(one.names)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            found.add(one.id)
        if isinstance(one, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        waiting.extend(ast.iter_child_nodes(one))
    return found
