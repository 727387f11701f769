"""What this process runs, read from its command line: a program of the user's, or one of a library's own."""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

from trilha.capture.interrupts import pass_on

__all__ = ["Program", "is_worker", "program"]

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


class Program(NamedTuple):
    """What a command line of Python's runs.

    Attributes:
        option: ``-c``, ``-m``, or nothing for a script.
        target: the code, the module's name or the script's path; empty where Python reads its input.
        arguments: behind it.
    """

    option: str
    target: str
    arguments: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where Python looks for the program's modules first; empty where it looks at no such place."""
        if sys.flags.safe_path:
            return ""
        if self.option or not self.target:
            try:
                return os.getcwd()
            except OSError:
                pass_on()
                return ""
        path = os.path.realpath(self.target)
        return path if os.path.isdir(path) else os.path.dirname(path)

    @property
    def label(self) -> str:
        """What to call it."""
        if self.option == "-c":
            return "python -c"
        if self.option or not self.target:
            return self.target or "python"
        return os.path.splitext(os.path.basename(os.path.abspath(self.target)))[0]

    @property
    def is_ours(self) -> bool:
        """Whether Trilha itself is run: its commands are no part of the run, a run of a run is its own."""
        package = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
        if self.option:
            name = __name__.partition(".")[0]
            return self.target == name or f"{name}.cli" in self.target
        return os.path.basename(self.target) == "trilha" or os.path.abspath(self.target).startswith(package)

    @property
    def is_service(self) -> bool:
        """Whether a library has it serve its workers, and nothing of the user's goes on in it."""
        folder, name = os.path.split(self.target)
        if name == _INTERCHANGE and not self.option:
            return any(os.path.isfile(os.path.join(folder, f"{pool}.py")) for pool in _POOLS)
        return any(service in self.target for service in _SERVICES)

    @property
    def is_servant(self) -> bool:
        """Whether it only starts others, by forking."""
        return any(servant in self.target for servant in _SERVANTS)

    @property
    def is_pool(self) -> bool:
        """Whether it is a library's program that starts its workers."""
        return any(pool in self.target for pool in _POOLS)


def is_worker() -> bool:
    """Whether this process is a worker of `multiprocessing`, or of what is built like it."""
    words = sys.orig_argv
    return any(mark in word for mark in (*_WORKERS, _SERVANTS[0]) for word in words)


def program() -> Program:
    """What this process runs (Python's documentation, "Command line and environment")."""
    rest = list(sys.orig_argv[1:])
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        option = rest.pop(0)
        if option.startswith("--"):
            del rest[: option == "--check-hash-based-pycs"]
            continue
        for at, letter in enumerate(option[1:], 1):
            if letter in "cmWX":
                value = option[at + 1 :] or (rest.pop(0) if rest else "")
                if letter in "cm":
                    return Program(f"-{letter}", value, tuple(rest))
                break
    if rest and rest[0] == "--":
        del rest[0]
    return Program("", "" if not rest or rest[0] == "-" else rest[0], tuple(rest[1:]))
