"""Processes that a recorded one starts join its run.

The environment invites them: TRILHA_RUN says which run, and the first folder in PYTHONPATH holds a
`sitecustomize` that calls `begin` before the first line of the program. What a program does that was started
lies under an activity of its own, started by the one that started it; what a worker of `multiprocessing` does
lies where its parent's lies, since the program means it as a part of itself. A rank of a distributed training
(the variables that torchrun sets) is an activity that says which one it is.

Why so, and what else could have been done: docs/decisions/0007-processes-join-by-sitecustomize.md.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from trilha.capture.aside import step_aside
from trilha.capture.context import INVITATION, Activity, process
from trilha.capture.interrupts import pass_on
from trilha.capture.nearby import NEEDED, beside

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.siblings import Siblings

__all__ = [
    "CHILDREN",
    "TRACE",
    "Invitation",
    "begin",
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
_FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children")
_PLACE: Final = "TRILHA_PLACE"
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
_SERVANTS: Final = ("multiprocessing.forkserver import main", "torch/_inductor/compile_worker/")
_WORKERS: Final = (
    "--multiprocessing-fork",
    "loky.backend.popen_loky_posix",
    "/ray/_private/workers/default_",
)
_POOLS: Final = ("process_worker_pool",)
"""Programs of libraries that start workers: those of Parsl's HighThroughputExecutor."""
_SERVICES: Final = (
    *("/ray/dashboard/", "/ray/autoscaler/", "/ray/_private/log_monitor", "/ray/_private/runtime_env/"),
    "/ray/_private/workers/setup_worker",
)
"""Programs that a library starts beside its workers, and that do nothing of the user's; the last of these
becomes a worker."""
_INTERCHANGE: Final = "interchange.py"
"""A service of Parsl's HighThroughputExecutor: its program lies beside that of the pool, wherever it does."""


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


class _Program(NamedTuple):
    """What this process runs.

    Attributes:
        option: ``-c``, ``-m``, or nothing for a script.
        target: the code, the module's name or the script's path; empty where Python reads its input.
        arguments: behind it.
    """

    option: str
    target: str
    arguments: tuple[str, ...]


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
    place = _place(_program(sys.orig_argv))
    if beside(place, sys.stdlib_module_names):
        found[_PLACE] = place  # workers find their modules where we do
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


def begin(before: frozenset[str]) -> None:
    """Join the run before the program begins; called when Python starts.

    Args:
        before: names of the modules that were imported before we were.
    """
    program = _program(sys.orig_argv)
    if not invites() or _is_ours(program) or _is_service(program):
        process.invited = False
        return
    places = {_place(program), os.environ.get(_PLACE, "")} - {""}
    if any(beside(place, NEEDED) for place in places):
        return
    from trilha.capture import session
    from trilha.capture.siblings import Siblings

    if any(servant in program.target for servant in _SERVANTS):
        # It only starts others, by forking.
        _inherited.append(Siblings())
        os.register_at_fork(after_in_child=_join_in_child)
    else:
        _trace(session.join(in_program=False), program)
    for place in places:
        step_aside(place, before)


_inherited: list[Siblings] = []
"""Of a server that forks workers."""


def _join_in_child() -> None:
    from trilha.capture import session

    try:
        if process.recorder is None and process.invited:
            recorder = session.join(in_program=False)
            if recorder is not None and _inherited:
                recorder.siblings = _inherited[0]
            _trace(recorder, _program(sys.orig_argv))
    except Exception:
        pass_on()
        process.invited = False


def _trace(recorder: Recorder | None, program: _Program) -> None:
    """Have what a worker is handed be traced, if the run is; it is recorded even if that fails."""
    if recorder is None or TRACE not in os.environ:
        return
    if is_worker() or _is_pool(program):
        from trilha.capture.script import workers

        try:
            workers.begin(recorder)
        except Exception:
            recorder.failed()


def is_worker() -> bool:
    """Whether this process is a worker of `multiprocessing`, or of what is built like it."""
    words = sys.orig_argv
    return any(mark in word for mark in (*_WORKERS, _SERVANTS[0]) for word in words)


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

    program = _program(sys.orig_argv)
    told, *rank = _rank()
    if told == asked.rank:
        rank = []  # of the process that started this one
    label = f"rank {rank[1]}" if rank else _label(program)
    words = ["python", *([program.option] if program.option else []), program.target, *program.arguments]
    about: list[Any] = ["trilha:command", command_text(words), "trilha:cwd", path_text(working_folder())]
    about += ["trilha:pid", os.getpid(), "prov:location", literal_name(recorder.machine)]
    for name, value in cluster.job_facts().items():
        about += [f"trilha:{name}", value]
    if _is_pool(program):
        _around_pool.append((recorder, recorder.run))
    enter_process(recorder, label, *about, *rank)
    is_file = not program.option and not _is_pool(program) and os.path.isfile(program.target)
    script = program.target if is_file else ""
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


# -- what this process runs ----------------------------------------------------------------------------------


def _program(words: list[str]) -> _Program:
    """What a command line of Python's runs (its documentation, "Command line and environment")."""
    rest = list(words[1:])
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        option = rest.pop(0)
        if option.startswith("--"):
            del rest[: option == "--check-hash-based-pycs"]
            continue
        for place, letter in enumerate(option[1:], 1):
            if letter in "cmWX":
                value = option[place + 1 :] or (rest.pop(0) if rest else "")
                if letter in "cm":
                    return _Program(f"-{letter}", value, tuple(rest))
                break
    if rest and rest[0] == "--":
        del rest[0]
    return _Program("", "" if not rest or rest[0] == "-" else rest[0], tuple(rest[1:]))


def _place(program: _Program) -> str:
    """Where Python looks for the program's modules first; empty where it looks at no such place."""
    if sys.flags.safe_path:
        return ""
    if program.option or not program.target:
        try:
            return os.getcwd()
        except OSError:
            pass_on()
            return ""
    path = os.path.realpath(program.target)
    return path if os.path.isdir(path) else os.path.dirname(path)


def _is_ours(program: _Program) -> bool:
    """Whether Trilha itself is run: its commands are no part of the run, and a run of a run is its own."""
    package = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
    if program.option:
        name = __name__.partition(".")[0]
        return program.target == name or f"{name}.cli" in program.target
    return os.path.basename(program.target) == "trilha" or os.path.abspath(program.target).startswith(package)


def _is_service(program: _Program) -> bool:
    """Whether a library has it serve its workers, and nothing of the user's goes on in it."""
    folder, name = os.path.split(program.target)
    if name == _INTERCHANGE and not program.option:
        return any(os.path.isfile(os.path.join(folder, f"{pool}.py")) for pool in _POOLS)
    return any(service in program.target for service in _SERVICES)


def _is_pool(program: _Program) -> bool:
    """Whether it is a library's program that starts its workers."""
    return any(pool in program.target for pool in _POOLS)


def _label(program: _Program) -> str:
    if program.option == "-c":
        return "python -c"
    if program.option or not program.target:
        return program.target or "python"
    return os.path.splitext(os.path.basename(os.path.abspath(program.target)))[0]
