"""The plug-ins that Dask's scheduler and workers are given.

`Recorder` is what a client registers on the scheduler, in whatever process that is. It gives each worker a
plug-in of its own, which is packed with all that it needs, so that a worker without Trilha goes on as ever.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from distributed import SchedulerPlugin, WorkerPlugin
from distributed.protocol import pickle

from trilha.capture import autolog
from trilha.capture.context import Quiet, process
from trilha.capture.integrations.dask.scheduler import Announced, Tasks
from trilha.capture.integrations.dask.told import ANNOUNCE, RESULTS, SCATTERED, TOGETHER, Told, of
from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder as ActiveRecorder

__all__ = ["Recorder", "plugin_of", "register"]

_logger = logging.getLogger(__name__)
_TELLING: Final = frozenset(["processing", "memory", "erred", "forgotten"])
_MOST_WAITING: Final = 1000


class Recorder(SchedulerPlugin):  # type: ignore[misc, unused-ignore]
    """Has the tasks of a scheduler recorded: ``client.register_plugin(trilha.dask.Recorder())``.

    Where a run is recorded already, its tasks belong to that; else the program is recorded from here on,
    until it ends or `trilha.finish` is called.

    Args:
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default. A scheduler
            and workers on other hosts write there, too.
        attributes: plain values, recorded with the run.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """

    idempotent = True

    def __init__(self, name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> None:
        autolog.autolog(name, store=store, **attributes)
        recorder = process.recorder
        self._told = of(recorder) if recorder is not None else None
        self.name = self._told.name if self._told is not None else "trilha"
        self._every = False

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "_told": self._told, "_every": self._every}

    _tasks: Tasks | None = None
    _own: ActiveRecorder | None = None
    _scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        """The scheduler takes the plug-in over."""
        try:
            found = self._told.recorder() if self._told is not None else None
            if found is None or self._told is None:
                return
            recorder, alone = found
            self._own = recorder if alone else None
            self._scheduler = scheduler
            self._tasks = Tasks(recorder, scheduler, self._later)
            _switchboard(scheduler).plugins[recorder.uuid] = self
            pack: Any = pickle.dumps
            worker_plugin = pack(_worker_plugin(self._told, scheduler.id))
            await scheduler.register_worker_plugin(
                None, plugin=worker_plugin, name=self.name, idempotent=True
            )
        except Exception:
            pass_on()
            self._mourn()

    def update_graph(
        self, scheduler: Any, *, client: str = "", keys: Any = (), tasks: Any = (), **more: Any
    ) -> None:
        """A client has handed over a graph."""
        if self._tasks is None:
            return
        try:
            announced = _switchboard(scheduler).announced(client, keys, more.get("stimulus_id"))
            if announced.run == self._tasks.recorder.uuid if announced is not None else self._every:
                self._guarded(self._tasks.graph, tasks, announced)
        except Exception:
            pass_on()
            self._mourn()

    def transition(self, key: Any, start: Any, finish: Any, *_: Any, **facts: Any) -> None:
        """A task went from one state to another."""
        if self._tasks is not None and (finish in _TELLING or start == "processing"):
            self._guarded(self._tasks.moved, key, start, finish, facts)

    async def close(self) -> None:
        """The scheduler ends."""
        self._end()

    def remove_client(self, scheduler: Any, client: str) -> None:
        """A client is gone; if it was the run's last one, nothing more comes."""
        known = _switchboard(scheduler)
        known.forget(client)
        if self._own is not None and self._tasks is not None:
            run = self._tasks.recorder.uuid
            if run in known.clients and not known.clients[run]:
                scheduler.loop.add_callback(self._leave, scheduler)

    async def _leave(self, scheduler: Any) -> None:
        """The run needs this scheduler no more: neither it nor its workers write to it."""
        try:
            self._end()
            scheduler.plugins.pop(self.name, None)
            await scheduler.unregister_worker_plugin(None, name=self.name)
        except Exception:
            pass_on()
            self._mourn()

    def _end(self) -> None:
        own, self._own = self._own, None
        tasks, self._tasks = self._tasks, None
        if tasks is not None and self._scheduler is not None:
            _switchboard(self._scheduler).plugins.pop(tasks.recorder.uuid, None)
        if own is not None:
            own.close()

    def _later(self, function: Any) -> None:
        self._scheduler.loop.add_callback(self._guarded, function)

    def _guarded(self, function: Any, *arguments: Any) -> Any:
        if self._own is None and self._tasks is not None and process.recorder is not self._tasks.recorder:
            return None  # the run is over in this process
        try:
            with Quiet():
                return function(*arguments)
        except Exception:
            pass_on()
            self._mourn()
        return None

    def _mourn(self) -> None:
        tasks = self._tasks
        recorder = tasks.recorder if tasks is not None else process.recorder
        if recorder is not None:
            recorder.failed()
        else:
            _logger.debug("Trilha cannot record the tasks of this scheduler")


