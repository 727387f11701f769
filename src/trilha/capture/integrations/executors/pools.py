"""Pools of `multiprocessing`, of processes and of threads: each piece of work that the user hands over.

Where it listens, in the process that hands over: `Pool.apply_async` and what makes the pieces that `map`,
`imap` and `starmap` send, which are made when the pool takes them, as ever; and where results are set. In a
worker: its queue, whose pieces with a mark are called as attempts. A piece is a task: one call, or several
where the pool sends several at once (``chunksize``).
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from trilha.capture import context
from trilha.capture.context import Activity, current, process
from trilha.capture.handed import MARK, Handed, hide_frame, run_of
from trilha.capture.patches import Patches
from trilha.capture.pieces import Piece
from trilha.capture.whose import asked_by_user, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_results: Final[WeakKeyDictionary[Any, dict[int, Handed]]] = WeakKeyDictionary()
"""The tasks behind what the user got, by the numbers of the pieces."""
_local: Final = threading.local()
_NEEDED: Final = (
    *("Pool.apply_async", "Pool._guarded_task_generation", "ApplyResult.__init__", "ApplyResult._set"),
    *(
        "MapResult._set",
        "IMapIterator._set",
        "IMapUnorderedIterator._set",
        "worker",
        "mapstar",
        "starmapstar",
    ),
)


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to pools for `recorder`."""
    missing = [name for name in _NEEDED if not _has(library, name)]
    if missing:
        version = sys.version.partition(" ")[0]
        what = f"multiprocessing.Pool of Python {version} has changed: {', '.join(missing)}"
        recorder.complain(f"{what} cannot be recorded")
        return
    pool = library.Pool
    _patches.wrap(recorder, pool, "apply_async", _applying(recorder, library, pool.apply_async))
    pieces = pool._guarded_task_generation
    _patches.wrap(recorder, pool, "_guarded_task_generation", _mapping(recorder, library, pieces))
    _patches.wrap(recorder, library.ApplyResult, "__init__", _noting(library.ApplyResult.__init__))
    for name in ("ApplyResult", "MapResult", "IMapIterator", "IMapUnorderedIterator"):
        kind = getattr(library, name)
        _patches.wrap(recorder, kind, "_set", _learning(kind._set))
    _patches.wrap(recorder, library, "worker", _working(library.worker))


