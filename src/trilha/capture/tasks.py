"""Tasks that a program hands to a parallel engine, and each attempt to execute one.

A task is a call: it uses its arguments and generates its result. An attempt is one try of it, somewhere; a
task whose first attempt failed and whose second did not has both, each with its own start, end and place. A
result that was not computed again, because the engine had kept an earlier one, says whose it is: the same
content under the key by which the engine found it.

Source of the model: processes, executions and attempts of Swift (Gadelha et al., "Provenance management in
Swift", FGCS 2011).
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context
from trilha.capture.context import Activity, current
from trilha.capture.identity import Known, describe, is_value, parts_of
from trilha.capture.journal.writer import literal_name
from trilha.capture.plans import plan_of
from trilha.capture.steps import use_object
from trilha.capture.values import key_of, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Attempt", "Task", "Within", "arguments_of"]

_TYPES: Final = {name: literal_name(f"trilha:{name}") for name in ("Task", "Attempt", "Object", "Memo")}
_MOST: Final = 256
_PAIRS: Final = 64
_now = time.time_ns


def arguments_of(
    function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by the names of the parameters, as far as these are known.

    Args:
        function: that is called; the function behind its decorators has the parameters.
        args: by position.
        kwargs: by name.
    """
    args, named = list(args), dict(kwargs)
    try:
        bound = inspect.signature(function).bind_partial(*args, **named)
    except (TypeError, ValueError):
        return {**{f"{place}": value for place, value in enumerate(args)}, **named}
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            found.update({f"{name}[{place}]": one for place, one in enumerate(value)})
        else:
            found[name] = value
    return found


class Task:
    """A call that was handed to an engine.

    Args:
        recorder: of the run.
        label: what to call it: the function's name.
        engine: that it was handed to.
        function: that is to be called; its source is the plan.
        facts: further attributes, keys and values in turn.
        at: when, in nanoseconds since 1970-01-01 UTC; now by default.
        name: IRI by which another process knows it, too; a number of this process by default.

    Attributes:
        recorder: of the run.
        activity: the task.
        result: entity that its result will be.
        attempts: how many there have been.
        over: it has a result, or failed for good.
        awaited: files that another task is to write before this one is launched: path and role.
    """

    def __init__(
        self,
        recorder: Recorder,
        label: str,
        engine: str,
        function: Callable[..., Any],
        *facts: Any,
        at: int | None = None,
        name: str | None = None,
    ) -> None:
        at = _now() if at is None else at
        self.recorder = recorder
        self.label = label
        self.result = next(recorder.numbers)
        self.attempts = 0
        self.over = False
        self.awaited: list[tuple[str, str]] = []
        self._usages: dict[int | str, int] = {}
        about = ("prov:type", _TYPES["Task"], "trilha:engine", engine, *facts)
        self.activity = recorder.begin(label, current(recorder), at, *about, name=name)
        plan = plan_of(recorder, function)
        if plan is not None:
            recorder.associated(self.activity.identifier, plan)

    # -- what goes in

    def uses_values(self, values: Mapping[str, Any]) -> None:
        """Plain arguments, by name."""
        facts: list[Any] = []
        for name, value in list(values.items())[:_MOST]:
            if value is not None:
                facts += [key_of("trilha:arg.", name), value_of(value) if is_value(value) else text_of(value)]
        if facts:
            self.recorder.activity(self.activity.identifier, None, None, *facts)

    def uses(self, thing: Any, role: str) -> None:
        """An object, known by its identity; a tuple or list of objects is its parts."""
        at = _now()
        for name, part in parts_of(thing, role) or [(role, thing)]:
            known, usage = use_object(self.recorder, self.activity, part, at, name)
            self._usages[known.entity] = usage

    def uses_entity(self, entity: int | str, role: str) -> None:
        """An entity: another task's result, or a file."""
        usage = self.recorder.used(self.activity.identifier, entity, None, "prov:role", role)
        self.activity.used[entity] = self._usages[entity] = usage

    def uses_file(self, path: str, role: str) -> None:
        """A file that is there and may be read."""
        entity = self.recorder.files.read(os.path.abspath(path), self.activity, _now())
        if entity is not None:
            self._usages[entity] = self.activity.used[entity]
            self.recorder.entity(entity, "trilha:role", role)

    # -- what comes out

    def ended(self, status: str, result: Any = None, *facts: Any, at: int | None = None) -> Known | None:
        """The task is over and has a result.

        Args:
            status: in the engine's words.
            result: that it gave.
            facts: further attributes of the activity, keys and values in turn.
            at: when, in nanoseconds since 1970-01-01 UTC; now by default.

        Returns:
            What is known of the result; None for nothing, or a plain value.
        """
        at = _now() if at is None else at
        recorder, known = self.recorder, None
        self.over = True
        about: list[Any] = ["prov:type", _TYPES["Object"], "prov:label", f"{self.label}()"]
        if is_value(result):
            about += [] if result is None else ["prov:value", value_of(result)]
        else:
            about += describe(result)
        before = None if is_value(result) else recorder.objects.get(result)
        recorder.entity(self.result, *about)
        generation = recorder.generated(self.result, self.activity.identifier, at)
        if before is not None:
            # It gave back what was there already.
            recorder.derived(self.result, before.entity)
        elif not is_value(result):
            known = recorder.objects.put(result, self.result, generation)
        for source, usage in list(self._usages.items())[:_PAIRS]:
            if source != self.result:
                recorder.derived(self.result, source, self.activity.identifier, generation, usage)
        recorder.end(self.activity, at, "trilha:status", status, *facts)
        return known

    def failed(self, status: str, error: BaseException, *facts: Any, at: int | None = None) -> None:
        """The task is over and has no result."""
        self.over = True
        told = ("trilha:exception", text_of(error)[:2000])
        at = _now() if at is None else at
        self.recorder.end(self.activity, at, "trilha:status", status, *told, *facts)

    def wrote(self, path: str) -> None:
        """The task wrote a file, which is derived from what the task used."""
        recorder = self.recorder
        path = os.path.abspath(path)
        entity = recorder.files.produce(path, self.activity, _now())
        if entity is None:
            return
        generation = recorder.files.generation_at(path, self.activity)
        for source, usage in list(self._usages.items())[:_PAIRS]:
            if source != entity:
                how = (self.activity.identifier, generation, usage) if generation is not None else ()
                recorder.derived(entity, source, *how)

    def remembered_as(self, engine: str, key: str, *, cached: bool) -> None:
        """The engine keeps the result under a key; `cached` tells that it was found there.

        All results under one key are one content, computed once: that of another run included.
        """
        recorder = self.recorder
        content = f"urn:trilha:memo:{engine}:{key}"
        recorder.entity(content, "prov:type", _TYPES["Memo"], "prov:label", f"{self.label}() {key[:8]}")
        recorder.specialized(self.result, content)
        recorder.entity(self.result, "trilha:cached", cached)


