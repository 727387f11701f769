"""Graphs of OPM 1.1: artifacts, processes and agents, what depends on what, and in whose account.

An identifier is local to its graph (``a1``), or an IRI, which has a ``:``. All but the graph are tuples and
cannot be changed; what several accounts say of a node or dependency is one, with several accounts.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from trilha.errors import UsageError
from trilha.prov.opm.terms import OPM, DependencyKind, NodeKind
from trilha.prov.values import Value, value_key
from trilha.prov.values import time as _time

__all__ = [
    "Account",
    "Annotation",
    "Containment",
    "Dependency",
    "Graph",
    "Node",
    "Observed",
    "Property",
    "Role",
]


class Observed(NamedTuple):
    """An observed time: an interval, or an instant where it was seen exactly.

    Attributes:
        no_earlier_than: text of an ``xsd:dateTime`` (of an ``xsd:time`` in documents of OPM 1.01).
        no_later_than: likewise.
        exactly_at: likewise; OPM has it instead of the other two.
        clock: whose clock it was, as OPM 1.01 had it.
    """

    no_earlier_than: str | None = None
    no_later_than: str | None = None
    exactly_at: str | None = None
    clock: str | None = None


class Property(NamedTuple):
    """A key, which should be an IRI, and its value."""

    key: str
    value: Value


class Annotation(NamedTuple):
    """What is said of a graph, node, dependency, role, account or annotation.

    Attributes:
        kind: ``"annotation"``, or a short form: ``"label"``, ``"type"``, ``"value"``, ``"profile"`` or
            ``"pname"``.
        value: of a short form; None otherwise.
        encoding: of a ``"value"``: an IRI.
        properties: what an annotation says.
        accounts: the accounts that say it; none: those of what it is about.
        annotations: what is said of it.
        id: its identifier.
    """

    kind: str = "annotation"
    value: Value | None = None
    encoding: str | None = None
    properties: tuple[Property, ...] = ()
    accounts: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    id: str | None = None

    @staticmethod
    def of(key: str, value: Value) -> Annotation:
        """The annotation of one property."""
        return Annotation(properties=(Property(key, value),))


class Role(NamedTuple):
    """What a node was to a process.

    Attributes:
        value: its name; None where it was left empty.
        annotations: what is said of it.
        id: its identifier.
    """

    value: str | None = None
    annotations: tuple[Annotation, ...] = ()
    id: str | None = None


class Account(NamedTuple):
    """One description, among others, of the same execution."""

    id: str
    annotations: tuple[Annotation, ...] = ()


class Node(NamedTuple):
    """An artifact, process or agent."""

    kind: NodeKind
    id: str
    accounts: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    def values(self, kind: str) -> list[Value]:
        """The values of its annotations of that short form, such as ``"label"``."""
        return [a.value for a in self.annotations if a.kind == kind and a.value is not None]

    def properties(self, key: str) -> list[Value]:
        """The values that its annotations give to a key."""
        return [p.value for a in self.annotations for p in a.properties if p.key == key]


class Dependency(NamedTuple):
    """An edge from effect to cause.

    Attributes:
        kind: which one.
        effect: identifier of what depends.
        cause: identifier of what it depends on.
        role: of used, wasGeneratedBy and wasControlledBy.
        accounts: identifiers of the accounts that state it.
        time: when, but for wasControlledBy.
        start: of wasControlledBy: when control began.
        end: of wasControlledBy: when control ended.
        annotations: what is said of it.
        id: its identifier.
    """

    kind: DependencyKind
    effect: str
    cause: str
    role: Role | None = None
    accounts: tuple[str, ...] = ()
    time: Observed | None = None
    start: Observed | None = None
    end: Observed | None = None
    annotations: tuple[Annotation, ...] = ()
    id: str | None = None


class Containment(NamedTuple):
    """An artifact is a member of another one. It is no causal dependency.

    Source: Gadelha et al., *Provenance management in Swift*, 2011, which misses it in OPM.

    Attributes:
        container: identifier of the artifact that contains.
        member: identifier of the member.
        key: its index or name within, where known.
        accounts: identifiers of the accounts that state it.
    """

    container: str
    member: str
    key: Value | None = None
    accounts: tuple[str, ...] = ()


class Graph:
    """An OPM graph.

    Two graphs are equal if they say the same: order does not matter, nor the `base`.

    Attributes:
        id: its identifier.
        base: the namespace of its local identifiers where they must be IRIs; None if none was told.
        accounts: by identifier.
        overlaps: pairs of accounts that are declared to overlap.
        nodes: by kind and identifier.
        dependencies: in the order of the document.
        containments: which artifact contains which.
        annotations: of the graph itself.
        external: annotations of things outside of it, with the IRI of each.
    """

    def __init__(self, id: str | None = None, *, base: str | None = None) -> None:
        self.id = id
        self.base = base
        self.accounts: dict[str, Account] = {}
        self.overlaps: list[tuple[str, str]] = []
        self.nodes: dict[NodeKind, dict[str, Node]] = {kind: {} for kind in NodeKind}
        self.dependencies: list[Dependency] = []
        self.containments: list[Containment] = []
        self.annotations: tuple[Annotation, ...] = ()
        self.external: list[tuple[str, Annotation]] = []

    @property
    def artifacts(self) -> dict[str, Node]:
        """The artifacts by identifier."""
        return self.nodes[NodeKind.ARTIFACT]

    @property
    def processes(self) -> dict[str, Node]:
        """The processes by identifier."""
        return self.nodes[NodeKind.PROCESS]

    @property
    def agents(self) -> dict[str, Node]:
        """The agents by identifier."""
        return self.nodes[NodeKind.AGENT]

    def account(self, id: str, annotations: Iterable[Annotation] = ()) -> Account:
        """Add an account.

        Raises:
            UsageError: there is one of that name.
        """
        if id in self.accounts:
            raise UsageError(f"the account {id} is there already: expected another identifier")
        made = self.accounts[id] = Account(id, tuple(annotations))
        return made

    def artifact(self, id: str, accounts: Iterable[str] = (), annotations: Iterable[Annotation] = ()) -> Node:
        """Add an artifact: a state of something that does not change.

        Raises:
            UsageError: there is one of that name.
        """
        return self.node(NodeKind.ARTIFACT, id, accounts, annotations)

    def process(self, id: str, accounts: Iterable[str] = (), annotations: Iterable[Annotation] = ()) -> Node:
        """Add a process: what acted on artifacts, or was caused by them.

        Raises:
            UsageError: there is one of that name.
        """
        return self.node(NodeKind.PROCESS, id, accounts, annotations)

    def agent(self, id: str, accounts: Iterable[str] = (), annotations: Iterable[Annotation] = ()) -> Node:
        """Add an agent: what controlled processes.

        Raises:
            UsageError: there is one of that name.
        """
        return self.node(NodeKind.AGENT, id, accounts, annotations)

    def node(
        self, kind: NodeKind, id: str, accounts: Iterable[str] = (), annotations: Iterable[Annotation] = ()
    ) -> Node:
        """Add a node of any kind.

        Raises:
            UsageError: there is one of that kind and name.
        """
        if id in self.nodes[kind]:
            raise UsageError(f"the {kind.value} {id} is there already: expected another identifier")
        made = self.nodes[kind][id] = Node(kind, id, tuple(accounts), tuple(annotations))
        return made

    def depends(
        self, kind: DependencyKind | str, effect: str, cause: str, role: str | Role | None = None, **more: Any
    ) -> Dependency:
        """Add a dependency.

        Args:
            kind: which one; as text, the word of the schema, such as ``"used"``.
            effect: identifier of what depends.
            cause: identifier of what it depends on.
            role: its name, or all of it.
            **more: other fields of `Dependency`: accounts, time, start, end, annotations, id.
        """
        given = Role(role) if isinstance(role, str) else role
        made = Dependency(DependencyKind(kind), effect, cause, given, **more)
        self.dependencies.append(made)
        return made

    def edges(self, kind: DependencyKind | str) -> list[Dependency]:
        """The dependencies of one kind."""
        wanted = DependencyKind(kind)
        return [edge for edge in self.dependencies if edge.kind is wanted]

    def refinements(self) -> list[tuple[str, str]]:
        """Pairs of accounts of which the first is declared to refine the second (`OPM` ``refines``)."""
        return [
            (account.id, str(property.value))
            for account in self.accounts.values()
            for annotation in account.annotations
            for property in annotation.properties
            if property.key == OPM["refines"]
        ]

    def view(self, account: str | None) -> Graph:
        """What one account says: its nodes, dependencies and containments, and the nodes that those name.

        Args:
            account: its identifier; None for what stands in no account.
        """
        made = Graph(self.id, base=self.base)
        if account is not None and account in self.accounts:
            made.accounts[account] = self.accounts[account]
        made.dependencies = [edge for edge in self.dependencies if _is_in(edge.accounts, account)]
        made.containments = [one for one in self.containments if _is_in(one.accounts, account)]
        named = {
            *((kind, id) for e in made.dependencies for kind, id in zip(e.kind.ends, e[1:3], strict=True)),
            *((NodeKind.ARTIFACT, id) for one in made.containments for id in one[:2]),
        }
        for kind, nodes in self.nodes.items():
            made.nodes[kind] = {
                id: node
                for id, node in nodes.items()
                if _is_in(node.accounts, account) or (kind, id) in named
            }
        return made

    def key(self, *, names: bool = True) -> Hashable:
        """What two graphs that say the same share.

        Args:
            names: whether the identifiers of the graph, of dependencies, roles and annotations matter: where
                a tool numbers them anew, they do not.
        """
        keyed = _Keys(names)
        return (
            self.id if names else None,
            frozenset((a.id, keyed.annotations(a.annotations)) for a in self.accounts.values()),
            frozenset(map(frozenset, self.overlaps)),
            frozenset(
                (node.kind, node.id, frozenset(node.accounts), keyed.annotations(node.annotations))
                for nodes in self.nodes.values()
                for node in nodes.values()
            ),
            _counted(pair for edge in self.dependencies for pair in keyed.dependency(edge)),
            frozenset(
                (one[:2], None if one.key is None else value_key(one.key), account)
                for one in self.containments
                for account in one.accounts or (None,)
            ),
            keyed.annotations(self.annotations),
            frozenset((subject, keyed.annotation(one)) for subject, one in self.external),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key() == other.key()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(nodes)} {kind.value}{'es' * (kind is NodeKind.PROCESS) or 's'}"
            for kind, nodes in self.nodes.items()
        )
        return f"<Graph of {counts}, {len(self.dependencies)} dependencies>"


def _instants(time: Observed | None) -> Hashable:
    """What two observed times share: instants, where the texts are some, and the clock."""
    if time is None:
        return None
    found: list[Hashable] = []
    for text in time[:3]:
        try:
            found.append(None if text is None else _time(text))
        except UsageError:
            found.append(text)
    return (*found, time.clock)


def _is_in(accounts: tuple[str, ...], account: str | None) -> bool:
    return account in accounts if account is not None else not accounts


def _counted(given: Iterator[Hashable]) -> frozenset[tuple[Hashable, int]]:
    from collections import Counter

    return frozenset(Counter(given).items())


class _Keys:
    """Keys of the parts of a graph."""

    def __init__(self, names: bool) -> None:
        self.names = names

    def annotations(self, given: tuple[Annotation, ...]) -> frozenset[Hashable]:
        return frozenset(map(self.annotation, given))

    def annotation(self, one: Annotation) -> Hashable:
        return (
            one.kind,
            None if one.value is None else value_key(one.value),
            one.encoding,
            frozenset((property.key, *value_key(property.value)) for property in one.properties),
            frozenset(one.accounts),
            self.annotations(one.annotations),
            one.id if self.names else None,
        )

    def dependency(self, edge: Dependency) -> Iterator[Hashable]:
        role = edge.role
        said = (
            edge[:3],
            None
            if role is None or role == Role()
            else (role.value, self.annotations(role.annotations), role.id if self.names else None),
            *(None if time == Observed() else _instants(time) for time in edge[5:8]),
            self.annotations(edge.annotations),
            edge.id if self.names else None,
        )
        for account in edge.accounts or (None,):
            yield said, account
