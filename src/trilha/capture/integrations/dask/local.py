"""Dask's schedulers on one machine: threads, processes, and the one that takes a task after the other.

Where it listens: `get_async`, behind all three, is wrapped while a run is recorded. Each call of it is one
activity, and the tasks of the graph that it computes lie in it; it is given what it was given, but for the
functions that hand a task over to a thread or process, which let an attempt go with it. Dask's callbacks
(`dask.callbacks`) would tell of the outermost computation alone, and only of one at a time. Tested on Dask
2026.8.0.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current
from trilha.capture.identity import is_value
from trilha.capture.integrations.dask.nodes import facts_of, is_alias, key_text, read_node
from trilha.capture.integrations.dask.traced import Traced, TracedElsewhere, without_frame
from trilha.capture.learning.fit import guarded
from trilha.capture.plans import plan_of
from trilha.capture.siblings import iri_of
from trilha.capture.tasks import Attempt, Task

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_PLACES: Final = {
    "dask.local": "synchronous",
    "dask.threaded": "threads",
    "dask.multiprocessing": "processes",
}
_undo: list[tuple[Recorder, Callable[[], None]]] = []
_numbers = itertools.count(1)


def begin(recorder: Recorder, _library: Any) -> None:
    """Listen to the schedulers of Dask for `recorder`."""
    for name, scheduler in _PLACES.items():
        module: Any = sys.modules.get(name)
        found = getattr(module, "get_async", None)
        if not callable(found) or getattr(found, "trilha_place", None) == name:
            continue
        # A module that was imported after another one was wrapped has what was put there.
        original = getattr(found, "trilha_original", found)
        wrapped = _computing(recorder, original, scheduler)
        wrapped.trilha_place, wrapped.trilha_original = name, original
        module.get_async = wrapped
        _undo.append((recorder, functools.partial(_put_back, module, wrapped, original)))


def end(recorder: Recorder) -> None:
    """Stop listening; Dask is as it was."""
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()


def _put_back(module: Any, wrapped: Any, original: Any) -> None:
    if module.get_async is wrapped:
        module.get_async = original


def _computing(recorder: Recorder, get_async: Any, scheduler: str) -> Any:
    @functools.wraps(get_async)
    def compute_and_record(
        submit: Any, num_workers: Any, dsk: Any, result: Any, *rest: Any, **named: Any
    ) -> Any:
        computation = None if rest else guarded(recorder, _Computation, recorder, scheduler)
        if computation is None:
            return get_async(submit, num_workers, dsk, result, *rest, **named)
        if recorder.join is not None:
            recorder.join.calls(computation)
            recorder.join.handed(computation)
        computation.dumps, computation.loads = named.get("dumps", _same), named.get("loads", _same)
        try:
            ways = {**named, "dumps": computation.handing_over}
            values = get_async(computation.submitting(submit), num_workers, dsk, result, **ways)
        except BaseException as error:
            without_frame(error)
            guarded(recorder, computation.ended, error)
            raise
        guarded(recorder, computation.ended, None, result, values)
        return values

    return compute_and_record


def _same(thing: Any) -> Any:
    return thing


class _Computation:
    """One graph that one of the schedulers computes.

    Args:
        recorder: of the run.
        scheduler: which one.

    Attributes:
        dumps: how Dask packs a task for whoever computes it, and a result.
        loads: its inverse.
    """

    def __init__(self, recorder: Recorder, scheduler: str) -> None:
        self.dumps: Callable[[Any], Any] = _same
        self.loads: Callable[[Any], Any] = _same
        self._split: Callable[[Any], str] = importlib.import_module("dask.utils").key_split
        self._recorder = recorder
        self._elsewhere = scheduler == "processes"
        self._name = f"{recorder.prefix}dask-{os.getpid()}-{next(_numbers)}"
        self._tasks: dict[Any, Task] = {}
        self._targets: dict[Any, Any] = {}
        self._attempts: dict[Any, Attempt] = {}
        engine = ("trilha:engine", "dask", "trilha:scheduler", scheduler)
        self._activity = recorder.begin("compute", current(recorder), time.time_ns(), *engine)

    # -- a task is handed over

    def handing_over(self, parcel: Any) -> Any:
        """As Dask's own function packs a node and what it takes; an attempt goes with it."""
        traced = guarded(self._recorder, self._launch, *parcel)
        return self.dumps(parcel if traced is None else (traced, parcel[1]))

    def _launch(self, node: Any, data: dict[Any, Any]) -> Any:
        key, recorder = node.key, self._recorder
        if is_alias(node):
            self._targets[key] = self._targets.get(node.target, node.target)
            return None
        said = read_node(recorder, node, self._split(key))
        facts: list[Any] = ["trilha:key", key_text(key)]
        for one in said.fused:
            facts += ("trilha:fused", one)
        given = self._given(data)
        uses = [(given[one], role) for one, role in said.depends if one in given]
        others = [(role, data[one]) for one, role in said.depends if one not in given and one in data]
        values, objects = facts_of([*said.arguments, *others])
        function = said.functions[0] if said.functions else _same
        about: Any = {"place": self._activity, "uses": uses}
        task = Task(recorder, said.label, "dask", function, *facts, *values, **about)
        for role, thing in objects:
            task.uses(thing, role)
        for other in said.functions[1:]:
            plan = plan_of(recorder, other)
            if plan is not None:
                recorder.associated(task.activity.identifier, plan)
        name = f"{self._name}-{len(self._tasks)}" if self._elsewhere else None
        attempt = Attempt(task, name=name)
        self._tasks[key], self._attempts[key] = task, attempt
        if name is None:
            return Traced(node, attempt, functools.partial(self._computed, key))
        names = {one: iri_of(recorder, entity) for one, entity in given.items()}
        return TracedElsewhere(node, recorder.uuid, name, iri_of(recorder, task.result), names)

    def _given(self, data: dict[Any, Any]) -> dict[Any, int | str]:
        """The entities that are known of what goes into a task, by key."""
        found: dict[Any, int | str] = {}
        for key in data:
            task = self._tasks.get(self._targets.get(key, key))
            if task is not None:
                found[key] = task.result
        return found

    # -- and computed

    def _computed(self, key: Any, attempt: Attempt, result: Any, error: BaseException | None) -> None:
        """A thread of this process has computed a task."""
        guarded(self._recorder, self._end, key, attempt, error, result)

    def _end(self, key: Any, attempt: Attempt, error: BaseException | None, result: Any = None) -> None:
        if error is None:
            attempt.gave_result()
            self._tasks[key].ended("finished", result)
        else:
            attempt.ended(error)
            self._tasks[key].failed("failed", error)

    def submitting(self, submit: Any) -> Any:
        """Dask's own way to have tasks computed, which packs results as ever."""

        def submit_and_record(function: Any, batch: Any, *rest: Any, **named: Any) -> Any:
            # Of (key, task, dumps, loads, ...) the third is ours.
            batch = [(*one[:2], self.dumps, *one[3:]) for one in batch]
            future = submit(function, batch, *rest, **named)
            if self._elsewhere:
                future.add_done_callback(self._answered)
            return future

        return submit_and_record

    def _answered(self, future: Any) -> None:
        """Another process has computed tasks, or is gone: then nobody knows what became of them."""
        guarded(self._recorder, self._read_answer, future)

    def _read_answer(self, future: Any) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        for key, packed, failed in future.result():
            attempt = self._attempts.get(key)
            if attempt is not None:
                if not failed and self._recorder.join is not None:
                    self._recorder.join.arrives(self, attempt.identifier)
                self._end(key, attempt, self.loads(packed)[0] if failed else None)

    def ended(self, error: BaseException | None, wanted: Any = None, values: Any = None) -> None:
        """All is computed, or `error` ended it."""
        recorder = self._recorder
        status = "finished" if error is None else "failed"
        if self._elsewhere and error is None:
            self._meet(wanted, values)
        facts = ("trilha:status", status, "trilha:tasks", len(self._tasks))
        recorder.end(self._activity, time.time_ns(), *facts)

    def _meet(self, wanted: Any, values: Any) -> None:
        """Results that came from other processes are met in this one."""
        if type(wanted) is list:
            for one, value in zip(wanted, values, strict=False):
                self._meet(one, value)
            return
        task = self._tasks.get(self._targets.get(wanted, wanted))
        if task is not None and not is_value(values) and self._recorder.objects.get(values) is None:
            self._recorder.objects.put(values, task.result)
