"""Graphs into documents (PROV-O section 3): the qualified forms, the shortcuts, and all else as attributes.

A shortcut of the same ends as a qualified form says nothing more, so there is one statement. What a property
that is none of PROV-O's says of an entity, activity or agent is an attribute; of anything else, whose kind
nothing tells, it is kept as an `Extension` of property, subject and value.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from trilha.errors import FormatError, UsageError
from trilha.formats.places import place
from trilha.formats.rdf.opmo_reading import MARKS, is_opm, opm_graph
from trilha.formats.rdf.parsing import Graph, Graphs
from trilha.formats.rdf.vocabulary import (
    ATTRIBUTE,
    DERIVATION_TYPES,
    ELEMENT_CLASSES,
    IDENTIFIER,
    KEYS,
    QUALIFIED,
    RDF,
    RELATION_CLASSES,
    SHORTCUTS,
    STATES,
    SUPERCLASSES,
)
from trilha.prov import PROV, Document, Kind, Literal, Name, Record
from trilha.prov.opm import document_of as opm_document
from trilha.prov.uncollected import uncollected
from trilha.prov.values import time as _time

__all__ = ["CLASSES", "PLAIN_RULES", "RULES", "document_of"]

# What a property means; the second of a pair depends on it.
_TYPE, _SHORTCUT, _QUALIFIED, _ARGUMENT, _MOMENT, _KEY, _ATTRIBUTE = range(7)
_MAIN: Final = frozenset(PROV[local] for local in ("entity", "activity", "agent", "influencer", "dictionary"))
_STATEMENT: Final = (RDF["subject"], RDF["predicate"], RDF["object"])
_MENTION_BUNDLE: Final = PROV["asInBundle"]
_PAIR: Final = (PROV["pairKey"], PROV["pairEntity"])
RULES: Final[dict[Name, tuple[int, Any]]] = {
    RDF["type"]: (_TYPE, None),
    **{property: (_SHORTCUT, (kind, None)) for kind, property in SHORTCUTS.items()},
    **{form.property: (_QUALIFIED, (kind, None)) for kind, form in QUALIFIED.items()},
    **{pair[0]: (_SHORTCUT, (Kind.DERIVATION, type)) for type, pair in DERIVATION_TYPES.items()},
    **{pair[1]: (_QUALIFIED, (Kind.DERIVATION, type)) for type, pair in DERIVATION_TYPES.items()},
    **dict.fromkeys([*_MAIN, *_STATEMENT, *_PAIR, _MENTION_BUNDLE, STATES, IDENTIFIER], (_ARGUMENT, None)),
    **{argument: (_ARGUMENT, None) for form in QUALIFIED.values() for argument in form.arguments},
    PROV["startedAtTime"]: (_MOMENT, Kind.ACTIVITY),
    PROV["endedAtTime"]: (_MOMENT, Kind.ACTIVITY),
    PROV["generatedAtTime"]: (_MOMENT, Kind.ENTITY),
    PROV["invalidatedAtTime"]: (_MOMENT, Kind.ENTITY),
    **{property: (_KEY, key) for key, property in KEYS.items() if key != PROV["type"]},
    ATTRIBUTE: (_ATTRIBUTE, None),
}
_PROV_TYPE: Final = PROV["type"]
_TIME: Final = PROV["atTime"]
_ENDED: Final = PROV["endedAtTime"]
_BASIC: Final = {Kind.ENTITY: PROV["Entity"], Kind.ACTIVITY: PROV["Activity"], Kind.AGENT: PROV["Agent"]}
_BASIC_NAMES: Final = frozenset(_BASIC.values())
_STRUCTURAL: Final = frozenset({RDF["Statement"], PROV["KeyEntityPair"]})
_BY_SHORTCUT: Final = {property: kind for kind, property in SHORTCUTS.items()}
_ELEMENTS: Final = {
    "entity": Kind.ENTITY,
    "specific": Kind.ENTITY,
    "general": Kind.ENTITY,
    "collection": Kind.ENTITY,
    "generated": Kind.ENTITY,
    "used": Kind.ENTITY,
    "alternate1": Kind.ENTITY,
    "alternate2": Kind.ENTITY,
    "trigger": Kind.ENTITY,
    "plan": Kind.ENTITY,
    "after": Kind.ENTITY,
    "before": Kind.ENTITY,
    "dictionary": Kind.ENTITY,
    "activity": Kind.ACTIVITY,
    "informed": Kind.ACTIVITY,
    "informant": Kind.ACTIVITY,
    "starter": Kind.ACTIVITY,
    "ender": Kind.ACTIVITY,
    "agent": Kind.AGENT,
    "delegate": Kind.AGENT,
    "responsible": Kind.AGENT,
}
"""What an argument of that name must be (PROV-CONSTRAINTS section 6.3)."""


def document_of(graphs: Graphs, data: bytes, name: str) -> Document:
    """The document that graphs say: the default graph, and the named ones as bundles.

    Args:
        graphs: what was parsed.
        data: the text that they are from, for places in messages.
        name: what to call the file in messages.

    Raises:
        FormatError: what should be a time is none.
    """
    if any(mark in data for mark in MARKS) and is_opm(graphs):
        try:
            return opm_document(opm_graph(graphs, name))
        except UsageError as error:
            raise FormatError(f"{name}: {error}") from None
    with uncollected():
        document = Document(graphs.prefixes)
        try:
            reader = _Reader(graphs.default, graphs.shared)
            document.records = reader.records()
            for label, graph in graphs.named.items():
                document.bundle(label).records = _Reader(graph, graphs.shared).records()
        except _NoTime as error:
            raise FormatError(error.place_in(data, name)) from None
        for label in reader.empty:
            document.bundle(label)
        return document


class _NoTime(Exception):
    """A value that should be a time."""

    def __init__(self, node: Name, property: Name, value: Any) -> None:
        super().__init__(node, property, value)
        self.node, self.property, self.value = node, property, value

    def place_in(self, data: bytes, name: str) -> str:
        text = str(self.value.value if self.value.__class__ is Literal else self.value)
        offset = data.find(text.encode("utf-8", "replace"))
        if offset >= 0:
            line, column = place(data.decode("utf-8", "replace"), offset)
            name = f"{name}:{line}:{column}"
        short = self.property.rpartition("#")[2]
        return f"{name}: {text!r}, prov:{short} of {self.node}, is no time; expected an xsd:dateTime"


class _Reader:
    """Reads one graph."""

    def __init__(self, graph: Graph, shared: set[Name]) -> None:
        self.graph = graph
        self.shared = shared
        self.made: list[Record] = []
        self.shortcuts: dict[tuple[Kind, Name, Name, Name | None], None] = {}
        self.qualified: dict[Name, dict[tuple[Name | None, Kind], Name | None]] = {}
        self.arguments: dict[Name, dict[Name, list[Any]]] = {}
        self.moments: list[tuple[Name, Name, Any]] = []
        self.attributes: dict[Name, list[Any]] = {}
        self.types: dict[Name, list[Name]] = {}
        self.escaped: list[tuple[Name, Name]] = []
        self.empty: list[Name] = []

    def records(self) -> list[Record]:
        """All that the graph states."""
        for subject, properties in self.graph.items():
            self.sort(subject, properties)
        for owner, node in self.escaped:
            self.unescape(owner, node)
        self.find_nodes()
        covered = self.relations()
        self.add_shortcuts(covered)
        self.add_moments()
        self.elements()
        return self.made

    def sort(self, subject: Name, properties: list[Any]) -> None:
        """Sort what is said of one subject by what it means."""
        rules = RULES
        flat: list[Any] = []
        arguments: dict[Name, list[Any]] = {}
        given = iter(properties)
        for property, value in zip(given, given):  # noqa: B905 -- as many by construction
            rule = rules.get(property)
            if rule is None:
                flat += (property, value)
                continue
            what, more = rule
            if what == _ARGUMENT:
                if property in arguments:
                    arguments[property].append(value)
                else:
                    arguments[property] = [value]
            elif what == _KEY:
                flat += (more, value)
            elif what == _MOMENT:
                self.moments.append((subject, property, value))
            elif value.__class__ is not Name:
                flat += (_PROV_TYPE if what == _TYPE else property, value)
            elif what == _TYPE:
                if value in CLASSES:
                    self.types.setdefault(subject, []).append(value)
                else:
                    flat += (_PROV_TYPE, value)
            elif what == _SHORTCUT:
                self.shortcuts[more[0], subject, value, more[1]] = None
            elif what == _QUALIFIED:
                self.qualified.setdefault(value, {})[subject, more[0]] = more[1]
            else:
                self.escaped.append((subject, value))
        if flat:
            self.attributes[subject] = flat
        if arguments:
            self.arguments[subject] = arguments

    def unescape(self, owner: Name, node: Name) -> None:
        """An attribute that stands as a node (`ATTRIBUTE`)."""
        given = self.arguments.pop(node, {})
        for key, value in zip(given.get(_STATEMENT[1], ()), given.get(_STATEMENT[2], ()), strict=False):
            self.attributes.setdefault(owner, []).extend((Name(key), value))
        self.graph[node].clear()

    def find_nodes(self) -> None:
        """Take nodes of qualified forms that nothing points to for what their types say."""
        for node, types in self.types.items():
            for type in types:
                kind = RELATION_CLASSES.get(type)
                if kind is not None and node not in self.qualified:
                    self.qualified[node] = {(None, kind): None}

    def identity(self, node: Name, given: dict[Name, list[Any]]) -> Name | None:
        """The identifier of the statement of a node."""
        if IDENTIFIER in given:
            return Name(given.pop(IDENTIFIER)[0])
        return None if node.startswith("_:") and node not in self.shared else node

    def relations(self) -> set[tuple[Any, ...]]:
        """Make the statements of nodes; the shortcuts that they cover."""
        covered: set[tuple[Any, ...]] = set()
        for node, owners in self.qualified.items():
            given = self.arguments.pop(node, {})
            id = self.identity(node, given)
            attributes = self.attributes.pop(node, [])
            types = self.types.get(node, [])
            if len(owners) == 1:
                record = _usual(id, owners, given, attributes, types)
                if record is not None:
                    self.made.append(record)
                    covered.add(record[:1] + record[2:4])
                    self.graph.get(node, []).clear()
                    continue
            for (owner, kind), extra in owners.items():
                chosen = _more_exact(kind, types)
                for cells in self.cells(chosen, node, dict(given), attributes, types, extra):
                    record = Record.new((chosen, id, owner, *cells))
                    self.made.append(record)
                    covered.add((chosen, owner, cells[0]))
                    for type in record.values(_PROV_TYPE) if chosen is Kind.DERIVATION else ():
                        covered.add((chosen, owner, cells[0], type))
            self.graph.get(node, []).clear()
        for node, given in list(self.arguments.items()):
            if RDF["Statement"] in self.types.get(node, ()):
                self.reified(node, given)
        return covered

    def cells(
        self,
        kind: Kind,
        node: Name,
        given: dict[Name, list[Any]],
        attributes: list[Any],
        types: list[Name],
        extra: Name | None,
    ) -> list[list[Any]]:
        """The arguments from the second on, and the attributes; several where the node gives several."""
        columns = []
        for argument, property in zip(kind.arguments[1:], QUALIFIED[kind].arguments, strict=True):
            values = given.pop(property, [])
            if not values and property in _MAIN:
                other = next((one for one in _MAIN_ORDER if one in given), None)
                values = given.pop(other, []) if other is not None else []
            columns.append(self.column(argument.holds, property, node, values, attributes))
        flat = [*attributes, *self.type_pairs(kind, types, extra)]
        for property, values in given.items():
            for value in values:
                flat += (property, value)
        count = max(map(len, columns))
        return [[*(column[min(i, len(column) - 1)] for column in columns), tuple(flat)] for i in range(count)]

    def column(
        self, holds: str, property: Name, node: Name, values: list[Any], attributes: list[Any]
    ) -> list[Any]:
        """The values of one argument, at least one."""
        if holds == "time":
            return [self.time(node, property, value) for value in values] or [None]
        if holds == "keys":
            return [tuple(values)]
        if holds == "pairs":
            return [tuple(pair for value in values if (pair := self.pair(value)) is not None)]
        for value in values:
            if value.__class__ is not Name:
                attributes += (property, value)
        return [value for value in values if value.__class__ is Name] or [None]

    def type_pairs(self, kind: Kind, types: Iterable[Name], extra: Name | None) -> list[Any]:
        """The types of a node that say more than its kind."""
        plain = QUALIFIED[kind].type if kind in QUALIFIED else RDF["Statement"]
        said = [
            type
            for type in types
            if type != plain
            and type not in SUPERCLASSES
            and not (type == PROV["Derivation"] and kind in _DICTIONARY)
        ]
        if extra is not None and extra not in said:
            said.append(extra)
        return [cell for type in said for cell in (_PROV_TYPE, type)]

    def pair(self, node: Any) -> tuple[Any, Name] | None:
        """Key and entity of a node of PROV-Dictionary."""
        given = self.arguments.get(node, {}) if node.__class__ is Name else {}
        if not given.get(_PAIR[0]) or not given.get(_PAIR[1]):
            return None
        self.graph[node].clear()
        return given[_PAIR[0]][0], given[_PAIR[1]][0]

    def reified(self, node: Name, given: dict[Name, list[Any]]) -> None:
        """A statement as a node of RDF's own: of a kind without qualified form, or none of PROV's."""
        if not all(given.get(part) for part in _STATEMENT):
            return
        subject, predicate, value = (given[part][0] for part in _STATEMENT)
        kind = _BY_SHORTCUT.get(predicate)
        id = self.identity(node, given)
        if kind is not None and kind not in QUALIFIED and kind is not Kind.DICTIONARY_MEMBERSHIP:
            bundle = given.get(_MENTION_BUNDLE, [None])[:1] if kind is Kind.MENTION else []
            flat = [*self.attributes.pop(node, ()), *self.type_pairs(kind, self.types.get(node, ()), None)]
            self.made.append(Record.new((kind, id, subject, value, *bundle, tuple(flat))))
        elif STATES in given:
            self.made.append(_extension(subject, predicate, value))
        else:
            return
        self.graph[node].clear()
        del self.arguments[node]

    def add_shortcuts(self, covered: set[tuple[Any, ...]]) -> None:
        """Make the statements of shortcuts that no node says more of."""
        rests = _REST
        for kind, subject, value, type in self.shortcuts:
            if type is None and kind in _USUAL:
                if (kind, subject, value) not in covered:
                    self.made.append(Record.new((kind, None, subject, value, *rests[kind], ())))
                continue
            if type is None:
                if (kind, subject, value) in covered:
                    continue
                if kind is Kind.DERIVATION and any(
                    (kind, subject, value, other) in self.shortcuts for other in DERIVATION_TYPES
                ):
                    continue
            elif (kind, subject, value, type) in covered:
                continue
            if kind is Kind.DICTIONARY_MEMBERSHIP:
                pair = self.pair(value)
                if pair is not None:
                    self.made.append(Record.new((kind, None, subject, pair[1], pair[0], ())))
                continue
            flat = () if type is None else (_PROV_TYPE, type)
            rest: tuple[Any, ...] = _REST[kind]
            if kind is Kind.MENTION:
                rest = tuple(self.arguments.get(subject, {}).get(_MENTION_BUNDLE, (None,))[:1])
            self.made.append(Record.new((kind, None, subject, value, *rest, flat)))

    def time(self, node: Name, property: Name, value: Any) -> datetime | str:
        if value.__class__ is datetime:
            return value
        try:
            return _time(value.value if value.__class__ is Literal else value)
        except UsageError:
            raise _NoTime(node, property, value) from None

    def add_moments(self) -> None:
        """When entities were made and ceased, where no statement says that already."""
        known: set[tuple[Any, ...]] | None = None
        for subject, property, value in self.moments:
            kind = _MOMENTS.get(property)
            if kind is None:
                continue
            if known is None:
                known = {(r[0], r[2], r[4]) for r in self.made if r[0] in _MOMENT_KINDS}
            when = self.time(subject, property, value)
            if (kind, subject, when) not in known:
                self.made.append(Record.new((kind, None, subject, None, when, ())))

    def elements(self) -> None:
        """Make the statements of entities, activities and agents, and of what is neither."""
        times: dict[Name, tuple[list[Any], list[Any]]] = {}
        for subject, property, value in self.moments:
            if property not in _MOMENTS:
                pair = times.setdefault(subject, ([], []))
                when = value if value.__class__ is datetime else self.time(subject, property, value)
                pair[property == _ENDED].append(when)
        stated = self.stated()
        elements: list[Record] = []
        pending: list[Name] = []
        for subject, properties in self.graph.items():
            if not properties or subject in stated:
                continue
            types = self.types.get(subject, ())
            if (
                len(types) == 1
                and types[0] in _BARE
                and subject not in times
                and subject not in self.arguments
            ):
                kind, *cells = _BARE[types[0]]
                made = (kind, subject, *cells, tuple(self.attributes.get(subject, ())))
                elements.append(Record.new(made))
                continue
            kinds = [ELEMENT_CLASSES[type] for type in types if type in _BASIC_NAMES]
            if subject in times and Kind.ACTIVITY not in kinds:
                kinds.append(Kind.ACTIVITY)
            if not kinds:
                kinds = list(
                    dict.fromkeys(ELEMENT_CLASSES[type] for type in types if type in ELEMENT_CLASSES)
                )
            if kinds:
                self.element(subject, kinds, times.get(subject, ()), elements)
            else:
                pending.append(subject)
        if pending:
            self.others(pending, elements)
        self.made = elements + self.made

    def element(self, subject: Name, kinds: list[Kind], times: Any, made: list[Record]) -> None:
        """The statements of one subject, one for each of its kinds."""
        flat = self.attributes.get(subject, [])
        types = self.types.get(subject, ())
        for kind in kinds:
            own = [
                cell
                for type in types
                if type not in _BASIC_NAMES
                and (
                    len(kinds) == 1
                    or ELEMENT_CLASSES.get(type, kind) == kind
                    or ELEMENT_CLASSES[type] not in kinds
                )
                for cell in (_PROV_TYPE, type)
            ]
            own += flat
            own += self.spare(subject)
            if kind is Kind.ACTIVITY:
                starts, ends = times or ([], [])
                for i in range(max(len(starts), len(ends), 1)):
                    start, end = _at(starts, i), _at(ends, i)
                    made.append(Record.new((kind, subject, start, end, tuple(own))))
            else:
                made.append(Record.new((kind, subject, tuple(own))))

    def spare(self, subject: Name) -> list[Any]:
        """Properties of nodes that stand at no node: attributes like others."""
        given = self.arguments.get(subject)
        if not given:
            return []
        mentions = any(key[0] is Kind.MENTION and key[1] == subject for key in self.shortcuts)
        return [
            cell
            for property, values in given.items()
            if property != _MENTION_BUNDLE or not mentions
            for value in values
            for cell in (property, value)
        ]

    def stated(self) -> set[Name]:
        """Make the statements of nodes that state elements (`STATES`); the names that they speak of."""
        names: set[Name] = set()
        for node, given in self.arguments.items():
            for type in given.get(STATES, ()):
                kind = ELEMENT_CLASSES.get(type) if type.__class__ is Name else None
                if kind is None:
                    continue
                self.graph[node].clear()
                name = Name(given[IDENTIFIER][0]) if IDENTIFIER in given else node
                if type == PROV["Bundle"]:
                    self.empty.append(name)
                    continue
                names.add(name)
                cells: list[Any] = []
                if kind is Kind.ACTIVITY:
                    times = {p: self.time(s, p, v) for s, p, v in self.moments if s == node}
                    cells = [times.get(PROV["startedAtTime"]), times.get(PROV["endedAtTime"])]
                types = [cell for one in self.types.get(node, ()) for cell in (_PROV_TYPE, one)]
                self.made.append(Record.new((kind, name, *cells, (*types, *self.attributes.get(node, ())))))
        return names

    def others(self, subjects: list[Name], made: list[Record]) -> None:
        """What nothing says the kind of: what its relations demand of it, else extensions."""
        kinds: dict[Name, Kind] = {}
        for record in self.made:
            for argument, cell in zip(record[0].arguments, record[2:-1], strict=True):
                if cell.__class__ is Name and argument.name in _ELEMENTS:
                    kinds.setdefault(cell, _ELEMENTS[argument.name])
        for subject in subjects:
            kind = kinds.get(subject)
            if kind is not None:
                if subject in self.attributes or subject in self.types or self.spare(subject):
                    self.element(subject, [kind], (), made)
                continue
            properties = self.graph[subject]
            for i in range(0, len(properties), 2):
                rule = RULES.get(properties[i])
                if rule is None or rule[0] not in _SAID or properties[i + 1].__class__ is not Name:
                    made.append(_extension(subject, properties[i], properties[i + 1]))


_BARE: Final[dict[Name, tuple[Any, ...]]] = {
    _BASIC[Kind.ENTITY]: (Kind.ENTITY,),
    _BASIC[Kind.ACTIVITY]: (Kind.ACTIVITY, None, None),
    _BASIC[Kind.AGENT]: (Kind.AGENT,),
}
"""The classes of all elements of a kind, and the cells of one with neither identifier nor attributes."""
CLASSES: Final = frozenset({*ELEMENT_CLASSES, *RELATION_CLASSES, *SUPERCLASSES, *_STRUCTURAL})
PLAIN_RULES: Final = frozenset(property for property, rule in RULES.items() if rule[0] == _KEY)
"""The properties that only rename an attribute."""
_SUBTYPES: Final = frozenset(DERIVATION_TYPES)
_DICTIONARY: Final = frozenset({Kind.INSERTION, Kind.REMOVAL})
_MAIN_ORDER: Final = tuple(PROV[local] for local in ("entity", "activity", "agent", "influencer"))
_REST: Final[dict[Kind, tuple[Any, ...]]] = {
    kind: tuple(() if argument.holds in {"pairs", "keys"} else None for argument in kind.arguments[2:])
    for kind in SHORTCUTS
}
_USUAL: Final = frozenset(SHORTCUTS) - {Kind.DERIVATION, Kind.DICTIONARY_MEMBERSHIP, Kind.MENTION}
_MOMENTS: Final = {PROV["generatedAtTime"]: Kind.GENERATION, PROV["invalidatedAtTime"]: Kind.INVALIDATION}
_MOMENT_KINDS: Final = frozenset(_MOMENTS.values())
_SAID: Final = frozenset({_SHORTCUT, _QUALIFIED, _ATTRIBUTE})
"""What such properties say of a subject of unknown kind stands in statements already."""


def _usual(
    id: Name | None,
    owners: dict[tuple[Name | None, Kind], Name | None],
    given: dict[Name, list[Any]],
    attributes: list[Any],
    types: list[Name],
) -> Record | None:
    """The statement of a node as nearly all are: of one class, each argument at most once; else None."""
    (((owner, kind), extra),) = owners.items()
    form = QUALIFIED[kind]
    if extra is not None or kind >= Kind.INFLUENCE or types != [form.type]:
        return None
    cells: list[Any] = []
    for property in form.arguments:
        values = given.get(property)
        if values is None:
            cells.append(None)
        elif len(values) == 1 and values[0].__class__ is (datetime if property == _TIME else Name):
            cells.append(values[0])
        else:
            return None
    if len(cells) - cells.count(None) != len(given):
        return None  # there is something else
    return Record.new((kind, id, owner, *cells, tuple(attributes)))


def _at(values: list[Any], i: int) -> Any:
    return values[i] if i < len(values) else None


def _more_exact(kind: Kind, types: list[Name]) -> Kind:
    """The kind of a node: a qualified influence may be any of those that are one."""
    if kind is not Kind.INFLUENCE:
        return kind
    return next(
        (RELATION_CLASSES[t] for t in types if RELATION_CLASSES.get(t, Kind.INFLUENCE) != Kind.INFLUENCE),
        kind,
    )


def _extension(subject: Name, property: Name, value: Any) -> Record:
    return Record.new((Kind.EXTENSION, None, property, (subject, value), ()))
