"""Which Python object is which entity.

An object that one step returned and another takes must be one entity, and two objects must never be taken
for one. An object's address tells nothing once the object is gone, so each entry holds on to its object:
weakly where the object allows it; strongly where it is small and holds nothing but plain values, within a
bound (`_HELD_BYTES`, oldest let go first); and else by its parts, each of which is held in one of these
ways. What was let go is met again as a new entity: an edge may be missing then, none is ever wrong.

A mutable object that a step changed is a new entity, derived from the old one; see `trilha.capture.tokens`.

Of what is read from files most is never asked for again. Such an object is *expected*: held in the same ways,
and stated only when somebody asks what is known of it.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

from trilha.capture.interrupts import Harmless, pass_on
from trilha.capture.lists import LOOKED_AT, only_numbers, weight_of
from trilha.capture.structures import Members, is_structure, may_hold, members, structures_in
from trilha.capture.tokens import instance_state, token, token_of_type
from trilha.capture.values import is_value, known_type, python_type
from trilha.capture.whose import is_users_file

if TYPE_CHECKING:
    from trilha.capture.context import Activity

__all__ = [
    "Expected",
    "Known",
    "Objects",
    "columns_of",
    "describe",
    "inside",
    "is_value",
    "leaves",
    "parts_of",
    "token",
    "token_of_type",
    "within",
]

_HELD_BYTES: Final = 64 << 20
_HELD_OBJECTS: Final = 4096
_LEAVES: Final = 32
_SOURCES: Final = 64
_MOST_WEIGHED: Final = 1024
_HEAP_TYPE: Final = 1 << 9
_Weak: Final = weakref.ref
_UNKNOWN: Final = object()


class Known:
    """An object that has been met.

    Attributes:
        entity: number of its entity.
        generation: identifier of the entity's generation, where one was stated.
        token: what `token` gave when it was last seen.
        hold: what proves that an object is the one that was met.
    """

    __slots__ = ("entity", "generation", "hold", "token")

    def __init__(self, entity: int | str, hold: Any, token: object) -> None:
        self.entity = entity
        self.generation: int | None = None
        self.hold = hold
        self.token = token


class Expected(Protocol):
    """How an object came to be that has not been met yet: what is stated of it when it is.

    Attributes:
        activity: in which it came to be.
    """

    activity: Activity

    def arrives(self, thing: Any) -> Known:
        """State what it is, and have it known."""

    def became(self, entity: int, generation: int) -> None:
        """The activity gave it as its result, stated as this entity: say what else that came from."""


class _Awaited:
    """An object that is expected, with what proves that it is the one, and how it came to be."""

    __slots__ = ("expected", "hold")

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.hold: Any = None


class Objects:
    """The objects that have been met in this process. Used from all threads at once, without a lock.

    Attributes:
        told: takes each object that gets an entity, with that and whether it was another one before, or
            None, if there is nothing to tell: all is gone through once before the program begins. None
            where nobody wants to know.
    """

    # `trilha_calls` has them by their places.
    __slots__ = ("__dict__", "__weakref__", "_awaited", "_bytes", "_held", "_known", "_members", "told")

    def __init__(self) -> None:
        self.told: Callable[[Any, int | str, bool | None], None] | None = None
        self._known: dict[int, Known] = {}
        self._awaited: dict[int, _Awaited] = {}
        self._held: dict[int, int] = {}
        self._bytes = 0
        self._members = Members()

    def get(self, thing: Any) -> Known | None:
        """What is known of the object `thing`, if it has been met."""
        return self.itself(thing) or self.by_parts(within(thing))

    def itself(self, thing: Any) -> Known | None:
        """What is known of `thing`, rather than of its parts."""
        address = id(thing)
        known = self._known.get(address)
        if known is not None:
            if _is_held(known.hold, thing):
                size = self._held.pop(address, None)
                if size is not None:
                    self._held[address] = size
                return known
            self._forget(address)
        elif address in self._awaited:
            expected = self.expected(thing)
            self._forget(address)
            if expected is not None:
                return expected.arrives(thing)
        return None

    def expect(self, thing: Any, expected: Expected) -> None:
        """Have `expected` state what `thing` is when that is first asked, unless it has been met."""
        address = id(thing)
        known = self._known.get(address)
        if known is not None and _is_held(known.hold, thing):
            return
        self._forget(address)
        awaited = _Awaited(expected)
        awaited.hold = self._proof(address, thing, self._awaited)
        if awaited.hold is not None:
            self._awaited[address] = awaited

    def expected(self, thing: Any) -> Expected | None:
        """How `thing` came to be, where it is expected and has not been met."""
        awaited = self._awaited.get(id(thing))
        return awaited.expected if awaited is not None and _is_held(awaited.hold, thing) else None

    def alive(self) -> Iterator[Any]:
        """The objects that are known or expected and are held weakly, as far as they are still there."""
        tables: tuple[dict[int, Any], ...] = (self._known, self._awaited)
        for table in tables:
            for entry in list(table.values()):
                hold: Any = entry.hold
                thing = hold() if type(hold) is _Weak else None
                if thing is not None:
                    yield thing

    def by_parts(self, parts: Iterable[Any]) -> Known | None:
        """What is known of a structure of these parts (`within`), if all were met as one entity."""
        found: Known | None = None
        for part in parts:
            known = self.itself(part)
            if known is None or (found is not None and known.entity != found.entity):
                return None
            found = known
        return found

    def members(self, thing: Any) -> list[Known]:
        """What is known of lists, tuples and dicts in `thing`, or of what these were in.

        So it is with the results of calls that a program gathers: `within` looks through them for what has
        an identity, and finds numbers.
        """
        return [known for _, _, known in self._members_of(thing, "")]

    def whole(self, thing: Any) -> Known | None:
        """What is known of the structure that the list, tuple or dict `thing` was in when that was met."""
        return self._members.whole(thing)

    def given(self, thing: Any, role: str) -> list[tuple[str, Any]]:
        """What a call uses that is given `thing` as `role`, each with its path.

        It is `thing` or the parts that stand for it (`parts_of`); and what else is known of the structures in
        it, and of it: the program may have put them in since.
        """
        kind = type(thing)
        if not may_hold(kind) or (kind is list and only_numbers(thing, False)):
            return [(role, thing)]
        parts = parts_of(thing, role)
        known = self.itself(thing)
        if known is None and parts is None:
            return [(role, thing)]
        found = [(role, thing), *(parts or ())] if known is not None else parts or []
        seen = set() if known is None else {known.entity}
        for path, one, member in self._members_of(thing, role, known):
            if member.entity not in seen:
                seen.add(member.entity)
                found.append((path, one))
        return found

    def held(self, thing: Any, others: Container[int | str]) -> list[int | str]:
        """The entities that are known of what the structure `thing` holds, without `others`; at most 64."""
        if not is_structure(type(thing)):
            return []
        found = [self.itself(part) for part in within(thing)] + self.members(thing)
        entities = dict.fromkeys(known.entity for known in found if known is not None)
        return [one for one in entities if one not in others][:_SOURCES]

    def _members_of(
        self, thing: Any, name: str, whole: Known | None = None
    ) -> Iterator[tuple[str, Any, Known]]:
        """The structures in `thing` of which more is known than that they came with `whole`."""
        if type(thing) is list and only_numbers(thing, True) and not self._may_know(thing[:LOOKED_AT], whole):
            return
        for path, one in structures_in(thing, name):
            known = self.itself(one) or self._members.whole(one)
            if known is not None:
                yield path, one, known

    def _may_know(self, rows: list[Any], whole: Known | None) -> bool:
        """Whether more may be known of one of these than that it came with `whole`."""
        addresses = list(map(id, rows))
        if not self._known.keys().isdisjoint(addresses) or not self._awaited.keys().isdisjoint(addresses):
            return True
        return self._members.has_others(addresses, whole)

    def put(
        self,
        thing: Any,
        entity: int | str,
        generation: int | None = None,
        mark: object = _UNKNOWN,
        parts: Iterable[Any] | None = None,
    ) -> Known:
        """Have `thing` known as `entity`, made by `generation`, from now on.

        `mark` is what `token` gives for it, `parts` what `within` does, where the caller has asked already.

        A dict, list or tuple that holds arrays, tensors and the like is not held on to, since they may be
        large: it is known by its parts, which become known as the same entity unless they are known as
        something of their own. If all are, it is known by itself where it may be held on to.
        """
        known = None
        for part in within(thing) if parts is None else parts:
            if self.itself(part) is None and self._members.whole(part) is None:
                known = self._put_one(part, entity, generation)
        if known is None:
            known = self._put_one(thing, entity, generation, mark)
            if known.hold is thing and is_structure(type(thing)):
                self._members.put(thing, known, id(thing))
        else:
            self._put_besides(thing, known)
        known.generation = generation
        return known

    def put_attributes(self, thing: Any, known: Known, depth: int = 2) -> None:
        """Have what the instance `thing` of a class of the program's holds come of it, which is `known`.

        It is as with a dict of its attributes; see `put`. So it is with instances in `thing`, and in what
        that holds. No code of the program is run.
        """
        kind = type(thing)
        if is_structure(kind):
            parts = within(thing)
        else:
            state = instance_state(thing) if _is_of_program(kind) else None
            if not state:
                return
            parts = within(state)
            for part in parts:
                if self.itself(part) is None and self._members.whole(part) is None:
                    self._put_one(part, known.entity, known.generation)
            self._put_besides(state, known)
        for part in parts if depth else ():
            whole = self.itself(part)
            if whole is not None and whole.entity == known.entity:
                self.put_attributes(part, known, depth - 1)

    def _put_besides(self, thing: Any, known: Known) -> None:
        """Have the structures in `thing`, which is not held on to with them, come of what is `known`."""
        for _, one in structures_in(thing):
            address = id(one)
            if address in self._known or address in self._held or self._members.whole(one) is not None:
                continue
            if self._held_on_to(address, one) is one:
                self._members.put_one(one, known, address)

    def renew(self, thing: Any, known: Known, entity: int, generation: int, mark: object) -> None:
        """Have `thing`, known as `known` so far, be known as `entity` from now on, as `put` does it.

        A model gets a new version at the end of each epoch: what proves that it is the same stays as it is.
        """
        address = id(thing)
        if self.told is not None or type(known.hold) is not _Weak or self._known.get(address) is not known:
            self.put(thing, entity, generation, mark)
            return
        self._known[address] = fresh = Known(entity, known.hold, mark)
        fresh.generation = generation

    def _put_one(
        self, thing: Any, entity: int | str, generation: int | None, mark: object = _UNKNOWN
    ) -> Known:
        known = Known(entity, None, token(thing) if mark is _UNKNOWN else mark)
        known.generation = generation
        if is_value(thing):
            return known
        address = id(thing)
        if self.told is not None:
            before = self.itself(thing)
            if before is None or before.entity != entity:
                self.told(thing, entity, before is not None)
        self._forget(address)
        known.hold = self._proof(address, thing, self._known)
        if known.hold is not None:
            self._known[address] = known
        return known

    def _proof(self, address: int, thing: Any, table: dict[int, Any]) -> Any:
        """What proves later that an object in `table` is the same; None if nothing can."""
        if known_type(thing) in _NEVER_WEAK:
            return self._held_on_to(address, thing)

        try:
            # It is called while the object is still there: no other is at the address. Not by a function in
            # Python: in the midst of that a signal handler of the program could run, and what that raises
            # would be lost (weakref, Python's documentation).
            return _Weak(thing, partial(table.pop, address))
        except TypeError:
            return self._held_on_to(address, thing)

    def _held_on_to(self, address: int, thing: Any) -> Any:
        """What proves later that an object that cannot be held weakly is the same; None if nothing can."""
        weight = _weight(thing)
        hold = thing
        if weight is None:
            hold, weight = _Parts.of(thing), 1024
            if hold is None:
                return None
        elif weight > _HELD_BYTES:
            return None
        self._held[address] = weight
        self._bytes += weight
        while self._bytes > _HELD_BYTES or len(self._held) > _HELD_OBJECTS:
            try:
                oldest = next(iter(self._held))
            except (StopIteration, RuntimeError):
                pass_on()
                break
            self._forget(oldest)
        return hold

    def _forget(self, address: int) -> None:
        self._known.pop(address, None)
        self._awaited.pop(address, None)
        self._bytes -= self._held.pop(address, 0)
        self._members.forget(address)

    def forget(self, thing: Any) -> None:
        """Let go of the object `thing`, which is nothing of the program's."""
        self._forget(id(thing))

    def clear(self) -> None:
        """Let go of everything."""
        self._known.clear()
        self._awaited.clear()
        self._held.clear()
        self._members.clear()
        self._bytes = 0


