"""Statements into triples (PROV-O section 3).

A relation that only has its ends is a shortcut; one with more is a node, and the shortcut beside it, as
PROV-O recommends. What RDF would run together stays apart: where a name is that of several statements, each
has a node of its own, with `IDENTIFIER`, and for elements with `STATES`; an attribute whose property means
something else in PROV-O stands as a node (`ATTRIBUTE`); and relations that have no qualified form but an
identifier or attributes are an ``rdf:Statement``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.carried import called, check_carried
from trilha.formats.rdf.reading import CLASSES, PLAIN_RULES, RULES
from trilha.formats.rdf.vocabulary import (
    ATTRIBUTE,
    DERIVATION_TYPES,
    ELEMENT_CLASSES,
    IDENTIFIER,
    INVERSE,
    KEYS,
    QUALIFIED,
    RDF,
    SHORTCUTS,
    STATES,
)
from trilha.prov import DICTIONARY, PLACEHOLDER, PROV, Bundle, Document, Kind, Literal, Name, Record
from trilha.prov.values import QUALIFIED_NAME

__all__ = ["Node", "Triples", "is_iri", "triples_of"]

Node = list[Any]
"""The properties of a node: ``[property 1, value 1, …]``. A value that is a list is a blank node."""

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\\x7f\ud800-\udfff]*")
_BLANK = re.compile(r"_:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_TYPE: Final = RDF["type"]
_PROV_TYPE: Final = PROV["type"]
_BASIC: Final = {Kind.ENTITY: PROV["Entity"], Kind.ACTIVITY: PROV["Activity"], Kind.AGENT: PROV["Agent"]}
_ELEMENT_TYPES: Final = frozenset(ELEMENT_CLASSES) - frozenset(_BASIC.values())
_NO_TYPES: Final[frozenset[Name]] = frozenset()
_TAKEN: Final = frozenset({*RULES, *INVERSE})
_MOMENTS: Final = (PROV["startedAtTime"], PROV["endedAtTime"])


class Triples:
    """The triples of one graph.

    Attributes:
        subjects: the properties of each resource that has a name.
        loose: those of blank nodes that nothing points to.
    """

    __slots__ = ("loose", "subjects")

    def __init__(self) -> None:
        self.subjects: defaultdict[Name, Node] = defaultdict(list)
        self.loose: list[Node] = []


def triples_of(document: Document, title: str, *, named: bool) -> tuple[Triples, dict[Name, Triples]]:
    """The triples of a document, and of each of its bundles.

    Args:
        document: the document.
        title: what to call the format in messages.
        named: whether the format has named graphs, for bundles.

    Raises:
        FormatError: it holds what the format cannot carry.
    """
    if document.bundles and not named:
        first = next(iter(document.bundles))
        raise FormatError(f"{title} cannot carry bundles, such as {first}: write TriG or flatten")
    default = _Writer(document, title).triples
    graphs: dict[Name, Triples] = {}
    for name, bundle in document.bundles.items():
        if not is_iri(name):
            raise FormatError(f"{title} cannot carry the bundle {name!r}: its name is no IRI")
        if bundle.records:
            graphs[name] = _Writer(bundle, title).triples
        else:
            default.loose.append([STATES, PROV["Bundle"], IDENTIFIER, name])
    return default, graphs


def is_iri(name: str) -> bool:
    """Whether RDF takes this for an IRI, or for the label of a blank node."""
    return (_BLANK if name.startswith("_:") else _IRI).fullmatch(name) is not None


class _Writer:
    """Makes the triples of one document or bundle."""

    def __init__(self, scope: Document | Bundle, title: str) -> None:
        self.title = title
        self.triples = Triples()
        self.subjects = self.triples.subjects
        self.taken: set[Name] = set()
        """The names that a node of a relation cannot have: something else is said of them."""
        self.ends: Counter[tuple[Any, ...]] = Counter()
        records = scope.records
        check_carried(records, title, (*DICTIONARY, Kind.EXTENSION))
        elements: dict[Name, list[Record]] = {}
        for record in records:
            if record[0] <= Kind.AGENT:
                elements.setdefault(record[1], []).append(record)
            elif record[0] is not Kind.EXTENSION:
                self.ends[record[0] if record[0] is Kind.MENTION else record[3], record[0], record[2]] += 1
                self.taken.add(record[2])
        self.taken.update(elements)
        for name, some in elements.items():
            self.element(name, some)
        for record in records:
            if record[0] > Kind.AGENT:
                self.relation(record)

    def refuse(self, record: Record, why: str) -> FormatError:
        return FormatError(f"{self.title} cannot carry {called(record)}: {why}")

    def element(self, name: Name, records: list[Record]) -> None:
        """All statements of one element, together, and, where that says too much, each apart."""
        node = self.subjects[name]
        apart = False
        if len(records) > 1:
            records = list(dict.fromkeys(records))
            kinds = {record[0] for record in records}
            apart = len(kinds) < len(records) or any(record[-1] for record in records)
        for record in records:
            kind = record[0]
            node += (_TYPE, _BASIC[kind])
            self.times(record, node)
            self.attributes(record[-1], node, _ELEMENT_TYPES)
            if apart:
                own: Node = [STATES, _BASIC[kind], IDENTIFIER, name]
                self.times(record, own)
                self.attributes(record[-1], own, None)
                self.triples.loose.append(own)

    def times(self, record: Record, node: Node) -> None:
        if record[0] is Kind.ACTIVITY:
            for property, when in zip(_MOMENTS, record[2:4], strict=True):
                if when:
                    node += (property, _moment(when))

    def attributes(self, flat: tuple[Any, ...], node: Node, types: frozenset[Name] | None) -> None:
        """Add attributes to a node.

        Args:
            flat: the attributes.
            node: the node.
            types: the types of PROV's own that may stand as ``rdf:type``; None if no type may.
        """
        for i in range(0, len(flat), 2):
            key, value = flat[i], _sayable(flat[i + 1])
            if key == _PROV_TYPE:
                is_class = (
                    types is not None and value.__class__ is Name and (value not in CLASSES or value in types)
                )
                node += (_TYPE if is_class else key, value)
            elif key in KEYS:
                node += (KEYS[key], value)
            elif key in _TAKEN or not is_iri(key) or key.startswith("_:"):
                property = key if is_iri(key) else str(key)
                node += (ATTRIBUTE, [RDF["predicate"], property, RDF["object"], value])
            else:
                node += (key, value)

    def relation(self, record: Record) -> None:
        kind = record[0]
        if kind in QUALIFIED:
            self.qualified(record)
        elif kind is Kind.EXTENSION:
            self.extension(record)
        elif any(cell is None or cell is PLACEHOLDER for cell in record[2:4]):
            raise self.refuse(record, "one of its ends is missing")
        elif kind is Kind.DICTIONARY_MEMBERSHIP:
            pair = _pair(record[4], record[3])
            self.subjects[record[2]] += (SHORTCUTS[kind], pair)
        elif record[1] is None and not record[-1] and self.alone(record):
            node = self.subjects[record[2]]
            node += (SHORTCUTS[kind], record[3])
            if kind is Kind.MENTION and record[4]:
                node += (PROV["asInBundle"], record[4])
        else:
            ends = (RDF["subject"], record[2], RDF["predicate"], SHORTCUTS[kind], RDF["object"], record[3])
            node = [_TYPE, RDF["Statement"], *ends]
            if kind is Kind.MENTION and record[4]:
                node += (PROV["asInBundle"], record[4])
            self.attributes(record[-1], node, _NO_TYPES)
            place = self.placed(record[1], node)
            if place is node:
                self.triples.loose.append(node)

    def alone(self, record: Record) -> bool:
        """Whether a mention can do without node: there is only one of its entity."""
        return record[0] is not Kind.MENTION or self.ends[Kind.MENTION, Kind.MENTION, record[2]] == 1

    def qualified(self, record: Record) -> None:
        kind, id, owner, main, *rest = record[:-1]
        flat = record[-1]
        form = QUALIFIED[kind]
        simple = id is None and owner and main and not any(rest) and self.ends[main, kind, owner] == 1
        if simple and not flat and kind <= Kind.INFLUENCE:
            self.subjects[owner] += (SHORTCUTS[kind], main)
            return
        if simple and len(flat) == 2 and kind is Kind.DERIVATION and flat[0] == _PROV_TYPE:
            known = DERIVATION_TYPES.get(flat[1]) if flat[1].__class__ is Name else None
            if known:
                self.subjects[owner] += (known[0], main)
                return
        node: Node = [_TYPE, form.type]
        for argument, property, cell in zip(kind.arguments[1:], form.arguments, record[3:-1], strict=True):
            if argument.holds == "pairs":
                for key, entity in cell:
                    node += (property, _pair(key, entity))
            elif argument.holds == "keys":
                for key in cell:
                    node += (property, _sayable(key))
            elif cell:
                node += (property, _moment(cell) if argument.is_time else cell)
        derived = frozenset(DERIVATION_TYPES) if kind is Kind.DERIVATION and owner else _NO_TYPES
        self.attributes(flat, node, derived)
        place = self.placed(id, node)
        if owner:
            if main:
                self.subjects[owner] += (SHORTCUTS[kind], main)
            self.subjects[owner] += (form.property, place)
        elif place is node:
            self.triples.loose.append(node)

    def placed(self, id: Name | None, node: Node) -> Name | Node:
        """Where the node of a statement is: at its identifier, or blank."""
        if id is None:
            return node
        if id in self.taken or not is_iri(id):
            node += (IDENTIFIER, id if is_iri(id) else str(id))
            return node
        self.taken.add(id)
        self.subjects[id] += node
        return id

    def extension(self, record: Record) -> None:
        """A triple that says something of what is no element: what reading made of one."""
        _, id, term, content, flat = record
        if (
            id is not None
            or flat
            or len(content) != 2
            or not all(isinstance(one, _VALUES) for one in content)
            or content[0].__class__ is not Name
            or not is_iri(term)
            or not _free(term, content[1])
        ):
            check_carried([record], self.title)
        subject, value = content[0], _sayable(content[1])
        if content[1].__class__ is Literal and content[1].datatype == QUALIFIED_NAME:
            check_carried([record], self.title)
        node = [RDF["subject"], subject, RDF["predicate"], term, RDF["object"], value]
        self.triples.loose.append([_TYPE, RDF["Statement"], STATES, RDF["Statement"], *node])


_VALUES: Final = (bool, int, float, str, datetime, Literal)


def _free(term: Name, value: Any) -> bool:
    """Whether a triple with this property is none of PROV-O's."""
    return term not in _TAKEN or term in PLAIN_RULES or (term == _TYPE and value not in CLASSES)


def _pair(key: Any, entity: Name) -> Node:
    """Key and entity as a node of PROV-Dictionary."""
    return [_TYPE, PROV["KeyEntityPair"], PROV["pairKey"], _sayable(key), PROV["pairEntity"], entity]


def _sayable(value: Any) -> Any:
    """A value; a name that is no IRI as a literal."""
    if value.__class__ is Name and not is_iri(value):
        return Literal(str(value), QUALIFIED_NAME)
    return value


def _moment(when: Any) -> Any:
    """A time as a value."""
    return Literal(when, _DATETIME) if when.__class__ is str else when


_DATETIME: Final = Name("http://www.w3.org/2001/XMLSchema#dateTime")
