"""`os._exit`, which ends a process without the end of its interpreter.

Forked children end by it, and programs that wait for none of their threads. What they had written last is
recorded only when it is whole, so `begin` puts a stand-in into its place while a run is recorded: it ends the
recording, for which it takes little time, and then calls it.

Source: Python's documentation of `os._exit`: "should normally only be used in the child process after a
fork()".
"""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import own_threads, process
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin"]

_patches: Final = Patches()


def begin(recorder: Recorder, finish: Callable[[int], None]) -> None:
    """Have `finish` called with the exit status when the program calls `os._exit`; until the run ends."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def leave(*given: Any, **named: Any) -> Any:
            status = given[0] if given else named.get("status")
            # A handler of a signal may have interrupted our own code, which is in the midst of something.
            ours = process.recorder is None or _thread.get_ident() in own_threads
            if not ours and isinstance(status, int) and abs(status) < 1 << 31:
                try:
                    finish(status)
                except BaseException:
                    pass  # noqa: S110 -- nothing keeps the program from leaving
            return original(*given, **named)

        return leave

    owners = [sys.modules[one] for one in ("os", os._exit.__module__)]  # the program's
    _patches.replace(recorder, owners, "_exit", make)
    recorder.endings.append(lambda: _patches.end(recorder))
