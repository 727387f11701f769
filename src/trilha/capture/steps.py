"""Steps: activities that a user would name, entered by `with` or by calling a decorated function.

Arguments and return values become usages, generations and derivations by the identity of the objects: what one step
returned and another takes is one entity. The step's definition is a plan, stated once a process and named by the hash
of its source, so that the same step met in two runs follows one plan.
"""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from trilha.capture import context
from trilha.capture.context import Activity, Quiet, current, process
from trilha.capture.identity import Known, describe, is_value, leaves, parts_of, plain_parts, token
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Call", "Step", "meet", "plan_of", "traced", "use_object", "value_of"]

_OBJECT: Final = literal_name("trilha:Object")
_PLAN: Final = literal_name("prov:Plan")
_REVISION: Final = literal_name("prov:Revision")
_PAIRS: Final = 64
"""At most so many derivations are stated for one call: each result from each argument."""

P = ParamSpec("P")
R = TypeVar("R")


class Step:
    """One activity of the current run; does nothing where no run is recorded.

    Args:
        label: the step's name.
        arguments: recorded with it: plain values as attributes, objects as usages.
    """

    __slots__ = ("_arguments", "_label", "_recorder", "_reset", "activity")

    def __init__(self, label: str, arguments: dict[str, Any]) -> None:
        self._label = label
        self._arguments = arguments
        self._recorder: Recorder | None = None
        self._reset: Token[Activity | None] | None = None
        self.activity: Activity | None = None

    def __enter__(self) -> Step:
        recorder = process.recorder
        if recorder is not None:
            try:
                at = time.time_ns()
                values, objects = split_arguments(self._arguments)
                self.activity = recorder.begin(self._label, current(recorder), at, *values)
                for role, thing in objects:
                    use_object(recorder, self.activity, thing, at, role)
                self._recorder = recorder
                self._reset = context.enter(self.activity)
            except Exception:
                recorder.failed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        recorder, activity = self._recorder, self.activity
        if recorder is None or activity is None:
            return
        try:
            if self._reset is not None:
                context.leave(self._reset)
        except ValueError:
            pass
        try:
            about = () if kind is None else ("trilha:exception", kind.__qualname__)
            recorder.end(activity, time.time_ns(), *about)
        except Exception:
            recorder.failed()


class Call:
    """One call of a function as a step: `begin` before it, `end` with what it returned.

    Args:
        recorder: of the run.
        label: the step's name.
        plan: IRI of the function's plan, or None.
        arguments: the call's arguments by the names of the parameters.
    """

    __slots__ = ("_before", "_recorder", "_reset", "activity")

    def __init__(self, recorder: Recorder, label: str, plan: str | None, arguments: dict[str, Any]) -> None:
        at = time.time_ns()
        values, objects = split_arguments(arguments)
        self._recorder = recorder
        self.activity = recorder.begin(label, current(recorder), at, *values)
        recorder.associated(self.activity.identifier, plan)
        self._before: list[tuple[Any, Known, int, str]] = []
        for role, thing in objects:
            known, usage = use_object(recorder, self.activity, thing, at, role)
            self._before.append((thing, known, usage, role))
        self._reset = context.enter(self.activity)

    def end(self, result: Any) -> None:
        """The call returned `result`."""
        self._leave()
        recorder, activity = self._recorder, self.activity
        at = time.time_ns()
        about = _returned(result)
        results: list[tuple[str, Any]] = []
        if not is_value(result) and not (about and isinstance(result, tuple)):
            results = parts_of(result, "") or [("", result)]
        sources = {known.entity: usage for _, known, usage, _ in self._before}
        taken = {id(thing) for thing, _, _, _ in self._before}
        for role, thing in results:
            if id(thing) in taken or recorder.objects.get(thing) is None:
                self._generate(thing, role, at, list(sources.items()))
        self._changed(at, {id(thing) for _, thing in results})
        recorder.end(activity, at, *about)

    def _generate(self, thing: Any, role: str, at: int, sources: list[tuple[int | str, int]]) -> None:
        recorder, activity = self._recorder, self.activity
        label = f"{activity.label}(){role}"
        entity = next(recorder.numbers)
        recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing))
        known = recorder.objects.put(thing, entity)
        known.generation = recorder.generated(entity, activity.identifier, at)
        for source, usage in sources[:_PAIRS]:
            recorder.derived(entity, source, activity.identifier, known.generation, usage)

    def _changed(self, at: int, returned: set[int]) -> None:
        """State a new entity for each argument that the call changed in place."""
        recorder, activity = self._recorder, self.activity
        for thing, known, usage, role in self._before:
            recorder.bring_up_to_date(thing)
            now_known = recorder.objects.get(thing)
            if id(thing) in returned or known.token is None or now_known is not known:
                continue
            if token(thing) == known.token:
                continue
            entity = next(recorder.numbers)
            recorder.entity(entity, "prov:type", _OBJECT, "prov:label", f"{role} after {activity.label}", *describe(thing))
            new = recorder.objects.put(thing, entity)
            new.generation = recorder.generated(entity, activity.identifier, at)
            recorder.derived(
                *(entity, known.entity, activity.identifier, new.generation, usage, "prov:type", _REVISION)
            )

    def fail(self, error: BaseException) -> None:
        """The call raised `error`."""
        self._leave()
        self._recorder.end(self.activity, time.time_ns(), "trilha:exception", type(error).__qualname__)

    def _leave(self) -> None:
        try:
            context.leave(self._reset)
        except ValueError:
            pass


