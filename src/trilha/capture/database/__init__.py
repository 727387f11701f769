"""Databases that a program works on: which step read and made which version of which table, and which rows.

Steps that share a database share their data behind the back of arguments and return values. `connect` gives a
connection that says what is read and changed through it.
"""

from trilha.capture.database.changes import Source
from trilha.capture.database.sqlite import Connection, Cursor, connect
from trilha.capture.journal.keys import unpacked

__all__ = ["Connection", "Cursor", "Source", "connect", "unpacked"]
