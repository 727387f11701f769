"""Triples of OPMV, OPMO and the ontology of 2009 into OPM graphs.

A dependency that is only a property, as OPMV has them, has neither role nor account; where a resource says
the same, the property says nothing more. What has no type of a node is what the domains and ranges of the
properties that name it say: the effect of a usage is a process, its cause an artifact. What a property of
another vocabulary says of a node is an annotation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.rdf.parsing import Graph as Parsed
from trilha.formats.rdf.parsing import Graphs
from trilha.formats.rdf.vocabulary import RDF
from trilha.prov import PROV, Name
from trilha.prov.opm import (
    OPM,
    Account,
    Annotation,
    Containment,
    Dependency,
    DependencyKind,
    Graph,
    Node,
    NodeKind,
    Observed,
    Property,
    Role,
)
from trilha.prov.values import Value, lexical

__all__ = ["MARKS", "is_opm", "opm_graph"]

MARKS: Final = (b"//openprovenance.org/", b"//purl.org/net/opmv/")
"""What a text of these ontologies holds somewhere."""
_SPACES: Final = (
    "http://openprovenance.org/model/opmo#",
    "http://purl.org/net/opmv/ns#",
    "http://openprovenance.org/ontology#",
)
_TYPE: Final = RDF["type"]
_NODES: Final = {kind.value.capitalize(): kind for kind in NodeKind}
_EDGES: Final = {kind.value[0].upper() + kind.value[1:]: kind for kind in DependencyKind}
_CLASSES: Final = frozenset({*_NODES, *_EDGES, "OPMGraph"})
_DIRECT: Final = {kind.value: kind for kind in DependencyKind} | {
    "wasPerformedBy": DependencyKind.WAS_CONTROLLED_BY
}
_SHORT: Final = frozenset({"label", "type", "profile", "pname"})
_STRUCTURE: Final = frozenset({"account", "annotation", "avalue", *_SHORT})
_ENDS: Final = re.compile("(effect|cause)(?!.*Inverse)")
_NAMESPACE: Final = re.compile("^.*[#/]")
_FIELDS: Final = ("noEarlierThan", "noLaterThan", "exactlyAt")


def is_opm(graphs: Graphs) -> bool:
    """Whether a text is of OPM, and says nothing in PROV."""
    found = False
    for cells in graphs.default.values():
        for i in range(0, len(cells), 2):
            if cells[i] in PROV:
                return False
            found = found or (
                _term(cells[i + 1]) in _CLASSES if cells[i] == _TYPE else _term(cells[i]) in _DIRECT
            )
    return found


def opm_graph(graphs: Graphs, name: str = "document") -> Graph:
    """The OPM graph that triples say.

    Raises:
        FormatError: a dependency has no effect or cause.
    """
    return _Reader(graphs.default, name).graph()


def _term(name: Any) -> str:
    """The local part of a term of the ontologies, or of Trilha's; empty for others."""
    if name.__class__ is not Name:
        return ""
    for space in (*_SPACES, OPM.iri):
        if name.startswith(space):
            return str(name[len(space) :])
    return ""


