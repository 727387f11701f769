"""Models that an optimiser's step changes, for a trace down to the variable: it knows by which step."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trilha.capture.integrations.torch.models import Models

if TYPE_CHECKING:
    from collections.abc import Callable

    from trilha.capture.recorder import Recorder

__all__ = ["follow"]


def follow(recorder: Recorder, optimizers: Any, models: Models) -> Callable[[], None]:
    """Have a trace tell which models each step of an optimiser changed.

    Args:
        recorder: of the run, which has a trace.
        optimizers: the module `torch.optim.optimizer`.
        models: the program's models.

    Returns:
        Ends it.
    """
    trained: weakref.WeakKeyDictionary[Any, list[weakref.ref[Any]]] = weakref.WeakKeyDictionary()

    def after_step(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        try:
            known = trained.get(optimizer)
            if known is None:
                known = trained[optimizer] = [weakref.ref(one) for one in models.trained_by(optimizer)]
            for reference in known:
                model = reference()
                if model is not None:
                    recorder.join.changed(model)
        except Exception:
            recorder.failed()

    after_step._torchdynamo_disable = True  # type: ignore[attr-defined]
    handle = optimizers.register_optimizer_step_post_hook(after_step)
    remove: Callable[[], None] = handle.remove
    return remove
