"""The two threads that work beside the user's program, and stay out of its sight.

They are started below `threading`, so that a program that lists or counts its threads sees none of ours; all
signals are blocked in them; they stop before a fork, so that the program forks as single- or multi-threaded
as it is without us; and they never hold up the end of the process longer than the work that is left.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os
import sys
import threading  # noqa: F401 -- here and now: it takes the thread that first imports it for the main thread
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trilha.capture.context import Quiet, own_threads
from trilha.capture.interrupts import Harmless, pass_on

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["TASKS_S", "Flusher", "Worker"]

TASKS_S: Final = 1.0
"""How often a journal of tasks is written to the disk, which costs 0.3 ms of CPU time, as many tasks do."""
_Piece = Callable[[Callable[[], bool]], bool]

_PAUSE_S: Final = 0.2
"""The longest that a fork waits for work that may break off at any place."""
_WHOLE_S: Final = 10.0
"""The longest that a fork waits for work that may import a module, or hold another lock of the interpreter.

A child would inherit the lock, but not the thread that gives it back, and wait for ever.
"""
_KERNEL_S: Final = 0.2
_IDLE_S: Final = 1.0
"""How often a process looks that has told nothing of late: to wake costs it 50 µs, 300 where it is busy."""
_BEGUN_S: Final = 0.25
"""How often, where threads of the process execute attempts: their begin is stated then."""
_LOOK_S: Final = 0.5
_TASKS: Final = "/proc/self/task"


class _Thread:
    """A thread that nobody sees, which can be stopped and started again."""

    def __init__(self) -> None:
        self._anew()

    def _anew(self) -> None:
        self._guard = _thread.RLock()
        self._asked = _thread.allocate_lock()
        self._gone = _thread.allocate_lock()
        self._native = 0
        self._running = False
        self._held = False
        self._whole = False

    def _loop(self, asked: _thread.LockType) -> None:
        raise NotImplementedError

    def _main(self, asked: _thread.LockType, gone: _thread.LockType) -> None:
        try:
            self._native = _thread.get_native_id()
            own_threads.add(_thread.get_ident())
            if hasattr(_signal, "pthread_sigmask"):
                # Not by `signal`, which makes an enumeration of what it takes and gives, in Python.
                _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
            self._loop(asked)
        except Exception:
            pass_on()
        finally:
            gone.release()
            own_threads.discard(_thread.get_ident())

    def start(self) -> None:
        """Start the thread, if it does not run and no fork holds it."""
        with self._guard:
            if self._running or self._held:
                return
            self._asked = _thread.allocate_lock()
            self._gone = _thread.allocate_lock()
            self._asked.acquire()
            self._gone.acquire()
            self._native = 0
            try:
                _thread.start_new_thread(self._main, (self._asked, self._gone))
                self._running = True
            except RuntimeError:
                pass_on()
                self._running = False

    def stop(self, seconds: float = 10.0) -> bool:
        """Ask the thread to end and wait for it, `seconds` at most.

        Returns:
            Whether it has ended.
        """
        return self._end(seconds)

    def _end(self, seconds: float, whole: float = 0.0) -> bool:
        """The same; but wait for what must not be broken off until `whole` seconds are over."""
        with self._guard:
            if not self._running:
                return True
            self._running = False
            asked, gone = self._asked, self._gone
            # A thread whose lock this is not any more is asked to end, also if we cannot wait so long.
            self._asked = _thread.allocate_lock()
            with Harmless(RuntimeError):
                asked.release()
        began = time.monotonic()
        end = began + seconds
        while not gone.acquire(timeout=max(0.0, min(_LOOK_S, end - time.monotonic()))):
            if self._died():
                return True
            now = time.monotonic()
            if now >= end:
                if not self._whole or now >= began + whole:
                    return False
                end = now + _LOOK_S / 10
        gone.release()
        return True

    def _died(self) -> bool:
        """Whether the thread ended without a word, for want of memory."""
        return os.path.exists(_TASKS) and not os.path.exists(f"{_TASKS}/{self._native}")

    def hold(self) -> None:
        """Stop, so that the process can fork, and do not start again before `resume`."""
        self._held = True
        if self._end(_PAUSE_S, _WHOLE_S) and self._native:
            _wait_for_kernel(self._native)

    def lingering(self) -> int:
        """The kernel's number of the thread, if it was asked to end and may still be there; else 0."""
        return 0 if self._running or not os.path.exists(f"{_TASKS}/{self._native}") else self._native

    def resume(self) -> None:
        """Go on after a fork."""
        self._held = False
        self.start()

    def forget(self) -> None:
        """In a forked child the thread is not there: begin anew."""
        self._anew()


