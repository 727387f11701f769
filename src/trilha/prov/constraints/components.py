"""Strongly connected components and shortest cycles, for graphs of millions of edges (Tarjan 1972).

Nothing here knows PROV: what is connected are nodes, any hashable objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

__all__ = ["components", "cyclic", "shortest_path"]

Node = TypeVar("Node", bound=Hashable)


def cyclic(edges: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    """The part of a graph in which its cycles are: successors by node; empty if there are no cycles.

    Nodes that nothing precedes are taken away until there are none: most graphs vanish.
    """
    after: dict[Node, list[Node]] = {}
    before: dict[Node, int] = {}
    for one, other in edges:
        if one in after:
            after[one].append(other)
        else:
            after[one] = [other]
        before[other] = before.get(other, 0) + 1
    free = [node for node in after if node not in before]
    while free:
        for other in after.pop(free.pop(), ()):
            left = before[other] - 1
            if left:
                before[other] = left
            else:
                del before[other]
                free.append(other)
    return {node: [other for other in others if other in after] for node, others in after.items()}


def components(after: Mapping[Node, list[Node]]) -> dict[Node, int]:
    """The strongly connected component of each node, as a number; nodes of one component share it."""
    number: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    found: dict[Node, int] = {}
    stack: list[Node] = []
    for root in after:
        if root in number:
            continue
        work = [(root, iter(after[root]))]
        number[root] = lowest[root] = len(number)
        stack.append(root)
        while work:
            node, others = work[-1]
            for other in others:
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    stack.append(other)
                    work.append((other, iter(after.get(other, ()))))
                    break
                if other not in found:
                    lowest[node] = min(lowest[node], number[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == number[node]:
                    _close(node, stack, found)
    return found


def _close(node: Node, stack: list[Node], found: dict[Node, int]) -> None:
    label = len(found)
    while True:
        member = stack.pop()
        found[member] = label
        if member == node:
            return


def shortest_path(
    after: Mapping[Node, list[Node]], start: Node, goal: Node, inside: Mapping[Node, int], at_most: int
) -> list[Node] | None:
    """The nodes of a shortest path from `start` to `goal` within one component.

    Args:
        after: successors.
        start: where it begins; a path from a node to itself is that node alone.
        goal: where it ends.
        inside: the component of each node; the path stays in that of `start`.
        at_most: give up beyond so many edges.

    Returns:
        The path with both ends; None if there is none of that length.
    """
    if start == goal:
        return [start]
    home = inside[start]
    came: dict[Node, Node] = {}
    queue = deque([(start, 0)])
    while queue:
        node, far = queue.popleft()
        if far >= at_most:
            return None
        for other in after[node]:
            if other not in came and other != start and inside.get(other) == home:
                came[other] = node
                if other == goal:
                    return _back(came, start, goal)
                queue.append((other, far + 1))
    return None


def _back(came: Mapping[Node, Node], start: Node, goal: Node) -> list[Node]:
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]
