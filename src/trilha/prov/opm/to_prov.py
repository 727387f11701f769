"""OPM into PROV: accounts are bundles, and what PROV has no words for is said in `OPM`.

Artifacts are entities, processes activities, and agents agents; the five dependencies are ``used``,
``wasGeneratedBy``, ``wasAssociatedWith``, ``wasInformedBy`` and ``wasDerivedFrom``; those of several steps
are ``wasInfluencedBy`` of a type of their own. Source of the correspondence: the W3C's Provenance
Incubator, and docs/reference/opm.md for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import PROV, Name
from trilha.prov.opm.attributes import attribute_of, key_name, moment
from trilha.prov.opm.carrying import statement_of
from trilha.prov.opm.model import Annotation, Dependency, Graph, Node, Observed, Role
from trilha.prov.opm.parting import whole
from trilha.prov.opm.terms import OPM, PROPERTY, DependencyKind, NodeKind
from trilha.prov.opm.times import ROLE, TIME_KEYS, has_role
from trilha.prov.record import Record
from trilha.prov.terms import Kind
from trilha.prov.values import Value
from trilha.prov.values import time as _time

__all__ = ["KINDS", "LOCAL", "NODES", "document_of"]

LOCAL: Final = "https://w3id.org/trilha/opm/local#"
"""The namespace of local identifiers of a graph that tells none."""
NODES: Final = {NodeKind.ARTIFACT: Kind.ENTITY, NodeKind.PROCESS: Kind.ACTIVITY, NodeKind.AGENT: Kind.AGENT}
KINDS: Final = {
    DependencyKind.USED: Kind.USAGE,
    DependencyKind.WAS_GENERATED_BY: Kind.GENERATION,
    DependencyKind.WAS_CONTROLLED_BY: Kind.ASSOCIATION,
    DependencyKind.WAS_TRIGGERED_BY: Kind.COMMUNICATION,
    DependencyKind.WAS_DERIVED_FROM: Kind.DERIVATION,
}
ARGUMENTS: Final = {
    DependencyKind.WAS_CONTROLLED_BY: ("plan",),
    DependencyKind.WAS_DERIVED_FROM: ("activity", "generation", "usage"),
}
"""Arguments of PROV that are properties of `OPM` in a graph."""
_KEY_OF: Final = {place: key for key, place in TIME_KEYS.items()}
_TYPE: Final = PROV["type"]
_Scope = str | None


def document_of(graph: Graph) -> Document:
    """The document that a graph maps to, not parted (`whole`). `graph_of` takes it back.

    Raises:
        UsageError: a statement of PROV that the graph carries is damaged.
    """
    return _Mapping(whole(graph)).document()


class _Mapping:
    """What one graph is mapped with."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.base = graph.base or LOCAL
        self.made = Document()
        self.made.namespaces.add(OPM)
        self.has_local_names = False
        self.count = 0
        self.consensus: dict[tuple[_Scope, str], list[set[str]]] = {}

    def document(self) -> Document:
        graph = self.graph
        self.controlled()
        self.accounts()
        for nodes in graph.nodes.values():
            for node in nodes.values():
                self.node(node)
        for edge in graph.dependencies:
            self.dependency(edge)
        for one in graph.containments:
            ends = self.name(one.container), self.name(one.member)
            record = (
                (Kind.MEMBERSHIP, None, *ends, ())
                if one.key is None
                else (Kind.DICTIONARY_MEMBERSHIP, None, *ends, one.key, ())
            )
            for scope in one.accounts or (None,):
                self.target(scope).records.append(Record.new(record))
        for subject, annotation in graph.external:
            self.reify(annotation, "external", subject)
        self.graph_itself()
        return self.made

    # Names and places

    def name(self, id: str) -> Name:
        if ":" in id:
            return Name(id)
        self.has_local_names = True
        return Name(self.base + id)

    def fresh(self) -> str:
        """An identifier that no graph has."""
        self.count += 1
        return f"~{self.count}"

    def target(self, scope: _Scope) -> Document | Bundle:
        if scope is None:
            return self.made
        name = self.name(scope)
        bundle = self.made.bundles.get(name)
        return self.made.bundle(name) if bundle is None else bundle

    def state(self, scope: _Scope, *cells: Any) -> None:
        self.target(scope).records.append(Record.new(cells))

    # Accounts and the graph

    def accounts(self) -> None:
        graph = self.graph
        mentioned = [a for nodes in graph.nodes.values() for node in nodes.values() for a in node.accounts]
        mentioned += [a for edge in graph.dependencies for a in edge.accounts]
        mentioned += [a for pair in graph.overlaps for a in pair]
        for id in dict.fromkeys([*graph.accounts, *mentioned]):
            self.target(id)
            account = graph.accounts.get(id)
            if account is not None and _IMPLIED in account.annotations:
                continue
            flat: list[Any] = [_TYPE, PROV["Bundle"], _TYPE, OPM["Account"]]
            if account is None:
                flat += (OPM["undeclared"], True)
            for first, second in graph.overlaps:
                if first == id:
                    flat += (OPM["overlaps"], self.name(second))
            name = self.name(id)
            flat += self.attributes(account.annotations if account else (), "account", name)
            self.state(None, Kind.ENTITY, name, tuple(flat))

    def graph_itself(self) -> None:
        """State the graph, if it says something of itself, or has identifiers of its own."""
        graph = self.graph
        carried: list[Annotation] = []
        own: list[Annotation] = []
        for annotation in graph.annotations:
            of = annotation.properties[0] if len(annotation.properties) == 1 else None
            (carried if of is not None and of.key == OPM["statement"] else own).append(annotation)
        for annotation in carried:
            record = statement_of(str(annotation.properties[0].value))
            for scope in annotation.accounts or (None,):
                self.target(scope).records.append(record)
        if not (own or graph.id or self.has_local_names):
            return
        name = self.name(graph.id or "~graph")
        flat: list[Any] = [_TYPE, OPM["Graph"], OPM["base"], self.base]
        if graph.id is not None:
            flat += (OPM["id"], graph.id)
        flat += self.attributes(own, "graph", name)
        self.state(None, Kind.ENTITY, name, tuple(flat))

    # Nodes

    def controlled(self) -> None:
        """Find the exact times at which control of each process began and ended, account by account."""
        for edge in self.graph.edges(DependencyKind.WAS_CONTROLLED_BY):
            for scope in edge.accounts or (None,):
                times = self.consensus.setdefault((scope, edge.effect), [set(), set()])
                for found, time in zip(times, (edge.start, edge.end), strict=True):
                    if time is not None and time.exactly_at is not None:
                        found.add(time.exactly_at)

    def node(self, node: Node) -> None:
        if _IMPLIED in node.annotations:
            return
        name, word = self.name(node.id), node.kind.value
        shared: list[Annotation] = []
        own: dict[str, list[Any]] = {}
        for annotation in node.annotations:
            accounts = annotation.accounts
            pair = None
            if accounts and set(accounts) < set(node.accounts):
                pair = self.direct(annotation._replace(accounts=()), node)
            if pair is None:
                shared.append(annotation)
            for account in accounts if pair else ():
                own.setdefault(account, []).extend(pair or ())
        taken = {pair for flat in own.values() for pair in zip(flat[::2], flat[1::2], strict=True)}
        common = self.attributes(shared, word, name, node, taken)
        for scope in node.accounts or (None,):
            flat = [*common, *own.get(scope or "", ())]
            if node.kind is NodeKind.PROCESS:
                begin, end = self.span(scope, node.id, flat)
                self.state(scope, Kind.ACTIVITY, name, begin, end, tuple(flat))
            else:
                self.state(scope, NODES[node.kind], name, tuple(flat))

    def span(self, scope: _Scope, process: str, flat: list[Any]) -> list[Any]:
        """The start and end of an activity; those that are told as annotations are taken out of them."""
        found: list[Any] = []
        known = self.consensus.get((scope, process), [set(), set()])
        for key, times in zip((OPM["startTime"], OPM["endTime"]), known, strict=True):
            if key in flat[::2]:
                at = flat[::2].index(key) * 2
                found.append(_argument(flat[at + 1]))
                del flat[at : at + 2]
            else:
                found.append(_argument(next(iter(times))) if len(times) == 1 else None)
        return found

    # Dependencies

    def dependency(self, edge: Dependency) -> None:
        named = [one for one in edge.annotations if not self.is_direct(one)]
        id = edge.id if edge.id is not None else self.fresh() if named else None
        name = None if id is None else self.name(id)
        kind = KINDS.get(edge.kind)
        flat: list[Any] = []
        if kind is None:
            flat += (_TYPE, OPM[edge.kind.value[0].upper() + edge.kind.value[1:]])
        time: Any = None
        for slot in ("time", "start", "end"):
            for field, text in (getattr(edge, slot) or _NO_TIME)._asdict().items():
                if text is None:
                    continue
                if (slot, field) == ("time", "exactly_at") and kind in _TIMED:
                    time = _argument(text)
                    if time is not None:
                        continue
                flat += (_KEY_OF[slot, field], moment(text))
        if edge.role is not None:
            flat += self.role(edge.role, edge.kind)
        rest, arguments = [], dict.fromkeys(ARGUMENTS.get(edge.kind, ()))
        for annotation in edge.annotations:
            argument = _argument_of(annotation)
            if argument is not None and argument[0] in arguments and arguments[argument[0]] is None:
                arguments[argument[0]] = argument[1]
            else:
                rest.append(annotation)
        flat += self.attributes(rest, "dependency", name)
        ends = self.name(edge.effect), self.name(edge.cause)
        middle = (time,) if kind in _TIMED else tuple(arguments.values())
        for scope in edge.accounts or (None,):
            self.state(scope, kind or Kind.INFLUENCE, name, *ends, *middle, tuple(flat))

    def role(self, role: Role, kind: DependencyKind) -> list[Any]:
        flat: list[Any] = []
        if role.value is not None:
            flat += ((PROV["role"] if has_role(kind) else ROLE), role.value)
        if role.id is not None or role.annotations:
            name = self.name(role.id if role.id is not None else self.fresh())
            flat += (OPM["roleId"], name)
            for annotation in role.annotations:
                self.reify(annotation, "role", name)
        return flat

    # Annotations

    def is_direct(self, annotation: Annotation) -> bool:
        return self.direct(annotation, None) is not None or _argument_of(annotation) is not None

    def direct(self, annotation: Annotation, node: Node | None) -> tuple[Any, ...] | None:
        """The attributes that say all of an annotation; None if that takes more."""
        if annotation.id is not None or annotation.accounts or annotation.annotations:
            return None
        values = sum(one.kind == "value" for one in node.annotations) if node is not None else 2
        entity = node is not None and node.kind is NodeKind.ARTIFACT
        pair = attribute_of(annotation, value_as_prov=entity and values == 1)
        if pair is None:
            return None
        if annotation.encoding is None:
            return pair
        return (*pair, OPM["encoding"], annotation.encoding) if entity and values == 1 else None

    def attributes(
        self,
        annotations: Iterable[Annotation],
        word: str,
        about: Name | None,
        node: Node | None = None,
        taken: Iterable[tuple[Name, Value]] = (),
    ) -> list[Any]:
        """The attributes that annotations say; what takes more stands beside them, too."""
        flat: list[Any] = []
        said: set[Any] = set(taken)
        rest = []
        for annotation in annotations:
            pair = self.direct(annotation, node)
            if pair is None:
                rest.append(annotation)
            else:
                flat += pair
                said.add(pair[:2])
        for annotation in rest:
            pairs = [] if annotation.accounts or node is None else _mirror(annotation)
            mirrored = bool(pairs) and said.isdisjoint(pairs)
            if mirrored:
                flat += chain.from_iterable(pairs)
            self.reify(annotation, word, about, mirrored=mirrored)
        return flat

    def reify(self, annotation: Annotation, word: str, about: str | None, *, mirrored: bool = False) -> None:
        """State an annotation as an entity."""
        name = self.name(annotation.id if annotation.id is not None else self.fresh())
        flat: list[Any] = [_TYPE, OPM["Annotation"], OPM["aboutKind"], word, OPM["about"], about]
        if annotation.kind != "annotation":
            flat += (OPM["kind"], annotation.kind)
        if annotation.value is not None:
            flat += (OPM["content"], annotation.value)
        if annotation.encoding is not None:
            flat += (OPM["encoding"], annotation.encoding)
        if mirrored:
            flat += (OPM["mirrored"], True)
        for account in annotation.accounts:
            flat += (OPM["account"], self.name(account))
        for key, value in annotation.properties:
            flat += (key_name(key), value)
        self.state(None, Kind.ENTITY, name, tuple(flat))
        for inner in annotation.annotations:
            self.reify(inner, "annotation", name)


_IMPLIED: Final = Annotation.of(OPM["implied"], True)
_TIMED: Final = frozenset({Kind.USAGE, Kind.GENERATION})
_NO_TIME: Final = Observed()


def _argument(text: Value) -> Any:
    """A time as an argument; None if it is none."""
    try:
        return _time(text)
    except UsageError:
        return None


def _argument_of(annotation: Annotation) -> tuple[str, Name] | None:
    """The argument of PROV that an annotation carries."""
    if annotation.properties and annotation == Annotation.of(*annotation.properties[0]):
        key, value = annotation.properties[0]
        if key in OPM and isinstance(value, Name):
            return key[len(OPM.iri) :], value
    return None


def _mirror(annotation: Annotation) -> list[tuple[Name, Value]]:
    """What an annotation says, as attributes, where these say it too."""
    if annotation.kind != "annotation":
        return []
    pairs = [attribute_of(Annotation(properties=(one,))) for one in annotation.properties]
    return [pair for pair in pairs if pair is not None and pair[0] not in PROPERTY]