def _is_held(hold: Any, thing: Any) -> bool:
    """Whether `thing` is the object that `hold` proves."""
    kind = type(hold)
    found: bool = hold() is thing if kind is _Weak else hold.same(thing) if kind is _Parts else hold is thing
    return found


class _Parts:
    """Proof by parts: an object of this type that refers to these very objects."""

    __slots__ = ("_kind", "_parts")

    def __init__(self, kind: type, parts: tuple[Any, ...]) -> None:
        self._kind = kind
        self._parts = parts

    @classmethod
    def of(cls, thing: Any) -> _Parts | None:
        """The proof for `thing`; None if one of its parts can neither be held weakly nor be kept."""
        kind = type(thing)
        if not _is_slotted(kind):
            return None
        parts: list[Any] = []
        for part in gc.get_referents(thing):
            if part is kind or is_value(part):
                parts.append(part)
                continue
            try:
                parts.append(_Weak(part))
            except TypeError:
                return None
        return cls(kind, tuple(parts)) if len(parts) <= LOOKED_AT else None

    def same(self, thing: Any) -> bool:
        """Whether `thing` has this type and these parts."""
        if type(thing) is not self._kind:
            return False
        parts = gc.get_referents(thing)
        return len(parts) == len(self._parts) and all(
            (known() if type(known) is _Weak else known) is part
            for known, part in zip(self._parts, parts, strict=True)
        )


