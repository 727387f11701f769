"""Parsl's own way to have a workflow recorded: a configuration that says so::

    from trilha.parsl import recorded

    parsl.load(recorded(Config(executors=[HighThroughputExecutor()])))

The workflow is started as ever (``python workflow.py``), and the graph is that of ``trilha run`` and of
`trilha.autolog`: where one of these records already, nothing is recorded twice. Workers that Parsl starts
from then on join the run.
"""

import os
from typing import Any, TypeVar

from trilha.capture.autolog import autolog

__all__ = ["recorded"]

C = TypeVar("C")


def recorded(config: C, name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> C:
    """Have the program recorded from here on, until it ends or `trilha.finish` is called.

    Args:
        config: a `parsl.Config`, which stays as it is.
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Returns:
        The same `config`.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """
    autolog(name, store=store, **attributes)
    return config
