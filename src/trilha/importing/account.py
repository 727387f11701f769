"""What another system tells of one run, on its way into a journal.

An `Account` takes statements like a recorder does, and keeps them until all of a source has been read: a
source that turns out to be broken leaves nothing behind. It is written as a journal in a folder beside the
others, which then gets its name in one step.

A run's UUID is made from the system's own name for the run (UUID version 5, RFC 9562), the journal's from
what it says. So importing the same twice finds what is there, and an account that differs is noticed.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import stat
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4, uuid5

from trilha.capture.journal import Head
from trilha.capture.journal.frames import ROWS_BYTE, ROWS_HEAD, VERSION
from trilha.capture.journal.writer import encode, faithful, literal_name, open_file
from trilha.prov import Kind

__all__ = ["Account", "Imported", "Report", "iso", "plain", "shortest", "typed"]

_FAMILY: Final = UUID("8f0f3a38-4a2e-5d0b-9c35-3e2b6f1f6b52")
_MOST_ROWS: Final = 4096
"""Rows of a block in one frame."""
_CLOCK_NS: Final = 2 * 10**9
"""So much later than a run's end a file may have been written out: clocks and file systems round."""
_MOST_DERIVATIONS: Final = 64
"""At most so many derivations are stated of what one activity made, as capture does."""

typed = literal_name
"""A qualified name as the value of an attribute: ``typed("trilha:Model")``."""


