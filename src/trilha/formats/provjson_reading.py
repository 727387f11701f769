"""Reading PROV-JSON: the half of `trilha.formats.provjson` that makes a document of text.

Statements that look alike (the same kind, the same keys in the same order) are read together, a column at a
time, so that the work on one statement is done in C. What does not fit that is read one by one, exactly, and
what cannot be read is refused from there, with its place. One section of the text, and of it some statements
at a time, are taken apart, so that memory holds the document and its text but not all of its values between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice, repeat
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from trilha.errors import FormatError, UsageError
from trilha.formats.json_text import (
    BYTE_ORDER_MARK,
    count_keys,
    decode_exactly,
    path_text,
    refuse_repeated_keys,
    shown,
)
from trilha.prov import (
    DICTIONARY,
    PLAIN,
    PROV,
    XSD,
    Bundle,
    Document,
    Kind,
    Literal,
    Name,
    Namespaces,
    Record,
)
from trilha.prov.record import CLASSES
from trilha.prov.uncollected import uncollected
from trilha.prov.values import QUALIFIED_NAME, lexical, literal
from trilha.prov.values import time as _time

__all__ = ["read"]

_SECTIONS: Final = {kind.provn: kind for kind in (*PLAIN, *DICTIONARY)}
_MEMBERSHIP: Final = Kind.MEMBERSHIP
_KEYED: Final = Kind.DICTIONARY_MEMBERSHIP
_NAME_TYPES: Final = frozenset({QUALIFIED_NAME, XSD["QName"]})
_AS_THEY_ARE: Final = frozenset({str, int, float, bool})
_AT_ONCE: Final = 2048
"""So many statements are taken apart at a time."""

_Raw = msgspec.Raw
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_all_of = msgspec.json.Decoder(list[Any]).decode
_value_of = msgspec.json.Decoder().decode
_new: Any = tuple.__new__


def read(data: bytes, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: PROV-JSON, in UTF-8.
        name: what to call the file in messages.

    Raises:
        FormatError: it is no PROV-JSON. The message begins with the file and the place: line and column where
            it is no JSON, else the path of the value.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    reader = _Reader(name)
    with uncollected():
        try:
            document = reader.document(_Raw(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            reader = _Reader(name)
            document = reader.document(decode_exactly(data, name))
    if reader.keys != count_keys(data):
        refuse_repeated_keys(data, name)  # exact, but slow: only where counting could not rule them out
    return document


class _Reader:
    """What one document is read with. A value is of JSON, or still its text (`msgspec.Raw`)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys = 0
        """Keys met so far, to be compared with those in the text: a repeated one is in the text only."""

    def fail(self, message: str, *path: str | int) -> NoReturn:
        raise FormatError(f"{self.file}: {path_text(path)}: {message}")

    def object(self, value: Any, what: str, *path: str | int) -> dict[str, Any]:
        if value.__class__ is _Raw:
            value = _members_of(value)
        elif not isinstance(value, dict):
            self.fail(f"expected {what}, not {shown(value)}", *path)
        self.keys += len(value)
        return value  # type: ignore[no-any-return]

    def document(self, content: Any) -> Document:
        content = self.object(content, "a PROV-JSON document: an object")
        document = Document()
        self.declare(document, content, ())
        _Scope(self, document, ()).fill(content)
        bundles = self.object(content.get("bundle", {}), "bundles: an object of objects", "bundle")
        for key, inside in bundles.items():
            self.bundle(document, key, self.object(inside, "a bundle: an object", "bundle", key))
        return document

    def bundle(self, document: Document, key: str, content: dict[str, Any]) -> None:
        path = ("bundle", key)
        if "bundle" in content:
            self.fail("a bundle cannot hold bundles: put them beside it", *path, "bundle")
        own = Bundle(Name(key), Namespaces((), document.namespaces))
        self.declare(own, content, path)
        try:
            scope = document if key.partition(":")[0] in document.namespaces else own
            own.name = _Names(scope)[key]
        except UsageError as error:
            self.fail(str(error), *path)
        if document.bundles.setdefault(own.name, own) is not own:
            self.fail("another bundle has the same name: put their statements into one", *path)
        _Scope(self, own, path).fill(content)

    def declare(self, scope: Document | Bundle, content: dict[str, Any], path: tuple[str, ...]) -> None:
        prefixes = self.object(content.get("prefix", {}), "prefixes: an object of IRIs", *path, "prefix")
        for prefix, given in prefixes.items():
            iri = _opened(given)
            if not isinstance(iri, str):
                self.fail(f"expected an IRI, not {shown(iri)}", *path, "prefix", prefix)
            fixed = {"prov": PROV.iri, "xsd": XSD.iri}.get(prefix)
            if fixed is not None and iri.rstrip("#/") == fixed.rstrip("#"):
                continue  # some tools leave out the last sign
            try:
                scope.namespaces.add("" if prefix == "default" else prefix, iri)
            except UsageError as error:
                self.fail(str(error), *path, "prefix", prefix)


