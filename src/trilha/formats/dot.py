"""Dot, the language of Graphviz: a document as a picture (writing only).

Shapes and colours are those of the W3C's diagrams (PROV-O section 3, PROV-PRIMER): entities are yellow
ellipses, activities blue rectangles, agents orange houses, and what was there first stands above: arrows
point from the effect to the cause. A relation of more than two things has a point in its middle, from which
dashed arrows go to the others. Bundles are frames. What a document names but does not describe has a dashed
border.

A picture says less than the document: of a value it shows the first letters, and it cannot be read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from trilha.formats.prefixes import Prefixes
from trilha.prov import PLACEHOLDER, PROV, Document, Kind, Name, Record
from trilha.prov.values import lexical

__all__ = ["quoted", "write"]

_STYLES: Final = {
    Kind.ENTITY: 'shape=ellipse, fillcolor="#FFFC87", color="#808080"',
    Kind.ACTIVITY: 'shape=box, fillcolor="#9FB1FC", color="#0000FF"',
    Kind.AGENT: 'shape=house, fillcolor="#FED37F", color="#A0522D"',
    None: 'shape=ellipse, fillcolor="#FFFFFF", color="#808080"',
}
"""How each kind of element looks; None: what is not known to be of one."""
_ACTIVITIES: Final = frozenset(["activity", "informed", "informant", "starter", "ender"])
_AGENTS: Final = frozenset(["agent", "delegate", "responsible"])
_UNKNOWN: Final = frozenset(["influencee", "influencer"])
_RELATIONS: Final = frozenset(["generation", "usage"])
"""Arguments that name a relation; of the others, those above name what they say, and the rest entities."""
_LABEL: Final = PROV["label"]
_ROLE: Final = PROV["role"]
_MOST: Final = 60
"""Letters of a value that are shown."""
_MOST_ROWS: Final = 12
"""Attributes of one statement that are shown."""
_HEAD: Final = """digraph provenance {
  graph [rankdir=BT, fontname="Helvetica", fontsize=11, charset="utf-8"]
  node [fontname="Helvetica", fontsize=11, style=filled]
  edge [fontname="Helvetica", fontsize=9, color="#404040", arrowsize=0.7]
"""


def write(document: Document) -> bytes:
    """The document in the language of Graphviz, in UTF-8."""
    outer = Prefixes(document, _spell, bool)
    lines = [_HEAD, *_Scope(outer, "", "  ").lines(document.records)]
    for number, bundle in enumerate(document.bundles.values(), 1):
        inner = Prefixes(document, _spell, bool, bundle.namespaces, outer)
        lines += [
            f"  subgraph cluster_{number} {{\n",
            f'    label={quoted(outer[bundle.name])}; style="rounded"; color="#808080"\n',
            *_Scope(inner, f"b{number}_", "    ").lines(bundle.records),
            "  }\n",
        ]
    return "".join([*lines, "}\n"]).encode("utf-8", "replace")


class _Scope:
    """The picture of one set of statements: of the document, or of a bundle in it.

    Args:
        names: how names are written here.
        stem: what the identifiers of this scope begin with in the picture: the same thing met in two bundles
            is drawn in each.
        indent: what its lines begin with.
    """

    def __init__(self, names: Prefixes, stem: str, indent: str) -> None:
        self._names = names
        self._stem = stem
        self._indent = indent
        self._numbers: dict[tuple[str, Kind | None], str] = {}
        self._kinds: dict[Name, list[Kind]] = {}
        self._met: dict[tuple[Name, Kind | None], None] = {}
        self._points: dict[Name, str] = {}
        self._drawn = 0
        self._notes = 0

    def lines(self, records: list[Record]) -> Iterator[str]:
        """All lines, each with its end."""
        elements, relations = _united(records)
        hubs = {name for record in relations for name in _named(record)}
        for kind, name in elements:
            self._kinds.setdefault(name, []).append(kind)
        for (kind, name), record in elements.items():
            yield from self._element(kind, name, record)
        edges = [line for record in relations for line in self._relation(record, hubs)]
        for name, known in self._met:
            yield self._node(self._at(name, known), _STYLES[known], name, dashed=True)
        yield from edges

    def _at(self, name: str, kind: Kind | None) -> str:
        """The identifier of a thing in the picture: one thing may be an entity, and an agent, too."""
        key = name, kind
        if key not in self._numbers:
            self._numbers[key] = f"{self._stem}n{len(self._numbers) + 1}"
        return self._numbers[key]

    def _end(self, name: Name, word: str) -> str:
        """The identifier of what a relation names as its argument `word`."""
        wanted: Kind | None = Kind.ENTITY
        if word in _ACTIVITIES:
            wanted = Kind.ACTIVITY
        elif word in _AGENTS:
            wanted = Kind.AGENT
        elif word in _UNKNOWN:
            wanted = None
        described = self._kinds.get(name, ())
        if wanted not in described:
            # An influence may be of anything; and an entity may be used as an agent that is none elsewhere.
            if described:
                wanted = described[0]
            else:
                self._met[name, wanted] = None
        return self._at(name, wanted)

    def _node(self, at: str, style: str, name: Name | str, *, label: str = "", dashed: bool = False) -> str:
        text = self._names[name] if isinstance(name, Name) else name
        more = ', style="filled,dashed"' if dashed else ""
        link = f", URL={quoted(name)}" if name.startswith(("http://", "https://")) else ""
        label = quoted(label or text)
        return f"{self._indent}{at} [label={label}, tooltip={quoted(text)}, {style}{more}{link}]\n"

    def _element(self, kind: Kind, name: Name, record: Record) -> Iterator[str]:
        """An entity, activity or agent, with its attributes beside it."""
        at = self._at(name, kind)
        label = record.value(_LABEL)
        shown = _cut(_text(label, self._names)) if label is not None else ""
        yield self._node(at, _STYLES[kind], name, label=shown)
        rows = [(self._names[key], value) for key, value in record.attributes if key != _LABEL]
        if kind is Kind.ACTIVITY:
            rows = [
                (word, time) for word, time in zip(("start", "end"), record.arguments, strict=True) if time
            ] + rows
        yield from self._note(at, rows)

    def _note(self, at: str, rows: list[tuple[str, Any]]) -> Iterator[str]:
        """Attributes, on a note that hangs on what they are of."""
        if not rows:
            return
        self._notes += 1
        note = f"{self._stem}a{self._notes}"
        cells = [f"{key} = {_cut(_text(value, self._names))}" for key, value in rows[:_MOST_ROWS]]
        if len(rows) > _MOST_ROWS:
            cells.append(f"… and {len(rows) - _MOST_ROWS} more")
        label = "".join(_inside(cell) + "\\l" for cell in cells)
        look = 'shape=note, fontsize=8, fillcolor="#FFFFFF", color="#B0B0B0", fontcolor="#404040"'
        yield f'{self._indent}{note} [label="{label}", {look}]\n'
        yield f'{self._indent}{note} -> {at} [arrowhead=none, style=dashed, color="#B0B0B0"]\n'

    def _relation(self, record: Record, hubs: set[Name]) -> Iterator[str]:
        """The arrows of one relation."""
        ends = [
            (place, argument.name, cell)
            for place, (argument, cell) in enumerate(
                zip(record.kind.arguments, record.arguments, strict=True)
            )
            if isinstance(cell, Name)
        ]
        times = [cell for cell in record.arguments if isinstance(cell, datetime)]
        words = [record.kind.provn, *(time.isoformat(" ", "seconds") for time in times)]
        words += [_cut(_text(role, self._names)) for role in record.values(_ROLE)]
        label = '"' + "\\n".join(map(_inside, words)) + '"'
        pairs = ((self._names[key], value) for key, value in record.attributes if key != _ROLE)
        rows = [*_values(record), *pairs]
        nodes = [self._point(cell) if word in _RELATIONS else self._end(cell, word) for _, word, cell in ends]
        if [place for place, _, _ in ends] == [0, 1] and not rows and record.id not in hubs:
            yield f"{self._indent}{nodes[0]} -> {nodes[1]} [label={label}]\n"
            return
        point = self._point(record.id)
        tip = quoted(self._names[record.id]) if record.id is not None else label
        yield f'{self._indent}{point} [shape=point, width=0.06, color="#404040", tooltip={tip}]\n'
        for (place, word, _), node in zip(ends, nodes, strict=True):
            if place == 0:
                yield f"{self._indent}{node} -> {point} [arrowhead=none, label={label}]\n"
            elif place == 1:
                yield f"{self._indent}{point} -> {node}\n"
            else:
                yield f"{self._indent}{point} -> {node} [style=dashed, label={quoted(word)}]\n"
        yield from self._note(point, rows)

    def _point(self, name: Name | None) -> str:
        """The middle of a relation; the same for all that name it."""
        if name is not None and name in self._points:
            return self._points[name]
        self._drawn += 1
        point = f"{self._stem}p{self._drawn}"
        if name is not None:
            self._points[name] = point
        return point


def _united(records: Iterable[Record]) -> tuple[dict[tuple[Kind, Name], Record], list[Record]]:
    """The elements, what is said of one in several statements united; and the relations."""
    elements: dict[tuple[Kind, Name], Record] = {}
    relations = []
    for record in records:
        if not record.kind.is_element or record.id is None:
            relations.append(record)
            continue
        known = elements.get((record.kind, record.id))
        if known is None:
            elements[record.kind, record.id] = record
        else:
            times = (old or new for old, new in zip(known[2:-1], record[2:-1], strict=True))
            elements[record.kind, record.id] = Record.new((*known[:2], *times, known[-1] + record[-1]))
    return elements, relations


def _named(record: Record) -> Iterator[Name]:
    """The relations that a relation names."""
    for argument, cell in zip(record.kind.arguments, record.arguments, strict=True):
        if argument.name in _RELATIONS and isinstance(cell, Name):
            yield cell


def _values(record: Record) -> Iterator[tuple[str, Any]]:
    """The arguments that are no names: times, keys, members of a dictionary."""
    for argument, cell in zip(record.kind.arguments, record.arguments, strict=True):
        if cell is None or cell is PLACEHOLDER or isinstance(cell, Name | datetime):
            continue
        yield argument.name.rpartition("_")[2], cell


def _text(value: Any, names: Prefixes) -> str:
    """A value as it is shown."""
    if isinstance(value, tuple):
        return "{" + ", ".join(_text(part, names) for part in value) + "}"
    if isinstance(value, Name):
        return names[value]
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or value is PLACEHOLDER:
        return "-"
    return value if isinstance(value, str) else lexical(value)[0]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _inside(text: str) -> str:
    """Text within a quoted string of Dot, in which a backslash would begin an escape of Graphviz's own."""
    return (
        "".join(char if char.isprintable() else "\ufffd" for char in text)
        .replace("\\", "\\\\")
        .replace('"', '\\"')
    )


def quoted(text: str) -> str:
    """Text as a quoted string of the language; signs that cannot be shown are replaced."""
    return f'"{_inside(text)}"'


def _spell(prefix: str, local: str) -> str:
    return f"{prefix}:{local}" if prefix else local
