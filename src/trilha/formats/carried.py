"""Refusing what a format cannot carry: statements of PROV-Dictionary, and extensions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import itemgetter

from trilha.errors import FormatError
from trilha.prov import Kind, Name, Record

__all__ = ["called", "check_carried"]

_kind = itemgetter(0)


def check_carried(records: Collection[Record], title: str, carried: Iterable[Kind] = ()) -> None:
    """Refuse statements of kinds that a format cannot carry.

    Args:
        records: what is to be written.
        title: what to call the format.
        carried: the kinds beyond those of PROV-DM and PROV-Links that it does carry.

    Raises:
        FormatError: there is one that it cannot carry; the message names it.
    """
    if max(map(_kind, records), default=Kind.ENTITY) <= Kind.MEMBERSHIP:
        return
    allowed = {*carried}
    for record in records:
        kind = record.kind
        if kind > Kind.MEMBERSHIP and kind not in allowed:
            what = "an extension" if kind is Kind.EXTENSION else "of PROV-Dictionary"
            raise FormatError(
                f"{title} cannot carry {called(record)}, which is {what}: write another format,"
                " such as PROV-N, or take it out"
            )


def called(record: Record) -> str:
    """A statement for messages: its kind and identifier, or what it names."""
    word = record[2] if record.kind is Kind.EXTENSION else record.kind.provn
    if record[1] is not None:
        return f"{word}({record[1]})"
    return f"{word}({', '.join(str(cell) for cell in record[2:-1] if cell.__class__ in _SHOWN and cell)})"


_SHOWN = (Name, str)
