"""What a write to an array changes: that array, and each that shares its memory (`trilha.trace.arrays`)."""

from __future__ import annotations

from typing import Final

from trilha.trace.arrays import VIEW, Array, Layout, Memory
from trilha.trace.evaluations import How, Role, Source
from trilha.trace.heap import ARRAY, FRAME, INSTANCE, TUPLE, Thing, Value, number_of, sources_of, thing_of
from trilha.trace.machine import Machine
from trilha.trace.waiting import Call

__all__ = ["WRITING", "Sharing", "given_back"]

_WHOLE: Final = frozenset(["fill", "sort"])
"""Methods that write all elements of an array."""
_SOME: Final = frozenset(["put"])
WRITING: Final = frozenset(["partition", "byteswap", "itemset", "setfield"])
"""Methods that write elements of an array, of which the log does not tell as of one with an effect."""
_GIVES_BACK: Final = frozenset(
    [
        *("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require", "array", "atleast_1d"),
        *("atleast_2d", "atleast_3d", "copy", "squeeze", "broadcast_to"),
    ]
)
"""Functions of NumPy that may give back what they were given, unchanged."""
_WRITING: Final = ("numpy.", "torch.")
"""Modules whose functions give what they are given as ``out``."""
_ONE_DIMENSION: Final = ".flat"
_RESIZED: Final = ("resized",)
"""What is `over` of an array that goes on under another token."""
_LAYOUT: Final = frozenset([".shape", ".strides", ".dtype"])
"""Attributes that change how an array walks through its memory."""


