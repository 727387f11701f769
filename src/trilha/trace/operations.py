"""Operations of a replayed program: literals, what the text writes out, parts of data structures."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.among import found_among, note_among
from trilha.trace.copying import member_sources
from trilha.trace.effects import IN_PLACE, WITH_EFFECT
from trilha.trace.evaluations import How, Kind, Role, Source
from trilha.trace.heap import (
    ARRAY,
    CLASS,
    DEQUE,
    DICT,
    FRAME,
    GENERATOR,
    LIST,
    MODULE,
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
from trilha.trace.iterating import Counted, element_sources, is_seen
from trilha.trace.naming import Naming
from trilha.trace.operators import Operands, given_by
from trilha.trace.waiting import Call

__all__ = ["Operations"]

_CHANGED_BY_NUMBERS: Final = frozenset((LIST, DEQUE, ARRAY, FRAME))
_MADE_FIT: Final = frozenset((ARRAY, FRAME))
"""What is put into these is asked for numbers, lengths, parts."""
_DISPLAYS: Final = {"list": LIST, "dict": DICT, "set": SET, "tuple": TUPLE}


class Operations(Naming):
    """What the shadow computes with; a part of `trilha.trace.replay.Replay`."""

    # -- operations ------------------------------------------------------------------------------------------

    def lit(self, at: int) -> Value:
        """A literal."""
        return self._evaluation(at, Kind.LITERAL, ())

    @staticmethod
    def bound(names: dict[str, Value]) -> list[tuple[str, Value]]:
        """The names that a function's shadow has bound, for what takes them all."""
        return [(name[2:], value) for name, value in names.items() if name.startswith("v_")]

    def star(self, value: Value) -> Any:
        """``*value`` or ``**value``: how many members come from it is not known."""
        return (value,)

    def chosen_of(self, at: int, kind: str, tests: Operands, members: Any) -> Value:
        """A comprehension of a list, set or dict that leaves something out, by these tests."""
        self.over_with(tests)
        return self.display(at, kind, members, guard_sources((tuple(tests),)))

    def display(self, at: int, kind: str, members: Any, decided: tuple[Source, ...] = ()) -> Value:
        """A list, tuple, set or dict that the text writes out, or a comprehension of one."""
        thing: Thing | None = None
        if kind != "tuple":
            self._expect(words.RESULT, at)
            thing = thing_of(self._reference(0))
            self._advance()
        if thing is None:
            thing = self._new_thing(_DISPLAYS[kind])
        stars: list[Value] = []
        found, sources, exact = self._written_out(kind, members, stars)
        if kind == "dict":
            for key, of, value in found:
                thing.put(key, value, of)
            thing.open = not exact or any(key is None for key, _, _ in found)
        elif kind == "tuple":
            thing.parts = {str(key): value for key, _, value in found}
            thing.open = not exact
        elif kind == "set":
            note_among(thing, *(value for _, _, value in found))
        elif kind == "list":
            length, thing.items = len(thing.items), [value for _, _, value in found]
            if length:
                thing.resize(length)
        if kind == "tuple" and stars and self.within != -1 and self._is_star(at, self.within):
            sources += sources_of(self.run_within(self.within, stars), Role.OPERAND)
        made = self._evaluation(at, Kind.DEFINITION, (*sources, *decided), thing)
        self.advances(number_of(made), *stars)
        self.may_run(*stars)
        return made

    def _is_star(self, at: int, part: int) -> bool:
        """Whether a part of the text is a display, or what is spread in it."""
        node: Any = self._nodes[at]
        return part == at or any(
            isinstance(one, ast.Starred) and self._nodes[part] in (one, one.value) for one in node.elts
        )

    def _written_out(
        self, kind: str, members: Any, stars: list[Value]
    ) -> tuple[list[tuple[str | None, Value, Value]], list[Source], bool]:
        """The members of a display: each with its key, and what that came from; `stars` gets what is spread.

        Returns:
            Those ahead of the first star whose members are not known; the sources; whether these are all.
        """
        found: list[tuple[str | None, Value, Value]] = []
        sources: list[Source] = []
        exact = True
        for key, value in members if kind == "dict" else ((None, one) for one in members):
            if isinstance(value, tuple):
                sources += sources_of(value, Role.COLLECTION)
                more = self.spread(kind, value[0], len(found))
                self.escapes(value[0])
                stars.append(value[0])
                exact = exact and more is not None
                found += (more or ()) if exact else ()
                sources += [
                    Source(number_of(it), Role.MEMBER, name) for name, _, it in more or () if number_of(it)
                ]
                continue
            words_, keys = key or (str(len(found)), ())
            sources += sources_of(keys, Role.KEY)
            if number_of(value):
                sources.append(
                    Source(number_of(value), Role.MEMBER, words_ if exact and kind != "set" else None)
                )
            self.escapes(value)
            if exact:
                found.append((words_, keys[0] if keys else None, value))
        return found, sources, exact

    # -- parts -----------------------------------------------------------------------------------------------

    def get(self, at: int, container: Value, keys: tuple[Value, ...]) -> Value:
        """A subscript read."""
        lane, call = self.lane, _reading("__getitem__", container, keys)
        before, lane.call, lane.result = lane.call, call, None
        try:
            self._expect(words.GETITEM, at)
        finally:
            lane.call = before
        given = lane.result if call.called else None
        thing = self._container(container) or thing_of(container)
        key = self._key_words()
        if (frame := self.frame_of(thing)) is not None and thing is not None:
            whole = thing is frame or thing.over[0] == "loc"
            chosen = key or self.half_key if thing is not frame and thing.over[0] == "loc" else None
            key, thing = self.read_column(thing, frame, key or self.half_key), frame
            made = self._accessed(at, container, thing, key, keys, chosen)
            if whole and (rows := thing_of(made)) is not None and rows.kind == FRAME and rows is not frame:
                self.derived(at, rows, container, frame, keys)
            return made
        if (series := self.series_of(thing)) is not None and thing is not None:
            label = self.label(thing, series, key)
            row = key if thing is not series or label is None else None
            return self._accessed(at, container, series, label, keys, row, given)
        return self._accessed(at, container, thing, key, keys, given=given)

    def attr(self, at: int, container: Value, name: str) -> Value:
        """An attribute read."""
        lane = self.lane
        lane.result = None
        call = _reading(name, container, ())
        before, lane.call = lane.call, call
        self._expect(words.GETATTR, at)
        lane.call = before
        given = lane.result if call.called else None
        thing, held = thing_of(self.met(container)), thing_of(container)
        if name == "__value__" and thing is None and lane.result is None:
            lane.result = self._stands_for(at, container)
        if thing is not None and held is not None and held.kind == MODULE:
            thing.over = held.over
        thing = thing or held
        key: str | None = f".{name}"
        if (frame := self.frame_of(thing)) is not None and thing is not None:
            key, thing = self.read_column(thing, frame, key), frame
        elif thing is not None:
            key = self.part_of_row(thing, key)
        return self._accessed(at, container, thing, key, (), given=given)

    def _accessed(
        self,
        at: int,
        container: Value,
        thing: Thing | None,
        key: str | None,
        keys: tuple[Value, ...],
        rows: str | None = None,
        given: Value = None,
    ) -> Value:
        member = thing.member(key) if thing is not None and not number_of(given) else None
        # (A column is made anew when it is read: it is not the object that was put there.)
        column = thing is not None and thing.kind == FRAME
        got = 0 if self._short else self.met(None if column else member, sure=False)
        value_thing = thing_of(got) if self._short else thing_of(got) or self.untracked(member, thing)
        self._advance()
        if column and thing is not None:
            self.note_column(thing, key, value_thing)
        sources: list[Source] = []
        if number_of(container):
            sources.append(Source(number_of(container), Role.COLLECTION, rows))
        sources += sources_of(keys, Role.KEY)
        held, maybe = thing_of(member), None
        if (
            held is not value_thing
            and (value_thing is not None or (held is not None and held.kind != TUPLE))
            and not column
        ):
            # Something untraced put another member there.
            maybe = member if thing is not None and thing.kind == CLASS else None
            member = found_among(thing, got)
        elif member is None and value_thing is not None:
            member = found_among(thing, got)
        elif member is not None and value_thing is None and thing is not None and thing.may_hide(key):
            maybe, member = member, None
        if value_thing is None and held is not None and held.kind == TUPLE and member is not None:
            value_thing = held  # The log has no identity of one of plain values.
        ran = key is not None and key[:1] == "." and number_of(self.lane.result) and thing is not None
        if ran and thing is not None and thing.parts.get(key or "") is None:
            member = None  # What ran gave it (a property), not what the class has.
        if number_of(given):
            sources += given_by(given)  # What a method of the program gave, whatever was put there.
            self.lane.result = None
        elif number_of(member):
            same = thing_of(member) is value_thing
            sources.append(Source(number_of(member), Role.ELEMENT, key, same))
        elif type(member) is Counted:
            sources += sources_of((member.first,), Role.ELEMENT)
        elif number_of(maybe):
            sources += sources_of((maybe,), Role.OPERAND)
        elif value_thing is not None and value_thing is held:
            sources += element_sources(member)  # A tuple that a function made of these, as `zip` does.
        elif shared := self.view_sources(container, thing, value_thing):
            sources += shared
        elif self.lane.result is not None and key is not None and key.startswith("."):
            sources.append(Source(number_of(self.lane.result), Role.RESULT, None, True))
            self.lane.result = None
        if value_thing is None and (window := self.window(thing, key)) is not None:
            value_thing = window
            if str(key)[:1] == ".":
                sources += self.seen_through(container, thing, window)
        elif key == ".data" and thing is not None and thing.kind == ARRAY:
            sources += self.seen_through(container, thing, None)
        if ":" in (key or "") and thing is not None and thing.kind in (LIST, TUPLE):
            if thing.kind == TUPLE:
                value_thing = self._new_thing(TUPLE)
            sources += self.sliced(value_thing, thing, key)
        if self.memories:
            self.views_part(thing, key, value_thing)
        if thing is not None and value_thing is not None and key is not None:
            if key == ".__dict__":
                value_thing.over = ("attributes", thing)
            elif thing.kind in (LIST, DICT, SET, DEQUE, ARRAY) and key[1:] in WITH_EFFECT | IN_PLACE:
                value_thing.over = ("method", thing)
        if thing is not None and self.looks_at(thing, key, value_thing):
            value_thing = thing
            sources = list(same_source(container))
        made = self._evaluation(
            at, Kind.ACCESS, tuple(one for one in sources if one.evaluation), value_thing, name=key
        )
        if value_thing is not None and value_thing is not held and not number_of(member):
            self.advances(number_of(made), container)  # What it gave may be a way to it: a method of it.
        if key is not None and key[:1] != "." and thing is not None and thing.lacks(key):
            self.missed(made, thing, key, keys)
        return made

    def into(self, at: int, container: Value) -> Value:
        """The container of a store."""
        self._expect(words.INTO, at)
        thing = thing_of(self.met(container)) or thing_of(container)
        self._advance()
        self.is_met_resized(thing_of(container), thing)
        return container if thing is None else Ref(number_of(container), thing)

    def key(self, at: int, keys: tuple[Value, ...]) -> tuple[str | None, tuple[Value, ...]]:
        """A key that was logged: its words, and what it was made of."""
        self._expect(words.KEY, at)
        found = self._key_words()
        if self.half_key is not None:
            found = f"?{self.half_key}"
        self._advance()
        return found, keys

    def store(
        self, at: int, container: Value, key: tuple[str | None, Any], value: Value, guards: tuple[Value, ...]
    ) -> None:
        """A subscript or attribute assigned."""
        stored = self.by_setter(container, key[1], (value,))
        if at == self.stop:
            self.check(at)
        name = self._absolute(container, key[0])
        thing = thing_of(container)
        # What a slice of a list becomes is not the value, but what is in that.
        spread = thing is not None and thing.kind == LIST and ":" in (name or "")
        spread = spread or (thing is not None and thing.array is not None and not thing.array.keeps(name))
        sources = sources_of((value,), Role.OPERAND) if spread else same_source(value)
        if number_of(container):
            sources = (*sources, Source(number_of(container), Role.COLLECTION))
        kept = thing is not None and thing.kind == DICT and (name or "")[:1] != "."
        keys = sources_of(key[1], Role.KEY)
        sources += tuple(one._replace(same=True) for one in keys) if kept else keys
        sources += guard_sources(guards)
        inner = None if spread else thing_of(value)
        if spread and getattr(thing_of(value), "kind", None) == GENERATOR:
            self._settle()  # It runs meanwhile.
        made = self._evaluation(at, Kind.PART, sources, inner, name=name)
        if name == ".stdout":
            self.output_stored(at, number_of(made), value)
        unknown = [one for one in key[1] if one is None]
        self.may_run(*unknown, *((value,) if thing is not None and thing.kind in _MADE_FIT else ()))
        sliced = spread and not stored and thing is not None and thing.kind == LIST
        if (
            thing is not None
            and not stored
            and not (sliced and self.put_slice(number_of(made), thing, name, value))
        ):
            held = made if inner is None else Ref(number_of(made), inner)
            self.put_member(number_of(made), thing, name, held, key[1][0] if len(key[1]) == 1 else None)

    @staticmethod
    def _absolute(container: Value, key: str | None) -> str | None:
        """A position from the end of a list as one from its beginning."""
        thing = thing_of(container)
        if (
            key
            and thing is not None
            and thing.kind in (LIST, DEQUE)
            and key[:1] == "-"
            and key[1:].isdecimal()
        ):
            return None if thing.open else str(int(key) + len(thing.items))
        return key

    def delete(
        self, at: int, container: Value, key: tuple[str | None, Any], guards: tuple[Value, ...]
    ) -> None:
        """A subscript or attribute deleted."""
        self.by_setter(container, key[1], ())
        if at == self.stop:
            self.check(at)
        thing = thing_of(container)
        name = self._absolute(container, key[0])
        if thing is not None and thing.labels is not None and (name or "")[:1] != ".":
            name = self.label(thing, thing, name)
        sources = sources_of(key[1], Role.KEY) + guard_sources(guards)
        if number_of(container):
            sources = (Source(number_of(container), Role.COLLECTION), *sources)
        made = number_of(self._evaluation(at, Kind.PART, sources, None, name=name))
        self.may_run(*(one for one in key[1] if one is None))
        if thing is None:
            return
        if thing.kind in (LIST, DEQUE) and name is not None and name.isdecimal():
            if int(name) < len(thing.items):
                del thing.items[int(name)]
            self.change(made, thing, How.REMOVE, name)
        elif self.delete_slice(made, thing, name):
            pass
        elif name is None or ":" in name:
            thing.forget()
            self.change(made, thing, How.DELETE, name)
        else:
            thing.parts.pop(name, None)
            self.change(made, thing, How.DELETE, name)

    def augment(
        self, at: int, name: str, old: Value, value: Value, told: bool, guards: tuple[Value, ...]
    ) -> Value:
        """``name += value``."""
        self.check(at)
        node: Any = self._nodes[at]
        self.escapes(value)
        result = self.by_method(at, type(node.op), (old, value), "i")
        thing = None
        if told:
            lane = self.lane
            before, lane.call = lane.call, Call(0, None, old, ((None, value),))
            try:
                self._expect(words.RESULT, at)
            finally:
                lane.call = before
            thing = thing_of(self.met(old, sure=False))
            self._advance()
        elif number_of(result):
            thing = thing_of(result)
        held = thing_of(old)
        if not told and held is not None and (held.kind in _CHANGED_BY_NUMBERS or held.labels is not None):
            thing = held  # These are changed in place, whatever it is that is a number here.
        sources = (*sources_of((old, value), Role.OPERAND), *given_by(result))
        made = self._evaluation(at, Kind.OPERATION, sources, thing)
        if not told:
            self.may_run(old)
        self.advances(number_of(made), value)
        if thing is not None and thing is held and not number_of(result):
            self.changed_in_place(number_of(made), thing, value, node.op)
        return self.assign(at - node.trilha + node.target.trilha, name, made, guards)

    def changed_in_place(self, by: int, thing: Thing, value: Value, how: ast.operator) -> None:
        """State what ``thing += value``, or another such operation, did to the thing itself."""
        if thing.kind == ARRAY:
            self.overwritten(by, thing, by)
        elif thing.kind == FRAME or thing.labels is not None:
            self.whole_changed(by, thing)
        elif thing.kind in (LIST, DEQUE) and not isinstance(how, ast.Add):
            thing.open = True
            self.change(by, thing, How.PUT, None, value)
        elif thing.kind in (SET, DICT) and not isinstance(how, ast.BitOr):
            thing.forget()
            self.change(by, thing, How.PUT, None, by)
        else:
            self.extended(by, thing, value)

    def read(
        self, target: int, container: Value, key: tuple[str | None, Any]
    ) -> tuple[Value, tuple[str | None, Any], Value]:
        """What is about to be augmented: its container and key, and what a method of the program gives."""
        name = (key[0] or "")[1:] if (key[0] or "")[:1] == "." else "__getitem__"
        lane, call = self.lane, _reading(name, container, key[1])
        thing = thing_of(container)
        if thing is None or thing.kind == MODULE or thing.inherited(f".{name}") is None:
            return container, key, None
        before, lane.call, lane.result = lane.call, call, None
        try:
            while self.kind == words.ENTER and not call.called and self._is_method(self.site, name):
                self._beside()
        finally:
            lane.call = before
        if target == self.stop:
            self.check(target)
        given, lane.result = lane.result, None
        return container, key, given if call.called else None

    def _is_method(self, place: int, name: str) -> bool:
        """Whether a function is a method of this name of a class of the program."""
        known = self._functions.get(place)
        return known is not None and known[5] and known[0].rpartition(".")[2] == name

    def augment_part(
        self,
        at: int,
        target: int,
        container: Value,
        key: tuple[str | None, Any],
        given: Value,
        value: Value,
        guards: Any,
    ) -> None:
        """``container[key] += value``."""
        thing = thing_of(container)
        name = self._absolute(container, key[0])
        old = given
        if not number_of(given):
            old = thing.member(name) if thing is not None else None
        node: Any = self._nodes[at]
        self.check(at)
        result = self.by_method(at, type(node.op), (old, value), "i")
        sources = (*sources_of((value,), Role.OPERAND), *given_by(result))
        if number_of(given):
            sources = (Source(number_of(given), Role.OPERAND), *sources)
        elif number_of(old):
            sources = (Source(number_of(old), Role.ELEMENT, name), *sources)
        if number_of(container) and not number_of(given):
            sources = (Source(number_of(container), Role.COLLECTION), *sources)
        inner = thing_of(result) if number_of(result) else thing_of(old)
        made = self._evaluation(at, Kind.OPERATION, sources, inner)
        self.may_run(old, value)
        if inner is not None and not number_of(result):
            self.changed_in_place(number_of(made), inner, value, node.op)
        self.store(target, container, key, made, guards)

    def unpack(self, at: int, value: Value, count: int, star: int, told: int | None) -> list[Value]:
        """A value taken apart into names.

        Args:
            at: number of the names.
            value: what is taken apart.
            count: how many there are.
            star: which of them takes the rest; -1 for none.
            told: number of the assignment, where the log has what it bound them to.
        """
        thing, ran = thing_of(value), list[Value]()
        if thing is None or thing.kind in (LIST, TUPLE, DICT, SET, DEQUE, ARRAY):
            self.may_run(*(() if number_of(value) else (None,)))
            self._settle_implicit()
        else:
            ran = self._settle_items(at, value, thing)
        self.check(at)
        before = self._last_thing
        bound = self._names_taken(told, count)
        found: list[Value] = []
        way, rest = self.way(value), self._rest(value, count, star)
        for place in range(count):
            behind, more = star >= 0 and place > star, list[Source]()
            member = way(place) if not behind and place != star else None
            if rest is not None and behind:
                member = rest[place - count]
            elif rest is not None and place == star:
                member, more = self._starred(rest[: len(rest) - (count - 1 - star)], bound[place:])
            if bound:
                self.same(member, bound[place], before, sure=False)
                member = member if is_seen(member, bound[place]) else bound[place]
            sources = [Source(number_of(value), Role.COLLECTION)] if number_of(value) else []
            sources += more or element_sources(member, str(place)) or list(sources_of(ran, Role.OPERAND))
            name = None if behind or place == star else str(place)
            found.append(self._evaluation(at, Kind.ACCESS, tuple(sources), thing_of(member), name=name))
        if found:
            self.advances(number_of(found[0]), value)
        return found

    def _rest(self, value: Value, count: int, star: int) -> list[Value] | None:
        """The members from a star on of what is taken apart; None where they are not known."""
        thing = thing_of(value)
        if star < 0 or thing is None or thing.kind not in (LIST, TUPLE, DEQUE):
            return None
        members = self.members(value)
        return None if members is None or len(members) < count - 1 else members[star:]

    def _starred(self, members: list[Value], bound: Sequence[Value]) -> tuple[Value, list[Source]]:
        """The list that a star is bound to, which the log has met if names are told; its members' sources."""
        if bound:
            thing = thing_of(bound[0])
            return bound[0], self.fill(thing, members) if thing is not None else []
        made = self._new_thing(LIST)
        made.unmet = made.open = True
        made.items = members
        return Ref(0, made), member_sources((str(at), one) for at, one in enumerate(members))

    def _names_taken(self, told: int | None, count: int) -> list[Value]:
        """What names were bound to, where the log has that."""
        if told is None or not self.is_told(told, words.ITEM):
            return []
        self._expect(words.ITEM, told)
        values = self._values(count)
        self._advance()
        return values

    def _settle_items(self, at: int, value: Value, iterated: Thing) -> list[Value]:
        """Follow what runs while all is taken of an iterator, no more than that; gives what it gave."""
        methods = [thing_of(iterated.member(f".{name}")) for name in ("__iter__", "__getitem__")]
        own = any(one is not None and one.function is not None for one in methods)
        own = own or (iterated.kind == GENERATOR and self.kind in (words.BEGIN, words.RESUME))
        lane, look = self.lane, Call(0, None, value, ())
        before, lane.call = lane.call, look
        try:
            while self._is_other():
                if self.kind == words.ENTER:
                    told = self.within != -1
                    if not (self.within == at if told else self.may_give_items(self.site, own=own)):
                        break
                self._beside()
        finally:
            lane.call = before
        if self.is_cut():
            raise self.at_cut()
        return look.handed


def _reading(name: str, container: Value, keys: tuple[Value, ...]) -> Call:
    """The call that a part that is read may be, of a method of the program with this name."""
    # What several keys are taken apart into is not known.
    given = keys if len(keys) == 1 else [(one,) for one in keys]
    return Call(0, name, container, [(None, one) for one in given])
