"""Functions, generators and coroutines of a replayed program: they run as the log tells that they ran."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.awaiting import Awaiting
from trilha.trace.defining import Making
from trilha.trace.evaluations import Activation, Ended, How, Kind, Role, Source
from trilha.trace.heap import (
    CLASS,
    GENERATOR,
    INSTANCE,
    Ref,
    Thing,
    Value,
    guard_sources,
    number_of,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.log import END
from trilha.trace.waiting import MOST_HANDED, TESTED, Astray, Call, Lost, Pausing, Thrown

__all__ = ["Activations", "Function"]

_LEAVING: Final = ("__exit__", "__aexit__")
_CLOSING: Final = ("close", "aclose")
"""Methods that managers of contextlib call when they are left."""


class Function:
    """A function of the program, as one execution of its definition made it."""

    __slots__ = ("binds", "defaults", "name", "place", "run")

    def __init__(self, place: int, name: str, run: Any, defaults: dict[str, Value]) -> None:
        self.place, self.name, self.run, self.defaults = place, name, run, defaults
        self.binds = "instance"
        """What a method gets first: "instance", "class", or "nothing"."""


class Activations(Awaiting):
    """What begins and ends activations; a part of `trilha.trace.replay.Replay`."""

    def _nested(self) -> None:
        self.past_fork()
        kind = self.kind
        if kind == words.ENTER:
            self._enter()
        elif kind == words.BEGIN:
            self._begin()
        elif kind == words.RESUME:
            self._resume()
        elif kind == words.NEXT:
            self._next()
        elif kind == words.FINISHED:
            self._finished(self._handler_act)
        elif kind == words.RAISED and self._handler_act in self._pausing:
            self._go_on(self._pausing[self._handler_act], self._handler_act, thrown=True)
        elif kind == words.RAISED:
            raise Thrown
        elif kind == END:
            raise self.over()
        else:
            path, line = self._place(self.site)
            raise Astray(f"a record ({words.KINDS[kind]}) of {path}:{line} that nothing waits for")

    # -- functions -------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        place = self.site
        known = self._functions.get(place)
        if known is None:
            self._enter_module(place)
            return
        lane = self.lane
        self.settle_executed(lane)
        before, executes = lane.call, self.executes(lane)
        if executes:
            lane.call = None  # The one that went on when the process was forked.
        function, values = self._called(place, known, lane.call)
        activation = self._activation(known[0])
        lane.depth += 1
        try:
            self._advance()
            parameters = self._parameters(place, known, function, values, activation)
            if executes:
                self.given(lane, parameters)
            self._run(place, activation, function, parameters)
        finally:
            lane.depth -= 1
            lane.call = before
            self.settle_giving(lane)

    def _run(self, place: int, activation: int, function: Function, parameters: list[Value]) -> None:
        lane = self.lane
        before = lane.activation, lane.pausing, lane.call, lane.lazy, lane.unguarded
        lane.activation, lane.pausing, lane.call, lane.lazy = activation, 0, None, None
        lane.unguarded = isinstance(self._nodes.get(place), ast.Lambda)
        how = "lost"
        try:
            lane.result = function.run(*parameters)
            if self.is_cut():
                raise self.at_cut()
            if self.executes(lane, 1) or (lane.depth == 1 and not before[0]):
                self.gave(lane, lane.result)
            if self.kind == words.RAISED and self._is_leaving(place):
                self._advance()
                raise Thrown
            how = "returned"
        except (Thrown, NameError):
            how = "raised"
            self._left(place)
            raise Thrown from None
        finally:
            lane.activation, lane.pausing, lane.call, lane.lazy, lane.unguarded = before
            self._end(activation, how)
        self._hand(lane.result)

    def last_begun(self) -> int:
        """The number of the generator or coroutine that began last."""
        return self._newest

    def jumps(self, at: int, entered: range) -> None:
        """A ``break``, ``continue`` or ``return`` leaves a ``with``: follow what its managers run then.

        Nothing is told behind that, and what runs next may be of what comes after.

        Args:
            at: number of the ``with``.
            entered: of the generators and coroutines that began when its managers were entered.
        """
        lane, node, leaving = self.lane, self._nodes[at], -1
        before, lane.call = lane.call, Call(0, "__exit__", None, ())
        try:
            while self._is_other():
                if not (leaving in self._pausing or self._is_of_managers(node, entered)):
                    break
                kind, resumed = self.kind, self._handler_act
                self._beside()
                if isinstance(node, ast.AsyncWith) and leaving not in self._pausing:
                    # It may wait, while others go on.
                    leaving = {words.BEGIN: self._newest, words.RESUME: resumed}.get(kind, -1)
        finally:
            lane.call = before
        if self.is_cut():
            raise self.at_cut()
        if self.kind == words.RAISED and self._handler_act == lane.pausing and self._manages(node, self.stop):
            raise Thrown

    def _is_of_managers(self, node: Any, entered: range) -> bool:
        """Whether what comes next is run by the managers of a ``with`` that is left."""
        if self.kind == words.RESUME:
            return self._handler_act in entered
        if self.kind not in (words.ENTER, words.BEGIN):
            return self.kind != words.NEXT
        if self.kind == words.ENTER and self.within != -1:
            return self._manages(node, self.within)
        known = self._functions.get(self.site)
        name = known[0].rpartition(".")[2] if known is not None else ""
        return name in _LEAVING or (name in _CLOSING and any(_closes(one.context_expr) for one in node.items))

    def _manages(self, node: Any, part: int) -> bool:
        """Whether a part of a text is where managers are left: all of the ``with``, or what gave one."""
        found = self._nodes.get(part)
        return found is not None and (found is node or any(found is one.context_expr for one in node.items))

    def _hand(self, value: Value, *generators: Thing) -> None:
        """What ran of the program gave a value to what goes on: to code that is not traced, perhaps.

        What a generator gave is known as its member to what was given the generator itself.
        """
        call = self.lane.call
        if call is None or call.called or not number_of(value):
            return
        given = [call.target, *(one for _, one in call.arguments)]
        if not any(thing_of(one) is generator for one in given for generator in generators):
            # Of very many it matters only that they were, not what is in them.
            call.handed.append(value if len(call.handed) < MOST_HANDED else number_of(value))
        elif len(call.yielded) <= MOST_HANDED:
            call.yielded.append(value)

    def _is_leaving(self, place: int) -> bool:
        return self.site == place and self._handler_act == self.lane.pausing

    def _left(self, place: int) -> None:
        """An exception left a function, which told so, unless it is a lambda."""
        if isinstance(self._nodes.get(place), ast.Lambda):
            return
        self._settle()
        if self.kind == words.RAISED and self.site == place:
            self._advance()

    def _end(self, activation: int, how: str) -> None:
        if self._open.pop(activation, None) is not None:
            value, checkpoint = self.lane.raised
            if how == "raised" and checkpoint == self.clock:
                self.lane.raised = value, checkpoint + 1
            values, checkpoint = self.lane.failed
            if how == "raised" and checkpoint == self.clock:
                self.lane.failed = values, checkpoint + 1
            self._sink(Ended(activation, self._tick(), how))

    def _enter_module(self, place: int) -> None:
        module = self._module_of(place)
        if module is None:
            raise Lost("a function of an unknown module begins")
        base, count, shadow, names = module
        if place != base + count - 1:
            raise Lost(f"an unknown function of {shadow.path} begins")
        defined: dict[str, Any] = {}
        exec(shadow.code, defined)  # noqa: S102 -- made from the syntax tree, of names and numbers alone
        activation = self._activation(shadow.name)
        self._advance()
        function = Function(place, shadow.name, lambda: defined["shadow"](self, names), {})
        self._run(place, activation, function, [])

    def _activation(self, name: str) -> int:
        lane = self.lane
        self._last_activation += 1
        if lane.call is not None and not lane.call.activation:
            lane.call.activation = self._last_activation
        begun = Activation(
            self._last_activation, name, None, lane.activation or None, self._tick(), lane.number
        )
        self._open[self._last_activation] = name
        self._sink(begun)
        return self._last_activation

    def _called(self, place: int, known: Any, call: Call | None = None) -> tuple[Function, list[Value]]:
        """The function that begins, and what its parameters are as the log has them."""
        cell = self._reference(0) if known[6] else None
        thing = thing_of(cell)
        made = thing.parts.get(f"function {place}") if thing is not None else None
        if made is None:
            made = self._made.get(place)
        if made is None:
            raise Lost(f"{known[0]} begins, which was not seen defined")
        given = self._unmet_given(place, known, made, call)
        return made, [self._parameter(given.get(name)) for name in known[1]]

    def _parameter(self, value: Value) -> Value:
        """What a parameter is, as the log has it; of what has no identity there, that it is an object."""
        got = self.met(value)
        thing = thing_of(got) or self.untracked()
        return got if thing is None else Ref(number_of(got), thing)

    def _parameters(
        self,
        place: int,
        known: Any,
        function: Function,
        values: list[Value],
        activation: int,
        *calls: Call,
    ) -> list[Value]:
        """State what the parameters are bound to; gives their evaluations.

        That is by the call that goes on, or one of `calls` which made a generator; in a thread by the call
        that was given the function.
        """
        results: tuple[Source, ...] = ()
        if not calls and self.lane.call is not None:
            calls = (self.lane.call,)
        elif not calls and self.lane.number:
            calls = tuple(self.task_calls(place))
            results = self.results_given(calls)
        bound: dict[str, tuple[Source, ...]] = {}
        for call in calls:
            direct = self._is_direct(call, place, known, function)
            if isinstance(call, Making):
                more = call.bound(known, function.name)
            elif direct is not None and not call.called:
                call.called = True
                _begin_instance(thing_of(call.target), function, values)
                more = self._bound(known, function, call, direct)
            elif call.target is None and call.method in _LEAVING:
                more = {}  # What a manager calls when it is left is not told of the exception.
            else:
                more = self._guessed(known, values, call)
            bound = {name: _either(bound.get(name, ()), more.get(name, ())) for name in known[1]}
        found = []
        outer = self.lane.activation
        self.lane.activation = activation
        for order, (name, value) in enumerate(zip(known[1], values, strict=True)):
            sources, thing = (*bound.get(name, ()), *results), thing_of(value)
            found.append(self._evaluation(place, Kind.ASSIGN, sources, thing, name=name, order=order))
        self.lane.activation = outer
        return found

    def _is_direct(self, call: Call, place: int, known: Any, function: Function) -> list[Value] | None:
        """What comes before the arguments if the call is one of this very function; None if it is not."""
        target = thing_of(call.target)
        if call.method is None:
            if target is None:
                return None
            if target.function is not None and target.function.place == place:
                return []
            if target.kind == CLASS and known[5] and function.name == "__init__":
                return [None]
            if known[5] and function.binds != "instance":
                return None
            return [call.target] if known[5] and function.name == "__call__" else None
        if known[5] and function.name == call.method:
            if function.binds != "instance":
                return [call.target] if function.binds == "class" else []
            is_class = target is not None and target.kind == CLASS
            return [] if is_class else [call.target]
        found = target.member(f".{call.method}") if target is not None else None
        inner = thing_of(found)
        return [] if inner is not None and inner.function is function else None

    def _unmet_given(self, place: int, known: Any, function: Function, call: Call | None) -> dict[str, Value]:
        """What a call binds to the parameters of a function that is an object which the log has not met."""
        if call is None or not any(type(one) is Ref and one.thing.unmet for _, one in call.arguments):
            return {}
        first = self._is_direct(call, place, known, function)
        if first is None or call.called:
            return {}
        named = {word: value for word, value in call.arguments if word is not None}
        plain: list[Value] = [*first]
        for word, value in call.arguments:
            if isinstance(value, tuple):
                break
            if word is None:
                plain.append(value)
        return {**dict(zip(known[2], plain, strict=False)), **named}

    @staticmethod
    def _bound(
        known: Any, function: Function, call: Call, first: list[Value]
    ) -> dict[str, tuple[Source, ...]]:
        """Which argument goes to which parameter."""
        _, names, positional, star, stars, *_ = known
        found: dict[str, tuple[Source, ...]] = {}
        place, unsure = 0, []
        plain: list[Value] = [*first]
        for word, value in call.arguments:
            if isinstance(value, tuple):
                unsure.append(value[0])
            elif word is None and not unsure:
                plain.append(value)
            elif word in names:
                found[word] = (Source(number_of(value), Role.VALUE, None, True),)
            elif stars:
                found[stars] = (*found.get(stars, ()), Source(number_of(value), Role.MEMBER, word))
        for value in plain:
            if place < len(positional):
                if number_of(value):
                    found[positional[place]] = (Source(number_of(value), Role.VALUE, None, True),)
                place += 1
            elif star:
                found[star] = (*found.get(star, ()), Source(number_of(value), Role.MEMBER))
        for name in names:
            if name in found or (first and positional and name == positional[0]):
                continue
            if unsure:
                found[name] = tuple(Source(number_of(one), Role.COLLECTION) for one in unsure)
                found[name] += sources_of((function.defaults.get(name),), Role.VALUE)
            elif name in function.defaults:
                found[name] = (Source(number_of(function.defaults[name]), Role.VALUE, None, True),)
        return {name: tuple(one for one in made if one.evaluation) for name, made in found.items()}

    def _guessed(self, known: Any, values: list[Value], call: Call) -> dict[str, tuple[Source, ...]]:
        """For a function that something untraced calls: its parameters are from what that was given."""
        given = [one[0] if isinstance(one, tuple) else one for _, one in call.arguments]
        given.append(call.target)
        found = {}
        for name, value in zip(known[1], values, strict=True):
            thing = thing_of(value)
            if call.rows and thing is not None:
                thing.be_row(call.rows)
            same = [one for one in given if thing is not None and thing_of(one) is thing]
            chosen = same[:1] or [one for one in given if number_of(one)]
            sources = [Source(number_of(one), Role.VALUE, None, bool(same)) for one in chosen]
            found[name] = tuple(one for one in sources if one.evaluation)
        return found

    # -- generators ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        place, key = self.site, self._log.number()
        known = self._functions.get(place)
        if known is None:
            raise Lost("an unknown generator begins")
        last = self._last_thing
        function, values = self._called(place, known)
        activation = self._activation(known[0])
        self._advance()
        things, calls = self._begun(place, known, function, values)
        given = self._unmet_given(place, known, function, calls[0]) if len(calls) == 1 else {}
        for name, value in zip(known[1], values, strict=True):
            self.same(given.get(name), value, last)
        parameters = self._parameters(place, known, function, values, activation, *calls)
        pausing = self._pausing[key] = Pausing(function.run(*parameters), activation, things)
        self._newest = key
        self._go_on(pausing, key)

    def _begun(
        self, place: int, known: Any, function: Function, values: list[Value]
    ) -> tuple[list[Thing], list[Call]]:
        """What the generator or coroutine that begins may be, and the calls that may have made it."""
        waiting = self._unbegun.values()
        found = [one for one in waiting if self._may_be(one.call, place, known, function, values)]
        for one in found:
            self._unbegun[one.thing.number] = one._replace(gap=None)
        for one in found:
            one.call.called = False
        if len(found) == 1:
            del self._unbegun[found[0].thing.number]
        return [one.thing for one in found], [one.call for one in found]

    def _may_be(self, call: Call, place: int, known: Any, function: Function, values: list[Value]) -> bool:
        """Whether a call can be the one of a function whose parameters are bound to these values."""
        first = self._is_direct(call, place, known, function)
        if first is None:
            return False
        given = [*first]
        for word, value in call.arguments:
            if word is not None or isinstance(value, tuple):
                break
            given.append(value)
        pairs = zip(map(thing_of, given), map(thing_of, values[: len(known[2])]), strict=False)
        # What has no identity may be known on one side alone.
        return all(
            one is None or other is None or one is other or one.number < 0 or one.unmet
            for one, other in pairs
        )

    def _resume(self) -> None:
        key = self._handler_act
        call = self.lane.call
        sends = call is not None and call.method == "send" and call.arguments
        self.sent = self._reference(number_of(call.arguments[0][1]) if call is not None and sends else 0)
        pausing = self._pausing.get(key)
        if pausing is None:
            raise Lost("a generator goes on that was not seen to begin")
        pausing.resumed = self.site
        self._advance()
        self._go_on(pausing, key)

    def _go_on(self, pausing: Pausing, key: int, *, thrown: bool = False) -> None:
        lane = self.lane
        before = lane.activation, lane.pausing, lane.call, lane.lazy, lane.unguarded
        lane.activation, lane.pausing, lane.call, lane.lazy = pausing.activation, key, None, None
        lane.unguarded = False
        lane.has_given, lane.giver = False, None
        operands, lane.operands = lane.operands, pausing.operands
        place = -1
        try:
            if thrown:
                pausing.shadow.throw(Thrown())
            else:
                pausing.shadow.send(None)
        except StopIteration as end:
            if self.is_cut():
                raise self.at_cut() from None
            lane.result, lane.has_given = end.value, False
            for thing in pausing.things:
                before_it = self._came_to(Ref(0, thing)) or []
                thing.over = ("returned", [*before_it, end.value])
                if thing.kind != GENERATOR:  # Who takes the whole of one does not get this.
                    self._member(thing, end.value)
            if self.kind == words.RAISED and self._handler_act == key:
                self._advance()
            self._finished(key)
            self._end(pausing.activation, "returned")
        except (Thrown, NameError):
            while self.kind == words.RAISED and self._handler_act == key:
                place = self.site
                self._advance()
            self._end(pausing.activation, "raised")
            self._finished(key)
            lane.activation, lane.pausing, lane.call, lane.lazy, lane.unguarded = before
            if not thrown and (self.kind == words.RAISED or place == -1):
                raise Thrown from None
        finally:
            lane.activation, lane.pausing, lane.call, lane.lazy, lane.unguarded = before
            lane.operands = operands
        self._hand(lane.given if lane.has_given else lane.result, *pausing.things)

    def _finished(self, key: int) -> None:
        """A generator or coroutine told that it is finished, if it did."""
        if self.kind == words.FINISHED and self._handler_act == key:
            gone = self._pausing.pop(key, None)
            self._advance()
            if gone is not None:
                self._end(gone.activation, "returned")

    def _next(self) -> None:
        """A generator expression got its next item: its shadow makes one more element of it, or none."""
        thing = self._frame
        if thing is None:
            raise Lost("a generator expression goes on that is not known")
        shadow = thing.over
        if shadow is None:
            waiting = self._unstarted.get(self.site)
            if not waiting:
                raise Lost("a generator expression begins that was not seen")
            shadow = thing.over = waiting.pop(0)
        lane = self.lane
        giver: Any = lane.giver
        while giver is not None and giver is not shadow:
            giver = self._fed.get(giver)
        if giver is not None:
            # What it gave before, or what was made of that, to somebody that is not traced.
            lane.has_given = False
        before, lane.lazy = (lane.call, lane.lazy), shadow
        try:
            given = next(shadow)
        except StopIteration:
            raise Lost("a generator expression gave more than its shadow") from None
        finally:
            lane.call, lane.lazy = before
        if given is self:
            self.waiting = False
            return  # It made nothing of its item.
        lane.given, lane.has_given, lane.giver = given, True, shadow
        held = self._generators.get(shadow)
        self._hand(given, *([held] if held is not None else []))
        if held is not None:
            self._member(held, given)
            if held.kind != GENERATOR:  # An asynchronous one, of which loops ask what it gave.
                held.over = ("gave", given)

    def lazy(self, at: int, shadow: Iterator[Value]) -> Value:
        """A generator expression."""
        self._expect(words.RESULT, at)
        value = self._reference(0)
        self._advance()
        node: Any = self._nodes[at]
        module = self._module_of(at)
        assert module is not None
        clause = module[0] + node.generators[0].trilha
        self._unstarted.setdefault(clause, []).append(shadow)
        thing = thing_of(value)
        if thing is not None:
            self._generators[shadow] = thing
            if thing.kind == GENERATOR and any(one.ifs for one in node.generators):
                thing.over = TESTED, self._tests.setdefault(shadow, [])
        return self._evaluation(at, Kind.DEFINITION, (), thing)

    def give(self, at: int, value: Value, guards: tuple[Any, ...]) -> None:
        """``yield value``."""
        self.escapes(value)
        sources = same_source(value) + guard_sources(guards)
        made = self.lane.given = self._evaluation(at, Kind.RETURN, sources, thing_of(value))
        self.lane.has_given = True
        pausing = self._pausing.get(self.lane.pausing)
        for thing in pausing.things if pausing is not None else ():
            thing.over = ("gave", made)
            self._member(thing, made)

    def _member(self, generator: Thing, given: Value) -> None:
        """What a generator gave is a member of it: who takes the whole of it (``sum``) sees all of these."""
        if number_of(given):
            self.change(number_of(given), generator, How.PUT, None, given)


def _begin_instance(class_: Thing | None, function: Function, values: list[Value]) -> None:
    """Note whose instance an object is when its ``__init__`` begins, which may read what the class has."""
    own = thing_of(class_.member(".__init__")) if class_ is not None and class_.kind == CLASS else None
    made = thing_of(values[0]) if own is not None and own.function is function and values else None
    if made is not None and made.kind == INSTANCE and made.over is None:
        made.over = ("instance", [class_])


def _either(some: tuple[Source, ...], more: tuple[Source, ...]) -> tuple[Source, ...]:
    """Sources of what one of two calls gave; it is not known which."""
    if not some or some == more:
        return more
    return tuple(one._replace(same=False) for one in (*some, *(other for other in more if other not in some)))


def _closes(manager: ast.expr) -> bool:
    called = manager.func if isinstance(manager, ast.Call) else manager
    return getattr(called, "attr", getattr(called, "id", "")) in ("closing", "aclosing")
