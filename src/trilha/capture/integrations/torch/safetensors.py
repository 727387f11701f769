"""Checkpoints in the format of Safetensors: `safetensors.torch.save_file` and `load_file`.

They are written and read in Rust, which tells Python nothing of it. Tested on safetensors 0.8.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.handed import hide_frame
from trilha.capture.integrations.torch import saved
from trilha.capture.learning.fit import guarded
from trilha.capture.patches import Patches
from trilha.capture.stored import gave

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to `safetensors.torch` for `recorder`."""
    for name, told in ("save_file", _written), ("load_file", _read):
        try:
            _patches.replace(recorder, [library], name, _telling(told))
        except AttributeError:
            recorder.complain(f"{library.__name__} has changed: {name} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; the library is as it was."""
    _patches.end(recorder)


def forked(_recorder: Recorder) -> None:
    """In a forked child: what is written and read is recorded as in its parent."""


def _telling(tell: Callable[..., None]) -> Callable[[Any], Callable[..., Any]]:
    def wrap(function: Any) -> Callable[..., Any]:
        def call_and_record(*args: Any, **kwargs: Any) -> Any:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                raise
            recorder = process.recorder
            if recorder is not None:
                guarded(recorder, tell, recorder, result, args, kwargs)
            return result

        return call_and_record

    return wrap


def _written(recorder: Recorder, _: None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    tensors = args[0] if args else kwargs["tensors"]
    path = args[1] if len(args) > 1 else kwargs["filename"]
    saved(recorder, tensors, os.path.abspath(os.fsdecode(path)))


def _read(recorder: Recorder, state: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    gave(recorder, state, args[0] if args else kwargs["filename"], whole=True)