def _opened(value: Any) -> Any:
    return _value_of(value) if value.__class__ is _Raw else value


class _Names(dict[str, Name]):
    """Text to name in one scope. It forgets nothing, since the same name comes again in a later section."""

    def __init__(self, scope: Document | Bundle) -> None:
        super().__init__()
        self._namespaces = scope.namespaces
        self.blank: set[str] = set()
        """Those that begin with ``_:``."""

    def __missing__(self, text: str) -> Name:
        prefix, colon, local = text.partition(":")
        iri = self._namespaces.get(prefix) if colon else None
        if iri is None:
            try:
                name = self[text] = self._namespaces.resolve(text)
            except UsageError as error:
                what = (
                    f"the prefix {prefix!r} of {text!r}"
                    if colon
                    else f"{text!r} has no prefix, and a default"
                )
                raise UsageError(f'{what} is not declared: expected it in "prefix"') from error
            if prefix == "_":
                self.blank.add(text)
        else:
            name = self[text] = Name(iri + local)
        return name


class _Times(dict[str, datetime | str]):
    """Text to time, of some 32,000 that were met lately."""

    def __missing__(self, text: str) -> datetime | str:
        if len(self) >= 1 << 15:
            self.clear()
        if text[4::3] == "--T::Z" and len(text) == 20 and text[11:13] != "24":  # the usual form
            try:
                when = self[text] = datetime.fromisoformat(text)
                return when
            except ValueError:
                pass
        other = self[text] = _time(text)
        return other


class _Converters(dict[str, Callable[[str], Any]]):
    """The data type of a value, as the text has it, to what makes a value of text."""

    def __init__(self, names: _Names) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, datatype: str) -> Callable[[str], Any]:
        resolved = self._names[datatype]

        def convert(text: str) -> Any:
            return literal(text, resolved)

        made = self[datatype] = self._names.__getitem__ if resolved in _NAME_TYPES else convert
        return made


class _Plan(NamedTuple):
    """How statements of one shape are read: which column of values goes where."""

    names: list[tuple[int, int]]
    """Column, and cell that it fills with names."""
    times: list[tuple[int, int]]
    attributes: list[tuple[int, Name]]
    """Column, and key."""


