"""Which Python object is which entity.

An object that one step returned and another takes must be one entity, and two objects must never be taken
for one. An object's address tells nothing once the object is gone, so each entry holds on to its object:
weakly where the object allows it, else strongly, within a bound (`_HELD_BYTES`, oldest let go first). What was
let go is met again as a new entity: an edge may be missing then, none is ever wrong.

Numbers, short texts and other plain values have no identity of their own; they are attributes of the usage.

A mutable object that a step changed is a new entity, derived from the old one. That it changed is told by its
`token`: the in-place counter of tensors, the length of containers, a checksum over a sample of an array. An equal
token does not prove that nothing changed.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["Known", "Objects", "describe", "is_value", "leaves", "parts_of", "plain_parts", "python_type", "token", "token_of_type"]

_HELD_BYTES: Final = 64 << 20
_HELD_OBJECTS: Final = 4096
_VALUES: Final = (bool, int, float, complex, type(None), type(Ellipsis), range, slice)
_LONG_TEXT: Final = 200
_LEAVES: Final = 32

token_of_type: Final[dict[str, Callable[[Any], object]]] = {}
"""How integrations tell a changed object: by the ``module.qualname`` of a type, asked for each class in its MRO."""


class Known:
    """An object that has been met.

    Attributes:
        entity: number of its entity.
        generation: identifier of the entity's generation, where one was stated.
        token: what `token` gave when it was last seen.
    """

    __slots__ = ("entity", "generation", "hold", "token")

    def __init__(self, entity: int | str, hold: Any, token: object) -> None:
        self.entity = entity
        self.generation: int | None = None
        self.hold = hold
        self.token = token


class Objects:
    """The objects that have been met in this process."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._held: OrderedDict[int, int] = OrderedDict()
        self._bytes = 0

    def get(self, thing: Any) -> Known | None:
        """What is known of the object `thing`, if it has been met."""
        address = id(thing)
        known = self._known.get(address)
        if known is None:
            return self._by_parts(thing) if type(thing) in _STRUCTURES else None
        hold = known.hold
        same = (hold() if isinstance(hold, weakref.ref) else hold) is thing
        if not same:
            self._known.pop(address, None)
            return None
        if address in self._held:
            self._held.move_to_end(address)
        return known

    def _by_parts(self, thing: Any) -> Known | None:
        """What is known of a structure whose parts were all met as one entity (see `put`)."""
        found: Known | None = None
        for _, part in leaves(thing):
            known = self.get(part)
            if known is None or (found is not None and known.entity != found.entity):
                return None
            found = known
        return found

    def put(self, thing: Any, entity: int | str) -> Known:
        """Have `thing` known as `entity` from now on.

        A dict, list or tuple that holds arrays, tensors and the like is not held on to, since they may be large: it is
        known by its parts, which become known as the same entity unless they are known as something of their own.
        """
        if type(thing) in _STRUCTURES:
            parts = [part for _, part in leaves(thing)]
            if parts:
                known = Known(entity, None, token(thing))
                for part in parts:
                    if self.get(part) is None:
                        known = self._put_one(part, entity)
                return known
        return self._put_one(thing, entity)

    def _put_one(self, thing: Any, entity: int | str) -> Known:
        address = id(thing)
        table = self._known
        try:
            # The callback must not touch a newer entry at the same address.
            def gone(dead: Any, address: int = address, table: dict[int, Known] = table) -> None:
                known = table.get(address)
                if known is not None and known.hold is dead:
                    del table[address]

            hold: Any = weakref.ref(thing, gone)
        except TypeError:
            hold = thing
            self._hold(address, thing)
        known = Known(entity, hold, token(thing))
        table[address] = known
        return known

    def _hold(self, address: int, thing: Any) -> None:
        size = self._held.pop(address, 0)
        self._bytes -= size
        size = _size(thing)
        self._held[address] = size
        self._bytes += size
        while self._held and (self._bytes > _HELD_BYTES or len(self._held) > _HELD_OBJECTS):
            oldest, freed = self._held.popitem(last=False)
            self._bytes -= freed
            self._known.pop(oldest, None)

    def clear(self) -> None:
        """Let go of everything."""
        self._known.clear()
        self._held.clear()
        self._bytes = 0


def is_value(thing: Any) -> bool:
    """Whether `thing` is a plain value, which has no identity: a number, a short text, a type, a function, a module."""
    kind = type(thing)
    if kind in _VALUES or isinstance(thing, (type, type(sys), _FUNCTION, _BUILTIN)):
        return True
    if isinstance(thing, (str, bytes)):
        return len(thing) <= _LONG_TEXT
    # NumPy's scalars are numbers, whatever their type says.
    return kind.__module__ == "numpy" and getattr(thing, "shape", None) == () and not hasattr(thing, "__array_finalize__")


_FUNCTION: Final = type(lambda: None)
_BUILTIN: Final = type(len)


