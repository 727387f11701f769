"""h5py: files of HDF5 that are opened, and arrays that are written to and read from their data sets.

HDF5 opens files by itself, so Python tells of none of them. `File`, `Group.create_dataset`, and what reads
and writes parts of a `Dataset` are wrapped while a run is recorded; they give and raise what they did. The
first 1,024 parts that a run reads, and those that it writes, are looked at: programs do it for each sample.

Tested on h5py 3.14. What another version does not have is not recorded, with one warning.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.handed import hide_frame
from trilha.capture.learning.fit import guarded
from trilha.capture.patches import Patches, unseen
from trilha.capture.stored import gave, wrote

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_MOST_PARTS: Final = 1024
_FLAGS: Final = {
    "r": os.O_RDONLY,
    "r+": os.O_RDWR,
    "a": os.O_RDWR | os.O_CREAT,
    "w": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "w-": os.O_RDWR | os.O_CREAT | os.O_EXCL,
    "x": os.O_RDWR | os.O_CREAT | os.O_EXCL,
}
"""How a file is opened, by h5py's mode."""
_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to h5py for `recorder`."""
    places = (
        ("File", "__init__", _opening),
        ("Group", "create_dataset", _creating),
        ("Dataset", "__setitem__", _writing),
        ("Dataset", "__getitem__", _reading),
        ("Dataset", "__array__", _reading),
    )
    for kind, method, wrap in places:
        try:
            owner = getattr(library, kind)
            _patches.wrap(recorder, owner, method, unseen(wrap(getattr(owner, method))))
        except AttributeError:
            recorder.complain(f"h5py has changed: {kind}.{method} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; h5py is as it was."""
    _patches.end(recorder)


def _opening(make: Any) -> Callable[..., None]:
    def open_and_record(self: Any, name: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> None:
        recorder = process.recorder
        # Before it is opened, as with Python's own files: what was there before is known only then.
        if recorder is not None and isinstance(name, (str, bytes, os.PathLike)):
            guarded(recorder, _opened, recorder, name, mode)
        try:
            make(self, name, mode, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return open_and_record


def _opened(recorder: Recorder, name: Any, mode: Any) -> None:
    flags = _FLAGS.get(mode)
    if flags is not None:
        recorder.files.opened(os.path.abspath(os.fsdecode(os.fspath(name))), flags)


def _creating(create: Any) -> Callable[..., Any]:
    def create_and_record(
        self: Any, name: Any, shape: Any = None, dtype: Any = None, data: Any = None, **kwargs: Any
    ) -> Any:
        began = time.time_ns()
        try:
            made = create(self, name, shape, dtype, data, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        recorder = process.recorder
        if recorder is not None and data is not None:
            guarded(recorder, _wrote, recorder, self, data, began)
        return made

    return create_and_record


def _writing(write: Any) -> Callable[..., None]:
    looked_at = itertools.count()

    def write_and_record(self: Any, args: Any, val: Any) -> None:
        began = time.time_ns()
        try:
            write(self, args, val)
        except BaseException as error:
            hide_frame(error)
            raise
        recorder = process.recorder
        if recorder is not None and next(looked_at) < _MOST_PARTS:
            guarded(recorder, _wrote, recorder, self, val, began)

    return write_and_record


def _wrote(recorder: Recorder, place: Any, thing: Any, began: int) -> None:
    wrote(recorder, thing, place.file.filename, began)


def _reading(read: Any) -> Callable[..., Any]:
    looked_at = itertools.count()

    def read_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            found = read(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        recorder = process.recorder
        if recorder is not None and next(looked_at) < _MOST_PARTS:
            guarded(recorder, _gave, recorder, self, found)
        return found

    return read_and_record


def _gave(recorder: Recorder, dataset: Any, found: Any) -> None:
    gave(recorder, found, dataset.file.filename, f"[{dataset.name}]")