def _returned(result: Any) -> tuple[Any, ...]:
    """What a call returned as far as it is plain values: attribute keys and values in turn."""
    if is_value(result):
        return () if result is None else ("trilha:returned", value_of(result))
    about: list[Any] = []
    for name, value in (plain_parts(result) or {}).items():
        if value is not None:
            about += [f"trilha:returned.{name}", value_of(value)]
    return tuple(about)


def split_arguments(arguments: dict[str, Any]) -> tuple[list[Any], list[tuple[str, Any]]]:
    """Arguments as attributes of the activity (keys and values in turn), and as objects with their names."""
    values: list[Any] = []
    objects: list[tuple[str, Any]] = []
    for name, thing in arguments.items():
        if is_value(thing):
            if thing is not None:
                values += [f"trilha:arg.{name}", value_of(thing)]
        elif isinstance(thing, os.PathLike):
            values += [f"trilha:arg.{name}", os.fspath(thing)]
        else:
            objects += parts_of(thing, name) or [(name, thing)]
    return values, objects


def value_of(thing: Any) -> Any:
    """A plain value as an attribute has it."""
    if isinstance(thing, (bool, int, float, str)) or thing is None:
        return thing
    if isinstance(thing, (type, type(functools.reduce), type(lambda: None))):
        return f"{thing.__module__}.{thing.__qualname__}"
    return repr(thing)[:1000]


def meet(recorder: Recorder, thing: Any, label: str, *attributes: Any) -> Known:
    """What is known of `thing`; where it is met for the first time, it came from the run, by ways not recorded."""
    known = recorder.objects.get(thing)
    if known is None:
        entity = next(recorder.numbers)
        recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing), *attributes)
        known = recorder.objects.put(thing, entity)
        known.generation = recorder.generated(entity, recorder.run.identifier, None)
        inside = (recorder.objects.get(part) for _, part in leaves(thing))
        for inner in {part.entity for part in inside if part is not None and part.entity != entity}:
            recorder.derived(entity, inner)
    return known


def use_object(recorder: Recorder, activity: Activity, thing: Any, at: int, role: str) -> tuple[Known, int]:
    """Record that `activity` used `thing`; gives what is known of it and the usage's identifier."""
    recorder.bring_up_to_date(thing)
    known = meet(recorder, thing, role)
    if known.token is not None:
        known.token = token(thing)
    usage = activity.used.get(known.entity)
    if usage is None:
        attributes = ("prov:role", role) if role else ()
        usage = activity.used[known.entity] = recorder.used(activity.identifier, known.entity, at, *attributes)
    return known, usage