class Account:
    """One run.

    Args:
        system: that recorded it.
        original: the system's own name for the run; nothing else may have it.
        label: what the run is called.

    Attributes:
        uuid: of the run.
        run: identifier of its activity.
        label: as given.
        facts: how many statements there are.
    """

    def __init__(self, system: str, original: str, label: str) -> None:
        self.uuid = str(uuid5(_FAMILY, f"{system}\n{original}"))
        self.run = f"urn:uuid:{self.uuid}#run"
        self.label = label
        self.host = ""
        self._system = system
        self._original = original
        self._payloads: list[bytes] = []
        self._numbers = itertools.count(1)
        self._generated: dict[Any, int] = {}
        self._ended: list[Any] = []
        self._started: int | None = None

    # -- statements ------------------------------------------------------------------------------------------

    def number(self) -> int:
        """A name for a thing of this run."""
        return next(self._numbers)

    def say(self, *cells: Any) -> None:
        """One statement: kind, identifier, arguments, and attributes as keys and values in turn."""
        *head, flat = cells
        try:
            self._payloads.append(encode(cells))
        except (TypeError, ValueError, OverflowError):
            self._payloads.append(encode((*map(faithful, head), [faithful(value) for value in flat])))

    def begin(self, start: Any = None, end: Any = None, *about: Any) -> None:
        """The run itself.

        Args:
            start: nanoseconds since 1970-01-01 UTC, or the text of an xsd:dateTime; None where unknown.
            end: likewise.
            about: further attributes, keys and values in turn.
        """
        self._started = start if isinstance(start, int) else None
        facts = ("prov:type", typed("trilha:Run"), "prov:label", self.label)
        origin = ("trilha:imported", self._system, "trilha:original", self._original)
        self.say(Kind.ACTIVITY, self.run, start, end, (*facts, *origin, *about))

    def entity(self, identifier: Any = None, *about: Any) -> Any:
        """An entity; gives its identifier, which is new if None is given."""
        name = self.number() if identifier is None else identifier
        self.say(Kind.ENTITY, name, about)
        return name

    def step(
        self, label: str, start: Any, end: Any, *about: Any, within: Any = None, name: Any = None
    ) -> Any:
        """An activity that was started by the run, or by the activity `within`; gives its identifier."""
        number = self.number() if name is None else name
        types = ("prov:type", typed("trilha:Step"), "prov:label", label)
        self.say(Kind.ACTIVITY, number, start, end, (*types, *about))
        self.say(Kind.START, None, number, None, self.run if within is None else within, start, ())
        return number

    def agent(self, identifier: str, *about: Any) -> str:
        """An agent."""
        self.say(Kind.AGENT, identifier, about)
        return identifier

    def associated(self, activity: Any, agent: Any, plan: Any = None) -> None:
        """An agent is responsible for an activity, following a plan; None where either is unknown."""
        self.say(Kind.ASSOCIATION, None, activity, agent, plan, ())

    def used(self, activity: Any, entity: Any, at: Any = None, *about: Any) -> int:
        """A usage; gives its identifier."""
        number = self.number()
        self.say(Kind.USAGE, number, activity, entity, at, about)
        return number

    def generated(self, entity: Any, activity: Any, at: Any = None) -> int | None:
        """A generation; gives its identifier. None, and nothing is said, if the entity has one already."""
        return self.generation(entity, activity, at)

    def generation(self, entity: Any, activity: Any, at: Any = None, *about: Any) -> int | None:
        """`generated` with attributes, keys and values in turn."""
        if entity in self._generated:
            return None
        number = self._generated[entity] = self.number()
        self.say(Kind.GENERATION, number, entity, activity, at, about)
        return number

    def derived(self, made: Any, source: Any, activity: Any = None, usage: int | None = None) -> None:
        """A derivation, in an activity that used the source where both are known."""
        generation = self._generated.get(made) if activity is not None else None
        self.say(Kind.DERIVATION, None, made, source, activity, generation, usage, ())

    def derive_all(self, made: Iterable[Any], activity: Any, used: Iterable[tuple[Any, int]]) -> None:
        """What an activity made is derived from what it used: entities, each with its usage."""
        sources = list(used)[:_MOST_DERIVATIONS]
        for thing in made:
            for source, usage in sources:
                if thing in self._generated and source != thing:
                    self.derived(thing, source, activity, usage)

    def informed(self, activity: Any, by: Any) -> None:
        """One activity used something, unknown which, that another made."""
        self.say(Kind.COMMUNICATION, None, activity, by, ())

    def member(self, collection: Any, entity: Any) -> None:
        """A membership."""
        self.say(Kind.MEMBERSHIP, None, collection, entity, ())

    def hyperparameter(self, activity: Any, about: Sequence[Any]) -> int:
        """A hyperparameter that an activity used; gives the usage."""
        return self.used(activity, self.entity(None, *about))

    def metrics(
        self, activity: Any, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[float | int]]
    ) -> int:
        """A dense block of metrics of an activity; gives its entity.

        Args:
            activity: that they are of.
            columns: name of each, and ``q`` (whole) or ``d`` (a float); ``time``, ``epoch`` and ``step`` say
                where a row belongs, ``time`` in nanoseconds since 1970-01-01 UTC.
            rows: the numbers of each row, in that order.
        """
        names = ", ".join(name for name, _ in columns if name != "time")
        entity = self.entity(None, "prov:type", typed("trilha:Metrics"), "trilha:name", names)
        self.generated(entity, activity)
        number = self.number()
        block = {"number": number, "entity": entity, "kind": "metrics", "columns": list(columns)}
        self._payloads.append(encode({"block": block}))
        layout = struct.Struct("<" + "".join(code for _, code in columns))
        packed = [layout.pack(*row) for row in rows]
        for first in range(0, len(packed), _MOST_ROWS):
            some = b"".join(packed[first : first + _MOST_ROWS])
            self._payloads.append(ROWS_HEAD.pack(ROWS_BYTE, number) + some)
        return entity  # type: ignore[no-any-return]

    def file(self, path: str, *about: Any, until: int | None = None, name: str = "") -> tuple[int, str]:
        """A file that the source names, as a new entity.

        Args:
            path: of the file.
            about: further attributes, keys and values in turn.
            until: when the run was over with it, in nanoseconds since 1970-01-01 UTC. A file that changed
                later is not the one that is meant, so that its hash is left out.
            name: what to call it; the last part of its path by default.

        Returns:
            The entity, and what is wrong: empty where the file lies here as it was, else ``missing``,
            ``folder``, ``relative`` or ``changed``.
        """
        entity = self.number()
        facts: list[Any] = ["prov:type", typed("trilha:File")]
        facts += [
            "prov:label",
            name or os.path.basename(path.rstrip("/")) or path,
            "trilha:path",
            path,
            *about,
        ]
        try:
            status = os.stat(path)
            wrong = "" if stat.S_ISREG(status.st_mode) else "folder"
        except (OSError, ValueError):
            wrong = "missing"
        if not os.path.isabs(path):
            wrong = "relative"  # to a folder that the source does not name: what lies here may be another
        if not wrong and until is not None and status.st_mtime_ns > until + _CLOCK_NS:
            wrong = "changed"
        if wrong:
            self.entity(entity, *facts)
            return entity, wrong
        digest = _sha256(path)
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        facts += ["trilha:size", status.st_size, "trilha:modified", modified, "trilha:sha256", digest]
        self.entity(entity, *facts)
        content = f"sha256:{digest}"
        self.entity(content, "prov:type", typed("trilha:Content"), "trilha:size", status.st_size)
        self.say(Kind.SPECIALIZATION, None, entity, content, ())
        return entity, ""

    def end(self, status: str, *about: Any) -> None:
        """How the run ended: ``finished``, ``failed`` or ``interrupted``; empty where that is unknown."""
        if status:
            self.say(Kind.ACTIVITY, self.run, None, None, ("trilha:status", status, *about))

    # -- writing ---------------------------------------------------------------------------------------------

    @property
    def facts(self) -> int:
        """How many statements and blocks there are."""
        return len(self._payloads)

    @property
    def uid(self) -> str:
        """UUID of the journal that says this."""
        digest = hashlib.sha256()
        for payload in self._payloads:
            digest.update(len(payload).to_bytes(4, "little") + payload)
        return str(uuid5(UUID(self.uuid), digest.hexdigest()))

    def write(self, folder: str) -> None:
        """Write the journal into `folder`, which is made.

        Raises:
            OSError: it cannot be written.
        """
        head = Head(
            version=VERSION,
            run=self.uuid,
            uid=self.uid,
            host=self.host,
            started=self._started or 0,
            bases=((1, f"urn:uuid:{self.uuid}#"),),
        )
        complaints: list[str] = []
        file = open_file(folder, head, complaints.append, durability="none", way="grouped")
        for payload in self._payloads:
            file.append(payload)
        # When it was brought here is no part of what was told.
        file.append(encode((Kind.ACTIVITY, self.run, None, None, ("trilha:importedAt", datetime.now(UTC)))))
        file.close()
        if complaints or file.dropped:
            raise OSError(complaints[0] if complaints else f"{folder}: cannot be written")


