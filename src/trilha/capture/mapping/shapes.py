"""The declared type of a data set: a file, an array of anything, a structure with fields, to any depth."""

from __future__ import annotations

import typing
from typing import Any, Final, NamedTuple

from trilha.errors import UsageError

__all__ = ["Key", "Keys", "Shape", "key_text", "keys_text", "shape_of"]

Key = int | str
Keys = tuple[Key, ...]
"""Where a member stands: index or key of each array, name of each field, from the outside in."""

_DEEPEST: Final = 16


class Shape(NamedTuple):
    """A declared type.

    Attributes:
        sort: ``"file"``, ``"array"`` (whole numbers as keys), ``"table"`` (texts as keys) or ``"struct"``.
        inside: type of the members by their names: all of them under the empty name, unless it is a struct.
        kind: the class of a struct; None for anything else.
    """

    sort: str
    inside: dict[str, Shape]
    kind: type | None = None

    @property
    def text(self) -> str:
        """How it was declared: ``list[Image]``."""
        if self.sort == "file":
            return "File"
        if self.kind is not None:
            return self.kind.__name__
        return f"{'list[' if self.sort == 'array' else 'dict[str, '}{self.inside[''].text}]"

    def at(self, key: Key) -> Shape:
        """The type of the member `key`.

        Raises:
            UsageError: there can be no such member.
        """
        if self.sort == "struct":
            if key in self.inside:
                return self.inside[str(key)]
            raise UsageError(f"{self.text} has no field {key!r}: expected one of {', '.join(self.inside)}")
        wanted = int if self.sort == "array" else str
        if self.sort != "file" and type(key) is wanted and (wanted is str or int(key) >= 0):
            return self.inside[""]
        expected = {"array": "an index from 0", "table": "a text"}.get(self.sort, "no member of a file")
        raise UsageError(f"{self.text}[{key!r}]: expected {expected}")

    def levels(self) -> list[Shape]:
        """The types from the outside to a file, as far as all members of a struct have one type."""
        found: list[Shape] = []
        shape = self
        while shape.sort != "file":
            found.append(shape)
            kinds = list(shape.inside.values())
            if any(kind != kinds[0] for kind in kinds):
                break
            shape = kinds[0]
        return found


FILE: Final = Shape("file", {})


def shape_of(declared: Any, struct: type, file: type, depth: int = _DEEPEST) -> Shape:
    """The shape of a declared type.

    Args:
        declared: `file`, ``list[…]``, ``dict[str, …]``, or a class derived from `struct`.
        struct: the class of structures.
        file: the class of files.
        depth: how many levels there may be.

    Raises:
        UsageError: it is something else, or nested deeper.
    """
    if not depth:
        raise UsageError(
            f"a data set of more than {_DEEPEST} levels: expected fewer (is a structure in itself?)"
        )
    if declared is file:
        return FILE
    origin, inside = typing.get_origin(declared), typing.get_args(declared)
    if origin is list and len(inside) == 1:
        return Shape("array", {"": shape_of(inside[0], struct, file, depth - 1)})
    if origin is dict and len(inside) == 2 and inside[0] is str:
        return Shape("table", {"": shape_of(inside[1], struct, file, depth - 1)})
    if isinstance(declared, type) and issubclass(declared, struct) and declared is not struct:
        fields = _fields(declared, struct)
        return Shape(
            "struct",
            {name: shape_of(kind, struct, file, depth - 1) for name, kind in fields.items()},
            declared,
        )
    raise UsageError(
        f"a data set of {getattr(declared, '__name__', declared)!s}: expected data.File, list[…],"
        " dict[str, …] or a class derived from data.Struct, such as: class Image(data.Struct): img: data.File"
    )


def _fields(declared: type, struct: type) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(declared)
    except NameError as error:
        raise UsageError(
            f"{declared.__name__}: a field's type is not known here ({error}): define it in its module"
        ) from None
    fields = {name: kind for name, kind in hints.items() if not name.startswith("_")}
    taken = sorted(set(fields) & set(dir(struct)))
    if taken:
        raise UsageError(
            f"{declared.__name__} has a field {taken[0]!r}, as each structure: expected another name"
        )
    if not fields:
        raise UsageError(f"{declared.__name__} has no fields: expected some, such as img: data.File")
    return fields


def key_text(key: Key, shape: Shape) -> str:
    """A member's key as Swift wrote it: ``[2]``, ``[x]`` or ``.img``."""
    return f".{key}" if shape.sort == "struct" else f"[{key}]"


def keys_text(keys: Keys, shape: Shape) -> str:
    """Where a member stands in a data set: ``[2].img``."""
    text = ""
    for key in keys:
        text += key_text(key, shape)
        shape = shape.at(key)
    return text
