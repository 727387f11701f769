"""The files that the program reads and writes, whoever opens them on its behalf.

Python tells an audit hook of every `open` (PEP 578), before it happens. What is read is recorded at once,
if it is there and may be read; what is written is recorded when it is whole: when it is read or opened
again by another activity, when the step ends in which it was opened, when it has been closed for a while,
or at the end of the run. A rename or a removal is believed when the file is found to be elsewhere or gone.
A hook cannot be taken away again, so it asks first whether anything is being recorded.

Files are told apart by their real paths and by their inodes, so that a file that is reached by a symbolic
or hard link is one entity. The interpreter's and the installed packages' own files are left out. A data set
that a package ships, and that the program loads, is recorded as a part of that package.
"""

from __future__ import annotations

import _thread
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from trilha.capture.auditing import watch
from trilha.capture.context import Activity, current
from trilha.capture.digests import CLOCK_TICK_S, Digest, stamp
from trilha.capture.filed import Met, Move, Writing
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.openers import opened_by_engine, openers
from trilha.capture.places import (
    caches,
    condition,
    importing,
    inode,
    installed,
    is_data,
    is_kernels,
    may_be_opened,
    may_be_read,
    moment,
    open_inodes,
    path_text,
    regular,
    status_of,
)
from trilha.capture.unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from trilha.capture.recorder import Recorder

__all__ = ["Files", "path_text", "watch"]

_WRITING: Final = os.O_WRONLY | os.O_RDWR
_FILE: Final = literal_name("trilha:File")
_REVISION: Final = literal_name("prov:Revision")
_TICK_NS: Final = int(CLOCK_TICK_S * 1e9)
_QUIET_S: Final = 0.5
"""A file that has been closed for so long is taken for whole; each further time, after twice as long."""
_MOST_PATIENCE: Final = 10
_MOST_SWEPT: Final = 256
_OTHER_CLOCK_NS: Final = 1_000_000_000
"""A file that changed so long before it was opened has its times from another clock: a file server's, say."""
_HASH_S: Final = 20.0
"""For so long, after the end of the program, files are hashed that have not been."""

# The program may put others in their places.
_lstat, _readlink = os.lstat, os.readlink


