"""Draw the trail of a model as docs/trail.svg, from a recorded run: python docs/picture.py STORE MODEL

What one step made is one ellipse, and the epochs are one box, as a reader would sum them up. Shapes and
colours are those of W3C PROV (entities yellow ellipses, activities blue boxes); arrows show the flow of data,
down the page.
"""

from __future__ import annotations

import re
import sys
from html import escape
from itertools import pairwise
from pathlib import Path

import trilha
from trilha.query.finding import find
from trilha.query.lineage import Lineage, lineage
from trilha.query.things import Thing

LAYER, NODE, GAP, HEIGHT, MARGIN = 54, 176, 22, 32, 14


class Graph:
    """The trail summed up: what stands for what, and which arrows go where (from cause to effect)."""

    def __init__(self, found: Lineage) -> None:
        self.labels: dict[str, str] = {}
        self.activities: set[str] = set()
        self.arrows: dict[tuple[str, str], None] = {}
        self._found = found
        self._made = {
            link.effect: link.cause
            for link in found.links
            if link.via == "wasGeneratedBy" and not found.things[link.cause].is_a("trilha:Run")
        }
        self._members: dict[str, set[str]] = {}
        self._follow(found.starts[0])
        for group, members in self._members.items():
            if len(members) > 1:
                self.labels[group] = self._plural(members)

    def _follow(self, start: str) -> None:
        waiting, seen = [start], set()
        while waiting:
            entity = waiting.pop()
            if entity in seen:
                continue
            seen.add(entity)
            ellipse = self._entity(entity)
            maker = self._made.get(entity)
            if maker is None or self._found.things[entity].is_a("trilha:Hyperparameter"):
                continue
            box = self._activity(maker)
            self.arrows[box, ellipse] = None
            for source in self._sources(entity, maker):
                if self._entity(source) != ellipse:
                    self.arrows[self._entity(source), box] = None
                waiting.append(source)

    def _sources(self, entity: str, maker: str) -> list[str]:
        links = self._found.links_by_effect
        derived = [link.cause for link in links.get(entity, ()) if link.via == "wasDerivedFrom"]
        used = [link.cause for link in links.get(maker, ()) if link.via == "used"]
        if self._found.things[maker].is_a("trilha:Epoch"):
            training = [link.cause for link in links.get(maker, ()) if link.via == "wasStartedBy"]
            settings = [link.cause for one in training for link in links.get(one, ()) if link.via == "used"]
            used += [one for one in settings if self._found.things[one].is_a("trilha:Hyperparameter")]
            return derived + used
        return derived or used

    def _activity(self, iri: str) -> str:
        thing = self._found.things[iri]
        name = "epochs" if thing.is_a("trilha:Epoch") else iri
        self.activities.add(name)
        self.labels.setdefault(name, thing.label)
        if name == "epochs":
            number = max(int(thing.fact("trilha:epoch")), *map(int, re.findall(r"(\d+)$", self.labels[name])))
            self.labels[name] = f"training, epochs 1 to {number}"
        return name

    def _entity(self, iri: str) -> str:
        thing = self._found.things[iri]
        group = iri
        maker = self._made.get(iri)
        if thing.is_a("trilha:Hyperparameter"):
            group = "hyperparameters"
        elif maker is not None and self._found.things[maker].is_a("trilha:Epoch"):
            last = max(self._epochs(), key=lambda one: int(one.fact("trilha:epoch")))
            group = f"model of {last.iri}"
            label = f"model after epoch {last.fact('trilha:epoch')}"
            self.labels.setdefault(group, label)
            return group
        elif maker is not None and not thing.is_a("trilha:File"):
            group = f"made by {maker}"
        kind = str(thing.fact("trilha:python_type", "")).rpartition(".")[2]
        self.labels.setdefault(group, kind if "()" in thing.label and kind else thing.label)
        self._members.setdefault(group, set()).add(iri)
        return group

    def _epochs(self) -> list[Thing]:
        direct = {
            link.cause for link in self._found.links if link.via == "wasDerivedFrom" and link.depth == 1
        }
        makers = [self._made[one] for one in direct if one in self._made]
        things = [self._found.things[one] for one in makers]
        return [one for one in things if one.is_a("trilha:Epoch")]

    def _plural(self, members: set[str]) -> str:
        things = [self._found.things[one] for one in members]
        if things[0].is_a("trilha:Hyperparameter"):
            return f"{len({one.label for one in things})} hyperparameters"
        kind = str(things[0].fact("trilha:python_type", "objects")).rpartition(".")[2]
        words = {"ndarray": "arrays", "DataLoader": "data loaders"}
        return f"{len(members)} {words.get(kind, kind + 's')}"

    def layers(self) -> list[list[str]]:
        """The names of each layer, causes above effects; a cause stands right above its first effect."""
        depth = {name: 0 for arrow in self.arrows for name in arrow}
        for _ in depth:
            for cause, effect in self.arrows:
                depth[cause] = max(depth[cause], depth[effect] + 1)
        rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
        for name, level in depth.items():
            rows[len(rows) - 1 - level].append(name)
        return rows


