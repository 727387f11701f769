"""What DLProv's dataflows mean in the words of learning.

DLProv and its kin (DfAnalyzer, DNNProv, Keras-Prov, PINNProv) describe a training as *tasks* of declared
*transformations*, which take and give rows of declared *sets* (``iTrain``, ``oTrainSet``). What a row is, is
told by the tag of its set: the tags of the workflow that they ship are known here (the client's
`Dataflow(predefined=True)`, and the tables of the published databases). The drop-in client and the importers
of its documents and databases say the same by these functions.

In names of sets, tasks and attributes case does not matter: the database keeps them in small letters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from trilha.capture.learning.terms import TYPES, common_name

__all__ = [
    "EPOCHS",
    "FILES",
    "NOT_A_NUMBER",
    "SETS",
    "adaptation",
    "epoch_of",
    "hyperparameter",
    "hyperparameters_of",
    "is_adaptation",
    "is_epoch",
    "is_measured",
    "measures",
    "number",
    "rate_of",
    "row",
    "task_type",
    "time_of",
]

NOT_A_NUMBER: Final = -9999999
"""What DLProv writes where a number is not one."""

EPOCHS: Final = ("epoch", "epoch_id")

SETS: Final[dict[str, tuple[str, ...]]] = {
    "iinputdataset": ("dataset_name", "dataset_source"),
    "oloaddata": ("dataset_dir",),
    "ifilter": ("filter_type",),
    "ofilter": ("pp_dataset",),
    "isplitconfig": ("train_size", "val_size", "test_size"),
    "otrainset": ("trainsetx", "trainsety"),
    "ovalset": ("valsetx", "valsety"),
    "otestset": ("testsetx", "testsety"),
    "itrain": ("optimizer_name", "learning_rate", "num_epochs", "batch_size", "num_layers"),
    "otrain": ("timestamp", "elapsed_time", "loss", "accuracy", "val_loss", "val_accuracy", "epoch"),
    "otrainedmodel": ("model_name", "model_dir"),
    "oweights": ("weights_path",),
    "otest": ("loss", "accuracy"),
    # DNNProv's
    "itrainingmodel": ("optimizer_name", "learning_rate", "num_epochs", "num_layers"),
    "otrainingmodel": ("timestamp", "elapsed_time", "loss", "accuracy", "val_loss", "val_accuracy", "epoch"),
    "iadaptation": ("epochs_drop", "drop_n", "initial_lrate"),
    "oadaptation": ("new_lrate", "timestamp", "epoch_id", "adaptation_id"),
    "otestingmodel": ("loss", "accuracy"),
}
"""Names of the attributes of the sets that DLProv and DNNProv ship, by tag."""

FILES: Final = frozenset(
    [
        *("dataset_dir", "pp_dataset", "trainset", "valset", "testset", "model_dir", "weights_path"),
        *("trainsetx", "trainsety", "valsetx", "valsety", "testsetx", "testsety"),
    ]
)
"""Those of these attributes that name files."""

_TASKS: Final = {"train": "Training", "test": "Evaluation", "evaluat": "Evaluation", "split": "Split"}
_PARTS: Final = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_PART: Final = re.compile(r"[io](train|val|valid|validation|test)_?(?:set|data|dataset)")
_MEASURED: Final = re.compile(r"otest(?:model|ingmodel|ing)?")
_STATED: Final = re.compile(r"i(?:train|adapt)(?!.*(?:set|data))\w*")
_NAMELESS: Final = re.compile(r"transformation \d+")
"""What the importer of databases calls one whose tag it was not given."""
_COUNTS: Final = frozenset(["epochs", "batch_size", "layers", "seed"])
"""Hyperparameters that are whole numbers, though DLProv keeps all numbers as floats."""
_NEW: Final = {"new_lrate": "learning_rate", "initial_lrate": "learning_rate"}


def task_type(tag: str) -> str | None:
    """Which type of activity the tasks of a transformation are; None for one that has none.

    A task that loads data is a step like any other; so is one that adapts, since each of its rows is an
    adaptation. A transformation that neither trains, tests, splits, adapts nor loads is one of the
    preparation: DLProv calls it a data transformation.
    """
    tag = tag.lower()
    if tag.startswith(("load", "adapt")) or _NAMELESS.fullmatch(tag):
        return None
    return next((kind for begin, kind in _TASKS.items() if tag.startswith(begin)), "Transformation")


def is_epoch(set_tag: str, names: Any) -> bool:
    """Whether the rows of a set, whose attributes have `names`, tell of one epoch each."""
    return (
        set_tag[:1].lower() == "o" and not set_tag.lower().startswith("oadapt") and bool({*EPOCHS} & {*names})
    )


def is_adaptation(set_tag: str, values: Mapping[str, Any]) -> bool:
    """Whether a row tells of one change of the learning rate during training."""
    return set_tag.lower().startswith("oadapt") and values.get("new_lrate") is not None


def adaptation(values: Mapping[str, Any]) -> list[Any]:
    """The attributes of the activity that an adaptation is: keys and values in turn."""
    about: list[Any] = ["prov:type", TYPES["Adaptation"], "trilha:name", "new_lrate"]
    about += ["trilha:common", "learning_rate"]
    epoch = epoch_of(values)
    return [*about, "trilha:epoch", epoch] if epoch is not None else about


def rate_of(values: Mapping[str, Any]) -> float | int | None:
    """The learning rate that a row states, or changes to; None where it does neither."""
    names = ("new_lrate", "learning_rate", "initial_lrate")
    found = (number(values[name]) for name in names if values.get(name) is not None)
    return next((rate for rate in found if rate is not None), None)


def is_measured(set_tag: str) -> bool:
    """Whether the rows of a set are what an evaluation measured."""
    return _MEASURED.fullmatch(set_tag.lower()) is not None


def hyperparameters_of(set_tag: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that a row states, by name; none where its set holds others."""
    if _STATED.fullmatch(set_tag.lower()) is None:
        return {}
    return {name: _plain(value) for name, value in values.items() if "timestamp" not in name}


