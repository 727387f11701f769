"""Which earlier run of a workflow is resumed, through Parsl's checkpoints.

Parsl gives each kernel a folder of its own, in which the checkpoints lie; a later kernel is told the folders
whose checkpoints it is to begin with. So the folder, an entity that one run made and another used, links the
two, however the first one ended. (Each remembered result is linked by its key, too: `Task.remembered_as`.)
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["state_folder", "state_resumed"]

_FOLDER: Final = literal_name("trilha:RunFolder")


def state_folder(recorder: Recorder, path: str) -> None:
    """The kernel whose folder is at `path` belongs to this run."""
    folder = _folder(recorder, path)
    if folder is not None:
        recorder.generated(folder, recorder.run.identifier, time.time_ns())


def state_resumed(recorder: Recorder, checkpoints: Iterable[Any]) -> None:
    """It begins with what lies in the folders `checkpoints`, each in that of the kernel that made it."""
    paths = {os.path.dirname(os.path.abspath(os.fspath(one))) for one in checkpoints}
    for path in sorted(paths):
        folder = _folder(recorder, path)
        if folder is not None:
            recorder.used(recorder.run.identifier, folder, time.time_ns(), "prov:role", "resumed")
            recorder.activity(recorder.run.identifier, None, None, "trilha:resumes", literal_name(folder))


def _folder(recorder: Recorder, path: str) -> str | None:
    """The entity of a folder, the same in every run on this machine; None if it is not there."""
    try:
        with Quiet():
            path = os.path.realpath(path)
            status = os.stat(path)
    except OSError:
        pass_on()
        return None
    # A folder that was deleted and made anew at the same path is another one.
    known = f"{recorder.machine}\n{path}\n{status.st_dev}\n{status.st_ino}"
    iri = f"urn:trilha:parsl-run:{hashlib.sha256(known.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"
    recorder.entity(iri, "prov:type", _FOLDER, "prov:label", os.path.basename(path), "trilha:path", path)
    return iri
