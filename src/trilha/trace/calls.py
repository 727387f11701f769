"""The calls of a traced program as a tree: who called whom, how often, and what ended by an exception.

Calls of the same function from the same place of the tree are one node with a count, as in a profile; a
function that is called again from within itself counts where it was entered first.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

from trilha.trace.evaluations import Component, Kind
from trilha.trace.traced import Traced

__all__ = ["Calls", "call_tree"]

_NEAR: Final = 1000
_FUNCTIONS: Final = ("def ", "async def ", "lambda", "@")


@dataclass
class Calls:
    """Activations of one function (or of a module's text) that were begun by the same callers.

    Attributes:
        name: of the function, qualified; `<module>` for a module's own text.
        file: of its text; empty if nothing was evaluated in a function.
        line: where its definition begins; 0 where that is not known.
        arguments: the names of its parameters, where it has any.
        count: how many activations.
        again: of these, how many began within another one of this function.
        raised: how many were ended by an exception.
        lost: of how many the end is not known.
        calls: what was called from them.
    """

    name: str
    file: str = ""
    line: int = 0
    arguments: tuple[str, ...] = ()
    count: int = 0
    again: int = 0
    raised: int = 0
    lost: int = 0
    calls: list[Calls] = field(default_factory=list)


def call_tree(traced: Traced) -> list[Calls]:
    """The calls of a trace, as trees: one of the script, and one of what no traced text has called.

    Of a process that was forked, those from then on.
    """
    roots: list[Calls] = []
    node_of: dict[int, tuple[Calls, _Path]] = {}
    known: dict[tuple[int, str, str], Calls] = {}
    top = _Path({})
    for number in traced.activations:
        one = traced.activation_of(number)
        if one.checkpoint <= traced.forked:
            continue
        above, path = node_of.get(one.caller or 0, (None, top))
        file = _file(traced, number, one.checkpoint)
        node = path.nodes.get((file, one.name)) if one.name != "<module>" else None
        if node is not None:
            node.again += 1
        else:
            key = id(above), file, one.name
            node = known.get(key)
            if node is None:
                node = known[key] = _node(traced, number, one.name, file, one.checkpoint)
                (above.calls if above is not None else roots).append(node)
            path = path.within(file, one.name, node)
        node.count += 1
        how = traced.ended(number).how
        node.raised += how == "raised"
        node.lost += how == "lost"
        node_of[number] = node, path
    return roots


class _Path:
    """The nodes from the root to one, by file and name; shared by all activations of that."""

    def __init__(self, nodes: dict[tuple[str, str], Calls]) -> None:
        self.nodes = nodes
        self._below: dict[tuple[str, str], _Path] = {}

    def within(self, file: str, name: str, node: Calls) -> _Path:
        known = self._below.get((file, name))
        if known is None:
            known = self._below[file, name] = _Path({**self.nodes, (file, name): node})
        return known


def _first(traced: Traced, activation: int, began: int) -> int | None:
    """The first evaluation in an activation; None if there is none near its beginning."""
    begins, activations = traced.switches()
    at = bisect_left(begins, began)
    for place in range(at, min(at + _NEAR, len(begins))):
        if activations[place] == activation:
            return begins[place]
    return None


def _file(traced: Traced, activation: int, began: int) -> str:
    first = _first(traced, activation, began)
    return traced.component(first).file if first is not None else ""


def _node(traced: Traced, activation: int, name: str, file: str, began: int) -> Calls:
    first = _first(traced, activation, began)
    if first is None:
        return Calls(name, name if name in traced.texts else "")
    definition = traced.component(first)
    if name == "<module>" or not _is_function(definition):
        return Calls(name, file)
    names, number = [], first
    while number < traced.end and traced.is_evaluation(number):
        if traced.component(number) != definition or traced.activation_number(number) != activation:
            break
        bound = traced.name(number)
        if bound is None:
            break
        names.append(bound)
        number += 1
    return Calls(name, file, definition.line, tuple(names))


def _is_function(component: Component) -> bool:
    return component.kind in (Kind.ASSIGN, Kind.DEFINITION) and component.text.startswith(_FUNCTIONS)