def _is_slotted(kind: type) -> bool:
    """Whether instances are Python objects made of slots alone, which nothing notices the end of."""
    return (
        bool(kind.__flags__ & _HEAP_TYPE)
        and "__slots__" in kind.__dict__
        and not any("__del__" in ancestor.__dict__ for ancestor in kind.__mro__)
    )


def _weight(thing: Any, depth: int = 3) -> int | None:
    """About how many bytes `thing` keeps alive; None if it holds anything that must not be kept."""
    kind, known = type(thing), known_type(thing)
    parts: list[Any]
    if known in _FLAT:
        return sys.getsizeof(thing)
    if kind is list and (plain := weight_of(thing, depth > 0, _HELD_BYTES)) is not None:
        return plain
    if kind is not list and is_value(thing):
        return 64
    if known in _BASIC:
        size = sys.getsizeof(thing)
        parts = [*thing, *thing.values()] if kind in _DICTS else list(thing)
        if _NUMBERS.issuperset(map(type, parts)):
            return size + 32 * len(parts)
    elif kind is SimpleNamespace:
        size, parts = 64, list(vars(thing).values())
    elif _is_slotted(kind):
        size, parts = object.__sizeof__(thing), [part for part in gc.get_referents(thing) if part is not kind]
    else:
        return None
    if not depth or len(parts) > _MOST_WEIGHED:
        return None
    for part in parts:
        weight = _weight(part, depth - 1)
        if weight is None:
            return None
        size += weight
    return size


