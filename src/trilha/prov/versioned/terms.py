"""The terms of Versioned-PROV: its namespaces, types and attributes.

Source: Pimentel, Missier, Murta, Braganholo, "Versioned-PROV: A PROV extension to support mutable data
entities" (IPAW 2018), tables 1 and 2; `Del`, `Add` and `VoidEntity` are of its companion site,
https://dew-uff.github.io/versioned-prov/.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from trilha.errors import UsageError
from trilha.prov.namespaces import PROV, Name, Namespace, Namespaces
from trilha.prov.record import Record
from trilha.prov.values import Literal, Value

__all__ = [
    "ACCESS",
    "ADD",
    "CHECKPOINT",
    "COLLECTION",
    "DEL",
    "KEY",
    "PUT",
    "REFERENCE",
    "SCRIPT",
    "VERSION",
    "VOID",
    "Moment",
    "Order",
    "checkpoint_of",
    "has_type",
    "key_of",
    "name_of",
]

VERSION: Final = Namespace("version", "https://dew-uff.github.io/versioned-prov/ns#")
"""What Versioned-PROV adds to PROV."""
SCRIPT: Final = Namespace("script", "https://dew-uff.github.io/versioned-prov/ns/script#")
"""What scripts are made of: `script:name`, `script:access`, and so on."""

REFERENCE: Final = VERSION["Reference"]
"""Of a derivation: both entities are one data structure."""
PUT: Final = VERSION["Put"]
"""Of a membership: the member is put under the key; a void entity takes out what is there."""
DEL: Final = VERSION["Del"]
"""Of a membership: what is at the position is taken out, and those behind it move down; see `history`."""
ADD: Final = VERSION["Add"]
"""Of a membership: the member is put before a position, and those from there on move up."""
VOID: Final = VERSION["VoidEntity"]
"""Of an entity: the placeholder that stands for no member."""
CHECKPOINT: Final = VERSION["checkpoint"]
KEY: Final = VERSION["key"]
COLLECTION: Final = VERSION["collection"]
ACCESS: Final = VERSION["access"]
"""``r`` or ``w``: whether a derivation reads an element of its collection or writes it."""

Moment = tuple[int, float | datetime | str]
"""A checkpoint that can be compared with others: of what kind it is, and which."""


def has_type(record: Record, term: Name) -> bool:
    """Whether a statement is of a type of Versioned-PROV.

    The authors' own documents write ``type="version:Put"``: text, under a name of the default namespace. That
    is taken for what it means.
    """
    short = f"{VERSION.prefix}:{term.removeprefix(VERSION.iri)}"
    flat = record[-1]
    for at in range(0, len(flat), 2):
        if flat[at + 1] == term and flat[at] == PROV["type"]:
            return True
        if flat[at + 1] == short and flat[at].endswith("type"):
            return True
    return False


def name_of(value: Value | None, namespaces: Namespaces) -> Name | None:
    """A value that names an entity; None if it names none."""
    if isinstance(value, Name):
        return value
    if isinstance(value, str):
        try:
            return namespaces.resolve(value)
        except UsageError:
            return None
    return None


def key_of(record: Record) -> str | None:
    """The key of a membership or access, as text; None if it has none."""
    value = record.value(KEY)
    if value is None:
        return None
    return value.value if isinstance(value, Literal) else str(value)


def checkpoint_of(record: Record) -> Value | None:
    """The checkpoint of a statement; None if it has none."""
    return record.value(CHECKPOINT)


def _kind(value: Value) -> int:
    if isinstance(value, bool | int | float):
        return 0
    if isinstance(value, datetime):
        return 1
    text = value.value if isinstance(value, Literal) else value
    return 2 if text.removeprefix("-").isdecimal() else 3


class Order:
    """How the checkpoints of a document are ordered: numbers by size, times by time, other text by its text.

    Text that is a whole number counts as a number, if all text is.

    Args:
        values: the checkpoints that there are.

    Attributes:
        kinds: how many different kinds they are of; checkpoints of two kinds have no order among each other
            that is meant (`check` tells of them).
    """

    def __init__(self, values: Iterable[Value]) -> None:
        kinds = {_kind(value) for value in values}
        self._numbered = 3 not in kinds
        self.kinds = len(
            {0 if kind == 2 and self._numbered else min(kind + (kind == 2), 3) for kind in kinds}
        )

    def __call__(self, value: Value) -> Moment:
        """What a checkpoint is compared by."""
        kind = _kind(value)
        text = value.value if isinstance(value, Literal) else value
        if kind == 2:
            return (0, int(str(text))) if self._numbered else (3, str(text))
        if isinstance(text, bool | int | float):
            return (0, text)
        return (kind, text)
