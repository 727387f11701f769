"""TensorBoard: scalars and hyperparameters that a script gives its `SummaryWriter`.

`SummaryWriter.add_scalar`, `add_scalars` and `add_hparams` are wrapped while a run is recorded, of PyTorch's
writer (``torch.utils.tensorboard``) and of the package tensorboardX. A scalar of `add_scalars` is called
``main/tag``. Tested on TensorBoard 2.21 with PyTorch 2.13; where a writer has no such method, one warning
says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.heard import Undo, by_framework, heard, on_host, take_back, wrap
from trilha.capture.learning.fit import guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_undo: Undo = []


def begin(recorder: Recorder, library: Any) -> None:
    """Hear the calls of the writer in the module `library`."""
    writer = getattr(library, "SummaryWriter", None)
    missing = [name for name, wrapper in _PLACES.items() if not _attach(recorder, writer, name, wrapper)]
    if missing:
        recorder.complain(f"{library.__name__} has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """The writer is as it was."""
    take_back(recorder, _undo)


def _attach(recorder: Recorder, writer: Any, name: str, wrapper: Callable[..., Any]) -> bool:
    return wrap(recorder, _undo, writer, name, lambda original: wrapper(recorder, original))


def _scalar(recorder: Recorder, add_scalar: Any) -> Any:
    def add_and_record(
        self: Any, tag: Any, scalar_value: Any, global_step: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        scalar_value = on_host(scalar_value)
        result = add_scalar(self, tag, scalar_value, global_step, *args, **kwargs)
        guarded(recorder, _told, recorder, {tag: scalar_value}, global_step)
        return result

    return add_and_record


def _scalars(recorder: Recorder, add_scalars: Any) -> Any:
    def add_and_record(
        self: Any, main_tag: Any, tag_scalar_dict: Any, global_step: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if type(tag_scalar_dict) is dict:
            tag_scalar_dict = {tag: on_host(value) for tag, value in tag_scalar_dict.items()}
        result = add_scalars(self, main_tag, tag_scalar_dict, global_step, *args, **kwargs)
        values = {f"{main_tag}/{tag}": value for tag, value in dict(tag_scalar_dict).items()}
        guarded(recorder, _told, recorder, values, global_step)
        return result

    return add_and_record


def _told(recorder: Recorder, values: dict[Any, Any], step: Any) -> None:
    if not by_framework(recorder, "tensorboard"):
        heard(recorder).metrics("tensorboard", values, step)


def _hyperparameters(recorder: Recorder, add_hparams: Any) -> Any:
    def add_and_record(self: Any, hparam_dict: Any, *args: Any, **kwargs: Any) -> Any:
        # Its metrics come by add_scalar, which it calls.
        result = add_hparams(self, hparam_dict, *args, **kwargs)
        guarded(recorder, _chosen, recorder, hparam_dict)
        return result

    return add_and_record


def _chosen(recorder: Recorder, values: Any) -> None:
    if not by_framework(recorder, "tensorboard"):
        heard(recorder).hyperparameters(values)


_PLACES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "add_scalar": _scalar,
    "add_scalars": _scalars,
    "add_hparams": _hyperparameters,
}