_FLAT: Final = frozenset([str, bytes, bytearray])
_DICTS: Final = frozenset([dict, defaultdict])
_BASIC: Final = frozenset([list, tuple, *_DICTS, set, frozenset, deque, *_FLAT])
_NUMBERS: Final = frozenset([bool, int, float, complex, type(None)])
_NEVER_WEAK: Final = frozenset([list, dict, defaultdict, tuple])


# -- structures
# ---------------------------------------------------------------------------------------------------


def leaves(thing: Any, prefix: str = "", most: int = _LEAVES) -> Iterator[tuple[str, Any]]:
    """The parts of a tuple, list or dict that have an identity, with the path to each; two levels deep."""
    return islice(((path, part) for path, part in _parts(thing, prefix, 2) if not is_value(part)), most)


def within(thing: Any) -> list[Any]:
    """The parts by which a structure is known; of anything else, none."""
    if type(thing) is list and only_numbers(thing, True):
        return []
    return [part for _, part in leaves(thing, most=LOOKED_AT)] if is_structure(type(thing)) else []


def _is_of_program(kind: type) -> bool:
    """Whether all that an instance of this class is stands in the program, or in Python itself."""
    if kind.__module__ in sys.stdlib_module_names:
        return kind is SimpleNamespace
    for ancestor in kind.__mro__:
        module = ancestor.__module__
        if module.partition(".")[0] in sys.stdlib_module_names:
            continue
        name = getattr(sys.modules.get(module), "__file__", None)
        if type(name) is not str or not is_users_file(name):
            return False
    return True


