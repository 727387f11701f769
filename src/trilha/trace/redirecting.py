"""What is printed while the output of the program goes elsewhere: into a buffer that is asked for it later.

`contextlib.redirect_stdout` puts another file in the place of the standard output until its block is left
(or that of the `ExitStack` that it is given to), and `sys.stdout = file` until that is assigned again. What
prints meanwhile names the file nowhere; it may have changed it nevertheless. So may what is told to a logger
change each stream that a handler of the standard library was made for.

Source: Python Library Reference, `contextlib`; `sys`, section "stdout"; `logging.handlers`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final, NamedTuple

from trilha.trace.advancing import Advancing
from trilha.trace.heap import Thing, Value, number_of, thing_of
from trilha.trace.waiting import Call

__all__ = ["OUTPUT", "Redirecting"]

_REDIRECTING: Final = "contextlib.redirect_stdout"
OUTPUT: Final = "sys.stdout"
"""As which it is assigned, where a text imports `sys`."""
_PRINTING: Final = frozenset(["print", "help", "pprint.pprint", "pprint.pp", "dis.dis", "calendar.prmonth"])
"""Functions that print where they are not told where to."""
_PRINTING_METHODS: Final = frozenset(["print_help", "print_usage", "print_stats", "pprint", "info"])
_STREAMING: Final = frozenset(["logging.StreamHandler", "logging.basicConfig"])
"""Functions that are given a stream to which a logger writes."""
_LOGGING: Final = frozenset(
    ["debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "log"]
)
"""Methods of loggers, and functions of `logging`, that write."""
_TO: Final = ("file", "stream", "buf")
"""How the arguments are called that say where to."""


class _Redirected(NamedTuple):
    """The output goes to a file while a ``with`` runs; `at` is its number, `file` the file."""

    at: int
    activation: int
    file: Value


class Redirecting(Advancing):
    """Knows where the output goes; a part of `trilha.trace.replay.Replay`."""

    _open: dict[int, str]

    def __init__(self) -> None:
        super().__init__()
        self._redirected: list[_Redirected] = []
        self._output: Value = None
        self._stacks: dict[int, tuple[int, int]] = {}
        self._streams: list[Value] = []

    def redirects(self, name: str, call: Call, made: Thing | None) -> None:
        """Note what a call gave that will send the output elsewhere, if it did; or did so at once."""
        if name in _STREAMING:
            named = [one for word, one in call.arguments if word == "stream"]
            plain = [one for word, one in call.arguments if word is None and name != "logging.basicConfig"]
            self._streams += [one for one in (*named, *plain)[:1] if thing_of(one) is not None]
        if not call.arguments:
            return
        if name == _REDIRECTING and made is not None:
            made.over = (_REDIRECTING, call.arguments[0][1])
        elif call.method == "enter_context":
            stack = thing_of(call.target)
            at, activation = self._stacks.get(stack.number if stack is not None else 0, (0, 0))
            if at:
                self._send(at, activation, call.arguments[0][1])

    def redirected(self, at: int, managers: Sequence[Value]) -> None:
        """A ``with`` of these managers has begun."""
        for one in managers:
            thing = thing_of(one)
            if thing is not None and not self._send(at, self.lane.activation, one):
                self._stacks[thing.number] = at, self.lane.activation

    def _send(self, at: int, activation: int, manager: Value) -> bool:
        """The output goes elsewhere until a ``with`` is over, if a manager does that; whether it does."""
        over = getattr(thing_of(manager), "over", None)
        if not isinstance(over, tuple) or over[0] != _REDIRECTING:
            return False
        self._redirected.append(_Redirected(at, activation, over[1]))
        return True

    def restored(self, at: int) -> None:
        """A ``with`` is over."""
        here = at, self.lane.activation
        if self._redirected:
            self._redirected = [one for one in self._redirected if one[:2] != here]
        if self._stacks:
            self._stacks = {stack: one for stack, one in self._stacks.items() if one != here}

    def output_stored(self, at: int, by: int, value: Value) -> None:
        """An attribute is assigned: if it is where the output goes, that changes what either file gets."""
        if ast.unparse(self._nodes[at]) == OUTPUT:
            self.advances(by, self._output, value)
            self._output = value

    def printed(self, at: int, name: str, call: Call) -> None:
        """State that a call of a library's function changed the file where the output goes, if it did."""
        if self._streams and (call.method or name.removeprefix("logging.")) in _LOGGING:
            self.advances(call.number, *self._streams)
        if not (self._redirected or number_of(self._output)):
            return
        prints = name in _PRINTING or call.method in _PRINTING_METHODS or name.startswith(f"{OUTPUT}.")
        if prints and not any(word in _TO for word, _ in call.arguments):
            open_ = [one for one in self._redirected if self._is_within(at, one)]
            self.advances(call.number, open_[-1].file if open_ else self._output)

    def _is_within(self, at: int, one: _Redirected) -> bool:
        """Whether a part of the text runs before a ``with`` is left: a jump out of it is not told."""
        if one.activation != self.lane.activation:
            return one.activation in self._open
        part, block = self._nodes[at], self._nodes[one.at]
        return any(inner is part for inner in ast.walk(block))
