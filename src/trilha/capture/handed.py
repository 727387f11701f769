"""A call that a program hands to an executor, in the process that hands it over and where it is executed.

The one that hands it over states the task: what is called, with what, what came of it. Where it is executed,
in a thread or in another process, the attempt is stated: when and where it ran and what it took; all that it
does lies in it. What travels to another process beside the call is a `Mark`, of texts and numbers alone: a
process that knows nothing of Trilha can read it, and the user's own function is pickled as ever.

A call that was never executed has no attempt; one whose end nobody told of has no end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from trilha.capture import context, machine
from trilha.capture.attempts import Inside
from trilha.capture.callees import Callee, brought_by, callee_of, unbound
from trilha.capture.context import Activity, Executing, process
from trilha.capture.identity import inside, is_value, parts_of
from trilha.capture.journal.writer import literal_name
from trilha.capture.siblings import iri_of
from trilha.capture.structures import structures_in
from trilha.capture.tasks import Alike, Task, alike_of
from trilha.capture.values import key_of, stands_for_itself, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = [
    "MARK",
    "THREAD",
    "Handed",
    "Mark",
    "Run",
    "Running",
    "handed_here",
    "handed_of",
    "hide_frame",
    "is_loss",
    "label_of",
    "run_of",
]

Mark = tuple[str, str, int, dict[str, str]]
"""What travels with a task: its IRI, its label, when it was handed over (nanoseconds since 1970 UTC), and the
IRIs of the objects that are its arguments, by their roles."""

MARK: Final = "trilha_mark"
"""Name of the attribute that a mark travels as."""
THREAD: Final = ("trilha:thread",)
"""Key of the name of the thread that an attempt is executed in."""
_ATTEMPT: Final = literal_name("trilha:Attempt")
_MOST_CALLS: Final = 32
_MOST_FUTURES: Final = 256
_MOST_GIVEN: Final = 32
_UNDECIDED: Final = ("PENDING", "RUNNING")
"""What a future of `concurrent.futures` says of itself before it has a result."""
_now = time.time_ns


class Handed(Task):
    """A call that was handed over: a task, and what is called in its place where this process executes it.

    Args:
        recorder: of the run.
        engine: that it was handed to: the executor's class or library.
        function: that is called.
        args: by position.
        kwargs: by name.
        facts: further attributes, keys and values in turn.
        calls: the arguments of each call, where several are one task; then `args` and `kwargs` are empty.
        shares: it is called in this process, and reads its module's names as they are here.

    Attributes:
        function: that is called, until it is.
        has_result: it gave one.
    """

    __slots__ = ("_futures", "_given", "function", "has_result")

    def __init__(
        self,
        recorder: Recorder,
        engine: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *facts: Any,
        calls: Sequence[Sequence[Any]] | None = None,
        shares: bool = False,
    ) -> None:
        self.has_result = False
        self.function: Callable[..., Any] | None = function
        self._futures: Sequence[tuple[Any, str]] = ()
        callee, args, kwargs = _called(recorder, function, args, kwargs)
        reads = callee.reads if shares else ()
        if not (kwargs or facts or calls or callee.brings or reads) and all(map(stands_for_itself, args)):
            count = len(args)
            alike = callee.told.get((engine, count)) or _alike(recorder, engine, callee, function, count)
            if alike is not None:
                self._begin(alike, args)
                return
        if calls is not None:
            facts = (*facts, "trilha:calls", len(calls))
        about: list[Any] = [*facts]
        things: list[tuple[str, Any]] = []
        named = _by_name(callee, args, kwargs, calls)
        for role, value in named.items():
            if not is_value(value):
                things.append((role, value))
            elif value is not None:
                about += [key_of("trilha:arg.", role), value_of(value)]
        if callee.brings:
            things += _brought(recorder, function, named)
        super().__init__(recorder, label_of(function), engine, callee, *about)
        self._given: dict[str, int | str] = {}
        for role, value in things:
            if not self._await(value, role):
                self._given.update(self.uses(value, role))
        if reads:
            self._note_read(function, reads)

    def mark(self) -> Mark:
        """What the process that executes it is to know."""
        recorder = self.recorder
        given: dict[str, str] = {}
        if self._usages:
            given = {name: iri_of(recorder, one) for name, one in islice(self._given.items(), _MOST_GIVEN)}
        return iri_of(recorder, self.identifier), self.label, self.at, given

    def travels(self) -> Mark:
        """The mark, on its way to another process; `run_of` and `handed_here` understand it."""
        mark = self.mark()
        _here[os.getpid(), mark[0]] = self
        return mark

    # -- futures

    def stands_for(self, future: Any) -> None:
        """Have `future` known as that of this task's result (`handed_of`)."""
        future._trilha_handed = self
        if not self.over and getattr(future, "_state", "PENDING") not in _UNDECIDED:
            # An executor that broke, or was shut down, at once: nobody could know yet whose future it was.
            if future.cancelled():
                self.cancelled()
            elif (error := future.exception()) is not None:
                self.raised(error, "lost" if is_loss(error) else "failed")

    def _await(self, thing: Any, role: str) -> bool:
        """Whether `thing` is a future, or holds some; their results are used once they are there."""
        kind = type(thing)
        if kind in (list, tuple) and thing:
            parts = [
                (one, f"{role}[{place}]")
                for place, one in enumerate(thing[:_MOST_FUTURES])
                if _is_future(one)
            ]
            self._futures = (*self._futures, *parts)
            return len(parts) == len(thing)
        if _is_future(thing):
            self._futures = (*self._futures, (thing, role))
            return True
        return False

    def _use_awaited(self) -> None:
        """State the use of the results of other tasks, as far as these are there."""
        futures, self._futures = self._futures, ()
        for future, role in futures:
            if type(future) is _Read:
                if future.is_as_it_was(self.recorder) and future.entity not in self.used:
                    self.uses_entity(future.entity, role)
                continue
            other = handed_of(future)
            if other is None:
                self.uses(future, role)
            elif other.has_result and other.recorder is self.recorder:
                self.uses_entity(other.result, role)

    def _note_read(self, function: Any, names: Sequence[str]) -> None:
        """Note what is known of names of its module that it reads; another thread may bind them anew."""
        inner = unbound(function, (), {})[0]
        known = getattr(inner, "__globals__", {})
        for name in names:
            thing = known.get(name)
            found = None if thing is None or is_value(thing) else self.recorder.objects.get(thing)
            if found is not None:
                self._futures = (*self._futures, (_Read(known, name, found.entity), name))

    # -- where it is executed, if that is here

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as an attempt in this thread.

        The task's end is told here, before anybody who waits for it learns of it.

        Returns:
            What the function gives; what it raises has no frame of ours in its traceback.
        """
        attempt, recorder = None, self.recorder
        # A program may keep the future, and that would keep this.
        function, self.function = self.function, None
        if process.recorder is recorder and not self.over:
            try:
                attempt = Inside(self, self.at, THREAD, (threading.current_thread().name,))
            except Exception:
                recorder.failed()
        try:
            result = function(*args, **kwargs)  # type: ignore[misc] # a task is called once
        except BaseException as error:
            hide_frame(error)
            self.over_apart(attempt, error)
            raise
        if self.over:
            self.over_apart(attempt, None)
        elif attempt is not None:
            attempt.over(None, last=True)
        self.gave(result)
        return result

    def over_apart(self, attempt: Inside | None, error: BaseException | None) -> None:
        """The attempt is over, but gave `error`, or its task has ended meanwhile. Never raises."""
        if attempt is not None:
            attempt.over(error, last=False)
        if error is not None:
            self.raised(error)

    # -- its end, each told once; never raises

    def gave(self, result: Any) -> None:
        """It gave `result`."""
        if not self.over and process.recorder is self.recorder:
            self.over = True
            try:
                if self._futures:
                    self._use_awaited()
                self.ended("finished", result)
                self.has_result = True
            except Exception:
                self.recorder.failed()

    def raised(self, error: BaseException, status: str = "failed") -> None:
        """It raised `error`; or, as `status` tells, whoever executed it is lost."""
        self.function = None
        if self._ends_now():
            try:
                if self._futures:
                    self._use_awaited()
                self.failed(status, error)
            except Exception:
                self.recorder.failed()

    def cancelled(self) -> None:
        """It was cancelled before it was executed."""
        self.function = None
        self._stop("trilha:status", "cancelled")

    def stopped(self, exit_status: int) -> None:
        """It was a process, which is over and gave nothing but its exit status."""
        status = "finished" if exit_status == 0 else "failed" if exit_status > 0 else "killed"
        self._stop("trilha:status", status, "trilha:exit_status", exit_status)

    def _stop(self, *about: Any) -> None:
        if self._ends_now():
            try:
                self.recorder.end(self, _now(), *about)
            except Exception:
                self.recorder.failed()

    def _ends_now(self) -> bool:
        if self.over or process.recorder is not self.recorder:
            return False
        self.over = True
        return True


class _Read(NamedTuple):
    """A name of its module that a task reads, as it was when the task was handed over.

    Attributes:
        names: of the module.
        name: that is read.
        entity: what it was bound to was known as that; it is not kept alive for us.
    """

    names: dict[str, Any]
    name: str
    entity: int | str

    def is_as_it_was(self, recorder: Recorder) -> bool:
        """Whether nobody has bound the name, or come to know what it is bound to, as another one since."""
        thing = self.names.get(self.name)
        known = None if is_value(thing) else recorder.objects.get(thing)
        return known is not None and known.entity == self.entity


_here: Final[WeakValueDictionary[tuple[int, str], Handed]] = WeakValueDictionary()
"""Tasks that this process handed over, by its number (a forked child has a copy) and their IRI."""


def is_loss(error: BaseException) -> bool:
    """Whether `error` says that an executor broke: nobody knows what became of the tasks that it had."""
    return any(kind.__name__ == "BrokenExecutor" for kind in type(error).__mro__)


def handed_of(future: Any) -> Handed | None:
    """The task that a future is of, if it is one of ours."""
    try:
        # Asked in the usual way for what it does not have, a future of Parsl's submits a task that gets it.
        found: Handed = object.__getattribute__(future, "_trilha_handed")
    except AttributeError:
        return None
    return found


def _is_future(thing: Any) -> bool:
    futures = sys.modules.get("concurrent.futures._base")
    return futures is not None and issubclass(type(thing), futures.Future)


def handed_here(mark: Mark | None) -> Handed | None:
    """The task that this process handed over by `mark`, if it did."""
    return None if mark is None else _here.get((os.getpid(), mark[0]))


# -- where it is executed


def run_of(function: Callable[..., Any], mark: Mark | None) -> Callable[..., Any]:
    """What is to be called in the place of `function`: an attempt, if it came with a mark; else itself."""
    if mark is None or process.recorder is None:
        return function
    here = handed_here(mark)
    return Run(function, mark) if here is None else here


class Running:
    """An attempt that is going on in this thread, of a task that another process handed over.

    Args:
        recorder: of this process.
        mark: of the task.
        traced: what it calls is traced down to the variable, or is no part of the program.
    """

    __slots__ = ("_activity", "_at", "_recorder", "_reset", "_spent", "_waited")

    def __init__(self, recorder: Recorder, mark: Mark, *, traced: bool = True) -> None:
        iri, label, handed_over, _ = mark
        self._recorder = recorder
        self._at = at = _now()
        self._spent = time.thread_time_ns()
        self._waited = (at - handed_over) / 1e9
        about: list[Any] = ["prov:type", _ATTEMPT, "trilha:attempt", 1, "trilha:pid", os.getpid()]
        about += ("trilha:host", machine.host(), "prov:location", literal_name(recorder.machine))
        begun = recorder.begin(f"{label}, attempt 1", Activity(iri, label, None), at, *about)
        self._activity = Executing(begun.identifier, begun.label, begun.enclosing)
        self._reset = context.enter(self._activity)
        if recorder.join is not None:
            recorder.join.executes(iri, traced=traced)

    def end(self, error: BaseException | None) -> None:
        """The attempt is over. Never raises."""
        recorder = self._recorder
        spent, at = time.thread_time_ns() - self._spent, _now()
        try:
            self._activity.ended = True
            context.leave(self._reset)
            if process.recorder is not recorder:
                return
            if recorder.join is not None:
                recorder.join.executed()
            recorder.files.settle(self._activity, at)
            if type(error) is SystemExit and not error.code:
                error = None  # a process may end so
            about: list[Any] = ["trilha:status", "finished" if error is None else "failed"]
            about += ["trilha:waited", self._waited, "trilha:took", (at - self._at) / 1e9]
            about += ["trilha:cpu_seconds", spent / 1e9, "trilha:peak_memory", machine.peak_memory()]
            if error is not None:
                about += ["trilha:exception", text_of(error)[:2000]]
            recorder.end(self._activity, at, *about)
        except Exception:
            recorder.failed()


class Run:
    """A function that is called as the attempt of a task that another process handed over.

    Args:
        function: to be called.
        mark: of the task.
    """

    __slots__ = ("function", "mark")

    def __init__(self, function: Callable[..., Any], mark: Mark) -> None:
        self.function = function
        self.mark = mark

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives; what it raises has no frame of ours in its traceback."""
        running = None
        recorder = process.recorder
        if recorder is not None:
            try:
                traced = recorder.join is None or recorder.join.follows(self.function, args)
                running = Running(recorder, self.mark, traced=traced)
                if self.mark[3]:
                    _know(recorder, self.function, args, kwargs, self.mark[3])
            except Exception:
                recorder.failed()
        try:
            result = self.function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            if running is not None:
                running.end(error)
            raise
        if running is not None:
            running.end(None)
        return result


