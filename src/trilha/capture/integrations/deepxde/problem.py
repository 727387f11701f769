"""The problem that a physics-informed network solves, as entities of its own.

The geometry (and the parts that it is made of), the equation, whose entity is the plan that its source is,
the boundary and initial conditions, the points that the residual is taken at, and the terms of the loss.
What one of them is made of it is derived from; which activity made it is the program's own and not stated.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.learning.terms import TYPES
from trilha.capture.plans import plan_of
from trilha.capture.steps import meet
from trilha.capture.values import is_value, key_of, python_type, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Problem", "term_names"]

_PARTS: Final = ("geometry", "timedomain", "geom1", "geom2")
_COUNTS: Final = ("num_domain", "num_boundary", "num_initial", "num_test")
_MOST_SETTINGS: Final = 30
_DEEPEST: Final = 20

Entity = int | str


class Problem:
    """The entities of one `deepxde.data.Data` object.

    Args:
        recorder: of the run.
        data: the object.

    Attributes:
        entities: each with its role, in the order in which they are to be used.
    """

    def __init__(self, recorder: Recorder, data: Any) -> None:
        self._recorder = recorder
        self._reference = weakref.ref(data)
        self._placed: set[Entity] = set()
        geometry = getattr(data, "geom", None)
        self.geometry = self._geometry(geometry, _DEEPEST) if geometry is not None else None
        self.equations = [entity for one in self._functions() if (entity := self._equation(one)) is not None]
        conditions = getattr(data, "bcs", None)
        self.conditions = [
            self._condition(one, number)
            for number, one in enumerate(conditions if isinstance(conditions, (list, tuple)) else (), 1)
        ]
        self.entities: list[tuple[Entity, str]] = []
        if self.geometry is not None:
            self.entities.append((self.geometry, "geometry"))
        self.entities += [(entity, "equation") for entity in self.equations]
        self.entities += [(entity, "condition") for entity in self.conditions]

    @property
    def _data(self) -> Any:
        """The data object, which is not kept alive; None once it is gone."""
        return self._reference()

    def _functions(self) -> list[Any]:
        equation = getattr(self._data, "pde", None)
        return list(equation) if isinstance(equation, (list, tuple)) else [equation]

    def _geometry(self, geometry: Any, depth: int) -> Entity:
        label = type(geometry).__name__
        known = meet(self._recorder, geometry, label)
        if known.entity in self._placed:
            return known.entity
        self._placed.add(known.entity)
        about: list[Any] = ["prov:type", TYPES["Geometry"], "trilha:class", python_type(geometry)]
        self._recorder.entity(known.entity, *about, *_settings(geometry))
        for name in _PARTS:
            part = vars(geometry).get(name) if hasattr(geometry, "__dict__") else None
            if part is not None and depth and hasattr(part, "dim"):
                self._recorder.derived(known.entity, self._geometry(part, depth - 1))
        return known.entity

    def _equation(self, function: Any) -> Entity | None:
        if not callable(function):
            return None
        name = getattr(function, "__qualname__", type(function).__name__)
        about = ("prov:type", TYPES["Equation"], "trilha:name", name)
        plan = plan_of(self._recorder, function)
        if plan is not None:
            self._recorder.entity(plan, *about)
            return plan
        entity = next(self._recorder.numbers)
        self._recorder.entity(entity, "prov:type", TYPES["Object"], "prov:label", name, *about)
        return entity

    def _condition(self, condition: Any, number: int) -> Entity:
        recorder = self._recorder
        name = type(condition).__name__
        known = meet(recorder, condition, f"{name} {number}")
        about: list[Any] = ["prov:type", TYPES["Condition"], "trilha:class", name, "trilha:position", number]
        component = getattr(condition, "component", None)
        if is_value(component) and component is not None:
            about += ["trilha:component", value_of(component)]
        points: Any = getattr(condition, "points", None)
        if hasattr(points, "shape"):
            about += ["trilha:length", len(points), "trilha:shape", _shape(points)]
        counts = getattr(self._data, "num_bcs", None)
        if "trilha:length" not in about and isinstance(counts, list) and number <= len(counts):
            about += ["trilha:length", int(counts[number - 1])]
        recorder.entity(known.entity, *about)
        geometry = getattr(condition, "geom", None)
        if geometry is not None:
            recorder.derived(known.entity, self._geometry(geometry, _DEEPEST))
        return known.entity

    def points(self, array: Any, part: str) -> Entity | None:
        """The points that the network is trained or tested at; None where there are none.

        Args:
            array: of shape (points, dimensions).
            part: ``"train"`` or ``"test"``.
        """
        if not hasattr(array, "shape"):
            return None
        recorder = self._recorder
        known = meet(recorder, array, f"{part} points")
        if known.entity not in self._placed:
            self._placed.add(known.entity)
            recorder.entity(known.entity, *self.about_points(array, part))
            if self.geometry is not None:
                recorder.derived(known.entity, self.geometry)
        return known.entity

    def about_points(self, array: Any, part: str) -> list[Any]:
        """Facts about points: attribute keys and values in turn."""
        data = self._data
        kind = "Points" if self.geometry is not None else "Dataset"
        about: list[Any] = ["prov:type", TYPES[kind], "prov:type", TYPES["Dataset"], "trilha:part", part]
        about += ["trilha:length", len(array)]
        distribution = getattr(data, "train_distribution", None)
        if part == "train" and isinstance(distribution, str):
            about += ["trilha:distribution", distribution]
        for name in _COUNTS:
            count = getattr(data, name, None)
            if isinstance(count, int) and (name == "num_test") == (part == "test"):
                about += [f"trilha:{name}", count]
        anchors: Any = getattr(data, "anchors", None)
        if part == "train" and hasattr(anchors, "shape"):
            about += ["trilha:anchors", len(anchors)]
        return about

    def terms(self, count: int, weights: Any) -> list[tuple[str, Entity]]:
        """The terms of the loss, each with its name.

        Args:
            count: how many there are.
            weights: of the terms, as `Model.compile` was given them; None where each is 1.
        """
        recorder = self._recorder
        names = term_names(self._data, count)
        equations = count - len(self.conditions)
        found: list[tuple[str, Entity]] = []
        for place, name in enumerate(names):
            entity = next(recorder.numbers)
            about: list[Any] = ["prov:type", TYPES["Object"], "prov:type", TYPES["LossTerm"]]
            about += ["prov:label", f"loss of {name}", "trilha:name", name]
            if weights is None:
                about += ["trilha:weight", 1.0]
            elif isinstance(weights, (list, tuple)) and place < len(weights):
                about += ["trilha:weight", float(weights[place])]
            recorder.entity(entity, *about)
            if place >= equations >= 0:
                recorder.derived(entity, self.conditions[place - equations])
            elif self.equations:
                recorder.derived(entity, self.equations[min(place, len(self.equations) - 1)])
            found.append((name, entity))
        return found


def term_names(data: Any, count: int) -> list[str]:
    """Names of the terms of the loss, in DeepXDE's order: the equation's residuals, then the conditions.

    Args:
        data: of the model.
        count: how many terms there are.
    """
    bcs = getattr(data, "bcs", None)
    conditions = [f"{type(one).__name__} {n}" for n, one in enumerate(bcs or (), 1)]
    if not hasattr(data, "pde") or count < len(conditions):
        return [f"term {number}" for number in range(1, count + 1)] if count > 1 else ["data"] * count
    residuals = count - len(conditions)
    equations = ["PDE"] if residuals == 1 else [f"PDE {number}" for number in range(1, residuals + 1)]
    return [*equations, *conditions]


def _settings(geometry: Any) -> list[Any]:
    about: list[Any] = []
    state = vars(geometry) if hasattr(geometry, "__dict__") else {}
    for name, value in list(state.items())[:_MOST_SETTINGS]:
        if name.startswith("_") or name in _PARTS or name in ("idstr", "fn"):
            continue
        if hasattr(value, "tolist") and getattr(value, "size", 100) <= 12:
            about += [key_of("trilha:setting.", name), text_of(value.tolist())]
        elif is_value(value) and value is not None and not callable(value):
            about += [key_of("trilha:setting.", name), value_of(value)]
        elif isinstance(value, (list, tuple)) and len(value) <= 12:
            plain = [one.tolist() if hasattr(one, "tolist") else one for one in value]
            about += [key_of("trilha:setting.", name), text_of(plain)]
    return about


def _shape(array: Any) -> str:
    return "×".join(map(str, array.shape))
