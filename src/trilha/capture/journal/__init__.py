"""The journal: what a program did, appended as it happens, one file a process.

`frames` holds the layout. `writer` makes a journal for the user's program, `mapped` or `grouped` as the file
system can bear, through a `descriptor` that the program may close, of statements in their `encoding`.
`reader` reads the file again: `scanning` finds its whole frames, `decoding` turns them into records. The
journal is the truth; a store is only an index over journals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trilha.capture.journal.decoding import Event
    from trilha.capture.journal.frames import Block, Head, Rows
    from trilha.capture.journal.reader import Damage, Journal, read

__all__ = ["Block", "Damage", "Event", "Head", "Journal", "Rows", "read"]

_LATE = {"Event": "decoding", "Block": "frames", "Head": "frames", "Rows": "frames"}
"""Where names are that are imported only when they are asked for: who writes a journal reads none.

The others of `__all__` are in `reader`.
"""


def __getattr__(name: str) -> Any:
    if name in __all__:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_LATE.get(name, 'reader')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
