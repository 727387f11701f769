"""What traced code logs: whole numbers, in the order in which things happen, flushed to the journal.

An object has a token while it lives (`identities`). Then the token goes to another object, and the log says
so. What is logged never calls the program's own methods.

`trilha_recorder`, in C, does the same at a fraction of the cost where it is installed; this is
what it stands for, in Python.
"""

from __future__ import annotations

import builtins
import collections
import functools
import itertools
import os
import sys
import time
import types
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.interrupts import Harmless
from trilha.capture.script import kinds
from trilha.capture.script.activations import activation_of
from trilha.capture.script.callers import Callers, place_of
from trilha.capture.script.hooking import HOOKS, KINDS, hook_name
from trilha.capture.script.identities import ATOM, JOINED, UNTRACKED, First, Identities
from trilha.capture.script.labels import Labels
from trilha.capture.script.lending import Lent
from trilha.capture.script.sites import names_of_text
from trilha.capture.script.skipping import Skipping
from trilha.capture.script.texts import text_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["NOWHERE", "Trail", "encode", "place_of"]

LIMIT: Final = 1 << 15
"""How many numbers are kept before they are written out."""
PAD, _, SWITCH, KEYTEXT, MODULE, GAP, OVER, ARRAY, CHOSEN, OPENED = range(10)
FORKED, CELL, NAMES, CLOSES = 10, 11, 12, 10
RELOADS, REBINDS = 15, 16
"""Records that belong to no place of the text; the numbers of others begin with `FIRST`."""
FIRST: Final = 16
NOWHERE: Final[tuple[int, ...]] = (0, 0, 0, 0)
VIEW, FIELDS, PLAIN = 1, 2, 4
"""Of an array: its memory is another's; its elements have fields; they are no objects."""
_LENDING: Final = frozenset(["bytearray", "array", "mmap"])
"""Types, by their names, of what is no array and may lend its memory to arrays."""
_MOST_KEYS: Final = 1 << 16
_LONGEST_KEY: Final = 120
_TURNS, _TURN_S = 2000, 0.001
"""So often, and so long, a thread waits at most for what another one writes."""


def encode(numbers: list[int]) -> bytes:
    """Numbers as LEB128: seven bits a byte, the lowest first, the eighth saying that more follow.

    A byte of a text is kept as the number -1 less the byte.
    """
    out = bytearray()
    add = out.append
    for number in numbers:
        if number < 0:
            add(-1 - number)
            continue
        while number > 127:
            add(number & 127 | 128)
            number >>= 7
        add(number)
    out.extend(bytes(-len(out) % 8))
    return bytes(out)


class _Remaining:
    """Puts the hooks back among the built-in names at exit, for what ends after these are Python's own again.

    Python takes all others from there before the last objects die, this one with them; finalizers and
    generators that are closed then look the hooks up as before, whatever has become of their modules.
    """

    def __init__(self) -> None:
        self.hooks: dict[str, Any] = {}
        self._names, self._is_end = vars(builtins), sys.is_finalizing

    def __del__(self) -> None:
        if self._is_end():
            self._names.update(self.hooks)


