"""Functions that are called over and over: what is to be said of each is found out once.

The names of a function's parameters, and the plan that its calls follow, do not change from call to call;
to ask `inspect` and to hash source each time would cost more than the smallest tasks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from trilha.capture.interrupts import pass_on
from trilha.capture.plans import plan_of
from trilha.capture.values import is_value

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Callee", "arguments_of", "brought_by", "callee_of", "globals_of", "unbound"]

_MOST: Final = 1024
_FIXED: Final = (type, ModuleType, FunctionType, BuiltinFunctionType)
_SPECIAL: Final = frozenset(["__signature__", "__wrapped__"])


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
        pass_on()
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


def unbound(
    function: Any, args: Iterable[Any], kwargs: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """What a `functools.partial` calls in the end, with all arguments; of another function the very same."""
    args = tuple(args)
    while type(function) is partial:
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    return function, args, kwargs


def brought_by(function: Any) -> dict[str, Any]:
    """The objects that a function brings along, and that its calls take as they take arguments.

    Those are what a method is of, or a callable instance, as `self`; the defaults of its parameters, by their
    names; and what a function that was made in another one has from there, by the name that it has there.
    """
    found: dict[str, Any] = {}
    kind = type(function)
    if kind is MethodType or kind is BuiltinFunctionType:
        found["self"] = function.__self__
        function = function.__func__ if kind is MethodType else None
    elif kind is not FunctionType:
        found["self"] = function
    if type(function) is FunctionType:
        code, defaults = function.__code__, function.__defaults__ or ()
        names = code.co_varnames[: code.co_argcount]
        found.update(zip(names[len(names) - len(defaults) :], defaults, strict=False))
        found.update(function.__kwdefaults__ or {})
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                pass_on()
                continue  # It has no value yet.
    return {
        name: thing
        for name, thing in found.items()
        if not is_value(thing) and not issubclass(type(thing), (type, ModuleType))
    }


def globals_of(function: Any) -> tuple[str, ...]:
    """The names of its module that a function reads, but for those of functions, classes, modules and values.

    What it reads by the functions that it calls is not among them.
    """
    if type(function) is not FunctionType:
        return ()
    names, known = function.__code__.co_names, function.__globals__
    data = {name for name in names if name in known and not _is_fixed(known[name])}
    if not data:
        return ()
    # The names of attributes and of what is imported stand with them.
    import dis

    read = {one.argval for one in dis.get_instructions(function.__code__) if one.opname == "LOAD_GLOBAL"}
    return tuple(name for name in names if name in data & read)


def _is_fixed(thing: Any) -> bool:
    return (thing is not None and is_value(thing)) or issubclass(type(thing), _FIXED)


def _may_bring(function: Any) -> bool:
    """Whether `brought_by` may ever give anything for it."""
    if type(function) is not FunctionType:
        return not issubclass(type(function), type)
    if function.__closure__:
        return True
    defaults = chain(function.__defaults__ or (), (function.__kwdefaults__ or {}).values())
    return not all(map(is_value, defaults))


class Callee:
    """A function that is called.

    Args:
        recorder: of the run.
        function: as it is called.
        inner: the one that it calls in the end.

    Attributes:
        brings: calls may take more than they are given (`brought_by`).
        called: gives the function as it is called, or None if it is gone, or cannot be told.
        function: gives the inner one, or None if it is gone.
        plan: IRI of the plan that its calls follow; None where there is no source.
        names: of its parameters, in order, where it takes each by its name or place; else None.
        reads: the names of its module that it reads (`globals_of`).
        told: what others have found out of its calls, by keys of their own.
    """

    __slots__ = ("brings", "called", "function", "names", "plan", "reads", "told")

    def __init__(self, recorder: Recorder, function: Callable[..., Any], inner: Callable[..., Any]) -> None:
        try:
            # Not the function itself, which may hold on to anything.
            self.called: Callable[[], Any] = ref(function)
            self.function: Callable[[], Any] = ref(inner) if inner is not function else self.called
        except TypeError:
            self.called, self.function = _nothing, lambda: inner
        self.plan = plan_of(recorder, inner)
        self.names = _names(inner)
        self.told: dict[Any, Any] = {}
        self.brings = _may_bring(function)
        self.reads = globals_of(inner)

    def arguments(self, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call, as `arguments_of`."""
        if not args and not kwargs:
            return {}
        names = self.names
        if names is not None and len(args) <= len(names):
            found = dict(zip(names, args, strict=False))
            if not kwargs:
                return found
            if kwargs.keys() <= set(names) and not kwargs.keys() & found.keys():
                return {**found, **kwargs}
        return arguments_of(self.function() or _nothing, args, kwargs)


def callee_of(
    recorder: Recorder,
    function: Callable[..., Any],
    unwrap: Callable[[Any], Any] | None = None,
) -> Callee:
    """What is known of a function, found out when it is first asked for.

    Args:
        recorder: of the run.
        function: as it is called.
        unwrap: gives the function that it calls in the end, where an engine wraps it in its own.
    """
    known: Callee | None = recorder.callees.get(id(function))
    if known is None or known.called() is not function:
        known = Callee(recorder, function, function if unwrap is None else unwrap(function))
        if len(recorder.callees) >= _MOST:
            recorder.callees.clear()
        recorder.callees[id(function)] = known
    return known


def _names(function: Any) -> tuple[str, ...] | None:
    code = getattr(function, "__code__", None)
    if type(function) is not FunctionType or code is None or vars(function).keys() & _SPECIAL:
        return None
    if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS) or code.co_kwonlyargcount or code.co_posonlyargcount:
        return None
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


def _nothing() -> None:
    """Stands for a function that is gone."""