class _Reader:
    """What one graph is read with."""

    def __init__(self, parsed: Parsed, file: str) -> None:
        self.parsed = parsed
        self.file = file
        self.made = Graph()
        self.within: set[Name] = set()
        self.types = {
            subject: {_term(value) for key, value in _pairs(cells) if key == _TYPE}
            for subject, cells in parsed.items()
        }

    def graph(self) -> Graph:
        made, types = self.made, self.types
        itself = next((subject for subject, some in types.items() if "OPMGraph" in some), None)
        self.imply()
        made.base = self.base(itself)
        if itself is not None:
            made.id = self.optional(itself)
        for subject, some in types.items():
            id = self.local(subject)
            if "Account" in some:
                made.accounts[id] = Account(id, self.annotations(subject))
                made.overlaps += [(id, self.local(other)) for other in self.values(subject, "overlaps")]
            for word in some & _NODES.keys():
                kind = _NODES[word]
                made.nodes[kind][id] = Node(
                    kind, id, self.accounts(subject), self.annotations(subject, node=True)
                )
                self.members(subject, id)
        stated = set()
        for subject, some in types.items():
            for word in some & _EDGES.keys():
                edge = self.dependency(subject, _EDGES[word])
                made.dependencies.append(edge)
                stated.add(edge[:3])
        for edge in self.direct():
            if edge[:3] not in stated:
                made.dependencies.append(edge)
        if itself is not None:
            made.annotations = self.annotations(itself)
            for one in self.values(itself, "external"):
                about = self.text(one, "about") or ""
                made.external.append((about, self.annotation(one)))
        return made

    def imply(self) -> None:
        """Give types to ends of dependencies that have no type of the ontologies."""
        typed = {subject for subject, some in self.types.items() if some & _CLASSES or "Account" in some}
        for subject, cells in self.parsed.items():
            stated = [_EDGES[word].ends for word in self.types[subject] & _EDGES.keys()]
            for key, value in _pairs(cells):
                if value.__class__ is not Name:
                    continue
                term = _term(key)
                ends = []
                if (kind := _DIRECT.get(term)) is not None:
                    ends = list(zip((subject, value), kind.ends, strict=True))
                elif (match := _ENDS.match(term)) is not None:
                    ends = [(value, of[match[1] == "cause"]) for of in stated]
                for one, needed in ends:
                    if one not in typed:
                        self.types.setdefault(one, set()).add(needed.value.capitalize())

    # Names

    def base(self, itself: Name | None) -> str | None:
        """The namespace of the local identifiers: as told, else that of most nodes."""
        told = self.text(itself, "base") if itself is not None else None
        if told is not None:
            return told
        spaces = Counter(
            match[0]
            for subject, some in self.types.items()
            if some & _NODES.keys() and (match := _NAMESPACE.match(subject)) is not None
        )
        return spaces.most_common(1)[0][0] if spaces else None

    def local(self, name: Any) -> str:
        base = self.made.base
        rest = name[len(base) :] if base and name.startswith(base) else ""
        return str(rest) if rest and ":" not in rest else str(name)

    def optional(self, name: Name) -> str | None:
        return None if name.startswith("_:") else self.local(name)

    # Triples

    def values(self, subject: Any, term: str) -> Iterator[Any]:
        for key, value in _pairs(self.parsed.get(subject, [])):
            if _term(key) == term:
                yield value

    def text(self, subject: Any, *terms: str) -> str | None:
        for term in terms:
            for value in self.values(subject, term):
                return str(value) if value.__class__ is Name else lexical(value)[0]
        return None

    def accounts(self, subject: Any) -> tuple[str, ...]:
        return tuple(self.local(one) for one in self.values(subject, "account"))

    def members(self, subject: Name, id: str) -> None:
        for one in self.values(subject, "contains"):
            for member in self.values(one, "member"):
                key = next(self.values(one, "key"), None)
                self.made.containments.append(Containment(id, self.local(member), key, self.accounts(one)))

    # Dependencies

    def dependency(self, subject: Name, kind: DependencyKind) -> Dependency:
        ends: dict[str, str] = {}
        for key, value in _pairs(self.parsed[subject]):
            if (match := _ENDS.match(_term(key))) is not None:
                ends.setdefault(match[1], self.local(value))
        if len(ends) != 2:
            raise FormatError(
                f"{self.file}: the dependency {subject} has no effect or no cause: expected both"
            )
        roles = [self.role(one) for one in self.values(subject, "role")]
        times = [self.observed(subject, term) for term in ("time", "startTime", "endTime")]
        return Dependency(
            kind,
            ends["effect"],
            ends["cause"],
            roles[0] if roles else None,
            self.accounts(subject),
            time=times[0],
            start=times[1],
            end=times[2],
            annotations=self.annotations(subject),
            id=self.optional(subject),
        )

    def direct(self) -> Iterator[Dependency]:
        """The dependencies that are properties."""
        for subject, cells in self.parsed.items():
            for key, value in _pairs(cells):
                kind = _DIRECT.get(_term(key))
                if kind is not None and value.__class__ is Name:
                    yield Dependency(kind, self.local(subject), self.local(value))

    def role(self, subject: Any) -> Role:
        return Role(self.text(subject, "value"), self.annotations(subject), self.optional(subject))

    def observed(self, subject: Name, term: str) -> Observed | None:
        for one in self.values(subject, term):
            earliest, latest, exactly = (self.text(one, field) for field in _FIELDS)
            return Observed(earliest, latest, exactly, self.text(one, "clock"))
        return None

    # Annotations

    def annotations(self, subject: Any, *, node: bool = False) -> tuple[Annotation, ...]:
        made = []
        for key, value in _pairs(self.parsed.get(subject, [])):
            term = _term(key)
            if term in _SHORT and key not in OPM:
                made.append(Annotation(term, str(value) if value.__class__ is Name else lexical(value)[0]))
            elif term == "avalue":
                content = next(self.values(value, "content"), None)
                made.append(Annotation("value", content, self.text(value, "encoding")))
            elif term == "annotation" and value not in self.within:
                made.append(self.annotation(value))
            elif node and not term and key != _TYPE:
                made.append(Annotation.of(str(key), value))
        return tuple(made)

    def annotation(self, subject: Any) -> Annotation:
        self.within.add(subject)
        properties = tuple(
            Property(self.text(one, "key", "uri") or "", _value(next(self.values(one, "value"), "")))
            for one in self.values(subject, "property")
        )
        made = Annotation(
            self.text(subject, "kind") or "annotation",
            next(self.values(subject, "content"), None),
            self.text(subject, "encoding"),
            properties,
            self.accounts(subject),
            self.annotations(subject),
            self.optional(subject),
        )
        self.within.discard(subject)
        return made


def _value(value: Any) -> Value:
    return value  # type: ignore[no-any-return]


def _pairs(cells: list[Any]) -> Iterator[tuple[Name, Any]]:
    return zip(cells[::2], cells[1::2], strict=True)
