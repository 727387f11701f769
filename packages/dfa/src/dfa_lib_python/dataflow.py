"""A dataflow: the transformations that an execution is going to follow."""

from __future__ import annotations

from typing import Any, Final

from dfa_lib_python import _recording
from dfa_lib_python.attribute import Attribute
from dfa_lib_python.attribute_type import AttributeType
from dfa_lib_python.ProvenanceObject import ProvenanceObject
from dfa_lib_python.set import Set
from dfa_lib_python.set_type import SetType
from dfa_lib_python.transformation import Transformation
from trilha.capture.learning.dataflow import FILES

__all__ = ["Dataflow"]

_TEXTS: Final = frozenset(
    [
        *("DATASET_NAME", "DATASET_SOURCE", "FILTER_TYPE", "OPTIMIZER_NAME"),
        *("TIMESTAMP", "ELAPSED_TIME", "MODEL_NAME"),
    ]
)
_PREDEFINED: Final = {
    "LoadData": {"iInputDataset": "DATASET_NAME DATASET_SOURCE", "oLoadData": "DATASET_DIR"},
    "ApplyFilter": {"oLoadData": "", "iFilter": "FILTER_TYPE", "oFilter": "PP_DATASET"},
    "SplitData": {
        "oFilter": "",
        "iSplitConfig": "TRAIN_SIZE VAL_SIZE TEST_SIZE",
        "oTrainSet": "TrainSetX TrainSetY",
        "oValSet": "ValSetX ValSetY",
        "oTestSet": "TestSetX TestSetY",
    },
    "Train": {
        "oTrainSet": "",
        "oValSet": "",
        "iTrain": "OPTIMIZER_NAME LEARNING_RATE NUM_EPOCHS BATCH_SIZE NUM_LAYERS",
        "oTrain": "TIMESTAMP ELAPSED_TIME LOSS ACCURACY VAL_LOSS VAL_ACCURACY EPOCH",
        "oTrainedModel": "MODEL_NAME MODEL_DIR",
        "oWeights": "WEIGHTS_PATH",
    },
    "Test": {"oTestSet": "", "oTrainedModel": "", "oTest": "LOSS ACCURACY"},
}
"""The workflow that DLProv ships: of each transformation its sets, and their attributes. A set without
attributes was given by an earlier transformation."""


class Dataflow(ProvenanceObject):
    """A dataflow.

    Args:
        tag: of the dataflow.
        predefined: whether it has the transformations that DLProv ships.
        email: of the person who runs it.
        transformations: of the dataflow.
    """

    def __init__(
        self,
        tag: str,
        predefined: bool = False,
        email: str = "",
        transformations: list[Transformation] | None = None,
    ) -> None:
        super().__init__(tag)
        self.transformations = transformations if transformations is not None else []
        self.predefined = predefined
        self.email = email
        _recording.declare(self)

    @property
    def transformations(self) -> list[dict[str, Any]]:
        """The specifications of its transformations."""
        return self._transformations

    @transformations.setter
    def transformations(self, transformations: list[Transformation]) -> None:
        assert isinstance(transformations, list), "The transformations must be a list."
        assert all(isinstance(one, Transformation) for one in transformations), (
            "Each transformation must be a Transformation."
        )
        self._transformations = [one.get_specification() for one in transformations]

    def add_transformation(self, transformation: Transformation) -> None:
        """Add a transformation."""
        assert isinstance(transformation, Transformation), "Each transformation must be a Transformation."
        self._transformations.append(transformation.get_specification())

    @property
    def predefined(self) -> bool:
        """Whether it has the transformations that DLProv ships."""
        return self._predefined

    @predefined.setter
    def predefined(self, predefined: bool) -> None:
        self._predefined = bool(predefined)
        if predefined:
            for transformation in _predefined():
                self.add_transformation(transformation)

    @property
    def email(self) -> str:
        """Of the person who runs it."""
        return self._email

    @email.setter
    def email(self, email: str) -> None:
        assert isinstance(email, str), "The email must be a text."
        self._email = email

    def save(self) -> None:
        """Have tasks that name this dataflow by its tag follow it."""
        _recording.declare(self)


def _predefined() -> list[Transformation]:
    made: list[Transformation] = []
    known: dict[str, Set] = {}
    giver: dict[str, str] = {}
    for tag, sets in _PREDEFINED.items():
        transformation = Transformation(tag)
        for name, attributes in sets.items():
            if attributes:
                type = SetType.INPUT if name.startswith("i") else SetType.OUTPUT
                known[name] = Set(name, type, [_attribute(one) for one in attributes.split()])
                giver[name] = transformation._tag
            else:
                known[name].set_type(SetType.INPUT)
                known[name].dependency = giver[name]
            transformation.add_set(known[name])
        made.append(transformation)
    return made


def _attribute(name: str) -> Attribute:
    if name.lower() in FILES:
        return Attribute(name, AttributeType.FILE)
    return Attribute(name, AttributeType.TEXT if name in _TEXTS else AttributeType.NUMERIC)
