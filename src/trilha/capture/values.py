"""Plain values: what has no identity of its own, and how it is said as the value of an attribute.

Numbers, short texts, times, members of enumerations, types, functions, and tuples of such are values: two of
them that are equal cannot be told apart, so they are attributes of what uses them, never entities. Everything
else is an object (`trilha.capture.identity`).

A user's object may do anything when it is asked for something. So only `type` is asked here, never the
object: not its class, length, truth or hash.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from enum import Enum
from functools import reduce
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from trilha.capture.interrupts import pass_on

__all__ = [
    "is_value",
    "key_of",
    "known_type",
    "plain_parts",
    "python_type",
    "stands_for_itself",
    "text_of",
    "value_of",
    "way_of",
]

_ALWAYS: Final = frozenset(
    [bool, int, float, complex, type(None), type(Ellipsis), type(NotImplemented), range]
)
_NEVER: Final = frozenset([list, dict, set])
_AS_IT_IS: Final = frozenset([bool, float, type(None)])
_TIMES: Final = frozenset([dt.datetime, dt.date, dt.time, dt.timedelta])
_NAMED: Final = (
    type,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    ModuleType,
    type(reduce),
    type(str.join),
)
_COMMON: Final = frozenset([list, dict, set, tuple])
_SAID: Final = frozenset(["decimal.Decimal", "fractions.Fraction", "uuid.UUID"])
_LONG_TEXT: Final = 200
_LONGEST_OTHER: Final = 1000
_MOST_PARTS: Final = 64
_LONG_NUMBER: Final = 10_000
"""Whole numbers of more bits are described: Python itself refuses to write very long ones."""


def known_type(thing: Any) -> type:
    """The type of `thing` to look up among those we know; ``object`` for one that is made by a metaclass.

    A metaclass of the program's own may have its types unequal to themselves, or without a hash.
    """
    kind = type(thing)
    return kind if type(kind) is type else object


def is_value(thing: Any) -> bool:
    """Whether `thing` is a plain value, which has no identity."""
    kind = type(thing)
    known = kind if type(kind) is type else object  # As `known_type`, without the call.
    try:
        if known in _ALWAYS or known in _TIMES:
            return True
        if known in _NEVER:
            return False
        if issubclass(kind, str):
            return str.__len__(thing) <= _LONG_TEXT
        if issubclass(kind, bytes):
            return bytes.__len__(thing) <= _LONG_TEXT
        if issubclass(kind, tuple):
            return tuple.__len__(thing) <= _MOST_PARTS and all(map(is_value, tuple.__iter__(thing)))
        if kind is frozenset:
            return not thing
        return (
            issubclass(kind, (*_NAMED, int, float, Enum))
            or (type(kind) is type and f"{kind.__module__}.{kind.__qualname__}" in _SAID)
            or _is_numpy_scalar(kind)
        )
    except Exception:
        pass_on()
        return False


def _is_numpy_scalar(kind: type) -> bool:
    generic = getattr(sys.modules.get("numpy"), "generic", None)
    return type(generic) is type and issubclass(kind, generic)


def stands_for_itself(thing: Any) -> bool:
    """Whether `thing` is None, or a common plain value that `value_of` gives as it is."""
    kind = type(thing)
    if kind is int:
        fits: bool = -(1 << 63) <= thing < 1 << 63
        return fits
    return (type(kind) is type and kind in _AS_IT_IS) or (kind is str and len(thing) <= _LONG_TEXT)


def value_of(thing: Any) -> Any:
    """A plain value (see `is_value`) as an attribute has it: a bool, int, float, str or aware time."""
    kind = type(thing)
    if kind is bool or kind is float or kind is str or thing is None:
        return thing
    if kind is int and -(1 << 63) <= thing < 1 << 63:
        return thing
    try:
        return _value_of(thing, kind)
    except Exception:
        pass_on()
        return f"<{python_type(thing)}>"


def _value_of(thing: Any, kind: type) -> Any:
    if issubclass(kind, Enum):
        return f"{kind.__qualname__}.{thing._name_}"
    if issubclass(kind, str):
        return str.__str__(thing)
    if issubclass(kind, int):
        whole = int.__int__(thing)
        return whole if whole.bit_length() <= _LONG_NUMBER else f"a whole number of {whole.bit_length()} bits"
    if issubclass(kind, float):
        return float.__float__(thing)
    if kind is dt.datetime:
        return thing if thing.utcoffset() is not None else thing.isoformat()
    if kind is dt.date or kind is dt.time:
        return thing.isoformat()
    if issubclass(kind, _NAMED):
        module = getattr(thing, "__module__", None)
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or repr(thing)
        return f"{module}.{name}" if isinstance(module, str) else str(name)
    if _is_numpy_scalar(kind):
        plain = thing.item()
        return value_of(plain) if type(plain) in _ALWAYS or type(plain) in _TIMES else str(plain)
    if f"{kind.__module__}.{kind.__qualname__}" in _SAID or kind is dt.timedelta:
        return str(thing)
    return text_of(thing)


def text_of(thing: Any) -> str:
    """A text that stands for `thing`: a text itself in full, else its representation, cut."""
    kind = type(thing)
    try:
        if issubclass(kind, str):
            return str.__str__(thing)
        if kind is int:
            return str(_value_of(thing, kind))
        return str(_short().repr(thing))
    except Exception:
        pass_on()
        return f"<{python_type(thing)}>"


def _short() -> Any:
    import reprlib

    short: Any = reprlib.Repr()
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = short.maxarray = 64
    short.maxdeque = 64
    short.maxstring = short.maxother = short.maxlong = _LONGEST_OTHER
    short.repr_instance = _repr_of
    return short


def _repr_of(thing: Any, _: int) -> str:
    """As `reprlib` itself does it, which swallows whatever comes."""
    try:
        text = repr(thing)
    except Exception:
        pass_on()
        return f"<{python_type(thing)}>"
    half = (_LONGEST_OTHER - 3) // 2
    return text if len(text) <= _LONGEST_OTHER else f"{text[:half]}...{text[-half:]}"


def plain_parts(thing: Any) -> dict[str, Any] | None:
    """The values in a short tuple or dict that holds nothing else, by index, field or key; else None."""
    kind = type(thing)
    pairs: dict[str, Any]
    if issubclass(kind, tuple):
        fields = getattr(kind, "_fields", None)
        names: Iterable[Any] = fields if type(fields) is tuple else range(tuple.__len__(thing))
        pairs = dict(zip(map(str, names), tuple.__iter__(thing), strict=False))
    elif kind is dict and all(type(key) is str for key in list(thing)):
        pairs = dict(thing)
    else:
        return None
    return pairs if len(pairs) <= _MOST_PARTS and all(map(is_value, pairs.values())) else None


def python_type(thing: Any) -> str:
    """The full name of the type of `thing`."""
    kind = type(thing)
    try:
        module, name = kind.__module__, kind.__qualname__
        return name if module == "builtins" else f"{module}.{name}"
    except Exception:
        pass_on()
        return type.__repr__(kind)


def way_of(kind: type, name: str) -> Any:
    """What the class `kind` has for us under `name`, without asking its metaclass; None if nothing."""
    if type(kind) is type and kind in _COMMON:
        return None
    try:
        return type.__getattribute__(kind, name)
    except AttributeError:
        return None


def key_of(prefix: str, name: str) -> str:
    """An attribute's key from a user's name: signs that no IRI may hold are percent-encoded (RFC 3987)."""
    if name.isidentifier():
        return prefix + name
    return prefix + "".join(map(_allowed, name))


def _allowed(sign: str) -> str:
    if sign.isalnum() or sign in "-._~" or (sign > "\x9f" and sign.isprintable()):
        return sign
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))
