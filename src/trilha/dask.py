"""Dask's own ways to have its tasks recorded.

From a program, with a plug-in that its client registers::

    from trilha.dask import Recorder

    client = Client(cluster)
    client.register_plugin(Recorder())

or from Dask's configuration, with this module as a preload of the client or of the scheduler::

    distributed:
      client:
        preload: [trilha.dask]

    dask scheduler --preload trilha.dask

The graph is that of ``trilha run`` and of `trilha.autolog`: where one of these records already, nothing is
recorded twice. Preloaded by a scheduler, the run is the scheduler's, and has the tasks of every client that
does not record a run of its own.
"""

from typing import Any

from trilha.capture.autolog import autolog
from trilha.capture.context import process
from trilha.capture.integrations.dask.client import attach
from trilha.capture.integrations.dask.plugin import Recorder, register

__all__ = ["Recorder", "dask_setup"]


async def dask_setup(server: Any) -> None:
    """What Dask calls when this module is preloaded, by the scheduler, a client, or a worker.

    Args:
        server: that preloads it. A worker is told by its scheduler what to record.
    """
    kind = {one.__name__ for one in type(server).__mro__}
    if not kind & {"Scheduler", "Client"}:
        return
    autolog("dask-scheduler" if "Scheduler" in kind else "")
    recorder = process.recorder
    if recorder is None:
        return
    if "Scheduler" in kind:
        await register(server, recorder)
    else:
        await attach(recorder, server)
