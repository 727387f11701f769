"""Replaying a program of several threads: each goes on as far as it can before another's record is followed.

What a thread did between two of its records is no record itself; so it gives way only where it looks at a
record that is another thread's, not as soon as there is one.
"""

from __future__ import annotations

from typing import Any

from trilha.trace.log import END
from trilha.trace.machine import Machine

__all__ = ["Lanes"]


class Lanes(Machine):
    """What a replay becomes when its log has a second thread."""

    _kind = -1
    _reads = False

    @classmethod
    def of(cls, machine: Any) -> bool:
        """Make a replay one of several threads; False if it is one."""
        if isinstance(machine, cls):
            return False
        kind = machine.__dict__.pop("kind")
        machine.__class__ = type(f"{type(machine).__name__}Lanes", (cls, type(machine)), {})
        machine._kind = kind
        return True

    @property
    def kind(self) -> int:
        """The kind of the record that is ready; it is this thread's."""
        while not self._reads and self._kind != END and self._thread != self.lane.number:
            self._hand_over(self._thread)
        return self._kind

    @kind.setter
    def kind(self, kind: int) -> None:
        self._kind = kind

    def _advance(self) -> None:
        self._reads = True
        try:
            super()._advance()
        finally:
            self._reads = False
