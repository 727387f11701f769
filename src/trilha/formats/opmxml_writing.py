"""OPM's XML: writing, valid against the schema.

What the schema cannot say is an annotation that the reader takes back: an identifier that XML cannot have is
the ``pname`` of what it is of, with the property ``opm:id``; members of an artifact are properties of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from trilha.errors import FormatError, UsageError
from trilha.formats.opmxml_terms import DIALECTS, RDF_CORE
from trilha.formats.provxml_literals import ILLEGAL, attribute_text, element_text, reread
from trilha.formats.provxml_terms import SCHEMA, SCHEMA_INSTANCE
from trilha.prov import XSD
from trilha.prov.opm import (
    OPM,
    PROPERTY,
    XML_LITERAL,
    Annotation,
    Dependency,
    DependencyKind,
    Graph,
    NodeKind,
    Observed,
    Property,
    Role,
    unsettled,
)
from trilha.prov.values import Value, lexical

__all__ = ["written"]

_NCNAME: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_CHARACTER: Final = r"(?:[\w.~!$&'()*+,;=@/?:-]|%[0-9A-Fa-f]{2})*"
_URI: Final = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:(?!//)|[a-z]+://[\w.-]+(?=/|$)|(?![^/]*:)){_CHARACTER}(?:#{_CHARACTER})?",
    re.ASCII,
)
"""An IRI, or the rest of one, of the characters that every processor takes."""
_TYPED: Final = {
    XSD[local]: f"xs:{local}"
    for local in ("string", "boolean", "int", "long", "integer", "double", "dateTime")
}
_TIMES: Final = ("noEarlierThan", "noLaterThan", "exactlyAt")
_SLOTS: Final = {"time": "time", "start": "startTime", "end": "endTime"}


def written(graph: Graph, dialect: str = "opmx") -> bytes:
    """The graph as XML, in UTF-8.

    Args:
        graph: the graph.
        dialect: ``"opmx"``, of 2010-10-12, or ``"1.1"``, of 2009.

    Raises:
        FormatError: the schema cannot carry it; the message says what.
        UsageError: no such dialect.
    """
    if dialect not in DIALECTS:
        raise UsageError(f"{dialect!r} is no dialect of OPM's XML: expected {' or '.join(DIALECTS)}")
    text = _Writer(graph, dialect).text()
    if (illegal := ILLEGAL.search(text)) is not None:
        raise FormatError(f"OPM XML cannot carry the character U+{ord(illegal[0]):04X}: take it out")
    return text.encode("utf-8")


class _Identifiers:
    """Identifiers that XML can have: those of the graph where it can, else new ones."""

    def __init__(self, graph: Graph) -> None:
        self.given: dict[tuple[Any, str], str] = {}
        self.taken: set[str] = set()
        self.count = 0
        nodes = [(kind, id) for kind, nodes in graph.nodes.items() for id in nodes]
        self.reserved = {
            *(graph.accounts),
            *(id for _, id in nodes),
            *(edge.id for edge in graph.dependencies if edge.id),
        }
        for of, id in (*(("account", id) for id in graph.accounts), *nodes):
            self.given[of, id] = self.of(id)

    def of(self, id: str) -> str:
        """An identifier for something: its own, if nothing has it."""
        if _NCNAME.fullmatch(id) and id not in self.taken:
            self.taken.add(id)
            return id
        while True:
            self.count += 1
            made = f"_{self.count}"
            if made not in self.taken and made not in self.reserved:
                self.taken.add(made)
                return made


class _Writer:
    """What one graph is written with."""

    def __init__(self, graph: Graph, dialect: str) -> None:
        self.graph = graph
        self.dialect = DIALECTS[dialect]
        self.ids = _Identifiers(graph)
        self.lines: list[str] = []
        self.depth = 0
        self.members: dict[str, list[Annotation]] = {}
        for one in graph.containments:
            properties = [Property(OPM["member"], one.member)]
            properties += [Property(OPM["key"], one.key)] if one.key is not None else []
            made = Annotation(properties=tuple(properties), accounts=one.accounts)
            self.members.setdefault(one.container, []).append(made)
        for container in self.members:
            if container not in graph.artifacts:
                raise FormatError(
                    f"OPM XML cannot carry members of {container}: it is no artifact of the graph"
                )

    def text(self) -> str:
        prefix, graph = self.dialect.prefix, self.graph
        declared = {prefix: self.dialect.namespace, "xs": SCHEMA, "xsi": SCHEMA_INSTANCE, "trilha": OPM.iri}
        attributes: dict[str, str | None] = {f"xmlns:{key}": iri for key, iri in declared.items()}
        id, mark = self.identified(graph.id)
        self.lines.append('<?xml version="1.0" encoding="UTF-8"?>')
        self.element("opmGraph", attributes | id, lambda: self.sections(mark))
        return "\n".join(self.lines) + "\n"

    def sections(self, mark: list[Annotation]) -> None:
        graph = self.graph
        if graph.accounts or graph.overlaps:
            self.element("accounts", {}, self.accounts)
        plurals = {NodeKind.PROCESS: "processes", NodeKind.ARTIFACT: "artifacts", NodeKind.AGENT: "agents"}
        for kind, plural in plurals.items():
            if graph.nodes[kind]:
                self.element(plural, {}, lambda kind=kind: self.nodes(kind))  # type: ignore[misc]
        if graph.dependencies:
            self.element(self.dialect.dependencies, {}, self.dependencies)
        if graph.external:
            self.element("annotations", {}, self.external)
        self.annotations((*mark, *graph.annotations))

    # Lines

    def element(
        self, name: str, attributes: dict[str, str | None], inner: Callable[[], object] | None = None
    ) -> None:
        texts = "".join(
            f' {key}="{attribute_text(text)}"' for key, text in attributes.items() if text is not None
        )
        tag = f"{self.dialect.prefix}:{name}"
        at = len(self.lines)
        self.lines.append("")
        self.depth += 1
        if inner is not None:
            inner()
        self.depth -= 1
        empty = len(self.lines) == at + 1
        self.lines[at] = f"{'  ' * self.depth}<{tag}{texts}{'/' * empty}>"
        if not empty:
            self.lines.append(f"{'  ' * self.depth}</{tag}>")

    def identified(self, id: str | None) -> tuple[dict[str, str | None], list[Annotation]]:
        """The attribute of an identifier, and what marks it where XML cannot have it."""
        if id is None:
            return {}, []
        return self.marked(self.ids.of(id), id)

    def marked(self, spelt: str, id: str) -> tuple[dict[str, str | None], list[Annotation]]:
        mark = Annotation("pname", id, properties=(Property(OPM["id"], id),))
        return {"id": spelt}, [mark] if spelt != id else []

    def reference(self, of: Any, id: str) -> str:
        try:
            return self.ids.given[of, id]
        except KeyError:
            what = of.value if isinstance(of, NodeKind) else of
            raise FormatError(
                f"OPM XML cannot carry a reference to the {what} {id}, which the graph does not have: add it"
            ) from None

    # Parts

    def accounts(self) -> None:
        for account in self.graph.accounts.values():
            id, mark = self.marked(self.ids.given["account", account.id], account.id)
            self.element("account", id, lambda a=account, m=mark: self.annotations((*m, *a.annotations)))  # type: ignore[misc]
        for pair in self.graph.overlaps:
            self.element("overlaps", {}, lambda pair=pair: self.stated_by(pair))  # type: ignore[misc]

    def stated_by(self, accounts: Iterable[str]) -> None:
        for account in accounts:
            self.element("account", {"ref": self.reference("account", account)})

    def nodes(self, kind: NodeKind) -> None:
        for node in self.graph.nodes[kind].values():
            id, mark = self.marked(self.ids.given[kind, node.id], node.id)
            members = self.members.get(node.id, []) if kind is NodeKind.ARTIFACT else []

            def inner(node: Any = node, mark: Any = mark, members: Any = members) -> None:
                self.stated_by(node.accounts)
                self.annotations((*mark, *node.annotations, *members))

            self.element(kind.value, id, inner)

    def dependencies(self) -> None:
        for edge in self.graph.dependencies:
            self.dependency(edge)

    def dependency(self, given: Dependency) -> None:
        word = self.dialect.kinds.get(given.kind)
        if word is None:
            raise FormatError(
                f"OPM XML of 2010 cannot carry {given.kind.value}({given.effect}, {given.cause}): its schema"
                " has no such element; write the dialect '1.1', or take it out"
            )
        edge = unsettled(given)
        id, mark = self.identified(edge.id)

        def inner() -> None:
            effect, cause = edge.kind.ends
            self.element("effect", {"ref": self.reference(effect, edge.effect)})
            if edge.kind in _WITH_ROLE:
                self.role(edge.role or Role())
            self.element("cause", {"ref": self.reference(cause, edge.cause)})
            self.stated_by(edge.accounts)
            for slot, name in _SLOTS.items():
                if (time := getattr(edge, slot)) is not None:
                    self.time(name, time)
            self.annotations((*mark, *edge.annotations))

        self.element(word, id, inner)

    def role(self, role: Role) -> None:
        id, mark = self.identified(role.id)
        self.element("role", {"value": role.value} | id, lambda: self.annotations((*mark, *role.annotations)))

    def time(self, name: str, time: Observed) -> None:
        self.element(name, dict(zip(_TIMES, time, strict=False)))

    # Annotations

    def external(self) -> None:
        for subject, one in self.graph.external:
            self.annotation(one, subject)

    def annotations(self, given: Iterable[Annotation]) -> None:
        for one in given:
            self.annotation(one)

    def annotation(self, one: Annotation, subject: str | None = None) -> None:
        id, mark = self.identified(one.id)
        attributes = dict(id)
        short = one.kind in RDF_CORE and subject is None
        if short and one.kind != "value":
            text = str(one.value)
            attributes["value"] = text if one.kind == "label" else _uri(text)
        attributes |= {"encoding": one.encoding} if short else {}
        properties = one.properties
        changed = one.value is not None and attributes.get("value", one.value) != one.value
        if one.kind in RDF_CORE and one.value is not None and (not properties or not short or changed):
            properties = (Property(RDF_CORE[one.kind], one.value), *properties)
        if not properties:
            raise FormatError("OPM XML cannot carry an annotation without a property: its schema demands one")

        def inner() -> None:
            for property in properties:
                self.element(
                    "property",
                    {self.dialect.key: _key(property.key)},
                    lambda value=property.value: self.content("value", value),  # type: ignore[misc]
                )
            self.stated_by(one.accounts)
            self.annotations((*mark, *one.annotations))
            if short and one.kind == "value" and one.value is not None:
                self.content("content", one.value)
            if subject is not None:
                self.lines.append(
                    f"{'  ' * self.depth}<{self.dialect.prefix}:externalSubject>{element_text(subject)}"
                    f"</{self.dialect.prefix}:externalSubject>"
                )

        self.element(one.kind if short else "annotation", attributes, inner)

    def content(self, name: str, value: Value) -> None:
        """A value, with its data type."""
        text, datatype, language = lexical(value)
        told = ""
        inner = element_text(text)
        if language is not None:
            told = f' xml:lang="{attribute_text(language)}"'
        elif datatype == XML_LITERAL and _stands_alone(text):
            inner = text
        elif datatype in _TYPED and type(value) in _NATIVE:
            told = f' xsi:type="{_TYPED[datatype]}"'
        else:
            told = f' trilha:datatype="{attribute_text(datatype)}"'
        tag = f"{self.dialect.prefix}:{name}"
        self.lines.append(f"{'  ' * self.depth}<{tag}{told}>{inner}</{tag}>")


_WITH_ROLE: Final = frozenset(
    {DependencyKind.USED, DependencyKind.WAS_GENERATED_BY, DependencyKind.WAS_CONTROLLED_BY}
)
_NATIVE: Final = frozenset({str, bool, int, float, datetime})


def _uri(text: str) -> str:
    """The text where a schema's processor takes it for an IRI; else percent-encoded."""
    return text if _URI.fullmatch(text) else quote(text, safe="")


def _key(key: str) -> str:
    """The key of a property; one that is no IRI in the namespace for those."""
    plain = _URI.fullmatch(key) is not None and not key.startswith(PROPERTY.iri)
    return key if plain else PROPERTY[quote(key, safe="")]


def _stands_alone(text: str) -> bool:
    """Whether this text of elements is read as it is written."""
    read = reread(f"<x>{text}</x>")
    return read is not None and "<" in text and read[1] == f"<x>{text}</x>" and text == text.strip()
