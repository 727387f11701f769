"""Whether links would close a circle: nothing comes of itself.

Source: Tarjan, "Depth-first search and linear graph algorithms" (SIAM J. Comput. 1, 1972): strongly
connected components in one search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trilha.store import sql
from trilha.store.call_sql import LINKS

__all__ = ["on_circles"]


def on_circles(execute: Callable[..., Any], links: dict[int, int]) -> set[int]:
    """The effects of those links that lie on a circle, all of these links and those of the store taken.

    Args:
        execute: of a connection.
        links: the cause of each effect, by key.
    """
    causes = _upstream(execute, links)
    component = _components(causes)
    return {effect for effect, cause in links.items() if component.get(effect) == component[cause]}


def _upstream(execute: Callable[..., Any], links: dict[int, int]) -> dict[int, list[int]]:
    """What lies next upstream of all that lies upstream of the causes of `links`."""
    causes: dict[int, list[int]] = {}
    frontier = set(links.values())
    while frontier:
        causes.update((key, [links[key]] if key in links else []) for key in frontier)
        for effect, cause, _ in sql.among(execute, LINKS, sorted(frontier)):
            causes[effect].append(cause)
        frontier = {cause for key in frontier for cause in causes[key] if cause not in causes}
    return causes


def _components(causes: dict[int, list[int]]) -> dict[int, int]:
    """A number for each node, the same for those that lie on circles with each other."""
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    component: dict[int, int] = {}
    waiting: list[int] = []
    for root in causes:
        if root in number:
            continue
        path: list[tuple[int, Iterable[int]]] = []
        node = root
        while True:
            if node not in number:
                number[node] = lowest[node] = len(number)
                waiting.append(node)
                path.append((node, iter(causes[node])))
            node, further = path[-1]
            for cause in further:
                if cause not in number:
                    node = cause
                    break
                if cause not in component:
                    lowest[node] = min(lowest[node], number[cause])
            else:
                path.pop()
                if lowest[node] == number[node]:
                    one = -1
                    while one != node:
                        one = waiting.pop()
                        component[one] = number[node]
                if not path:
                    break
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
                node = above
    return component
