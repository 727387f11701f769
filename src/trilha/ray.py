"""Ray's own way to have a program recorded: a runtime environment that says so::

    from trilha.ray import recorded

    ray.init(runtime_env=recorded())

The program is started as ever (``python train.py``), and the graph is that of ``trilha run`` and of
`trilha.autolog`: where one of these records already, nothing is recorded twice. Workers join the run by
Ray's own hook for new workers; they must have Trilha installed, and the store on a shared file system. A
worker without Trilha goes on as ever.
"""

import os
from collections.abc import Mapping
from typing import Any

from trilha.capture.autolog import autolog
from trilha.capture.context import process
from trilha.capture.integrations.ray.joining import invited

__all__ = ["recorded"]


def recorded(
    name: str = "",
    *,
    runtime_env: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] = "",
    **attributes: Any,
) -> dict[str, Any]:
    """Have the program recorded from here on, until it ends or `trilha.finish` is called.

    Args:
        name: of the run; by default that of the script or notebook.
        runtime_env: the program's own runtime environment, as `ray.init` takes it; it stays as it is.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Returns:
        The runtime environment for `ray.init`, whose ``worker_process_setup_hook`` has new workers join the
        run, after it has called the program's own.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """
    autolog(name, store=store, **attributes)
    environment = dict(runtime_env or {})
    return environment if process.recorder is None else invited(process.recorder, environment)
