"""What kind of object the log says that something is; types are asked without their metaclasses.

A metaclass may be the program's own, and have its types unequal to themselves, without a hash, or without
names: only types that no such one made are looked up among those that are known.
"""

from __future__ import annotations

import collections
import types
from typing import Any, Final

__all__ = ["ARRAY", "ATOMS", "FRAME", "HEAP_TYPE", "INSTANCE", "PLAIN", "WORDS"]
__all__ += ["flags_of", "is_among", "kind_of", "module_of", "name_of"]

HEAP_TYPE: Final = 1 << 9
"""The flag of types that are not Python's own, or those of a library in C."""
name_of: Final = vars(type)["__name__"].__get__
flags_of: Final = vars(type)["__flags__"].__get__
module_of: Final = vars(type)["__module__"].__get__
ATOMS: Final[frozenset[type]] = frozenset(
    [
        int,
        float,
        str,
        bool,
        type(None),
        complex,
        bytes,
        tuple,
        range,
        slice,
        frozenset,
        type(...),
        type(NotImplemented),
    ]
)
"""Types of objects that never change."""
PLAIN: Final = ATOMS - {tuple, frozenset}
"""Those whose objects hold no others."""
WORDS: Final[frozenset[type]] = frozenset([str, int, bool, type(None)])
"""Those whose objects are told as keys beside others that are not."""
_KINDS: Final[dict[type, int]] = {
    list: 1,
    dict: 2,
    set: 3,
    collections.deque: 4,
    types.FunctionType: 5,
    type: 6,
    types.GeneratorType: 8,
    collections.OrderedDict: 2,
    collections.defaultdict: 2,
    collections.Counter: 2,
    bytearray: 1,
    types.CellType: 11,
    types.FrameType: 12,
}
INSTANCE, ARRAY, FRAME = 7, 9, 10
"""The kinds of objects of all other types; `docs/reference/trace.md` has what each number stands for."""
_NAMED: Final = {
    ("numpy", "ndarray"): ARRAY,
    ("pandas.core.frame", "DataFrame"): FRAME,
    ("pandas", "DataFrame"): FRAME,
}
_NAMES: Final = frozenset(name for _, name in _NAMED)


def kind_of(value: Any) -> int:
    """The kind of an object, as the log has it."""
    own = type(value)
    if issubclass(own, type):
        return 6
    found = _KINDS.get(own) if type(own) is type else None
    if found is None:
        known = (_named(one) for one in type.mro(own))
        found = next((one for one in known if one), INSTANCE)
    return found


def is_untold(value: Any) -> bool:
    """Whether nothing can tell that an object without weak references has died: one of a library in C."""
    own = type(value)
    return own is not types.SimpleNamespace and kind_of(value) == INSTANCE and not flags_of(own) & HEAP_TYPE


def is_among(kind: type, kinds: frozenset[type]) -> bool:
    """Whether a type is one of Python's own; a metaclass of the program is not asked."""
    return type(kind) is type and kind in kinds


def _named(kind: type) -> int | None:
    """The kind of the objects of a type that is known by its name."""
    name = name_of(kind)
    if type(name) is not str or name not in _NAMES:
        return None
    module = module_of(kind)
    return _NAMED.get((module, name)) if type(module) is str else None