class Attempt:
    """One try to execute a task.

    Args:
        task: that is tried.
        facts: attributes of the attempt, keys and values in turn.
        name: IRI by which the process that executes it knows it, too; a number of this process by default.

    Attributes:
        activity: the attempt.
        at: when it was handed over, in nanoseconds since 1970-01-01 UTC.
        ran: what was measured while it ran, attribute keys and values in turn.
    """

    def __init__(self, task: Task, *facts: Any, name: str | None = None) -> None:
        task.attempts += 1
        self._task = task
        label = f"{task.label}, attempt {task.attempts}"
        about = ("prov:type", _TYPES["Attempt"], "trilha:attempt", task.attempts, *facts)
        self.at = _now()
        self.ran: tuple[Any, ...] = ()
        self.activity: Activity = task.recorder.begin(label, task.activity, self.at, *about, name=name)

    def ended(self, error: BaseException | None = None, *facts: Any) -> None:
        """The attempt is over: it gave a result, or `error`."""
        about: list[Any] = ["trilha:status", "finished" if error is None else "failed", *self.ran, *facts]
        if error is not None:
            about += ["trilha:exception", text_of(error)[:2000]]
        self._task.recorder.end(self.activity, _now(), *about)


class Within:
    """A function that is called in an attempt: what it does belongs there, and its time is measured.

    Args:
        attempt: that the call is.
        function: to be called, in a thread of this process.
    """

    __slots__ = ("_attempt", "_function")

    def __init__(self, attempt: Attempt, function: Callable[..., Any]) -> None:
        self._attempt = attempt
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        attempt = self._attempt
        began, spent = _now(), time.thread_time_ns()
        reset = context.enter(attempt.activity)
        try:
            return self._function(*args, **kwargs)
        finally:
            context.leave(reset)
            cpu = (time.thread_time_ns() - spent) / 1e9
            attempt.ran = ("trilha:waited", (began - attempt.at) / 1e9, "trilha:cpu_seconds", cpu)
