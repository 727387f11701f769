"""Which object has which token, in the log in Python: for as long as it lives.

A table knows tokens by address. That an object died is told by a weak reference, or, for lists and dicts,
which cannot have one, by holding them until nobody else does; then the token goes to another object.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, Final

from trilha.capture.script import kinds
from trilha.capture.script.labels import DESCRIBED

__all__ = ["ATOM", "DEAD", "FIRST_TOKEN", "JOINED", "UNTRACKED", "First", "Identities"]

DEAD, JOINED, _MEETS = 1, 13, 17
"""Records: an object has died; what is told beside the text; of that: an object that has a token."""
ATOM, UNTRACKED, FIRST_TOKEN = 0, 1, 2
_MANY: Final = 1 << 14


class _Watch(weakref.ref[Any]):
    """Tells that an object has died by a function in C: no signal handler of the program runs in that."""

    __slots__ = ("address",)
    address: int


class First(tuple[int, ...]):
    """What stands for an object that the log has just told of."""

    __slots__ = ()


class Identities:
    """The tokens of a log's objects; a part of `trilha.capture.script.trail.Trail`.

    Attributes:
        active: False when no more is to be logged.
    """

    active: bool

    def __init__(self) -> None:
        self._tokens: dict[int, tuple[int, Any]] = {}
        self._gone: list[_Watch] = []
        self._free: list[int] = []
        self._next = 0
        self._held = 0
        self._sweep_at = _MANY
        self._untold: list[tuple[Any, int]] = []

    def put(self, *numbers: int) -> None:
        """Log a record as numbers."""
        raise NotImplementedError

    def reference(self, value: Any) -> tuple[int, ...]:
        """What stands for an object: 0 for one that never changes, else its token; that is told at first."""
        own = type(value)
        if (type(own) is type and own in kinds.ATOMS) or not self.active:
            return (ATOM,)
        if self._gone:
            self._bury()
        known = self._tokens.get(id(value))
        return (known[0] + FIRST_TOKEN,) if known is not None else self._met(value)

    def _met(self, value: Any) -> tuple[int, ...]:
        """What stands for an object that has no token yet.

        It is told of at once, by a record of its own: any thread's may be the first that has the object.
        """
        if self._free:
            token = self._free.pop()
        else:
            token = self._next
            self._next += 1
        try:
            holder: Any = _Watch(value, self._gone.append)
            holder.address = id(value)
        except TypeError:
            if kinds.is_untold(value):
                self._free.append(token)
                return (UNTRACKED,)
            holder = value
        kind = kinds.kind_of(value)
        self.put(JOINED, _MEETS, token, kind, len(value) + 1 if kind in (1, 2, 3, 4) else 0)
        mine = token, holder
        known = self._tokens.setdefault(id(value), mine)
        if known is not mine:  # Another thread was faster.
            self.put(DEAD, token)
            self._free.append(token)
            return (known[0] + FIRST_TOKEN,)
        if holder is value:
            self._held += 1
            if self._held > self._sweep_at:
                self._sweep()
        if kind in (kinds.ARRAY, kinds.FRAME) or kinds.name_of(type(value)) in DESCRIBED:
            self._untold.append((value, token))
        return First((token + FIRST_TOKEN,))

    def _bury(self) -> None:
        """Log which objects have died: before another is met, which may have the address of one."""
        while self._gone:
            gone = self._gone.pop()
            found = self._tokens.get(gone.address)
            if found is not None and found[1] is gone:
                self._forget(gone.address)

    def _forget(self, address: int) -> None:
        found = self._tokens.pop(address, None)
        if found is not None:
            self.put(DEAD, found[0])
            self._free.append(found[0])

    def release(self, value: Any) -> Any:
        """Forget an object, as if it had died, with the weak reference to it."""
        self._forget(id(value))
        return value

    def _sweep(self) -> None:
        """Let go of what only the table holds."""
        # Python 3.14 counts one less than others: what a name holds is lent to a call.
        entry: tuple[int, Any] = 0, object()
        _, holder = entry
        alone = sys.getrefcount(holder)
        gone, back = True, True
        while gone:
            gone, back = False, not back
            # What holds others comes before them in one of the two directions; what it holds may die with it.
            for address in list(reversed(self._tokens) if back else self._tokens):
                token, holder = self._tokens.get(address, (0, None))
                if type(holder) is not _Watch and sys.getrefcount(holder) == alone:
                    del self._tokens[address], holder
                    self.put(DEAD, token)
                    self._free.append(token)
                    self._held -= 1
                    gone = True
        self._sweep_at = max(_MANY, 2 * self._held)