def hyperparameter(name: str, value: Any) -> list[Any]:
    """The attributes of a hyperparameter's entity: keys and values in turn."""
    about = ["prov:type", TYPES["Hyperparameter"], "prov:label", name, "trilha:name", name]
    common = _NEW.get(name) or common_name(name)
    if common:
        about += ["trilha:common", common]
    if common in _COUNTS and type(value) is float and value.is_integer():
        value = int(value)
    return [*about, "prov:value", value] if value is not None else about


def row(set_tag: str, task_tag: str, values: Mapping[str, Any], *, output: bool) -> list[Any]:
    """The attributes of a row's entity: keys and values in turn.

    Args:
        set_tag: of its set.
        task_tag: of the transformation whose task took or gave it.
        values: by the names of the attributes, in small letters.
        output: the task gave it.
    """
    tag = set_tag.lower()
    about: list[Any] = ["prov:type", TYPES["Object"], "prov:label", set_tag, "trilha:name", set_tag]
    part = _PART.fullmatch(tag)
    if tag == "ilayers" and values.get("name") is not None:
        about = ["prov:type", TYPES["Object"], *_layer(values)]
    elif is_adaptation(tag, values):
        about = ["prov:type", TYPES["Object"], *hyperparameter("new_lrate", _plain(values["new_lrate"]))]
    elif part is not None:
        about += ["prov:type", TYPES["Subset"], "prov:type", TYPES["Dataset"]]
        about += ["trilha:part", _PARTS.get(part[1], part[1])]
    elif "dataset" in tag or (output and task_type(task_tag) in (None, "Transformation")):
        about += ["prov:type", TYPES["Dataset"]]
    elif tag.startswith("otrained"):
        about += ["prov:type", TYPES["Model"]]
    for name, value in values.items():
        if value is not None:
            about += [f"trilha:value.{name}", _plain(value)]
    return about


def _layer(values: Mapping[str, Any]) -> list[Any]:
    """The attributes of a layer, of which Keras-Prov tells the activation or the rate of the dropout."""
    name, kind = str(values["name"]), str(values.get("attribute_type") or "")
    about: list[Any] = ["prov:type", TYPES["Layer"], "prov:label", name, "trilha:name", name]
    value = values.get("value")
    if kind and value is not None:
        rate = number(value)
        about += ["trilha:class", kind.capitalize()]
        about += ["trilha:activation", str(value)] if kind == "activation" else []
        about += ["trilha:setting.rate", value if rate is None else rate] if kind == "dropout" else []
    return about


def time_of(values: Mapping[str, Any]) -> int | None:
    """When a row was given, in nanoseconds since 1970-01-01 UTC, where it says so in seconds since then."""
    seconds = next((number(value) for name, value in values.items() if name.endswith("timestamp")), None)
    return int(seconds * 10**6) * 1000 if seconds is not None and 1e8 < seconds < 9e9 else None


def measures(values: Mapping[str, Any]) -> dict[str, float | int]:
    """The numbers of a row that are metrics, by name; the epoch among them, as ``epoch``."""
    found: dict[str, float | int] = {}
    for name, value in values.items():
        measured = None if name.endswith(("timestamp", "_id")) else number(value)
        if measured is not None and name not in EPOCHS:
            found[name] = float(measured)
    epoch = epoch_of(values)
    return {"epoch": epoch, **found} if epoch is not None and found else found


def epoch_of(values: Mapping[str, Any]) -> int | None:
    """The epoch that a row tells of."""
    for name in EPOCHS:
        found = number(values.get(name))
        if found is not None and math.isfinite(found) and found == int(found) and abs(found) < 2**63:
            return int(found)
    return None


def number(value: Any) -> float | int | None:
    """The number that `value` is, or holds as text; None if it is none. `NOT_A_NUMBER` is NaN."""
    if type(value) in (int, float):
        found = value
    elif isinstance(value, str) or hasattr(type(value), "__float__"):
        try:
            found = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
    else:
        return None
    return math.nan if found == NOT_A_NUMBER else found


def _plain(value: Any) -> Any:
    """`value` as the value of an attribute: numbers as they are, whatever else as text."""
    if type(value) is bool or value is None:
        return value
    if isinstance(value, str):
        found = number(value) if value.strip() == str(NOT_A_NUMBER) else None
        return found if found is not None else str.__str__(value)
    found = number(value)
    if found is None:
        return str(value)
    return (
        int(found) if math.isfinite(found) and found == int(found) and hasattr(value, "__index__") else found
    )
