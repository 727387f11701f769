"""Calls of a script's own functions, and of its own modules', become steps, without the script knowing.

`trilha.capture.script.rewriting` makes the functions call the hooks that are here. The first `MOST_CALLS`
calls of a function are recorded; of those that such a call makes of the same function, at any depth, the
first `MOST_WITHIN`. How many there were beyond is counted up to `MOST_COUNTED`; then the function gets its
own code back, and runs at its own speed. So do all functions as soon as somebody sets a tracer or profiler: a
debugger, say, is to see the script alone.
"""

from __future__ import annotations

import builtins
import functools
import marshal
import os
import sys
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable, Collection, Mapping
from types import CodeType, FrameType, FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import auditing
from trilha.capture.context import Activity, current, own_codes, process
from trilha.capture.interrupts import pass_on
from trilha.capture.script import fast_calls
from trilha.capture.script.fast_calls import NOTHING
from trilha.capture.script.rewriting import NAME, Function
from trilha.capture.steps import Call, state_plan
from trilha.capture.whose import is_users_file

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.shaped import Shape

__all__ = [
    "MOST_CALLS",
    "MOST_COUNTED",
    "MOST_WITHIN",
    "add",
    "install",
    "is_installed",
    "own_code",
    "pass_over",
    "rehearse",
    "spare",
    "state_plans",
    "unrecorded",
    "unseen",
]

MOST_CALLS: Final = 64
MOST_COUNTED: Final = 128
MOST_WITHIN: Final = 8
_LIMITS: Final = MOST_CALLS, MOST_COUNTED, MOST_WITHIN
_MOST_PLANS: Final = 500
_CAPTURE: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_ENGINES: Final = tuple(
    f"{os.sep}{name}{os.sep}"
    for name in (
        os.path.join("concurrent", "futures"),
        *("multiprocessing", "parsl", "dask", "distributed", "ray", "joblib"),
    )
)
"""Parts of the paths of what calls the functions of tasks."""
_BATCHES: Final = frozenset(["mapstar", "starmapstar", "_process_chunk", "<listcomp>"])
"""Functions of these that call one function several times, for one task; joblib's calls are tasks each."""
_JOBLIB: Final = os.path.join(os.sep, "joblib", "parallel.py")


class _Counted:
    """A function of the script, and how often it was called.

    Attributes:
        shape: of what is said when it is called (`fast_calls.shape_of_call`); None: not made yet.
        recorded: so many of the calls.
        outer: the thread in which a recorded call goes on that is in no other one of it; 0 for none.
        within: so many of those recorded were called by such a one, at any depth.
    """

    __slots__ = ("calls", "function", "outer", "plan", "recorded", "shape", "within")

    def __init__(self, function: Function) -> None:
        self.function = function
        self.calls = self.recorded = self.outer = self.within = 0
        self.plan: str | None = None
        self.shape: Shape | bool | None = None


class _Open:
    """A call that is going on.

    Attributes:
        frame: the function's.
        handled: the exception that was being handled when it began.
        kept: what it is about to return.
        outer: the function, if this is the outermost call of it in its thread.
    """

    __slots__ = ("call", "frame", "handled", "kept", "outer")

    def __init__(
        self, frame: FrameType, call: Call, handled: BaseException | None, outer: _Counted | None
    ) -> None:
        self.frame = frame
        self.call = call
        self.handled = handled
        self.kept: Any = NOTHING
        self.outer = outer


_functions: Final[dict[str, _Counted]] = {}
_defined: Final[dict[str, list[weakref.ref[FunctionType]]]] = {}
"""The program's functions, by key; who held them would keep its global names from dying when Python ends."""
_own: Final[dict[CodeType, CodeType]] = {}
_local: Final = threading.local()
_silent = False
_passed_over: Final[list[str]] = []
_endings: Final[list[Callable[[], None]]] = []
"""What ends when the program begins to hear of audit events."""
unseen: Final[list[BaseException | None]] = []
"""How the script ended, where a tracer was on, which is not to see that this is noted."""


def install(functions: Mapping[str, Function], **more: Callable[..., Any]) -> None:
    """Make the hooks known to rewritten code.

    Args:
        functions: that will tell of their calls, by key.
        more: further hooks, by name.
    """
    add(functions)
    ours = _begin, _leave, _Keep(), _failed
    begin, leave, keep = fast_calls.hooks(_functions, _local, ours, _find_shape, (_Counted, _Open), _LIMITS)
    hooks: dict[str, Any] = {"begin": begin, "keep": keep, "leave": leave}
    hooks |= {"partial": functools.partial, "define": _define}
    hooks["exception"] = sys.exception
    known = getattr(builtins, NAME, None)
    if known is None:
        known = SimpleNamespace(**hooks)
        setattr(builtins, NAME, known)
    known.__dict__.update(more)
    if own_code not in own_codes:
        own_codes.append(own_code)
    tracers = ("sys.settrace", "sys.setprofile", "sys.monitoring.register_callback")
    auditing.hear(dict.fromkeys(tracers, _fall_silent))
    end_unheard(_fall_silent_in_python)