class Sharing(Machine):
    """What is known of arrays; a part of `trilha.trace.replay.Replay`."""

    def note_array(self, token: int) -> None:
        """How an array lies in memory that was told before, and whose memory that is."""
        number = self._log.number
        flags = number()
        below = thing_of(self._reference(0)) if flags & VIEW else None
        size, dimensions = number(), number()
        shape = tuple(number() for _ in range(dimensions))
        signed = [number() for _ in range(dimensions + 1)]
        offset, *strides = (-(one >> 1) - 1 if one & 1 else one >> 1 for one in signed)
        thing = self._alive(token)
        if below is None:
            memory = Memory() if thing is None or thing.array is None else thing.array.memory
        else:
            below.array = below.array or Array(below, Memory(), None)
            memory = below.array.memory
            memory.arrays[below.number] = below.array
        if thing is None:
            return
        made = Array(thing, memory, Layout(offset, size, shape, tuple(strides)), flags)
        if thing.kind == FRAME or thing.labels is not None:
            # Of one that has several arrays in a memory, it is not known which is written.
            made.layout = made.layout if thing.number not in memory.arrays else None
            thing.blocks = (*thing.blocks, made)
        else:
            thing.array = made
        memory.arrays[thing.number] = made

    def forget_array(self, gone: Thing) -> None:
        """An array is gone, or what has its values in arrays."""
        for one in (gone.array, *gone.blocks):
            if one is not None:
                one.memory.arrays.pop(gone.number, None)
                one.memory.columns.pop(gone.number, None)

    def overwritten(self, by: int, thing: Thing, member: Value) -> None:
        """State that an evaluation wrote all elements of an array."""
        if thing.array is not None:
            self._written(by, thing.array, thing.array.layout, member, sure=True)

    def partly_written(self, by: int, thing: Thing, key: str | None, member: Value) -> None:
        """State that an evaluation wrote the elements of an array under a key; some of all, if it is None."""
        array = thing.array
        if array is None:
            return
        part = array.part(key)
        self._written(by, array, part or array.layout, member, sure=part is not None)

    def lent_written(self, by: int, thing: Thing, member: Value) -> None:
        """State that what lends arrays its memory was written: some of what these have."""
        assert thing.array is not None
        thing.array.memory.write(None, member, sure=False)
        for other in (*thing.array.memory.arrays.values(), *thing.array.memory.windows.values()):
            assert isinstance(other.thing, Thing)
            if other.thing is not thing:
                self.change(by, other.thing, How.PUT, None, member)

    def lender_method(self, by: int, thing: Thing | None, method: str | None) -> None:
        """State what a method of what lends arrays its memory does: ``fill_`` and such write it."""
        lends = thing is not None and thing.kind == INSTANCE and thing.array is not None
        if lends and method is not None and method.endswith("_") and method[:1] != "_":
            assert thing is not None
            self.lent_written(by, thing, by)

    def array_method(self, by: int, thing: Thing, method: str, made: Value) -> None:
        """State what a method of an array does to it."""
        if method in _WHOLE:
            self.overwritten(by, thing, made)
        elif method in _SOME:
            self.partly_written(by, thing, None, made)
        elif method == "resize" and thing.array is not None:
            thing.array.layout = None
            self.partly_written(by, thing, None, made)
            # It goes on under another token.
            self.change(by, thing, How.PUT, None, made)
            thing.over = _RESIZED

    @staticmethod
    def is_met_resized(known: Thing | None, met: Thing | None) -> None:
        """Take note that an array which was resized is met again, as another thing: they are one."""
        if known is None or met is None or known.over is not _RESIZED or met is known:
            return
        if met.array is None:
            met.array = Array(met, Memory(), None)  # How it lies is told next.
        known.array = met.array.memory.arrays[known.number] = Array(known, met.array.memory, None)

    def array_attribute(self, by: int, thing: Thing, name: str, member: Value) -> None:
        """State what assigning an attribute of an array does to it."""
        if thing.array is not None and name in _LAYOUT:
            thing.array.layout = None
        self.partly_written(by, thing, None, member)

    def _array_effects(self, name: str, call: Call, made: Thing | None) -> bool:
        """State what a call did with arrays that it was given; whether that is all that it did."""
        given = [(word, value[0] if isinstance(value, tuple) else value) for word, value in call.arguments]
        for word, value in given:
            if word == "out":
                thing = thing_of(value)
                for one in [value] if thing is None or thing.kind != TUPLE else thing.parts.values():
                    if (inner := thing_of(one)) is not None:
                        self.overwritten(call.number, inner, call.number)
        target = thing_of(call.target)
        if call.method is not None and target is not None and target.kind == ARRAY:
            return True
        if call.method is not None:
            return any(word == "out" for word, _ in given)
        if not name.startswith("numpy.") or self.declares(name):
            return False
        given_back = any(word is None and thing_of(value) is made for word, value in given)
        if made is not None and given_back and name.rpartition(".")[2] not in _GIVES_BACK:
            self.overwritten(call.number, made, call.number)  # A ufunc gives back what it wrote into.
        return True

    def declares(self, name: str) -> bool:
        """Whether it is declared what a function changes."""
        raise NotImplementedError

    def _written(self, by: int, array: Array, part: Layout | None, member: Value, *, sure: bool) -> None:
        array.memory.write(part, member, sure=sure)
        for other in (*array.memory.arrays.values(), *array.memory.windows.values()):
            assert isinstance(other.thing, Thing)
            layout = other.layout
            if other.thing.kind != ARRAY:
                self._written_below(by, other, part, member)
            elif part is None or layout is None:
                self.change(by, other.thing, How.PUT, None, member)
            elif part.overlaps(layout):
                if sure and part.covers(layout):
                    self.change(by, other.thing, How.CLEAR, None)
                key = other.key(part) if sure else None
                self.change(by, other.thing, How.PUT, key, member)

    def _written_below(self, by: int, other: Array, part: Layout | None, member: Value) -> None:
        """State that memory was written that something has which is no array."""
        thing, key = other.thing, None
        assert isinstance(thing, Thing)
        if part is not None and other.layout is not None and not part.overlaps(other.layout):
            return
        if thing.kind == FRAME:
            columns = other.memory.columns.get(thing.number, {})
            name = next((key for one, key in columns.items() if part is not None and one.covers(part)), None)
            thing.parts = {} if name is None else {**thing.parts, name: 0}
            key = None if name is None else f"[..., {name}]"
        elif thing.kind == INSTANCE:
            thing.forget()
        else:
            thing.items = [None] * len(thing.items)
        self.change(by, thing, How.PUT, key, member)

    def note_column(self, frame: Thing, key: str | None, column: Thing | None) -> None:
        """Take note of where a frame has a column, which was taken of it."""
        if column is None or key is None or key[:1] not in "'\"":
            return
        for block in column.blocks:
            if block.layout is not None:
                block.memory.columns.setdefault(frame.number, {})[block.layout] = key

    def written_in_blocks(self, by: int, thing: Thing, member: Value) -> None:
        """State that a frame or Series was written in place: what shares its memory has that, too."""
        for block in thing.blocks:
            block.memory.write(block.layout, member, sure=False)
            others = [*block.memory.arrays.values(), *block.memory.windows.values()]
            for other in others:
                assert isinstance(other.thing, Thing)
                shared = block.layout is None or other.layout is None or block.layout.overlaps(other.layout)
                if other.thing is thing or not shared:
                    continue
                if other.thing.kind == ARRAY:
                    self.change(by, other.thing, How.PUT, None, member)
                else:
                    self._written_below(by, other, block.layout, member)

    def view_sources(self, container: Value, thing: Thing | None, seen: Thing | None) -> list[Source]:
        """What a view has of the array that it is of: what that began with, and what was written to it."""
        if thing is None or seen is None or seen is thing or thing.array is None or seen.array is None:
            return []
        if seen.array.memory is not thing.array.memory or seen.array.layout is None:
            return []
        written = seen.array.memory.within(seen.array.layout)
        if written is None or not number_of(container):
            return []
        made = [Source(number_of(container), Role.VALUE, None, True)]
        return made + [Source(number_of(one), Role.MEMBER) for one in written if number_of(one)]

    def window(self, thing: Thing | None, name: str | None) -> Thing | None:
        """What stands for an object through which an array is read and written: `a.flat`, a row of fields."""
        array = thing.array if thing is not None else None
        if array is None or name is None:
            return None
        layout = array.part(name) if array.has_rows else None
        if name == _ONE_DIMENSION:
            layout = array.layout.in_one_dimension() if array.layout is not None else None
        elif layout is None or layout.shape:
            return None
        made = self._new_thing(ARRAY)
        made.array = array.memory.windows[made.number] = Array(made, array.memory, layout)
        return made

    def seen_through(self, container: Value, thing: Thing | None, window: Thing | None) -> list[Source]:
        """What all that is seen through such an object has of the array."""
        if window is None or thing is None or window.array is None or window.array.layout is None:
            return list(sources_of((container,), Role.OPERAND))
        return self.view_sources(container, thing, window)


def given_back(name: str, call: Call) -> Value:
    """What a function of NumPy or PyTorch is given to write into (``out=``), and gives; None if it is not."""
    if call.method is not None or not name.startswith(_WRITING):
        return None
    return next((value for word, value in call.arguments if word == "out" and thing_of(value)), None)
