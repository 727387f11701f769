"""The three dialects of OPM's XML: their namespaces, and the words in which they differ."""

from __future__ import annotations

from typing import Final, NamedTuple

from trilha.prov.opm import DependencyKind

__all__ = ["DIALECTS", "NAMESPACES", "RDF_CORE", "SECTIONS", "STARS", "Dialect"]


class Dialect(NamedTuple):
    """How a version of the schema spells what it shares with the others.

    Attributes:
        namespace: of its elements.
        dependencies: the element that holds the dependencies.
        key: the attribute of a property that holds its key.
        prefix: that usually stands for the namespace.
        kinds: the elements of dependencies.
    """

    namespace: str
    dependencies: str
    key: str
    prefix: str
    kinds: dict[DependencyKind, str]


_FIVE: Final = {kind: kind.value for kind in DependencyKind if not kind.is_multi_step}
DIALECTS: Final = {
    "opmx": Dialect(
        "http://openprovenance.org/model/opmx#",
        "dependencies",
        "key",
        "opmx",
        {kind: kind.value for kind in DependencyKind if kind is not DependencyKind.WAS_TRIGGERED_BY_STAR},
    ),
    "1.1": Dialect(
        "http://openprovenance.org/model/v1.1.a",
        "causalDependencies",
        "uri",
        "opm",
        _FIVE | {k: k.value.removesuffix("Star") + "_" for k in DependencyKind if k.is_multi_step},
    ),
}
"""The dialects that are written: that of 2010-10-12, and that of 2009 for OPM 1.1."""
NAMESPACES: Final = frozenset(
    {*(one.namespace for one in DIALECTS.values()), "http://openprovenance.org/model/v1.01.a", ""}
)
"""The namespaces that are read; the first drafts had none."""
SECTIONS: Final = ("accounts", "processes", "artifacts", "agents", "dependencies", "annotations")
"""What a graph holds, in the order of the schema."""
STARS: Final = {
    **{kind.value: kind for kind in DependencyKind},
    **{kind.value.removesuffix("Star") + "_": kind for kind in DependencyKind if kind.is_multi_step},
}
"""The dependencies by their elements in all dialects."""
RDF_CORE: Final = {
    short: f"http://openprovenance.org/model/opmo#{short}"
    for short in ("label", "type", "value", "profile", "pname")
}
"""Keys of the short forms of annotations, where the schema demands a property in them."""
