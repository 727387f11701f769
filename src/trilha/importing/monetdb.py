"""Dumps of DLProv's database, as MonetDB's ``msqldump`` writes them.

The text is read, and nothing of it is executed: CREATE TABLE tells the columns, COPY … FROM stdin and INSERT
the rows. The tables of the schema ``public`` (dataflow, dataflow_execution, task, performance, …) are joined
with those of a dataflow's own schema, one a set, by the tasks that their rows refer to. A file may hold the
same table twice: then another database begins. Whether its rows belong to the tasks that are here is told by
the tasks: a column refers to the tasks of one transformation of the schema's dataflow, or else not to these.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from trilha.errors import FormatError
from trilha.importing.account import Account, Report, iso, plain
from trilha.importing.dataflows import Execution, Row, Task

__all__ = ["Table", "executions", "tables"]

_NAME: Final = r'(?:"(?P<{0}q>[^"]+)"|(?P<{0}>\w+))'
_TABLE: Final = rf"{_NAME.format('s')}\s*\.\s*{_NAME.format('t')}"
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
_SUFFIX: Final = "_task_id"
_ROWS_ONLY: Final = "the database has no task table for these rows; each run is the rows that share tasks"


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
            yield dict(zip(self.columns, row, strict=True))


# -- text ----------------------------------------------------------------------------------------------------


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
    at = 0
    while at < len(lines):
        line = lines[at]
        created, copied, inserted = _CREATE.match(line), _COPY.match(line), _INSERT.match(line)
        if created:
            key = _key(created)
            columns, at = _columns(path, lines, at)
            if key in found[-1]:
                found.append({})
            found[-1][key] = Table(*key, columns, f"{path}:{at}")
        elif copied:
            at = _copy(path, lines, at, copied, found[-1], report)
        elif inserted:
            _insert(path, at, inserted, found[-1])
        at += 1
    if not found[0]:
        raise FormatError(f"{path}:1: expected the dump of a database, with CREATE TABLE; found none")
    return [list(one.values()) for one in found]


def _key(match: re.Match[str]) -> tuple[str, str]:
    return match["sq"] or match["s"], match["tq"] or match["t"]


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


def _copy(
    path: str,
    lines: list[str],
    at: int,
    match: re.Match[str],
    known: dict[tuple[str, str], Table],
    report: Report,
) -> int:
    """Read the rows behind a COPY; gives the last line of them."""
    table, count = _known(path, at, match, known), int(match["n"])
    for number in range(at + 1, at + 1 + count):
        if number >= len(lines) or (not lines[number] and len(table.columns) > 1):
            raise FormatError(
                f"{path}:{number + 1}: expected {count} rows of {table.schema}.{table.name}; the text ends"
                f" after {number - at - 1}. Make the dump anew"
            )
        cells = [_cell(cell) for cell in _split(lines[number], len(table.columns), report)]
        if len(cells) != len(table.columns):
            raise FormatError(
                f"{path}:{number + 1}: expected {len(table.columns)} values of {table.schema}.{table.name},"
                f" found {len(cells)}"
            )
        table.rows.append(cells)
    return at + count


def _known(path: str, at: int, match: re.Match[str], known: dict[tuple[str, str], Table]) -> Table:
    table = known.get(_key(match))
    if table is None:
        raise FormatError(
            f"{path}:{at + 1}: rows of {'.'.join(_key(match))}, which no CREATE TABLE describes"
        )
    return table


def _split(line: str, columns: int, report: Report) -> list[str]:
    """The cells of a line: between tabs or, where an editor made blanks of them, between blanks."""
    if "\t" in line or columns == 1:
        return line.split("\t")
    report.repaired[_BLANKS] += 1
    return _BETWEEN_BLANKS.findall(line)


def _cell(text: str) -> str | None:
    if text == "NULL":
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _unescaped(text[1:-1].replace('""', '"'))
    return text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _insert(path: str, at: int, match: re.Match[str], known: dict[tuple[str, str], Table]) -> None:
    table = _known(path, at, match, known)
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


# -- databases -----------------------------------------------------------------------------------------------


def executions(paths: list[str], report: Report) -> list[Account]:
    """The runs that the dumps of one or several databases tell of.

    Raises:
        FormatError: a file is no dump, or a broken one.
    """
    parts = [part for path in paths for part in tables(path, report)]
    shared = [_Database(part) for part in parts if any(table.schema == "public" for table in part)]
    for part in parts:
        own: dict[str, list[Table]] = defaultdict(list)
        for table in part:
            if table.schema != "public" and table.name.startswith("ds_"):
                own[table.schema].append(table)
        for schema, found in own.items():
            database = next((one for one in shared if one.holds(schema, found)), None)
            if database is None:
                database = _Database([])
                shared.append(database)
                report.left[f"{found[0].place}: {_ROWS_ONLY}"] += 1
            database.add(schema, found)
    return [account for database in shared for account in database.accounts(report)]


class _Database:
    """The tables of one database, joined."""

    def __init__(self, tables: list[Table]) -> None:
        named = {table.name: list(table.dicts()) for table in tables if table.schema == "public"}
        self._dataflows = {row["id"]: row["tag"] or "" for row in named.get("dataflow", ())}
        self._executions = named.get("dataflow_execution", [])
        self._of_execution = {row["tag"]: row for row in self._executions}
        self._rows = {row["id"] or "": row for row in named.get("task", ())}
        self._times = {row["task_id"]: row for row in named.get("performance", ())}
        self._tags = {row["id"]: row["tag"] or "" for row in named.get("data_transformation", ())}
        self._files = {
            (row["name"] or "").lower() for row in named.get("attribute", ()) if row.get("type") == "FILE"
        }
        self._people = {row["id"]: row for row in named.get("data_scientist", ())}
        self._hardware = {row["id"]: row for row in named.get("hardware_info", ())}
        self._sets: list[tuple[str, Table]] = []
        self._tasks: dict[str, Task] = {}

    # -- which tables belong here ----------------------------------------------------------------------------

    def holds(self, schema: str, found: list[Table]) -> bool:
        """Whether the rows of a dataflow's tables refer to tasks of this database.

        Each column refers to tasks of one transformation, all of the dataflow that the schema is called by.
        """
        if not self._rows:
            return False
        for table in found:
            for column in _references(table):
                kinds = set()
                for row in table.dicts():
                    task = self._rows.get(row[column]) if row[column] else None
                    if row[column] and (task is None or self._dataflow_of(task) != schema):
                        return False
                    kinds.add(task["dt_id"] if task else None)
                if len(kinds - {None}) > 1:
                    return False
        return not any(schema == other for other, _ in self._sets)

    def _dataflow_of(self, task: dict[str, str | None]) -> str:
        execution = self._of_execution.get(task["df_exec"] or "", {})
        return self._dataflows.get(execution.get("df_id"), "")

    def add(self, schema: str, found: list[Table]) -> None:
        """Take the tables of a dataflow's own schema."""
        for table in found:
            self._sets.append((schema, table))
            for column in _references(table):
                for row in table.dicts():
                    task = self._rows.get(row[column])
                    if task is not None and task["dt_id"] is not None:
                        self._tags.setdefault(task["dt_id"], column.removesuffix(_SUFFIX))

    # -- runs ------------------------------------------------------------------------------------------------

    def accounts(self, report: Report) -> list[Account]:
        """The runs."""
        made = {tag: self._execution(row) for tag, row in self._of_execution.items()}
        for identifier, row in self._rows.items():
            self._tasks[identifier] = self._task(identifier, row)
            execution = made.get(row["df_exec"] or "")
            if execution is None:
                report.left["tasks of no execution"] += 1
            else:
                execution.tasks.append(self._tasks[identifier])
        together = _Together()
        for schema, table in self._sets:
            self._load(schema, table, together)
        for execution in made.values():
            states = {self._rows[str(key)]["status"] for key in self._numbers(execution)}
            execution.status = "finished" if states == {"FINISHED"} else ""
            if not any(task.taken or task.given for task in execution.tasks):
                report.left[f"executions of {execution.dataflow} whose rows are in none of the files"] += 1
        accounts = [execution.account(report) for execution in made.values()]
        if not self._rows:
            accounts += self._grouped(together, report)
        return accounts

    def _numbers(self, execution: Execution) -> Iterator[str]:
        mine = {id(task) for task in execution.tasks}
        return (key for key, task in self._tasks.items() if id(task) in mine)

    def _execution(self, row: dict[str, str | None]) -> Execution:
        execution = Execution(self._dataflows.get(row["df_id"], ""), row["tag"] or "")
        for table, key in ((self._people, "scientist_id"), (self._hardware, "hardware_id")):
            about = table.get(row.get(key) or "")
            if about:
                execution.agents[
                    f"urn:uuid:{about['uuid']}" if about.get("uuid") else f"urn:dlprov:{key}"
                ] = [
                    part
                    for name, value in about.items()
                    if value and name not in ("id", "uuid")
                    for part in (f"trilha:{name}", value)
                ]
        return execution

    def _task(self, identifier: str | None, row: dict[str, str | None]) -> Task:
        times = self._times.get(identifier, {})
        start, end = (iso(times.get(name) or "") for name in ("starttime", "endtime"))
        about: list[Any] = ["trilha:task", plain(row["identifier"] or "")]
        for column, key in (("status", "state"), ("workspace", "workspace"), ("error_msg", "exception")):
            value = row.get(column)
            if value and value != "null":
                about += [f"trilha:{key}", value]
        tag = self._tags.get(row["dt_id"]) or f"transformation {row['dt_id']}"
        return Task(tag, start, end, *about)

    def _load(self, schema: str, table: Table, together: _Together) -> None:
        """Hand the rows of a set to the tasks that took and gave them."""
        tag = table.name.removeprefix("ds_")
        references = _references(table)
        giver = _giver(tag, references)
        hidden = {"id", "uuid", *references}
        for cells in table.dicts():
            values = {name.lower(): _typed(value) for name, value in cells.items() if name not in hidden}
            row = Row(tag, values, files=self._files or None)
            involved = []
            for column in references:
                key = cells[column]
                if key is None:
                    continue
                task = self._tasks.get(key)
                if task is None:
                    task = self._tasks[key] = Task(
                        column.removesuffix(_SUFFIX), None, None, "trilha:task", plain(key)
                    )
                (task.given if column == giver else task.taken).append(row)
                involved.append(key)
            together.join(schema, involved)

    def _grouped(self, together: _Together, report: Report) -> list[Account]:
        """The runs of a database without tasks: rows that refer to the same tasks belong together."""
        accounts = []
        for schema, keys in together.groups():
            execution = Execution(schema, "")
            execution.tasks = [self._tasks[key] for key in keys]
            content = "\n".join(
                f"{task.tag} {row.tag} {row.values}"
                for task in execution.tasks
                for row in (*task.taken, *task.given)
            )
            digest = hashlib.sha256(content.encode()).hexdigest()
            accounts.append(execution.account(report, f"{schema}\n{digest}"))
        return accounts