def is_installed() -> bool:
    """Whether rewritten code would find the hooks: in a notebook, functions tell of no calls."""
    return hasattr(builtins, NAME)


def add(functions: Mapping[str, Function]) -> None:
    """Functions of a module that is imported will tell of their calls.

    Args:
        functions: by key.
    """
    for key, function in functions.items():
        _functions[key] = _Counted(function)
        if _silent:
            _leave_alone(key, _functions[key])


def spare(names: Collection[str]) -> None:
    """Give functions of imported modules their own code, for good: a compiler may read them.

    Args:
        names: of these functions.
    """
    for key, counted in list(_functions.items()):
        if counted.function.module != "__main__" and counted.function.label in names:
            _leave_alone(key, counted)
            del _functions[key]


def pass_over(module: str) -> None:
    """A module's functions will not tell of their calls: there was too much to read already."""
    _passed_over.append(module)


def state_plans(recorder: Recorder) -> None:
    """State what the script's functions are to do, ahead of their being called."""
    for counted in list(_functions.values())[:_MOST_PLANS]:
        if counted.plan is None:
            counted.plan = _plan(recorder, counted.function)
        if fast_calls.usable() and counted.shape is None:
            _find_shape(recorder, counted)


def rehearse(recorder: Recorder) -> None:
    """Go through a call that is none, right before the script begins: its first one finds what it needs."""
    if fast_calls.usable():
        for counted in list(_functions.values())[:1]:
            fast_calls.rehearse(recorder, counted)


def _plan(recorder: Recorder, function: Function) -> str:
    place = function.source, function.path, function.line
    return state_plan(recorder, f"{function.module}.{function.label}", *place, function.parameters)


def _find_shape(recorder: Recorder, counted: _Counted) -> None:
    """Have it have the shape of what is said of its calls, defined in this process's journal."""
    if counted.plan is None:
        counted.plan = _plan(recorder, counted.function)
    counted.shape = fast_calls.shape_of_call(recorder, counted.function)


def _stack() -> list[_Open | str]:
    """The calls that go on in this thread: those that are recorded, and the keys of those that are not."""
    try:
        stack: list[_Open | str] = _local.stack
    except AttributeError:
        stack = _local.stack = []
    return stack


def _is_told(caller: FrameType | None) -> bool:
    """Whether a function that `caller` calls is a step because the script says so (``@trilha.step``)."""
    steps = sys.modules.get("trilha.capture.wrapping")
    return steps is not None and caller is not None and caller.f_code.co_filename == steps.__file__


def _is_attempt(activity: Activity, label: str, caller: FrameType | None) -> bool:
    """Whether `caller` is of an engine that executes this very call as a task: the attempt is the call."""
    if not activity.executes or caller is None:
        return False
    # A worker may not know what its task is called.
    if label not in (name := activity.label.partition(",")[0], name.rpartition(".")[2]) and name != "attempt":
        return False
    path = caller.f_code.co_filename
    if caller.f_code.co_name in _BATCHES and _JOBLIB not in path:
        return False
    if path.startswith(_CAPTURE):
        return True
    return any(engine in path for engine in _ENGINES) and not is_users_file(path)


def _begin(key: str, values: tuple[Any, ...]) -> None:
    """A function of the script begins, with these values of its parameters."""
    counted = _functions.get(key)
    if counted is None:
        return
    counted.calls += 1
    within = counted.outer == get_ident()
    if counted.recorded >= MOST_CALLS or (within and counted.within >= MOST_WITHIN):
        _stack().append(key)
        if counted.calls > MOST_COUNTED:
            _leave_alone(key, counted)
        return
    recorder = process.recorder
    if recorder is None:
        return
    frame = sys._getframe(1)
    if _is_told(frame.f_back) or _is_attempt(current(recorder), counted.function.label, frame.f_back):
        counted.recorded += 1
        _stack().append(key)
        return
    try:
        function = counted.function
        if counted.plan is None:
            counted.plan = _plan(recorder, function)
        counted.recorded += 1
        counted.within += within
        arguments = dict(zip(function.parameters, values, strict=True))
        call = Call(recorder, function.label, counted.plan, arguments)
        first = counted if not counted.outer else None
        if first is not None:
            counted.outer = get_ident()
        _stack().append(_Open(frame, call, sys.exception(), first))
    except Exception:
        recorder.failed()


def _failed(error: BaseException | None) -> None:
    """The hooks in C met an error: our own is counted, another one is raised again."""
    try:
        if error is not None:
            raise error
    except Exception:
        pass_on()
        if process.recorder is not None:
            process.recorder.failed()


def _define(key: str, function: FunctionType) -> FunctionType:
    """A function of the script is made: it becomes known, so that it can be left alone."""
    _defined.setdefault(key, []).append(weakref.ref(function))
    return function


