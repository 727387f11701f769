"""Where a trace of a program goes on in workers of Dask's distributed scheduler.

Both sides know a computation by its key. The client tells which call hands keys over, and what arrives of
them in its futures; the worker tells which key its thread computes. What a future has that is given to
another task counts as arrived: that task will get it, and it need not come to the client.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.integrations.dask.nodes import key_text
from trilha.capture.integrations.dask.told import computed_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["arrive", "computes", "hand_over", "take"]

_futures: Final[weakref.WeakValueDictionary[tuple[str, Any], Any]] = weakref.WeakValueDictionary()
"""The futures that calls gave, by client and key."""


def _name(recorder: Recorder, client: Any, key: Any) -> str:
    return computed_name(recorder, client._scheduler_identity["id"], key_text(key))


def take(recorder: Recorder, client: Any, expr: Any) -> None:
    """A graph is about to be handed over, which takes what futures of before have, or will have."""
    graph = expr.operand("dsk") if type(expr).__name__ == "LLGExpr" else None
    if type(graph) is not dict:
        return
    for node in list(graph.values()):
        for key in getattr(node, "dependencies", ()):
            future = _futures.get((client.id, key))
            if future is not None and key not in graph:
                arrive(recorder, client, future, [key])


def hand_over(recorder: Recorder, client: Any, futures: Mapping[Any, Any]) -> None:
    """The call that is evaluated has handed over what these futures, by key, are of."""
    for key, future in list(futures.items()):
        _futures[client.id, key] = future
        recorder.join.calls(future)
        recorder.join.handed(future)


def arrive(recorder: Recorder, client: Any, future: Any, keys: Iterable[Any]) -> None:
    """A future has what the computations of these keys gave."""
    for key in keys:
        recorder.join.arrives(future, _name(recorder, client, key))


def computes(recorder: Recorder, scheduler: str, task: Any) -> None:
    """This thread begins to compute a task that a client handed over."""
    if type(task).__name__ != "Task":
        return
    given = (*task.args, *task.kwargs.values())
    traced = recorder.join.follows(task.func, given)
    recorder.join.executes(computed_name(recorder, scheduler, key_text(task.key)), traced=traced)
