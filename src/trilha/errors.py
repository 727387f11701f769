"""Every error that Trilha raises, in one tree.

    TrilhaError
    ├── UsageError        the caller asked for something that cannot be: wrong argument, wrong call
    ├── FormatError       a document that is not what its format says (file, line, column)
    ├── JournalError      a file that is no journal, or a journal of a newer version
    ├── StoreError        a store that is none, is newer than this Trilha, or cannot be read
    ├── NotFound          nothing by that name; or more than one thing
    └── MissingExtra      an optional library that this call needs

A message names the thing, says what was expected and what to do next. Capture raises none of these
into the user's program: there they become one warning and a count.
"""

from __future__ import annotations

__all__ = [
    "FormatError",
    "JournalError",
    "MissingExtra",
    "NotFound",
    "StoreError",
    "TrilhaError",
    "UsageError",
]


class TrilhaError(Exception):
    """The base of all errors of Trilha."""


class UsageError(TrilhaError):
    """The caller asked for something that cannot be."""


class FormatError(TrilhaError):
    """A document is not what its format says. The message begins with its place."""


class JournalError(TrilhaError):
    """A file is no journal, or is a journal that this version cannot read."""


class StoreError(TrilhaError):
    """A store is none, is newer than this version, or cannot be read or written."""


class NotFound(TrilhaError):
    """Nothing is known by that name, or more than one thing is."""


class MissingExtra(TrilhaError):
    """An optional library is needed and not installed.

    Args:
        library: the name to import, for example ``"prov"``.
        extra: the extra of Trilha that brings it.
    """

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f'{library} is not installed; this needs it. Try: pip install "trilha[{extra}]"')
        self.library = library
        self.extra = extra