def _leave_alone(key: str, counted: _Counted) -> None:
    """Give the functions behind `key` their own code, so that their calls cost nothing any more."""
    try:
        code = marshal.loads(counted.function.plain)  # noqa: S302 -- our own bytes, of this very process
        for known in _defined.pop(key, ()):
            function = known()
            own = code if function is None else function.__code__
            if function is not None and own.co_freevars == code.co_freevars:
                # By the very name of the file, tracebacks know that a line is repeated.
                function.__code__ = code.replace(co_filename=own.co_filename)
    except Exception:
        pass_on()
        if process.recorder is not None:
            process.recorder.failed()


def own_code(code: CodeType) -> CodeType:
    """A function's own code, without hooks; the code itself, if it has none or is not known."""
    if NAME not in code.co_names:
        return code
    found = _own.get(code)
    if found is None:
        found = _own[code] = _own_code(code)
    return found


def _own_code(code: CodeType) -> CodeType:
    place = code.co_qualname, code.co_firstlineno, code.co_freevars
    for key in code.co_consts:  # It has those of functions that it defines, too.
        counted = _functions.get(key) if type(key) is str else None
        if counted is not None:
            own: CodeType = marshal.loads(counted.function.plain)  # noqa: S302 -- our own bytes, as above
            if (own.co_qualname, own.co_firstlineno, own.co_freevars) == place:
                return own.replace(co_filename=code.co_filename)
    return code


def _fall_silent(*_: Any) -> None:
    """A tracer or profiler is about to be set: nothing of ours is to be seen by it."""
    global _silent
    if _silent:
        return
    _silent = True
    hooks = getattr(builtins, NAME)
    hooks.begin, hooks.leave, hooks.keep, hooks.ended = {}.get, {}.get, (), unseen.append
    for key, counted in _functions.items():
        _leave_alone(key, counted)


def end_unheard(end: Callable[[], None]) -> None:
    """Have `end` called when the program is about to hear of audit events.

    Our functions in Python raise many. A hook of the program that told us of what it does would call itself
    again and again by that. Hooks of installed packages tell us nothing, as that of `filelock`.
    """
    if end not in _endings:
        _endings.append(end)
    auditing.hear({"sys.addaudithook": _be_unheard})


def _be_unheard(*_: Any) -> None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_CAPTURE):
        frame = frame.f_back
    if frame is not None and not is_users_file(frame.f_code.co_filename):
        return
    while _endings:
        _endings.pop()()


def _fall_silent_in_python() -> None:
    if not fast_calls.usable():
        _fall_silent()


class _Keep:
    """Added to a tuple that holds what a function of the script is about to return, notes it.

    The tuple stays what it is.
    """

    __slots__ = ()

    def __radd__(self, box: tuple[Any]) -> tuple[Any]:
        stack = getattr(_local, "stack", None)
        if stack:
            top = stack[-1]
            if type(top) is _Open and top.frame is sys._getframe(1):
                top.kept = box[0]
        return box


def _leave(key: str) -> None:
    """A function of the script is left, by a return, by its end or by an exception."""
    stack: list[_Open | str] | None = getattr(_local, "stack", None)
    if not stack:
        return
    if stack[-1] is key:
        stack.pop()
        return
    frame = sys._getframe(1)
    if not any(type(one) is _Open and one.frame is frame for one in stack):
        return
    error = sys.exception()
    while stack:
        top = stack.pop()
        if type(top) is _Open:
            if top.frame is frame:
                _end(top, error)
                return
            # A call inside this one could not tell that it was left.
            _end(top, None, known=False)


def _end(done: _Open, error: BaseException | None, *, known: bool = True) -> None:
    if done.outer is not None:
        done.outer.outer = 0
    if process.recorder is None:
        return
    returns = done.kept is not NOTHING
    try:
        if (
            error is not None
            and _is_leaving(error, done.frame)
            and (error is not done.handled or not returns)
        ):
            done.call.fail(error)
        else:
            done.call.end(done.kept if returns and known else None)
    except Exception:
        process.recorder.failed()


def _is_leaving(error: BaseException, frame: FrameType) -> bool:
    """Whether `error` came out of `frame`'s own code, rather than being handled further out while it ran."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame is frame:
            return True
        trace = trace.tb_next
    return False


def unrecorded() -> list[str]:
    """For each function with calls that were not recorded: its name and how many of how many."""
    found = []
    for counted in _functions.values():
        if counted.calls > counted.recorded > 0:
            more = "more than " if counted.calls > MOST_COUNTED else ""
            calls = min(counted.calls, MOST_COUNTED)
            found.append(f"{counted.function.label}: {more}{calls - counted.recorded} of {more}{calls}")
    if _passed_over:
        found.append(f"all functions of modules that were too much to read: {', '.join(_passed_over[:20])}")
    if _silent and _functions:
        found.append("all functions: from when a tracer or profiler was set")
    return found
