"""What a program sends from one process to another by queues and pipes of `multiprocessing`.

Nothing of ours travels with a message. Both sides have its bytes: the one that sends it says of which objects
it was made, under a name that is made of the bytes and of the pipe that they went through; the one that gets
it knows the same name. So the same bytes are one entity, whoever sent them: what was sent more than once
comes of all that it was made of. What was sent by who is not recorded, or of what is not known there, is
unknown. Requests to a manager (`multiprocessing.Manager`) and its answers are messages, too.

Traces know messages by the same bytes, those of plain values and bytes that are sent as they are, too: which
call sent one, and which got it.

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
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.compiled_tasks import way
from trilha.capture.context import Activity, Quiet, current_activity, process
from trilha.capture.handed import hide_frame
from trilha.capture.identity import Known, describe, is_value, parts_of, within
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.patches import Patches
from trilha.capture.places import programs
from trilha.capture.structures import structures_in
from trilha.capture.whose import asked_by_user, hands_on, is_users_file

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
_AT_ONCE: Final = frozenset(("put_nowait", "get_nowait"))
_MAIN: Final = "MainProcess"
"""What `multiprocessing` calls a process that it did not start."""
_MOST_WAITING: Final = 10_000
_PERHAPS_THE_PROGRAMS: Final = 0
_ANOTHERS: Final = 1
_OF_MANAGERS: Final = 2
"""Whose code sends or receives: as `trilha_tasks` numbers them (messages.h)."""


class _Sending(NamedTuple):
    """What is to be pickled.

    Attributes:
        obj: it itself.
        channel: that it was put into, or is sent by.
        pipe: of that.
        made: the entities that it is made of.
        told: its number in this process's trace; 0 where the call that sends it is not traced, None where it
            is and the trace knows nothing yet, since that call pickles it itself.
        thread: that called.
    """

    obj: Any
    channel: Any
    pipe: str
    made: list[int | str]
    told: int | None
    thread: int

    def is_pickled_here(self) -> bool:
        """Whether this thread is the one that pickles it: a `Queue` has one of its own."""
        feeder = getattr(self.channel, "_thread", None)
        if feeder is not None:
            return feeder is threading.current_thread()
        return self.thread == threading.get_ident()


_sending: Final[dict[int, list[_Sending]]] = {}
"""What is to be pickled, by its address."""
_awaited: Final[dict[int, tuple[Any, bool]]] = {}
"""By what the program receives something, and whether that is traced, by thread."""


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
        _listen_to_bytes(recorder, library._ConnectionBase)
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


def _listen_to_bytes(recorder: Recorder, connection: Any) -> None:
    """Bytes that are sent and received as they are: they are plain values, which traces alone know."""
    send, receive, into = connection.send_bytes, connection.recv_bytes, connection.recv_bytes_into
    _patches.wrap(recorder, connection, "send_bytes", _sends_bytes(recorder, send))
    _patches.wrap(recorder, connection, "recv_bytes", _receives_bytes(recorder, receive))
    _patches.wrap(recorder, connection, "recv_bytes_into", _receives_bytes(recorder, into))


def end(recorder: Recorder) -> None:
    """Stop listening."""
    _patches.end(recorder)
    _sending.clear()
    _awaited.clear()


def forked(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """A forked child has not what its parent was about to send and to receive."""
    _sending.clear()
    _awaited.clear()


# -- what is sent


def _sends(recorder: Recorder, send: Callable[..., Any]) -> Callable[..., Any]:
    def send_and_record(self: Any, obj: Any, *rest: Any, **named: Any) -> Any:
        sending = None
        if process.recorder is recorder and (recorder.join is not None or not is_value(obj)):
            frame = _calling(sys._getframe(1))
            sending = _remember(recorder, self, obj, frame) if _is_programs(frame) else None
        try:
            return send(self, obj, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            if sending is not None:
                _forget(sending)
            raise

    return way("messaging", send, send_and_record, recorder, *_asking(recorder)) or send_and_record


def _asking(recorder: Recorder) -> tuple[Callable[..., int], Callable[[], bool], str]:
    """What `trilha_tasks` asks of code that sends or receives, to leave out what is not the program's."""

    def whose(code: CodeType) -> int:
        try:
            return _whose(code)
        except Exception:
            recorder.failed()
            return _PERHAPS_THE_PROGRAMS

    def engines() -> bool:
        try:
            return _is_engines(os.getpid())
        except Exception:
            recorder.failed()
            return False

    return whose, engines, _MANAGERS


