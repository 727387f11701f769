"""Graphs whose accounts are not legal, parted into accounts that are, and back.

In PROV an activity may use what it made before, by itself or by way of others: a run writes a file, a step
rewrites it, the run reads it again. OPM has one node for a process however long it lasts, so that this is a
cycle, which no account may have; several accounts together may (*The Open Provenance Model core specification
(v1.1)*, section 7). Here what does not fit into one account of a graph is stated by another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from trilha.errors import UsageError
from trilha.prov.constraints.components import components, cyclic
from trilha.prov.opm.model import Account, Annotation, Dependency, Graph
from trilha.prov.opm.terms import OPM, DependencyKind, NodeKind
from trilha.prov.values import time as _time

__all__ = ["parted", "whole"]

_PART_OF: Final = OPM["partOf"]
_Scope = str | None
_End = tuple[NodeKind, str]


def parted(graph: Graph) -> Graph:
    """The graph with each account legal, as far as it can be; `whole` takes it back.

    What a process used after it had made something that led to it stands in an account of its own, and so
    does every generation of an artifact but its first. What stood in no account stands in the first part.
    A dependency of a thing on itself fits nowhere: the graph stays illegal.

    Returns:
        The graph itself if no cycle and no second generation is in it. The others share what was not changed.
    """
    stated: dict[int, list[str]] = {}
    accounts: dict[str, Account] = {}
    overlaps: list[tuple[str, str]] = []
    for scope in (None, *graph.accounts):
        at = [i for i, edge in enumerate(graph.dependencies) if scope in (edge.accounts or (None,))]
        layers = _layers({i: graph.dependencies[i] for i in at})
        if len(layers) < 2:
            continue
        names = list(_names(scope, len(layers), {*graph.accounts, *accounts}))
        accounts |= {id: Account(id, (Annotation.of(_PART_OF, scope or ""),)) for id in names if id != scope}
        overlaps += [(names[0], other) for other in names[1:]]
        for name, layer in zip(names, layers, strict=True):
            for i in layer:
                others = [one for one in graph.dependencies[i].accounts if one != scope]
                stated.setdefault(i, others).append(name)
    if not accounts:
        return graph
    edges = (
        edge._replace(accounts=tuple(stated[i])) if i in stated else edge
        for i, edge in enumerate(graph.dependencies)
    )
    return _with(graph, {**graph.accounts, **accounts}, [*graph.overlaps, *overlaps], edges)


def whole(graph: Graph) -> Graph:
    """The graph that `parted` was given: what was parted stands in its own account again, or in none.

    Returns:
        The graph itself if it is not parted.
    """
    parts = {id: of for id, account in graph.accounts.items() if (of := _part_of(account)) is not None}
    if not parts:
        return graph
    accounts = {id: account for id, account in graph.accounts.items() if id not in parts}
    overlaps = [pair for pair in graph.overlaps if parts.keys().isdisjoint(pair)]
    edges = (
        edge._replace(accounts=tuple(filter(None, dict.fromkeys(parts.get(a, a) for a in edge.accounts))))
        for edge in graph.dependencies
    )
    return _with(graph, accounts, overlaps, edges)


def _with(
    graph: Graph,
    accounts: dict[str, Account],
    overlaps: list[tuple[str, str]],
    edges: Iterable[Dependency],
) -> Graph:
    made = Graph(graph.id, base=graph.base)
    made.nodes, made.containments = graph.nodes, graph.containments
    made.annotations, made.external = graph.annotations, graph.external
    made.accounts, made.overlaps, made.dependencies = accounts, overlaps, list(edges)
    return made


def _names(scope: _Scope, count: int, taken: set[str]) -> Iterator[str]:
    """The accounts of the parts: the first one of an account is that account."""
    number = 0
    if scope is not None:
        yield scope
        count -= 1
    while count:
        number += 1
        if (name := f"part{number}") not in taken:
            count -= 1
            yield name


def _part_of(account: Account) -> str | None:
    """The account that an account is a part of, empty for what stood in none; None if it is no part."""
    for annotation in account.annotations:
        for key, value in annotation.properties:
            if key == _PART_OF:
                return str(value)
    return None


# What fits into one account


def _layers(edges: dict[int, Dependency]) -> list[list[int]]:
    """The dependencies, by number, in as many parts as it takes; what fits nowhere is in the first."""
    layers: list[list[int]] = []
    while edges:
        apart = _apart(edges)
        layers.append([i for i in edges if i not in apart])
        if not layers[-1]:
            layers.pop()
            layers[:1] = [[*(layers[0] if layers else ()), *apart]]
            break
        edges = {i: edges[i] for i in edges if i in apart}
    return layers


def _apart(edges: dict[int, Dependency]) -> set[int]:
    """The dependencies without which the others have no cycle, and no artifact several generations."""
    apart: set[int] = set()
    made: dict[str, Dependency] = {}
    for i, edge in edges.items():
        if edge.kind is DependencyKind.WAS_GENERATED_BY:
            plain = edge._replace(id=None)
            if made.setdefault(edge.effect, plain) != plain:
                apart.add(i)
    left = {i: edge for i, edge in edges.items() if i not in apart}
    while inside := _on_cycles(left):
        left = {}
        for several in inside:
            closing = set(_closing(several))
            apart |= closing
            left |= {i: edge for i, edge in several.items() if i not in closing}
    return apart


def _on_cycles(edges: dict[int, Dependency]) -> list[dict[int, Dependency]]:
    """The dependencies that are on cycles, those together that are on each other's."""
    ends = {i: _ends(edge) for i, edge in edges.items()}
    number = components(cyclic(ends.values()))
    inside: dict[int, dict[int, Dependency]] = {}
    for i, (effect, cause) in ends.items():
        if effect in number and number[effect] == number.get(cause):
            inside.setdefault(number[effect], {})[i] = edges[i]
    return list(inside.values())


def _closing(edges: dict[int, Dependency]) -> list[int]:
    """Of dependencies that are on each other's cycles, some of those that close one."""
    if alone := [i for i, edge in edges.items() if len(set(_ends(edge))) == 1]:
        return alone
    begun: dict[str, datetime] = {}
    used: dict[int, datetime | None] = {}
    for i, edge in edges.items():
        when = _instant(edge)
        if edge.kind is DependencyKind.USED:
            used[i] = when
        elif edge.kind is DependencyKind.WAS_GENERATED_BY and when is not None:
            begun[edge.cause] = min(when, begun.get(edge.cause, when))
    late = [
        i
        for i, when in used.items()
        if when is not None and (first := begun.get(edges[i].effect)) is not None and when > first
    ]
    if late:
        return late
    known = {when: i for i, when in used.items() if when is not None}
    if known:
        return [known[max(known)]]
    if used:  # times tell nothing: the process that used most goes on longest, and closes most cycles
        ((process, _),) = Counter(edges[i].effect for i in used).most_common(1)
        return [i for i in used if edges[i].effect == process]
    return [max(edges)]


def _ends(edge: Dependency) -> tuple[_End, _End]:
    effect, cause = edge.kind.ends
    return (effect, edge.effect), (cause, edge.cause)


def _instant(edge: Dependency) -> datetime | None:
    """When a dependency was seen; None where that is unknown, or has no zone to compare it by."""
    if edge.time is None or edge.time.exactly_at is None:
        return None
    try:
        when = _time(edge.time.exactly_at)
    except UsageError:
        return None
    return when if isinstance(when, datetime) and when.tzinfo is not None else None
