"""The recorder: turns what happens in the user's program into statements in the journal.

One recorder is active in a process at a time. Each of its methods is called from the user's threads, returns
at once and never raises: what cannot be recorded is counted. Identifiers are integers, unique in the run
(`trilha.capture.journal.frames.Head.bases` says how they become IRIs).
"""

from __future__ import annotations

import _thread
import itertools
import os
import sys
import time
import traceback
import weakref
import zlib
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from trilha.capture import machine
from trilha.capture.background import Flusher, Worker
from trilha.capture.context import Activity, Quiet
from trilha.capture.files import Files
from trilha.capture.identity import Objects
from trilha.capture.interrupts import Harmless, pass_on
from trilha.capture.journal.frames import VERSION, Head
from trilha.capture.journal.writer import JournalFile, encode, faithful, literal_name, open_file
from trilha.capture.metrics import forget_blocks
from trilha.capture.packages import Packages
from trilha.capture.siblings import Siblings
from trilha.capture.values import way_of
from trilha.errors import UsageError
from trilha.prov import Kind

__all__ = ["Recorder", "say"]

Cells = tuple[Any, ...]
_ENTITY, _ACTIVITY, _AGENT = int(Kind.ENTITY), int(Kind.ACTIVITY), int(Kind.AGENT)
_GENERATION, _USAGE, _DERIVATION = int(Kind.GENERATION), int(Kind.USAGE), int(Kind.DERIVATION)
_INVALIDATION = int(Kind.INVALIDATION)
_START, _ASSOCIATION, _MEMBERSHIP = int(Kind.START), int(Kind.ASSOCIATION), int(Kind.MEMBERSHIP)
_SPECIALIZATION = int(Kind.SPECIALIZATION)
_ALTERNATE = int(Kind.ALTERNATE)
_RETRY_S: Final = 5.0
_MOST_COMPLAINTS: Final = 8


def say(sentence: str) -> None:
    """One line for the user on the standard error stream; nothing if there is none."""
    try:
        stream = sys.__stderr__ or sys.stderr
        stream.write(f"trilha: {sentence}\n")
        stream.flush()
    except (AttributeError, OSError, RuntimeError, ValueError):
        pass_on()


