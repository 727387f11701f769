"""Going along the log of a traced process: its records, its threads, and the events that are stated.

What waits for a record follows meanwhile whatever else the log tells: functions that begin, generators that
go on. The shadow's operations, in the modules beside this one, build on it.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
import weakref
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.ending import Ending
from trilha.trace.evaluations import (
    Component,
    Event,
    Forked,
    Gap,
    Known,
    Opened,
    Passed,
    Source,
)
from trilha.trace.heap import Thing, Value, thing_of
from trilha.trace.log import END, FIRST_TOKEN, Log, unpacked
from trilha.trace.shadow import Shadow
from trilha.trace.unasked import Unasked
from trilha.trace.waiting import Astray, Call, Lane, Lost, Over, Pausing, Thrown, Unbegun

__all__ = ["Machine"]

_STACK: Final = 512 << 20
_DEPTH: Final = 1_000_000
_OF_ONE: Final = frozenset([words.RAISED, words.FINISHED, words.RESUME])
_NESTED: Final = frozenset([words.ENTER, words.BEGIN, words.NEXT])


class Machine(Ending, Unasked):
    """Goes along one log.

    Args:
        chunks: the log's bytes.
        sink: takes each event.
        components: takes the components as they are met.
        linked: takes an activation and the evaluation of its call, when that is known.

    Attributes:
        texts: the modules' texts by their paths, as far as they were met.
        waiting: a generator expression is left until the log tells that it has its next item.
        era: how often something ran that may have taken of any iterator.
        within: the part of the text that runs the function that begins next, if that tells; else -1.
    """

    Thrown = Thrown
    whole = True
    """All of the program is traced, as far as it is known."""

    def __init__(
        self,
        chunks: Iterable[bytes],
        sink: Callable[[Event], object],
        components: Callable[[Component], object] = lambda _: None,
        linked: Callable[[int, int], object] = lambda _activation, _call: None,
    ) -> None:
        super().__init__(Log(chunks), sink, components)
        self._linked = linked
        self.texts: dict[str, bytes] = {}
        self.kind = self.site = self.stop = self.within = -1
        self._within: dict[int, int] = {}
        self.clock = 0
        self._live: dict[int, Thing] = {}
        self._introduced: dict[int, tuple[int, int]] = {}
        self._last_thing = self._nameless = 0
        self._twins: dict[int, set[int]] = {}
        self._grouped: dict[int, str] = {}
        self._ever_grouped: set[int] = set()
        self._group: tuple[int, dict[str, Value]] = (0, {})
        self._keys: dict[int, str] = {}
        self._label_kinds: dict[int, str] = {}
        self._outside: dict[str, dict[str, Value]] = {}
        self.pausing_names: set[str] = set()
        self.storing = False
        self._unbegun: dict[int, Unbegun] = {}
        self._given_to: dict[int, list[Call]] = {}
        self._modules: list[tuple[int, int, Shadow, dict[str, Any]]] = []
        self._functions: dict[int, Any] = {}
        self._made: dict[int, Any] = {}
        self._aliases: dict[int, Any] = {}
        self._pausing: dict[int, Pausing] = {}
        self._lazy: dict[int, Any] = {}
        self._fed: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._generators: weakref.WeakKeyDictionary[Any, Thing] = weakref.WeakKeyDictionary()
        self._tests: weakref.WeakKeyDictionary[Any, list[Value]] = weakref.WeakKeyDictionary()
        self._unstarted: dict[int, list[Any]] = {}
        self._nodes: dict[int, ast.AST] = {}
        self._met: set[int] = set()
        self._gaps: set[tuple[str, int, str]] = set()
        self._last_activation = self._newest = 0
        self._open: dict[int, str] = {}
        self._happened: dict[int, list[tuple[int, Opened | Known | Passed | Thing]]] = {}
        self._targets: dict[tuple[int, str], int] = {}
        self._handler_act = 0
        self._raised_at: tuple[int, ...] = ()
        self._heads: list[int] = []
        self._told_changed: set[int] = set()
        self._handing_at: dict[tuple[int, int], list[int]] = {}
        self._tasks: dict[int, Call] = {}
        self._leaving_it: dict[int, bool] = {}
        self._forking = ""
        self._sent: dict[str, Any] = {}
        self._holders: dict[int, Any] = {}
        self._early: dict[int, list[Any]] = {}
        self._kinds: set[int] = set()
        self._values_told: dict[tuple[int, int, int], str] = {}
        self._short = False
        self._token = 0
        self._container_tokens: dict[int, int] = {}
        self._frame: Thing | None = None
        self.waiting = False
        self.era = [0]
        self.sent: Value = None
        self.half_key: str | None = None
        self.lane = Lane(0)
        self._lanes = {0: self.lane}
        self._thread = 0
        self._failure: BaseException | None = None

    # -- the log ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Replay all of it; gives nothing back but what it sends to its sink."""
        before, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
        sys.setrecursionlimit(_DEPTH)
        try:
            thread = threading.Thread(target=self._drive, args=(self.lane, True), daemon=True)
            thread.start()
            thread.join()
            self._close_waiting()
        finally:
            threading.stack_size(size)
            sys.setrecursionlimit(before)
        if self._failure is not None:
            raise self._failure

    def _close_waiting(self) -> None:
        """Close the shadows of generators that still waited when the log ended."""
        for one in list(self._pausing.values()):
            with contextlib.suppress(BaseException):
                one.shadow.close()

    def _drive(self, lane: Lane, first: bool = False) -> None:
        """Follow one thread of the program: what it does that no shadow waits for."""
        try:
            if first:
                self._advance()
            else:
                lane.turn.acquire()
            while self.kind != END and not self.ended:
                try:
                    self._nested()
                except (Thrown, NameError):
                    if self.kind == words.RAISED and self._handler_act not in self._pausing:
                        self._skip_raised()
        except Over:
            pass
        except Lost as lost:
            self.lose(str(lost))
        except EOFError:
            self.lose("the log ends inside a record")
        except Exception as error:  # noqa: BLE001 -- the rest of the log is lost, and what was followed is not
            self.lose(f"a fault of Trilha's ({type(error).__name__}: {error})")
        except BaseException as error:  # noqa: BLE001 -- told by `run`, in its own thread
            self._failure = error
        # What comes of another thread than this one would wait for it, for ever.
        self.finish()

    def _tick(self) -> int:
        self.clock += 1
        return self.clock

    def _advance(self) -> None:
        """Go to the next record that a shadow waits for."""
        number = self._log.number
        self.lane.read = self.clock
        self.within = -1
        try:
            while True:
                head = number()
                if head >= words.FIRST:
                    if head - words.FIRST >= len(self._heads):
                        raise Lost("the log is damaged, or of another version")
                    place = self._heads[head - words.FIRST]
                    self.kind, self.site = place & 31, place >> 5
                    self._short = self.kind > words.FINISHED
                    if self.kind > words.PLAIN:
                        self._short = False
                        if self.kind == words.CALLED:
                            self._within[self._thread] = self._part_that_runs(number())
                            continue
                        if self.kind < words.LEFT or self.kind == words.VALUE:
                            self.beside()
                            continue
                    elif self._short:
                        self.kind = words.GETITEM if self.kind == words.AGAIN else words.ITEM
                elif head == words.OVER:
                    self.kind, self.site, self._handler_act = words.FINISHED, -1, number()
                elif head == words.SWITCH:
                    self._thread = number()
                    if self.several():
                        self._advance()
                        return
                    continue
                else:
                    self._other(head)
                    continue
                if self.kind == words.ENTER:
                    if self.site << 5 | words.CALLED in self._kinds:
                        self.within = self._within.get(self._thread, -1)
                elif self.kind == words.RAISED:
                    self._note_raised()
                elif self.kind == words.RESUME:
                    self._handler_act = number()
                elif self.kind == words.NEXT:
                    self._frame = thing_of(self._reference(0))
                return
        except EOFError:
            self.at_end()

    def _other(self, what: int) -> None:
        number = self._log.number
        if what == words.DEAD:
            gone = self.dies(number() + FIRST_TOKEN)
            if gone is not None and (gone.array is not None or gone.blocks):
                self.forget_array(gone)
            if gone is not None and gone.number in self._unbegun:
                self._never_begun(self._unbegun.pop(gone.number))
        elif what == words.KEYTEXT:
            at = number()
            self._keys[at] = self._log.text().decode("utf-8", "surrogatepass")
        elif what == words.MODULE:
            self._add_module(number(), number(), number(), number())
        elif what == words.CHOSEN:
            self.choose()
        elif what == words.ARRAY:
            self.note_array(number() + FIRST_TOKEN)
        elif what == words.GAP:
            line = number()
            path, why = self._log.text().decode("utf-8", "surrogatepass").split("\0", 1)
            self._sink(Gap(self.clock, self.clock, path, line, why))
        elif what == words.OPENED:
            self._note_opened(bool(number()), (number(), number(), number(), number()))
        elif what == words.FORKED:
            number()
            self._note_forked(self._log.text().decode("ascii", "replace"))
        elif what in (words.ROWS, words.LABELS):
            self.note_rows(what)
        elif what == words.JOINED:
            self._note_joined(number())
        elif what != words.PAD:
            self.note_other(what)

    def note_other(self, what: int) -> None:
        """A record that belongs to no place of the text, and is of a kind that is not known here."""
        raise Lost(f"a record of an unknown kind ({what})")

    def _note_forked(self, journal: str) -> None:
        """What follows in the log is of a process that was forked; the shadow is not as far yet."""
        self._forking, self.forked = journal, True
        self._sink(Forked(self.clock, journal))
        advance = self._advance

        def once() -> None:
            # The shadow has followed the first record of this process.
            del self.__dict__["_advance"]
            self.past_fork()
            advance()

        self.__dict__["_advance"] = once

    def past_fork(self) -> None:
        """The shadow follows the first record of a forked process, if it has not before."""
        if self._forking:
            self._sink(Forked(self.clock, self._forking))
            self._forking = ""

    def _note_opened(self, written: bool, place: tuple[int, int, int, int]) -> None:
        """A file is opened: by the part of the text at a place, which is still being evaluated."""
        code, path, *target = self._log.text().decode("utf-8", "surrogatepass").split("\0")
        self.happens(code, place, Opened(0, path, written, code, place[0], *target))

    def happens(self, path: str, place: tuple[int, int, int, int], event: Opened | Known | Thing) -> None:
        """An event is of the evaluation that goes on at this place of a text."""
        self._happened.setdefault(self.part_at(path, place), []).append((self._thread, event))

    def part_at(self, path: str, place: tuple[int, int, int, int]) -> int:
        """The part of the text at a place; -1 if there is none."""
        known = [one[2] for one in self._modules if one[2].path == path]
        shadow = next((one for one in known if one.called == known[-1].called), None)
        return shadow.at_place(place) if shadow is not None else -1

    def happened(
        self,
        event: Opened | Known | Passed | Thing,
        number: int,
        thing: Thing | None,  # noqa: ARG002 -- those that join look at it
    ) -> None:
        """State what happened while a part of the text was evaluated, which gave `thing`."""
        if isinstance(event, Opened):
            self._sink(event._replace(evaluation=number))

    def _part_that_runs(self, base: int) -> int:
        """The part of a text that runs the function that begins next; -1 if none. `base` is the text's."""
        number = self._log.number
        place = number(), number(), number(), number()
        module = self._module_of(base) if base else None
        return module[2].at_place(place) if module is not None else -1

    def _claim(self, place: int, number: int, thing: Thing | None) -> None:
        """State what happened while a part of the text was evaluated, which gave `thing`."""
        others = []
        for thread, event in self._happened.pop(place):
            if thread == self.lane.number:
                self.happened(event, number, thing)
            else:
                others.append((thread, event))
        if others:
            self._happened[place] = others

    def note_array(self, token: int) -> None:
        """How an array lies in memory that was told before, and whose memory that is."""
        raise NotImplementedError

    def forget_array(self, gone: Thing) -> None:
        """An array is gone, or what has its values in arrays."""
        raise NotImplementedError

    def _add_module(self, base: int, count: int, first: int, kinds: int) -> None:
        name, _, packed = self._log.text().partition(b"\0")
        path = name.decode("utf-8", "surrogateescape")
        try:
            heads, text = unpacked(packed, kinds)
            if first != len(self._heads) + words.FIRST:
                raise Lost(f"what is logged of {path} does not fit what was logged before")
            self._heads.extend(heads)
            self._kinds.update(heads)
            called, often = path, 1
            while self.texts.get(called, text) != text:
                often += 1
                called = f"{path} ({often})"  # It was loaded anew, and had changed.
            self.texts[called] = text
            shadow = self._shadow(text, path, base)
            shadow.called = called
        except (SyntaxError, ValueError, RecursionError, MemoryError, zlib.error, EOFError) as error:
            raise Lost(f"{path} cannot be read by this Python: {error}") from None
        self._modules.append((base, count, shadow, self.namespace_of(base + count - 1, path)))
        self._functions |= shadow.functions
        self.pausing_names |= shadow.pausing
        self.setters |= shadow.setters
        self.plain |= shadow.plain
        for at, node in enumerate(shadow.nodes):
            self._nodes[base + at] = node
        self.storing = self.storing or any(map(self.is_storing, shadow.functions))

    def _shadow(self, source: bytes, path: str, base: int) -> Shadow:
        return Shadow(source, path, base)

    def namespace_of(self, place: int, path: str) -> dict[str, Any]:  # noqa: ARG002
        """The names of the module for which a number stands, which is new."""
        return {}

    def _note_joined(self, what: int) -> None:
        if what == words.CLOSES:
            self.note_closes()
        else:
            self.note_joined(what)

    def note_joined(self, what: int) -> None:
        """What joins the trace to the rest of the run."""
        raise NotImplementedError

    def task_calls(self, place: int) -> Sequence[Call]:
        """The calls by one of which a thread got the function that it calls on its own account."""
        raise NotImplementedError

    def results_given(self, calls: Sequence[Call]) -> tuple[Source, ...]:
        """What tasks gave whose futures these calls were given."""
        raise NotImplementedError

    def gives_function(self, place: int, call: Call) -> None:
        """A call is given a function of the program, which a thread may call on its own account."""
        raise NotImplementedError

    def call_begins(self, at: int, call: Call) -> None:
        """A call is about to be made by a part of the text."""
        raise NotImplementedError

    def escapes(self, *values: Value) -> None:
        """Others may take from iterators that get these values."""
        raise NotImplementedError

    def gave(self, lane: Any, result: Value) -> None:
        """A function gave something that nothing of the program had called in this thread."""
        raise NotImplementedError

    def executes(self, lane: Any, above: int = 0) -> bool:
        """Whether the function that runs next (`above` is 1: that runs) is one that a task calls."""
        raise NotImplementedError

    def given(self, lane: Any, parameters: list[Value]) -> None:
        """State what the function of a task is called with."""
        raise NotImplementedError

    def settle_giving(self, lane: Any) -> None:
        """A function that a thread called is over: what was told meanwhile holds now."""
        raise NotImplementedError

    def choose(self) -> None:
        """Only a part of the module that comes next is traced."""
        raise NotImplementedError

    def beside(self) -> None:
        """A record that no shadow waits for: a value, or one of text that is not traced."""
        if self.kind == words.VALUE:
            order = self._log.number()
            text = self._log.text().decode("utf-8", "replace")
            self._values_told[self._thread, self.site, order] = text
            return
        raise Lost(f"a record of an unknown kind ({self.kind})")

    def lane_of(self, number: int) -> Any:
        """A thread of the program."""
        found = self._lanes.get(number)
        if found is None:
            found = self._lanes[number] = Lane(number)
            threading.Thread(target=self._drive, args=(found,), daemon=True).start()
        return found

    def _hand_over(self, number: int) -> None:
        """Another thread of the program goes on, with the record that is ready."""
        mine = self.lane
        other = self.lane_of(number)
        self.lane = other
        other.turn.release()
        mine.turn.acquire()
        if self.ended:
            raise Over
        self.lane = mine

    def _module_of(self, place: int) -> tuple[int, int, Shadow, dict[str, Any]] | None:
        at = bisect_right(self._modules, place, key=itemgetter(0)) - 1
        found = self._modules[at] if at >= 0 else None
        return found if found is not None and place < found[0] + found[1] else None

    def is_told(self, place: int, kind: int) -> bool:
        """Whether there are records of a kind at a place; logs of before do not have all."""
        return place << 5 | kind in self._kinds

    def _place(self, place: int) -> tuple[str, int]:
        module = self._module_of(place)
        node = self._nodes.get(place)
        return (module[2].called if module else "", getattr(node, "lineno", 0))

    # -- what happened beside --------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Follow what runs before the shadow that waits can go on."""
        while self._is_other():
            self._beside()
        if self.is_cut():
            raise self.at_cut()

    def _beside(self) -> None:
        """Follow what the log tells next. What called it may catch what it raises: the next record tells."""
        try:
            self._nested()
        except Thrown:
            if self.kind == words.RAISED and self._is_other() and self._handler_act not in self._pausing:
                raise

    def _settle_implicit(self, tested: int | None = None, value: Value = None) -> None:
        """Follow only what runs without a call in the text: special methods, setters, ends of generators.

        Args:
            tested: number of the expression whose truth was asked for, if that is what may have run it.
            value: of that.
        """
        calm = tested is None and self.is_calm()
        while self._is_other():
            if self.kind == words.ENTER:
                if not self.begins_unasked(self.site, tested, value, calm=calm):
                    return
            elif self.kind not in _OF_ONE or self.kind == words.RESUME:
                return
            self._beside()
        if self.is_cut():
            raise self.at_cut()

    def _is_other(self) -> bool:
        """Whether the next record is no concern of the shadow that runs."""
        kind = self.kind
        if kind == words.NEXT:
            return self.lane.lazy is None or self._frame is None or self._frame.over is not self.lane.lazy
        return kind in _NESTED or (kind in _OF_ONE and self._is_of_another())

    def _is_of_another(self) -> bool:
        """Whether a record is of a generator or coroutine that neither runs now nor has called what does."""
        if self._handler_act == self.lane.pausing:
            return False
        found = self._pausing.get(self._handler_act)
        return found is None or not found.shadow.gi_running

    def _expect(self, kind: int, at: int) -> None:
        """Wait for a record.

        Raises:
            Thrown: an exception came instead.
            Lost: something else did.
        """
        while self.kind != kind or self.site != at:
            if self.kind in _NESTED or (self.kind in _OF_ONE and self._is_of_another()):
                self._beside()
            elif self.kind == words.RAISED or self.is_left():
                call = self.lane.call
                if call is not None:
                    given = (one[0] if isinstance(one, tuple) else one for _, one in call.arguments)
                    self.lane.failed = (call.target, *given), self.clock
                raise Thrown
            elif self.kind == END:
                raise self.over(at)
            elif self.lane.unguarded or self.lane.lazy is not None:
                raise Thrown  # It left a lambda or a generator expression, which tell nothing of it.
            else:
                path, line = self._place(at)
                raise Astray(f"{words.KINDS[kind]} expected in {path}:{line}, met {words.KINDS[self.kind]}")

    def is_left(self) -> bool:
        """Whether the text whose shadow runs is over."""
        return False

    def several(self) -> bool:
        """Go on as what replays several threads; False if this does already."""
        raise NotImplementedError

    def _nested(self) -> None:
        """Follow what the log tells next, where no shadow waits for it."""
        raise NotImplementedError

    # -- exceptions ------------------------------------------------------------------------------------------

    def _note_raised(self) -> None:
        number = self._log.number
        self._handler_act = number()
        place = number(), number(), number(), number()
        self._raised_at = place
        self.stop = -1
        module = self._module_of(self.site)
        if module is None:
            return
        shadow = module[2]
        self.stop = shadow.at_place(place)

    def _skip_raised(self) -> None:
        self.stop = -1
        self._advance()

    def check(self, at: int, *values: Value) -> None:
        """An operation of these values, which logs nothing, begins: perhaps it raised."""
        if at == self.stop and self.kind == words.RAISED and self._handler_act == self.lane.pausing:
            if at != self.stop:
                return  # To look at the record let other threads go on.
            self.lane.failed = values, self.clock
            raise Thrown

    def untraced(self, at: int) -> None:
        """A statement that is not followed."""
        self._settle()
        name = type(self._nodes[at]).__name__
        self.gap(at, f"a statement ({name}) that is not traced")
