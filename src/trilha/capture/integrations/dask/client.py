"""The program that hands graphs to Dask's distributed scheduler.

A client gives its scheduler a plug-in (`plugin`) when it has connected. Before each graph it tells where in
the program that was handed over, and which of the program's objects it takes; when values come back, it asks
whose results they are. Where it listens: `Client._start`, `_graph_to_futures`, `_gather` and `_scatter`,
which give back what they gave before. Tested on distributed 2026.8.0.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from trilha.capture.context import Quiet, current, process
from trilha.capture.identity import is_value
from trilha.capture.integrations.dask import followed
from trilha.capture.integrations.dask.nodes import is_alias, is_data, read_node
from trilha.capture.integrations.dask.told import ANNOUNCE, RESULTS, SCATTERED, TOGETHER
from trilha.capture.integrations.dask.traced import without_frame
from trilha.capture.learning.fit import guarded
from trilha.capture.openers import Opener, openers
from trilha.capture.siblings import iri_of
from trilha.capture.steps import meet
from trilha.capture.values import value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["attach", "begin", "end"]

_METHODS: Final = ("_start", "_graph_to_futures", "_gather", "_scatter")
_MOST: Final = 10_000
"""Of so many tasks of a graph the scheduler is told which objects of the program they take."""
_undo: list[tuple[Recorder, Callable[[], object]]] = []
_attached: WeakSet[Any] = WeakSet()
"""Clients whose scheduler has our plug-in."""


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to the clients of this process for `recorder`."""
    _leave_out_locks(recorder, library)
    kind = library.Client
    missing = [name for name in _METHODS if not callable(getattr(kind, name, None))]
    if missing:
        version = getattr(sys.modules.get("distributed"), "__version__", "?")
        recorder.complain(f"distributed {version} has changed: {', '.join(missing)} cannot be recorded")
        return
    for name, wrapper in zip(_METHODS, (_starting, _handing_over, _gathering, _scattering), strict=True):
        original = getattr(kind, name)
        wrapped = functools.wraps(original)(wrapper(recorder, original))
        setattr(kind, name, wrapped)
        _undo.append((recorder, functools.partial(_put_back, kind, name, wrapped, original)))
    for client in list(getattr(kind, "_instances", ())):
        if getattr(client, "status", "") == "running":
            guarded(recorder, _attach_later, recorder, client)


def _leave_out_locks(recorder: Recorder, library: Any) -> None:
    """Have the files left out by which Dask's processes share a folder: they are none of the program's."""
    folder = os.path.dirname(os.path.abspath(library.__file__))
    helper = os.path.join(os.path.dirname(folder), "locket", "")
    opener = Opener(code=(os.path.join(folder, "diskutils.py"),), helpers=(helper,))
    openers[opener] = None
    _undo.append((recorder, lambda: openers.pop(opener, None)))


def end(recorder: Recorder) -> None:
    """Stop listening."""
    _attached.clear()
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()


def _put_back(owner: Any, name: str, wrapped: Any, original: Any) -> None:
    if getattr(owner, name, None) is wrapped:
        setattr(owner, name, original)


def _attach_later(recorder: Recorder, client: Any) -> None:
    """Of a client that had connected before the run began."""
    if client.asynchronous:
        client.loop.add_callback(attach, recorder, client)
    else:
        client.sync(attach, recorder, client)


async def attach(recorder: Recorder, client: Any) -> None:
    """Give the scheduler of `client` our plug-in. Never raises."""
    if process.recorder is not recorder or client in _attached:
        return
    try:
        plugin = importlib.import_module("trilha.capture.integrations.dask.plugin").plugin_of(recorder)
        done = client.register_plugin(plugin, name=plugin.name)
        if inspect.isawaitable(done):
            await done
        _attached.add(client)
    except Exception as error:
        recorder.failed()
        recorder.complain(
            f"the tasks of Dask's scheduler are not recorded ({type(error).__name__}: {str(error)[:200]});"
            " Trilha has to be installed where the scheduler runs, too"
        )