class Recorder:
    """Records one run, in one process.

    Args:
        folder: of the store; the journal goes to ``journals/<run>/`` in it.
        label: name of the run.
        run: UUID of the run that a process joins; a new one by default.
        parent: ``uid`` of the journal of the process that started this one, for one that joins.
        within: IRI of the activity that a process which joins belongs to; the run's own by default.
        durability: ``"group"``, ``"event"``, ``"none"`` or a number of milliseconds as text.
        way: ``"mapped"`` or ``"grouped"`` forces how the journal is written.
        in_program: the program called us, so that modules imported before are not told apart from ours.

    Attributes:
        run: the activity that all of this process belongs to: the run's own, or in a process that was started
            by a recorded one, an activity of its own.
        uuid: of the run.
        uid: of the journal of this process.
        is_first: this process began the run, and states its end.
        own: IRIs of the activities that stand for this process, which states their ends.
        rank: of this process in a distributed training, if it is known to have one.
        siblings: what the processes have recorded that were forked as this one was, if it was.
        file: where payloads go.
        lost: statements that could not be recorded, of this process, besides those that `file` counts.
        first_error: what was wrong when the first of them was lost, and where; empty if that is not known.
        prefix: what the run's own IRIs begin with.
        shapes: what `trilha.capture.shaped` has defined in this process's journal.
        callees: what `trilha.capture.callees` knows of functions.
        calls: what `trilha.capture.script.fast_calls` has defined in this process's journal; None: nothing.
        begun: attempts of threads of this process whose begin has not been stated; each is taken out, by
            whoever states it, and found there by nobody else.
        waits: the begin of such an attempt may wait until the journal is next written to the disk.
        objects: which Python object is which entity.
        join: of the run's trace down to the variable, once there is one.
        following: functions of integrations that are called when a trace begins, which may be never.
        refreshers: functions of integrations; see `bring_up_to_date`.
        endings: called when the run ends in this process, before anything else.
        fits: the trainings that go on, told by the framework that leads them; the innermost last.
        watchers: functions that are called with the number of each epoch that is over, in the thread of the
            program and outside of all that guards it: what they raise is raised into the program.
        noticers: functions of integrations that state what has changed since they last looked, with the
            cause of it.
        policy: name of the one of `watchers` that is being called: what changes meanwhile is its doing.
        over: thread and number of an epoch of a framework's training that is over, until they are called.
        described: models whose architecture has been stated.
        inner: loaders that a framework made for itself, which are nothing of the program's.

    Raises:
        UsageError: the durability is none of the above.
        OSError: the journal cannot be made.
    """

    # What is asked for most often, also by `trilha_tasks` and `trilha_calls`, has a place of its own.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "begun",
        "callees",
        "calls",
        "file",
        "files",
        "numbers",
        "objects",
        "refreshers",
        "run",
        "shapes",
        "waits",
    )

    def __init__(
        self,
        folder: str,
        label: str,
        *,
        run: str = "",
        parent: str | None = None,
        within: str = "",
        durability: str = "group",
        way: str = "",
        in_program: bool = True,
    ) -> None:
        self.is_first = not run
        self.uuid = run or str(uuid4())
        self.prefix = f"urn:uuid:{self.uuid}#"
        self.folder = folder
        self.journals = os.path.join(folder, "journals", self.uuid)
        self.in_program = in_program
        self.lost = 0
        self.first_error = ""
        self.person, self.login = machine.person()
        self.machine = machine.machine_iri()
        self._durability, period = durability_of(durability)
        self._way = way
        self._complaints: set[str] = set()
        self.numbers = itertools.count(1)
        own = self.prefix if self.is_first else self._own_prefix()
        self._bases: tuple[tuple[int, str], ...] = ((1, own),)
        head = self._new_head(parent)
        self.uid = head.uid
        self.file: JournalFile = open_file(
            self.journals, head, self.complain, durability=self._durability, way=way
        )
        self.run = Activity(within or f"{self.prefix}run", label, None)
        self.own = [f"{self.prefix}run"] if self.is_first else []
        self.rank: int | None = None
        self.siblings: Siblings | None = None
        self.plans: dict[Any, str] = {}
        self.shapes: dict[Any, Any] = {}
        self.callees: dict[int, Any] = {}
        self.calls: tuple[Any, ...] | None = None
        self.begun: dict[Any, None] = {}
        self.waits = period > 0
        self.objects = Objects()
        self.join: Any = None
        self.following: list[Callable[[], object]] = []
        self.refreshers: list[Callable[[Any], object]] = []
        self.endings: list[Callable[[], object]] = []
        self.fits: list[Any] = []
        self.watchers: list[Callable[[Any], object]] = []
        self.noticers: list[Callable[[str], object]] = []
        self.policy = ""
        self.over: tuple[int, int] | None = None
        self.described: weakref.WeakSet[Any] = weakref.WeakSet()
        self.inner: weakref.WeakSet[Any] = weakref.WeakSet()
        self.worker = Worker(self)
        self.files = Files(self)
        self.packages = Packages(self)
        self.flusher = Flusher(self, period, asked=durability not in ("", "group"))
        self.flusher.start()

    def _own_prefix(self) -> str:
        """What the IRIs begin with that this process makes, when it is not the first of the run."""
        return f"{self.prefix}{uuid4().hex[:12]}-"

    def _new_head(self, parent: str | None) -> Head:
        pid = os.getpid()
        return Head(
            version=VERSION,
            run=self.uuid,
            uid=str(uuid4()),
            parent=parent,
            host=machine.host(),
            machine=self.machine,
            boot=machine.boot_id(),
            pid=pid,
            process_start=machine.process_start(pid),
            started=time.time_ns(),
            bases=self._bases,
        )

    # -- statements ------------------------------------------------------------------------------------------

    def statement(self, cells: Cells) -> None:
        """Append one statement: ``(kind, identifier, argument…, (key, value, …))``."""
        try:
            payload = encode(cells)
        except (TypeError, ValueError, OverflowError):
            pass_on()
            payload = self._mended(cells)
        self.file.append(payload)

    def last_statement(self, cells: Cells) -> bool:
        """Append the last statement of the run, for which room is kept; False if it does not fit there."""
        try:
            payload = encode(cells)
        except (TypeError, ValueError, OverflowError):
            pass_on()
            payload = self._mended(cells)
        return self.file.append_last(payload)

    def _mended(self, cells: Cells) -> bytes:
        """The statement with every value that MessagePack has no word for put into one that it has."""
        try:
            return encode((*(_mend(cell) for cell in cells[:-1]), [_mend(cell) for cell in cells[-1]]))
        except Exception:
            pass_on()
            self.lost += 1
            return encode({"lost": 1})

    def entity(self, identifier: int | str, *attributes: Any) -> None:
        """State an entity, or more about one; `attributes` are keys and values in turn."""
        self.statement((_ENTITY, identifier, attributes))

    def activity(self, identifier: int | str, start: int | None, end: int | None, *attributes: Any) -> None:
        """State an activity, its start and end in nanoseconds since 1970-01-01 UTC where they are known."""
        self.statement((_ACTIVITY, identifier, start, end, attributes))

    def agent(self, identifier: int | str, *attributes: Any) -> None:
        """State an agent."""
        self.statement((_AGENT, identifier, attributes))

    def used(self, activity: int | str, entity: int | str, at: int | None, *attributes: Any) -> int:
        """State a usage; gives its identifier."""
        number = next(self.numbers)
        self.statement((_USAGE, number, activity, entity, at, attributes))
        return number

    def generated(self, entity: int | str, activity: int | str, at: int | None, *attributes: Any) -> int:
        """State a generation; gives its identifier."""
        number = next(self.numbers)
        self.statement((_GENERATION, number, entity, activity, at, attributes))
        return number

    def invalidated(self, entity: int | str, activity: int | str, at: int | None) -> None:
        """State that an activity destroyed an entity."""
        self.statement((_INVALIDATION, None, entity, activity, at, ()))

    def derived(
        self,
        generated: int | str,
        used: int | str,
        activity: int | str | None = None,
        generation: int | str | None = None,
        usage: int | None = None,
        *attributes: Any,
    ) -> None:
        """State a derivation. Generation and usage are given only with the activity (PROV-DM 5.2.1)."""
        self.statement((_DERIVATION, None, generated, used, activity, generation, usage, attributes))

    def specialized(self, specific: int | str, general: int | str) -> None:
        """State that one entity is a specialization of another."""
        self.statement((_SPECIALIZATION, None, specific, general, ()))

    def alternate(self, one: int | str, another: int | str) -> None:
        """State that two entities are aspects of one thing: an object as it is, and as it was."""
        self.statement((_ALTERNATE, None, one, another, ()))

    def member(self, collection: int | str, entity: int | str) -> None:
        """State a membership."""
        self.statement((_MEMBERSHIP, None, collection, entity, ()))

    def started(self, activity: int | str, starter: int | str, at: int | None) -> None:
        """State that an activity was started by another one."""
        self.statement((_START, None, activity, None, starter, at, ()))

    def associated(self, activity: int | str, plan: int | str | None) -> None:
        """State that the person who runs this is responsible for an activity, following a plan."""
        self.statement((_ASSOCIATION, None, activity, self.person, plan, ()))

    def begin(
        self, label: str, enclosing: Activity, at: int, *attributes: Any, name: str | None = None
    ) -> Activity:
        """State that a step began inside `enclosing`; the caller makes it the current activity if it is.

        Its identifier is the next number, or the IRI `name`.
        """
        number = next(self.numbers) if name is None else name
        self.statement(
            (_ACTIVITY, number, at, None, ("prov:type", STEP, "prov:label", label, *attributes)),
        )
        self.started(number, enclosing.identifier, at)
        return Activity(number, label, enclosing)

    def end(self, activity: Activity, at: int, *attributes: Any) -> None:
        """State that an activity ended."""
        self.statement((_ACTIVITY, activity.identifier, None, at, attributes))

    def bring_up_to_date(self, thing: Any) -> None:
        """Let the integrations that know its type, or the type itself, state what became of `thing`."""
        own = way_of(type(thing), "__trilha_state__")
        if own is not None:
            own(thing, self)
        for refresh in self.refreshers:
            refresh(thing)

    def watched(self, epoch: Any) -> None:
        """An epoch is over: call those who watch."""
        for watcher in tuple(self.watchers):
            watcher(epoch)

    def state_begun(self) -> bool:
        """State the begin of the attempts that have begun and are not over; False if there are none."""
        begun: list[Any] = []
        try:
            begun = list(self.begun)
            for attempt in begun:
                if self.begun.pop(attempt, self) is None:
                    attempt.state_begin()
        except Exception:
            self.failed()
        return bool(begun)

    # -- life ------------------------------------------------------------------------------------------------

    def complain(self, sentence: str) -> None:
        """Tell the user that something cannot be recorded: each sentence once a run, whoever finds it first.

        What was said is marked by an empty file beside the journals, so that of many processes one says it.
        """
        if sentence in self._complaints or len(self._complaints) >= _MOST_COMPLAINTS:
            return
        self._complaints.add(sentence)
        mark = os.path.join(self.journals, f"{zlib.crc32(sentence.encode('utf-8', 'replace')):08x}.said")
        try:
            with Quiet():
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            return
        except OSError:
            pass_on()  # No journal can be written there, either.
        say(sentence)

    def failed(self) -> None:
        """Count an error of our own, kept from the user's program. With TRILHA_DEBUG, show it.

        Call it where the error is handled. An error that a signal handler of the program raised while we were
        at work (a time-out, say) is not ours: it is raised again.
        """
        pass_on()
        self.count_failure()

    def count_failure(self) -> None:
        """The same, where the end of the run is stated whatever happens."""
        self.lost += 1
        error = sys.exception()
        if error is not None and not self.first_error:
            for frame, line in traceback.walk_tb(error.__traceback__):
                where = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}, line {line}"
                self.first_error = f"{type(error).__name__} in {where}"[:200]
        if os.environ.get("TRILHA_DEBUG"):
            say("an error of Trilha itself:\n" + traceback.format_exc())

    @property
    def dropped(self) -> int:
        """How many events of this process were not recorded."""
        return self.lost + self.file.dropped

    def settle(self) -> None:
        """Do the work that is left for the background."""
        self.worker.stop()
        self.state_begun()

    def close(self) -> None:
        """Write everything out and stop the threads."""
        self.worker.stop()
        self.flusher.stop()
        with Quiet():
            self.file.close()

    def before_fork(self) -> None:
        """Stop our threads, so that the process forks as it would without us."""
        if self.siblings is None:
            with Harmless(OSError, ValueError):
                self.siblings = Siblings()
        self.worker.hold()
        self.flusher.hold()

    def after_fork_in_parent(self) -> None:
        """Go on; on Python 3.13, which counts threads only after this, with the next thing to record."""
        if sys.version_info < (3, 13):
            self.go_on()
        elif not isinstance(self.file, _Resting):
            self.file = _Resting(self, self.file)

    def go_on(self) -> None:
        """Let our threads work again, after a fork."""
        self.flusher.resume()
        self.worker.resume()

    def after_fork_in_child(self) -> None:
        """Go on in a journal of our own, which is made when there is something to record.

        What the parent named before keeps its name here; what is named from here on, from the very next
        number, has names of this process.
        """
        abandoned, self.file = self.file, _Unopened(self)
        abandoned.abandon()
        first = next(self.numbers)
        self.numbers = itertools.count(first)
        self._bases = (*self._bases, (first, self._own_prefix()))
        self.lost = 0
        self.first_error = ""
        self.is_first = False
        self.own = []
        self.endings = []
        self.fits = []
        self.files.forget_writing()
        forget_blocks(self)
        self.shapes = {}
        self.calls = None
        self.begun = {}
        self.worker.forget()
        self.flusher.forget()

    def is_silent(self) -> bool:
        """Whether this is a forked child that has nothing to record."""
        return isinstance(self.file, _Unopened) and not self.begun and not self.files._writing

    def open_own_file(self) -> JournalFile:
        """The journal of this process, after a fork."""
        head = self._new_head(self.uid)
        with Quiet():
            file = open_file(self.journals, head, self.complain, durability=self._durability, way=self._way)
        file.dropped += self.file.dropped
        self.file = file
        self.uid = head.uid
        self.flusher.start()
        return file


