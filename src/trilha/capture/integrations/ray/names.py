"""Our names for what Ray names: each process makes the same IRI of the same identifier.

The identifier of a call is random, that of an object holds its call's (Ray, "ID specification": of 24 bytes
of the task the first 8 are its own, 12 its actor's and 4 its job's; an object has 4 more, a count from 1).
Names are said often, so they leave out the actor where there is none, and have the numbers as numbers. Those
of objects that a driver puts begin anew with each session, so the session is a part of every name.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["NIL", "Names", "names", "task_of", "worker"]

_TASK_DIGITS: Final = 48
NIL: Final = "f" * 56
"""What Ray calls the object of an argument that was sent along as a value."""


def worker() -> Any:
    """Ray's own state of this process, as its library has it.

    Raises:
        KeyError: Ray has not been imported.
    """
    return sys.modules["ray._private.worker"].global_worker


def task_of(reference: str) -> str:
    """Identifier of the call that made an object, in hexadecimal digits, from that of the object."""
    return reference[:_TASK_DIGITS]


class Names:
    """The names of one session of Ray, in one run.

    Args:
        recorder: of the run.
        session: name that Ray gave it.
    """

    __slots__ = ("_base", "recorder", "session")

    def __init__(self, recorder: Recorder, session: str) -> None:
        self.recorder = recorder
        self.session = session
        self._base = f"{recorder.prefix}ray-{zlib.crc32(session.encode()):08x}-"

    def task(self, digits: str) -> str:
        """IRI of a call."""
        return f"{self._base}{_brief(digits)}"

    def object(self, digits: str) -> str:
        """IRI of what a reference refers to."""
        return f"{self._base}{_brief(digits)}"

    def generation(self, digits: str) -> str:
        """IRI of the generation of an object."""
        return f"{self._base}{_brief(digits)}-made"

    def actor(self, digits: str) -> str:
        """IRI of an actor, whose states are its versions."""
        return f"{self._base}actor-{digits}"

    def creation(self, digits: str) -> str:
        """IRI of the call that makes an actor."""
        return f"{self._base}actor-{digits}-made"


def _brief(digits: str) -> str:
    """The identifier of a task or an object, shorter; as it is, where it is none that we know."""
    own, actor, job, count = digits[:16], digits[16:40], digits[40:48], digits[48:]
    if len(digits) not in (_TASK_DIGITS, len(NIL)):
        return digits
    whose = "" if actor == NIL[:24] else f"-{actor}"
    return f"{own}{whose}-{_number(job)}" + (f".{_number(count)}" if count else "")


def _number(digits: str) -> int:
    return int.from_bytes(bytes.fromhex(digits), "little")


_last: list[Names] = []


def names(recorder: Recorder) -> Names:
    """The names of the session that this process is connected to, or was when it last asked.

    Raises:
        AttributeError: it has been connected to none.
    """
    node = worker().node
    if _last and _last[0].recorder is recorder and (node is None or node.session_name == _last[0].session):
        return _last[0]
    _last[:] = [Names(recorder, node.session_name)]
    return _last[0]