def leaves(thing: Any, prefix: str = "", most: int = _LEAVES) -> Iterator[tuple[str, Any]]:
    """The parts of a tuple, list or dict that have an identity, with the path to each; two levels deep."""
    count = 0
    for path, part in _parts(thing, prefix, 2):
        if not is_value(part):
            yield path, part
            count += 1
            if count >= most:
                return


def parts_of(thing: Any, name: str) -> list[tuple[str, Any]] | None:
    """The parts that stand for a structure, each with `name` and its path; None if it stands for itself.

    A tuple or list of at most 32 arrays, loaders and the like is nothing of its own: what goes from step to step are its
    parts. A longer one, and a dict of more than 8 (the state of a model, say), is one thing.
    """
    kind = type(thing)
    if kind not in _STRUCTURES:
        return None
    most = 8 if kind is dict else _LEAVES
    found = list(leaves(thing, name, most + 1))
    return found if 0 < len(found) <= most else None


def plain_parts(thing: Any) -> dict[str, Any] | None:
    """The values in a short tuple or dict that holds nothing else, by index or key; None if `thing` is no such thing."""
    if type(thing) is tuple or (isinstance(thing, tuple) and hasattr(thing, "_fields")):
        names = getattr(thing, "_fields", range(len(thing)))
        pairs = dict(zip(map(str, names), thing, strict=False))
    elif type(thing) is dict and all(isinstance(key, str) for key in thing):
        pairs = dict(thing)
    else:
        return None
    return pairs if len(pairs) <= 64 and all(map(is_value, pairs.values())) else None


def _parts(thing: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    kind = type(thing)
    if kind is dict:
        pairs = ((f"{prefix}[{key!r}]" if isinstance(key, (str, int)) else f"{prefix}[…]", thing[key]) for key in list(thing)[:256])
    elif kind in (list, tuple) or (isinstance(thing, tuple) and hasattr(thing, "_fields")):
        pairs = ((f"{prefix}[{index}]", part) for index, part in enumerate(thing[:256]))
    else:
        return
    for path, part in pairs:
        if type(part) in (dict, list, tuple) and depth > 1:
            yield from _parts(part, path, depth - 1)
        else:
            yield path, part


def _size(thing: Any) -> int:
    """About how many bytes `thing` keeps alive."""
    with contextlib.suppress(Exception):
        size = sys.getsizeof(thing)
        if isinstance(thing, (list, tuple, set, frozenset, dict)):
            size += 64 * len(thing)
        return size
    return 1 << 16


def token(thing: Any) -> object:
    """Something that is unequal after a change that can be told; see the module."""
    with contextlib.suppress(Exception):
        kind = type(thing)
        if kind in (list, dict, set, bytearray):
            return len(thing)
        for ancestor in kind.__mro__:
            known = token_of_type.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
            if known is not None:
                return known(thing)
    return None


def _array_token(array: Any) -> object:
    """Shape and a checksum over at most 4,096 evenly spaced elements of a NumPy array."""
    if array.dtype.hasobject:
        return array.shape
    if not array.flags.c_contiguous and array.size > 1 << 20:
        return array.shape
    flat = array.reshape(-1)
    step = max(1, flat.size // 4096)
    return array.shape, zlib.crc32(flat[::step].tobytes())


def _frame_token(frame: Any) -> object:
    """Shape and column names of a pandas data frame, with a checksum over a sample of its numbers."""
    check = 0
    for position in range(min(frame.shape[1], 64)):
        column = frame.iloc[:, position]
        values = getattr(column, "values", None)
        if type(values).__module__ == "numpy" and not values.dtype.hasobject:
            check = zlib.crc32(values[:: max(1, len(values) // 512)].tobytes(), check)
    return frame.shape, tuple(frame.columns[:64]), check


token_of_type["numpy.ndarray"] = _array_token
token_of_type["pandas.core.frame.DataFrame"] = _frame_token
token_of_type["pandas.DataFrame"] = _frame_token


def python_type(thing: Any) -> str:
    """The type's full name."""
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe(thing: Any) -> tuple[Any, ...]:
    """Facts about an object that are cheap to have: attribute keys and values in turn."""
    facts: list[Any] = ["trilha:python_type", python_type(thing)]
    # Only types whose attributes are known to be harmless are asked: a user's class may do anything in one.
    library = type(thing).__module__.partition(".")[0]
    with contextlib.suppress(Exception):
        if type(thing) in _CONTAINERS:
            facts += ["trilha:length", len(thing)]
        elif library in _ARRAYS and isinstance(thing.shape, tuple):
            facts += ["trilha:shape", "×".join(map(str, thing.shape)) or "scalar"]
            if library != "pandas":
                facts += ["trilha:dtype", str(thing.dtype)]
            elif hasattr(thing, "columns"):
                facts += ["trilha:columns", ", ".join(map(str, thing.columns[:100]))]
    return tuple(facts)


_STRUCTURES: Final = frozenset([dict, list, tuple])
_CONTAINERS: Final = frozenset([list, tuple, dict, set, frozenset, str, bytes, bytearray])
_ARRAYS: Final = frozenset(["numpy", "torch", "pandas", "polars", "jaxlib", "scipy"])
