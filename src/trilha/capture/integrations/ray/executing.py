"""Calls in the process that executes them: each attempt, what it gave, and what became of its actor.

Where it listens: `FunctionActorManager.get_execution_info` gives the function that Ray calls, which is
called as an attempt; `SerializationContext.serialize`, by which Ray stores each result, tells that there is
one. So a result is stated before anybody can have it. The first attempt of a call ends the task if it
succeeds. Ray may execute a call again that had succeeded, if its result was lost; so a later attempt says no
time of either.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context, machine
from trilha.capture.context import Activity, Executing, Quiet, process
from trilha.capture.handed import hide_frame
from trilha.capture.integrations.ray.actors import Actor
from trilha.capture.integrations.ray.calls import is_rays_own
from trilha.capture.integrations.ray.names import Names, names, worker
from trilha.capture.integrations.ray.references import about_object
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.patches import Patches
from trilha.capture.plans import code_of, plan_of
from trilha.capture.recorder import STEP
from trilha.capture.shaped import Hole, shape_of, with_holes
from trilha.capture.values import text_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin"]

_ATTEMPT: Final = literal_name("trilha:Attempt")
_OBJECT: Final = literal_name("trilha:Object")
_ENTITY, _ACTIVITY, _START = int(Kind.ENTITY), int(Kind.ACTIVITY), int(Kind.START)
_GENERATION, _DERIVATION = int(Kind.GENERATION), int(Kind.DERIVATION)
_PAIRS: Final = 64
_TOGETHER: Final = 8
"""At most so many derivations are said together with what is derived; of more, each by itself."""
_MOST: Final = 1000
"""Calls whose results nobody wants leave what they gave unstored."""


def begin(recorder: Recorder, patches: Patches) -> None:
    """Listen to calls that this process executes."""
    manager = sys.modules["ray._private.function_manager"].FunctionActorManager
    find = manager.get_execution_info
    wrapped: dict[int, tuple[Any, Any]] = {}

    def get_execution_info(self: Any, job_id: Any, function_descriptor: Any) -> Any:
        info = find(self, job_id, function_descriptor)
        try:
            function = info.function
            name = function_descriptor.function_name
            if process.recorder is not recorder or is_rays_own(function_descriptor.module_name, name):
                return info
            known = wrapped.get(id(function))
            if known is None or known[0] is not function:
                known = wrapped[id(function)] = function, _executed(recorder, function)
            return info._replace(function=known[1])
        except Exception:
            recorder.failed()
        return info

    patches.wrap(recorder, manager, "get_execution_info", get_execution_info)
    context = sys.modules["ray._private.serialization"].SerializationContext
    serialize = context.serialize

    def serialize_and_record(self: Any, value: Any) -> Any:
        stored = serialize(self, value)
        if _outcomes and process.recorder is recorder:
            with Quiet():
                try:
                    _store(value)
                except Exception:
                    recorder.failed()
        return stored

    patches.wrap(recorder, context, "serialize", serialize_and_record)


def _executed(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    """What Ray is to call in the place of `function`; it has the attributes that Ray looks for."""

    @functools.wraps(function)
    def execute_and_record(*args: Any, **kwargs: Any) -> Any:
        attempt = _begin(recorder, function, args)
        if attempt is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            attempt.end(error)
            raise
        if (goes_on := _WAYS.get(type(result))) is not None:
            attempt.leave()
            return goes_on(attempt, result)
        attempt.end(None, result)
        return result

    return execute_and_record


def _yielding(attempt: _Attempt, generator: Iterator[Any]) -> Iterator[Any]:
    """What a generator yields, which goes on only when Ray asks for the next."""
    attempt.goes_on(yields=True)
    try:
        for value in generator:
            attempt.yielded += 1
            yield value
    except BaseException as error:
        hide_frame(error)
        attempt.end(error)
        raise
    attempt.end(None)


async def _yielding_async(attempt: _Attempt, generator: AsyncIterator[Any]) -> AsyncIterator[Any]:
    attempt.goes_on(yields=True)
    try:
        async for value in generator:
            attempt.yielded += 1
            yield value
    except BaseException as error:
        hide_frame(error)
        attempt.end(error)
        raise
    attempt.end(None)


async def _awaiting(attempt: _Attempt, coroutine: Awaitable[Any]) -> Any:
    attempt.goes_on(yields=False)
    try:
        result = await coroutine
    except BaseException as error:
        hide_frame(error)
        attempt.end(error)
        raise
    attempt.end(None, result)
    return result


_WAYS: Final[dict[type, Callable[[_Attempt, Any], Any]]] = {
    GeneratorType: _yielding,
    AsyncGeneratorType: _yielding_async,
    CoroutineType: _awaiting,
}


def _begin(recorder: Recorder, function: Any, args: tuple[Any, ...]) -> _Attempt | None:
    """The attempt that begins in this thread, if it is to be recorded."""
    if process.recorder is not recorder:
        return None
    with Quiet():
        try:
            return _Attempt(names(recorder), function, args)
        except Exception:
            recorder.failed()
    return None


def _is_done_at_once(function: Any) -> bool:
    """Whether a call of it is over when it returns: others go on in turns, each in whatever thread."""
    code = code_of(function)
    return code is None or not code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)


class _Attempt:
    """One try to execute a call.

    Args:
        known: names of the session.
        function: that Ray calls; of a method, its executor.
        args: the first of which is the actor, if it is a method's.

    Attributes:
        yielded: how many values it has yielded so far.
    """

    __slots__ = (
        "_activity",
        "_actor",
        "_at",
        "_digits",
        "_is_generator",
        "_join",
        "_known",
        "_method",
        "_number",
        "_reset",
        "_spent",
        "_task",
        "yielded",
    )

    def __init__(self, known: Names, function: Any, args: tuple[Any, ...]) -> None:
        own, recorder = worker(), known.recorder
        core = own.core_worker
        self._known = known
        self._digits = core.get_current_task_id().hex()
        self._method = getattr(function, "name", "")
        self._number = core.get_current_task_attempt_number()
        self._actor = Actor.of(known, own.actor_id.hex(), args[0]) if self._method else None
        is_making = self._method == "__init__"
        name = known.creation(own.actor_id.hex()) if is_making else known.task(self._digits)
        label = core.get_current_task_name()
        self._task = Activity(name, label, None)
        self._at = time.time_ns()
        count = self._number + 1
        self._activity = Executing(next(recorder.numbers), f"{label}, attempt {count}", self._task)
        begins = shape_of(recorder, ("ray begins", label, count), lambda: _begins(known, label, count))
        begins.state(self._activity.identifier, self._at, name)
        if self._method and not self._number:
            plan = plan_of(recorder, function.method)
            if plan is not None:
                recorder.associated(name, plan)
        if self._actor is not None:
            self._actor.begins(self._activity)
        self.yielded = 0
        self._is_generator = False
        self._spent: int | None = time.thread_time_ns()
        self._reset = context.enter(self._activity)
        self._join = recorder.join if _is_done_at_once(getattr(function, "method", function)) else None
        if self._join is not None:
            traced = self._join.follows(getattr(function, "method", function), args)
            self._join.executes(name, traced=traced)

    def goes_on(self, *, yields: bool) -> None:
        """The function gave what does the work: a generator if it `yields`, else a coroutine.

        What that does lies in the attempt; how much of its thread's time is its own is not known.
        """
        self._is_generator, self._spent = yields, None
        self._reset = context.enter(self._activity)

    def leave(self) -> None:
        """It does no more: it goes on elsewhere, or is over."""
        context.leave(self._reset)

    def end(self, error: BaseException | None, result: Any = None) -> None:
        """The attempt is over: it gave `result`, or raised `error`. Never raises."""
        self._activity.ended = True
        self.leave()
        if self._join is not None:
            self._join.executed()
        recorder = self._known.recorder
        if process.recorder is not recorder:
            return
        with Quiet():
            try:
                self._end(recorder, error, result)
            except Exception:
                recorder.failed()

    def _end(self, recorder: Recorder, error: BaseException | None, result: Any) -> None:
        at = time.time_ns()
        recorder.files.settle(self._activity, at)
        about: list[Any] = ["trilha:took", (at - self._at) / 1e9, "trilha:peak_memory", machine.peak_memory()]
        if self._spent is not None:
            about += ["trilha:cpu_seconds", (time.thread_time_ns() - self._spent) / 1e9]
        if self.yielded:
            about += ["trilha:yielded", self.yielded]
        if error is not None:
            about += ["trilha:exception", text_of(error)[:2000]]
        status, keys = "finished" if error is None else "failed", tuple(about[::2])
        ends = shape_of(recorder, ("ray ends", status, keys), lambda: _ends(status, keys))
        ends.state(self._activity.identifier, at, *about[1::2])
        if self._actor is not None:
            self._actor.ends(self._activity, self._method)
        if error is not None:
            return
        if self._is_generator or self._method == "__init__" or result is None:
            self._end_task(at)
        if not self._is_generator and self._method != "__init__":
            _outcomes[self._digits] = _Outcome(self, result, at)
            if len(_outcomes) > _MOST:
                del _outcomes[next(iter(_outcomes))]

    def _end_task(self, at: int) -> None:
        """The first attempt of a task ends it."""
        end = at if self._number == 0 else None
        self._known.recorder.activity(self._task.identifier, None, end, "trilha:status", "finished")

    def stored(self, place: int, value: Any, at: int, part: str) -> None:
        """Ray has stored `value` as the result at `place`, from 1; `part` names it among several."""
        known, task = self._known, self._task
        reference = self._digits + place.to_bytes(4, "little").hex()
        entity, recorder = known.object(reference), known.recorder
        about, before = about_object(known, entity, value)
        sources = dict.fromkeys(self._activity.used)
        if before is not None:
            sources[before] = None
        derived = list(sources)[-_PAIRS:]
        together = len(derived) if len(derived) <= _TOGETHER else 0
        # Who has no result has ended already; the first of several ends the task.
        what = (f"{task.label}(){part}", tuple(about[::2]), together, place == 1 and value is not None)
        shape = shape_of(recorder, ("ray stores", *what), lambda: _stores(*what))
        when = at if self._number == 0 else None
        shape.state(entity, task.identifier, when, *about[1::2], *derived[:together])
        for source in derived[together:]:
            recorder.derived(entity, source)


def _begins(known: Names, label: str, count: int) -> Template:
    """Of an attempt in this process: holes are the attempt, when, and the task."""
    core, recorder = worker().core_worker, known.recorder
    about = (
        *("prov:type", STEP, "prov:label", f"{label}, attempt {count}", "prov:type", _ATTEMPT),
        *("trilha:attempt", count, "trilha:pid", os.getpid(), "trilha:host", machine.host()),
        *("prov:location", literal_name(recorder.machine)),
        *("trilha:worker", core.get_worker_id().hex(), "trilha:node", core.get_current_node_id().hex()),
    )
    return (
        (_ACTIVITY, Hole(0), Hole(1), None, about),
        (_START, None, Hole(0), None, Hole(2), Hole(1), ()),
    )


def _ends(status: str, keys: tuple[str, ...]) -> Template:
    """Holes: attempt, when, and a value for each key."""
    return ((_ACTIVITY, Hole(0), None, Hole(1), ("trilha:status", status, *with_holes(keys, 2))),)


def _stores(label: str, keys: tuple[str, ...], sources: int, ends: bool) -> Template:  # noqa: FBT001
    """Holes: object, task, when; a value for each key; what the object is derived from.

    The generation has no name, since who called names it as well.
    """
    entity, task, when = map(Hole, range(3))
    told = ("prov:type", _OBJECT, "prov:label", label, *with_holes(keys, 3))
    first = 3 + len(keys)
    derived = [
        (_DERIVATION, None, entity, Hole(place), None, None, None, ())
        for place in range(first, first + sources)
    ]
    over = [(_ACTIVITY, task, None, when, ("trilha:status", "finished"))] if ends else []
    return ((_ENTITY, entity, told), (_GENERATION, None, entity, task, when, ()), *derived, *over)


class _Outcome:
    """What an attempt gave, until Ray has stored it.

    Args:
        attempt: that is over.
        value: that the program's function gave.
        at: when, in nanoseconds since 1970-01-01 UTC.
    """

    __slots__ = ("at", "attempt", "count", "value")

    def __init__(self, attempt: _Attempt, value: Any, at: int) -> None:
        self.attempt = attempt
        self.value = value
        self.at = at
        self.count = 0


_outcomes: Final[dict[str, _Outcome]] = {}
"""By the digits of the call."""


def _store(value: Any) -> None:
    """Ray has serialized `value`: if it is what the call of this thread gave, or a part of it, say so."""
    digits = worker().core_worker.get_current_task_id().hex()
    outcome = _outcomes.get(digits)
    if outcome is None:
        return
    given, count = outcome.value, outcome.count
    if value is given and not count:
        del _outcomes[digits]
    elif type(given) in (tuple, list) and count < len(given) and value is given[count]:
        outcome.count += 1
        if outcome.count == len(given):
            del _outcomes[digits]
    else:
        return
    part = "" if value is given else f"[{count}]"
    outcome.attempt.stored(count + 1, value, outcome.at, part)