class Files:
    """The files of one run, in one process.

    Args:
        recorder: what records them.

    Attributes:
        distributions: IRI of the package behind each folder of site-packages that was asked for; empty
        where none is. hash_until: on the clock `time.monotonic`; 0 while the program runs. locked: what
        could not be hashed because the program has locked it. modules: what the paths of the interpreter's
        and the packages' modules begin with. told: takes the path of each file that the program opens, and
        whether it may write it.
    """

    # `trilha_calls` asks at the end of each call whether any is being written.
    __slots__ = ("__dict__", "__weakref__", "_writing")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._met: dict[str, Met] = {}
        self._inodes: dict[tuple[int, ...], Met] = {}
        self._writing: dict[str, Writing] = {}
        self._unfinished = Unfinished()
        self._moves: list[Move] = []
        self._copies: dict[str, str] = {}
        self._patience: dict[str, int] = {}
        self._folders: dict[str, str] = {}
        self._folders_until = 0.0
        self._next_sweep = 0.0
        self._lock = _thread.RLock()
        own = os.path.abspath(recorder.folder)
        self._own: tuple[str, ...] = (os.path.join(own, ""), os.path.join(os.path.realpath(own), ""))
        self._interpreter, self._packages = installed()
        self.modules = (*self._packages, *self._interpreter)
        self._libraries = (*self._packages, *caches())
        self.distributions: dict[str, str] = {}
        self.hash_until = 0.0
        self.locked: list[Digest] = []
        self.told: Callable[..., None] | None = None

    # -- what the audit hook tells
    # ------------------------------------------------------------------------------

    def opened(self, path: str, flags: int) -> None:
        """The program is about to open `path`."""
        if not self._matters(path) or (openers and opened_by_engine()):
            return
        if "__pycache__" in path or path.endswith(".pyc"):
            # Compiled code stands for its source, and is nothing that a program makes.
            folder, name = os.path.split(path)
            if flags & _WRITING or os.path.basename(folder) != "__pycache__":
                return
            path = os.path.join(os.path.dirname(folder), name.partition(".")[0] + ".py")
        activity = current(self._recorder)
        now = time.time_ns()
        if flags & _WRITING:
            self._open_to_write(path, flags, activity, now)
        elif not path.startswith(self._libraries) or not importing():
            if self.read(path, activity, now) is None:
                return
        else:
            return
        if self.told is not None:
            self.told(path, bool(flags & _WRITING))

    def pass_over(self, folder: str) -> None:
        """What lies in a folder is no affair of the program's: IPython's history, say."""
        self._own += tuple(
            os.path.join(one, "") for one in (os.path.abspath(folder), os.path.realpath(folder))
        )

    def _matters(self, path: str) -> bool:
        """Whether `path` is neither ours, nor the kernel's, nor a part of the interpreter or of a package."""
        if path.startswith(self._own) or is_kernels(path):
            return False
        if path.startswith(self._packages):
            return is_data(path)
        return not path.startswith(self._interpreter)

    def read(self, path: str, activity: Activity, now: int, role: str = "") -> int | None:
        """Record that `activity` reads `path`; gives the file's entity, None if there is no such file.

        What has been read before is told again only in a role.
        """
        with self._lock:
            self._catch_up()
            real = self._real(path)
            status = regular(real)
            if status is None or not may_be_read(real) or (real != path and not self._matters(real)):
                return None
            self._whole(real, status)
            met = self._version(real, status, path)
            if role or met.entity not in activity.used:
                self._unfinished.look(self._writing, now)
                how = ("prov:role", role) if role else ()
                activity.used[met.entity] = self._recorder.used(activity.identifier, met.entity, now, *how)
            return met.entity

    def entity_at(self, path: str) -> int | None:
        """The entity of the file that is at `path` now, whoever reads or writes it; None if there is none."""
        with self._lock:
            self._catch_up()
            real = self._real(path)
            status = regular(real)
            if status is None:
                return None
            self._whole(real, status)
            return self._version(real, status, path).entity

    def _whole(self, real: str, status: os.stat_result) -> None:
        """Take what was written to `real` so far, if anything was, for whole."""
        pending = self._writing.get(real)
        if pending is not None:
            self._written(real, status)
            if status.st_ino in open_inodes():
                self._go_on(real, pending)

    def _go_on(self, real: str, pending: Writing) -> None:
        """What has been recorded just now is still open for writing."""
        again = Writing(pending.activity, time.time_ns(), condition(regular(real)), pending.path)
        again.exact = True
        again.until = pending.until
        again.holds = pending.holds
        self._writing[real] = again

    def _version(self, real: str, status: os.stat_result, path: str, *, new: bool = False) -> Met:
        """The file at `real` as it is now; a new entity if it is not as it was, or if it must be `new`."""
        mark = stamp(status)
        met = self._met.get(real)
        if met is None or met.stamp != mark:
            met = self._inodes.get(mark[:2])
        if met is None or met.stamp != mark or (new and met.generation is not None):
            entity = next(self._recorder.numbers)
            met = Met(entity, mark, Digest(self._recorder, entity, real, mark), path)
            self._state(met.entity, path, status)
            met.digest.later()
        elif path not in met.paths:
            self._name(met, path)
        self._met[real] = self._inodes[mark[:2]] = met
        return met

    def _state(self, entity: int, path: str, status: os.stat_result) -> None:
        text = path_text(path)
        self._recorder.entity(
            entity,
            *("prov:type", _FILE, "prov:label", os.path.basename(text), "trilha:path", text),
            *("trilha:size", status.st_size, "trilha:modified", moment(status.st_mtime)),
        )
        if path.startswith(self._packages):
            owner = self._owner(path)
            if owner:
                self._recorder.member(owner, entity)

    def _name(self, met: Met, path: str) -> None:
        """State one more path of a file."""
        met.paths.add(path)
        text = path_text(path)
        self._recorder.entity(met.entity, "trilha:path", text, "prov:label", os.path.basename(text))

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
            self._catch_up()
            real = self._real(path)
            if real != path and not self._matters(real):
                return
            status = status_of(real)
            if not may_be_opened(real, status, flags):
                return
            pending = self._writing.get(real)
            if pending is not None:
                if pending.activity is activity and pending.until is None:
                    # What was there in between, nobody has seen.
                    if flags & os.O_TRUNC:
                        pending.holds = {}
                    return
                if status is not None:
                    self._written(real, status)
            if status is not None and not flags & os.O_TRUNC and (status.st_size or real in self._met):
                # Opened to change or to append: what was there before goes into what will be.
                self.read(path, activity, now)
            met = self._met.get(real)
            if met is not None:
                met.digest.stale = True
            writing = self._writing[real] = Writing(activity, now, condition(status), path)
            writing.source = self._met.get(self._copies.pop(real, ""))

    # -- what was written
    # ---------------------------------------------------------------------------------------

    def _written(self, real: str, status: os.stat_result) -> Met | None:
        """Record what was written to `real`, if it was; gives the file as it is now, where it is known."""
        writing = self._writing.pop(real)
        met = self._met.get(real)
        # Equal states prove nothing within a tick of the clock.
        old = writing.exact or status.st_ctime_ns < writing.at - _TICK_NS
        if old and writing.before is not None and writing.before == condition(status):
            if met is not None:
                met.digest.trust()
            return met
        return self._generated(real, writing, status)

    def _generated(self, real: str, writing: Writing, status: os.stat_result) -> Met:
        recorder, activity = self._recorder, writing.activity
        before = self._met.get(real)
        if before is not None:
            before.digest.give_up()
        met = self._version(real, status, writing.path, new=True)
        # A file is generated when it is whole: at its last change, within the time of the activity that
        # opened it. The file system's clock is behind by a tick, in which inputs may have been read.
        until = writing.until or time.time_ns()
        at = min(max(writing.at, status.st_mtime_ns, self._unfinished.until(real, status)), until)
        if status.st_ctime_ns < writing.at - _OTHER_CLOCK_NS:
            at = until
        role = activity.role_of(real, writing.path)
        how = ("prov:role", role) if role else ()
        met.generation, met.by = recorder.generated(met.entity, activity.identifier, at, *how), activity
        if before is not None and before is not met and before.entity in activity.used:
            revised = (
                met.entity,
                before.entity,
                activity.identifier,
                met.generation,
                activity.used[before.entity],
            )
            recorder.derived(*revised, "prov:type", _REVISION)
        source = writing.source
        if source is not None and source is not met:
            usage = activity.used.get(source.entity)
            if usage is not None:
                recorder.derived(met.entity, source.entity, activity.identifier, met.generation, usage)
        self._derive(met, writing.holds)
        return met

    def _derive(self, met: Met, holds: dict[int | str, int | None]) -> None:
        """State that a file that was written was derived from what it holds."""
        for entity, usage in holds.items():
            how = (met.by.identifier, met.generation, usage) if met.by and usage is not None else ()
            self._recorder.derived(met.entity, entity, *how)

    def filled(self, path: str, activity: Activity, now: int, holds: dict[int | str, int]) -> None:
        """Record that `activity` wrote known entities to `path`, each with its usage by that.

        Args:
            path: of the file.
            activity: that wrote them.
            now: when it began to, in nanoseconds since 1970-01-01 UTC.
            holds: the entities, and the identifiers of their usages.
        """
        with self._lock:
            self._catch_up()
            real = self._real(path)
            pending = self._writing.get(real)
            if pending is not None:
                # It is stated once the file is whole.
                mine = pending.activity is activity
                pending.holds = {**pending.holds, **(holds if mine else dict.fromkeys(holds))}
                return
            status = regular(real)
            if status is None or (real != path and not self._matters(real)) or not self._matters(path):
                return
            met = self._met.get(real)
            if met is None or met.generation is None or met.stamp != stamp(status):
                # A library opened it without telling Python.
                met = self._generated(real, Writing(activity, now, None, path), status)
            self._derive(met, {**holds} if met.by is activity else dict.fromkeys(holds))

    def met(self, status: os.stat_result) -> int | None:
        """The entity of the file that has this status, where it is known as it is."""
        met = self._inodes.get((status.st_dev, status.st_ino))
        return met.entity if met is not None and met.stamp == stamp(status) else None

    def produce(self, path: str, activity: Activity, now: int) -> int | None:
        """Record that `activity` wrote `path`, which is there and whole; gives the file's entity."""
        with self._lock:
            self._catch_up()
            real = self._real(path)
            status = regular(real)
            if status is None:
                return None
            pending = self._writing.pop(real, None)
            met = self._met.get(real)
            if (
                met is not None
                and pending is None
                and met.stamp == stamp(status)
                and met.generation is not None
            ):
                return met.entity
            writing = Writing(activity, pending.at if pending else now, None, path)
            if pending is not None:
                mine = pending.activity is activity
                writing.holds = pending.holds if mine else dict.fromkeys(pending.holds)
            entity = self._generated(real, writing, status).entity
            if pending is not None and status.st_ino in open_inodes():
                self._go_on(real, pending)
            return entity

    def settle(self, activity: Activity, now: int) -> None:
        """A step is about to end: record what was written in it and is closed."""
        if not self._writing:
            return
        with self._lock:
            self._catch_up()
            mine = [(real, one) for real, one in list(self._writing.items()) if one.activity is activity]
            still_open = open_inodes() if mine else set()
            for real, writing in mine:
                writing.until = now
                self._close(real, still_open)

    def _close(self, real: str, still_open: set[int]) -> bool:
        """Record what was written to `real`, unless it is still open; forget it, if it is gone."""
        status = regular(real)
        if status is None:
            self._writing.pop(real, None)
        elif status.st_ino not in still_open:
            self._written(real, status)
            return True
        return False

    def sweep(self) -> None:
        """Record what was written and has been closed for a while, lest a killed process lose it."""
        began = time.monotonic()
        if not self._writing or began < self._next_sweep:
            return
        with self._lock:
            self._catch_up()
            quiet = {}
            for real in list(self._writing)[:_MOST_SWEPT]:
                status = status_of(real)
                patience = _QUIET_S * 2 ** min(_MOST_PATIENCE, self._patience.get(real, 0))
                if (
                    status is not None
                    and time.time() - max(status.st_mtime, self._writing[real].at / 1e9) > patience
                ):
                    quiet[real] = status
            still_open = open_inodes() if quiet else set()
            for real in quiet:
                if self._close(real, still_open):
                    self._patience[real] = self._patience.get(real, 0) + 1
        ended = time.monotonic()
        self._next_sweep = ended + max(_QUIET_S, 20 * (ended - began))

    def finish(self) -> None:
        """Record all that was written and not yet recorded. From now on, hashing has a deadline."""
        with self._lock:
            self._catch_up(last=True)
            for real in list(self._writing):
                status = regular(real)
                if status is not None:
                    self._written(real, status)
                elif real in self._met:
                    self._met[real].digest.give_up()
        try:
            seconds = float(os.environ.get("TRILHA_HASH_SECONDS", ""))
        except ValueError:
            pass_on()
            seconds = _HASH_S
        self.hash_until = time.monotonic() + seconds
        for digest in self.locked:
            digest.later()

    def script(self, path: str, now: int) -> str | None:
        """Record that the run follows the script `path`; gives the IRI of its content, which is its plan."""
        import hashlib

        path = os.path.abspath(path)
        used = self._recorder.run.used
        entity = self.read(path, self._recorder.run, now)
        if entity is not None:
            # What the run makes follows the script; it is not derived from it.
            used.pop(entity, None)
        try:
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            pass_on()
            return None
        content = f"sha256:{digest}"
        self._recorder.entity(
            *(
                content,
                "prov:type",
                literal_name("prov:Plan"),
                "prov:label",
                os.path.basename(path_text(path)),
            )
        )
        if entity is not None:
            self._recorder.specialized(entity, content)
        self._recorder.plans["script", path] = content
        return content

    def generation_at(self, path: str, activity: Activity) -> int | None:
        """Identifier of the generation of the file last recorded at `path`, if `activity` wrote it."""
        met = self._met.get(self._real(path))
        return met.generation if met is not None and met.by is activity else None

    # -- what moved
    # ---------------------------------------------------------------------------------------------

    def copied(self, source: str, target: str) -> None:
        """The program is about to copy the content of a file into another."""
        with self._lock:
            if len(self._copies) < 4096:
                self._copies[self._real(target)] = self._real(source)

    def linked(self) -> None:
        """The program is about to make a symbolic link: what is known of folders may no longer hold."""
        self._folders.clear()

    def moved(self, source: str, target: str | None) -> None:
        """The program is about to rename a file or folder, or, without a target, to remove it."""
        with self._lock:
            self._catch_up()
            source = self._real(source, follow=False)
            try:
                status = _lstat(source)
            except (OSError, ValueError):
                pass_on()
                return
            if source in self._met or source in self._writing or stat.S_ISDIR(status.st_mode):
                if target is not None:
                    target = self._real(target, follow=False)
                self._moves.append(Move(source, target, status, current(self._recorder)))
            self._folders.clear()

    def _catch_up(self, *, last: bool = False) -> None:
        """Follow the renames and removals that have happened by now."""
        if not self._moves:
            return
        moves, self._moves = self._moves, []
        me = _thread.get_ident()
        for move in moves:
            happened = inode(move.source) != move.inode
            if move.target is not None:
                happened = inode(move.target) == move.inode and happened
            if happened:
                self._follow(move)
            elif not last and move.thread != me and time.monotonic() < move.until:
                # Its thread is still at it. (One that has come here has either done it or failed.)
                self._moves.append(move)

    def _follow(self, move: Move) -> None:
        source, target = move.source, move.target
        folder = os.path.join(source, "")
        for table in (self._writing, self._met):
            for path in [path for path in table if path == source or path.startswith(folder)]:
                if target is None:
                    self._removed(path, move)
                else:
                    self._renamed(path, target + path[len(source) :])

    def _renamed(self, source: str, target: str) -> None:
        """What was written under one name is found under the other."""
        replaced = self._met.pop(target, None)
        if replaced is not None:
            replaced.digest.give_up()
        self._writing.pop(target, None)
        writing = self._writing.pop(source, None)
        self._unfinished.renamed(source, target)
        met = self._met.pop(source, None)
        if writing is not None:
            writing.before = (
                None if writing.before is None else condition(regular(target)) if met else writing.before
            )
            writing.path = target
            self._writing[target] = writing
        if met is not None:
            self._met[target] = met
            met.digest.path = target
            if writing is None:
                self._name(met, target)

    def _removed(self, path: str, move: Move) -> None:
        self._writing.pop(path, None)
        met = self._met.pop(path, None)
        if met is None:
            return
        others = [other for other, one in self._met.items() if one is met] if move.links > 1 else []
        if others:
            met.digest.path = others[0]
        elif move.links <= 1:
            self._inodes.pop(met.stamp[:2], None)
            self._recorder.invalidated(met.entity, move.activity.identifier, move.at)

    def forget_writing(self) -> None:
        """In a forked child: what was open for writing is the parent's."""
        self._lock = _thread.RLock()
        self._writing.clear()
        self._unfinished.clear()
        self._moves.clear()
        self._copies.clear()
        self.locked.clear()

    # -- paths
    # --------------------------------------------------------------------------------------------------

    def _real(self, path: str, *, follow: bool = True) -> str:
        """`path` without symbolic links, one at its end only if `follow`; folders are known for a second."""
        folder, name = os.path.split(path)
        now = time.monotonic()
        if now > self._folders_until or len(self._folders) > 4096:
            self._folders.clear()
            self._folders_until = now + 1.0
        try:
            real = self._folders.get(folder)
            if real is None:
                real = self._folders[folder] = os.path.realpath(folder)
            path = os.path.join(real, name)
            if follow:
                _readlink(path)
                path = os.path.realpath(path)
        except (OSError, ValueError):
            pass_on()  # no symbolic link, or no path at all
        return path
