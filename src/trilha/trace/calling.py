"""Calls of a replayed program: what runs of it meanwhile, what they change, and what they give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trilha.trace import log as words
from trilha.trace.among import choose_member, found_among
from trilha.trace.effects import AWAITING, IN_PLACE, PURE, WITH_EFFECT, Effects
from trilha.trace.evaluations import Gap, How, Kind, Role, Source
from trilha.trace.heap import (
    ARRAY,
    CLASS,
    DEQUE,
    DICT,
    FRAME,
    GENERATOR,
    INSTANCE,
    LIST,
    SET,
    TUPLE,
    Ref,
    Thing,
    Value,
    guard_sources,
    number_of,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.iterating import element_sources
from trilha.trace.namespaces import RUNS
from trilha.trace.sharing import WRITING, given_back
from trilha.trace.waiting import TESTED, Call, Unbegun

__all__ = ["Calls"]


class Calls(Effects):
    """What calls do; a part of `trilha.trace.replay.Replay`."""

    def receiver(self, at: int, value: Value) -> Value:
        """What a method is called on that may change it."""
        self._expect(words.RECEIVER, at)
        thing = thing_of(self.met(value)) or thing_of(value)
        self._advance()
        return value if thing is None else Ref(number_of(value), thing)

    def call(
        self,
        at: int,
        name: str,
        method: str | None,
        target: Value,
        arguments: Any,
        under: tuple[Value, ...] = (),
        on: Value = None,
    ) -> Value:
        """A call: what runs of the program meanwhile, what it changes, and what it gives.

        Args:
            at: number of the part of the text.
            name: of what is called.
            method: its name, if it is one.
            target: what is called, or that of which a method is.
            arguments: words and values.
            under: what decided about it.
            on: what a method of ``super()`` runs on.
        """
        lane = self.lane
        keys: tuple[str | None, ...] = ()
        given = []
        for word, value in arguments:
            if isinstance(value, tuple) and len(value) == 2:
                keys = (value[0],)
                given += [(word, one) for one in (value[1] or (None,))]
            else:
                given.append((word, value))
        before, lane.call = lane.call, Call(0, method, target, tuple(given))
        lane.result, lane.has_given = None, False
        call = lane.call
        call.under, call.on = under, on
        self.call_begins(at, call)
        self.given_away(name, call, before=True)
        call.rows = self.rows_given(at, call)
        for _, value in given:
            inner = thing_of(value)
            if inner is not None and inner.function is not None:
                self.gives_function(inner.function.place, call)
        try:
            self._expect(words.RESULT, at)
        finally:
            lane.call = before
        got = self._result(lane.result if call.called else given_back(name, call))
        self._advance()
        result, lane.result = lane.result, None
        call.number = self._tick()
        if call.activation:
            self._linked(call.activation, call.number)
        made = self._returned(at, name, call, got, result if call.called else None, keys)
        self.given_away(name, call, before=False)
        return made

    def _returned(
        self, at: int, name: str, call: Call, got: Value, result: Value, keys: tuple[str | None, ...]
    ) -> Value:
        thing, gave = thing_of(got), thing_of(result)
        if thing is None and gave is not None and gave.kind == TUPLE:
            thing = gave  # The log has no identity of a tuple.
        sources: list[Source] = []
        if number_of(call.target):
            role = Role.FUNCTION if call.method is None else Role.COLLECTION
            sources.append(Source(number_of(call.target), role))
        if number_of(call.on) and not call.called:
            sources.append(Source(number_of(call.on), Role.COLLECTION))
        for word, value in call.arguments:
            inner = value[0] if isinstance(value, tuple) else value
            if number_of(inner):
                same = not call.called and thing is not None and thing_of(inner) is thing
                sources.append(Source(number_of(inner), Role.ARGUMENT, word, same))
        decided = (*call.under, *(_left_out(call) if not call.called else ()))
        sources += guard_sources((decided,)) if decided else ()
        element = None
        held = thing_of(call.on or call.target)
        if not call.called and held is not None and held.kind == FRAME and call.method is not None:
            return self._returned_by_frame(at, call, got, sources, held)
        if not call.called:
            self._indirect(at, name, call)
        # A coroutine or generator of the program, which has not begun, may be called as methods of lists are.
        builtin = call.method is not None and not call.called and held is not None and not self._is_own(call)
        if builtin and held is not None and call.method is not None:
            element = self.taken(held, call.method, keys)
            if element is None and held.kind == SET:
                element = found_among(held, got)
        if name in RUNS and keys:
            sources += self.run_text(at, name, call, keys[0])
        if name == "getattr" and keys and not call.called and call.arguments:
            sources, element = self._attribute_sources(call, keys[0])
        taken = thing_of(element)
        if thing is None and taken is not None and taken.kind == TUPLE:
            thing = taken  # Likewise.
        if name == "next" and not call.called and self.is_taken_from(call):
            first, member = number_of(call.arguments[0][1]), self.next_of(call, got)
            sources = [
                one._replace(role=Role.ITERABLE) if one.evaluation == first else one for one in sources
            ]
            if member is not None:
                sources += element_sources(member)
                thing = thing or thing_of(member)
        keeper = self.keeper(call) if self.keeping else None
        if keeper is not None and not call.called:
            result = self.kept_by(keeper, thing)
            if not number_of(result):
                sources.append(Source(number_of(keeper), Role.OPERAND))
        elif not number_of(result):
            result = self._handed_out(name, call)
        if thing is not None and not call.called and not number_of(result) and element is None:
            element = choose_member(name, call, thing)
            if number_of(element):
                first = number_of(call.arguments[0][1])
                sources = [
                    one._replace(role=Role.ITERABLE) if one.evaluation == first else one for one in sources
                ]
                sources += sources_of(call.handed, Role.OPERAND)  # By what ran it was chosen.
        if number_of(result):
            sources.append(Source(number_of(result), Role.RESULT, None, thing is thing_of(result)))
        elif number_of(element):
            sources.append(Source(number_of(element), Role.ELEMENT, None, True))
        elif taken is not None and taken is thing:
            sources += element_sources(element)
        elif not call.called:
            sources += sources_of(call.handed, Role.OPERAND)
        if not call.called:
            members, thing = self.copied(name, call, thing)
            sources += members
        made_by = held if call.method is None and held is not None and held.kind == CLASS else None
        if made_by is not None and thing is not None and thing.kind == INSTANCE and thing.over is None:
            thing.over = ("instance", [made_by])
        begins = not call.called and thing is not None and self._may_begin(call, thing)
        made = self._evaluation(at, Kind.CALL, tuple(sources), thing, number=call.number)
        if keeper is not None and call.called:
            self.keep_result(keeper, call.number, made)
        elif keeper is not None:
            pass
        elif builtin and held is not None and call.method in WITH_EFFECT:
            self.effect(call.number, held, str(call.method), keys, call.arguments, made)
        elif begins and thing is not None:
            own = self._is_own(call)
            gap = None if own else self._unknown_effects(at, name, call, thing, keys)
            self._unbegun[thing.number] = Unbegun(thing, call, gap)
        elif not call.called and (gap := self._unknown_effects(at, name, call, thing, keys)) is not None:
            self._state_gap(gap)
            self.changes_unknown(call.number, [one for _, one in call.arguments])
        if not call.called:
            self.used_by_call(name, call, thing)
            first = call.arguments[0][1] if call.arguments and call.method is None else call.target
            self.views(name, call.method, thing_of(first), thing)
            self.lender_method(call.number, thing_of(call.target), call.method)
            self.note_keeper(name, thing, thing_of(first))
            self.forget_results(call)
            self.redirects(name, call, thing)
            self.printed(at, name, call)
        return made

    def _is_own(self, call: Call) -> bool:
        """Whether what is called is a function that is followed; as a generator it has done nothing yet."""
        target = thing_of(call.target)  # What `super()` gave is none that is known.
        if target is not None and call.method is not None:
            target = thing_of(target.member(f".{call.method}"))
        return target is not None and target.function is not None

    def _may_begin(self, call: Call, thing: Thing) -> bool:
        """Whether a call gave a generator or coroutine that has not begun."""
        target = thing_of(call.target)
        if thing.kind == GENERATOR or thing.number < 0:
            return thing.number > 0
        if call.method is not None:
            return thing.kind == INSTANCE and call.method in self.pausing_names
        return target is not None and target.function is not None and thing.kind == INSTANCE

    def _handed_out(self, name: str, call: Call) -> Value:
        """What a generator yielded to ``next`` or ``send``, or a coroutine returned to what ran it."""
        if (name == "next" or call.method in ("send", "__next__")) and self.lane.has_given:
            return self.lane.given
        if name == "asyncio.run" or call.method in ("run", "run_until_complete"):
            found = self._came_to(call.arguments[0][1]) if call.arguments else None
            return found[0] if found and len(found) == 1 else None
        return None

    def _came_to(self, awaited: Value) -> list[Value] | None:
        """What came of coroutines."""
        raise NotImplementedError

    def _returned_by_frame(
        self, at: int, call: Call, got: Value, sources: list[Source], frame: Thing
    ) -> Value:
        """What a method of a frame gave."""
        thing = thing_of(got)
        if self.frame_call(at, call, thing, frame):
            sources[0] = Source(number_of(call.target), Role.VALUE, None, True)
            thing = frame
        # Of what a function made of each row, it is known what it used of them.
        sources += sources_of(call.handed, Role.RESULT if call.rows else Role.OPERAND)
        made = self._evaluation(at, Kind.CALL, tuple(sources), thing, number=call.number)
        self.derived_by(at, call, thing, frame)
        self.used_by_call("", call, thing)
        return made

    def _indirect(self, at: int, name: str, call: Call) -> None:
        """State what was changed by a method of a data structure that is not called as ``thing.method``.

        That is by another name (`add = l.append`), by the class (`list.append(l, x)`) or as what the operator
        stands for (`l.__setitem__(0, x)`); what happens to it elsewhere is not known.
        """
        target = thing_of(call.on or call.target)
        counted = call.method == "subtract" and target is not None and target.kind == DICT
        written = call.method in WRITING and target is not None and target.kind == ARRAY
        changed = [target] if call.method in IN_PLACE or counted or written else []
        if target is None or target.kind == CLASS:
            by_class = call.method in WITH_EFFECT | IN_PLACE and bool(call.arguments)
            changed = [thing_of(call.arguments[0][1])] if by_class else []
        elif call.method is None and isinstance(target.over, tuple) and target.over[0] == "method":
            changed = [target.over[1]]
        for _, value in call.arguments:
            inner = thing_of(value[0] if isinstance(value, tuple) else value)
            if inner is not None and isinstance(inner.over, tuple) and inner.over[0] == "method":
                changed.append(inner.over[1])
                self.gap(at, f"what {name or 'a call'} does with a method that it is given is not known")
        for thing in changed:
            if thing is not None and thing.kind == ARRAY:
                self.partly_written(call.number, thing, None, call.number)
            elif thing is not None:
                if call.method == "__setattr__":
                    thing.parts = {key: one for key, one in thing.parts.items() if not key.startswith(".")}
                thing.forget()
                self.change(call.number, thing, How.PUT, None, call.number)

    @staticmethod
    def _attribute_sources(call: Call, name: str | None) -> tuple[list[Source], Value]:
        """What ``getattr(thing, "name")`` is from, as an access to the attribute."""
        (_, container), *rest = call.arguments
        thing = thing_of(container)
        sources = [Source(number_of(container), Role.COLLECTION)] if number_of(container) else []
        sources += sources_of([one for _, one in rest[:1]], Role.KEY)
        member = thing.member(name) if thing is not None else None
        if not number_of(member):
            sources += sources_of([one for _, one in rest[1:]], Role.ARGUMENT)
        return sources, member

    def _set_attribute(self, call: Call, name: str, keys: tuple[str | None, ...]) -> None:
        """State what ``setattr`` or ``delattr`` did."""
        thing = thing_of(call.arguments[0][1]) if call.arguments else None
        if thing is None:
            return
        value = call.arguments[2][1] if name == "setattr" and len(call.arguments) > 2 else None
        if keys and keys[0] is not None:
            if name == "setattr":
                self.put_member(call.number, thing, keys[0], value)
            else:
                thing.parts.pop(keys[0], None)
                self.change(call.number, thing, How.DELETE, keys[0])
            return
        thing.parts = {key: one for key, one in thing.parts.items() if not key.startswith(".")}
        self.change(call.number, thing, How.PUT, None, value or call.number)

    def _unknown_effects(
        self, at: int, name: str, call: Call, thing: Thing | None, keys: tuple[str | None, ...]
    ) -> Gap | None:
        """State what an untraced function does with what it is given; gives the gap that is left."""
        short = name.rpartition(".")[2]
        if thing is not None:
            self.goes_through(name, thing, call)
        if thing is not None and (call.method or short) in AWAITING:
            thing.over = ("awaits", [one for _, one in call.arguments])
            for _, value in call.arguments:
                inner = value[0] if isinstance(value, tuple) else value
                self.change(call.number, thing, How.PUT, None, inner)
        if name in ("setattr", "delattr"):
            self._set_attribute(call, name, keys)
            return None
        if name.startswith("asyncio."):
            return None
        if self.namespace(at, name, call, thing):
            return None
        if call.method is not None and self.is_of_pandas(thing_of(call.target)):
            self.series_call(at, call)
            return None  # Of what it is given, it changes nothing.
        if self._array_effects(name, call, thing) or self.frame_made(at, name, call, thing):
            return None
        if short == "deque" and thing is not None and (len(call.arguments) > 1):
            thing.forget()
        if (
            short in PURE
            or name in PURE
            or self.declared(call.number, name, [one for _, one in call.arguments])
        ):
            return None
        for value in _handed_over([one for _, one in call.arguments]):
            held = thing_of(value)
            if held is not None and held.kind in (LIST, DICT, SET, DEQUE, ARRAY):
                called = name.removesuffix("()") or "a call"
                return self._gap_at(at, f"what {called} does to a data structure it is given is not known")
        return None

    def ret(self, at: int, value: Value, guards: tuple[Value, ...] = ()) -> Value:
        """A ``return``."""
        self.escapes(value)
        if not number_of(value):
            return value
        return self._evaluation(at, Kind.RETURN, same_source(value) + guard_sources(guards), thing_of(value))


def _handed_over(arguments: list[Any]) -> Iterator[Value]:
    """What a call hands over: of what is behind a star, the members, where these are known."""
    for value in arguments:
        starred = thing_of(value[0]) if isinstance(value, tuple) else None
        if not isinstance(value, tuple):
            yield value
        elif starred is None or starred.open or starred.kind not in (LIST, DICT, TUPLE):
            yield value[0]
        else:
            yield from starred.items
            yield from starred.parts.values()


def _left_out(call: Call) -> Iterator[Value]:
    """What generator expressions that a call gets tested since they last gave something."""
    for _, value in call.arguments:
        thing = thing_of(value[0] if isinstance(value, tuple) else value)
        if thing is not None and thing.kind == GENERATOR and isinstance(thing.over, tuple):
            how, *what = thing.over
            yield from what[0] if how == TESTED else ()
