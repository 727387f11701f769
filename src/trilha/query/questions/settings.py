"""What a model was made and trained with: hyperparameters, layers."""

from __future__ import annotations

from typing import Any

from trilha.query.questions.asking import Answer, Asked, question, told_once
from trilha.query.settings import as_stated

__all__ = ["hyperparameters", "layers"]

_SETTING = "trilha:setting."


@question(
    "hyperparameters",
    "",
    "The hyperparameters of each run, under their own and their common names, and what they became.",
    papers=("K1", "K6"),
    acceptance=(5,),
)
def hyperparameters(asked: Asked) -> Answer:
    """Each hyperparameter as it was first stated, and its last value where that is another."""
    rows: list[dict[str, Any]] = []
    stated = asked.things("Hyperparameter")
    for run, things in stated.items():
        named = [(key, str(one.fact("trilha:name", one.label)), one) for key, one in things]
        for one in as_stated(asked.store, named):
            about = {"name": one.name, "common": one.common, "value": one.value, "last": one.last}
            rows.append({**asked.named(run), **about})
    columns = ("run", "id", "name", "common", "value", "last")
    return Answer(columns, rows, unknown=asked.without("hyperparameters", stated))


@question(
    "layers",
    "",
    "The layers of the models of each run: type, shapes, parameters, activation, settings.",
    papers=("K1",),
    acceptance=(5,),
)
def layers(asked: Asked) -> Answer:
    """The layers, model by model, in order."""
    rows = []
    found = asked.things("Layer")
    for run, things in found.items():
        told = []
        for _, thing in things:
            settings = {
                key.removeprefix(_SETTING): values[-1]
                for key, values in thing.facts.items()
                if key.startswith(_SETTING)
            }
            row = {**asked.named(run), "position": thing.fact("trilha:position"), "name": thing.label}
            row |= {column: thing.fact(f"trilha:{column}") for column in _COLUMNS}
            told.append((thing, {**row, "settings": settings}))
        rows += told_once(told)
    columns = ("run", "id", "position", "name", *_COLUMNS, "settings")
    return Answer(columns, rows, unknown=asked.without("layers", found))


_COLUMNS = ("class", "input_shape", "output_shape", "parameters", "trainable", "activation")
