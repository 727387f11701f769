"""Workers that one process forks tell each other which files they have recorded.

Workers of a data loader read the same files again in each epoch, each time as new processes. What all of them
read is used by one activity, so that one statement is enough: a table in shared memory says which file, as it
was at that time, some worker has stated for which activity. Two that come at the same instant both state it.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Final

from trilha.capture.context import Activity
from trilha.capture.digests import stamp
from trilha.capture.places import regular

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Siblings", "iri_of"]

_SLOTS: Final = 1 << 21
"""Of eight bytes; the system gives a page of memory for those that are used alone."""
_MOST_PROBES: Final = 16
_MASK: Final = (1 << 64) - 1


class Siblings:
    """What this process, those that forked it and those that they fork have recorded.

    Raises:
        OSError: there is no memory.
    """

    def __init__(self) -> None:
        self._slots = memoryview(mmap.mmap(-1, _SLOTS * 8)).cast("Q")

    def know(self, recorder: Recorder, path: str, activity: Activity) -> bool:
        """Whether another process has recorded that `activity` reads the file `path` as it is now.

        If not, the caller is expected to record it.
        """
        files = recorder.files
        if path in files._met or path in files._writing:
            return False
        status = regular(path)
        if status is None or not files._matters(path):
            return False
        return self._seen(hash((iri_of(recorder, activity.identifier), path, stamp(status))) & _MASK | 1)

    def _seen(self, key: int) -> bool:
        """Whether `key` is in the table; it is afterwards, unless there is no room."""
        slots = self._slots
        place = key >> 1
        for _ in range(_MOST_PROBES):
            place = (place + 1) % _SLOTS
            found = slots[place]
            if found == key:
                return True
            if not found:
                slots[place] = key
                return False
        return False


def iri_of(recorder: Recorder, identifier: int | str) -> str:
    """The IRI of a number of this process; what was named before a fork has one name in both."""
    if isinstance(identifier, str):
        return identifier
    base = next((base for first, base in reversed(recorder._bases) if identifier >= first), "")
    return f"{base}{identifier}"