def places(graph: Graph) -> dict[str, tuple[float, float]]:
    """Where the middle of each shape is: right above its effects, as far as there is room."""
    found: dict[str, tuple[float, float]] = {}
    layers = graph.layers()
    for row in reversed(range(len(layers))):
        wanted = {name: _above_effects(graph, name, found) for name in layers[row]}
        names = sorted(layers[row], key=wanted.__getitem__)
        columns = [wanted[name] for name in names]
        if any(right - left < NODE + GAP for left, right in pairwise(columns)):
            first = sum(columns) / len(columns) - (len(columns) - 1) / 2 * (NODE + GAP)
            columns = [first + number * (NODE + GAP) for number in range(len(columns))]
        for name, x in zip(names, columns, strict=True):
            found[name] = (x, MARGIN + HEIGHT / 2 + row * LAYER)
    left = min(x for x, _ in found.values()) - NODE / 2 - MARGIN
    return {name: (x - left, y) for name, (x, y) in found.items()}


def _above_effects(graph: Graph, name: str, found: dict[str, tuple[float, float]]) -> float:
    effects = [found[effect][0] for cause, effect in graph.arrows if cause == name]
    return sum(effects) / len(effects) if effects else 0.0


def draw(graph: Graph) -> str:
    """The graph as SVG."""
    place = places(graph)
    width = max(x for x, _ in place.values()) + NODE / 2 + MARGIN
    height = max(y for _, y in place.values()) + HEIGHT / 2 + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"',
        f' width="{width:g}" height="{height:g}" role="img"',
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>The trail of a saved model, from the raw data down to the file</title>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"',
        ' orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#fff"/>',
    ]
    for cause, effect in graph.arrows:
        (x1, y1), (x2, y2) = place[cause], place[effect]
        y1, y2 = y1 + HEIGHT / 2, y2 - HEIGHT / 2
        bend = (y1 + y2) / 2
        curve = f"M{x1:g} {y1:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}"
        parts.append(f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#a)"/>')
    for name, (x, y) in place.items():
        if name in graph.activities:
            parts.append(
                f'<rect x="{x - NODE / 2:g}" y="{y - HEIGHT / 2:g}" width="{NODE}" height="{HEIGHT}"'
                ' fill="#9fb1fc" stroke="#0000ff"/>'
            )
        else:
            parts.append(
                f'<ellipse cx="{x:g}" cy="{y:g}" rx="{NODE / 2:g}" ry="{HEIGHT / 2:g}" fill="#fffc87"'
                ' stroke="#808080"/>'
            )
        parts.append(
            f'<text x="{x:g}" y="{y + 4.5:g}" text-anchor="middle">{escape(graph.labels[name])}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main(store: str, model: str) -> None:
    """Draw the trail of `model`."""
    opened = trilha.open(store)
    graph = Graph(lineage(opened, find(opened, model)))
    Path(__file__).with_name("trail.svg").write_text(draw(graph), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
