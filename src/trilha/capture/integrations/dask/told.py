"""What travels with Dask's messages: which run, and the names by which both sides know the same thing."""

from __future__ import annotations

import os
import zlib
from hashlib import blake2b
from typing import Any, NamedTuple

from trilha.capture import session
from trilha.capture.active import active
from trilha.capture.context import process
from trilha.capture.interrupts import pass_on
from trilha.capture.recorder import Recorder

__all__ = [
    "ANNOUNCE",
    "RESULTS",
    "SCATTERED",
    "TOGETHER",
    "Told",
    "attempt_name",
    "computed_name",
    "leave",
    "of",
]

ANNOUNCE, SCATTERED, RESULTS = "trilha-graph", "trilha-scattered", "trilha_results"
"""Names of messages from a client to a scheduler: a graph comes, data came, whose results are these?"""
TOGETHER = "trilha_together"
"""Name of another: with which others were these tasks handed over?"""


class Told(NamedTuple):
    """Which run, and how another process joins it.

    Attributes:
        run: UUID of the run.
        journal: UUID of the journal of the process that tells.
        activity: local part of the name of the activity that its doings lie under.
        store: folder of the store, which a shared file system must hold.
    """

    run: str
    journal: str
    activity: str
    store: str

    @property
    def name(self) -> str:
        """Name of the plug-ins of this run."""
        return f"trilha-{self.run}"

    def recorder(self) -> tuple[Recorder, bool] | None:
        """The recorder of this process for the run, and whether it is for that alone; None if there is none.

        Where this process records nothing, or another run, one is made that hears of nothing but tasks.
        """
        known = active()
        if known is not None and known.uuid == self.run:
            return known, False
        within = f"urn:uuid:{self.run}#{self.activity}"
        try:
            made = Recorder(self.store, "run", run=self.run, parent=self.journal, within=within)
        except (OSError, ValueError):
            pass_on()
            return None
        if session._is_elsewhere(made, self.journal):
            session._state_place(made)
        return made, True

    def join(self) -> Recorder | None:
        """Have this process, which records nothing, join the run."""
        if active() is None:
            invited = {
                "TRILHA_RUN": f"{self.run} {self.journal} {self.activity} -",
                "TRILHA_STORE": self.store,
            }
            _before.update({name: os.environ.get(name) for name in invited})
            os.environ.update(invited)
            session.join()
        known = process.recorder
        return known if known is not None and known.uuid == self.run else None


_before: dict[str, str | None] = {}
"""What the variables were by which this process was asked to join."""


def leave() -> None:
    """End the part that this process has in a run which it joined."""
    session.finish()
    while _before:
        name, value = _before.popitem()
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def of(recorder: Recorder) -> Told:
    """What other processes are told of the run of `recorder`."""
    activity = str(recorder.run.identifier)
    return Told(
        recorder.uuid, recorder.uid, activity.removeprefix(recorder.prefix), os.path.abspath(recorder.folder)
    )


def attempt_name(recorder: Recorder, scheduler: str, number: Any) -> str:
    """IRI of an attempt, the same on the scheduler and on the worker.

    Args:
        recorder: of the run.
        scheduler: its identifier.
        number: that the scheduler gave this try.
    """
    return f"{recorder.prefix}dask-{zlib.crc32(scheduler.encode()):08x}-{number}"


def computed_name(recorder: Recorder, scheduler: str, key: str) -> str:
    """What the traces of a client and of a worker call the computation of a key.

    To Dask a key is what is computed: what has the same key is not computed again.

    Args:
        recorder: of the run.
        scheduler: its identifier.
        key: its text.
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{recorder.prefix}dask-{zlib.crc32(scheduler.encode()):08x}-key-{digest}"