def _wait_for_kernel(native: int) -> None:
    """Wait, not for long, until a thread that has ended is one that the kernel no longer counts.

    Python 3.12 and newer count the threads of a process that forks, and warn if there are several.
    """
    if sys.version_info < (3, 12):
        return
    task = f"{_TASKS}/{native}"
    end = time.monotonic() + _KERNEL_S
    while os.path.exists(task) and time.monotonic() < end:
        time.sleep(0.0001)


class Flusher(_Thread):
    """Has what was appended written to the disk, every `period` seconds (0: never).

    While there is nothing to be written, it looks less and less often, unless the user asked for the period.

    Args:
        recorder: whose journal it is.
        period: in seconds.
        asked: the user asked for that period.
    """

    def __init__(self, recorder: Recorder, period: float, *, asked: bool = False) -> None:
        super().__init__()
        self._recorder = recorder
        self._period = period
        self._asked_for = asked

    def slow_down(self, period: float) -> None:
        """Flush no more often than every `period` seconds: there is much, and little of it matters alone.

        A period that the user asked for stays.
        """
        if self._period and not self._asked_for:
            self._period = max(self._period, period)

    def start(self) -> None:
        """Start flushing, unless there is no period to flush at."""
        if self._period:
            super().start()

    def _loop(self, asked: _thread.LockType) -> None:
        pause = self._period
        while not asked.acquire(timeout=pause):
            begun = self._recorder.state_begun()
            told = self._recorder.file.flush()
            pause = self._period if told or self._asked_for else max(self._period, min(2 * pause, _IDLE_S))
            if begun and not self._asked_for:
                pause = min(pause, _BEGUN_S)
            # First said, then asked: whoever stops us finds either that we have ended or that it must wait.
            self._whole = True
            if self._asked is asked:
                self._recorder.files.sweep()
            self._whole = False


class Worker(_Thread):
    """Does what takes time (hashing files, finding packages) one piece after the other, at low priority.

    A piece of work is a function; it is called with a function that tells whether it should break off because
    the program is about to fork, and returns False if it did, to be called again.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._begin()

    def _begin(self) -> None:
        self._work: deque[tuple[_Piece, bool]] = deque()
        self._given_up = False

    def add(self, piece: _Piece, *, whole: bool = True) -> None:
        """Have `piece` done some time.

        Args:
            piece: the work.
            whole: it may import a module, so that a fork has to wait for it.
        """
        if self._given_up:
            return
        self._work.append((piece, whole))
        if not self._running:
            self.start()
        with Harmless(RuntimeError):
            self._asked.release()

    def _loop(self, asked: _thread.LockType) -> None:
        with Harmless(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, _thread.get_native_id(), 19)
        while self._asked is asked:
            if self._work:
                self._one(lambda: self._asked is not asked)
            else:
                asked.acquire()

    def _one(self, halted: Callable[[], bool]) -> None:
        try:
            # Taken out: a thread that could not be waited for may still be at it when the next one starts.
            piece, whole = self._work.popleft()
        except IndexError:
            return  # given up
        # First said, then asked: whoever stops us finds either that we have ended or that it must wait.
        self._whole = whole
        try:
            done = not halted() and piece(halted)
        except Exception:
            self._recorder.failed()
            done = True
        self._whole = False
        if not done and not self._given_up:
            self._work.appendleft((piece, whole))

    def stop(self, seconds: float = 60.0) -> bool:
        """End the thread and do the rest of the work in the calling one, at its priority."""
        ended = self._end(seconds)
        # A piece that adds its next part must not start the thread again.
        held, self._held = self._held, True
        try:
            with Quiet():
                while ended and self._work:
                    self._one(lambda: False)
        finally:
            self._held = held
        return ended

    def give_up(self) -> None:
        """Leave the work that is left undone."""
        self._given_up = True
        self._work.clear()
        self._end(0.0)

    def resume(self) -> None:
        """Go on after a fork."""
        self._held = False
        if self._work:
            self.start()

    def forget(self) -> None:
        """In a forked child: the work is the parent's."""
        super().forget()
        self._begin()
