"""Dumps of MonetDB as ``msqldump`` writes them, as tables.

The text is read, and nothing of it is executed: CREATE TABLE tells the columns, COPY … FROM stdin and INSERT
the rows. A file may hold the same table twice: then another database begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from trilha.errors import FormatError
from trilha.importing.account import Report

__all__ = ["Table", "tables"]

_NAME: Final = r'(?:"(?P<{0}q>[^"]+)"|(?P<{0}>\w+))'
_TABLE: Final = rf"(?:{_NAME.format('s')}\s*\.\s*)?{_NAME.format('t')}"
_SCHEMA: Final = re.compile(rf"SET\s+SCHEMA\s+{_NAME.format('n')}", re.IGNORECASE)
_DELIMITER: Final = re.compile(r"DELIMITERS\s+E?'(\\t|[^'\\])'", re.IGNORECASE)
_CREATE: Final = re.compile(rf"CREATE TABLE\s+{_TABLE}\s*\(\s*$", re.IGNORECASE)
_COLUMN: Final = re.compile(r'\s*"(?P<name>[^"]+)"\s+(?!KEY\b)\w')
_COPY: Final = re.compile(
    rf"COPY\s+(?P<n>\d+)\s+RECORDS\s+INTO\s+{_TABLE}\s+FROM\s+stdin(?P<how>.*);\s*$", re.IGNORECASE
)
_INSERT: Final = re.compile(
    rf"INSERT\s+INTO\s+{_TABLE}\s*(?:\((?P<c>[^)]*)\))?\s*VALUES\s*(?P<v>.*)$", re.IGNORECASE
)
_VALUE: Final = re.compile(r"\s*(?:E?'(?P<text>(?:[^'\\]|\\.|'')*)'|(?P<word>[^\s,()]+))\s*(?P<end>[,)])")
_BETWEEN_BLANKS: Final = re.compile(r'"(?:[^"\\]|\\.|"")*"|\S+')
_BLANKS: Final = "lines of a dump whose tabs had become blanks"
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


class _Cells(dict[str, str | None]):
    """A row by the names of its columns; a column that the table has not is None."""

    def __missing__(self, name: str) -> None:
        return None


class Table:
    """A table of a dump.

    Attributes:
        schema: that it is in.
        name: of the table.
        columns: their names.
        rows: each as long as `columns`; None for NULL, else text.
        place: file and line where it begins.
    """

    def __init__(self, schema: str, name: str, columns: list[str], place: str) -> None:
        self.schema = schema
        self.name = name
        self.columns = columns
        self.rows: list[list[str | None]] = []
        self.place = place

    def dicts(self) -> Iterator[dict[str, str | None]]:
        """The rows by the names of the columns."""
        for row in self.rows:
            yield _Cells(zip(self.columns, row, strict=True))


def tables(path: str, report: Report) -> list[list[Table]]:
    """The tables in a dump, those of each database for itself.

    Raises:
        FormatError: it is no dump, or a broken one.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected a dump in UTF-8; byte {error.start} is none") from None
    found: list[dict[tuple[str, str], Table]] = [{}]
    at, schema = 0, "public"
    while at < len(lines):
        line = lines[at]
        named = _SCHEMA.match(line)
        schema = (named["nq"] or named["n"]) if named else schema
        created, copied, inserted = _CREATE.match(line), _COPY.match(line), _INSERT.match(line)
        if created:
            key = _key(created, schema)
            columns, at = _columns(path, lines, at)
            if key in found[-1]:
                found.append({})
            found[-1][key] = Table(*key, columns, f"{path}:{at}")
        elif copied:
            at = _copy(path, lines, at, copied, _known(path, at, _key(copied, schema), found[-1]), report)
        elif inserted:
            _insert(path, at, inserted, _known(path, at, _key(inserted, schema), found[-1]))
        at += 1
    if not found[0]:
        raise FormatError(f"{path}:1: expected the dump of a database, with CREATE TABLE; found none")
    return [list(one.values()) for one in found]


