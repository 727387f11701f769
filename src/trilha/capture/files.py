"""The files that the program reads and writes, whoever opens them on its behalf.

Python tells an audit hook of every `open` (PEP 578), before it happens. What is read is recorded at once, if it
is there and may be read; what is written is recorded when it is there: when it is hashed, renamed, read again, or
at the end. A hook cannot be taken away again, so it asks first whether anything is being recorded.

The interpreter's and the installed packages' own files are left out. A data set that a package ships, and that
the program loads, is recorded as a part of that package.
"""

from __future__ import annotations

import _thread
import os
import stat
import sys
import sysconfig
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, Quiet, current, own_threads, process
from trilha.capture.digests import digest_later, stamp
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Files", "path_text", "watch"]

_WRITING: Final = os.O_WRONLY | os.O_RDWR
_FILE: Final = literal_name("trilha:File")
_CODE: Final = (".py", ".pyc", ".pyi", ".so", ".pyd", ".dll", ".dylib", ".pth", ".typed", ".h", ".cu", ".egg-link")
_TABLES: Final = (".csv", ".tsv", ".npy", ".npz", ".parquet", ".arff", ".mat", ".h5", ".hdf5", ".feather", ".rda")
_DATA_FOLDERS: Final = frozenset(["data", "dataset", "datasets", "corpora", "samples", "sample_data", "images"])
_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")


class _Met:
    """A file as it was at one time.

    Attributes:
        entity: number of its entity.
        stamp: what told one content from the next: device, inode, size and time of change.
        generation: identifier of its generation, where the run wrote it.
    """

    __slots__ = ("entity", "generation", "stamp")

    def __init__(self, entity: int, stamp: tuple[int, ...] | None) -> None:
        self.entity = entity
        self.stamp = stamp
        self.generation: int | None = None


class _Writing:
    """A file that was opened for writing and not yet recorded."""

    __slots__ = ("activity", "at", "before")

    def __init__(self, activity: Activity, at: int, before: tuple[int, ...] | None) -> None:
        self.activity = activity
        self.at = at
        self.before = before


class Files:
    """The files of one run, in one process.

    Args:
        recorder: what records them.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._met: dict[str, _Met] = {}
        self._writing: dict[str, _Writing] = {}
        self._lock = _thread.RLock()
        self._own = os.path.join(os.path.abspath(recorder.folder), "")
        self._interpreter, self._packages = _installed()
        self.distributions: dict[str, str] = {}

    # -- what the audit hook tells ------------------------------------------------------------------------------

    def opened(self, path: str, flags: int) -> None:
        """The program is about to open `path`."""
        if path.startswith(self._own) or path.startswith(("/proc/", "/sys/", "/dev/")):
            return
        package = path.startswith(self._packages)
        if (package and not _is_data(path)) or (not package and path.startswith(self._interpreter)):
            return
        activity = current(self._recorder)
        now = time.time_ns()
        if flags & _WRITING:
            self._open_to_write(path, flags, activity, now)
        elif not package or not _importing():
            self.read(path, activity, now)

    def read(self, path: str, activity: Activity, now: int) -> int | None:
        """Record that `activity` reads `path`; gives the file's entity, None if there is no such file."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
            return None
        with self._lock:
            if path in self._writing:
                self.written(path)
            met = self._version(path, status)
            if met.entity not in activity.used:
                activity.used[met.entity] = self._recorder.used(activity.identifier, met.entity, now)
            return met.entity

    def _version(self, path: str, status: os.stat_result) -> _Met:
        """The file at `path` as it is now; a new entity if it is not as it was."""
        mark = stamp(status)
        met = self._met.get(path)
        if met is None or met.stamp != mark:
            met = _Met(next(self._recorder.numbers), mark)
            self._met[path] = met
            self._state(met.entity, path, status)
            digest_later(self._recorder, met.entity, path, mark)
        return met

    def _state(self, entity: int, path: str, status: os.stat_result) -> None:
        text = path_text(path)
        self._recorder.entity(
            entity,
            *("prov:type", _FILE, "prov:label", os.path.basename(text), "trilha:path", text),
            *("trilha:size", status.st_size, "trilha:modified", datetime.fromtimestamp(status.st_mtime, UTC)),
        )
        if path.startswith(self._packages):
            owner = self._owner(path)
            if owner:
                self._recorder.member(owner, entity)

    def _owner(self, path: str) -> str:
        """IRI of the package that ships the file `path`."""
        from trilha.capture.packages import owner_of

        folder = next(root for root in self._packages if path.startswith(root))
        name = path[len(folder) :].partition(os.sep)[0]
        if name not in self.distributions:
            self.distributions[name] = owner_of(name, self._recorder) or ""
        return self.distributions[name]

    def _open_to_write(self, path: str, flags: int, activity: Activity, now: int) -> None:
        with self._lock:
            try:
                status: os.stat_result | None = os.stat(path)
            except OSError:
                status = None
            if status is not None and not stat.S_ISREG(status.st_mode):
                return
            if path in self._writing:
                self.written(path)
            elif status is not None and not flags & os.O_TRUNC and (status.st_size or path in self._met):
                # Opened to change or to append: what was there before goes into what will be.
                self.read(path, activity, now)
            unchanged = stamp(status) if status and not flags & os.O_TRUNC else None
            self._writing[path] = _Writing(activity, now, unchanged)

    def written(self, path: str) -> int | None:
        """Record what was written to `path`, if it was; gives the file's entity."""
        with self._lock:
            writing = self._writing.pop(path, None)
            try:
                status = os.stat(path)
            except OSError:
                return None
            if writing is None or (writing.before == stamp(status)):
                met = self._met.get(path)
                return met.entity if met and met.stamp == stamp(status) else None
            return self._generated(path, writing.activity, writing.at, status).entity

    def produce(self, path: str, activity: Activity, now: int) -> int | None:
        """Record that `activity` wrote `path`, which is there and whole; gives the file's entity."""
        with self._lock:
            writing = self._writing.pop(path, None)
            try:
                status = os.stat(path)
            except OSError:
                return None
            met = self._met.get(path)
            if met is not None and met.stamp == stamp(status) and met.generation is not None:
                return met.entity
            return self._generated(path, activity, writing.at if writing else now, status).entity

    def _generated(self, path: str, activity: Activity, at: int, status: os.stat_result) -> _Met:
        before = self._met.pop(path, None)
        met = self._version(path, status)
        # A file is generated when it is whole: at its last change, but not before it was opened.
        met.generation = self._recorder.generated(met.entity, activity.identifier, max(at, status.st_mtime_ns))
        if before is not None and before.entity in activity.used:
            self._recorder.derived(
                *(met.entity, before.entity, activity.identifier, met.generation, activity.used[before.entity]),
                *("prov:type", literal_name("prov:Revision")),
            )
        return met

    def script(self, path: str, now: int) -> str | None:
        """Record that the run follows the script `path`; gives the IRI of its content, which is its plan."""
        import hashlib

        path = os.path.abspath(path)
        entity = self.read(path, self._recorder.run, now)
        try:
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            return None
        content = f"sha256:{digest}"
        self._recorder.entity(
            *(content, "prov:type", literal_name("prov:Plan"), "prov:label", os.path.basename(path_text(path)))
        )
        if entity is not None:
            self._recorder.specialized(entity, content)
        return content

    def generation_at(self, path: str) -> int | None:
        """Identifier of the generation of the file that was last recorded at `path`, where the run wrote it."""
        met = self._met.get(path)
        return met.generation if met else None

    def renamed(self, source: str, target: str) -> None:
        """The program is about to rename a file: what was written under one name is found under the other."""
        with self._lock:
            writing = self._writing.pop(source, None)
            met = self._met.pop(source, None)
            if writing is not None:
                writing.before = None
                self._writing[target] = writing
                self._met.pop(target, None)
            elif met is not None:
                self._met[target] = met
                text = path_text(target)
                self._recorder.entity(met.entity, "trilha:path", text, "prov:label", os.path.basename(text))

    def removed(self, path: str) -> None:
        """The program is about to remove a file."""
        with self._lock:
            if self._writing.pop(path, None) is None and path not in self._met:
                return
            met = self._met.pop(path, None)
            if met is not None:
                activity = current(self._recorder)
                self._recorder.invalidated(met.entity, activity.identifier, time.time_ns())

    def finish(self) -> None:
        """Record all that was written and not yet recorded."""
        for path in list(self._writing):
            self.written(path)

    def forget_writing(self) -> None:
        """In a forked child: what was open for writing is the parent's."""
        self._writing.clear()
        self._lock = _thread.RLock()


