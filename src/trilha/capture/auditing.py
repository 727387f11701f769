"""Hearing of what the program does with files: Python's audit events (PEP 578), passed on to `Files`.

A hook cannot be taken away again, so it asks first whether anything is being recorded. It hears of
everything that happens in the process, so it asks before that whether the event is one of ours: by
`trilha_audit`, in C, where that is installed (packages/recorder).
"""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet, current, own_threads, process
from trilha.capture.extensions import extension
from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from trilha.capture.files import Files

__all__ = ["hear", "watch"]

_readlink: Final = os.readlink
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_MODULES: Final = (".pyc", ".py", ".so")


def _absolute(path: Any, folder: Any = -1) -> str | None:
    """The path that a file function was given, as an absolute one; None if it is no path (a descriptor).

    Args:
        path: as it was given.
        folder: descriptor of the folder that it is relative to; -1 or None for the working folder.
    """
    if not isinstance(path, (str, bytes)) and not hasattr(type(path), "__fspath__"):
        return None
    text = os.fsdecode(path)
    if not text:
        return None
    try:
        if type(folder) is int and folder >= 0 and not text.startswith("/"):
            text = os.path.join(_readlink(f"/proc/self/fd/{folder}"), text)
        return os.path.abspath(text)
    except OSError:
        # The working folder is gone.
        pass_on()
        return None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """What Python calls for every audit event of the process."""
    if event not in EVENTS:
        return
    recorder = process.recorder
    if recorder is None or _thread.get_ident() in own_threads:
        return
    try:
        if event == "open" and _is_code(recorder.files, *arguments):
            return
        with Quiet():
            EVENTS[event](recorder.files, *arguments)
    except Exception:
        recorder.failed()


def _is_code(files: Files, path: Any, _mode: Any, flags: Any) -> bool:
    """Whether this is a module of the interpreter or of a package that is read.

    A library opens a thousand of them when it is imported; `Files` would say the same, and take longer. In C,
    most of them are passed over before.
    """
    return (
        type(path) is str
        and path.endswith(_MODULES)
        and path.startswith(files.modules)
        and "/../" not in path
        and not (flags or 0) & _WRITING
    )


def _on_open(files: Files, path: Any, mode: Any, flags: Any) -> None:
    if (
        mode is None
        and isinstance(path, (str, bytes))
        and path[:1] not in ("/", b"/")
        and sys._getframe(2).f_code.co_filename in _WALKERS
    ):
        # `os.open` does not tell of its dir_fd; those that use it to walk over folders open nothing else.
        return
    whole = _absolute(path)
    if whole is not None and ((flags or 0) & _WRITING or not _is_known(files, whole)):
        files.opened(whole, flags or 0)


def _is_known(files: Files, path: str) -> bool:
    """Whether this is a worker, and a sibling of it has recorded that the file is read."""
    recorder = files._recorder
    siblings = recorder.siblings
    return siblings is not None and not recorder.own and siblings.know(recorder, path, current(recorder))


def _on_truncate(files: Files, path: Any, _length: Any) -> None:
    whole = _absolute(path)
    if whole is not None:
        files.opened(whole, os.O_WRONLY)


def _on_rename(
    files: Files, source: Any, target: Any, source_folder: Any = -1, target_folder: Any = -1
) -> None:
    whole, other = _absolute(source, source_folder), _absolute(target, target_folder)
    if whole and other:
        files.moved(whole, other)
        if files.told is not None and "__pycache__" not in whole:
            files.told(whole, True, other)


def _on_remove(files: Files, path: Any, folder: Any = -1) -> None:
    whole = _absolute(path, folder)
    if whole is not None:
        files.moved(whole, None)


def _on_link(
    files: Files, source: Any, target: Any, source_folder: Any = -1, target_folder: Any = -1
) -> None:
    """A file gets one more name: to a trace, what is read under that was written by who made the link."""
    if files.told is not None:
        whole, other = _absolute(source, source_folder), _absolute(target, target_folder)
        if whole and other:
            files.told(whole, False)
            files.told(other, True)


def _on_symlink(files: Files, source: Any, target: Any, folder: Any = -1) -> None:
    files.linked()
    whole = _absolute(target, folder) if files.told is not None else None
    if whole and isinstance(source, (str, bytes)):
        _on_link(files, os.path.join(os.path.dirname(whole), os.fsdecode(source)), whole)


def _on_database(files: Files, database: Any) -> None:
    """SQLite opens files by itself: to a trace, each connection may read what was written by those before."""
    is_path = isinstance(database, (str, bytes)) or hasattr(type(database), "__fspath__")
    if files.told is None or not is_path:
        return
    text, _, options = os.fsdecode(database).partition("?")
    if text.startswith("file:"):
        text = text.removeprefix("file:")
    whole = _absolute(text) if text != ":memory:" and "mode=memory" not in options else None
    if whole is not None:
        files.told(whole, False)
        if "mode=ro" not in options:
            files.told(whole, True)


def _on_copy(files: Files, source: Any, target: Any) -> None:
    whole, other = _absolute(source), _absolute(target)
    if whole and other:
        files.copied(whole, other)


EVENTS: Final[dict[str, Any]] = {
    "open": _on_open,
    "os.truncate": _on_truncate,
    "os.rename": _on_rename,
    "os.remove": _on_remove,
    "os.link": _on_link,
    "os.symlink": _on_symlink,
    "sqlite3.connect": _on_database,
    "shutil.copyfile": _on_copy,
}
_WALKERS: Final = frozenset([os.__file__, os.path.join(os.path.dirname(os.__file__), "shutil.py")])
_watching = _listening = False
_passed: Final[list[tuple[str, ...]]] = []
"""What paths of modules end and begin with, for `trilha_audit`, which looks there at each file."""


def watch(modules: tuple[str, ...] = ()) -> None:
    """Hear of every file that this process opens, from now on until its end.

    Args:
        modules: what the paths of modules begin with that need not be heard of when they are read.
    """
    global _watching
    _passed[:] = [_MODULES, modules]
    if not _watching:
        _watching = True
        _listen(EVENTS)


def hear(events: Mapping[str, Callable[..., None]]) -> None:
    """Hear of further events.

    Args:
        events: what is called with the `Files` of this process's recorder and the event's arguments, by the
            event's name.
    """
    new = [name for name in events if name not in EVENTS]
    EVENTS.update(events)
    if _watching and new:
        _listen(new)


def _listen(names: Iterable[str]) -> None:
    """Have `_hook` called for events of these names, at least."""
    global _listening
    if in_c is not None:
        in_c.hear(_hook, tuple(names), _passed)
    elif not _listening:
        sys.addaudithook(_hook)
    _listening = True


in_c: Any = extension("trilha_audit")