class _Scope:
    """Reads the statements of a document, or of one bundle."""

    def __init__(self, reader: _Reader, target: Document | Bundle, path: tuple[str, ...]) -> None:
        self.reader = reader
        self.target = target
        self.path = path
        self.names = _Names(target)
        self.times = _Times()
        self.converters = _Converters(self.names)
        self.plans: dict[tuple[Kind, tuple[str, ...]], _Plan | None] = {}
        self.kept: set[str] = set()
        """Identifiers of relations that begin with ``_:`` and that something refers to."""

    def fill(self, content: dict[str, Any]) -> None:
        """Read all statements; once more, if some refer to a relation by an identifier that was forgotten."""
        keys = self.reader.keys
        self.sections(content)
        blank = self.names.blank
        if blank and any(
            kind.provn in content and not blank.isdisjoint(self.reader.object(content[kind.provn], ""))
            for kind in _SECTIONS.values()
            if not kind.is_element
        ):
            self.kept = blank.copy()
            self.target.records.clear()
            self.reader.keys = keys
            self.sections(content)

    def sections(self, content: dict[str, Any]) -> None:
        for section, statements in content.items():
            kind = _SECTIONS.get(section)
            if kind is not None:
                self.section(kind, statements)
            elif section not in {"prefix", "bundle"}:
                expected = ", ".join(_SECTIONS)
                message = f"this kind of statement is unknown: expected {expected}"
                self.reader.fail(message, *self.path, section)

    def section(self, kind: Kind, statements: Any) -> None:
        """Read the statements of one kind."""
        members = self.reader.object(statements, "statements: an object", *self.path, kind.provn)
        keys, parts = list(members), list(members.values())
        members.clear() if parts and parts[0].__class__ is _Raw else None
        for begin in range(0, len(keys), _AT_ONCE):
            some, bodies = keys[begin : begin + _AT_ONCE], parts[begin : begin + _AT_ONCE]
            if bodies[0].__class__ is _Raw:
                bodies = _all_of(b"[%b]" % b",".join(bodies))
            if {*map(type, bodies)} == {dict}:
                self.statements(kind, some, None, bodies)
                continue
            entries = list(self.entries(kind, some, bodies))
            keyed, numbers = [entry[0] for entry in entries], [entry[1] for entry in entries]
            self.statements(kind, keyed, numbers, [entry[2] for entry in entries])

    def entries(
        self, kind: Kind, keys: list[str], bodies: list[Any]
    ) -> Iterator[tuple[str, int | None, dict[str, Any]]]:
        """Identifier, place in the array of those with that identifier (None without array), and content."""
        for key, body in zip(keys, bodies, strict=True):
            if body.__class__ is dict:
                yield key, None, body
            elif body.__class__ is list:
                for number, one in enumerate(body):
                    if one.__class__ is not dict:
                        self.fail_at("expected a statement: an object", one, kind, key, number)
                    yield key, number, one
            else:
                self.fail_at("expected a statement: an object, or an array of objects", body, kind, key)

    def fail_at(self, message: str, found: Any, kind: Kind, *path: str | int) -> NoReturn:
        self.reader.fail(f"{message}; found {shown(found)}", *self.path, kind.provn, *path)

    def statements(
        self, kind: Kind, keys: list[str], numbers: list[int | None] | None, bodies: list[dict[str, Any]]
    ) -> None:
        """Read some statements: those of one shape together, else one by one."""
        shapes: dict[tuple[str, ...], list[int]] = {}
        for index, shape in enumerate(map(tuple, bodies)):
            if shape in shapes:
                shapes[shape].append(index)
            else:
                shapes[shape] = [index]
        made: list[Any] = [None] * len(bodies)
        several = False
        for shape, indices in shapes.items():
            whole = len(indices) == len(bodies)
            some = bodies if whole else [bodies[index] for index in indices]
            their = keys if whole else [keys[index] for index in indices]
            before = self.reader.keys
            self.reader.keys += len(shape) * len(some)
            try:
                records: Sequence[Any] = self.columns(kind, shape, their, some)
            except _NOT_ALIKE:
                self.reader.keys = before
                records = [
                    self.statement(kind, keys[index], numbers[index] if numbers else None, bodies[index])
                    for index in indices
                ]
                several = True
            if whole:
                made = records  # type: ignore[assignment]
            else:
                for index, record in zip(indices, records, strict=True):
                    made[index] = record
        if several:
            for one in made:
                self.target.records.extend(one if one.__class__ is list else (one,))
        else:
            self.target.records += made

    def columns(
        self, kind: Kind, shape: tuple[str, ...], keys: list[str], bodies: list[dict[str, Any]]
    ) -> list[Record]:
        """Statements of one shape. Any of `_NOT_ALIKE` is raised where one of them is unusual."""
        plan = self.plans.get((kind, shape), _UNKNOWN)
        if plan is _UNKNOWN:
            plan = self.plans[kind, shape] = self.plan(kind, shape)
        if plan is None:
            raise TypeError
        columns = list(zip(*map(dict.values, bodies), strict=True))
        named = self.names.__getitem__
        cells: list[Any] = [repeat(None)] * (len(kind.arguments) + 1)
        if kind.is_element:
            cells[0] = map(named, keys)
        elif not all(map(_is_blank, keys)) or self.kept:
            kept = self.kept
            cells[0] = [None if key[:2] == "_:" and key not in kept else named(key) for key in keys]
        for column, cell in plan.names:
            cells[cell] = map(named, columns[column])
        for column, cell in plan.times:
            cells[cell] = map(self.times.__getitem__, columns[column])
        flat = self.flats(plan, columns) if plan.attributes else repeat(())
        limit = repeat(CLASSES[kind], len(bodies))
        return list(map(_new, limit, zip(repeat(kind), *cells, flat)))  # noqa: B905

    def plan(self, kind: Kind, shape: tuple[str, ...]) -> _Plan | None:
        """How statements of one shape are read; None if one by one."""
        if kind > _MEMBERSHIP:
            return None
        slots = _SLOTS[kind]
        plan = _Plan([], [], [])
        taken = set()
        for column, key in enumerate(shape):
            slot = slots.get(key) or slots.get(self.names[key])
            if slot is None:
                plan.attributes.append((column, self.names[key]))
                continue
            place, holds = slot
            (plan.times if holds == "time" else plan.names).append((column, place - 1))
            if place in taken:
                return None
            taken.add(place)
        return plan

    def flats(self, plan: _Plan, columns: list[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
        """The attributes of statements of one shape, each as a statement keeps them."""
        if not any(list in {*map(type, columns[column])} for column, _ in plan.attributes):
            pairs: list[Iterable[Any]] = []
            for column, key in plan.attributes:
                pairs += (repeat(key), self.values(columns[column]))
            return zip(*pairs)  # noqa: B905 -- some are endless
        flats: list[list[Any]] = [[] for _ in columns[0]]
        for column, key in plan.attributes:
            given = [value if value.__class__ is list else [value] for value in columns[column]]
            values = iter(self.values([*chain.from_iterable(given)]))
            for flat, some in zip(flats, given, strict=True):
                for value in islice(values, len(some)):
                    flat.extend((key, value))
        return map(tuple, flats)

    def values(self, column: Sequence[Any]) -> Iterable[Any]:
        """Values of one attribute, in many statements."""
        if {*map(type, column)} <= _AS_THEY_ARE:
            return column
        made: list[Any] = []
        append, converters = made.append, self.converters
        simple = 0
        for value in column:
            if value.__class__ in _AS_THEY_ARE:
                append(value)
            elif (
                value.__class__ is dict
                and len(value) == 2
                and "type" in value
                and value.get("$").__class__ is str
            ):
                append(converters[value["type"]](value["$"]))
                simple += 2
            else:
                append(self.value(value))
        self.reader.keys += simple
        return made

    def statement(self, kind: Kind, key: str, number: int | None, body: dict[str, Any]) -> list[Record]:
        """One statement, exactly; several where it has several members."""
        slots = _SLOTS[kind]
        cells: list[Any] = [kind, *[None] * (len(kind.arguments) + 1), ()]
        flat: list[Any] = []
        attribute: str | None = None
        self.reader.keys += len(body)
        several: Sequence[tuple[Any, ...]] = ()
        try:
            if kind.is_element or key[:2] != "_:" or key in self.kept:
                cells[1] = self.names[key]
            for attribute, value in body.items():  # noqa: B007 -- what failed, for the message
                slot = slots.get(attribute) or slots.get(self.names[attribute])
                if slot is None:
                    for one in value if value.__class__ is list else (value,):
                        flat += (self.names[attribute], one if one.__class__ is str else self.value(one))
                elif slot[1] == "name":
                    named = self.reference(value, kind)
                    if named.__class__ is tuple:
                        several = [(one,) for one in named]
                    else:
                        cells[slot[0]] = named
                elif kind is _KEYED and slot[1] == "pairs":
                    several = [(entity, one) for one, entity in self.pairs(value)]
                else:
                    cells[slot[0]] = self.held[slot[1]](self, value)
            attribute = None
            if kind > _MEMBERSHIP:
                self.complete(kind, cells, bool(several))
        except UsageError as error:
            place = [part for part in (key, number, attribute) if part is not None]
            self.reader.fail(str(error), *self.path, kind.provn, *place)
        cells[-1] = tuple(flat)
        if not several:
            return [Record.new(tuple(cells))]
        return [Record.new((*cells[:3], *others, cells[-1])) for others in several]

    def complete(self, kind: Kind, cells: list[Any], several: bool) -> None:
        """Check and fill up the cells of a statement of PROV-Dictionary; of its first if `several`."""
        for place, argument in enumerate(kind.arguments[: 1 if several else None], 2):
            if cells[place] is None:
                if argument.holds not in {"keys", "pairs"}:
                    what = "prov:key-entity-set" if kind is _KEYED and place > 2 else argument.json
                    raise UsageError(f"expected {what} in {kind.provn}")
                cells[place] = ()

    def reference(self, value: Any, kind: Kind) -> Name | tuple[Name, ...]:
        """A name that may be typed, or in an array; of several the members of a collection."""
        if isinstance(value, list) and (len(value) == 1 or (value and kind is _MEMBERSHIP)):
            found: tuple[Any, ...] = tuple(self.reference(one, Kind.ENTITY) for one in value)
            return found[0] if len(found) == 1 else found
        if isinstance(value, dict):
            value = self.value(value)
            if isinstance(value, Name):
                return value
        if isinstance(value, str):
            return self.names[value]
        raise UsageError(f"expected a name such as 'ex:e1', not {shown(value)}")

    def time(self, value: Any) -> datetime | str:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            value = self.value(value)
            value = value.value if isinstance(value, Literal) else value
        return _time(value)

    def value(self, value: Any) -> Any:
        """The value of an attribute: as such, or an object of text, type and language."""
        if value is None or isinstance(value, list):
            raise UsageError(f"expected text, a number, a truth, or an object with '$', not {shown(value)}")
        if not isinstance(value, dict):
            return value
        self.reader.keys += len(value)
        if "$" not in value or not value.keys() <= {"$", "type", "lang"}:
            raise UsageError(
                f"expected a value with '$' and 'type' or 'lang', not one with {shown(list(value))}"
            )
        text, datatype, language = value["$"], value.get("type"), value.get("lang")
        if not isinstance(text, str):  # a number or a truth, which some tools write so
            text = lexical(self.value(text))[0]
        if language is not None:
            return literal(text, None, language if isinstance(language, str) else str(language))
        if datatype is None:
            return text
        if not isinstance(datatype, str):
            raise UsageError(f"expected a type such as 'xsd:int', not {shown(datatype)}")
        resolved = self.names[datatype]
        return self.names[text] if resolved in _NAME_TYPES else literal(text, resolved)

    def key(self, value: Any) -> Any:
        """The key of a dictionary."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return self.value(value)

    def keys(self, value: Any) -> tuple[Any, ...]:
        """The keys that are taken out of a dictionary."""
        return tuple(map(self.value, value if isinstance(value, list) else [value]))

    def pairs(self, value: Any) -> tuple[tuple[Any, Name], ...]:
        """Pairs of key and entity: as an array of them, or as an object of keys of one type."""
        if isinstance(value, dict) and value.keys() != {"key", "$"}:
            self.reader.keys += len(value)
            datatype = value.get("$key-datatype", "xsd:string")
            if not isinstance(datatype, str):
                raise UsageError(f"expected a type such as 'xsd:int', not {shown(datatype)}")
            convert = self.converters[datatype]
            return tuple(
                (convert(text), self.one(entity)) for text, entity in value.items() if text != "$key-datatype"
            )
        made = []
        for pair in value if isinstance(value, list) else [value]:
            if not isinstance(pair, dict) or pair.keys() != {"key", "$"}:
                raise UsageError(f"expected a pair: an object of 'key' and '$', not {shown(pair)}")
            self.reader.keys += 2
            made.append((self.value(pair["key"]), self.one(pair["$"])))
        return tuple(made)

    def one(self, value: Any) -> Name:
        """One name."""
        named = self.reference(value, Kind.ENTITY)
        assert isinstance(named, Name)
        return named

    held: Final[dict[str, Callable[[_Scope, Any], Any]]] = {
        "time": time, "value": key, "keys": keys, "pairs": pairs,
    }  # fmt: skip


_UNKNOWN: Final[Any] = object()
_NOT_ALIKE: Final = (UsageError, TypeError, AttributeError, KeyError, ValueError)
"""What is raised while statements are read together, where one of them is to be read exactly."""


def _is_blank(key: str) -> bool:
    return key[:2] == "_:"


def _slots(kind: Kind) -> dict[str, tuple[int, str]]:
    """Where each argument goes and what it holds, by its key and by its IRI."""
    slots: dict[str, tuple[int, str]] = {}
    arguments = [(place, argument.json, argument.holds) for place, argument in enumerate(kind.arguments, 2)]
    if kind is _KEYED:
        arguments.append((3, "prov:key-entity-set", "pairs"))
    for place, json, holds in arguments:
        for key in (json, PROV.iri + json.removeprefix("prov:")):
            slots[key] = place, holds
    return slots


_SLOTS: Final = {kind: _slots(kind) for kind in (*PLAIN, *DICTIONARY)}
