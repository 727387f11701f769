"""OPM graphs into triples of OPMV and OPMO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.rdf.syntax import turtle_of
from trilha.formats.rdf.vocabulary import RDF
from trilha.formats.rdf.writing import Node, Triples
from trilha.prov import XSD, Name, Namespace
from trilha.prov.opm import OPM, Annotation, Dependency, Graph, NodeKind, Observed, Role
from trilha.prov.values import Literal, literal

__all__ = ["LOCAL", "OPMO", "OPMV", "written"]

OPMV: Final = Namespace("opmv", "http://purl.org/net/opmv/ns#")
"""The nodes of OPM, and its dependencies as properties."""
OPMO: Final = Namespace("opmo", "http://openprovenance.org/model/opmo#")
"""The dependencies of OPM as resources, accounts, roles, times and annotations."""
LOCAL: Final = "https://w3id.org/trilha/opm/local#"
"""The namespace of local identifiers of a graph that tells none."""
_TYPE: Final = RDF["type"]
_TIMES: Final = ("noEarlierThan", "noLaterThan", "exactlyAt")


def written(graph: Graph) -> bytes:
    """The graph as Turtle, in UTF-8.

    Raises:
        FormatError: a name in it is no IRI, or two things have one name.
    """
    writer = _Writer(graph)
    prefixes = {space.prefix: space.iri for space in (OPMO, OPMV, OPM, XSD)} | {"": graph.base or LOCAL}
    return turtle_of(writer.triples(), prefixes, "OPMO")


class _Writer:
    """What one graph is written with."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.base = graph.base or LOCAL
        self.made = Triples()
        self.taken: set[Name] = set()

    def triples(self) -> Triples:
        graph = self.graph
        own: Node = [_TYPE, OPMO["OPMGraph"], OPM["base"], self.base]
        for account in graph.accounts.values():
            said = [_TYPE, OPMO["Account"], *self.annotations(account.annotations)]
            for first, second in graph.overlaps:
                if first == account.id:
                    said += (OPM["overlaps"], self.name(second))
            own += (OPMO["hasAccount"], self.subject(account.id, said))
        for kind, nodes in graph.nodes.items():
            word = kind.value.capitalize()
            for node in nodes.values():
                said = [_TYPE, OPMV[word], *self.accounts(node.accounts), *self.annotations(node.annotations)]
                if kind is NodeKind.ARTIFACT:
                    said += self.members(node.id)
                own += (OPMO[f"has{word}"], self.subject(node.id, said))
        for edge in graph.dependencies:
            own += (OPMO["hasDependency"], self.dependency(edge))
        for subject, one in graph.external:
            own += (OPM["external"], self.annotation(one, [OPM["about"], subject]))
        own += self.annotations(graph.annotations)
        if graph.id is None:
            self.made.loose.append(own)
        else:
            self.subject(graph.id, own)
        return self.made

    def name(self, id: str) -> Name:
        return Name(id if ":" in id else self.base + id)

    def subject(self, id: str, said: Node) -> Name:
        """State what is said of something that has a name."""
        name = self.name(id)
        if name in self.taken:
            raise FormatError(f"OPMO cannot carry two things of the name {name}: give them different ones")
        self.taken.add(name)
        self.made.subjects[name] = said + self.made.subjects[name]
        return name

    def resource(self, id: str | None, said: Node) -> Name | Node:
        return said if id is None else self.subject(id, said)

    def accounts(self, given: Iterable[str]) -> Node:
        return [cell for account in given for cell in (OPMO["account"], self.name(account))]

    def members(self, container: str) -> Node:
        said: Node = []
        for one in self.graph.containments:
            if one.container == container:
                key = [] if one.key is None else [OPM["key"], one.key]
                said += (
                    OPM["contains"],
                    [OPM["member"], self.name(one.member), *key, *self.accounts(one.accounts)],
                )
        return said

    def dependency(self, edge: Dependency) -> Name | Node:
        word = edge.kind.value[0].upper() + edge.kind.value[1:]
        effect, cause = self.name(edge.effect), self.name(edge.cause)
        said: Node = [_TYPE, (OPM if edge.kind.is_multi_step else OPMO)[word]]
        said += (OPMO["effect"], effect, OPMO["cause"], cause)
        if edge.role is not None:
            said += (OPMO["role"], self.role(edge.role))
        said += self.accounts(edge.accounts)
        for slot in ("time", "start", "end"):
            if (time := getattr(edge, slot)) is not None:
                said += (OPMO[slot if slot == "time" else f"{slot}Time"], _observed(time))
        said += self.annotations(edge.annotations)
        if not edge.kind.is_multi_step:
            self.made.subjects[effect] += (OPMV[edge.kind.value], cause)
        return self.resource(edge.id, said)

    def role(self, role: Role) -> Name | Node:
        said: Node = [_TYPE, OPMO["Role"]]
        if role.value is not None:
            said += (OPMO["value"], role.value)
        return self.resource(role.id, said + self.annotations(role.annotations))

    def annotations(self, given: Iterable[Annotation]) -> Node:
        said: Node = []
        for one in given:
            bare = one == Annotation(one.kind, one.value, one.encoding)
            if bare and one.kind == "value" and one.value is not None:
                encoded = (
                    [] if one.encoding is None else [OPMO["encoding"], Literal(one.encoding, XSD["anyURI"])]
                )
                said += (OPMO["avalue"], [_TYPE, OPMO["AValue"], OPMO["content"], one.value, *encoded])
            elif bare and one.kind != "annotation" and one.value.__class__ is str:
                text: Any = one.value if one.kind == "label" else Literal(str(one.value), XSD["anyURI"])
                said += (OPMO[one.kind], text)
            else:
                said += (OPMO["annotation"], self.annotation(one, []))
        return said

    def annotation(self, one: Annotation, more: Node) -> Name | Node:
        said: Node = [_TYPE, OPMO["Annotation"], *more]
        if one.kind != "annotation":
            said += (OPM["kind"], one.kind)
        if one.value is not None:
            said += (OPM["content"], one.value)
        if one.encoding is not None:
            said += (OPMO["encoding"], Literal(one.encoding, XSD["anyURI"]))
        for key, value in one.properties:
            said += (
                OPMO["property"],
                [_TYPE, OPMO["Property"], OPMO["key"], Literal(key, XSD["anyURI"]), OPMO["value"], value],
            )
        return self.resource(one.id, said + self.accounts(one.accounts) + self.annotations(one.annotations))


def _observed(time: Observed) -> Node:
    said: Node = [_TYPE, OPMO["OTime"]]
    for word, text in zip(_TIMES, time, strict=False):
        if text is not None:
            said += (OPMO[word], literal(text, XSD["dateTime"]))
    return said if time.clock is None else [*said, OPM["clock"], time.clock]
