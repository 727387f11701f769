"""The database of a job: a file of SQLite, or a database on a server of PostgreSQL."""

import os
from urllib.parse import urlsplit

from trilha import database

SERVED = "postgresql://"


def make(name, where):
    """Make an empty database; gives what `connect` takes.

    Args:
        name: of the database.
        where: a folder, or the URL of a database on the server, by way of which the new one is made.
    """
    if not where.startswith(SERVED):
        return os.path.join(where, f"{name}.db")
    import psycopg

    with psycopg.connect(where, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    return urlsplit(where)._replace(path=f"/{name}").geturl()


def connect(where):
    """A connection of `trilha.database`; others may be writing at the same time."""
    return database.connect(where) if where.startswith(SERVED) else database.connect(where, timeout=60)


def mark(where):
    """What stands for a parameter in a statement."""
    return "%s" if where.startswith(SERVED) else "?"


def quoted(*names):
    """Names of tables or columns, as they stand in a statement."""
    return ", ".join(f'"{name}"' for name in names)
