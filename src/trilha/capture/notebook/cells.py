"""Cells of a notebook as activities, as often and in the order in which they were run.

IPython tells its events ``pre_run_cell`` and ``post_run_cell`` (its documentation, "IPython Events"), also
in a kernel of Jupyter. A cell's plan is its source at that time; its number is IPython's execution count, its
``cell_id`` that of the notebook's file, so that one cell that was run twice, or was changed in between, is
seen to be one. What it looked up and bound are versions of variables (see `variables`). What is wrong in a
cell ends that cell and not the run. Tested on IPython 9.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture import outcome
from trilha.capture.context import Activity, Quiet, current, current_activity, enter, process
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.notebook.variables import Reading, Variables
from trilha.capture.plans import state_plan

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["watch"]

_CELL: Final = literal_name("trilha:Cell")
_RUNS_CELLS: Final = "run_cell_async"
_MODULE: Final = ("<module>", "<cell line:")
"""What the names of the code begin with that is a cell's own."""


class _GoingOn(NamedTuple):
    """One execution of a cell.

    Attributes:
        activity: that stands for it.
        info: IPython's own word for it.
        start: when it began, nanoseconds since 1970-01-01 UTC.
        reading: what it may look up; None where that could not be read.
    """

    activity: Activity
    info: Any
    start: int
    reading: Reading | None


class _Cells:
    """The cells of one shell that are going on: one, or those that run others."""

    def __init__(self, recorder: Recorder, shell: Any) -> None:
        self._recorder = recorder
        self._shell = shell
        self._going_on: list[_GoingOn] = []
        self._variables = Variables(recorder, shell.user_ns, shell.user_ns_hidden)

    def begins(self, info: Any) -> None:
        """IPython is about to run a cell."""
        if process.recorder is not self._recorder:
            return
        count = self._shell.execution_count - 1 if info.store_history else None
        self._guard(self._begin, info.raw_cell, count, getattr(info, "cell_id", None), info)

    def ended(self, result: Any = None) -> None:
        """IPython has run a cell."""
        error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
        self._guard(self._end, error, getattr(result, "info", None))
        self._guard(self._be_last)

    def _be_last(self) -> None:
        """Hear last of all that a cell begins: what others do then (`%autoreload`) is done before it."""
        others = self._shell.events.callbacks.get("pre_run_cell", [])
        if self.begins in others and others[-1] != self.begins:
            self._shell.events.unregister("pre_run_cell", self.begins)
            self._shell.events.register("pre_run_cell", self.begins)

    def finish(self) -> None:
        """The run ends."""
        while self._going_on:
            self._guard(self._end, None, self._going_on[-1].info, False)
        for name, callback in (("pre_run_cell", self.begins), ("post_run_cell", self.ended)):
            try:
                self._shell.events.unregister(name, callback)
            except ValueError:
                pass_on()  # the program took it away

    def _guard(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            with Quiet():
                function(*arguments)
        except Exception:
            self._recorder.failed()

    def _begin(self, source: str, count: int | None, cell_id: str | None, info: Any) -> None:
        recorder, start = self._recorder, time.time_ns()
        label = "cell" if count is None else f"cell {count}"
        about: list[Any] = ["prov:type", _CELL]
        if count is not None:
            about += ["trilha:execution_count", count]
        if cell_id:
            about += ["trilha:cell_id", str(cell_id)]
        reading = self._reading(source, info, start)
        activity = recorder.begin(label, current(recorder), start, *about)
        first = next((line.strip() for line in source.splitlines() if line.strip()), "cell")
        recorder.associated(activity.identifier, state_plan(recorder, first[:80], source))
        self._going_on.append(_GoingOn(activity, info, start, reading))
        enter(activity)

    def _reading(self, source: str, info: Any, at: int) -> Reading | None:
        """What a cell may look up; a cell of which that cannot be had is recorded all the same."""
        try:
            return self._variables.begins(self._python(source, info), at)
        except Exception:
            self._recorder.failed()
            return None

    def _python(self, source: str, info: Any) -> str:
        """A cell's text with its magics translated, as Python runs it."""
        found = getattr(info, "transformed_cell", None)
        if isinstance(found, str):
            return found
        return str(self._shell.transform_cell(source))

    def _end(self, error: BaseException | None, info: Any, whole: bool = True) -> None:
        # An interrupted shell knows no more which cell it was.
        if error is None and all(known.info is not info for known in self._going_on):
            return
        if not self._going_on:
            return
        activity, _, start, reading = self._going_on.pop()
        if current_activity.get() is activity:
            enter(activity.enclosing if self._going_on else None)
        recorder, at = self._recorder, time.time_ns()
        recorder.files.settle(activity, at)
        line = (None if whole else 0) if error is None else self._line(error)
        if reading is not None:
            self._guard(self._variables.ended, reading, activity, start, at, line)
        text = outcome.of(error)[2] if error is not None else ""
        recorder.end(activity, at, *(["trilha:exception", text[:10_000]] if text else []))

    def _line(self, error: BaseException) -> int:
        """The line of the cell in which an error came up, from 1; 0 where that is not known."""
        trace = error.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_locals is self._shell.user_ns and frame.f_code.co_name.startswith(_MODULE):
                return trace.tb_lineno
            trace = trace.tb_next
        return 0

    def begin_with(self, frame: FrameType | None) -> None:
        """The run begins in a cell, if one of the callers of `frame` runs one: that cell is a part of it."""
        while frame is not None:
            if frame.f_code.co_name == _RUNS_CELLS:
                names = frame.f_locals
                if isinstance(names.get("raw_cell"), str) and "info" in names:
                    count = names.get("execution_count") if names.get("store_history") else None
                    self._guard(self._begin, names["raw_cell"], count, names.get("cell_id"), names["info"])
                return
            frame = frame.f_back


def watch(recorder: Recorder, shell: Any) -> None:
    """Record the cells that `shell` runs, the one that is going on among them, until the run ends."""
    cells = _Cells(recorder, shell)
    profile = getattr(getattr(shell, "profile_dir", None), "location", None)
    if isinstance(profile, str):
        recorder.files.pass_over(profile)
    cells.begin_with(sys._getframe())
    shell.events.register("pre_run_cell", cells.begins)
    shell.events.register("post_run_cell", cells.ended)
    recorder.endings.append(cells.finish)
