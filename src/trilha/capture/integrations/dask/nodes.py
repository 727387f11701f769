"""What a task of Dask's says of itself: functions, arguments by name, and whose results it takes.

A graph's value is a `dask._task_spec.GraphNode`: a `Task` calls a function with arguments, which refer to
other tasks by `TaskRef`, may hold tasks of their own, and lie in containers. Several tasks that Dask fused
into one are a `Task` whose function executes a little graph. Nodes are told apart by the names of their
classes, so that nothing of Dask is imported here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.callees import arguments_of, callee_of
from trilha.capture.plans import code_of
from trilha.capture.values import is_value, key_of, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Said", "facts_of", "is_alias", "is_data", "key_text", "read_node"]

_SUBGRAPH: Final = "_execute_subgraph"
_CASTS: Final = frozenset(["_identity_cast", "to_container"])
_CONTAINERS: Final = frozenset(["List", "Tuple", "Set", "Dict"])
_ENGINE: Final = frozenset(["dask", "distributed", "tlz", "toolz", "cytoolz", "operator", "builtins"])
"""Packages whose functions stand between the program's and Dask."""
_MOST: Final = 256
_DEEP: Final = 8


class Said(NamedTuple):
    """What is known of a task before it is executed.

    Attributes:
        label: the program's function, where there is one; else the name that Dask gave it.
        functions: that it calls, the program's first.
        depends: keys of the tasks whose results it takes, with the parameter's name.
        arguments: the others, by the parameter's name.
        fused: keys of the tasks that were made into this one.
    """

    label: str
    functions: list[Callable[..., Any]]
    depends: list[tuple[Any, str]]
    arguments: list[tuple[str, Any]]
    fused: list[str]


def is_alias(node: Any) -> bool:
    """Whether the result of `node` is that of another, its `target`."""
    return type(node).__name__ == "Alias"


def is_data(node: Any) -> bool:
    """Whether `node` is nothing to compute, but a `value`."""
    return type(node).__name__ == "DataNode"


def key_text(key: Any) -> str:
    """A key, which is a text, a number or a tuple of such, as Dask shows it."""
    return key if type(key) is str else text_of(key)


def read_node(recorder: Recorder, node: Any, name: str) -> Said:
    """What `node` says of itself.

    Args:
        recorder: of the run.
        node: of the graph.
        name: the first part of the key, which Dask makes from the function's name.
    """
    told: list[Callable[..., Any]] = []
    depends: list[tuple[Any, str]] = []
    arguments: list[tuple[str, Any]] = []
    fused: list[str] = []
    _read(node, "", {}, (told, depends, arguments, fused, recorder), _DEEP)
    functions = told
    if len(told) > 1:
        functions = list(dict.fromkeys(one for one in told if _hashable(one)))
    own = [one for one in functions if _is_own(one)]
    label = name
    if len(own) == 1 and not fused:
        called = getattr(own[0], "__name__", None)
        label = called if isinstance(called, str) and called != "<lambda>" else name
    takes = list(dict.fromkeys((key, role or "data") for key, role in depends))
    return Said(label, own or functions[:1], takes, arguments[:_MOST], fused)


def facts_of(arguments: list[tuple[str, Any]]) -> tuple[list[Any], list[tuple[str, Any]]]:
    """Plain values among arguments as attributes, keys and values in turn; and the others."""
    facts: list[Any] = []
    objects: list[tuple[str, Any]] = []
    for role, one in arguments:
        kind = type(one)
        if kind is int or kind is float or is_value(one):
            if one is not None:
                facts += (key_of("trilha:arg.", role or "data"), value_of(one))
        else:
            objects.append((role or "data", one))
    return facts, objects


_Told = tuple[list[Callable[..., Any]], list[tuple[Any, str]], list[tuple[str, Any]], list[str], "Recorder"]


def _read(thing: Any, role: str, scope: dict[Any, Any], told: _Told, depth: int) -> None:
    """Add what `thing`, the argument `role`, says to `told`.

    Args:
        thing: an argument, or a node.
        role: name of the parameter and the path in it.
        scope: what the keys of the little graph around it are; None for its other tasks.
        told: functions, dependencies, arguments, fused keys, and the recorder.
        depth: so many more containers are opened.
    """
    functions, depends, arguments, _, recorder = told
    whole: Any = type(thing)
    kind = whole.__name__
    if not _is_node(whole):
        if type(thing) in (list, dict, tuple) and depth and not is_value(thing):
            functions += [one for one in _leaves(thing) if callable(one) and _is_own(one)]
        if callable(thing) and type(thing) is not type and code_of(thing) is not None:
            functions.append(thing)
        else:
            arguments.append((role, thing))
    elif kind in ("TaskRef", "Alias"):
        key = thing.key if kind == "TaskRef" else thing.target
        if key not in scope:
            depends.append((key, role))
        elif scope[key] is not None and depth:
            _read(scope[key], role, {}, told, depth - 1)
    elif kind == "DataNode":
        _read(thing.value, role, scope, told, depth)
    elif kind in _CONTAINERS or getattr(thing.func, "__name__", "") in _CASTS:
        for path, one in _parts(thing, kind):
            _read(one, f"{role}{path}", scope, told, depth - 1 if depth else 0)
    elif getattr(thing.func, "__name__", "") == _SUBGRAPH:
        _read_subgraph(thing, role, scope, told, depth)
    else:
        functions.append(thing.func)
        if _is_own(thing.func):
            given = callee_of(recorder, thing.func).arguments(thing.args, thing.kwargs)
        else:
            given = arguments_of(thing.func, thing.args, thing.kwargs)
        for name, one in given.items():
            _read(one, f"{role}.{name}" if role else name, scope, told, depth)


def _read_subgraph(thing: Any, role: str, scope: dict[Any, Any], told: _Told, depth: int) -> None:
    """Of a task that executes a little graph: its tasks, whose open ends are what it is given."""
    inner, _, ends, *given = thing.args
    inside: dict[Any, Any] = dict.fromkeys(inner)
    inside.update(zip(ends, given, strict=False))
    inside.update({key: node for key, node in inner.items() if is_data(node)})
    for key, node in inner.items():
        told[3].append(key_text(key))
        if not is_data(node):
            _read(node, role, {**scope, **inside}, told, depth)


def _parts(container: Any, kind: str) -> Iterator[tuple[str, Any]]:
    if kind == "Dict":
        flat = list(container.args)
        for key, one in zip(flat[::2], flat[1::2], strict=False):
            yield f"[{text_of(key)}]", one
    else:
        for place, one in enumerate(container.args):
            yield f"[{place}]", one


def _leaves(thing: Any) -> list[Any]:
    parts = list(thing.values()) if type(thing) is dict else list(thing)
    return parts[:_MOST]


@functools.lru_cache(256)
def _is_node(kind: Any) -> bool:
    """Whether things of this type are Dask's own, which refer to tasks."""
    return bool(kind.__module__.partition(".")[0] == "dask" and hasattr(kind, "substitute"))


def _is_own(function: Any) -> bool:
    """Whether a function is the program's, or of a library that it uses: what a reader would name."""
    for _ in range(8):
        inner = getattr(function, "func", None) or getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    module = getattr(function, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] not in _ENGINE


def _hashable(thing: Any) -> bool:
    try:
        hash(thing)
    except TypeError:
        return False
    return True