def _know(
    recorder: Recorder,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    given: Mapping[str, str],
) -> None:
    """Have arguments that came from another process known as the entities `given` for their roles."""
    function, calls = _calls_in(function, args)
    if calls is not None:
        args, kwargs, calls = (calls[0], {}, None) if len(calls) == 1 else ((), {}, calls)
    callee, args, kwargs = _called(recorder, function, args, kwargs)
    named = _by_name(callee, args, kwargs, calls)
    brought = brought_by(unbound(function, (), {})[0]) if callee.brings else {}
    for role, value in {**brought, **named}.items():
        if not is_value(value):
            held = dict(structures_in(value, role)) | dict(parts_of(value, role) or ()) | {role: value}
            for name, part in held.items():
                if name in given and recorder.objects.get(part) is None:
                    recorder.objects.put(part, given[name])


def _calls_in(
    function: Callable[..., Any], args: Sequence[Any]
) -> tuple[Callable[..., Any], Sequence[Sequence[Any]] | None]:
    """The user's function, and the arguments of each call that the standard library makes of it."""
    inner = function.func if type(function) is partial else function
    sent = getattr(inner, "__module__", None), getattr(inner, "__name__", None)
    if type(function) is partial and sent == ("concurrent.futures.process", "_process_chunk"):
        return function.args[0], args[0]
    if sent == ("multiprocessing.pool", "mapstar"):
        return args[0][0], [(one,) for one in args[0][1]]
    if sent == ("multiprocessing.pool", "starmapstar"):
        return args[0][0], [tuple(one) if type(one) in (tuple, list) else () for one in args[0][1]]
    return function, None