def _starting(recorder: Recorder, start: Any) -> Any:
    async def start_and_attach(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            result = await start(self, *args, **kwargs)
        except BaseException as error:
            without_frame(error)
            raise
        await attach(recorder, self)
        return result

    return start_and_attach


# -- graphs


def _handing_over(recorder: Recorder, hand_over: Any) -> Any:
    def hand_over_and_tell(self: Any, expr: Any, keys: Any, *args: Any, **kwargs: Any) -> Any:
        if self in _attached:
            how = sys._getframe(1).f_code.co_name
            guarded(recorder, _announce, recorder, self, expr, keys, how)
        follows = recorder.join is not None and self in _attached
        if follows:
            guarded(recorder, followed.take, recorder, self, expr)
        try:
            futures = hand_over(self, expr, keys, *args, **kwargs)
        except BaseException as error:
            without_frame(error)
            raise
        if follows:
            guarded(recorder, followed.hand_over, recorder, self, futures)
        return futures

    # Dask may keep the code that hands a graph over: it walks up the stack and passes over its own modules.
    own = {**globals(), "__name__": "distributed.client"}
    return FunctionType(
        hand_over_and_tell.__code__, own, "_graph_to_futures", None, hand_over_and_tell.__closure__
    )


def _announce(recorder: Recorder, client: Any, expr: Any, keys: Any, how: str) -> None:
    """Tell the scheduler of a graph that comes next."""
    if not hasattr(keys, "__len__") or not len(keys):
        return
    place = iri_of(recorder, current(recorder).identifier)
    given = list(_objects(recorder, expr)) if type(expr).__name__ == "LLGExpr" else []
    told = {"key": next(iter(keys)), "run": recorder.uuid, "place": place, "how": how, "given": given}
    client._send_to_scheduler({"op": ANNOUNCE, **told})


def _objects(recorder: Recorder, expr: Any) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """The program's objects that the tasks of a graph take: by key, names of parameters and IRIs."""
    graph, told = expr.operand("dsk"), 0
    for key, node in list(graph.items()) if type(graph) is dict else ():
        if is_alias(node) or is_data(node) or not hasattr(node, "func"):
            continue
        arguments = [*node.args, *node.kwargs.values()]
        if all(type(one).__name__ == "TaskRef" or is_value(one) for one in arguments):
            continue
        if told == _MOST:
            recorder.complain(
                f"more than {_MOST:,} tasks of a graph of Dask's take objects of the program: what the others"
                " take is recorded, but not that it is the program's"
            )
            return
        found = []
        for role, one in read_node(recorder, node, "").arguments:
            if not is_value(one):
                entity = meet(recorder, one, role or type(one).__name__).entity
                found.append((role, iri_of(recorder, entity)))
        if found:
            told += 1
            yield key, found


# -- values


def _gathering(recorder: Recorder, gather: Any) -> Any:
    async def gather_and_meet(self: Any, futures: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            values = await gather(self, futures, *args, **kwargs)
        except BaseException as error:
            without_frame(error)
            raise
        if self in _attached and process.recorder is recorder:
            try:
                await _meet(recorder, self, futures, values)
                if recorder.join is not None:
                    await _arrive(recorder, self, futures, values)
            except Exception:
                recorder.failed()
        return values

    return gather_and_meet


async def _meet(recorder: Recorder, client: Any, futures: Any, values: Any) -> None:
    """Have results that came back known as those of their tasks."""
    with Quiet():
        found = {one.key: value for one, value in _pairs(futures, values) if not is_value(value)}
        new = [key for key, value in found.items() if recorder.objects.get(value) is None]
    if not new:
        return
    for key, entity in await getattr(client.scheduler, RESULTS)(run=recorder.uuid, keys=new):
        with Quiet():
            recorder.objects.put(found[key], entity)


async def _arrive(recorder: Recorder, client: Any, futures: Any, values: Any) -> None:
    """Have a trace know where results that came back were computed."""
    held = [future for future, _ in _pairs(futures, values)]
    together = dict(
        await getattr(client.scheduler, TOGETHER)(run=recorder.uuid, keys=[one.key for one in held])
    )
    with Quiet():
        for future in held:
            followed.arrive(recorder, client, future, together.get(future.key, [future.key]))


def _pairs(futures: Any, values: Any) -> Iterator[tuple[Any, Any]]:
    """Futures with their values, which lie as the futures did."""
    if type(futures) in (list, tuple) and type(values) is type(futures) and len(futures) == len(values):
        for future, value in zip(futures, values, strict=True):
            yield from _pairs(future, value)
    elif type(futures) is dict and type(values) is dict:
        for name, future in futures.items():
            if name in values:
                yield from _pairs(future, values[name])
    elif hasattr(type(futures), "key") and type(futures).__name__ == "Future":
        yield futures, values


def _scattering(recorder: Recorder, scatter: Any) -> Any:
    async def scatter_and_tell(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            futures = await scatter(self, data, *args, **kwargs)
        except BaseException as error:
            without_frame(error)
            raise
        if self in _attached:
            guarded(recorder, _tell_of_data, recorder, self, futures, data)
        return futures

    return scatter_and_tell


def _tell_of_data(recorder: Recorder, client: Any, futures: Any, data: Any) -> None:
    entities = []
    for future, value in _pairs(futures, data):
        if is_value(value):
            entity: int | str = next(recorder.numbers)
            about = () if value is None else ("prov:value", value_of(value))
            recorder.entity(entity, "prov:label", "scattered", *about)
            recorder.generated(entity, recorder.run.identifier, None)
        else:
            entity = meet(recorder, value, "scattered").entity
        entities.append((future.key, iri_of(recorder, entity)))
    client._send_to_scheduler({"op": SCATTERED, "run": recorder.uuid, "entities": entities})
