"""Which recorder is on in this process, and which activity is the current one.

The current activity is a context variable: nested steps, threads and asyncio tasks each keep their own. A
thread that no step was entered in belongs to the run itself, or to the attempt that began it, for as long as
that goes on (`trilha.capture.integrations.executors.begun`).
"""

from __future__ import annotations

import _thread
import os
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from trilha.capture.recorder import Recorder

__all__ = [
    "INVITATION",
    "Activity",
    "Brief",
    "Executing",
    "Quiet",
    "current",
    "current_activity",
    "enter",
    "leave",
    "own_code_of",
    "own_codes",
    "own_threads",
    "process",
]

INVITATION: Final = "TRILHA_RUN"
"""Environment variable that asks a process started by a recorded one to join its run: ``<run> <journal>``,
the UUIDs of both."""


class Activity:
    """An activity that is going on.

    Attributes:
        identifier: number (or text) of the activity in the journal.
        label: what a user would call it.
        enclosing: the activity that it was started in; None for the run.
        blocks: the dense blocks of metrics that belong to it, by the names of the metrics
            (a single metric by its name alone, too).
        used: entities known to have been used in it, by number, with the identifier of the first usage.
        executes: it is an attempt at a task: the call of the task's function is no other activity.
    """

    __slots__ = ("blocks", "enclosing", "identifier", "label", "used")

    executes: ClassVar[bool] = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, if it `executes`."""
        return False

    def __init__(self, identifier: int | str, label: str, enclosing: Activity | None) -> None:
        self.identifier = identifier
        self.label = label
        self.enclosing = enclosing
        self.blocks: dict[tuple[str, ...] | str, Any] = {}
        self.used: dict[int | str, int] = {}

    def role_of(self, *_paths: str) -> str:
        """As what it writes the file that is at these paths: a parameter's name; empty if none is known."""
        return ""


class Executing(Activity):
    """An attempt at a task, in the process that executes it.

    Attributes:
        ended: it has, which whoever made it says.
    """

    __slots__ = ("ended",)

    executes = True

    def __init__(self, identifier: int | str, label: str, enclosing: Activity | None) -> None:
        super().__init__(identifier, label, enclosing)
        self.ended = False

    @property
    def is_over(self) -> bool:
        """As an `Activity` has it."""
        return self.ended


class Brief(Activity):
    """An activity of which there are very many: what few of them have is made when it is first asked for.

    Whoever makes one sets `_blocks` and `_used` to None, and what else an `Activity` has.
    """

    __slots__ = ("_blocks", "_used")

    _blocks: dict[tuple[str, ...] | str, Any] | None
    _used: dict[int | str, int] | None

    @property
    def blocks(self) -> dict[tuple[str, ...] | str, Any]:  # type: ignore[override]
        """As an `Activity` has them."""
        if self._blocks is None:
            self._blocks = {}
        return self._blocks

    @property
    def used(self) -> dict[int | str, int]:  # type: ignore[override]
        """As an `Activity` has them."""
        if self._used is None:
            self._used = {}
        return self._used


class _Process:
    """What this process records into.

    Attributes:
        recorder: the active one; None while nothing is recorded.
        invited: whether a recorded process started this one, which has not joined its run yet.
        wraps: whether functions may be steps because the program says so (`trilha.capture.wrapping`).
    """

    __slots__ = ("invited", "recorder", "wraps")

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.invited = INVITATION in os.environ
        self.wraps = False


process: Final = _Process()
current_activity: Final[ContextVar[Activity | None]] = ContextVar("trilha_current", default=None)

own_codes: Final[list[Callable[[CodeType], CodeType]]] = []
"""What gives a function's own code for that with hooks, once there are functions with hooks."""


def own_code_of(code: CodeType) -> CodeType:
    """The program's own code for that with hooks; the code itself, if it has none."""
    for own in own_codes:
        code = own(code)
    return code


own_threads: Final[set[int]] = set()
"""Threads whose doings are our own and are not recorded (also a user's thread, while it runs our code)."""


class Quiet:
    """While entered, what this thread does is ours: files that it opens are not recorded."""

    __slots__ = ("_thread", "_was")

    def __enter__(self) -> None:
        self._thread = _thread.get_ident()
        self._was = self._thread in own_threads
        own_threads.add(self._thread)

    def __exit__(self, *_: object) -> None:
        if not self._was:
            own_threads.discard(self._thread)


def current(recorder: Recorder) -> Activity:
    """The activity that the calling thread or task is in."""
    activity = current_activity.get()
    if activity is None or (activity.executes and activity.is_over):
        # A thread or a coroutine that an attempt began may outlive it.
        return recorder.run
    return activity


enter = current_activity.set


def leave(entered: Token[Activity | None]) -> bool:
    """Be again where the thread was before `enter` gave `entered`.

    Returns:
        Whether it was entered in this context; from another one (a generator or a fixture that goes on
        elsewhere) nothing is left.
    """
    try:
        current_activity.reset(entered)
    except ValueError:
        pass_on()
        return False
    return True
