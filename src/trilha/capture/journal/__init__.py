"""The journal: what a program did, appended as it happens, one file a process.

`frames` holds the layout. `writer` makes a journal for the user's program, `mapped` or `grouped` as the file
system can bear, through a `descriptor` that the program may close, of statements in their `encoding`.
`reader` reads the file again: `scanning` finds its whole frames, `decoding` turns them into records. The
journal is the truth; a store is only an index over journals.
"""

from __future__ import annotations

from trilha.capture.journal.decoding import Event
from trilha.capture.journal.frames import Block, Head, Rows
from trilha.capture.journal.reader import Damage, Journal, read

__all__ = ["Block", "Damage", "Event", "Head", "Journal", "Rows", "read"]
