"""How long something took."""

from __future__ import annotations

from dfa_lib_python.method_type import MethodType
from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["Performance"]


class Performance(ProvenanceObject):
    """A begin and an end.

    Args:
        start_time: as text, ``YYYY-MM-DD hh:mm:ss``.
        end_time: likewise.
        method: what was measured.
        description: of it.
    """

    def __init__(
        self,
        start_time: str | None,
        end_time: str | None,
        method: MethodType | str = "",
        description: str = "",
    ) -> None:
        super().__init__("")
        self._startTime = start_time
        self._endTime = end_time
        self._method = method.value if isinstance(method, MethodType) else method
        self._description = description

    @property
    def startTime(self) -> str | None:
        """When it began."""
        return self._startTime

    @property
    def endTime(self) -> str | None:
        """When it ended."""
        return self._endTime
