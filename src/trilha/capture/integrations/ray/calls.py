"""Calls of remote functions and of actors' methods, in the process that makes them.

Where it listens: `RemoteFunction._remote`, `ActorClass._remote` and `ActorHandle._actor_method_call`, which
give back what they gave. What Ray calls itself is not recorded, what other libraries call is. Who connects by
Ray's client (`RayAPIStub.connect`) is told that its calls are made elsewhere.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.callees import Callee, arguments_of, callee_of
from trilha.capture.context import Quiet, process
from trilha.capture.handed import hide_frame, label_of
from trilha.capture.integrations.ray.names import Names, names, task_of, worker
from trilha.capture.integrations.ray.references import Call, is_there, remember
from trilha.capture.journal.writer import literal_name
from trilha.capture.patches import Patches
from trilha.capture.tasks import Task
from trilha.capture.values import is_value, key_of, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "is_rays_own"]

_OPTIONS: Final = (
    "num_returns",
    "max_retries",
    "max_task_retries",
    "retry_exceptions",
    "num_cpus",
    "num_gpus",
)
_DEFAULTS: Final = {"num_returns": 1, "max_task_retries": 0}
_ENGINE: Final = "ray"
_LIBRARIES: Final = frozenset(["data", "train", "tune", "serve", "rllib", "llm"])
"""Ray's own, which call functions and actors of theirs."""
_DRIVER: Final = 0


def is_rays_own(module: str, name: str) -> bool:
    """Whether a function or method is Ray's, by the name of its module and its own."""
    return module.partition(".")[0] == _ENGINE or name.startswith("__ray")


def begin(recorder: Recorder, patches: Patches) -> None:
    """Listen to calls."""
    functions, actors = sys.modules["ray.remote_function"], sys.modules["ray.actor"]
    for owner, name, told in (
        (functions.RemoteFunction, "_remote", _function_called),
        (actors.ActorClass, "_remote", _actor_made),
        (actors.ActorHandle, "_actor_method_call", _method_called),
    ):
        patches.wrap(recorder, owner, name, _calling(recorder, getattr(owner, name), told))
    client = sys.modules["ray.util.client"].RayAPIStub
    patches.wrap(recorder, client, "connect", _connecting(recorder, client.connect))


def _connecting(recorder: Recorder, connect: Any) -> Any:
    def connect_and_tell(*rest: Any, **named: Any) -> Any:
        if process.recorder is recorder:
            recorder.complain(
                "calls by way of Ray's client (ray://…) are made by a server elsewhere and are not recorded;"
                " connect from a node of the cluster, or submit the program as a job"
            )
        return connect(*rest, **named)

    return connect_and_tell