class _Resting:
    """Stands for the journal of a process that forked until it records something, when our threads go on."""

    def __init__(self, recorder: Recorder, file: JournalFile) -> None:
        self._recorder = recorder
        self._file = file
        self.flush, self.close, self.abandon, self.gone = file.flush, file.close, file.abandon, file.gone

    @property
    def dropped(self) -> int:
        """How many payloads were not kept."""
        return self._file.dropped

    @dropped.setter
    def dropped(self, count: int) -> None:
        self._file.dropped = count

    def _wake(self) -> JournalFile:
        recorder = self._recorder
        known: object = recorder.file
        if known is self:
            recorder.file = self._file
            recorder.go_on()
        return self._file

    def append(self, payload: bytes) -> None:
        """Keep one payload, and have the threads go on."""
        self._wake().append(payload)

    def append_last(self, payload: bytes) -> bool:
        """Keep the last payload of all."""
        return self._wake().append_last(payload)


class _Unopened:
    """Stands for the journal of a forked process until it records something."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = _thread.RLock()
        self._retry = 0.0
        self.dropped = 0

    def append(self, payload: bytes) -> None:
        """Open the journal and keep the payload there."""
        recorder = self._recorder
        with self._lock:
            try:
                if recorder.file is self:
                    if time.monotonic() < self._retry:
                        self.dropped += 1
                        return
                    recorder.open_own_file()
            except OSError as error:
                pass_on()
                self.dropped += 1
                self._retry = time.monotonic() + _RETRY_S
                recorder.complain(f"process {os.getpid()} cannot record ({error}); it goes on")
                return
        recorder.file.append(payload)

    def append_last(self, payload: bytes) -> bool:
        """Open the journal and keep the payload there."""
        dropped = self.dropped
        self.append(payload)
        return self.dropped == dropped

    def flush(self) -> bool:
        """Nothing was written."""
        return False

    def close(self) -> None:
        """Nothing was written."""

    def abandon(self) -> None:
        """Nothing was opened."""

    def gone(self) -> bool:
        """Nothing can be deleted."""
        return False


STEP: Final = literal_name("trilha:Step")


def durability_of(text: str) -> tuple[str, float]:
    """What a durability setting means: its kind, and how many seconds lie between two flushes (0: none).

    Raises:
        UsageError: the setting is unknown.
    """
    if text in ("", "group"):
        return "group", 0.05
    if text in ("event", "none"):
        return text, 0.0
    try:
        milliseconds = float(text)
    except ValueError:
        pass_on()
        milliseconds = -1.0
    if not 1 <= milliseconds <= 3_600_000:
        raise UsageError(
            f'durability {text!r}: expected "group", "event", "none" or milliseconds from 1 to 3600000'
        )
    return "group", milliseconds / 1000


def _mend(value: Any) -> Any:
    """`value` as something that can be written: what is no value of PROV becomes the name of its type."""
    value = faithful(value)
    try:
        encode(value)
    except (TypeError, ValueError, OverflowError):
        pass_on()
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
    return value
