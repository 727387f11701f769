"""Structures that programs hand several things around in: lists, tuples, dicts, and what they hold.

A list of numbers that a call gave inside of another structure has nothing in it by which it could be known,
and is no result by itself. When the program takes it out and passes it on, what had it is what it came of.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.lists import LOOKED_AT, only_numbers

if TYPE_CHECKING:
    from trilha.capture.identity import Known

__all__ = ["Members", "is_structure", "may_hold", "members", "structures_in"]

_DICTS: Final = (dict, defaultdict, OrderedDict)
_VIEWS: Final[tuple[type, ...]] = (type({}.values()), type({}.items()))
_MOST: Final = 65_536


def is_structure(kind: type) -> bool:
    """Whether a dict, a list or any kind of tuple: what programs hand several things around in."""
    return kind is list or kind is dict or kind is defaultdict or issubclass(kind, tuple)


def may_hold(kind: type) -> bool:
    """Whether `structures_in` looks into it."""
    return is_structure(kind) or kind is OrderedDict or kind is deque or _is_view(kind)


def structures_in(thing: Any, name: str = "", depth: int = 2) -> Iterator[tuple[str, Any]]:
    """The lists, tuples and dicts that are members of `thing`, or of one of these, with the path to each.

    `thing` may also be an `OrderedDict`, a `deque`, or the values or items of a dict. No code of the program
    is run, and 256 members of each are looked at.
    """
    for path, one in members(thing, name):
        if is_structure(type(one)):
            yield path, one
            if depth > 1:
                yield from structures_in(one, path, depth - 1)


def _is_view(kind: type) -> bool:
    # A metaclass of the program's own is not asked.
    return type(kind) is type and kind in _VIEWS


def members(thing: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What `thing`, which is called `name`, holds, with the path to each; nothing of a list of numbers.

    It may be what `structures_in` looks into; 256 members are given, as they are at the beginning.
    """
    kind = type(thing)
    if kind is list:
        some = [] if only_numbers(thing, False) else thing[:LOOKED_AT]
    elif type(kind) is type and kind in _DICTS:
        pairs = list(islice(thing.items(), LOOKED_AT))
        return ((f"{name}[{key!r}]" if type(key) in (str, int) else f"{name}[…]", one) for key, one in pairs)
    elif issubclass(kind, tuple):
        some = list(islice(tuple.__iter__(thing), LOOKED_AT))
    elif kind is deque or _is_view(kind):
        some = list(islice(thing, LOOKED_AT))
    else:
        some = []
    return ((f"{name}[{place}]", one) for place, one in enumerate(some))


class Members:
    """Which structure the lists, tuples and dicts that it holds came with. Used from all threads at once.

    Each is held on to for as long as what it came with is, so that nothing else can have its address.
    """

    # `trilha_calls` has them by their places, and puts what a list of lists holds to `_late`, with what is
    # known of that list: few ask for it. Whoever looks into the other tables has it put there before.
    __slots__ = ("_late", "_of", "_owned")

    def __init__(self) -> None:
        self._late: list[tuple[tuple[Any, ...], Known]] = []
        self._of: dict[int, tuple[Any, Known, int]] = {}
        self._owned: dict[int, list[int]] = {}

    def put(self, thing: Any, known: Known, owner: int) -> None:
        """Have what `thing` holds come of it, which is `known`, until `owner` is forgotten."""
        if type(thing) is list and only_numbers(thing, True):
            rows = [] if only_numbers(thing, False) else thing[:LOOKED_AT]
        else:
            rows = [one for _, one in structures_in(thing)]
        self._settle()
        self._put(rows, known, owner)

    def _put(self, rows: Collection[Any], known: Known, owner: int) -> None:
        of = self._of
        if not rows or len(of) > _MOST:
            return
        fresh = {address: (one, known, owner) for one in rows if (address := id(one)) not in of}
        of.update(fresh)
        self._owned[owner] = [*self._owned.get(owner, ()), *fresh]

    def _settle(self) -> None:
        """Put what came lately to the tables."""
        late = self._late
        while late:
            try:
                # Put first: no other thread is to miss it in between. What that took out itself is put, too.
                self._put_late(late[0])
                self._put_late(late.pop(0))
            except IndexError:
                return

    def _put_late(self, one: tuple[tuple[Any, ...], Known]) -> None:
        rows, known = one
        self._put(rows, known, id(known.hold))

    def has_others(self, addresses: list[int], known: Known | None) -> bool:
        """Whether something at one of these addresses came of another thing than what is `known`."""
        self._settle()
        found = map(self._of.get, addresses)
        return any(one is not None and one[1] is not known for one in found)

    def put_one(self, thing: Any, known: Known, owner: int) -> None:
        """Have `thing` come of what is `known`, until `owner` is forgotten, unless it came of another one."""
        self._settle()
        address = id(thing)
        if address not in self._of and len(self._of) < _MOST:
            self._of[address] = thing, known, owner
            self._owned.setdefault(owner, []).append(address)

    def whole(self, thing: Any) -> Known | None:
        """What is known of what `thing` came with."""
        self._settle()
        found = self._of.get(id(thing))
        return found[1] if found is not None and found[0] is thing else None

    def forget(self, owner: int) -> None:
        """Let go of what came with what has the address `owner`."""
        self._settle()
        for address in self._owned.pop(owner, ()):
            self._of.pop(address, None)

    def clear(self) -> None:
        """Let go of everything."""
        self._late.clear()
        self._of.clear()
        self._owned.clear()