def _calling(recorder: Recorder, call: Any, told: Callable[..., None]) -> Any:
    def call_and_record(self: Any, *rest: Any, **named: Any) -> Any:
        at = time.time_ns()  # of the call: it may be executed before this goes on
        try:
            given = call(self, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        if process.recorder is recorder and given is not None:
            with Quiet():
                try:
                    told(names(recorder), at, given, self, *rest, **named)
                except Exception:
                    recorder.failed()
        return given

    return call_and_record


def _function_called(
    known: Names,
    at: int,
    given: Any,
    function: Any,
    args: Any = None,
    kwargs: Any = None,
    *_: Any,
    **options: Any,
) -> None:
    """A remote function was called."""
    inner = function._function
    module = getattr(inner, "__module__", None) or ""
    if is_rays_own(module, label_of(inner)):
        _pass_over(known, module)
        return
    callee = callee_of(known.recorder, inner)
    arguments = callee.arguments(args or (), kwargs or {})
    _state(known, at, given, options.get("name") or label_of(inner), callee, arguments, _said(options))


def _actor_made(
    known: Names,
    at: int,
    given: Any,
    kind: Any,
    args: Any = None,
    kwargs: Any = None,
    *_: Any,
    **options: Any,
) -> None:
    """An actor was made, which is a call of its class's `__init__`."""
    made = given._ray_actor_creation_function_descriptor
    if is_rays_own(made.module_name, made.class_name):
        _pass_over(known, made.module_name)
        return
    parameters = kind.__ray_metadata__.method_meta.signatures.get("__init__", ())
    arguments = _bound(parameters, args or (), kwargs or {})
    facts = (*_said(options), "trilha:actor", literal_name(known.actor(given._actor_id.hex())))
    task = known.creation(given._actor_id.hex())
    _state(
        known, at, None, f"{made.class_name}.__init__", _unknown(known.recorder), arguments, facts, name=task
    )


def _method_called(
    known: Names,
    at: int,
    given: Any,
    actor: Any,
    method_name: str,
    args: Any = None,
    kwargs: Any = None,
    *_: Any,
    **options: Any,
) -> None:
    """A method of an actor was called."""
    made = actor._ray_actor_creation_function_descriptor
    if is_rays_own(made.module_name, method_name):
        return
    arguments = _bound(actor._ray_method_signatures.get(method_name, ()), args or (), kwargs or {})
    facts = (*_said(options), "trilha:actor", literal_name(known.actor(actor._actor_id.hex())))
    label = options.get("name") or f"{made.class_name}.{method_name}"
    _state(known, at, given, label, _unknown(known.recorder), arguments, facts)


def _pass_over(known: Names, module: str) -> None:
    """Tell the user of the program that what one of Ray's own libraries calls is not recorded."""
    library = module.split(".")[1] if module.startswith("ray.") else ""
    if library in _LIBRARIES and worker().mode == _DRIVER:
        known.recorder.complain(
            f"the tasks and actors that ray.{library} makes are not recorded, nor what functions of the"
            " program do in them; what the program does around it is"
        )


def _unknown(recorder: Recorder) -> Callee:
    """Stands for a method, whose source the process has that executes it."""
    return callee_of(recorder, isinstance)


def _bound(parameters: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call of a method, by the names of its parameters."""

    def method() -> None: ...

    method.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    return arguments_of(method, args, kwargs)


def _said(options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The options that the program chose."""
    said: list[Any] = []
    for name in _OPTIONS:
        value = options.get(name)
        if value is not None and value != _DEFAULTS.get(name):
            said += [f"trilha:option.{name}", value_of(value) if is_value(value) else text_of(value)]
    return tuple(said)


def _state(
    known: Names,
    at: int,
    given: Any,
    label: str,
    callee: Callee,
    arguments: Mapping[str, Any],
    facts: tuple[Any, ...],
    name: str = "",
) -> None:
    """State a call, and have its end told once this process learns of it."""
    generator = getattr(given, "_generator_ref", None)
    results = [] if given is None else given if isinstance(given, list) else [generator or given]
    references = [one.hex() for one in results]
    about = [*facts]
    uses: list[tuple[str, str]] = []
    awaits: list[tuple[str, str]] = []
    things: list[tuple[Any, str]] = []
    for role, value in arguments.items():
        kind = type(value).__name__
        if kind == "ObjectRef":
            reference = value.hex()
            (uses if is_there(reference) else awaits).append((reference, role))
        elif hasattr(type(value), "_actor_method_call"):
            about += [key_of("trilha:arg.", role), literal_name(known.actor(value._actor_id.hex()))]
        elif not is_value(value):
            things.append((value, role))
        elif value is not None:
            about += [key_of("trilha:arg.", role), value_of(value)]
    task = Task(
        known.recorder,
        label,
        _ENGINE,
        callee,
        *about,
        at=at,
        name=name or known.task(task_of(references[0])),
        uses=[(known.object(reference), role) for reference, role in uses],
    )
    for value, role in things:
        task.uses(value, role)
    if known.recorder.join is not None:
        known.recorder.join.promises(task.identifier)
    if references:
        dynamic = generator is not None or ("trilha:option.num_returns", "dynamic") in pairwise(facts)
        remember(task_of(references[0]), Call(task.activity, references, awaits, yields=dynamic))