def plan_of(recorder: Recorder, function: Callable[..., Any]) -> str | None:
    """IRI of the plan that calls of `function` follow, stated on the first call; None where there is no source."""
    key = getattr(function, "__code__", function)
    plan = recorder.plans.get(key)
    if plan is None:
        with Quiet():
            try:
                source = inspect.getsource(function)
            except (OSError, TypeError):
                source = ""
        label = f"{function.__module__}.{function.__qualname__}"
        plan = state_plan(recorder, label, source) if source else ""
        recorder.plans[key] = plan
    return plan or None


def state_plan(recorder: Recorder, label: str, source: str) -> str:
    """State a plan by its source; gives its IRI, the hash of the source."""
    import hashlib

    plan = f"sha256:{hashlib.sha256(source.encode('utf-8', 'backslashreplace')).hexdigest()}"
    recorder.entity(plan, "prov:type", _PLAN, "prov:label", label, "trilha:source", source)
    return plan


def _begin(function: Callable[..., Any], label: str, names: tuple[str, ...], args: Any, kwargs: Any) -> Call | None:
    recorder = process.recorder
    if recorder is None:
        return None
    try:
        arguments = dict(zip(names, args, strict=False))
        for index, extra in enumerate(args[len(names) :], len(names)):
            arguments[f"argument {index}"] = extra
        return Call(recorder, label, plan_of(recorder, function), {**arguments, **kwargs})
    except Exception:
        recorder.failed()
        return None


def _end(call: Call | None, result: Any) -> None:
    if call is not None:
        try:
            call.end(result)
        except Exception:
            call._recorder.failed()


def _fail(call: Call | None, error: BaseException) -> None:
    if call is not None:
        try:
            call.fail(error)
        except Exception:
            call._recorder.failed()


def traced(function: Callable[P, R], label: str) -> Callable[P, R]:
    """`function`, recorded as a step at each call. Plain, asynchronous and generator functions stay what they are."""
    code = function.__code__ if hasattr(function, "__code__") else None
    names = code.co_varnames[: code.co_argcount] if code else ()

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            call = _begin(function, label, names, args, kwargs)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                _fail(call, error)
                raise
            _end(call, result)
            return result

        return coroutine  # type: ignore[return-value]

    @functools.wraps(function)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        call = _begin(function, label, names, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _fail(call, error)
            raise
        _end(call, result)
        return result

    return plain


def made(recorder: Recorder, activity: Activity, thing: Any, at: int, label: str) -> None:
    """Record that `activity` made `thing`, out of all that it is known to have used."""
    entity = next(recorder.numbers)
    recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(thing))
    generation = recorder.generated(entity, activity.identifier, at)
    for source, usage in list(activity.used.items())[:_PAIRS]:
        recorder.derived(entity, source, activity.identifier, generation, usage)
    if not is_value(thing):
        recorder.objects.put(thing, entity).generation = generation


def state_hyperparameters(recorder: Recorder, activity: Activity, values: dict[str, Any], prefix: str = "") -> None:
    """Record hyperparameters that `activity` uses, each as an entity with its value."""
    at = time.time_ns()
    for name, value in values.items():
        full = f"{prefix}{name}"
        if isinstance(value, dict):
            state_hyperparameters(recorder, activity, value, f"{full}.")
            continue
        if not is_value(value):
            value = repr(value)[:1000]
        entity = next(recorder.numbers)
        about = ("prov:type", _HYPERPARAMETER, "prov:label", full, "trilha:name", full, "prov:value", value_of(value))
        recorder.entity(entity, *(about if value is not None else about[:-2]))
        recorder.used(activity.identifier, entity, at)


_HYPERPARAMETER: Final = literal_name("trilha:Hyperparameter")