def hide_frame(error: BaseException) -> None:
    """Take the frame of the one who calls this out of the traceback of `error`, which it raises again."""
    trace = error.__traceback__
    if trace is not None and trace.tb_frame is sys._getframe(1):
        error.__traceback__ = trace.tb_next


# -- functions


def _alike(recorder: Recorder, engine: str, callee: Callee, function: Any, count: int) -> Alike | None:
    """What calls have in common that pass `count` plain arguments; None if their names are not known."""
    if callee.names is None or count > len(callee.names):
        return None
    keys = tuple([key_of("trilha:arg.", name) for name in callee.names[:count]])
    alike = alike_of(recorder, label_of(function), engine, callee.plan, keys)
    callee.told[engine, count] = alike
    return alike


def _called(
    recorder: Recorder, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callee, Sequence[Any], Mapping[str, Any]]:
    """What is called in the end, and its arguments: a `functools.partial` has some."""
    inner, args, kwargs = unbound(function, args, kwargs)
    return callee_of(recorder, inner), args, kwargs


def _by_name(
    callee: Callee, args: Sequence[Any], kwargs: Mapping[str, Any], calls: Sequence[Sequence[Any]] | None
) -> dict[str, Any]:
    """The arguments by name; of several calls, which all take `args` and `kwargs`, too, with its number."""
    if calls is None:
        return callee.arguments(args, kwargs)
    return {
        f"{name}[{place}]": value
        for place, one in enumerate(calls[:_MOST_CALLS])
        for name, value in callee.arguments((*args, *one), kwargs).items()
    }


def _brought(
    recorder: Recorder, function: Callable[..., Any], named: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """What the function brings along that is known, or holds what is, but for parameters that are `named`."""
    objects = recorder.objects
    return [
        (role, thing)
        for role, thing in brought_by(unbound(function, (), {})[0]).items()
        if role not in named
        and (objects.get(thing) or objects.whole(thing) or any(map(objects.get, inside(thing))))
    ]


def label_of(function: Callable[..., Any]) -> str:
    """What to call a task that calls `function`."""
    for _ in range(8):
        inner = function.func if type(function) is partial else getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    name = getattr(function, "__name__", None)
    return name if type(name) is str else type(function).__name__