def _key(match: re.Match[str], schema: str) -> tuple[str, str]:
    """Schema and name of the table that is meant."""
    return match["sq"] or match["s"] or schema, match["tq"] or match["t"]


def _columns(path: str, lines: list[str], at: int) -> tuple[list[str], int]:
    """The columns of a table, and the line with its end."""
    columns: list[str] = []
    for number in range(at + 1, len(lines)):
        if lines[number].lstrip().startswith(")"):
            return columns, number
        column = _COLUMN.match(lines[number])
        if column:
            columns.append(column["name"])
    raise FormatError(f"{path}:{at + 1}: a CREATE TABLE that does not end")


def _copy(path: str, lines: list[str], at: int, match: re.Match[str], table: Table, report: Report) -> int:
    """Read the rows behind a COPY; gives the last line of them."""
    count, delimiter = int(match["n"]), _DELIMITER.search(match["how"] or "")
    sign = "\t" if delimiter is None or delimiter[1] == "\\t" else delimiter[1]
    for number in range(at + 1, at + 1 + count):
        if number >= len(lines) or (not lines[number] and len(table.columns) > 1):
            raise FormatError(
                f"{path}:{number + 1}: expected {count} rows of {table.schema}.{table.name}; the text ends"
                f" after {number - at - 1}. Make the dump anew"
            )
        cells = [_cell(cell) for cell in _split(lines[number], sign, len(table.columns), report)]
        if len(cells) != len(table.columns):
            raise FormatError(
                f"{path}:{number + 1}: expected {len(table.columns)} values of {table.schema}.{table.name},"
                f" found {len(cells)}"
            )
        table.rows.append(cells)
    return at + count


def _known(path: str, at: int, key: tuple[str, str], known: dict[tuple[str, str], Table]) -> Table:
    if key not in known:
        raise FormatError(f"{path}:{at + 1}: rows of {'.'.join(key)}, which no CREATE TABLE describes")
    return known[key]


def _split(line: str, sign: str, columns: int, report: Report) -> list[str]:
    """The cells of a line: between tabs, another sign or, where an editor made blanks of tabs, blanks."""
    if sign not in line and sign == "\t" and columns > 1:
        report.repaired[_BLANKS] += 1
        return _BETWEEN_BLANKS.findall(line)
    if '"' not in line:
        return line.split(sign)
    cells, at = [], 0
    one = re.compile(rf'[ ]*("(?:[^"\\]|\\.|"")*"|[^{re.escape(sign)}]*)[ ]*(?:{re.escape(sign)}|\Z)')
    while at <= len(line):
        match = one.match(line, at)
        if match is None:
            return line.split(sign)
        cells.append(match[1])
        at = match.end() if match[0].endswith(sign) else len(line) + 1
    return cells


def _cell(text: str) -> str | None:
    text = text.strip(" ")
    if text == "NULL":
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _unescaped(text[1:-1].replace('""', '"'))
    return text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _insert(path: str, at: int, match: re.Match[str], table: Table) -> None:
    named = [
        name.strip().strip('"') for name in (match["c"] or "").split(",") if name.strip()
    ] or table.columns
    text, place = match["v"], 0
    while place < len(text) and text[place] in " (,":
        if text[place] != "(":
            place += 1
            continue
        cells: dict[str, str | None] = {}
        for name in named:
            value = _VALUE.match(text, place + 1)
            if value is None or (value["end"] == ")") != (name == named[-1]):
                raise FormatError(
                    f"{path}:{at + 1}:{match.start('v') + place + 2}: expected {len(named)} values of"
                    f" {table.schema}.{table.name}"
                )
            word = value["word"]
            plain = None if word and word.upper() == "NULL" else word
            cells[name] = _unescaped(value["text"].replace("''", "'")) if word is None else plain
            place = value.end() - 1
        table.rows.append([cells.get(name) for name in table.columns])
        place += 1
