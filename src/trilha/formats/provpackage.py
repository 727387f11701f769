"""Documents of the ``prov`` package, which many programs have: both ways.

What that package cannot carry: PROV-Dictionary and extensions, which are refused; the ``-`` of PROV-N, which
becomes an argument left out; and times beyond what Python's `datetime` holds, whose parts of a microsecond it
drops. It needs the extra ``trilha[prov]``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from trilha.errors import FormatError, MissingExtra
from trilha.formats.carried import check_carried
from trilha.formats.prefixes import Prefixes
from trilha.prov import PLAIN, XSD, Bundle, Document, Literal, Name, Record
from trilha.prov.namespaces import Namespaces
from trilha.prov.values import literal, time, value

if TYPE_CHECKING:
    from prov.model import ProvDocument

__all__ = ["from_prov", "to_prov"]

_ANY_URI = XSD["anyURI"]


def to_prov(document: Document) -> ProvDocument:
    """The same document as a ``prov.model.ProvDocument``.

    Raises:
        MissingExtra: the ``prov`` package is not installed.
        FormatError: a statement of PROV-Dictionary, an extension, or a time that Python's `datetime` cannot
            hold, such as one of the year 12000.
    """
    model = _model()
    outer = Prefixes(document, _spell, bool)
    made = model.ProvDocument()
    writer = _Writer(model, outer, made)
    writer.fill(document.records)
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, bool, bundle.namespaces, outer)
        inside = model.ProvBundle(identifier=writer.name(bundle.name), document=made)
        _Writer(model, inner, inside).fill(bundle.records)
        made.add_bundle(inside)
    if "" in outer.declared:
        made.set_default_namespace(outer.declared[""])
    return made


def from_prov(document: ProvDocument) -> Document:
    """The same document as Trilha's.

    Raises:
        MissingExtra: the ``prov`` package is not installed.
    """
    reader = _Reader(_model())
    made = Document()
    reader.declare(document, made.namespaces)
    made.update(map(reader.record, document.get_records()))
    for inside in document.bundles:
        name = reader.name(inside.identifier)
        bundle = made.bundles[name] = Bundle(name, Namespaces((), made.namespaces))
        reader.declare(inside, bundle.namespaces)
        bundle.update(map(reader.record, inside.get_records()))
    return made


def _model() -> Any:
    try:
        import prov.model  # an extra
    except ImportError as error:
        raise MissingExtra("prov", "prov") from error
    return prov.model


def _spell(prefix: str, local: str) -> str | None:
    return f"{prefix}:{local}" if prefix else None


class _Writer:
    """Makes the records of one document or bundle of ``prov``."""

    def __init__(self, model: Any, prefixes: Prefixes, target: Any) -> None:
        from prov import constants

        self.model = model
        self.prefixes = prefixes
        self.target = target
        self.types = {kind: constants.PROV_RECORD_IDS_MAP[kind.provn] for kind in PLAIN}
        self.names: dict[Name, Any] = {}
        self.spaces: dict[tuple[str, str], Any] = {}

    def fill(self, records: list[Record]) -> None:
        check_carried(records, "the prov package")
        classes = [None, *(self.model.PROV_REC_CLS[self.types[kind]] for kind in PLAIN)]
        for record in records:
            kind = record.kind
            formal = {}
            for key, cell in zip(classes[kind].FORMAL_ATTRIBUTES, record.arguments, strict=True):
                if isinstance(cell, Name):
                    formal[key] = self.name(cell)
                elif cell:
                    formal[key] = self.time(cell)
            other = [(self.name(key), self.value(given)) for key, given in record.attributes]
            self.target.new_record(self.types[kind], record.id and self.name(record.id), formal, other)

    def name(self, name: Name) -> Any:
        found = self.names.get(name)
        if found is None:
            prefix, _, local = self.prefixes[name].partition(":")
            iri = name[: len(name) - len(local)]
            space = self.spaces.get((prefix, iri))
            if space is None:
                space = self.spaces[prefix, iri] = self.model.Namespace(prefix, iri)
            found = self.names[name] = space[local]
        return found

    def time(self, when: datetime | str) -> datetime:
        parsed: datetime | None = when if isinstance(when, datetime) else self.model.parse_xsd_datetime(when)
        if parsed is None:
            raise FormatError(f"the prov package cannot hold the time {when}: expected a year from 1 to 9999")
        return parsed

    def value(self, given: Any) -> Any:
        if isinstance(given, Name):
            return self.name(given)
        if not isinstance(given, Literal):
            return given
        if given.datatype == _ANY_URI:
            return self.model.Identifier(given.value)
        if given.language is not None:
            return self.model.Literal(given.value, None, given.language)
        return self.model.Literal(given.value, self.name(given.datatype))


class _Reader:
    """Makes Trilha's records."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kinds = {kind.provn: kind for kind in PLAIN}
        self.labels = model.PROV_N_MAP
        self.names: dict[Any, Name] = {}

    def declare(self, source: Any, namespaces: Namespaces) -> None:
        for space in source.namespaces:
            if namespaces.get(space.prefix) != space.uri:
                namespaces.add(space.prefix, space.uri)
        default = source.get_default_namespace()
        if default is not None:
            namespaces.add("", default.uri)

    def record(self, record: Any) -> Record:
        kind = self.kinds[self.labels[record.get_type()]]
        cells: list[Any] = [kind, None if record.identifier is None else self.name(record.identifier)]
        for _key, given in record.formal_attributes:
            if given is None:
                cells.append(None)
            else:
                cells.append(time(given) if isinstance(given, datetime) else self.name(given))
        flat: list[Any] = []
        for key, given in record.extra_attributes:
            flat += (self.name(key), self.value(given))
        return Record.new((*cells, tuple(flat)))

    def name(self, name: Any) -> Name:
        found = self.names.get(name)
        if found is None:
            found = self.names[name] = Name(name.uri)
        return found

    def value(self, given: Any) -> Any:
        if isinstance(given, self.model.QualifiedName):
            return self.name(given)
        if isinstance(given, self.model.Identifier):
            return Literal(given.uri, _ANY_URI)
        if isinstance(given, self.model.Literal):
            if given.langtag:
                return literal(given.value, None, given.langtag)
            return literal(given.value, self.name(given.datatype) if given.datatype is not None else None)
        return value(given)
