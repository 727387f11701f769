"""PROV into OPM: what `document_of` made of a graph is taken back, and any other document becomes a graph.

Entities, activities and agents are artifacts, processes and agents; the five relations that OPM has are
dependencies; bundles are accounts. Every other statement is carried as a property of the graph (`OPM`
``statement``), so that the way back gives the document again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from trilha.prov.document import Document
from trilha.prov.namespaces import PROV, Name
from trilha.prov.opm.attributes import annotation_of, key_text, moment_text
from trilha.prov.opm.carrying import text_of
from trilha.prov.opm.model import (
    Account,
    Annotation,
    Containment,
    Dependency,
    Graph,
    Node,
    Observed,
    Property,
    Role,
)
from trilha.prov.opm.parting import parted
from trilha.prov.opm.terms import OPM, DependencyKind, NodeKind
from trilha.prov.opm.times import ROLE, TIME_KEYS, has_role
from trilha.prov.opm.to_prov import ARGUMENTS, KINDS, NODES
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind
from trilha.prov.values import value_key

__all__ = ["graph_of", "legal_graph_of"]

_TYPE: Final = PROV["type"]
_NODE_OF: Final = {kind: node for node, kind in NODES.items()}
_KIND_OF: Final = {kind: one for one, kind in KINDS.items()}
_STAR_OF: Final = {
    OPM[kind.value[0].upper() + kind.value[1:]]: kind for kind in DependencyKind if kind.is_multi_step
}
_IMPLIED: Final = Annotation.of(OPM["implied"], True)
_SPANS: Final = (OPM["startTime"], OPM["endTime"])
_Pair = tuple[Name, Any]
_Scope = str | None


def graph_of(document: Document) -> Graph:
    """The graph that a document maps to. `document_of` takes it back, but for prefixes and order."""
    return _Mapping(document).graph()


def legal_graph_of(document: Document) -> Graph:
    """The graph to write a document as: `parted`, unless it came from a graph of OPM, which stays as it is.

    `document_of` takes it back, too.
    """
    made = graph_of(document)
    return parted(made) if made.base is None else made


class _Mapping:
    """What one document is mapped with."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.made = Graph()
        self.about: dict[tuple[str, str], list[Record]] = {}
        self.own: Record | None = None
        self.elements: dict[tuple[NodeKind, str], dict[_Scope, Record]] = {}
        self.times: Counter[tuple[Any, _Scope]] = Counter()
        """How often a scope has stated a relation."""
        self.held: dict[tuple[Any, bool, int], tuple[Record, list[_Scope]]] = {}
        """Relations with the scopes that state them, by what they say and how often they were said before."""
        self.spans: dict[tuple[_Scope, str], list[set[str]]] = {}
        self.carried: list[Annotation] = []

    def graph(self) -> Graph:
        made = self.made
        rest = self.set_apart()
        for name in self.document.bundles:
            id = self.local(name)
            made.accounts.setdefault(id, Account(id, (_IMPLIED,)))
        for record in rest:
            self.record(record, None)
        for name, bundle in self.document.bundles.items():
            for record in bundle.records:
                self.record(record, self.local(name))
        self.merge_edges()
        for (kind, id), states in self.elements.items():
            made.nodes[kind][id] = self.node(kind, id, states)
        self.imply()
        if self.own is not None:
            made.annotations = self.annotations(self.own.attributes, "graph", self.own[1])
        made.annotations += tuple(self.carried)
        made.external = [
            (about, self.reified(record))
            for (word, about), records in self.about.items()
            if word == "external"
            for record in records
        ]
        return made

    # What the mapping of a graph stated beside it

    def set_apart(self) -> list[Record]:
        """Find what describes the graph, its accounts and annotations; the statements that are left."""
        rest, accounts = [], []
        for record in self.document.records:
            types = record.values(_TYPE) if record.kind is Kind.ENTITY else ()
            if OPM["Graph"] in types and self.own is None:
                self.own = record
                self.made.base = str(record.value(OPM["base"], ""))
                id = record.value(OPM["id"])
                self.made.id = None if id is None else str(id)
            elif OPM["Annotation"] in types and record.value(OPM["aboutKind"]) is not None:
                key = str(record.value(OPM["aboutKind"])), str(record.value(OPM["about"]))
                self.about.setdefault(key, []).append(record)
            elif OPM["Account"] in types and record[1] in self.document.bundles:
                accounts.append(record)
            else:
                rest.append(record)
        for record in accounts:
            self.account(record)
        return rest

    def account(self, record: Record) -> None:
        id = self.local(record[1])
        for other in record.values(OPM["overlaps"]):
            self.made.overlaps.append((id, self.local(str(other))))
        said = [
            pair
            for pair in record.attributes
            if pair not in ((_TYPE, PROV["Bundle"]), (_TYPE, OPM["Account"])) and pair[0] != OPM["undeclared"]
        ]
        self.made.accounts[id] = Account(id, self.annotations(said, "account", record[1]))

    def local(self, name: str) -> str:
        """The identifier in the graph of a name."""
        base = self.made.base
        if base and name.startswith(base):
            rest = name[len(base) :]
            if rest and ":" not in rest:
                return rest
        return str(name)

    def optional(self, name: str | None) -> str | None:
        """The identifier of a name; None for those that the mapping made up."""
        if name is None:
            return None
        id = self.local(name)
        return None if id.startswith("~") else id

    # Statements

    def record(self, record: Record, scope: _Scope) -> None:
        kind = record.kind
        if kind in _NODE_OF:
            states = self.elements.setdefault((_NODE_OF[kind], self.local(record[1])), {})
            if not states or (scope not in states and (scope is None) == (None in states)):
                states[scope] = record
                return
        elif kind is Kind.MEMBERSHIP and record[1] is None and not record.flat:
            self.contain(record, scope, None)
            return
        elif kind is Kind.DICTIONARY_MEMBERSHIP and record[1] is None and not record.flat:
            self.contain(record, scope, record[4])
            return
        elif kind in _KIND_OF or _star(record) is not None:
            cells = [None if cell is PLACEHOLDER else cell for cell in record]
            if cells[2] is not None and cells[3] is not None:
                plain = Record.new(tuple(cells))
                number = self.times[plain.key, scope] = self.times[plain.key, scope] + 1
                self.held.setdefault((plain.key, scope is None, number), (plain, []))[1].append(scope)
                self.span(plain, scope)
                return
        accounts = () if scope is None else (scope,)
        self.carried.append(
            Annotation(properties=(Property(OPM["statement"], text_of(record)),), accounts=accounts)
        )

    def contain(self, record: Record, scope: _Scope, key: Any) -> None:
        ends = self.local(record[2]), self.local(record[3])
        self.made.containments.append(Containment(*ends, key, () if scope is None else (scope,)))

    # Nodes

    def node(self, kind: NodeKind, id: str, states: dict[_Scope, Record]) -> Node:
        accounts = tuple(scope for scope in states if scope is not None)
        pairs: dict[Any, tuple[_Pair, list[_Scope]]] = {}
        for scope, record in states.items():
            for pair in self.told(record, scope, id):
                scopes = pairs.setdefault((pair[0], *value_key(pair[1])), (pair, []))[1]
                if scope not in scopes:
                    scopes.append(scope)
        name = next(iter(states.values()))[1]
        common = [pair for pair, scopes in pairs.values() if len(scopes) == len(states)]
        made = list(self.annotations(common, kind.value, name))
        for pair, scopes in pairs.values():
            if len(scopes) < len(states):
                within = tuple(scope for scope in scopes if scope is not None)
                made += [one._replace(accounts=within) for one in self.annotations([pair], "", None)]
        if not any(one.encoding for one in made):
            made = _encoded(made, [pair for pair, _ in pairs.values()])
        return Node(kind, id, accounts, tuple(made))

    def told(self, record: Record, scope: _Scope, id: str) -> Iterator[_Pair]:
        """The attributes of an element, with its times where no dependency tells them."""
        if record.kind is Kind.ACTIVITY:
            known = self.spans.get((scope, id), [set(), set()])
            for key, time, times in zip(_SPANS, record[2:4], known, strict=True):
                if time in {None, PLACEHOLDER} or times == {moment_text(time)}:
                    continue
                yield key, time
        yield from record.attributes

    def span(self, record: Record, scope: _Scope) -> None:
        """Remember the times at which control of a process began and ended."""
        if record.kind is Kind.ASSOCIATION:
            known = self.spans.setdefault((scope, self.local(record[2])), [set(), set()])
            for times, key in zip(known, (OPM["startExactlyAt"], OPM["endExactlyAt"]), strict=True):
                times.update(moment_text(value) for value in record.values(key))

    def imply(self) -> None:
        """Add the nodes that are only named."""
        made = self.made
        for edge in made.dependencies:
            for kind, id in zip(edge.kind.ends, edge[1:3], strict=True):
                made.nodes[kind].setdefault(id, Node(kind, id, (), (_IMPLIED,)))
        for one in made.containments:
            for id in one[:2]:
                made.artifacts.setdefault(id, Node(NodeKind.ARTIFACT, id, (), (_IMPLIED,)))

    # Dependencies

    def merge_edges(self) -> None:
        """Make one dependency of what several accounts state alike."""
        for record, scopes in self.held.values():
            accounts = tuple(scope for scope in scopes if scope is not None)
            self.made.dependencies.append(self.dependency(record, accounts))

    def dependency(self, record: Record, accounts: tuple[str, ...]) -> Dependency:
        star = _star(record)
        kind = star or _KIND_OF[record.kind]
        times: dict[str, dict[str, str]] = {}
        rest: list[_Pair] = []
        role, role_id = None, None
        for key, value in record.attributes:
            if key in TIME_KEYS:
                slot, field = TIME_KEYS[key]
                times.setdefault(slot, {})[field] = moment_text(value)
            elif (
                key == (PROV["role"] if has_role(kind) else ROLE) and role is None and value.__class__ is str
            ):
                role = str(value)
            elif key == OPM["roleId"]:
                role_id = value
            elif not (star and (key, value) == (_TYPE, OPM[star.value[0].upper() + star.value[1:]])):
                rest.append((key, value))
        if record.kind in {Kind.USAGE, Kind.GENERATION} and record[4] is not None:
            times.setdefault("time", {})["exactly_at"] = moment_text(record[4])
        named = [
            Annotation.of(OPM[word], value)
            for word, value in zip(ARGUMENTS.get(kind, ()), record[4:-1], strict=False)
            if value is not None
        ]
        time, start, end = (
            Observed(**times[slot]) if slot in times else None for slot in ("time", "start", "end")
        )
        ends = self.local(record[2]), self.local(record[3])
        said = (*self.annotations(rest, "dependency", record[1]), *named)
        of = self.role(role, role_id)
        return Dependency(kind, *ends, of, accounts, time, start, end, said, self.optional(record[1]))

    def role(self, value: str | None, name: Any) -> Role | None:
        if value is None and name is None:
            return None
        said = [self.reified(record) for record in self.about.get(("role", str(name)), ())]
        return Role(value, tuple(said), None if name is None else self.optional(name))

    # Annotations

    def annotations(self, pairs: Any, word: str, about: str | None) -> tuple[Annotation, ...]:
        """The annotations that attributes say, and those that are stated apart."""
        apart = self.about.get((word, str(about)), ())
        mirrored = {
            (key, *value_key(value))
            for record in apart
            if record.value(OPM["mirrored"]) is True
            for one in self.reified(record).properties
            for key, value in [one]
        }
        made = []
        for key, value in pairs:
            one = annotation_of(key, value)
            if word == "graph" and (key, value) == (_TYPE, OPM["Graph"]):
                continue
            if one is None and key not in _STRUCTURE:
                one = Annotation.of(str(key), value)
            if one is not None and (key_text(key), *value_key(value)) not in mirrored:
                made.append(one)
        return (*made, *map(self.reified, apart))

    def reified(self, record: Record, within: frozenset[str] = frozenset()) -> Annotation:
        """The annotation that an entity states; those that it stands within are not told again."""
        fields: dict[str, Any] = {"kind": "annotation"}
        properties, accounts = [], []
        for key, value in record.attributes:
            if key == OPM["content"]:
                fields["value"] = value
            elif key in {OPM["kind"], OPM["encoding"]}:
                fields[key[len(OPM.iri) :]] = str(value)
            elif key == OPM["account"]:
                accounts.append(self.local(str(value)))
            elif key not in OPM and (key, value) != (_TYPE, OPM["Annotation"]):
                properties.append(Property(key_text(key), value))
        within |= {record[1]}
        about = self.about.get(("annotation", str(record[1])), ())
        inner = [self.reified(one, within) for one in about if one[1] not in within]
        return Annotation(
            **fields,
            properties=tuple(properties),
            accounts=tuple(accounts),
            annotations=tuple(inner),
            id=self.optional(record[1]),
        )


_STRUCTURE: Final = frozenset(
    {OPM["base"], OPM["id"], OPM["encoding"], OPM["overlaps"], OPM["roleId"], *TIME_KEYS}
)


def _star(record: Record) -> DependencyKind | None:
    """The dependency of several steps that an influence is."""
    if record.kind is not Kind.INFLUENCE:
        return None
    return next((_STAR_OF[t] for t in record.values(_TYPE) if isinstance(t, Name) and t in _STAR_OF), None)


def _encoded(made: list[Annotation], pairs: list[_Pair]) -> list[Annotation]:
    """The annotations, the value among them with its encoding."""
    encoding = next((str(value) for key, value in pairs if key == OPM["encoding"]), None)
    if encoding is None:
        return made
    return [one._replace(encoding=encoding) if one.kind == "value" else one for one in made]
