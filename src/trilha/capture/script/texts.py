"""A value as a short text, by none of the program's own methods: what ``--values`` tells.

Numbers, truth values and texts, cut where they are long; of everything else the kind, and how many members it
has. What the environment's variables hold is not told. `trilha_recorder` writes the ordinary ones itself, the
same; `tests/trace/test_valued.py` holds the two against each other.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from trilha.capture.values import value_of

__all__ = ["Surroundings", "surroundings", "text_of"]

_LONGEST: Final = 60
_LONGEST_NUMBER: Final = 200
"""Bits of whole numbers that are written out."""
_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL|COOKIE", re.IGNORECASE)
_FEW: Final = 6
"""Texts of fewer letters are no secrets, or none that could be told from others."""
_HIDDEN: Final = "<of the environment>"
_HEAP_TYPE: Final = 1 << 9
_module_of: Final = vars(type)["__module__"].__get__
_name_of: Final = vars(type)["__qualname__"].__get__


def text_of(value: Any) -> str:
    """A value as a text."""
    own = type(value)
    if own is int:
        return repr(value) if value.bit_length() <= _LONGEST_NUMBER else f"<int of {value.bit_length()} bits>"
    if own is float or own is bool or value is None or own is complex:
        return repr(value)
    if own is str:
        return _hidden(value) or _cut(repr(value[: _LONGEST + 1]), len(value) > _LONGEST)
    if own is bytes:
        return _cut(repr(value[: _LONGEST + 1]), len(value) > _LONGEST)
    if type(own) is type and own in (list, dict, set, tuple, frozenset):
        return f"<{own.__name__} of {len(value)}>"
    if issubclass(own, (int, float)) or _is_numpy_scalar(own):
        plain = value_of(value)
        if type(plain) in (int, float, bool):
            return text_of(plain)
    return f"<{_type_name(own)}>"


def _is_numpy_scalar(own: type) -> bool:
    """Whether a type is one of NumPy's own, not one that a program derived from it."""
    generic = getattr(sys.modules.get("numpy"), "generic", None)
    return type(generic) is type and issubclass(own, generic) and not own.__flags__ & _HEAP_TYPE


def _type_name(own: type) -> str:
    """The full name of a type; its metaclass is not asked."""
    try:
        module, name = _module_of(own), _name_of(own)
    except AttributeError:
        return type.__repr__(own)
    return f"{module}.{name}" if type(module) is str and module != "builtins" else str(name)


def _cut(text: str, more: bool) -> str:
    return f"{text[:_LONGEST]}…" if more or len(text) > 2 * _LONGEST else text


def _hidden(text: str) -> str:
    """What is told instead of a text that the environment holds."""
    if len(text) < _FEW:
        return ""
    around = surroundings()
    return _HIDDEN if text in around.values or any(one in text for one in around.secrets) else ""


class Surroundings(NamedTuple):
    """What of the environment is not told.

    Attributes:
        environ: `os.environ`.
        data: what that keeps its variables in; None where it is of the program's own making.
        seen: what was in that.
        values: no text is told that is one of these.
        secrets: no text is told that has one of these in it.
    """

    environ: Mapping[str, str]
    data: dict[Any, Any] | None
    seen: dict[Any, Any] | None
    values: frozenset[str]
    secrets: tuple[str, ...]


def surroundings() -> Surroundings:
    """The environment as it is now."""
    environ: Any = sys.modules.get("os", os).environ  # which the program may replace
    data = vars(environ).get("_data") if type(environ) is os._Environ else None
    if type(data) is dict:
        seen = data.copy()
        names = zip(map(environ.decodekey, seen), map(environ.decodevalue, seen.values()), strict=True)
    else:
        data, seen, names = None, None, environ.items()
    held = {name: value for name, value in names if len(value) >= _FEW}
    secrets = tuple({value for name, value in held.items() if _SECRET.search(name)})
    return Surroundings(environ, data, seen, frozenset(held.values()), secrets)
