"""The files that Parsl opens for itself, which are none of the workflow's.

Parsl keeps logs, scripts for queues, checkpoints and the keys of its connections in folders of its own, and
reads them again in its processes: they would be told among the data of the workflow, and the keys be hashed.
What of Parsl opens the files of tasks are its bash apps, for what a command prints, its data providers, which
stage files, and what calls a task's function, which may be one of the standard library's. Keys are written
and read by PyZMQ for it. Tested on Parsl 2026.10.26.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from trilha.capture.openers import Opener, openers
from trilha.capture.places import programs

__all__ = ["leave_out_own_files"]

_TASKS: Final = (
    *("app/", "data_provider/", "executors/execute_task.py", "executors/flux/execute_parsl_task.py"),
    *("executors/taskvine/exec_parsl_function.py", "executors/workqueue/exec_parsl_function.py"),
    *("executors/workqueue/parsl_coprocess.py", "monitoring/remote.py"),
)
"""Where Parsl opens the files of tasks, or calls their functions."""


def leave_out_own_files(library: Any) -> Callable[[], None]:
    """Have what Parsl opens for itself left out until what is given back is called."""
    folder = os.path.dirname(os.path.abspath(library.__file__))
    opener = Opener(
        code=(os.path.join(folder, ""), *programs()),
        users=tuple(os.path.join(folder, *name.split("/")) for name in _TASKS),
        helpers=(os.path.join(os.path.dirname(folder), "zmq", "auth", ""),),
    )
    openers[opener] = None
    return lambda: openers.pop(opener, None)
