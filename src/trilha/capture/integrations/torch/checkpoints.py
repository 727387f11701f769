"""Checkpoints that several ranks write together, a file or more a rank (`torch.distributed.checkpoint`).

`save` and `load` are wrapped while a run is recorded. What `save` gives back, the checkpoint's metadata,
names the files, so that those of this rank are known; each is derived from the models whose parameters were
saved.
`load` puts what it reads into the tensors that it is given: the models that it changed are derived from the
files that this rank read, or else those tensors are. Tested on torch 2.11 and 2.13.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current, process
from trilha.capture.integrations import torch as ours
from trilha.capture.learning.fit import guarded
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_METADATA: Final = ".metadata"
_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to the `state_dict_saver`, or `state_dict_loader`, of `torch.distributed.checkpoint`."""
    if library.__name__.endswith("loader"):
        _patches.wrap(recorder, library, "load", _loading(library.load))
        return
    save = library.save

    def save_and_record(*arguments: Any, **named: Any) -> Any:
        metadata = save(*arguments, **named)
        here = process.recorder
        if here is not None:
            guarded(here, _saved, here, metadata, *arguments, **named)
        return metadata

    _patches.wrap(recorder, library, "save", save_and_record)


def end(recorder: Recorder) -> None:
    """Stop listening; the library is as it was."""
    _patches.end(recorder)


def _saved(
    recorder: Recorder,
    metadata: Any,
    state_dict: Any,
    *_: Any,
    checkpoint_id: Any = None,
    storage_writer: Any = None,
    process_group: Any = None,
    **__: Any,
) -> None:
    """State the files of a checkpoint that this rank wrote, where they lie in a folder here."""
    folder = checkpoint_id if checkpoint_id is not None else getattr(storage_writer, "path", None)
    if not isinstance(folder, (str, os.PathLike)) or not os.path.isdir(folder):
        return
    import torch.distributed as dist

    rank = dist.get_rank(process_group) if dist.is_available() and dist.is_initialized() else 0
    names = {str(info.relative_path) for info in (metadata.storage_data or {}).values()}
    mine = sorted(name for name in names if name.startswith(f"__{rank}_"))
    for name in (*mine, _METADATA) if rank == 0 else mine:
        ours.saved(recorder, state_dict, os.path.abspath(os.path.join(os.fspath(folder), name)))


def _loading(load: Any) -> Any:
    def load_and_record(*arguments: Any, **named: Any) -> Any:
        here = process.recorder
        marks = guarded(here, ours.marks, here) if here is not None else None
        result = load(*arguments, **named)
        if here is not None and marks is not None:
            guarded(here, _loaded, here, marks, *arguments, **named)
        return result

    return load_and_record


def _loaded(
    recorder: Recorder,
    marks: Any,
    state_dict: Any,
    *_: Any,
    checkpoint_id: Any = None,
    storage_reader: Any = None,
    **__: Any,
) -> None:
    """State what the files of a checkpoint that this rank read were put into."""
    folder = checkpoint_id if checkpoint_id is not None else getattr(storage_reader, "path", None)
    if not isinstance(folder, (str, os.PathLike)) or not os.path.isdir(folder):
        return
    folder = os.path.abspath(os.fspath(folder))
    used = current(recorder).used
    found = [recorder.files.entity_at(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    files = [entity for entity in found if entity is not None and entity in used]
    ours.restored(recorder, state_dict, os.path.basename(folder), files, marks)
