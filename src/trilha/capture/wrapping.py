"""Functions as steps: what ``@trilha.step`` makes of a function.

It stays what it was: plain, asynchronous, a generator or an asynchronous generator, with its name,
documentation, signature and place for `pickle`. What it raises shows no frame of ours. A generator's step
lasts while it is iterated, and is the current activity only while the generator's own code runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

from trilha.capture import context
from trilha.capture.active import active
from trilha.capture.context import process
from trilha.capture.interrupts import pass_on
from trilha.capture.plans import plan_of
from trilha.capture.steps import Call

__all__ = ["traced"]

_MOST_EXTRA: Final = 64


def traced(function: Callable[..., Any], label: str) -> Callable[..., Any]:
    """`function`, recorded as a step at each call."""
    process.wraps = True
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, label)
    if inspect.isgeneratorfunction(function):
        return _generator(function, label)
    if inspect.isasyncgenfunction(function):
        return _asynchronous_generator(function, label)
    begin = _Beginning(function, label)

    @functools.wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs) if process.recorder is not None or process.invited else None
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _fail(call, error)
            raise
        if call is not None:
            _end(call, result)
        return result

    return step


def _coroutine(function: Callable[..., Any], label: str) -> Callable[..., Any]:
    begin = _Beginning(function, label)

    @functools.wraps(function)
    async def step(*args: Any, **kwargs: Any) -> Any:
        call = begin(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _fail(call, error)
            raise
        if call is not None:
            _end(call, result)
        return result

    return step


def _generator(function: Callable[..., Any], label: str) -> Callable[..., Any]:
    begin = _Beginning(function, label)

    @functools.wraps(function)
    def step(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        call = begin(args, kwargs, enter=False)
        resume, given = inner.send, None
        while True:
            try:
                with _entered(call):
                    item = resume(given)
            except StopIteration as stop:
                if call is not None:
                    _end(call, stop.value)
                return stop.value  # noqa: B901 -- what `yield from` gives
            except BaseException as error:
                _fail(call, error)
                raise
            _give(call, item)
            try:
                resume, given = inner.send, (yield item)
            except GeneratorExit:
                # Whoever iterated has had enough.
                try:
                    with _entered(call):
                        inner.close()
                except BaseException as error:
                    _fail(call, error)
                    raise
                if call is not None:
                    _end(call, None)
                raise
            except BaseException as error:
                resume, given = inner.throw, error

    return step


def _asynchronous_generator(function: Callable[..., Any], label: str) -> Callable[..., Any]:
    begin = _Beginning(function, label)

    @functools.wraps(function)
    async def step(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        inner = function(*args, **kwargs)
        call = begin(args, kwargs, enter=False)
        resume, given = inner.asend, None
        while True:
            try:
                with _entered(call):
                    item = await resume(given)
            except StopAsyncIteration:
                if call is not None:
                    _end(call, None)
                return
            except BaseException as error:
                _fail(call, error)
                raise
            _give(call, item)
            try:
                resume, given = inner.asend, (yield item)
            except GeneratorExit:
                try:
                    with _entered(call):
                        await inner.aclose()
                except BaseException as error:
                    _fail(call, error)
                    raise
                if call is not None:
                    _end(call, None)
                raise
            except BaseException as error:
                resume, given = inner.athrow, error

    return step


class _Beginning:
    """Begins the calls of one function: knows its parameters and their defaults."""

    __slots__ = ("_defaults", "_extra", "_function", "_label", "_names")

    def __init__(self, function: Callable[..., Any], label: str) -> None:
        self._function = function
        self._label = label
        self._names: tuple[str, ...] = ()
        self._defaults: dict[str, Any] = {}
        self._extra = "argument"
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            pass_on()
            return
        kinds = inspect.Parameter
        self._names = tuple(
            one.name for one in parameters if one.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        )
        for one in parameters:
            if one.default is not kinds.empty:
                self._defaults[one.name] = one.default
            if one.kind is kinds.VAR_POSITIONAL:
                self._extra = one.name

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, enter: bool = True) -> Call | None:
        """The call that begins; None where nothing is recorded. Never raises."""
        recorder = active()
        if recorder is None:
            return None
        try:
            names = self._names
            arguments = {**self._defaults, **dict(zip(names, args, strict=False))}
            for index, extra in enumerate(args[len(names) : len(names) + _MOST_EXTRA]):
                arguments[f"{self._extra}.{index}"] = extra
            arguments.update(kwargs)
            plan = plan_of(recorder, self._function) or ""
            return Call(recorder, self._label, plan, arguments, enter=enter)
        except Exception:
            recorder.failed()
            return None


def _end(call: Call, result: Any) -> None:
    try:
        call.end(result)
    except Exception:
        call.recorder.failed()


def _fail(call: Call | None, error: BaseException) -> None:
    """Record that the call raised `error`, and take our own frame out of its traceback."""
    trace = error.__traceback__
    if trace is not None:
        own = trace.tb_frame.f_code.co_filename
        error.__traceback__ = trace.tb_next if own == __file__ else trace
    if call is not None:
        try:
            call.fail(error)
        except Exception:
            call.recorder.failed()


def _give(call: Call | None, item: Any) -> None:
    if call is not None:
        try:
            call.give(item)
        except Exception:
            call.recorder.failed()


class _entered:  # noqa: N801 -- reads as what it does
    """While entered, the call's activity is the current one."""

    __slots__ = ("_call", "_reset")

    def __init__(self, call: Call | None) -> None:
        self._call = call

    def __enter__(self) -> None:
        if self._call is not None:
            self._reset = context.enter(self._call.activity)

    def __exit__(self, *_: object) -> None:
        if self._call is not None:
            context.leave(self._reset)