class Trail(Identities):
    """The log of one process.

    Args:
        write: takes whole bytes of the log, in order.

    Attributes:
        base: number that the next module's parts begin with.
        first: number that the next module's kinds of records begin with.
        active: False when no more is to be logged.
        rounds: how many of each loop are traced; 0 for all.
        paths: what the texts that are traced are called, by the files that their code names.
        sources: their texts, by the same files.
        bases: the numbers of their first parts, by the same.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write
        self._numbers: list[int] = []
        self._said = -1
        self._writer = 0
        self._keys: dict[str, int] = {}
        self._thread = get_ident()
        self._threads = {self._thread: 0}
        self._thread_numbers = itertools.count(1)
        self._activations: dict[int, int] = {}
        self.paths: dict[str, str] = {}
        self.sources: dict[str, bytes] = {}
        self.bases: dict[str, int] = {}
        self._texts: set[str] = set()
        self._last_activation = 0
        self._containers: dict[int, int] = {}
        self._labels = Labels(self.put, self.text)
        self._lent = Lent()
        self.base = 1
        self.first = FIRST
        self.active = True
        self.rounds = 0

    # -- what the log is made of -----------------------------------------------------------------------------

    def put(self, *numbers: int) -> None:
        """Log a record as numbers."""
        if not self.active:
            return
        thread = get_ident()
        if thread == self._thread:
            self._numbers.extend(numbers)
        else:
            # In one: a record of another thread must not come in between.
            numbers = (SWITCH, self._number_of(thread), *numbers)
            self._thread = thread
            self._numbers.extend(numbers)
        self._logged()

    def _number_of(self, thread: int) -> int:
        number = self._threads.get(thread)
        if number is None:
            number = self._threads[thread] = next(self._thread_numbers)
        return number

    def _logged(self) -> None:
        """A record is in the log: what belongs behind it comes, too, and a full log is written out."""
        while self._untold:
            with Harmless():
                self.described(*self._untold.pop())
        if len(self._numbers) > LIMIT:
            me = get_ident()
            # Where one writes already, that goes on: the pieces come in the order in which they were filled.
            if not self._writer:
                self._write_out(me)

    def flush(self) -> None:
        """Write out what was logged, behind what another thread is writing."""
        me = get_ident()
        for _ in range(_TURNS):
            if not self._writer or self._writer == me:
                break
            time.sleep(_TURN_S)
        self._write_out(me)

    def _write_out(self, me: int) -> None:
        before, self._writer = self._writer, me
        try:
            numbers, self._numbers, self._said = self._numbers, [], -1
            if numbers:
                self._write(encode(numbers))
        finally:
            self._writer = before

    def text(self, kind: int, text: str | bytes, *numbers: int, behind: Sequence[int] = ()) -> None:
        """Log a record with a text behind its numbers, and other numbers behind that."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        self.put(kind, *numbers, len(data), *(-1 - byte for byte in data), *behind)

    def described(self, value: Any, token: int) -> None:
        """Log what is to be known of an array, a frame or a column after its token was told."""
        if kinds.kind_of(value) == kinds.ARRAY:
            self.array(value, token)
        elif self.active:
            self._labels.rows(value, token)
            for array, holder in self._lent.held_by(value, token):
                self.array(array, holder, holds=True)

    def array(self, value: Any, token: int, *, holds: bool = False) -> None:
        """Log how an array of NumPy lies in memory, and whose memory that is, after its token was told.

        Args:
            value: the array.
            token: of it, or of the frame or Series that holds its values in it.
            holds: whether the token is of such a one.
        """
        own = sys.modules["numpy"].ndarray
        base = value
        while issubclass(type(inner := _owner(own, base)), own):
            base = inner
        what = own.dtype.__get__(value)
        flags = (FIELDS if what.names is not None else 0) | (0 if what.hasobject else PLAIN)
        offset, numbers = 0, [flags]
        if base is not value or holds:
            offset = _address(own, value) - _address(own, base)
            numbers = [VIEW | flags, *self.reference(base)]
        elif kinds.name_of(type(inner)) in _LENDING:
            offset = _address(own, value)
            numbers = [VIEW | flags, *self.reference(inner)]
        shape, strides = own.shape.__get__(value), own.strides.__get__(value)
        signed = [2 * one if one >= 0 else -2 * one - 1 for one in (offset, *strides)]
        size = own.itemsize.__get__(value)
        self.put(ARRAY, token, *numbers, size, len(shape), *shape, *signed)

    def key(self, key: Any, container: Any = None) -> int:
        """The number that stands for a key: even ones are whole numbers, odd ones texts told before."""
        own = type(key)
        if type(own) is type and own.__module__ == "numpy" and "int" in own.__name__:
            key, own = int(key), int
        if own is bool or (own is float and key.is_integer()):
            key, own = int(key), int
        if own is int:
            if key < 0 and type(container) in (list, tuple, str, collections.deque):
                key += len(container)
            if -(1 << 30) < key < 1 << 30:
                number: int = 2 * key if key >= 0 else -2 * key - 1
                return 2 * number
        text = self._key_text(key)
        found = self._keys.get(text)
        if found is None:
            if len(self._keys) >= _MOST_KEYS:
                self._forget_keys()
            found = self._keys[text] = len(self._keys)
            self.text(KEYTEXT, text, found)
        return 2 * found + 1

    def _forget_keys(self) -> None:
        self._keys.clear()

    def _activation(self, frame: types.FrameType) -> int:
        return activation_of(frame, self._activations)

    def _key_text(self, key: Any) -> str:
        own = type(key)
        if own is slice:
            parts = (key.start, key.stop, key.step)
            if all(type(part) is int or part is None for part in parts):
                shown = ["" if part is None else str(part) for part in parts]
                return ":".join(shown if shown[2] else shown[:2])
            return ""
        if own is tuple and len(key) < 20 and all(kinds.is_among(type(part), kinds.PLAIN) for part in key):
            return ", ".join(self._key_text(part) or "?" for part in key) if _has_slice(key) else repr(key)
        if (own is tuple or own is list) and len(key) < 20:
            # Not all of it is known: the mark before it says so.
            words = ", ".join((kinds.is_among(type(part), kinds.WORDS) and repr(part)) or "?" for part in key)
            return f"[{words}]" if own is list and "?" not in words else f"?{words}"
        if own is not range and kinds.is_among(own, kinds.PLAIN):
            shown_ = repr(key)
            return shown_ if len(shown_) <= _LONGEST_KEY else shown_[:_LONGEST_KEY] + f"…{hash(key):x}"
        return ""

    # -- hooks -----------------------------------------------------------------------------------------------

    def item(self, head: int, *values: Any) -> None:
        """A loop got its next item, a block begins with these names bound, or a function its parameters."""
        found = [head]
        for value in values:
            found += self.reference(value)
        if any(found[1:]):
            self.put(*found)
        else:
            self.put(head + 1)

    def each(self, head: int, values: Any) -> Any:
        """What a loop goes through, so that each item is told. No frame of ours comes into tracebacks."""
        return map(functools.partial(self._each, head), values)

    def _each(self, head: int, value: Any) -> Any:
        self.item(head, value)
        return value

    def place(self, head: int, container: Any, key: Any) -> Any:
        """A container and the key in it: two records."""
        self.put(head, *self.reference(container))
        self.put(head + 1, self.key(key))
        return container

    def outside(self, head: int, value: Any = None) -> Any:
        """Text that is not traced runs; gives the value back."""
        if self._said != len(self._numbers) or get_ident() != self._thread:
            self.put(head)
            self._said = len(self._numbers) or -1
        return value

    def getitem(self, head: int, container: Any, key: Any) -> Any:
        """``container[key]``."""
        value = container[key]
        number, where, what = self.key(key, container), self.reference(container), self.reference(value)
        if self.active:
            self._access(head, where, number, what)
        return value

    def _access(self, head: int, where: tuple[int, ...], number: int, what: tuple[int, ...]) -> None:
        thread, containers = get_ident(), self._containers
        long: tuple[int, ...] = (head, *where, number, *what)
        short: tuple[int, ...] = (head + 1, number)
        switched = (SWITCH, self._number_of(thread), *long)
        again = what[0] == ATOM and type(where) is not First
        # No call from here to the end of `extend`: no other thread runs, and logs an access at this place.
        if thread != self._thread:
            short = switched
        elif not (again and head in containers and containers[head] == where[0]):
            short = long
        self._thread, containers[head] = thread, where[0]
        self._numbers.extend(short)
        self._logged()

    def getattr(self, head: int, container: Any, name: str) -> Any:
        """The attribute `name` of a thing."""
        value = getattr(container, name)
        self.put(head, *self.reference(container), *self.reference(value))
        return value

    def value(self, head: int, value: Any, order: int) -> Any:
        """A value that is told as a text and given back."""
        if self.active:
            self.text(head, text_of(value), order)
        return value

    def through(self, head: int, value: Any) -> Any:
        """A value that is looked at and given back."""
        self.put(head, *self.reference(value))
        return value

    def key_of(self, head: int, key: Any) -> Any:
        """The key of a store."""
        self.put(head, self.key(key))
        return key

    def enter(self, head: int, nested: Any, *values: Any) -> None:
        """A function with these parameters begins; a nested one gives a function with one of its cells."""
        found = [head]
        if nested is not None:
            found += self._cell(nested)
        for value in values:
            found += self.reference(value)
        self.put(*found)

    def _cell(self, function: Any) -> tuple[int, ...]:
        closure = function.__closure__
        return self.reference(closure[0]) if closure else (UNTRACKED,)

    def begin(self, head: int, nested: Any, *values: Any) -> None:
        """A generator or coroutine begins."""
        frame = sys._getframe(1)
        self._last_activation += 1
        self._activations[id(frame)] = self._last_activation
        found = [head, self._last_activation]
        if nested is not None:
            found += self._cell(nested)
        for value in values:
            found += self.reference(value)
        self.put(*found)

    def next(self, head: int, *values: Any) -> None:
        """A generator expression got its next item."""
        found = [head, *self.reference(sys._getframe(1))]
        for value in values:
            found += self.reference(value)
        self.put(*found)

    def resume(self, head: int, value: Any) -> Any:
        """A generator or coroutine goes on."""
        self.put(head, self._activation(sys._getframe(1)), *self.reference(value))
        return value

    def over(self) -> None:
        """A generator or coroutine is over."""
        self.put(OVER, self._activations.pop(id(sys._getframe(1)), 0))

    def raised(self, head: int) -> None:
        """An exception came to a handler; logged is which part of the text gave it."""
        error = sys.exception()
        trace = error.__traceback__ if error is not None else None
        activation = self._activation(sys._getframe(1))
        place = NOWHERE if trace is None else place_of(trace.tb_frame.f_code, trace.tb_lasti)
        self.put(head, activation, *place)

    def define(self, head: int) -> Any:
        """A function or class is defined; gives the decorator that tells of it."""
        return functools.partial(self.made, head)

    def made(self, head: int, made: Any) -> Any:
        """A function or class was made; gives it back."""
        cells = (made.__closure__ or ()) if type(made) is types.FunctionType else ()
        found = [head, *self.reference(made), len(cells)]
        for cell in cells:
            found += self.reference(cell)
        self.put(*found)
        return made

    def ran(self, head: int, code: Any) -> Any:
        """What is given to ``exec`` or ``eval``: logged are the names that it binds and uses."""
        found = names_of_text(code)
        known = [] if found is None else [[self.key(name) for name in names] for names in found]
        told = [number for names in known for number in (len(names) + 1, *names)]
        self.put(head, *(told or (0,)))
        return code

    def hooks(self) -> dict[str, Any]:
        """The hooks by name."""
        found: dict[str, Any] = dict.fromkeys(["into", "result", "receiver"], self.through)
        found |= {"block": self.put, "item": self.item, "getitem": self.getitem, "getattr": self.getattr}
        found |= {"key": self.key_of, "enter": self.enter, "begin": self.begin, "resume": self.resume}
        found |= {"raised": self.raised, "define": self.define, "next": self.next, "other": self.over}
        found |= {"each": self.each, "place": self.place, "outside": self.outside, "left": self.put}
        found |= {"value": self.value}
        found |= Skipping(self).hooks() | Callers(self).hooks()
        found |= {
            "flush": self.flush,
            "ran": self.ran,
            "release": self.release,
            "slice": slice,
            # No types: who looks for those among the built-in names (dill does) finds no second name.
            "over": (BaseException,),
            "deep": (RecursionError,),
        }
        return found

    def install(self) -> None:
        """Make the hooks known to traced code."""
        assert KINDS.keys() <= set(HOOKS)
        hooks = {hook_name(name): hook for name, hook in self.hooks().items()}
        # Ahead of what the program puts there: they are taken away, and die, in this order.
        remaining = vars(builtins).setdefault(hook_name("remaining"), _Remaining())
        remaining.hooks = hooks
        vars(builtins).update(hooks)

    def module(
        self,
        path: str,
        source: bytes,
        count: int,
        heads: list[int],
        chosen: Sequence[int] | None = None,
        *,
        marked: bool = True,
        file: str = "",
    ) -> None:
        """Log the text of a module, traced with `base` and `first`.

        Args:
            path: of its file.
            source: its text.
            count: how many numbers its parts take.
            heads: what its kinds of records are.
            chosen: numbers of the functions that are traced; all of the module is by default.
            marked: what is not traced tells when it runs.
            file: that its code names, where that is another.
        """
        import zlib

        if chosen is not None:
            self.put(CHOSEN, int(marked) + 2 * bool(self.rounds), len(chosen), *chosen)
        name = path.encode("utf-8", "surrogateescape")
        if self.base == 1:
            self.put(JOINED, CLOSES, 0)
        steps = (head - before for before, head in zip([0, *heads], heads, strict=False))
        kinds = encode([2 * one if one >= 0 else -2 * one - 1 for one in steps])
        kept = zlib.compress(kinds, 6) + zlib.compress(source, 6)
        self.text(MODULE, name + b"\0" + kept, self.base, count, self.first, len(heads))
        self.bases[file or path] = self.base
        self.base += count
        self.first += len(heads)
        self.paths[file or path] = path
        self.sources[file or path] = source
        self._texts.add(os.path.abspath(file or path))

    def opened(self, path: str, written: bool, target: str = "") -> None:
        """Log that the program opens a file, and which part of the text is being evaluated.

        Args:
            path: of the file.
            written: it may be written, too.
            target: what it is renamed to, where it is not opened, but that.
        """
        if not self.active or path in self._texts:
            return
        if written and not target and os.path.isdir(path):
            return  # `tempfile` says so of the folder, and then opens a file in it.
        name, place = self.evaluated()
        names = (name, path, target) if target else (name, path)
        self.text(OPENED, "\0".join(names), int(written), *place)

    def evaluated(self) -> tuple[str, tuple[int, ...]]:
        """Which part of the text this thread is evaluating: its path, its place; empty, zeros for none."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename not in self.paths:
            frame = frame.f_back
        if frame is None:
            return "", NOWHERE
        return self.paths[frame.f_code.co_filename], place_of(frame.f_code, frame.f_lasti)

    def gap(self, path: str, line: int, why: str) -> None:
        """Log that something is not traced."""
        self.text(GAP, f"{path}\0{why}", line)

    def telling(self, recorder: Recorder, known: Callable[..., None]) -> Callable[..., None]:  # noqa: ARG002
        """What tells that an object is an entity: `known`, or the same at less cost.

        Args:
            recorder: of the run.
            known: takes the object, its entity, and whether it was another one before.
        """
        return known

    def rehearse(self) -> None:
        """Go through the hooks with nothing logged, ahead of the program, if that saves it anything."""

    def leave(self) -> None:
        """In a forked child: the log is the parent's."""
        self.active = False
        self._numbers = []

    def forked(self) -> None:
        """In a forked child whose log goes on: no other thread writes here."""
        self._writer = 0

    def stop(self) -> None:
        """Log no more; what was, is written out, and that nothing is missing behind it."""
        if self.active and self.base > 1:
            self.put(JOINED, CLOSES, 1)
        self.flush()
        self.active = False
        # What it held dies in its own time, and with that the names that it holds.
        self._tokens, self._held = {}, 0


def _owner(own: Any, array: Any) -> Any:
    """Whose memory it is that an array has: where it is of a buffer, that of what gives this.

    Windows over an array (`as_strided`), and elements that are gone through (`nditer`), have another object
    between.
    """
    base = own.base.__get__(array)
    kind = type(base)
    if kind is memoryview:
        return base.obj
    if base is None or issubclass(kind, own) or not str(kinds.module_of(kind)).startswith("numpy"):
        return base
    if kinds.name_of(kind) == "nditer":
        share = sys.modules["numpy"].may_share_memory
        return next((one for one in base.operands if share(one, array)), base)
    return vars(base).get("base", base) if kinds.name_of(kind) == "DummyArray" else base


def _address(own: Any, array: Any) -> int:
    """Where the memory of an array begins; asked of NumPy's own type, not of one derived from it."""
    address: int = own.__array_interface__.__get__(array)["data"][0]
    return address


def _has_slice(key: tuple[Any, ...]) -> bool:
    return any(type(part) is slice for part in key)