def _whose(code: CodeType) -> int:
    """Whose doing it is what this code sends or receives, as far as the code tells."""
    name = code.co_name
    if is_users_file(code.co_filename) or name in _AT_ONCE or hands_on(name):
        return _PERHAPS_THE_PROGRAMS
    managers = getattr(sys.modules.get(_MANAGERS), "__file__", None)
    return _OF_MANAGERS if code.co_filename == managers else _ANOTHERS


def _calling(frame: Any) -> Any:
    """Who calls `put` or `get`: for `put_nowait` and `get_nowait` whoever calls these."""
    if frame.f_code.co_name in _AT_ONCE and frame.f_globals.get("__name__") == "multiprocessing.queues":
        return frame.f_back
    return frame


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


def _remember(recorder: Recorder, channel: Any, obj: Any, frame: Any) -> _Sending | None:
    """Remember what `obj` is made of, and who sends it, until it is pickled; None if none of it is known."""
    try:
        with Quiet():
            parts = [] if is_value(obj) else _parts(obj)
            known = [recorder.objects.get(part) for part in parts]
            made = list(dict.fromkeys(one.entity for one in known if one is not None))
            if len(_sending) > _MOST_WAITING:
                return None
            pipe = _pipe_of(getattr(channel, "_writer", channel))
            told: int | None = 0
            if recorder.join is not None and asked_by_user(frame):
                told = recorder.join.sends() if hasattr(channel, "_thread") else None
            if not made and told == 0:
                return None
            sending = _Sending(obj, channel, pipe, made, told, threading.get_ident())
            _sending.setdefault(id(obj), []).append(sending)
            return sending
    except OSError:
        pass_on()
        return None  # It is closed: what sends says so.
    except Exception:
        recorder.failed()
        return None


def _take(obj: Any) -> _Sending | None:
    """What was remembered of `obj`, which this thread pickles: it is forgotten now."""
    for one in _sending.get(id(obj), ()):
        if one.obj is obj and one.is_pickled_here():
            _forget(one)
            return one
    return None


def _forget(sending: _Sending) -> None:
    waiting = _sending.get(id(sending.obj), [])
    for place, one in enumerate(waiting):
        if one is sending:
            del waiting[place]
            break
    if not waiting:
        _sending.pop(id(sending.obj), None)


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
                _pickled(recorder, obj, data)
            except Exception:
                recorder.failed()
        return data

    return way("pickling", dumps, dumps_and_record, recorder, _sending) or dumps_and_record


def _pickled(recorder: Recorder, obj: Any, data: Any) -> None:
    """Say of what a message was made, if `obj` is sent in it."""
    taken = _take(obj)
    called = None if taken is None else _called(taken.pipe, data)
    if taken is None or called is None:
        return
    with Quiet():
        if recorder.join is not None and taken.told is None:
            recorder.join.sends(called)
        elif recorder.join is not None and taken.told:
            recorder.join.named(taken.told, called)
        if taken.made:
            name = _name(recorder, called)
            _state(recorder, name)
            for source in taken.made:
                recorder.derived(name, source)


# -- what is received


