"""Distributed training with PyTorch: which rank this process is.

Under torchrun the environment says so before the program begins (`trilha.capture.joining`). Where a program
starts its ranks itself, by `torch.multiprocessing` say, each of them tells when it joins its process group:
`torch.distributed.init_process_group` is wrapped while a run is recorded, and gives back what it gave before.
From then on what the process does lies under the activity of its rank. Tested on torch 2.11 and 2.13.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import joining, session
from trilha.capture.context import Quiet, current_activity, enter, process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_NAME: Final = "init_process_group"


def begin(recorder: Recorder, library: Any) -> None:  # noqa: ARG001 -- as every integration
    """Listen to `torch.distributed` for `recorder`."""
    original = getattr(library, _NAME, None)
    if original is None:
        return  # built without it

    @functools.wraps(original)
    def init_and_record(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        here = process.recorder
        if here is not None:
            try:
                with Quiet():
                    _joined(here, library)
            except Exception:
                here.failed()
        return result

    places = [
        place
        for place in (library, getattr(library, "distributed_c10d", None))
        if getattr(place, _NAME, None) is original
    ]
    for place in places:
        setattr(place, _NAME, init_and_record)

    def undo() -> None:
        for place in places:
            if getattr(place, _NAME, None) is init_and_record:
                setattr(place, _NAME, original)

    _undo.append(undo)


def end(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """Stop listening; `torch.distributed` is as it was."""
    while _undo:
        _undo.pop()()


_undo: list[Callable[[], None]] = []


def _joined(recorder: Recorder, library: Any) -> None:
    """This process is a member of a group now."""
    if not library.is_initialized() or recorder.rank is not None:
        return
    rank = library.get_rank()
    about = ["trilha:rank", rank, "trilha:world_size", library.get_world_size()]
    local = os.environ.get("LOCAL_RANK", "")
    if local.isascii() and local.isdigit():
        about += ["trilha:local_rank", int(local)]
    about += ["trilha:pid", os.getpid()]
    joining.enter_process(recorder, f"rank {rank}", *about)
    session.invite(recorder)  # what it starts from now on is started by its rank
    if current_activity.get() is not None:
        enter(recorder.run)
