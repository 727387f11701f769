"""A model's architecture: its layers, in order.

The architecture is a collection of its layers (PROV-DM section 5.6), and the model's first version is
derived from it. Layers are stated once for a model; what a framework does not tell of a layer without being
run (the shape of its output, say) is left out, never guessed. What made the architecture is not stated: it is
the program's own, and the model's generation says when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.terms import TYPES
from trilha.capture.values import is_value, key_of, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.identity import Known
    from trilha.capture.recorder import Recorder

__all__ = ["Layer", "state_architecture"]

_COLLECTION: Final = literal_name("prov:Collection")
_MOST_LAYERS: Final = 2000


class Layer(NamedTuple):
    """One layer of a model.

    Attributes:
        name: the framework's name of it, unique in the model (``features.0``, ``dense_1``).
        kind: short name of its class (``Conv2d``, ``Dense``).
        input_shape: as text, such as ``"(None, 8, 8, 1)"``; empty where it is not known.
        output_shape: likewise.
        parameters: how many numbers it learns or keeps; None where it is not known.
        trainable: how many of them training changes.
        activation: name of its activation function; empty if it has none.
        settings: plain values that it was made with (``units``, ``rate``, ``kernel_size``).
    """

    name: str
    kind: str
    input_shape: str = ""
    output_shape: str = ""
    parameters: int | None = None
    trainable: int | None = None
    activation: str = ""
    settings: Mapping[str, Any] = MappingProxyType({})


def state_architecture(
    recorder: Recorder, model: Any, known: Known, layers: Iterable[Layer], name: str = ""
) -> None:
    """State a model's layers, and that the model was derived from them; nothing if that has been done.

    Args:
        recorder: of the run.
        model: the model.
        known: what is known of it, in its first version.
        layers: in order, the first 2,000 are stated.
        name: of the model's class, where its type has another one.
    """
    try:
        if model in recorder.described:
            return
        recorder.described.add(model)
    except TypeError:
        return
    architecture = next(recorder.numbers)
    kept = list(islice(layers, _MOST_LAYERS + 1))
    more = ("trilha:cut", True) if len(kept) > _MOST_LAYERS else ()
    kept = kept[:_MOST_LAYERS]
    recorder.entity(
        *(architecture, "prov:type", TYPES["Architecture"], "prov:type", _COLLECTION),
        *("prov:label", f"architecture of {name or type(model).__name__}", "trilha:layers", len(kept), *more),
    )
    for position, layer in enumerate(kept, 1):
        entity = next(recorder.numbers)
        recorder.entity(entity, *_about(layer, position))
        recorder.member(architecture, entity)
    recorder.derived(known.entity, architecture)


def _about(layer: Layer, position: int) -> list[Any]:
    label = f"{layer.kind} {layer.name}" if layer.name != layer.kind else layer.kind
    about: list[Any] = ["prov:type", TYPES["Layer"], "prov:label", label, "trilha:position", position]
    about += ["trilha:name", layer.name, "trilha:class", layer.kind]
    facts = {
        "input_shape": layer.input_shape,
        "output_shape": layer.output_shape,
        "parameters": layer.parameters,
        "trainable": layer.trainable,
        "activation": layer.activation,
    }
    for name, value in facts.items():
        if value is not None and value != "":
            about += [f"trilha:{name}", value]
    for name, value in layer.settings.items():
        if value is not None:
            plain = value_of(value) if is_value(value) else text_of(value)
            about += [key_of("trilha:setting.", name), plain]
    return about