def _installed() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of the interpreter, and of installed packages, each with a separator at its end."""
    paths = sysconfig.get_paths()
    packages = {paths["purelib"], paths["platlib"], *(p for p in sys.path if p.endswith(("site-packages", "dist-packages")))}
    interpreter = {paths["stdlib"], paths["platstdlib"], os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
    if sys.prefix != "/usr":
        interpreter |= {os.path.join(sys.prefix, "lib"), os.path.join(sys.base_prefix, "lib")}
    interpreter |= {os.path.join(sys.prefix, "pyvenv.cfg"), "/usr/share/zoneinfo", "/etc/ssl", "/usr/lib/ssl"}
    with_link = {os.path.realpath(folder) for folder in packages | interpreter}

    def ended(folders: set[str]) -> tuple[str, ...]:
        return tuple(sorted({folder if folder.endswith(".cfg") else os.path.join(folder, "") for folder in folders if folder}))

    real_packages = packages | {os.path.realpath(folder) for folder in packages}
    return ended(interpreter | (with_link - real_packages)), ended(real_packages)


def _is_data(path: str) -> bool:
    """Whether a file of an installed package looks like a data set rather than a part of the program."""
    name = path.lower()
    if name.endswith(_CODE) or ".dist-info" in name or ".egg-info" in name:
        return False
    plain = name
    for suffix in _COMPRESSED:
        plain = plain.removesuffix(suffix)
    return plain.endswith(_TABLES) or bool(_DATA_FOLDERS & set(name.split(os.sep)[:-1]))


def _importing() -> bool:
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


def _absolute(path: Any) -> str | None:
    """The path that a file function was given, as an absolute one; None if it is no path (a descriptor)."""
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    elif not isinstance(path, str):
        if not hasattr(path, "__fspath__"):
            return None
        path = os.fsdecode(os.fspath(path))
    return os.path.abspath(path) if path else None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """What Python calls for every audit event of the process."""
    if event not in _EVENTS:
        return
    recorder = process.recorder
    if recorder is None or _thread.get_ident() in own_threads:
        return
    try:
        with Quiet():
            if event == "open":
                path = _absolute(arguments[0])
                if path is not None:
                    recorder.files.opened(path, arguments[2] or 0)
            elif event == "os.rename":
                source, target = _absolute(arguments[0]), _absolute(arguments[1])
                if source and target:
                    recorder.files.renamed(source, target)
            else:
                path = _absolute(arguments[0])
                if path is not None:
                    recorder.files.removed(path)
    except Exception:
        recorder.failed()


_EVENTS: Final = frozenset(["open", "os.rename", "os.remove"])
_watching = False


def watch() -> None:
    """Hear of every file that this process opens, from now on until its end."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_hook)
