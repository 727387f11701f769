"""Models that are called and not trained: which version of a model gave what, from what data.

A call counts where the model is in evaluation mode or gradients are off; one that is a part of a training
(PyTorch cannot tell these from others) does not. PyTorch's global hook before each call of a module
(`register_module_forward_pre_hook`) is there only while such a call may come: after `Module.eval`, and
between the passes of a training. The first call takes it away again, so that a training pays for none of its
calls. A compiler must not meet it: `torch.compile`, and so `Module.compile`, puts an end to it, and it is
away while a model is exported.

What is called in one pass over a loader, or outside any pass in one step of the program, is one activity.
Its first calls are looked at: these state which models it used and what it was given. What they gave are its
predictions, which the activity around it used, since they were handed to that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import outcome
from trilha.capture.context import Activity, current
from trilha.capture.integrations.torch.facts import module_token
from trilha.capture.integrations.torch.tracebacks import mend
from trilha.capture.learning.data import parts
from trilha.capture.learning.evaluating import is_evaluating, state_predictions
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import use_object

if TYPE_CHECKING:
    from trilha.capture.integrations.torch.models import Models
    from trilha.capture.integrations.torch.passes import Pass
    from trilha.capture.integrations.torch.training import Training
    from trilha.capture.recorder import Recorder

__all__ = ["Inferences"]

_MOST_CALLS: Final = 8
"""Of one inference so many calls are looked at."""
_MOST_INFERENCES: Final = 10_000
_MOST_INPUTS: Final = 8
_HOOKS: Final = ("backward_hooks", "backward_pre_hooks", "forward_hooks", "forward_pre_hooks")
"""What a module, or all of them, may have; `Module._call_impl` does more if there are any."""


class _Inference:
    """Calls of models that are one activity.

    Attributes:
        running: the pass that they are made in; None outside any.
        called: the modules that were called, by their addresses.
        calls: how many were looked at.
        last: when the last of these was over, nanoseconds since 1970-01-01 UTC.
        models: their entities, by the addresses of the models.
    """

    __slots__ = ("activity", "called", "calls", "last", "models", "place", "running")

    def __init__(self, activity: Activity, place: Activity, running: Pass | None, at: int) -> None:
        self.activity = activity
        self.place = place
        self.running = running
        self.calls = 0
        self.last = at
        self.called: set[int] = set()
        self.models: dict[int, int | str] = {}


class Inferences:
    """The calls of models that train nothing.

    Args:
        recorder: of the run.
        torch: the library.
        models: the program's models.
        training: what is going on in the way of training.
        guard: calls a function so that nothing of it reaches the program.

    Attributes:
        undo: takes the hook away for good.
    """

    def __init__(
        self,
        recorder: Recorder,
        torch: Any,
        models: Models,
        training: Training,
        guard: Callable[..., None],
    ) -> None:
        self._recorder = recorder
        self._torch = torch
        self._models = models
        self._training = training
        self._open: _Inference | None = None
        self._looked: _Inference | None = None
        self._waits: tuple[Any, Any, bool] | None = None
        self._count = 0
        self._asked = self._compiles = False

        def called(module: Any, args: Any) -> None:
            hooks.pop(number, None)
            self._looked = None
            guard(self._called, module, args)
            guard(self._wait_for, module, self._looked)

        handle = torch.nn.modules.module.register_module_forward_pre_hook(called)
        hooks, number = handle.hooks_dict_ref(), handle.id
        self.undo: Callable[[], None] = handle.remove
        self._guard = guard

        def arm() -> None:
            if not self._compiles:
                hooks[number] = called

        def disarm() -> None:
            hooks.pop(number, None)

        disarm()
        self._arm, self._disarm = arm, disarm
        outcome.mends.append(self._mend)

    # -- when a call may come

    def evaluating(self, module: Any) -> None:
        """The program has put a module into evaluation mode."""
        self.release()
        if not self._recorder.fits and isinstance(module, self._torch.nn.Module):
            self._asked = True
            self._arm()

    def exports(self) -> None:
        """The program is about to export a model."""
        self._disarm()

    def compiles(self) -> None:
        """The program has something compiled when it is called: PyTorch warns of hooks on all modules."""
        self._compiles = True
        self._disarm()

    def epoch_begins(self) -> None:
        """A pass begins that is expected to be an epoch."""
        if not self._asked and self._torch.is_grad_enabled():
            self._disarm()

    def pass_over(self, running: Pass, at: int, *, trained: bool) -> bool:
        """A pass is over; gives whether it has been told of, as an inference.

        Args:
            running: the pass.
            at: when, in nanoseconds since 1970-01-01 UTC.
            trained: whether it was an epoch.
        """
        inference = self._open
        once = inference is not None and inference.running is running and not trained
        if once:
            self._close(at, "prov:type", TYPES["Pass"])
        else:
            self._close()
        self._arm()
        return once

    def epoch_over(self) -> None:
        """A pass is over, which was an epoch."""
        self._close()
        self._arm()

    def _close(self, at: int | None = None, *about: Any) -> None:
        inference, self._open = self._open, None
        if inference is not None:
            self._recorder.end(inference.activity, inference.last if at is None else at, *about)

    def forget(self) -> None:
        """In a forked child: what goes on is the parent's."""
        self._open = None

    def finish(self) -> None:
        """The run ends."""
        if self._mend in outcome.mends:
            outcome.mends.remove(self._mend)
        self.release()
        self._close()
        self._disarm()

    def _mend(self, error: BaseException) -> None:
        """The program ends by `error`, which hooks may not have been told of."""
        if self._waits is not None and not self._waits[2]:
            mend(error, self._waits[0])

    def release(self) -> None:
        """Take the hook off a model whose call was interrupted, which PyTorch does not tell hooks of."""
        waits, self._waits = self._waits, None
        if waits is not None:
            waits[1].remove()

    # -- calls

    def _called(self, module: Any, args: tuple[Any, ...]) -> None:
        torch, recorder, inference = self._torch, self._recorder, self._open
        if inference is not None and inference.running is not None and id(module) in inference.called:
            return  # The next batch of a pass: all that is called for one has been looked at.
        asked, self._asked = self._asked, False
        if recorder.fits or is_evaluating(recorder) or torch._C._get_tracing_state():
            return
        if module.training and torch.is_grad_enabled():
            return
        self._asked = asked
        if next(module.parameters(), None) is None:
            # A loss, say, or what prepares the data.
            self._again()
            return
        inference = self._inference(self._models.top(self._models.wrapped(module)), time.time_ns())
        if inference is None:
            return
        inference.calls += 1
        inference.called.add(id(module))
        self._looked = inference
        self._given(inference, args)

    def _again(self) -> None:
        inference = self._open
        if inference is None or inference.calls < _MOST_CALLS:
            self._arm()

    def _inference(self, model: Any, at: int) -> _Inference | None:
        """What a call of `model` belongs to, which uses it; None where a step says as much."""
        recorder = self._recorder
        running, place = self._training.running, current(recorder)
        inference = self._open
        known = recorder.objects.get(model)
        if known is None or known.token != module_token(model):
            recorder.bring_up_to_date(model)
            known = self._models.introduce(model)
        if inference is not None:
            changed = inference.models.get(id(model), known.entity) != known.entity
            if changed or inference.running is not running or inference.place is not place:
                self._close()
                inference = None
        if inference is None:
            inference = self._begin(place, running, at)
        if inference is not None and known.entity not in inference.models.values():
            inference.models[id(model)] = known.entity
            activity = inference.activity
            usage = recorder.used(activity.identifier, known.entity, at, "prov:role", "model")
            activity.used[known.entity] = usage
        return inference

    def _begin(self, place: Activity, running: Pass | None, at: int) -> _Inference | None:
        recorder = self._recorder
        self._count += 1
        if self._count > _MOST_INFERENCES:
            return None
        begun = running.at if running is not None else at
        about = ("prov:type", TYPES["Inference"], "trilha:framework", "torch")
        activity = recorder.begin("inference", place, begun, *about)
        self._open = inference = _Inference(activity, place, running, at)
        if running is not None:
            data = running.known.entity
            activity.used[data] = recorder.used(activity.identifier, data, begun, "prov:role", "data")
        return inference

    def _given(self, inference: _Inference, args: Any) -> None:
        """State what a call was given; the batches of a pass are its loader's."""
        recorder, at = self._recorder, time.time_ns()
        for role, thing in parts(args, "data")[:_MOST_INPUTS]:
            if inference.running is None or recorder.objects.get(thing) is not None:
                use_object(recorder, inference.activity, thing, at, role if len(args) > 1 else "data")

    def _wait_for(self, module: Any, inference: _Inference | None) -> None:
        """State what this call gives, once it has; what it raises comes out as of a call without hooks."""
        torch = self._torch
        self.release()
        if isinstance(module, torch.jit.ScriptModule) or type(module).__name__ == "OptimizedModule":
            return
        if torch._C._get_tracing_state():
            return
        others = any(getattr(torch.nn.modules.module, f"_global_{name}") for name in _HOOKS)
        others = others or any(getattr(module, f"_{name}") for name in _HOOKS)

        def gave(_called: Any, _args: Any, kwargs: Any, result: Any) -> None:
            self._waits = None
            handle.remove()
            error = sys.exception()
            if result is not None and inference is not None:
                self._guard(self._gave, inference, kwargs, result)
            elif error is not None and not others:
                self._guard(mend, error, module)

        gave._torchdynamo_disable = True  # type: ignore[attr-defined]
        handle = module.register_forward_hook(gave, with_kwargs=True, always_call=True)
        self._waits = module, handle, others

    def _gave(self, inference: _Inference, kwargs: dict[str, Any], result: Any) -> None:
        recorder = self._recorder
        if inference is not self._open:
            return
        if kwargs:
            self._given(inference, kwargs)
        inference.last = at = time.time_ns()
        if isinstance(result, dict):
            result = dict(result)
        if inference.running is None or inference.calls == 1:
            state_predictions(recorder, inference.activity, inference.activity.used, result, at)
        self._again()