class _Together:
    """Which tasks belong to one run: those that share rows."""

    def __init__(self) -> None:
        self._above: dict[tuple[str, str], tuple[str, str]] = {}

    def join(self, schema: str, keys: list[str]) -> None:
        """These tasks are of one run."""
        for key in keys:
            self._above[self._top((schema, key))] = self._top((schema, keys[0]))

    def _top(self, key: tuple[str, str]) -> tuple[str, str]:
        self._above.setdefault(key, key)
        while self._above[key] != key:
            key = self._above[key]
        return key

    def groups(self) -> Iterable[tuple[str, list[str]]]:
        """Schema and tasks of each run, in the order of the tasks' numbers."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key in sorted(self._above, key=lambda one: (one[0], len(one[1]), one[1])):
            found[self._top(key)].append(key[1])
        return [(top[0], keys) for top, keys in found.items()]


def _references(table: Table) -> list[str]:
    return [name for name in table.columns if name.endswith(_SUFFIX)]


def _giver(tag: str, references: list[str]) -> str | None:
    """The column with the task that gave a row: of an output set the first; an input set has none."""
    return references[0] if tag.startswith("o") and references else None


def _typed(value: str | None) -> Any:
    """A number where the text is one; the text ``null`` is none, as the server writes it."""
    if value is None or value == "null":
        return None
    if re.fullmatch(r"-?\d{1,18}", value):
        return float("nan") if value == "-9999999" else int(value)
    try:
        found = float(value) if re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?|-?inf|nan", value) else None
    except ValueError:
        found = None
    if found is None:
        return value
    return float("nan") if found == -9999999 else found
