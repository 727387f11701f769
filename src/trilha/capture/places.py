"""Places: which files are the program's own affair, and what their paths, states and descriptors tell."""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from datetime import UTC, datetime
from typing import Final

from trilha.capture.digests import stamp
from trilha.capture.interrupts import pass_on

__all__ = [
    "command_text",
    "condition",
    "importing",
    "inode",
    "installed",
    "is_data",
    "is_kernels",
    "may_be_opened",
    "may_be_read",
    "moment",
    "open_inodes",
    "path_text",
    "programs",
    "regular",
    "status_of",
    "working_folder",
]

# The program may put another in its place.
_access: Final = os.access
_effective: Final = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
_NEW: Final = os.O_CREAT | os.O_EXCL
_CODE: Final = (
    ".py",
    ".pyc",
    ".pyi",
    ".so",
    ".pyd",
    ".dll",
    ".dylib",
    ".pth",
    ".typed",
    ".h",
    ".cu",
    ".egg-link",
)
_TABLES: Final = (
    ".csv",
    ".tsv",
    ".npy",
    ".npz",
    ".parquet",
    ".arff",
    ".mat",
    ".h5",
    ".hdf5",
    ".feather",
    ".rda",
)
_DATA_FOLDERS: Final = frozenset(
    ["data", "dataset", "datasets", "corpora", "samples", "sample_data", "images"]
)
_PROGRAMS: Final = ("interchange.py", "process_worker_pool.py")
"""Modules that are installed as programs, too: Parsl's."""
_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")
_KERNEL: Final = ("/proc/", "/sys/", "/dev/")

# The program may put others in their places.
_stat, _lstat, _fstat = os.stat, os.lstat, os.fstat


def is_kernels(path: str) -> bool:
    """Whether `path` is a device or a view into the kernel rather than a file."""
    return path.startswith(_KERNEL) and not path.startswith("/dev/shm/")  # noqa: S108 -- files of the program may lie there


def installed() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of the interpreter, and of installed packages, each with a separator at its end."""
    paths = sysconfig.get_paths()
    packages = {
        paths["purelib"],
        paths["platlib"],
        *(p for p in sys.path if p.endswith(("site-packages", "dist-packages"))),
    }
    interpreter = {
        paths["stdlib"],
        paths["platstdlib"],
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    }
    if sys.prefix != "/usr":
        interpreter |= {os.path.join(sys.prefix, "lib"), os.path.join(sys.base_prefix, "lib")}
    interpreter |= {os.path.join(sys.prefix, "pyvenv.cfg"), "/usr/share/zoneinfo", "/etc/ssl", "/usr/lib/ssl"}
    interpreter |= {*programs()}
    with_link = {os.path.realpath(folder) for folder in packages | interpreter}

    def ended(folders: set[str]) -> tuple[str, ...]:
        return tuple(
            sorted(
                {
                    folder if folder.endswith((".cfg", ".py")) else os.path.join(folder, "")
                    for folder in folders
                    if folder
                }
            )
        )

    real_packages = packages | {os.path.realpath(folder) for folder in packages}
    return ended(interpreter | (with_link - real_packages)), ended(real_packages)


def programs() -> tuple[str, ...]:
    """Paths of the programs that packages install, where they are copies of modules."""
    return tuple(os.path.join(sysconfig.get_path("scripts"), name) for name in _PROGRAMS)


def caches() -> tuple[str, ...]:
    """Folders in which libraries keep what they have found out about the machine (its fonts, say)."""
    home = os.environ.get("XDG_CACHE_HOME", "") or os.path.expanduser("~/.cache")
    return (os.path.join(home, "matplotlib", ""),)


def is_data(path: str) -> bool:
    """Whether a file of an installed package looks like a data set rather than a part of the program."""
    name = path.lower()
    if name.endswith(_CODE) or ".dist-info" in name or ".egg-info" in name:
        return False
    plain = name
    for suffix in _COMPRESSED:
        plain = plain.removesuffix(suffix)
    return plain.endswith(_TABLES) or bool(_DATA_FOLDERS & set(name.split(os.sep)[:-1]))


def importing() -> bool:
    """Whether the calling thread is in the middle of an import: then a package reads its own settings."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib._bootstrap"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def path_text(path: str) -> str:
    """`path` as text that every document can hold: bytes that are no UTF-8 are percent-encoded."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in path)
    return path


def command_text(words: list[str]) -> str:
    """A command as one would type it."""
    import shlex

    return path_text(shlex.join(words))


def working_folder() -> str:
    """Path of the folder that the process works in; empty if that was deleted."""
    try:
        return os.getcwd()
    except OSError:
        pass_on()
        return ""


def status_of(path: str) -> os.stat_result | None:
    """What is known of the file `path`; None if it is not there."""
    try:
        return _stat(path)
    except (OSError, ValueError):
        pass_on()
        return None


def regular(path: str) -> os.stat_result | None:
    """What is known of the regular file `path`; None if it is anything else."""
    status = status_of(path)
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def may_be_read(real: str) -> bool:
    """Whether the kernel lets this process open `real` to read."""
    return _access(real, os.R_OK, **_effective)


def may_be_opened(real: str, status: os.stat_result | None, flags: int) -> bool:
    """Whether the kernel lets this process open `real` to write; where nothing is seen there, make it."""
    if status is None:
        # In a folder that may not be searched, something may be there all the same.
        folder = os.path.dirname(real)
        return bool(flags & os.O_CREAT) and _access(folder, os.W_OK | os.X_OK, **_effective)
    return stat.S_ISREG(status.st_mode) and flags & _NEW != _NEW and _access(real, os.W_OK, **_effective)


def inode(path: str) -> tuple[int, int] | None:
    """Device and number of the file `path`, links not followed; None if it is not there."""
    try:
        status = _lstat(path)
    except (OSError, ValueError):
        pass_on()
        return None
    return status.st_dev, status.st_ino


def condition(status: os.stat_result | None) -> tuple[int, ...] | None:
    """More than a stamp: also changes when someone sets the time of change back."""
    return (*stamp(status), status.st_ctime_ns) if status is not None else None


def moment(seconds: float) -> datetime:
    """A time that the kernel gave, as an aware `datetime`; 1970 if Python has no such year."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        pass_on()
        return datetime.fromtimestamp(0, UTC)


def open_inodes() -> set[int]:
    """Numbers of the files that this process has open.

    Asks for one descriptor after the other: to list a folder of ``/proc`` would be told to the program's
    own audit hooks.
    """
    found: set[int] = set()
    missing = descriptor = 0
    while missing < 64 and descriptor < 1 << 16:
        try:
            found.add(_fstat(descriptor).st_ino)
            missing = 0
        except OSError:
            pass_on()
            missing += 1
        descriptor += 1
    return found
