"""What methods and functions that are not traced do to the data structures they are given, declared.

Source: the Python Library Reference, "Built-in Types", `collections`, `heapq`, `bisect`, `random`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trilha.capture.script.sites import EFFECTS
from trilha.trace.among import members_of, note_among
from trilha.trace.arrays import places
from trilha.trace.evaluations import How
from trilha.trace.heap import ARRAY, DEQUE, DICT, LIST, SET, Thing, Value, number_of, thing_of
from trilha.trace.namespaces import Namespaces

__all__ = ["AWAITING", "IN_PLACE", "PURE", "WITH_EFFECT", "Effects"]

WITH_EFFECT: Final = EFFECTS - {"get"}
"""Methods that change what they are called on."""

IN_PLACE: Final = frozenset(
    [
        *("__setitem__", "__delitem__", "__setattr__", "__delattr__", "__iadd__", "__imul__", "__ior__"),
        *("__iand__", "__isub__", "__ixor__"),
    ]
)
"""Special methods that change what they are called on, called by their names."""

AWAITING: Final = frozenset(
    [
        *("create_task", "ensure_future", "gather", "wait_for", "shield", "wait", "as_completed"),
        "run_coroutine_threadsafe",
    ]
)
"""Functions and methods of asyncio that give what awaits the coroutines that they are given."""

PURE: Final = frozenset(
    [
        *("abs", "all", "any", "ascii", "bin", "bool", "bytes", "callable", "chr", "complex", "dict", "dir"),
        *(
            "divmod",
            "enumerate",
            "filter",
            "float",
            "format",
            "frozenset",
            "getattr",
            "hasattr",
            "hash",
            "hex",
        ),
        *("id", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min", "oct", "ord"),
        *(
            "pow",
            "print",
            "range",
            "repr",
            "reversed",
            "round",
            "set",
            "slice",
            "sorted",
            "str",
            "sum",
            "super",
        ),
        *("tuple", "type", "vars", "zip", "deepcopy", "copy", "dumps", "join", "format", "array", "asarray"),
        *("torch.tensor", "torch.as_tensor", "torch.from_numpy", "torch.save"),
        *("product", "combinations", "permutations", "chain", "accumulate", "islice", "groupby", "reduce"),
        *("from_iterable", "zip_longest", "pairwise", "cycle", "takewhile", "dropwhile", "filterfalse"),
        *("combinations_with_replacement", "batched", "starmap", "nsmallest", "nlargest", "fromkeys"),
        *(
            "get",
            "keys",
            "values",
            "items",
            "index",
            "count",
            "sqrt",
            "prod",
            "mean",
            "median",
            "stdev",
            "fsum",
        ),
        *("zeros", "ones", "dot", "matmul", "std", "var", "concatenate", "stack", "exp", "log", "DataFrame"),
        *("agg", "aggregate"),
        *("OrderedDict", "Counter", "defaultdict", "deque", "choice", "sample", "startswith", "endswith"),
        *(
            "ExceptionGroup",
            "BaseExceptionGroup",
            "isdisjoint",
            "issubset",
            "issuperset",
            "union",
            "intersection",
            "difference",
            "write",
            "Thread",
        ),
        *("fmean", "pstdev", "variance", "pvariance", "from_bytes", "parse_args", "parse_known_args"),
        *("writerow", "writerows", "writelines", "translate", "maketrans", "compress", "subtract"),
        *("memoryview", "DictWriter", "namedtuple", "__new__", "dump", "executemany"),
        *("bisect.bisect", "bisect.bisect_left", "bisect.bisect_right", "heapq.merge", "as_completed"),
        *("subprocess.run", "subprocess.check_output", "subprocess.check_call", "subprocess.Popen"),
    ]
)
"""Functions and methods that leave what they are given as it is."""

_MOST: Final = 4096
"""Of what a slice has more of, it is known as a whole what it became."""
_CHANGING: Final = {
    "heapq.heappush": "push",
    "heapq.heappop": "some",
    "heapq.heappushpop": "some",
    "heapq.heapreplace": "some",
    "heapq.heapify": "moved",
    "random.shuffle": "moved",
    "numpy.random.shuffle": "moved",
    "shuffle": "moved",
    "bisect.insort": "push",
    "bisect.insort_left": "push",
    "bisect.insort_right": "push",
    "operator.setitem": "some",
    "operator.delitem": "some",
    **{f"operator.i{one}": "some" for one in ("add", "concat", "mul", "or", "and", "sub", "xor")},
    "numpy.copyto": "some",
    "numpy.put": "some",
    "numpy.place": "some",
    "numpy.putmask": "some",
    "numpy.put_along_axis": "some",
    "numpy.fill_diagonal": "some",
    "at": "some",
    "next": "none",
}
"""Functions that change their first argument: they put their second into it, or move its members; names of
methods without a dot (`rng.shuffle(a)`, `ufunc.at(a, …)`)."""


class Effects(Namespaces):
    """What is known of effects; a part of `trilha.trace.replay.Replay`."""

    def put_member(self, by: int, thing: Thing, key: str | None, value: Value, of: Value = None) -> None:
        """A member put into a thing, under a key that came of that."""
        self.escapes(value)
        if key is not None and key[:1] == "?":
            key = key[1:] if self.frame_of(thing) is not None else None
        if self.put_column(by, thing, key, value) or self.put_label(by, thing, key, value, of):
            return
        self.put_name(by, thing, key, value)
        if thing.kind == ARRAY:
            if (key or "").startswith("."):
                self.array_attribute(by, thing, str(key), value)
            else:
                self.partly_written(by, thing, key, value)
            self._seen_elsewhere(by, thing, value)
            return
        thing.put(key, value, of)
        self.change(by, thing, How.PUT, key, value)
        self._seen_elsewhere(by, thing, value)
        if thing.array is not None:
            self.lent_written(by, thing, value)

    def _seen_elsewhere(self, by: int, thing: Thing, value: Value) -> None:
        """State what a write into a thing changed that shares its memory."""
        for other in self.sharing_memory(thing):
            if other.kind == ARRAY:
                self.partly_written(by, other, None, value)
            else:
                other.forget()
                self.change(by, other, How.PUT, None, value)

    def put_slice(self, by: int, thing: Thing, key: str | None, value: Value) -> bool:
        """State what a slice of a list became; False where it is not known which members it had, or has."""
        held = thing_of(value)
        found = None if thing.open else places(key or "", len(thing.items))
        members = None if held is None else held.members()
        if found is None or members is None or len(found) + len(members) > _MOST:
            return False
        self.escapes(value)
        if found.step != 1:
            for place, one in zip(found, members, strict=False):
                thing.items[place] = one
                self.change(by, thing, How.PUT, str(place), one)
            return True
        first, replaced = found.start, [*range(len(thing.items))] == [*found]
        self._take_out(by, thing, found)
        thing.items[first:first] = members
        for place, one in enumerate(members, first):
            self.change(by, thing, How.PUT if replaced else How.INSERT, str(place), one)
        return True

    def delete_slice(self, by: int, thing: Thing, key: str | None) -> bool:
        """State that a slice of a list was taken out; False where it is not known what that was."""
        found = None if thing.open or thing.kind != LIST else places(key or "", len(thing.items))
        if found is None or len(found) > _MOST:
            return False
        self._take_out(by, thing, found)
        return True

    def _take_out(self, by: int, thing: Thing, found: range) -> None:
        """State that the members at these positions were taken out, the last one first."""
        if found and len(found) == len(thing.items):
            thing.clear()
            self.change(by, thing, How.CLEAR, None)
            return
        for place in sorted(found, reverse=True):
            del thing.items[place]
            self.change(by, thing, How.REMOVE, str(place))

    def taken(self, thing: Thing, method: str, keys: Sequence[str | None]) -> Value:
        """The member that a method of a built-in type gives, where it is known."""
        if method in ("get", "setdefault") and thing.kind == DICT and keys:
            return thing.member(keys[0])
        if method == "pop" and thing.kind in (LIST, DEQUE) and (not thing.items or thing.open):
            return None
        if method in ("pop", "popleft"):
            if thing.kind == DICT:
                return thing.member(keys[0]) if keys else None
            if thing.kind in (LIST, DEQUE) and thing.items:
                place = _position(keys, -1, len(thing.items)) if method == "pop" else 0
                return thing.items[place] if place is not None and place < len(thing.items) else None
        return None

    def effect(
        self,
        by: int,
        thing: Thing,
        method: str,
        keys: Sequence[str | None],
        arguments: Sequence[tuple[str | None, Any]],
        made: Value,
    ) -> None:
        """State what a method of a built-in type does to what it is called on."""
        values = [one[0] if isinstance(one, tuple) else one for _, one in arguments]
        if thing.kind in (LIST, DEQUE):
            self._list_effect(by, thing, method, keys, values, made)
        elif thing.kind == DICT:
            self._dict_effect(by, thing, method, keys, values, arguments, made)
        elif thing.kind == SET:
            self._set_effect(by, thing, method, values, made)
        elif thing.kind == ARRAY:
            self.array_method(by, thing, method, made)
        else:
            self.change(by, thing, How.PUT, None, made)
            thing.forget()

    def _list_effect(
        self, by: int, thing: Thing, method: str, keys: Sequence[str | None], values: list[Value], made: Value
    ) -> None:
        items = thing.items
        if thing.open and self._at_an_unknown_place(by, thing, method, keys, values):
            return
        if method == "append" and values:
            items.append(values[0])
            self.change(by, thing, How.PUT, str(len(items) - 1), values[0])
        elif method == "appendleft" and values:
            items.insert(0, values[0])
            self.change(by, thing, How.INSERT, "0", values[0])
        elif method == "extend" and values:
            self.extended(by, thing, values[0])
        elif method == "insert" and len(values) > 1:
            place = _position(keys, 0, len(items))
            if place is None:
                self._mixed(by, thing, made, 1)
                return
            items.insert(place, values[1])
            self.change(by, thing, How.INSERT, str(min(place, len(items) - 1)), values[1])
        elif method in ("pop", "popleft"):
            place = _position(keys, -1, len(items)) if method == "pop" else 0
            if place is None or place >= len(items):
                self._mixed(by, thing, made, -1)
                return
            del items[place]
            self.change(by, thing, How.REMOVE, str(place))
        elif method == "reverse":
            items.reverse()
            for place, one in enumerate(items):
                self.change(by, thing, How.PUT, str(place), one)
        elif method == "clear":
            thing.clear()
            self.change(by, thing, How.CLEAR, None)
        else:
            self._mixed(by, thing, made, -1 if method == "remove" else 0)

    def _at_an_unknown_place(
        self, by: int, thing: Thing, method: str, keys: Sequence[str | None], values: list[Value]
    ) -> bool:
        """State what a method does behind the known members of a list; False if it does that elsewhere."""
        key = keys[0] if keys else None
        known = key is not None and key.isdecimal() and int(key) < len(thing.items)
        if method == "append" and values:
            self.change(by, thing, How.PUT, None, values[0])
        elif method == "insert" and len(values) > 1 and not known:
            thing.items.clear()
            self.change(by, thing, How.PUT, None, values[1])
        elif method == "pop" and not known:
            del thing.items[-1 if not keys else 0 :]
            self.change(by, thing, How.DELETE, None)
        elif method == "reverse":
            thing.items.clear()
            self.change(by, thing, How.PUT, None, by)
        else:
            return False
        return True

    def _mixed(self, by: int, thing: Thing, made: Value, more: int) -> None:
        """Members changed places in a way that is not known: each is of the call from here on."""
        length = max(0, len(thing.items) + more)
        note_among(thing, *thing.items)
        thing.items = [number_of(made) or None] * length if not more else [None] * length
        self.change(by, thing, How.PUT if more >= 0 else How.DELETE, None, made if more >= 0 else None)

    def extended(self, by: int, thing: Thing, value: Value) -> None:
        """State that the members of `value` were put behind or into those of a thing."""
        inner = value[0] if isinstance(value, tuple) else value
        other = thing_of(inner)
        members = other.members() if other is not None else None
        if thing.kind in (LIST, DEQUE) and members is not None and not thing.open:
            for one in members:
                thing.items.append(one)
                self.change(by, thing, How.PUT, str(len(thing.items) - 1), one)
        elif thing.kind == DICT:
            if other is thing:
                return
            known = other if other is not None and other.kind == DICT else None
            if known is None or known.open:
                thing.forget()  # What it had may have been replaced.
                self.change(by, thing, How.PUT, None, by)  # Not `inner`: what is in that.
                self.put_name(by, thing, None, inner)
            for key, one in list(known.parts.items()) if known is not None else ():
                if not key.startswith("."):
                    thing.put(key, one, known.keys.get(key) if known is not None else None)
                    self.change(by, thing, How.PUT, key, one)
                    self.put_name(by, thing, key, one)
        else:
            if thing.kind == SET:
                note_among(thing, *members_of(inner))
            thing.open = True
            self.change(by, thing, How.PUT, None, by)
            self.put_name(by, thing, None, inner)

    def _dict_effect(
        self,
        by: int,
        thing: Thing,
        method: str,
        keys: Sequence[str | None],
        values: list[Value],
        arguments: Sequence[tuple[str | None, Any]],
        made: Value,
    ) -> None:
        key = keys[0] if keys else None
        if method == "setdefault":
            self._set_by_default(by, thing, key, values)
        elif method == "pop":
            if key is None:
                thing.forget()
            elif key not in thing.parts and not thing.open and len(values) > 1:
                return  # what it gave is the default
            else:
                thing.parts.pop(key, None)
            self.change(by, thing, How.DELETE, key)
        elif method == "update" and thing.over == ("collections.Counter",):
            thing.forget()  # It adds to what is there.
            self.change(by, thing, How.PUT, None, by)
        elif method == "update":
            for word, one in arguments:
                if word is None or isinstance(one, tuple):
                    self.extended(by, thing, one)
                else:
                    self.put_member(by, thing, repr(word), one)
        elif method == "clear":
            thing.clear()
            self.change(by, thing, How.CLEAR, None)
        elif method == "popitem":
            known = thing.ordered()
            last = known[-1] if known else None
            if last is None:
                thing.forget()
            else:
                del thing.parts[last]
            self.change(by, thing, How.DELETE, last)
        else:
            thing.open = True  # Its members have another order.
            self.change(by, thing, How.PUT, None, made)

    def _set_by_default(self, by: int, thing: Thing, key: str | None, values: list[Value]) -> None:
        """State what ``setdefault`` did to a dict."""
        default = values[1] if len(values) > 1 else None
        if key in thing.parts:
            return
        if key is None or thing.open:
            thing.open = True
            self.change(by, thing, How.PUT, None, default)
        else:
            thing.put(key, default, values[0])
            self.change(by, thing, How.PUT, key, default)

    def _set_effect(self, by: int, thing: Thing, method: str, values: list[Value], made: Value) -> None:  # noqa: ARG002
        if method == "clear":
            self.change(by, thing, How.CLEAR, None)
        elif method in ("add", "update", "symmetric_difference_update"):
            note_among(thing, *(values if method == "add" else members_of(values[0] if values else None)))
            self.change(by, thing, How.PUT, None, (values[0] if values else None) if method == "add" else by)
        else:
            self.change(by, thing, How.DELETE, None)

    def declares(self, name: str) -> bool:
        """Whether it is declared that a function changes its first argument."""
        return name in _CHANGING or (name.startswith("numpy.") and name.endswith(".at"))

    def declared(self, by: int, name: str, arguments: list[Any]) -> bool:
        """State the effect of a function that is known to change its first argument; False if it is not."""
        how = _CHANGING.get(name) or ("some" if self.declares(name) else None)
        if how is None:
            return False
        values = [one[0] if isinstance(one, tuple) else one for one in arguments]
        thing = thing_of(values[0]) if values else None
        if thing is not None and thing.kind == ARRAY and how != "none":
            if how == "moved":
                self.overwritten(by, thing, by)
            else:
                self.partly_written(by, thing, None, by)
        elif thing is not None and how != "none":
            # In which order they are now depends on values; of objects it is known which is which.
            held = [*members_of(values[0])]
            if how == "push" and len(values) > 1:
                self.change(by, thing, How.PUT, None, values[1])
                thing.items = [] if thing.open else [None] * (len(thing.items) + 1)
            elif how == "moved" and thing.kind == LIST:
                self.change(by, thing, How.PUT, None, by)
                thing.items = [by] * len(thing.items)
            else:
                self.change(by, thing, How.PUT, None, by)
                thing.forget()
            if thing.kind == LIST:
                note_among(thing, *held, *values[1:2])
        return True


def _position(keys: Sequence[str | None], otherwise: int, length: int) -> int | None:
    """The position that a method was given, from the beginning; None if it is not known."""
    text = str(otherwise) if not keys else keys[0]
    if text is None or not text.lstrip("-").isdecimal():
        return None
    place = int(text)
    if place < 0:
        place = max(0, place + length)
    return min(place, length)
