"""States that modules take over: `Module.load_state_dict`.

What the model had become until then is told before. Where all its parameters and buffers were replaced, and
all by one known thing (a file, or the state that some version of a model had), the model is a revision of
that thing and no more of what it was: the two are alternates, states of one object (PROV-DM section 5.5.2).
Where something of it may be left, it is derived from both.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.context import current
from trilha.capture.identity import Known

if TYPE_CHECKING:
    from trilha.capture.integrations.torch.copies import Copies
    from trilha.capture.integrations.torch.models import Models
    from trilha.capture.integrations.torch.training import Training
    from trilha.capture.recorder import Recorder

__all__ = ["States", "Taking"]

_LOOKED_AT: Final = 8


class Taking(NamedTuple):
    """A module is about to take over a state.

    Attributes:
        model: that the module is, or is a part of.
        source: what the state is, as far as that is known.
        before: what the model is known as; None where nobody has met it.
        marks: of each parameter and buffer that belongs to the state of the model, by name: which tensor it
            is and how often that has changed; None where something of the state is of another source.
    """

    model: Any
    source: Known
    before: Known | None
    marks: dict[str, tuple[int, int]] | None


class States:
    """What is known of states that are taken over.

    Args:
        recorder: of the run.
        models: of the program.
        copies: of states.
        training: that brings a model's versions up to date.
    """

    def __init__(self, recorder: Recorder, models: Models, copies: Copies, training: Training) -> None:
        self._recorder = recorder
        self._models = models
        self._copies = copies
        self._training = training

    def about_to_take(self, module: Any, state: Any, found: list[Taking]) -> None:
        """A module will take over a state: put into `found` what is known, if that is anything."""
        if not isinstance(state, Mapping):
            return
        source, whole = self._source(state)
        if source is None:
            return
        model = self._models.top(self._models.wrapped(module))
        before = None
        if self._recorder.objects.itself(model) is not None:
            self._training.bring_up_to_date(model)
            before = self._recorder.objects.itself(model)
        marks = _marks(model) if whole and before is not None else None
        found.append(Taking(model, source, before, marks))

    def taken(self, taking: Taking, result: Any) -> None:
        """A module has taken over a state; `result` is what PyTorch gave."""
        recorder, source, before = self._recorder, taking.source, taking.before
        self._training.catch_up()
        activity, at = current(recorder), time.time_ns()
        usage = activity.used.get(source.entity)
        if usage is None:
            usage = activity.used[source.entity] = recorder.used(activity.identifier, source.entity, at)
        if before is None or before.entity == source.entity or not _replaced(taking, result):
            known = self._models.as_it_is(taking.model, None, at)
            if known.generation is not None and (before is None or before.entity != source.entity):
                recorder.derived(known.entity, source.entity)
            return
        known = self._models.as_it_is(taking.model, None, at, instead=(source.entity, usage))
        if known.entity != before.entity:
            recorder.alternate(known.entity, before.entity)

    def _source(self, state: Mapping[Any, Any]) -> tuple[Known | None, bool]:
        """What a state is, and whether that is known of all of it."""
        objects = self._recorder.objects
        source = objects.get(state)
        values = list(dict(state).values())
        if source is None:
            some = (objects.get(part) for part in values[:_LOOKED_AT])
            source = next((known for known in some if known is not None), None)
        if source is None:
            return (version := self._copies.version_of(state)), version is not None
        found = (objects.itself(part) for part in values if hasattr(part, "shape"))
        return source, all(known is not None and known.entity == source.entity for known in found)


def _marks(model: Any) -> dict[str, tuple[int, int]] | None:
    """Which tensors a model's state has, each with its in-place counter; None where these do not count."""
    found = {}
    for path, module in model.named_modules():
        passing = module._non_persistent_buffers_set
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and (tensors is module._parameters or name not in passing):
                    if tensor.is_inference():
                        return None
                    found[f"{path}.{name}"] = id(tensor), tensor._version
    return found


def _replaced(taking: Taking, result: Any) -> bool:
    """Whether nothing that belongs to the state of a model is what it was before."""
    if not taking.marks or getattr(result, "missing_keys", None) != []:
        return False
    now = _marks(taking.model) or {}
    return now.keys() == taking.marks.keys() and all(mark != taking.marks[name] for name, mark in now.items())