def parts_of(thing: Any, name: str) -> list[tuple[str, Any]] | None:
    """The parts that stand for a structure, each with `name` and its path; None if it stands for itself.

    A tuple or list of at most 32 arrays, loaders and the like is nothing of its own: what goes from step to
    step are its parts. A longer one, and a dict of more than 8 (the state of a model, say), is one thing.
    """
    kind = type(thing)
    if not is_structure(kind) or (kind is list and only_numbers(thing, True)):
        return None
    most = 8 if kind in _DICTS else _LEAVES
    found = list(leaves(thing, name, most + 1))
    return found if 0 < len(found) <= most else None


def inside(thing: Any, parts: list[Any] | None = None) -> list[Any]:
    """The objects that `thing` holds, as far as that can be had without running any code of it.

    `parts` is what `within` gives for it, where the caller has asked already.
    """
    kind = type(thing)
    if is_structure(kind):
        return (within(thing) if parts is None else parts)[:_LEAVES]
    columns = columns_of(thing)
    if columns:
        return columns
    with Harmless():
        state = instance_state(thing)
        if state is not None:
            return [part for _, part in leaves(state)]
        if _is_slotted(kind):
            return [
                part for part in gc.get_referents(thing)[:_LEAVES] if part is not kind and not is_value(part)
            ]
    return []


def columns_of(thing: Any) -> list[Any]:
    """The arrays that a table of pandas keeps its columns in; none of anything else.

    A column that is taken out of a table, and a table of some of its columns, lie in the same arrays.
    """
    with Harmless():
        if type(thing).__module__.partition(".")[0] == "pandas":
            blocks = getattr(getattr(thing, "_mgr", None), "blocks", ())[:_LEAVES]
            return [_owner(one.values) for one in blocks]
    return []


def _owner(array: Any) -> Any:
    """The array that owns the memory of one of pandas'."""
    array = getattr(array, "_ndarray", array)
    base = getattr(array, "base", None)
    return base if type(base) is type(array) else array


def _parts(thing: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    kind = type(thing)
    if not is_structure(kind) or (kind is list and depth > 1 and only_numbers(thing, True)):
        return  # None of them has an identity.
    for path, part in members(thing, prefix):
        if depth > 1 and is_structure(type(part)):
            yield from _parts(part, path, depth - 1)
        else:
            yield path, part


def describe(thing: Any) -> tuple[Any, ...]:
    """Facts about an object that are cheap to have: attribute keys and values in turn."""
    kind = type(thing)
    facts: list[Any] = ["trilha:python_type", python_type(thing)]
    if known_type(thing) in _BASIC:
        return (*facts, "trilha:length", len(thing))
    # Only types whose attributes are known to be harmless are asked: a user's class may do anything in one.
    with Harmless():
        library = kind.__module__.partition(".")[0]
        if library in _ARRAYS and isinstance(thing.shape, tuple):
            facts += ["trilha:shape", "×".join(map(str, thing.shape)) or "scalar"]
            if library != "pandas":
                facts += ["trilha:dtype", str(thing.dtype)]
            elif hasattr(thing, "columns"):
                facts += ["trilha:columns", ", ".join(map(str, thing.columns[:100]))]
    return tuple(facts)


_ARRAYS: Final = frozenset(["numpy", "torch", "pandas", "polars", "jaxlib", "scipy"])
