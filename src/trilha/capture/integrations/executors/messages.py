"""What a program sends from one process to another by queues and pipes of `multiprocessing`.

Nothing of ours travels with a message. Both sides have its bytes: the one that sends it says of which objects
it was made, under a name that is made of the bytes and of the pipe that they went through; the one that gets
it knows the same name. So the same bytes are one entity, whoever sent them: what was sent more than once
comes of all that it was made of. What was sent by who is not recorded, or of what is not known there, is
unknown. Requests to a manager (`multiprocessing.Manager`) and its answers are messages, too.

Where it listens: the methods that the program calls, and `ForkingPickler.dumps` and `loads`, which all of
them go by; a `Queue` pickles later, in a thread of its own. They give back what they gave.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import threading
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, Quiet, current_activity, process
from trilha.capture.handed import hide_frame
from trilha.capture.identity import Known, describe, is_value, parts_of
from trilha.capture.journal.writer import literal_name
from trilha.capture.patches import Patches
from trilha.capture.places import programs
from trilha.capture.whose import asked_by_user

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_OBJECT: Final = literal_name("trilha:Object")
_MESSAGE: Final = literal_name("trilha:Message")
_MOST_BYTES: Final = 256 << 20
"""Of larger messages nothing is known: to hash them would take as long as to send them."""
_WHY: Final = "what comes out of a queue or pipe between processes: who put it there is not traced"
_MANAGERS: Final = "multiprocessing.managers"
_MAIN: Final = "MainProcess"
"""What `multiprocessing` calls a process that it did not start."""
_MOST_WAITING: Final = 10_000
_sending: Final[dict[int, list[tuple[Any, str, list[int | str]]]]] = {}
"""What is to be pickled, by its address: itself, its pipe, and the entities that it is made of."""
_local: Final = threading.local()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to `multiprocessing.connection`, or to `multiprocessing.queues`, for `recorder`."""
    if hasattr(library, "SimpleQueue"):
        listened: tuple[tuple[str, str, str], ...] = (
            ("Queue", "put", "get"),
            ("JoinableQueue", "put", ""),
            ("SimpleQueue", "put", "get"),
        )
    else:
        listened = (("_ConnectionBase", "send", "recv"),)
        _listen_to_pickler(recorder, library._ForkingPickler)
    for name, send, receive in listened:
        owner = getattr(library, name)
        _patches.wrap(recorder, owner, send, _sends(recorder, getattr(owner, send)))
        if receive:
            _patches.wrap(recorder, owner, receive, _receives(recorder, getattr(owner, receive)))


def _listen_to_pickler(recorder: Recorder, pickler: Any) -> None:
    """All that is sent and received is pickled, and unpickled, by one class, which may have others below."""
    dumps, loads = vars(pickler)["dumps"], vars(pickler)["loads"]
    _patches.put(recorder, pickler, "dumps", classmethod(_pickling(recorder, dumps.__func__)))
    _patches.put(recorder, pickler, "loads", staticmethod(_unpickling(recorder, loads)))


def end(recorder: Recorder) -> None:
    """Stop listening."""
    _patches.end(recorder)
    _sending.clear()


