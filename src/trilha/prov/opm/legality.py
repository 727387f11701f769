"""Whether an OPM graph is legal: in each account no cycle, and no artifact generated twice.

Source: *The Open Provenance Model core specification (v1.1)*, section 7 (accounts). The union of several
accounts may have cycles and several generations: they describe the same thing in different ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trilha.errors import UsageError
from trilha.prov.opm.model import Annotation, Dependency, Graph, Observed
from trilha.prov.opm.terms import DependencyKind
from trilha.prov.values import time as _time

__all__ = ["Fault", "Legality", "legality"]


class Fault(NamedTuple):
    """A reason why a graph is not legal.

    Attributes:
        rule: ``"cycle"``, ``"generation"``, ``"reference"``, ``"account"`` or ``"time"``.
        message: what is wrong, with the identifiers.
        account: in whose account; None for what stands in none, or concerns the whole graph.
    """

    rule: str
    message: str
    account: str | None = None


class Legality(NamedTuple):
    """The verdict: true if the graph is legal.

    Attributes:
        faults: why it is not.
    """

    faults: tuple[Fault, ...]

    def __bool__(self) -> bool:
        return not self.faults


def legality(graph: Graph) -> Legality:
    """Check a graph against the rules of OPM 1.1."""
    faults = [*_references(graph), *_accounts(graph), *_times(graph)]
    for account in (*graph.accounts, None):
        edges = [edge for edge in graph.dependencies if account in (edge.accounts or (None,))]
        faults += _generations(edges, account)
        faults += _cycles(edges, account)
    return Legality(tuple(faults))


def _references(graph: Graph) -> Iterator[Fault]:
    for edge in graph.dependencies:
        for kind, id in zip(edge.kind.ends, (edge.effect, edge.cause), strict=True):
            if id not in graph.nodes[kind]:
                yield Fault(
                    "reference", f"{_shown(edge)} names the {kind.value} {id}, which the graph does not have"
                )
    for one in graph.containments:
        for id in one[:2]:
            if id not in graph.artifacts:
                yield Fault(
                    "reference",
                    f"{one.container} contains {one.member}, but {id} is no artifact of the graph",
                )


def _accounts(graph: Graph) -> Iterator[Fault]:
    used = {account for edge in graph.dependencies for account in edge.accounts}
    used.update(account for nodes in graph.nodes.values() for n in nodes.values() for account in n.accounts)
    used.update(account for pair in graph.overlaps for account in pair)
    used.update(account for one in graph.containments for account in one.accounts)
    used.update(account for one in _annotations(graph) for account in one.accounts)
    for account in sorted(used - graph.accounts.keys()):
        yield Fault("account", f"the account {account} is named, but the graph does not have it")


def _annotations(graph: Graph) -> Iterator[Annotation]:
    todo = [*graph.annotations, *(one for _, one in graph.external)]
    todo += [one for nodes in graph.nodes.values() for node in nodes.values() for one in node.annotations]
    todo += [one for edge in graph.dependencies for one in edge.annotations]
    while todo:
        one = todo.pop()
        yield one
        todo += one.annotations


def _times(graph: Graph) -> Iterator[Fault]:
    for edge in graph.dependencies:
        for time in (edge.time, edge.start, edge.end):
            if time is not None and (why := _odd(time)):
                yield Fault("time", f"{_shown(edge)}: {why}")


def _odd(time: Observed) -> str:
    """What is wrong with an observed time; empty if nothing is."""
    if time.exactly_at is not None and (time.no_earlier_than or time.no_later_than):
        return "a time is exactly at an instant, or within an interval: expected one of them"
    if time.no_earlier_than is None or time.no_later_than is None:
        return ""
    try:
        begin, end = _time(time.no_earlier_than), _time(time.no_later_than)
        backwards = begin > end if type(begin) is type(end) else False  # type: ignore[operator]
    except (TypeError, UsageError):  # a time of day without a date, or one with and one without a zone
        return ""
    return f"no earlier than {time.no_earlier_than} is after no later than {time.no_later_than}" * backwards


def _generations(edges: list[Dependency], account: str | None) -> Iterator[Fault]:
    makers: dict[str, list[Dependency]] = {}
    for edge in edges:
        if edge.kind is DependencyKind.WAS_GENERATED_BY:
            before = makers.setdefault(edge.effect, [])
            if not any(edge._replace(id=None) == other._replace(id=None) for other in before):
                before.append(edge)
    for artifact, several in makers.items():
        if len(several) > 1:
            causes = ", ".join(edge.cause for edge in several)
            message = f"the artifact {artifact} is generated {len(several)} times, by {causes}; expected once"
            yield Fault("generation", message, account)


def _cycles(edges: list[Dependency], account: str | None) -> Iterator[Fault]:
    """One fault for each way back that a walk along effect and cause meets first."""
    causes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for edge in edges:
        kinds = edge.kind.ends
        causes.setdefault((kinds[0].value, edge.effect), []).append((kinds[1].value, edge.cause))
    done: set[tuple[str, str]] = set()
    for start, direct in causes.items():
        if start in done:
            continue
        path: dict[tuple[str, str], None] = {start: None}
        walks = [iter(direct)]
        while walks:
            following = next(walks[-1], None)
            if following is None:
                done.add(path.popitem()[0])
                walks.pop()
            elif following in path:
                nodes = list(path)
                circle = [*nodes[nodes.index(following) :], following]
                way = " → ".join(id for _, id in circle)
                yield Fault("cycle", f"a thing depends on itself: {way}", account)
            elif following not in done:
                path[following] = None
                walks.append(iter(causes.get(following, ())))


def _shown(edge: Dependency) -> str:
    return f"{edge.kind.value}({edge.effect}, {edge.cause})"