def _receives(recorder: Recorder, receive: Callable[..., Any]) -> Callable[..., Any]:
    def receive_and_record(self: Any, *rest: Any, **named: Any) -> Any:
        frame = _calling(sys._getframe(1))
        if process.recorder is not recorder or not _is_programs(frame):
            return receive(self, *rest, **named)
        traced = recorder.join is not None and asked_by_user(frame)
        thread = threading.get_ident()
        before, _awaited[thread] = _awaited.get(thread), (self, traced)
        if recorder.join is not None and not traced:
            recorder.join.unknown(_WHY)  # A manager: what it does with its objects is not traced.
        try:
            return receive(self, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            if before is None:
                _awaited.pop(thread, None)
            else:
                _awaited[thread] = before

    return way("messaging", receive, receive_and_record, recorder, *_asking(recorder)) or receive_and_record


def _unpickling(recorder: Recorder, loads: Callable[..., Any]) -> Callable[..., Any]:
    def loads_and_record(data: Any, *rest: Any, **named: Any) -> Any:
        # What is unpickled may itself receive something.
        channel, traced = _awaited.pop(threading.get_ident(), None) or (None, False)
        if traced:
            _receiving(recorder, channel, data)
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

    return way("pickling", loads, loads_and_record, recorder, _awaited) or loads_and_record


def _receiving(recorder: Recorder, channel: Any, data: Any) -> None:
    """Have the trace know in which message came what the call that is evaluated gives."""
    try:
        called = _called(_pipe_of(getattr(channel, "_reader", channel)), data)
        if recorder.join is None:
            return
        if called is None:
            recorder.join.unknown(_WHY)
        else:
            recorder.join.receives(called)
    except Exception:
        recorder.failed()


def _expect(recorder: Recorder, channel: Any, data: Any, obj: Any) -> None:
    """Have the objects that came in a message known as of that, once they are met."""
    parts = [one for one in _parts(obj) if recorder.objects.get(one) is None]
    called = _called(_pipe_of(getattr(channel, "_reader", channel)), data) if parts else None
    if called is not None:
        received = _Received(recorder, _name(recorder, called))
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


# -- bytes as they are


def _sends_bytes(recorder: Recorder, send: Callable[..., Any]) -> Callable[..., Any]:
    def send_and_record(self: Any, buf: Any, *rest: Any, **named: Any) -> Any:
        join = recorder.join
        if join is not None and process.recorder is recorder and asked_by_user(sys._getframe(1)):
            try:
                called = _called(_pipe_of(self), _part(buf, *rest, **named))
                if called is not None:
                    join.sends(called)
            except (OSError, TypeError, ValueError):
                pass_on()  # What sends says so.
            except Exception:
                recorder.failed()
        try:
            return send(self, buf, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise

    return way("messaging", send, send_and_record, recorder, *_asking(recorder)) or send_and_record


def _part(buf: Any, offset: int = 0, size: int | None = None) -> memoryview:
    """The bytes of a buffer that are sent."""
    every = memoryview(buf).cast("B")
    return every[offset:] if size is None else every[offset : offset + size]


def _receives_bytes(recorder: Recorder, receive: Callable[..., Any]) -> Callable[..., Any]:
    def receive_and_record(self: Any, *rest: Any, **named: Any) -> Any:
        try:
            data = receive(self, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        join = recorder.join
        if join is not None and process.recorder is recorder and asked_by_user(sys._getframe(1)):
            if isinstance(data, bytes):
                _receiving(recorder, self, data)
            else:
                join.unknown(_WHY)  # They are in a buffer that was given.
        return data

    return way("messaging", receive, receive_and_record, recorder, *_asking(recorder)) or receive_and_record


# -- what both sides know


def _parts(obj: Any, depth: int = 3) -> list[Any]:
    """The objects in a message that may be known; a request to a manager has them deep inside.

    Lists and dicts of plain values are among them; a tuple of such may be one that Python has but once.
    """
    found = parts_of(obj, "")
    if found is None or not depth:
        return [obj, *_plain(obj)]
    return [*_plain(obj), *(inner for _, part in found for inner in _parts(part, depth - 1))]


def _plain(obj: Any) -> list[Any]:
    """The lists and dicts in `obj` that hold plain values alone."""
    return [one for _, one in structures_in(obj) if type(one) in (list, dict) and one and not within(one)]


def _pipe_of(connection: Any) -> str:
    """What tells a pipe from all others that are open, the same at both ends; nothing for a socket."""
    status = os.fstat(connection.fileno())
    return f"{status.st_ino:x}-" if stat.S_ISFIFO(status.st_mode) else ""


def _called(pipe: str, data: Any) -> str | None:
    """What both sides call a message of these bytes; None if there are too many."""
    return None if len(data) > _MOST_BYTES else f"{pipe}{blake2b(data, digest_size=16).hexdigest()}"


def _name(recorder: Recorder, called: str) -> str:
    """IRI of the message that is called so."""
    return f"{recorder.prefix}message-{called}"


def _state(recorder: Recorder, name: str) -> None:
    recorder.entity(name, "prov:type", _OBJECT, "prov:type", _MESSAGE, "prov:label", "message")
