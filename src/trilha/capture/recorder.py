"""The recorder: turns what happens in the user's program into statements in the journal.

One recorder is active in a process at a time. Each of its methods is called from the user's threads, returns
at once and never raises: what cannot be recorded is counted. Identifiers are integers, unique in the run
(`trilha.capture.journal.frames.Head.bases` says how they become IRIs).
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import msgspec

from trilha.capture import machine
from trilha.capture.background import Flusher, Worker
from trilha.capture.context import Activity, Quiet
from trilha.capture.files import Files
from trilha.capture.identity import Objects
from trilha.capture.journal.frames import VERSION, Head
from trilha.capture.journal.writer import JournalFile, encode, literal_name, open_file
from trilha.capture.packages import Packages
from trilha.errors import UsageError
from trilha.prov import Kind

__all__ = ["Recorder", "say"]

Cells = tuple[Any, ...]
_ENTITY, _ACTIVITY, _AGENT = int(Kind.ENTITY), int(Kind.ACTIVITY), int(Kind.AGENT)
_GENERATION, _USAGE, _DERIVATION = int(Kind.GENERATION), int(Kind.USAGE), int(Kind.DERIVATION)
_START, _ASSOCIATION, _MEMBERSHIP = int(Kind.START), int(Kind.ASSOCIATION), int(Kind.MEMBERSHIP)
_SPECIALIZATION = int(Kind.SPECIALIZATION)
_LONGEST_TEXT: Final = 64 << 20


def say(sentence: str) -> None:
    """One line for the user on the standard error stream; nothing if there is none."""
    try:
        stream = sys.__stderr__ or sys.stderr
        stream.write(f"trilha: {sentence}\n")
        stream.flush()
    except (AttributeError, OSError, ValueError):
        pass


class Recorder:
    """Records one run, in one process.

    Args:
        folder: of the store; the journal goes to ``journals/<run>/`` in it.
        label: name of the run.
        run: UUID of the run; a new one by default.
        durability: ``"group"``, ``"event"``, ``"none"`` or a number of milliseconds as text.

    Attributes:
        run: the run's own activity.
        uuid: of the run.
        file: where payloads go.
        lost: statements that could not be recorded, of this process, besides those that `file` counts.
        prefix: what the run's own IRIs begin with.
        objects: which Python object is which entity.
        refreshers: functions of integrations; see `bring_up_to_date`.

    Raises:
        UsageError: the durability is none of the above.
        OSError: the journal cannot be made.
    """

    def __init__(
        self,
        folder: str,
        label: str,
        *,
        run: str = "",
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
        self.person, self.login = machine.person()
        self.machine = machine.machine_iri()
        self._durability, period = durability_of(durability)
        self._way = way
        self._complained = False
        self.numbers = itertools.count(1)
        base = self.prefix if self.is_first else f"{self.prefix}{uuid4().hex[:8]}-"
        self._head = self._new_head(((1, base),), None)
        self.file: JournalFile = open_file(
            self.journals, self._head, self.complain, durability=self._durability, way=way
        )
        self.run = Activity(f"{self.prefix}run", label, None)
        self.plans: dict[Any, str] = {}
        self.objects = Objects()
        self.refreshers: list[Callable[[Any], object]] = []
        self.worker = Worker(self)
        self.files = Files(self)
        self.packages = Packages(self)
        self.flusher = Flusher(self, period)
        self.flusher.start()

    def _new_head(self, bases: tuple[tuple[int, str], ...], parent: str | None) -> Head:
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
            bases=bases,
        )

    # -- statements ------------------------------------------------------------------------------------------

    def statement(self, cells: Cells) -> None:
        """Append one statement: ``(kind, identifier, argument…, (key, value, …))``."""
        try:
            payload = encode(cells)
        except (TypeError, ValueError, OverflowError):
            payload = self._mended(cells)
        self.file.append(payload)

    def _mended(self, cells: Cells) -> bytes:
        """The statement with every value that MessagePack or UTF-8 has no word for put as text."""
        try:
            return encode((*(_as_text(cell) for cell in cells[:-1]), [_as_text(cell) for cell in cells[-1]]))
        except Exception:
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
        generation: int | None = None,
        usage: int | None = None,
        *attributes: Any,
    ) -> None:
        """State a derivation. Generation and usage are given only together with the activity (PROV-DM 5.2.1)."""
        self.statement((_DERIVATION, None, generated, used, activity, generation, usage, attributes))

    def specialized(self, specific: int | str, general: int | str) -> None:
        """State that one entity is a specialization of another."""
        self.statement((_SPECIALIZATION, None, specific, general, ()))

    def member(self, collection: int | str, entity: int | str) -> None:
        """State a membership."""
        self.statement((_MEMBERSHIP, None, collection, entity, ()))

    def associated(self, activity: int | str, plan: int | str | None) -> None:
        """State that the person who runs this is responsible for an activity, following a plan."""
        self.statement((_ASSOCIATION, None, activity, self.person, plan, ()))

    def begin(self, label: str, enclosing: Activity, at: int, *attributes: Any) -> Activity:
        """State that a step began inside `enclosing`; the caller makes it the current activity if it is."""
        number = next(self.numbers)
        self.statement(
            (_ACTIVITY, number, at, None, ("prov:type", STEP, "prov:label", label, *attributes)),
        )
        self.statement((_START, None, number, None, enclosing.identifier, at, ()))
        return Activity(number, label, enclosing)

    def end(self, activity: Activity, at: int, *attributes: Any) -> None:
        """State that an activity ended."""
        self.statement((_ACTIVITY, activity.identifier, None, at, attributes))

    def bring_up_to_date(self, thing: Any) -> None:
        """Let integrations that know objects of its type state what became of `thing` since it was last looked at."""
        for refresh in self.refreshers:
            refresh(thing)

    # -- life ------------------------------------------------------------------------------------------------

    def complain(self, sentence: str) -> None:
        """Tell the user, once a process, that something cannot be recorded."""
        if not self._complained:
            self._complained = True
            say(sentence)

    def failed(self) -> None:
        """Count an error of our own, caught before it could reach the user's program. With TRILHA_DEBUG, show it."""
        self.lost += 1
        if os.environ.get("TRILHA_DEBUG"):
            say("an error of Trilha itself:\n" + traceback.format_exc())

    @property
    def dropped(self) -> int:
        """How many events of this process were not recorded."""
        return self.lost + self.file.dropped

    def settle(self) -> None:
        """Do the work that is left for the background."""
        self.worker.stop()

    def close(self) -> None:
        """Write everything out and stop the threads."""
        self.worker.stop()
        self.flusher.stop()
        with Quiet():
            self.file.close()

    def before_fork(self) -> None:
        """Stop our threads, so that the process forks as it would without us."""
        self.worker.pause()
        self.flusher.stop()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self.flusher.start()
        self.worker.resume()

    def after_fork_in_child(self) -> None:
        """Go on in a journal of our own, which is made when there is something to record."""
        abandoned = self.file
        abandoned.abandon()
        self.numbers = itertools.count(next(self.numbers))
        self.lost = 0
        self.is_first = False
        self.files.forget_writing()
        self.worker.forget()
        self.flusher.forget()
        self.file = _Unopened(self)

    def open_own_file(self) -> JournalFile:
        """The journal of this process, after a fork."""
        first = next(self.numbers)
        head = self._new_head((*self._head.bases, (first, f"{self.prefix}{uuid4().hex[:8]}-")), self._head.uid)
        self._head = head
        with Quiet():
            self.file = open_file(self.journals, head, self.complain, durability=self._durability, way=self._way)
        self.flusher.start()
        return self.file


class _Unopened:
    """Stands for the journal of a forked process until it records something."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.dropped = 0

    def append(self, payload: bytes) -> None:
        """Open the journal and keep the payload there."""
        try:
            self._recorder.open_own_file().append(payload)
        except OSError as error:
            self.dropped += 1
            self._recorder.complain(f"process {os.getpid()} cannot record: {error}")

    def flush(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Nothing was written."""

    def abandon(self) -> None:
        """Nothing was opened."""


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
        milliseconds = -1.0
    if not 1 <= milliseconds <= 3_600_000:
        raise UsageError(f'durability {text!r}: expected "group", "event", "none" or milliseconds from 1 to 3600000')
    return "group", milliseconds / 1000


def _as_text(value: Any) -> Any:
    """`value` as something that can be written: what is no value of PROV becomes its bounded representation."""
    if value is None or isinstance(value, (bool, float, bytes, msgspec.msgpack.Ext)):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, str):
        return str(value)[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        encode(value)
    except (TypeError, ValueError, OverflowError):
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
    return value
