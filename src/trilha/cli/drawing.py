"""A trail as a picture: what is told as a tree, drawn as the graph that it is.

Shapes and colours are those of the W3C's diagrams (PROV-O section 3): entities are yellow ellipses,
activities blue boxes. Arrows show the flow of data, down the page; what was only there in time is dashed, and
the same bytes met again are joined by a bold line. Each run has a frame, if there are several. A picture says
less than the words: packages are left out of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trilha.query.lineage import Lineage
    from trilha.query.trail import Branch

__all__ = ["KINDS", "check_picture", "write_picture"]

KINDS: Final = ("svg", "png", "dot")
"""Suffixes of what can be written."""
_HEAD: Final = """digraph trail {
  graph [rankdir=TB, fontname="Helvetica", fontsize=10, charset="utf-8", nodesep=0.3, ranksep=0.35]
  node [fontname="Helvetica", fontsize=10, style=filled, margin="0.12,0.06"]
  edge [fontname="Helvetica", fontsize=9, color="#404040", arrowsize=0.7]
"""
_SHAPES: Final = {
    "activity": 'shape=box, fillcolor="#9FB1FC", color="#0000FF"',
    "agent": 'shape=house, fillcolor="#FED37F", color="#A0522D"',
}
_ENTITY: Final = 'shape=ellipse, fillcolor="#FFFC87", color="#808080"'
_EDGES: Final = {
    "also used": ", style=dashed",
    "perhaps into": ", style=dashed",
    "same bytes as": ', style=bold, label="same bytes", arrowhead=none',
    "read again as": ', style=bold, label="same bytes", arrowhead=none',
    "contains": ', style=dotted, label="contains"',
    "part of": ', style=dotted, label="part of"',
    "within": ', style=dotted, label="within"',
    "started by": ', style=dotted, label="started"',
    "after": ', style=dotted, label="before"',
    "plan of": ', style=dotted, label="plan"',
}
"""How the arrow looks that stands for a branch's role; plain by default."""
_LONGEST: Final = 40
_FACTS: Final = 52


def check_picture(path: str) -> str:
    """The kind of a picture by the suffix of its path.

    Raises:
        trilha.errors.UsageError: it is none of `KINDS`.
    """
    from trilha.errors import UsageError

    kind = os.path.splitext(path)[1][1:].lower()
    if kind not in KINDS:
        known = ", ".join(f".{one}" for one in KINDS)
        raise UsageError(f"{path}: a picture is a file that ends with one of {known}")
    return kind


def write_picture(told: Lineage, trees: list[Branch], path: str) -> int:
    """Write a trail as a picture; the file is replaced when it is whole.

    Args:
        told: the trail.
        trees: the same, as `trilha.query.trail.trail` gives it.
        path: where to write; its suffix is one of `KINDS`.

    Returns:
        How many things it shows.

    Raises:
        trilha.errors.UsageError: the suffix is none of these, Graphviz is not installed, or the file cannot
            be written.
        trilha.errors.FormatError: Graphviz cannot draw it, or not in a minute.
    """
    from trilha.formats.files import store
    from trilha.formats.graphviz import drawn_text

    kind = check_picture(path)
    picture = _Picture(told)
    text = picture.text(trees)
    store(text if kind == "dot" else drawn_text(text, kind), path)
    return picture.count


class _Picture:
    """What stands for what.

    Attributes:
        count: how many things are shown.
    """

    def __init__(self, told: Lineage) -> None:
        self._told = told
        self._up = told.direction == "upstream"
        self._at: dict[str, str] = {}
        self._nodes: dict[str | None, list[str]] = {}
        self._edges: dict[str, None] = {}
        self.count = 0

    def text(self, trees: list[Branch]) -> bytes:
        """All of it."""
        for root in trees:
            self._follow(root)
        self._join_makers()
        lines = [_HEAD]
        frames = [run for run in self._nodes if run is not None]
        for number, (run, nodes) in enumerate(self._nodes.items()):
            if run is None or len(frames) < 2:
                lines += [f"  {node}\n" for node in nodes]
            else:
                lines += [f"  subgraph cluster_{number} {{\n", f"    {self._frame(run)}\n"]
                lines += [*(f"    {node}\n" for node in nodes), "  }\n"]
        lines += [f"  {edge}\n" for edge in self._edges]
        return "".join([*lines, "}\n"]).encode("utf-8", "replace")

    def _follow(self, root: Branch) -> None:
        waiting = [(root, self._node(root))]
        while waiting:
            branch, ends = waiting.pop()
            for one in branch.branches:
                if one.more or self._is_left_out(one):
                    continue
                others = self._node(one)
                self._join(ends, others, one.role)
                waiting.append((one, others))

    def _is_left_out(self, branch: Branch) -> bool:
        return all(self._told.things[iri].is_a("trilha:Package") for iri in branch.things)

    def _node(self, branch: Branch) -> list[str]:
        """The nodes that stand for a branch's things: a new one for those that have none yet."""
        new = [iri for iri in branch.things if iri not in self._at]
        if new:
            name = f"n{len(set(self._at.values())) + 1}"
            self._at.update(dict.fromkeys(new, name))
            self.count += len(new)
            thing = self._told.things[new[0]]
            label = "\\n".join(map(_shown, _label(branch, self._told)))
            bold = ", penwidth=2.5" if branch.role == "asked" else ""
            run = thing.run if thing.run in self._told.runs else None
            node = f'{name} [label="{label}", {_SHAPES.get(thing.kind, _ENTITY)}{bold}]'
            self._nodes.setdefault(run, []).append(node)
        return list(dict.fromkeys(self._at[iri] for iri in branch.things))

    def _join(self, nearer: Iterable[str], further: Iterable[str], role: str) -> None:
        for one in nearer:
            for other in further:
                if one != other:
                    cause, effect = (other, one) if self._up else (one, other)
                    self._edges[f"{cause} -> {effect} [{_EDGES.get(role, '').removeprefix(', ')}]"] = None

    def _join_makers(self) -> None:
        """What is told together, or in another place, has its maker all the same."""
        for iri, node in self._at.items():
            for link in self._told.links_by_effect.get(iri, ()):
                if link.via == "wasGeneratedBy" and link.cause in self._at and self._at[link.cause] != node:
                    self._edges[f"{self._at[link.cause]} -> {node} []"] = None

    def _frame(self, run: str) -> str:
        from trilha.formats.dot import quoted

        known = self._told.runs[run]
        name = quoted(f"{known.name or 'run'} {known.short}")
        return f'label={name}; style="rounded"; color="#808080"'


def _label(branch: Branch, told: Lineage) -> Iterator[str]:
    """A node's lines: what it is called, and what else is known of it, as the tree has them."""
    from trilha.cli.telling import words_of

    words = [one if isinstance(one, tuple) else (one, "") for one in words_of(branch, told)]
    name = "".join(text for text, style in words if style == "name").strip()
    facts = "".join(text for text, style in words if style != "name").strip(" ,")
    # The frame around it says as much.
    facts = facts.partition(", in run ")[0]
    yield _cut(name or facts, _LONGEST)
    if name and facts:
        yield _cut(facts, _FACTS)


def _cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _shown(text: str) -> str:
    from trilha.formats.dot import quoted

    return quoted(text)[1:-1]
