"""Processes that a recorded one starts join its run.

The environment invites them: TRILHA_RUN says which run, and the first folder in PYTHONPATH holds a
`sitecustomize` that calls `arriving.begin` before the first line of the program. What a program does that
was started lies under an activity of its own, started by the one that started it; what a worker of
`multiprocessing` does lies where its parent's lies, since the program means it as a part of itself. A rank of
a distributed training (the variables that torchrun sets) is an activity that says which one it is.

Why so, and what else could have been done: docs/decisions/0007-processes-join-by-sitecustomize.md.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from trilha.capture.context import INVITATION, Activity
from trilha.capture.nearby import beside
from trilha.capture.running import is_worker, program

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = [
    "CHILDREN",
    "PLACE",
    "TRACE",
    "Invitation",
    "forked",
    "invitation",
    "invites",
    "state_process",
    "variables",
]

CHILDREN: Final = "TRILHA_CHILDREN"
"""Environment variable that, if it is ``0``, keeps what a recorded process starts out of its run."""
TRACE: Final = "TRILHA_TRACE"
"""Environment variable that tells workers what is traced down to the variable, and how."""
PLACE: Final = "TRILHA_PLACE"
"""The one that tells workers beside which modules the script lies, where these go before Python's own."""
_FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children")
_NO: Final = frozenset(["0", "no", "off", "false"])
_RANKS: Final = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", ""),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", ""),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", ""),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_STEP_ID"),
)
"""The variables by which torchrun, Open MPI, MPICH and Slurm tell a process its rank, how many there are, its
rank on its host, and the step of the job that it is in, which must be set."""
_RESTARTS: Final = "TORCHELASTIC_RESTART_COUNT"


class Invitation(NamedTuple):
    """What the environment says of the run that this process may join.

    Attributes:
        run: UUID of the run.
        journal: UUID of the journal of the process that invites.
        activity: local part of the name of the activity that this process is started by.
        rank: what told the inviting process its own rank (see `_rank`); ``-`` if it has none.
    """

    run: str
    journal: str
    activity: str = "run"
    rank: str = "-"


# -- inviting ------------------------------------------------------------------------------------------------


def invites() -> bool:
    """Whether the processes that this one starts may join its run."""
    return os.environ.get(CHILDREN, "").strip().lower() not in _NO


def variables(recorder: Recorder) -> dict[str, str]:
    """The environment of the processes that may join the run of `recorder`."""
    activity = str(_of_workers(recorder).identifier).removeprefix(recorder.prefix)
    words = recorder.uuid, recorder.uid, activity, _rank()[0] or "-"
    path = os.environ.get("PYTHONPATH", "")
    if path.partition(os.pathsep)[0] != _FOLDER:
        path = f"{_FOLDER}{os.pathsep}{path}" if path else _FOLDER
    found = {
        INVITATION: " ".join(words),
        "TRILHA_STORE": os.path.abspath(recorder.folder),
        "PYTHONPATH": path,
    }
    place = program().place
    if beside(place, sys.stdlib_module_names):
        found[PLACE] = place  # workers find their modules where we do
    if recorder.join is not None and recorder.join.told:
        found[TRACE] = recorder.join.told
    return found


# -- joining -------------------------------------------------------------------------------------------------


def invitation() -> Invitation | None:
    """The invitation that stands in the environment, if it makes sense."""
    words = os.environ.get(INVITATION, "").split(" ")
    if not 2 <= len(words) <= 4:
        return None
    found = Invitation(*words)
    if not _is_uuid(found.run) or not _is_uuid(found.journal) or not found.activity.isprintable():
        return None
    return found


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text)


def state_process(recorder: Recorder, asked: Invitation) -> None:
    """State the activity of this process, under which lies all that it does; its recorder is new.

    Args:
        recorder: of this process.
        asked: by which it joins.
    """
    if is_worker():
        return
    from trilha.capture import cluster
    from trilha.capture.journal.writer import literal_name
    from trilha.capture.places import command_text, path_text, working_folder

    here = program()
    told, *rank = _rank()
    if told == asked.rank:
        rank = []  # of the process that started this one
    label = f"rank {rank[1]}" if rank else here.label
    words = ["python", *([here.option] if here.option else []), here.target, *here.arguments]
    about: list[Any] = ["trilha:command", command_text(words), "trilha:cwd", path_text(working_folder())]
    about += ["trilha:pid", os.getpid(), "prov:location", literal_name(recorder.machine)]
    for name, value in cluster.job_facts().items():
        about += [f"trilha:{name}", value]
    if here.is_pool:
        _around_pool.append((recorder, recorder.run))
    enter_process(recorder, label, *about, *rank)
    is_file = not here.option and not here.is_pool and os.path.isfile(here.target)
    script = here.target if is_file else ""
    at = time.time_ns()
    recorder.associated(recorder.run.identifier, recorder.files.script(script, at) if script else None)


def forked(recorder: Recorder) -> None:
    """This process is a fork of the one that `recorder` was of; if that was a library's pool, a worker."""
    recorder.run = _of_workers(recorder)
    _around_pool.clear()


def _of_workers(recorder: Recorder) -> Activity:
    """Where the processes lie that this one starts: workers of a library's pool where the pool does."""
    return next((where for known, where in _around_pool if known is recorder), recorder.run)


_around_pool: Final[list[tuple[Recorder, Activity]]] = []
"""What a process lies in that runs a library's program for pools, with its recorder."""


def enter_process(recorder: Recorder, label: str, *attributes: Any) -> None:
    """State an activity for this process, started by the one that its doings lay under; they lie under it."""
    from trilha.capture.journal.writer import literal_name

    types: list[Any] = ["prov:type", literal_name("trilha:Process")]
    if "trilha:rank" in attributes:
        types += ["prov:type", literal_name("trilha:Rank")]
        recorder.rank = attributes[attributes.index("trilha:rank") + 1]
    name = f"{recorder.prefix}process-{uuid4().hex[:12]}"
    at = time.time_ns()
    recorder.activity(name, at, None, *types, "prov:label", label, *attributes)
    recorder.started(name, recorder.run.identifier, at)
    recorder.run = Activity(name, label, None)
    recorder.own.append(name)


def _rank() -> list[Any]:
    """Which rank of a distributed training this is: what told so, then attributes; an empty text if none."""
    for rank, size, local, step in _RANKS:
        found = {name: os.environ.get(name, "") for name in (rank, size, local, step) if name}
        if not all(found[name].isascii() and found[name].isdigit() for name in (rank, size, step) if name):
            continue
        about: list[Any] = ["trilha:rank", int(found[rank]), "trilha:world_size", int(found[size])]
        for name, variable in (("local_rank", local), ("restart", _RESTARTS)):
            text = os.environ.get(variable, "")
            if text.isascii() and text.isdigit():
                about += [f"trilha:{name}", int(text)]
        return [f"{rank}={found[rank]}/{found.get(step, '')}", *about]
    return [""]
