"""The layout of a journal file: no files here, only bytes.

A journal is eight bytes of magic and then frames without gaps::

    u32 length of the payload | u32 CRC-32 of the payload | payload

all numbers little-endian. What a payload is, its first byte says:

==================  ======================================================================================
0x90-0x9f, 0xdc     a statement: MessagePack array ``[kind, identifier, argument…, [key, value, …]]``;
                    or several at once, a filled shape: ``[0, number of the shape, content, …]``
0x80-0x8f, 0xde     a note: MessagePack map; ``{"head": …}`` (the first frame), ``{"block": …}`` or
                    ``{"shape": …}``
0xc1                rows of a dense block: u32 number of the block, then whole packed rows
==================  ======================================================================================

(0xc1 is the one byte that never begins a MessagePack value, so the three cannot be mixed up.)

Inside a statement an identifier is an integer (a thing of this run, see `Head.bases`), a text (an IRI, or
``prefix:local`` with a prefix of `PREFIXES`) or nil. A time is an integer, nanoseconds since 1970-01-01 UTC,
or the text of an xsd:dateTime. Values of attributes are MessagePack's own; the extension types below carry
what MessagePack has no word for. A length of zero is a page that nothing was written to yet.

docs/reference/journal.md says all this in full, for those who write another reader.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

__all__ = [
    "EXT_HOLE",
    "EXT_INTEGER",
    "EXT_LITERAL",
    "EXT_NAME",
    "EXT_PLACEHOLDER",
    "EXT_TEXT",
    "EXT_TIME",
    "FIRST_BYTES",
    "FRAME",
    "MAGIC",
    "MAX_PAYLOAD",
    "NOTE_BYTES",
    "PREFIXES",
    "ROWS_BYTE",
    "ROWS_HEAD",
    "VERSION",
    "Block",
    "Head",
    "Rows",
]

MAGIC: Final = b"TRILHA\x1a\x01"
VERSION: Final = 2
"""1 had no shapes; all else is the same."""
FRAME: Final = struct.Struct("<II")
ROWS_HEAD: Final = struct.Struct("<BI")
ROWS_BYTE: Final = 0xC1
MAX_PAYLOAD: Final = 1 << 28
"""The longest payload, in bytes: 256 MiB. The writer refuses a longer one, to the reader it is damage."""

NOTE_BYTES: Final = frozenset([*range(0x80, 0x90), 0xDE])
FIRST_BYTES: Final = frozenset([*range(0x80, 0xA0), 0xC1, 0xDC, 0xDE])

EXT_NAME: Final = 1
"""Extension type of a qualified name as a value: its data is the IRI, or ``prefix:local``, in UTF-8."""
EXT_LITERAL: Final = 2
"""Extension type of a typed literal: its data is MessagePack ``[text, datatype, language or nil]``."""
EXT_PLACEHOLDER: Final = 3
"""Extension type of PROV-N's ``-``: no data."""
EXT_TEXT: Final = 4
"""Extension type of a text with lone surrogates: its data is UTF-8, with three bytes for each of these."""
EXT_INTEGER: Final = 5
"""Extension type of a whole number of more than 64 bits: its data is two's complement, little-endian."""
EXT_TIME: Final = 6
"""Extension type of a time as a value, with its own time zone: its data is the text of an xsd:dateTime."""
EXT_HOLE: Final = 7
"""Extension type of a hole in a shape: its data is one byte, the number of the content that goes there."""

PREFIXES: Final[dict[str, str]] = {
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "trilha": "https://w3id.org/trilha/ns#",
    "sha256": "nih:sha-256;",
    "pypi": "pkg:pypi/",
    "commit": "swh:1:rev:",
    "": "",  # ":iri" is an IRI that would else be taken for prefix:local
}
"""What a prefix stands for inside a journal of this version; only added to, and that in a new version."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame: whose journal this is.

    Attributes:
        version: of the layout.
        run: UUID of the run.
        uid: UUID of this journal, unique among all journals of the world.
        parent: ``uid`` of the journal of the process that this one was forked from or started by, or None.
        host: name of the host.
        machine: IRI of the machine.
        boot: identifies the boot of the host and the space of its process numbers; with `pid` and
            `process_start` it tells whether the writer lives.
        pid: process number of the writer.
        process_start: when the kernel started the process, in clock ticks since boot; 0 where unknown.
        started: when the journal was opened, nanoseconds since 1970-01-01 UTC.
        bases: pairs ``(first number, IRI prefix)`` in rising order: a thing of number n is named by the last
            pair whose first number is not above n. A forked process knows its parent's things by the
            parent's names, and names its own apart.
    """

    version: int
    run: str
    uid: str
    parent: str | None = None
    host: str = ""
    machine: str = ""
    boot: str = ""
    pid: int = 0
    process_start: int = 0
    started: int = 0
    bases: tuple[tuple[int, str], ...]

    def note(self) -> dict[str, Any]:
        """The head as the map that is written."""
        return {"head": msgspec.to_builtins(self)}


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of a dense block: rows of numbers that stand for many statements.

    Attributes:
        number: of the block in its journal.
        entity: IRI of the entity whose content the rows are.
        kind: what the rows mean: ``"metrics"`` today.
        columns: name and `struct` code of each column: ``q`` a 64-bit integer, ``d`` a 64-bit float.
    """

    number: int
    entity: str
    kind: str
    columns: tuple[tuple[str, str], ...]

    @property
    def row(self) -> struct.Struct:
        """The layout of one row."""
        return struct.Struct("<" + "".join(code for _, code in self.columns))


class Rows(msgspec.Struct, frozen=True):
    """Some rows of a block.

    Attributes:
        block: number of the block.
        data: whole packed rows.
    """

    block: int
    data: bytes
