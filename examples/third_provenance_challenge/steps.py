# ruff: noqa: ARG001, N802, N803, S608 -- the names are the challenge's; SQL is made of the names of tables
"""The steps of the LoadWorkflow of the Third Provenance Challenge, each as a function of its own.

They know nothing of Parsl. What they do to the database flows to later steps through the database alone: to
have that recorded they connect by `trilha.database` (in `databases`), and that is all that they know of it.

Each takes ``control``, which it does not look at: the gate that has to be passed before.
"""

import csv
import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import databases
from databases import quoted
from schema import MISSING, TABLES

STEPS = (
    *("IsCSVReadyFileExists", "ReadCSVReadyFile", "IsMatchCSVFileTables", "CreateEmptyLoadDB"),
    *("IsExistsCSVFile", "IsMatchCSVFileChecksum", "ReadCSVFileColumnNames", "IsMatchCSVFileColumnNames"),
    *("LoadCSVFileIntoTable", "UpdateComputedColumns", "IsMatchTableRowCount", "IsMatchTableColumnRanges"),
    *("CompactDatabase", "HaltUnless"),
)


@dataclass(frozen=True)
class CSVFileEntry:
    """A line of csv_ready.csv.

    Attributes:
        FilePath: of the CSV file.
        HeaderPath: of the file with the names of its columns.
        RowCount: how many rows it should have.
        TargetTable: to load it into.
        Checksum: MD5 of the file.
        ColumnNames: of its columns, once they have been read.
    """

    FilePath: str
    HeaderPath: str
    RowCount: int
    TargetTable: str
    Checksum: str
    ColumnNames: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatabaseEntry:
    """The database of a job.

    Attributes:
        DBGuid: a UUID.
        DBName: of the database.
        ConnectionString: the path of its file, or its URL.
    """

    DBGuid: str
    DBName: str
    ConnectionString: str


class Halted(Exception):
    """A check failed, and with it the workflow."""


def IsCSVReadyFileExists(CSVRootPath, control=None):
    """Whether the folder is there, and csv_ready.csv in it."""
    return os.path.isdir(CSVRootPath) and os.path.isfile(os.path.join(CSVRootPath, "csv_ready.csv"))


def ReadCSVReadyFile(CSVRootPath, control=None):
    """The files that csv_ready.csv lists."""
    with open(os.path.join(CSVRootPath, "csv_ready.csv"), newline="") as file:
        paths = [(os.path.join(CSVRootPath, name), *rest) for name, *rest in csv.reader(file)]
    return [CSVFileEntry(path, f"{path}.hdr", int(count), *rest) for path, count, *rest in paths]


def IsMatchCSVFileTables(entries, control=None):
    """Whether there is one file for each table."""
    return sorted(one.TargetTable for one in entries) == sorted(TABLES)


def CreateEmptyLoadDB(JobID, where, control=None):
    """A new database with the three tables, empty."""
    name = f"{JobID}_LoadDB"
    place = databases.make(name, where)
    with _open(place) as connection:
        for table, about in TABLES.items():
            columns = ", ".join(f"{quoted(column)} NUMERIC" for column in about.columns)
            connection.execute(
                f"CREATE TABLE {quoted(table)} ({columns}, PRIMARY KEY ({quoted(*about.key)}))"
            )
        connection.commit()
    return DatabaseEntry(str(uuid4()), name, place)


def IsExistsCSVFile(entry, control=None):
    """Whether the file and its header are there."""
    return os.path.isfile(entry.FilePath) and os.path.isfile(entry.HeaderPath)


def IsMatchCSVFileChecksum(entry, control=None):
    """Whether the file has its checksum. No step of the challenge's, which says the checksum and no more."""
    with open(entry.FilePath, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest() == entry.Checksum


def ReadCSVFileColumnNames(entry, control=None):
    """The entry with the names of the columns, from the header."""
    with open(entry.HeaderPath) as file:
        return replace(entry, ColumnNames=tuple(file.readline().strip().split(",")))


def IsMatchCSVFileColumnNames(entry, control=None):
    """Whether the columns are those of the table."""
    return sorted(entry.ColumnNames) == sorted(TABLES[entry.TargetTable].columns)


def LoadCSVFileIntoTable(db, entry, control=None):
    """Insert the rows of the file into its table."""
    marks = ", ".join([databases.mark(db.ConnectionString)] * len(entry.ColumnNames))
    into = f"{quoted(entry.TargetTable)} ({quoted(*entry.ColumnNames)})"
    with (
        open(entry.FilePath, newline="") as file,
        _open(db.ConnectionString) as connection,
        connection,
        connection.rows_from(entry.FilePath, line=1),
    ):
        rows = map(_numbers, csv.reader(file))
        connection.cursor().executemany(f"INSERT INTO {into} VALUES ({marks})", rows)
    return True


def UpdateComputedColumns(db, entry, control=None):
    """Compute the columns that are computed from others."""
    computed = TABLES[entry.TargetTable].computed
    if computed:
        values = ", ".join(f"{quoted(column)} = {expression}" for column, expression in computed.items())
        with _open(db.ConnectionString) as connection, connection:
            connection.execute(f"UPDATE {quoted(entry.TargetTable)} SET {values}")
    return True


def IsMatchTableRowCount(db, entry, control=None):
    """Whether the table has as many rows as csv_ready.csv says."""
    with _open(db.ConnectionString) as connection:
        (count,) = connection.execute(f"SELECT COUNT(*) FROM {quoted(entry.TargetTable)}").fetchone()
    return count == entry.RowCount


def IsMatchTableColumnRanges(db, entry, control=None):
    """Whether all values lie where they should."""
    outside, mark = 0, databases.mark(db.ConnectionString)
    with _open(db.ConnectionString) as connection:
        for column, (low, high) in TABLES[entry.TargetTable].ranges.items():
            name = quoted(column)
            query = (
                f"SELECT COUNT(*) FROM {quoted(entry.TargetTable)}"
                f" WHERE ({name} < {mark} OR {name} > {mark}) AND {name} != {mark}"
            )
            outside += connection.execute(query, (low, high, MISSING)).fetchone()[0]
    return outside == 0


def CompactDatabase(db, control=()):
    """Give back what the database does not need."""
    with _open(db.ConnectionString) as connection:
        connection.autocommit = True
        connection.execute("VACUUM")
    return True


def HaltUnless(step, passed):
    """The gate behind a check."""
    if not passed:
        raise Halted(f"{step} failed")


@contextmanager
def _open(where):
    """A connection that is closed in the end."""
    connection = databases.connect(where)
    try:
        yield connection
    finally:
        connection.close()


def _numbers(row):
    return [int(one) if one.lstrip("-").isdigit() else float(one) for one in row]