def forked(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """A forked child has not what its parent was about to send."""
    _sending.clear()


# -- what is sent


def _sends(recorder: Recorder, send: Callable[..., Any]) -> Callable[..., Any]:
    def send_and_record(self: Any, obj: Any, *rest: Any, **named: Any) -> Any:
        key = 0
        if process.recorder is recorder and not is_value(obj) and _is_programs(sys._getframe(1)):
            key = _remember(recorder, self, obj)
        try:
            return send(self, obj, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            if key:
                _take(obj)
            raise

    return send_and_record


def _is_programs(frame: Any) -> bool:
    """Whether the program's own code sends or receives, or asks a manager to."""
    if asked_by_user(frame):
        return True
    if frame.f_globals.get("__name__") != _MANAGERS:
        return False
    if not _is_engines(os.getpid()):
        return True
    # The methods of what stands for a manager's objects are made from texts, and are in no module.
    while frame is not None and frame.f_globals.get("__name__") in (_MANAGERS, None):
        frame = frame.f_back
    return asked_by_user(frame)


@functools.lru_cache(1)
def _is_engines(_process: int) -> bool:
    """Whether this process is one that an engine's own program has started, as the manager of its tasks is.

    What a task starts in a worker has the same main module, but not the same parent.
    """
    parent = sys.modules["multiprocessing.process"].parent_process()
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return main in programs() and (parent is None or parent.name == _MAIN)


def _remember(recorder: Recorder, channel: Any, obj: Any) -> int:
    """Remember what `obj` is made of until it is pickled; gives 0 if that is not known."""
    try:
        with Quiet():
            known = [recorder.objects.get(part) for part in _parts(obj)]
            made = list(dict.fromkeys(one.entity for one in known if one is not None))
            if not made or len(_sending) > _MOST_WAITING:
                return 0
            writer = getattr(channel, "_writer", channel)
            _sending.setdefault(id(obj), []).append((obj, _pipe_of(writer), made))
            return id(obj)
    except OSError:
        return 0  # It is closed: what sends says so.
    except Exception:
        recorder.failed()
        return 0


def _take(obj: Any) -> tuple[Any, str, list[int | str]] | None:
    """What was remembered of `obj`, which is forgotten now."""
    waiting = _sending.get(id(obj))
    if not waiting or waiting[0][0] is not obj:
        return None
    found = waiting.pop(0)
    if not waiting:
        _sending.pop(id(obj), None)
    return found


def _pickling(recorder: Recorder, dumps: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(dumps)
    def dumps_and_record(cls: Any, obj: Any, *rest: Any, **named: Any) -> Any:
        try:
            data = dumps(cls, obj, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            _take(obj)
            raise
        if _sending and process.recorder is recorder:
            try:
                taken = _take(obj)
                name = None if taken is None else _name(recorder, taken[1], data)
                if taken is not None and name is not None:
                    with Quiet():
                        _state(recorder, name)
                        for source in taken[2]:
                            recorder.derived(name, source)
            except Exception:
                recorder.failed()
        return data

    return dumps_and_record


# -- what is received


def _receives(recorder: Recorder, receive: Callable[..., Any]) -> Callable[..., Any]:
    def receive_and_record(self: Any, *rest: Any, **named: Any) -> Any:
        if process.recorder is not recorder or not _is_programs(sys._getframe(1)):
            return receive(self, *rest, **named)
        before, _local.pipe = getattr(_local, "pipe", None), self
        if recorder.join is not None:
            recorder.join.unknown(_WHY)
        try:
            return receive(self, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            _local.pipe = before

    return receive_and_record


def _unpickling(recorder: Recorder, loads: Callable[..., Any]) -> Callable[..., Any]:
    def loads_and_record(data: Any, *rest: Any, **named: Any) -> Any:
        # What is unpickled may itself receive something.
        channel, _local.pipe = getattr(_local, "pipe", None), None
        try:
            obj = loads(data, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        if channel is not None and not is_value(obj) and process.recorder is recorder:
            try:
                with Quiet():
                    _expect(recorder, channel, data, obj)
            except Exception:
                recorder.failed()
        return obj

    return loads_and_record


def _expect(recorder: Recorder, channel: Any, data: Any, obj: Any) -> None:
    """Have the objects that came in a message known as of that, once they are met."""
    parts = [one for one in _parts(obj) if recorder.objects.get(one) is None]
    name = _name(recorder, _pipe_of(getattr(channel, "_reader", channel)), data) if parts else None
    if name is not None:
        received = _Received(recorder, name)
        for one in parts:
            recorder.objects.expect(one, received)


class _Received:
    """How an object came that was part of a message.

    Args:
        recorder: of the run.
        message: IRI of it.
    """

    def __init__(self, recorder: Recorder, message: str) -> None:
        self._recorder, self._message = recorder, message
        self.activity: Activity = current_activity.get() or recorder.run

    def arrives(self, thing: Any) -> Known:
        """State that it came in the message."""
        recorder = self._recorder
        entity = next(recorder.numbers)
        recorder.entity(entity, "prov:type", _OBJECT, "prov:label", "received", *describe(thing))
        generation = recorder.generated(entity, self.activity.identifier, None)
        self.became(entity, generation)
        return recorder.objects.put(thing, entity, generation)

    def became(self, entity: int, generation: int) -> None:  # noqa: ARG002 -- it is not by a usage
        """The activity gave it as its result."""
        _state(self._recorder, self._message)
        self._recorder.derived(entity, self._message)


# -- what both sides know


def _parts(obj: Any, depth: int = 3) -> list[Any]:
    """The objects in a message that may be known; a request to a manager has them deep inside."""
    found = parts_of(obj, "")
    if found is None or not depth:
        return [obj]
    return [inner for _, part in found for inner in _parts(part, depth - 1)]


def _pipe_of(connection: Any) -> str:
    """What tells a pipe from all others that are open, the same at both ends; nothing for a socket."""
    status = os.fstat(connection.fileno())
    return f"{status.st_ino:x}-" if stat.S_ISFIFO(status.st_mode) else ""


def _name(recorder: Recorder, pipe: str, data: Any) -> str | None:
    """IRI of a message of these bytes; None if there are too many."""
    if len(data) > _MOST_BYTES:
        return None
    return f"{recorder.prefix}message-{pipe}{blake2b(data, digest_size=16).hexdigest()}"


def _state(recorder: Recorder, name: str) -> None:
    recorder.entity(name, "prov:type", _OBJECT, "prov:type", _MESSAGE, "prov:label", "message")
