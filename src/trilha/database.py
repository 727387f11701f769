"""Record what a program does to a database: versions of its tables, and the rows that each step changes::

    from trilha import database

    connection = database.connect("stars.db")
    with trilha.step("load"), connection, connection.rows_from("stars.csv", line=1):
        connection.executemany("INSERT INTO star VALUES (?, ?)", rows)

Afterwards ``trilha ask row star 17`` tells which steps made the row of the key 17, and the line that it came
from. The connection is one of `sqlite3`, and nothing else has to change.
"""

from trilha.capture.database import Connection, Cursor, Source, connect, unpacked

__all__ = ["Connection", "Cursor", "Source", "connect", "unpacked"]
