"""Connections that are told where rows come from."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trilha.capture.active import active
from trilha.capture.context import current
from trilha.capture.database.changes import Source

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Sourced"]


class Sourced:
    """A connection that is told where the rows come from that are inserted through it.

    Attributes:
        source: of rows that are inserted now.
    """

    source: Source

    @contextmanager
    def rows_from(self, source: Any, line: int | None = None) -> Iterator[Source]:
        """Say where the rows come from that are inserted inside a ``with`` block.

        Args:
            source: the path of a file as text or `os.PathLike`, or any object.
            line: of the file, from 1, that the first row comes from, where each row is the next line.

        Returns:
            A context manager that gives the `Source`, whose ``line`` may be set to that of the next row.

        Example::

            with connection.rows_from("stars.csv") as source:
                for source.line, row in enumerate(csv.reader(file), 1):
                    connection.execute("INSERT INTO star VALUES (?, ?)", row)
        """
        before, given = self.source, Source(line=line)
        recorder = active()
        if recorder is not None:
            try:
                _find(recorder, source, given)
            except Exception:
                recorder.failed()
        self.source = given
        try:
            yield given
        finally:
            self.source = before


def _find(recorder: Recorder, thing: Any, source: Source) -> None:
    """Find out which entity a source of rows is, and state that it is used."""
    from trilha.capture.steps import use_object

    activity, at = current(recorder), time.time_ns()
    if isinstance(thing, str) or hasattr(type(thing), "__fspath__"):
        path = os.path.abspath(os.fsdecode(os.fspath(thing)))
        entity = recorder.files.read(path, activity, at)
        if entity is not None:
            source.is_known(entity, activity.used.get(entity), activity)
        else:
            recorder.complain(
                f"rows_from({path!r}): there is no such file that may be read, so the rows come from nowhere"
            )
    else:
        known, usage = use_object(recorder, activity, thing, at, "rows")
        source.is_known(known.entity, usage, activity)