def plugin_of(recorder: ActiveRecorder, *, every: bool = False) -> Recorder:
    """The plug-in for the run of `recorder`.

    Args:
        recorder: of the run.
        every: what any client hands over belongs to it, and not only what clients of the run do.
    """
    plugin = Recorder.__new__(Recorder)
    plugin._told = of(recorder)
    plugin.name = plugin._told.name
    plugin._every = every
    return plugin


async def register(scheduler: Any, recorder: ActiveRecorder) -> None:
    """Have a scheduler in this process record every task into the run of this process."""
    plugin = plugin_of(recorder, every=True)
    await scheduler.register_scheduler_plugin(plugin, name=plugin.name, idempotent=True)


class _Switchboard:
    """What clients tell a scheduler besides Dask's own messages.

    Attributes:
        plugins: by the run.
        clients: those that told of something, by the run.
    """

    def __init__(self, scheduler: Any) -> None:
        self.plugins: dict[str, Recorder] = {}
        self.clients: dict[str, set[str]] = {}
        self._waiting: dict[tuple[str, Any], Announced] = {}
        self._last: tuple[Any, Announced | None] = None, None
        scheduler.stream_handlers[ANNOUNCE] = self.announce
        scheduler.stream_handlers[SCATTERED] = self.scatter
        scheduler.handlers[RESULTS] = self.results
        scheduler.handlers[TOGETHER] = self.together

    def announce(self, client: str = "", key: Any = None, run: str = "", **more: Any) -> None:
        """A client is about to hand over a graph that has `key`."""
        self.clients.setdefault(run, set()).add(client)
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
        given = {one: dict(roles) for one, roles in more.get("given", ())}
        self._waiting[client, key] = Announced(run, more.get("place", ""), more.get("how", ""), given)

    def announced(self, client: str, keys: Any, stimulus: Any) -> Announced | None:
        """What was told of the graph with these keys, which `stimulus` names for all plug-ins that ask."""
        if stimulus is None or self._last[0] != stimulus:
            found = next((one for one in self._waiting if one[0] == client and one[1] in keys), None)
            self._last = stimulus, None if found is None else self._waiting.pop(found)
        return self._last[1]

    def scatter(self, client: str = "", run: str = "", entities: Any = ()) -> None:
        """A client has sent data to workers."""
        self.clients.setdefault(run, set()).add(client)
        plugin = self.plugins.get(run)
        if plugin is not None and plugin._tasks is not None:
            plugin._guarded(plugin._tasks.scattered, dict(entities))

    def results(self, run: str = "", keys: Any = ()) -> list[tuple[Any, str]]:
        """Which entities the results of tasks are, by key."""
        plugin = self.plugins.get(run)
        if plugin is None or plugin._tasks is None:
            return []
        return list((plugin._guarded(plugin._tasks.results, list(keys)) or {}).items())

    def together(self, run: str = "", keys: Any = ()) -> list[tuple[Any, list[Any]]]:
        """With which others tasks were handed over, by key."""
        plugin = self.plugins.get(run)
        if plugin is None or plugin._tasks is None:
            return []
        return list((plugin._guarded(plugin._tasks.together, list(keys)) or {}).items())

    def forget(self, client: str) -> None:
        """A client is gone."""
        for known in self.clients.values():
            known.discard(client)
        for one in [one for one in self._waiting if one[0] == client]:
            del self._waiting[one]


_switchboards: WeakKeyDictionary[Any, _Switchboard] = WeakKeyDictionary()


def _switchboard(scheduler: Any) -> _Switchboard:
    known = _switchboards.get(scheduler)
    if known is None:
        known = _switchboards[scheduler] = _Switchboard(scheduler)
    return known


def _worker_plugin(told: Told, scheduler: str) -> Any:
    """A plug-in for workers. Its class is no module's, so that it travels as a whole."""
    words = tuple(told)

    class TrilhaWorker(WorkerPlugin):  # type: ignore[misc, unused-ignore]
        idempotent = True

        def setup(self, worker: Any) -> None:
            try:
                from trilha.capture.integrations.dask import worker as part
            except ImportError:
                return
            part.begin(words, scheduler, worker)

        def teardown(self, worker: Any) -> None:
            try:
                from trilha.capture.integrations.dask import worker as part
            except ImportError:
                return
            part.end(words, worker)

    return TrilhaWorker()
