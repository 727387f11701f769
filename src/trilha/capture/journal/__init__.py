"""The journal: what a program did, appended as it happens, one file a process.

`writer` appends from the user's program, `reader` reads the file again, and `frames` holds the layout that
both agree on. The journal is the truth; a store is only an index over journals.
"""

from __future__ import annotations

from trilha.capture.journal.frames import Block, Head, Rows
from trilha.capture.journal.reader import Damage, Event, Journal, read

__all__ = ["Block", "Damage", "Event", "Head", "Journal", "Rows", "read"]