class Imported(NamedTuple):
    """A run that was imported, or was there.

    Attributes:
        uuid: of the run.
        label: its name.
        state: ``"new"``, ``"there"`` (the same account was imported before) or ``"differs"`` (another
            account of it was).
    """

    uuid: str
    label: str
    state: str


class Report:
    """What came of an import.

    Attributes:
        system: that the runs are from.
        runs: in the order of the source.
        repaired: what was mended on the way, and how often.
        left: what could not be carried, and how often.
    """

    def __init__(self, system: str) -> None:
        self.system = system
        self.runs: list[Imported] = []
        self.repaired: Counter[str] = Counter()
        self.left: Counter[str] = Counter()

    def write(self, accounts: list[Account], store: str) -> None:
        """Write the journals of all accounts that are not in the store yet: all or, if that fails, none.

        Raises:
            OSError: they cannot be written.
        """
        journals = os.path.join(store, "journals")
        staging = os.path.join(store, f"importing-{uuid4().hex[:12]}")
        fresh: list[Account] = []
        for account in accounts:
            folder = os.path.join(journals, account.uuid)
            state = "new"
            if os.path.isdir(folder):
                state = (
                    "there" if os.path.exists(os.path.join(folder, f"{account.uid}.journal")) else "differs"
                )
            else:
                fresh.append(account)
            self.runs.append(Imported(account.uuid, account.label, state))
        if not fresh:
            return
        try:
            for account in fresh:
                account.write(os.path.join(staging, account.uuid))
            os.makedirs(journals, exist_ok=True)
            for account in fresh:
                os.rename(os.path.join(staging, account.uuid), os.path.join(journals, account.uuid))
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def iso(text: str) -> str | None:
    """``YYYY-MM-DD hh:mm:ss`` as an xsd:dateTime, without a zone if it has none; None if it is no time."""
    try:
        return datetime.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return None


def plain(text: Any) -> Any:
    """What was kept as text: a number or truth value where the text is exactly one, else the text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            found: int | float = kind(text)
        except (TypeError, ValueError):
            continue
        if str(found) == text:
            return found
    return text


def shortest(value: float) -> float:
    """The number with the fewest digits that is the same float of 32 bits, if `value` is one."""
    try:
        if struct.unpack("<f", struct.pack("<f", value))[0] != value:
            return value
    except (OverflowError, struct.error):
        return value
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if struct.unpack("<f", struct.pack("<f", short))[0] == value:
            return short
    return value


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
