"""Which rows of which files a value of a trace came from, and in which lines of these they are.

A row's line is told where it is sure: the call that read the file gave labels that are positions and was told
to leave no line out; the file is what the run read, and has a line for each row and one for the names.
"""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.errors import TrilhaError
from trilha.query.finding import find
from trilha.trace.rows import Origin, rows_of
from trilha.trace.rowwise import method_of, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trilha.store import Store
    from trilha.trace.labels import Label
    from trilha.trace.slicing import Slice

__all__ = ["Told", "ranges", "told_rows"]

_PLAIN: Final = frozenset(
    [
        *("filepath_or_buffer", "sep", "delimiter", "usecols", "dtype", "engine", "converters", "na_values"),
        *("parse_dates", "date_format", "dayfirst", "decimal", "thousands", "encoding", "low_memory"),
        *("dtype_backend", "memory_map", "float_precision"),
    ]
)
"""What `read_csv` may be told, and yet have a row of each line behind the first."""
_MOST_BYTES: Final = 1 << 28


class Told(NamedTuple):
    """Rows of a frame that went into a value.

    Attributes:
        path: of the file that the frame was read from; empty for none.
        file: of the script.
        line: of the call that read or made the frame.
        text: of that call.
        of: how many rows the frame has; None where that is not known.
        rows: labels of those that went in, in their order; a text as a key has it, in quotes.
        lines: of the file, one for each; None where they are not known.
        exact: whether it is these; else it is some of them, and not known which.
    """

    path: str
    file: str
    line: int
    text: str
    of: int | None
    rows: list[Label]
    lines: list[int] | None
    exact: bool


def told_rows(store: Store, run: str, told: Slice) -> list[Told]:
    """The rows that what a backward slice began with came from, by the frames that these are of.

    Args:
        store: that has the run.
        run: its name or UUID.
        told: the slice.
    """
    paths: dict[int, set[str]] = {}
    for opened in told.traced.opened:
        if not opened.written:
            paths.setdefault(opened.evaluation, set()).add(opened.path)
    found = []
    for origin in rows_of(told):
        read = paths.get(origin.evaluation, set())
        path = next(iter(read)) if len(read) == 1 else ""
        one = told.traced.component(origin.evaluation)
        lines = _lines(store, run, path, one.text, origin) if path and origin.exact else None
        count = len(origin.labels) if origin.labels is not None else None
        found.append(Told(path, one.file, one.line, one.text, count, origin.rows, lines, origin.exact))
    return found


def _lines(store: Store, run: str, path: str, call: str, origin: Origin) -> list[int] | None:
    """The lines of a file that rows are in; None where that is not sure."""
    node, labels = text(call), origin.labels
    if labels is None or not labels.are_positions or not isinstance(node, ast.Call):
        return None
    words = {word.arg for word in node.keywords}
    if method_of(node) != "read_csv" or len(node.args) > 1 or not words <= _PLAIN:
        return None
    try:
        if os.path.getsize(path) > _MOST_BYTES:
            return None
        find(store, path, run)  # The run has met what is in the file now.
        with open(path, "rb") as file:
            content = file.read()
    except (OSError, TrilhaError):
        return None
    if b'"' in content or b"\r" in content.replace(b"\r\n", b"") or not content.strip():
        return None
    lines = content.splitlines()
    plain = len(lines) == len(labels) + 1 and all(map(bytes.strip, lines))
    return [int(row) + 2 for row in origin.rows] if plain else None


def ranges(labels: Iterable[Label]) -> str:
    """Labels as a text, in which numbers that follow each other are ranges: ``2-4, 7``."""
    found: list[list[int]] = []
    told = list(labels)
    for one in sorted(label for label in told if isinstance(label, int)):
        if found and one == found[-1][1] + 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    texts = [label for label in told if isinstance(label, str)]
    return ", ".join([*(f"{one}-{last}" if last > one else str(one) for one, last in found), *texts])
