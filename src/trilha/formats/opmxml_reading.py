"""OPM's XML: reading, one reader for the dialects of 1.01, of 1.1 (2009) and of 2010, and Swift's.

What differs between them is taken as it comes: references by ``ref`` or ``id``, times as attributes or as
elements, values as text, as elements, or with ``content``, properties with ``key``, ``uri`` or older forms.
Elements of other namespaces that stand in a node are kept as annotations of it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from trilha.errors import UsageError
from trilha.formats.opmxml_terms import NAMESPACES, RDF_CORE, SECTIONS, STARS
from trilha.formats.opmxml_tree import Element, Tree
from trilha.prov import SHA256, XSD, Literal, Name
from trilha.prov.opm import (
    OPM,
    XML_LITERAL,
    Account,
    Annotation,
    Containment,
    Dependency,
    Graph,
    Node,
    NodeKind,
    Observed,
    Property,
    Role,
    settled,
)
from trilha.prov.opm.attributes import key_text
from trilha.prov.values import QUALIFIED_NAME, Value, literal

__all__ = ["graph_of"]

_SHORT: Final = frozenset(RDF_CORE)
_SUBJECTS: Final = frozenset(
    {"artifact", "process", "agent", "annotation", "externalSubject", "localSubject"}
)
_WHITE: Final = " \t\r\n"
_PLURALS: Final = {"artifacts": NodeKind.ARTIFACT, "processes": NodeKind.PROCESS, "agents": NodeKind.AGENT}
_TIMES: Final = {"start": "start", "end": "end", "startTime": "start", "endTime": "end", "time": "time"}


def graph_of(data: bytes | str, name: str = "document") -> Graph:
    """The graph in `data`.

    Args:
        data: XML of OPM, of any dialect.
        name: what to call the file in messages.

    Raises:
        FormatError: it is none. The message begins with file, line and column.
    """
    content = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    tree = Tree(content, name)
    reader = _Reader(tree)
    graph = reader.graph(tree.root)
    if reader.has_local_names:
        graph.base = f"{SHA256.iri}{sha256(content).hexdigest()}#"
    return graph


class _Reader:
    """What one document is read with."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.has_local_names = False
        self.names: dict[str, str] = {}
        """The identifiers of the graph by those of the document, where these stand for IRIs."""
        self.made = Graph()
        self.about: dict[str, list[Element]] = {}
        """The annotations that stand apart, by what they are about."""

    def graph(self, root: Element) -> Graph:
        if root.local != "opmGraph" or root.namespace not in NAMESPACES:
            self.tree.refuse(root, f"expected opmGraph of OPM 1.01 or 1.1, not {_shown(root)}")
        self.collect_names(root)
        made = self.made
        made.id = self.identifier(root)
        sections: dict[str, list[Element]] = {}
        own = []
        for child in root.elements:
            local = child.local.replace("causalDependencies", "dependencies")
            if child.namespace == root.namespace and local in SECTIONS:
                sections.setdefault(local, []).append(child)
            else:
                own.append(child)
        for section in sections.get("annotations", ()):
            self.apart(section)
        for section in sections.get("accounts", ()):
            self.accounts(section)
        for plural, kind in _PLURALS.items():
            for section in sections.get(plural, ()):
                for child in self.children(section, {kind.value}):
                    self.node(child, kind)
        for section in sections.get("dependencies", ()):
            for child in self.children(section, set(STARS)):
                made.dependencies.append(self.dependency(child))
        made.annotations = self.said(root, own, made.id)
        while self.about:
            subject = next(iter(self.about))
            made.external += [(subject, one) for one in self.annotations(self.about.pop(subject), root)]
        return made

    def children(self, section: Element, known: set[str]) -> list[Element]:
        """The elements of a section, which are of the names that are known."""
        found = list(section.elements)
        for child in found:
            if child.local not in known or child.namespace != section.namespace:
                expected = " or ".join(sorted(known))
                self.tree.refuse(child, f"expected {expected} in {section.local}, not {_shown(child)}")
        return found

    # Names

    def collect_names(self, root: Element) -> None:
        """Find the identifiers that only stand for an IRI, which XML's own cannot be."""
        todo = [root]
        while todo:
            element = todo.pop()
            todo += element.elements
            for child in element.elements:
                if child.local == "pname" and _is_marked(child) and (id := element.attributes.get("id")):
                    (name, *_) = self.properties(list(child.elements))
                    self.names[id] = str(name.value)

    def identifier(self, element: Element) -> str | None:
        id = element.attributes.get("id")
        return None if id is None else self.named(id)

    def named(self, id: str) -> str:
        name = self.names.get(id, id)
        if ":" not in name:
            self.has_local_names = True
        return name

    def own(self, element: Element) -> str:
        """The identifier of what must have one."""
        id = self.identifier(element)
        if not id:
            self.tree.refuse(element, f'expected id="..." on {_shown(element)}')
        return id

    def reference(self, element: Element) -> str:
        """What an element refers to: by ``ref``, before OPM 1.1 by ``id``, in drafts by an element in it."""
        for attribute in ("ref", "id"):
            if text := element.attributes.get(attribute):
                return self.named(text)
        inner = list(element.elements)
        if len(inner) != 1:
            self.tree.refuse(element, f'expected ref="..." on {_shown(element)}')
        return self.reference(inner[0])

    # Parts

    def accounts(self, section: Element) -> None:
        for child in self.children(section, {"account", "overlaps"}):
            if child.local == "overlaps":
                pair = [self.reference(one) for one in self.children(child, {"account"})]
                if len(pair) != 2:
                    self.tree.refuse(child, f"expected two accounts in overlaps, not {len(pair)}")
                self.made.overlaps.append((pair[0], pair[1]))
                continue
            id = self.own(child)
            if id in self.made.accounts:
                self.tree.refuse(child, f"another account has the id {id}: expected one of its own")
            self.made.accounts[id] = Account(id, self.said(child, list(child.elements), id))

    def node(self, element: Element, kind: NodeKind) -> None:
        id = self.own(element)
        if id in self.made.nodes[kind]:
            self.tree.refuse(element, f"another {kind.value} has the id {id}: expected one of its own")
        accounts, rest = self.split(element)
        said = []
        for one in self.said(element, rest, id):
            member = _member(one)
            if member is None:
                said.append(one)
            else:
                self.made.containments.append(Containment(id, *member, one.accounts))
        self.made.nodes[kind][id] = Node(kind, id, accounts, tuple(said))
        for value in rest:
            for contains in value.elements if value.local == "value" else ():
                if contains.local == "contains" and contains.namespace not in NAMESPACES:
                    self.made.containments.append(Containment(id, self.reference(contains), None, accounts))

    def split(self, element: Element) -> tuple[tuple[str, ...], list[Element]]:
        """The accounts in an element, and its other elements."""
        accounts, rest = [], []
        for child in element.elements:
            if child.local == "account" and child.namespace == element.namespace:
                accounts.append(self.reference(child))
            else:
                rest.append(child)
        return tuple(accounts), rest

    def dependency(self, element: Element) -> Dependency:
        accounts, rest = self.split(element)
        parts: dict[str, Any] = {}
        said = []
        for child in rest:
            part = _TIMES.get(child.local, child.local)
            if part in {"effect", "cause", "role", "time", "start", "end"}:
                if part in parts:
                    self.tree.refuse(child, f"expected {child.local} once in {_shown(element)}")
                parts[part] = child
            else:
                said.append(child)
        for part in ("effect", "cause"):
            if part not in parts:
                self.tree.refuse(element, f"expected {part} in {_shown(element)}")
        id = self.identifier(element)
        ends = self.reference(parts["effect"]), self.reference(parts["cause"])
        role = self.role(parts["role"]) if "role" in parts else None
        time, start, end = (
            self.observed(parts[part]) if part in parts else None for part in ("time", "start", "end")
        )
        told = self.said(element, said, id)
        made = Dependency(STARS[element.local], *ends, role, accounts, time, start, end, told, id)
        return settled(made)

    def role(self, element: Element) -> Role:
        id = self.identifier(element)
        return Role(element.attributes.get("value"), self.said(element, list(element.elements), id), id)

    def observed(self, element: Element) -> Observed:
        parts = {child.local: child.text.strip(_WHITE) for child in element.elements}
        parts |= element.attributes
        known = ("noEarlierThan", "noLaterThan", "exactlyAt", "clockId")
        return Observed(*(parts.get(one) or None for one in known))

    # Annotations

    def said(self, element: Element, given: list[Element], id: str | None) -> tuple[Annotation, ...]:
        """The annotations in an element, and those about it that stand apart."""
        apart = self.about.pop(id, []) if id else []
        return self.annotations([*given, *apart], element)

    def annotations(self, given: list[Element], within: Element) -> tuple[Annotation, ...]:
        made = []
        for child in given:
            if child.namespace not in NAMESPACES or (child.namespace == "" and within.namespace):
                made.append(Annotation.of(child.namespace + child.local, self.content(child)))
            elif child.local == "annotation" or child.local in _SHORT:
                one = self.annotation(child)
                if one is not None:
                    made.append(one)
            else:
                self.tree.refuse(child, f"expected an annotation in {_shown(within)}, not {_shown(child)}")
        return tuple(made)

    def annotation(self, element: Element) -> Annotation | None:
        """An annotation; None for an empty value, which says nothing, and for what only marks an IRI."""
        if element.local == "value" and not any(
            child.local in {"property", "content", "account", "annotation"} for child in element.elements
        ):
            value = self.content(element)
            encoding = element.attributes.get("encoding")
            return None if value == "" and not encoding else Annotation("value", value, encoding)
        if _is_marked(element):
            return None
        kind = element.local
        accounts, rest = self.split(element)
        properties = self.properties(rest)
        short: Value | None = None
        if kind != "annotation":
            exact = [one.value for one in properties if one.key == RDF_CORE[kind]]
            short = exact[0] if exact else self.short_value(element, rest)
            properties = [one for one in properties if one != (RDF_CORE[kind], short)]
        inner = [child for child in rest if child.local in {"annotation", *_SHORT} and not _is_subject(child)]
        if any(child.local == "property" and not {"key", "uri"} & child.attributes.keys() for child in rest):
            inner = [child for child in inner if child.local != "value"]  # it is that of the property
        if kind == "value":
            inner = [child for child in inner if child.local != "content"]
        id = self.identifier(element)
        return Annotation(
            kind,
            short,
            element.attributes.get("encoding") if kind == "value" else None,
            tuple(properties),
            accounts,
            self.said(element, inner, id),
            id,
        )

    def short_value(self, element: Element, rest: list[Element]) -> Value:
        for child in rest:
            if element.local == "value" and child.local == "content":
                return self.content(child)
        text = element.attributes.get("value")
        return self.content(element) if text is None else text

    def properties(self, given: list[Element]) -> list[Property]:
        made = []
        for at, child in enumerate(given):
            if child.local not in {"property", "urlProperty"}:
                continue
            key = child.attributes.get("key", child.attributes.get("uri"))
            inner = next((one for one in child.elements if one.local == "value"), None)
            if key is None:  # before 2009-12: the key as text, the value beside it
                key = child.text.strip(_WHITE)
                following = (one for one in given[at + 1 :] if one.local in {"value", "stringValue"})
                inner = next(following, None)
            if inner is None:
                self.tree.refuse(child, f"expected value in {_shown(child)}, or beside it")
            made.append(Property(key_text(Name(key)), self.content(inner)))
        return made

    def content(self, element: Element) -> Value:
        """The value that an element holds: text of some data type, or elements, as text."""
        if any(True for _ in element.elements):
            return literal(self.tree.inner(element).strip(_WHITE), XML_LITERAL)
        text = element.text
        datatype = element.attributes.get(f"{OPM.iri}\x01datatype", element.datatype)
        try:
            if element.language:
                return literal(text, None, element.language)
            if datatype is None or datatype == XSD["string"]:
                return text if datatype else text.strip(_WHITE)
            if datatype == XSD["QName"]:  # a prefix of the document is none of the graph
                return Literal(text, Name(datatype))
            if datatype == QUALIFIED_NAME:
                return Name(text)
            stripped = text.strip(_WHITE) if datatype in XSD else text
            return literal(stripped, Name(datatype))
        except UsageError as error:
            self.tree.refuse(element, str(error))

    def apart(self, section: Element) -> None:
        """Read the annotations that stand apart, and keep them for what they are about."""
        for child in self.children(section, {"annotation"}):
            subjects = [one for one in child.elements if _is_subject(one)]
            if len(subjects) != 1:
                self.tree.refuse(child, "expected one subject in annotation, such as localSubject")
            subject = subjects[0]
            text = subject.text.strip(_WHITE)
            about = text if subject.local == "externalSubject" else self.named(text) if text else ""
            if not about:
                about = self.reference(subject)
            child.children.remove(subject)
            self.about.setdefault(about, []).append(child)


def _is_subject(element: Element) -> bool:
    if element.local in {"externalSubject", "localSubject"}:
        return True
    return element.local in _SUBJECTS and "ref" in element.attributes


def _is_marked(element: Element) -> bool:
    """Whether a ``pname`` is there only since XML's identifiers cannot be IRIs."""
    return element.local == "pname" and any(
        child.attributes.get("key", child.attributes.get("uri")) == OPM["id"] for child in element.elements
    )


def _member(annotation: Annotation) -> tuple[str, Value | None] | None:
    """The member and key that an annotation tells of a container; None if it tells something else."""
    found = {property.key: property.value for property in annotation.properties}
    member = found.pop(OPM["member"], None)
    key = found.pop(OPM["key"], None)
    return (str(member), key) if isinstance(member, str) and not found else None


def _shown(element: Element) -> str:
    if element.namespace in NAMESPACES:
        return element.local
    return f"{{{element.namespace}}}{element.local}"
