"""Annotations of OPM as attributes of PROV, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

from trilha.errors import UsageError
from trilha.prov.namespaces import PROV, XSD, Name
from trilha.prov.opm.model import Annotation, Graph, Property
from trilha.prov.opm.terms import OPM, PROPERTY
from trilha.prov.opm.times import ROLE, TIME_KEYS
from trilha.prov.values import Literal, Value, lexical
from trilha.prov.values import time as _time

__all__ = [
    "annotation_of",
    "attribute_of",
    "is_same",
    "key_name",
    "key_text",
    "moment",
    "moment_text",
]

_LABEL, _TYPE, _VALUE = PROV["label"], PROV["type"], PROV["value"]
_SHORT: Final = {kind: OPM[kind] for kind in ("type", "value", "profile", "pname")}
_KIND_OF: Final = {key: kind for kind, key in _SHORT.items()}
_RESERVED: Final = frozenset(
    {PROV["role"], ROLE, OPM["roleId"], OPM["encoding"], OPM["id"], OPM["overlaps"], OPM["base"], *TIME_KEYS}
)
"""Attributes that say something of OPM's own, and are no annotations."""


def attribute_of(annotation: Annotation, *, value_as_prov: bool = True) -> tuple[Name, Value] | None:
    """The attribute that says what an annotation says, but for its encoding; None if no single one does.

    Args:
        annotation: what is said.
        value_as_prov: whether a value is ``prov:value``, which entities have, at most once.
    """
    value = annotation.value
    if annotation.kind == "annotation":
        if len(annotation.properties) != 1 or value is not None:
            return None
        key, value = annotation.properties[0]
        pair = (Name(key) if ":" in key else PROPERTY[quote(key, safe="")]), value
    elif annotation.properties or value is None:
        return None
    elif annotation.kind == "label":
        pair = _LABEL, value
    elif annotation.kind == "type" and value.__class__ is str and ":" in str(value):
        pair = _TYPE, Name(value)
    elif annotation.kind == "value":
        pair = (_VALUE if value_as_prov else OPM["value"]), value
    else:
        pair = _SHORT[annotation.kind], value
    bare = annotation._replace(id=None, accounts=(), annotations=(), encoding=None)
    back = annotation_of(*pair)
    return pair if back is not None and is_same(back, bare) else None


def annotation_of(key: Name, value: Value) -> Annotation | None:
    """The annotation that an attribute says; None for attributes that are no annotations."""
    if key in _RESERVED:
        return None
    text = value.__class__ is str
    if key == _LABEL and text:
        return Annotation("label", value)
    if key == _TYPE and value.__class__ is Name and ":" in str(value):
        return Annotation("type", str(value))
    if key in {_VALUE, _SHORT["value"]}:
        return Annotation("value", value)
    if key in _KIND_OF and text:
        return Annotation(_KIND_OF[key], value)
    return Annotation(properties=(Property(key_text(key), value),))


def is_same(one: Annotation, other: Annotation) -> bool:
    """Whether two annotations say the same, with 1, 1.0, True and "1" apart."""
    graphs = []
    for annotation in (one, other):
        graph = Graph()
        graph.annotations = (annotation,)
        graphs.append(graph.key())
    return graphs[0] == graphs[1]


def key_name(key: str) -> Name:
    """The name of a property's key where the names of PROV and of `OPM` say something else."""
    if ":" in key and not key.startswith((PROV.iri, OPM.iri, PROPERTY.iri)):
        return Name(key)
    return PROPERTY[quote(key, safe="")]


def key_text(name: Name) -> str:
    """The key that a name stands for."""
    return unquote(name[len(PROPERTY.iri) :]) if name in PROPERTY else str(name)


def moment(text: str) -> Value:
    """A time as the value of an attribute; text where it is no time."""
    try:
        when = _time(text)
    except UsageError:
        return text
    return when if isinstance(when, datetime) else Literal(text, XSD["dateTime"])


def moment_text(value: object) -> str:
    """The text of a time that is a value or an argument."""
    return value if value.__class__ is str else lexical(value)[0]  # type: ignore[arg-type]
