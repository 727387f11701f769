"""``model.provenance(...)``, which Keras-Prov's Keras has, on the Keras that is installed.

Keras-Prov is a copy of Keras 2.3 whose models have a method more. What it captures (hyperparameters, layers,
metrics of each epoch, adaptations of the learning rate, the evaluation), Trilha's integration of Keras
captures by itself, so that all the method does here is to say which dataflow the training is an execution of.

This is an integration of the entry points ``trilha.integrations`` (docs/how-to/integration.md): the methods
are there from the import of Keras in a recorded run to the run's end. Source of the signature and of the
sets: the README and ``engine/provenance.py`` of dbpina/keras-prov.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from dfa_lib_python import _recording
from dfa_lib_python.attribute import Attribute
from dfa_lib_python.attribute_type import AttributeType
from dfa_lib_python.dataflow import Dataflow
from dfa_lib_python.set import Set
from dfa_lib_python.set_type import SetType
from dfa_lib_python.transformation import Transformation

__all__ = ["begin", "end"]

_TEXTS: Final = frozenset(["OPTIMIZER_NAME", "NAME", "ATTRIBUTE_TYPE", "VALUE", "ELAPSED_TIME"])
_LAYERS: Final = ("ILTIMESTAMP", "NAME", "ATTRIBUTE_TYPE", "VALUE")
_EPOCH: Final = ("OTIMESTAMP", "ELAPSED_TIME", "LOSS", "ACCURACY", "VAL_LOSS", "VAL_ACCURACY", "EPOCH")
_ADAPTED: Final = ("NEW_LRATE", "ATIMESTAMP", "EPOCH_ID", "ADAPTATION_ID")
_dataflows: Final[WeakKeyDictionary[Any, Dataflow]] = WeakKeyDictionary()
_added: Final[list[tuple[Any, str, Any]]] = []


def begin(recorder: Any, library: Any) -> None:
    """Give Keras's models the methods of Keras-Prov's, unless they have some of that name."""
    del recorder
    model = getattr(library, "Model", None)
    if not isinstance(model, type):
        return
    for name, function in (("provenance", _provenance), ("get_dataflow", _get_dataflow)):
        if not hasattr(model, name):
            setattr(model, name, function)
            _added.append((model, name, function))


def end(recorder: Any) -> None:
    """Take the methods away again."""
    del recorder
    while _added:
        model, name, function = _added.pop()
        if vars(model).get(name) is function:
            delattr(model, name)


def _provenance(
    self: Any,
    dataflow_tag: str = "",
    adaptation: bool = False,
    hyps: Mapping[str, bool] | None = None,
    hyperparameters: Any = None,
    transformations: Any = None,
) -> None:
    """Say which dataflow the model's training is an execution of.

    Args:
        self: the model.
        dataflow_tag: of the dataflow.
        adaptation: whether the learning rate is going to be adapted.
        hyps: which hyperparameters are of interest, by name; Trilha records all of them.
        hyperparameters: further ones: names and types (``"TEXT"``, ``"NUMERIC"``), as pairs or in a dict.
        transformations: of the preparation; taken and left, as Keras-Prov does.
    """
    del transformations
    tag = str(dataflow_tag) or "keras"
    stated = ["ITIMESTAMP", *(name for name, wanted in dict(hyps or {}).items() if wanted)]
    further = dict(hyperparameters or {})
    dataflow = Dataflow(tag)
    training = Transformation("TrainingModel")
    settings = [*map(_attribute, stated), *(Attribute(name, _type(kind)) for name, kind in further.items())]
    epochs = _set("oTrainingModel", SetType.OUTPUT, _EPOCH)
    training.set_sets(
        [_set("iLayers", SetType.INPUT, _LAYERS), Set("iTrainingModel", SetType.INPUT, settings), epochs]
    )
    dataflow.add_transformation(training)
    epochs.set_type(SetType.INPUT)
    epochs.dependency = training._tag
    if adaptation:
        adapting = Transformation("Adaptation")
        adapting.set_sets([epochs, _set("oAdaptation", SetType.OUTPUT, _ADAPTED)])
        dataflow.add_transformation(adapting)
    testing = Transformation("TestingModel")
    testing.set_sets([epochs, _set("oTestingModel", SetType.OUTPUT, ("OTTIMESTAMP", "LOSS", "ACCURACY"))])
    dataflow.add_transformation(testing)
    _dataflows[self] = dataflow
    _recording.follow(dataflow, f"{tag}-{datetime.now()}")  # noqa: DTZ005 -- as Keras-Prov's own tags


def _get_dataflow(self: Any) -> Dataflow:
    """The dataflow that `provenance` declared."""
    return _dataflows[self]


def _set(tag: str, type: SetType, names: tuple[str, ...]) -> Set:
    return Set(tag, type, [_attribute(name) for name in names])


def _attribute(name: str) -> Attribute:
    text = name in _TEXTS or name.endswith("TIMESTAMP")
    return Attribute(name, AttributeType.TEXT if text else AttributeType.NUMERIC)


def _type(kind: Any) -> AttributeType:
    return AttributeType.__members__.get(str(kind).upper(), AttributeType.TEXT)