def end(recorder: Recorder) -> None:
    """Stop listening; pools are as they were."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """A forked child listens as its parent did; what its parent handed over is not its own."""
    _results.clear()


def _has(library: Any, path: str) -> bool:
    found = library
    for name in path.split("."):
        found = getattr(found, name, None)
    return found is not None


# -- handing over


def _travels(pool: Any, library: Any, handed: Handed, function: Any, named: Any) -> tuple[Any, Any]:
    """What the worker is to call in the place of `function`, and its arguments by name, with a mark."""
    if isinstance(pool, library.ThreadPool):
        handed.function = function  # it may call the user's several times
        return handed, named
    marked = OrderedDict(named)  # of the standard library: every worker can read it, and what it bears
    setattr(marked, MARK, handed.mark())
    return function, marked


def _applying(recorder: Recorder, library: Any, apply_async: Any) -> Any:
    def apply_and_record(self: Any, func: Any, *rest: Any, **named: Any) -> Any:
        handed = None
        if process.recorder is recorder:
            try:
                if is_users(func) or asked_by_user(sys._getframe(1)):
                    args = rest[0] if rest else named.get("args", ())
                    kwds = rest[1] if len(rest) > 1 else named.get("kwds", {})
                    handed = Handed(recorder, type(self).__name__, func, _once(args), dict(kwds))
                    if recorder.join is not None:
                        recorder.join.handing(handed.identifier)
                    func, kwds = _travels(self, library, handed, func, kwds)
                    rest = (args, kwds, *rest[2:])
                    named = {name: one for name, one in named.items() if name not in ("args", "kwds")}
            except Exception:
                recorder.failed()
        _local.handed = handed
        try:
            return apply_async(self, func, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            if handed is not None:
                handed.cancelled()
            raise
        finally:
            _local.handed = None

    return apply_and_record


def _noting(make: Any) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        handed = getattr(_local, "handed", None)
        if handed is not None:
            _local.handed = None
            _results[self] = {0: handed}

    return init


def _mapping(recorder: Recorder, library: Any, pieces: Any) -> Any:
    def pieces_and_record(self: Any, result_job: Any, func: Any, iterable: Iterable[Any]) -> Iterator[Any]:
        made: Iterator[Any] = pieces(self, result_job, func, iterable)
        try:
            if process.recorder is recorder:
                result = self._cache.get(result_job)
                if result is not None and recorder.join is not None:
                    recorder.join.calls(result)
                    recorder.join.handed(result)
                return _told(recorder, self, library, made, result, sys._getframe(1))
        except Exception:
            recorder.failed()
        return made

    return pieces_and_record


def _told(recorder: Recorder, pool: Any, library: Any, made: Any, result: Any, frame: Any) -> Iterator[Any]:
    """The pieces as they are made, by the pool's own thread, each a task that this thread handed over."""
    place, asked = current(recorder), asked_by_user(frame)
    known: dict[int, Handed] = {}
    if result is not None:
        _results[result] = known

    def tell(piece: Any) -> Any:
        try:
            job, number, func, args, kwds = piece
            function = args[0][0] if func in (library.mapstar, library.starmapstar) else func
            if process.recorder is not recorder or not (asked or is_users(function)):
                return piece
            if func is library._helper_reraises_exception:
                return piece
            handed = _hand_over(recorder, place, type(pool).__name__, library, func, args, kwds)
            known[number] = handed
            func, kwds = _travels(pool, library, handed, func, kwds)
            return job, number, func, args, kwds
        except Exception:
            recorder.failed()
            return piece

    return map(tell, made)


def _hand_over(
    recorder: Recorder, place: Activity, engine: str, library: Any, func: Any, args: Any, kwds: Any
) -> Handed:
    reset = context.enter(place)
    try:
        if func not in (library.mapstar, library.starmapstar):
            return Handed(recorder, engine, func, args, kwds)
        function, batch = args[0]
        if func is library.mapstar:
            calls: list[tuple[Any, ...]] = [(one,) for one in batch]
        else:
            calls = [_once(one) for one in batch]
        return Piece(recorder, engine, function, calls)
    finally:
        context.leave(reset)


def _once(arguments: Any) -> tuple[Any, ...]:
    """The arguments of a call; none of them known where they can be had but once, by the worker."""
    return tuple(arguments) if type(arguments) in (tuple, list) else ()


# -- learning what came of it


def _learning(put: Any) -> Any:
    def put_and_record(self: Any, number: int, outcome: Any) -> None:
        # Before those who wait for the result have it.
        known = _results.get(self)
        handed = known.pop(number, None) if known else None
        if handed is not None:
            success, value = outcome
            if success:
                if handed.function is not None and handed.recorder.join is not None:
                    handed.recorder.join.arrives(self, handed.identifier)  # No thread of ours called it.
                handed.gave(value)
            else:
                handed.raised(value)
        put(self, number, outcome)

    return put_and_record


# -- in a worker


class _Queue:
    """A worker's queue, whose pieces with a mark are called as attempts."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def get(self) -> Any:
        """The next piece."""
        piece = self._queue.get()
        if type(piece) is tuple and len(piece) == 5:
            job, number, function, args, kwds = piece
            return job, number, run_of(function, getattr(kwds, MARK, None)), args, kwds
        return piece


def _working(worker: Callable[..., None]) -> Callable[..., None]:
    def work_and_record(inqueue: Any, *rest: Any, **named: Any) -> None:
        try:
            # Those of a pool of threads come as attempts.
            worker(_Queue(inqueue) if hasattr(inqueue, "_writer") else inqueue, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise

    return work_and_record
