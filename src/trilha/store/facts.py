"""What runs are told apart by, noted while their statements are loaded.

A question over thousands of runs (`accuracy > 0.9 and learning_rate < 0.01 and framework = torch`) must not
read their statements. So what such questions ask for is kept in the table ``fact``, a row a value:

==================  =======================================  ==================================
about               name                                     number, text
==================  =======================================  ==================================
``hyperparameter``  the framework's own (``lr``)             its value
``common``          the common one (``learning_rate``)       its value
``framework``                                                ``torch``, of trainings and evaluations
``transformation``                                           name of a step of preparation
``dataset``                                                  label of a data set
``file``                                                     last part of a file's path
``user``                                                     who ran it
``host``                                                     where
==================  =======================================  ==================================

The rate of a layer of dropout counts as the common hyperparameter ``dropout``, the number of layers of an
architecture as ``layers``: that is where frameworks say them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from trilha.prov import Kind, Literal
from trilha.store.values import escape

__all__ = ["ABOUT", "facts_of"]

ABOUT: Final = (
    *("hyperparameter", "common", "framework", "transformation", "dataset", "file", "user", "host"),
    "annotation",
)
"""The values of the column ``about``."""

_TRILHA: Final = "https://w3id.org/trilha/ns#"
_PROV: Final = "http://www.w3.org/ns/prov#"
_TYPE: Final = _PROV + "type"
_VALUE: Final = _PROV + "value"
_LABEL: Final = _PROV + "label"
_LEARNING: Final = frozenset((_TRILHA + "Training", _TRILHA + "Evaluation"))
"""Activities whose framework is the run's; another one may have given it a helper, to split its data, say."""
_TOLD: Final = _LEARNING | {_TRILHA + "Transformation"}
_ACTIVITY: Final = int(Kind.ACTIVITY)
_LONGEST: Final = 512

Fact = tuple[str, str, float | None, str | None]
"""``(about, name, number, text)``; the text is None where it is the label that another statement says."""


def facts_of(kind: int, flat: tuple[Any, ...]) -> Iterator[Fact]:
    """The facts that one statement of an element holds.

    Args:
        kind: 1 entity, 2 activity, 3 agent.
        flat: its attributes, keys and values in turn.
    """
    types = {str(flat[at + 1]) for at in range(0, len(flat), 2) if flat[at] == _TYPE}
    if kind == _ACTIVITY:
        if types.isdisjoint(_TOLD):
            return
        said = _said(flat, ("framework", "name"))
        if "framework" in said and types & _LEARNING:
            yield "framework", "", None, _text(said["framework"])
        if _TRILHA + "Transformation" in types and "name" in said:
            yield "transformation", "", None, _text(said["name"])
    elif not types:
        return
    elif _TRILHA + "Annotation" in types:
        yield from _annotation(flat)
    elif _TRILHA + "Hyperparameter" in types:
        yield from _hyperparameter(flat)
    elif _TRILHA + "Layer" in types:
        yield from _dropout(flat)
    elif _TRILHA + "Architecture" in types:
        layers = _said(flat, ("layers",)).get("layers")
        if layers is not None:
            yield "common", "layers", _number(layers), _text(layers)
    elif _TRILHA + "Dataset" in types or _TRILHA + "Subset" in types:
        yield "dataset", "", None, _label(flat)
    elif _TRILHA + "File" in types:
        path = _said(flat, ("path",)).get("path")
        if isinstance(path, str):
            yield "file", "", None, _text(path.rstrip("/").rpartition("/")[2])
    elif _PROV + "Person" in types or _TRILHA + "Machine" in types:
        yield "user" if kind == Kind.AGENT else "host", "", None, _label(flat)


def _hyperparameter(flat: tuple[Any, ...]) -> Iterator[Fact]:
    said = _said(flat, ("name", "common"))
    value = next((flat[at + 1] for at in range(0, len(flat), 2) if flat[at] == _VALUE), None)
    if value is None:
        return
    for about, key in (("hyperparameter", "name"), ("common", "common")):
        if key in said:
            yield about, _text(said[key]), _number(value), _text(value)


def _annotation(flat: tuple[Any, ...]) -> Iterator[Fact]:
    name = _said(flat, ("name",)).get("name")
    value = next((flat[at + 1] for at in range(0, len(flat), 2) if flat[at] == _VALUE), "")
    if name is not None:
        yield "annotation", _text(name), _number(value), _text(value)


def _dropout(flat: tuple[Any, ...]) -> Iterator[Fact]:
    said = _said(flat, ("class", "setting.rate", "setting.p"))
    rate = said.get("setting.rate", said.get("setting.p"))
    if rate is not None and "dropout" in str(said.get("class", "")).lower():
        yield "common", "dropout", _number(rate), _text(rate)


def _said(flat: tuple[Any, ...], keys: tuple[str, ...]) -> dict[str, Any]:
    wanted = {_TRILHA + key: key for key in keys}
    return {wanted[flat[at]]: flat[at + 1] for at in range(0, len(flat), 2) if flat[at] in wanted}


def _label(flat: tuple[Any, ...]) -> str | None:
    return next((_text(flat[at + 1]) for at in range(0, len(flat), 2) if flat[at] == _LABEL), None)


def _number(value: Any) -> float | None:
    """The number that a value is; None where it is none, and for not-a-number."""
    if isinstance(value, Literal):
        value = value.value
        if value in ("true", "false"):
            return None
    elif not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number == number else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Literal):
        value = value.value
    elif isinstance(value, datetime):
        value = value.isoformat()
    return escape(str(value))[:_LONGEST]
