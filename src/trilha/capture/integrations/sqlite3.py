"""sqlite3: databases of programs that know nothing of Trilha, where the user asks for it.

Set ``TRILHA_DATABASES`` to patterns of files (``*.db``, several with ``:`` between them; ``1`` for all), and
`sqlite3.connect` gives connections of `trilha.capture.database` for them. It is not done unasked, since the
versions of tables are kept in a table of the database itself. Calls with a ``factory`` of their own are left
as they are, and so are databases in memory and those of Trilha's store.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["VARIABLE", "begin", "end"]

VARIABLE: Final = "TRILHA_DATABASES"
_FACTORY_PLACE: Final = 4
_undo: list[tuple[Recorder, Callable[[], None]]] = []


def begin(recorder: Recorder, library: Any) -> None:
    """Have `sqlite3.connect` give connections that say what happens through them, where that is asked for."""
    patterns = [one for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]
    if not patterns:
        return
    for module in (library, sys.modules.get("sqlite3.dbapi2")):
        connect = getattr(module, "connect", None)
        if connect is not None:
            wrapped = _connecting(recorder, patterns, connect)
            setattr(module, "connect", wrapped)  # noqa: B010 -- it is no attribute that a type knows of
            _undo.append((recorder, functools.partial(_put_back, module, wrapped, connect)))


def end(recorder: Recorder) -> None:
    """sqlite3 is as it was."""
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()


def _put_back(module: Any, wrapped: Any, original: Any) -> None:
    if getattr(module, "connect", None) is wrapped:
        module.connect = original


def _connecting(recorder: Recorder, patterns: list[str], connect: Any) -> Any:
    @functools.wraps(connect)
    def connect_and_record(database: Any, *rest: Any, **named: Any) -> Any:
        if process.recorder is None or len(rest) > _FACTORY_PLACE or "factory" in named:
            return connect(database, *rest, **named)
        try:
            wanted = _is_wanted(recorder, patterns, database)
        except Exception:
            recorder.failed()
            wanted = False
        if not wanted:
            return connect(database, *rest, **named)
        from trilha.capture.database import Connection

        return connect(database, *rest, factory=Connection, **named)

    return connect_and_record


def _is_wanted(recorder: Recorder, patterns: list[str], database: Any) -> bool:
    if not isinstance(database, (str, bytes)) and not hasattr(type(database), "__fspath__"):
        return False
    text = os.fsdecode(database)
    if text.startswith("file:"):
        text = text.removeprefix("file:").partition("?")[0]
    if text in ("", ":memory:"):
        return False
    path = os.path.abspath(text)
    store = os.path.join(os.path.abspath(recorder.folder), "")
    if path.startswith(store) or os.path.realpath(path).startswith(os.path.realpath(store)):
        return False
    names = (path, os.path.basename(path))
    return any(one == "1" or any(fnmatch(name, one) for name in names) for one in patterns)
