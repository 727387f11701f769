"""What libraries write to files and read from them: NumPy, pandas, pickle, json, joblib, skops, Matplotlib.

None of them has a hook for it. So the functions that do it are wrapped while a run is recorded, each in the
namespace that its documentation names; what another module has taken from there before the run began is
called as ever and not recorded. They give and raise what they did, and are as they were afterwards
(`trilha.capture.patches` tells what else stays the same).

Tested on NumPy 2.4, pandas 3.1, joblib 1.6, skops 0.16, Matplotlib 3.11, safetensors 0.8. What another
version does not have is not recorded, with one warning.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.handed import hide_frame
from trilha.capture.learning.fit import guarded
from trilha.capture.patches import Patches
from trilha.capture.stored import gave, wrote

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

Argument = tuple[int, str]
"""An argument of a function: its place, from 0, and its name."""
_patches: Final = Patches()
_going: Final[set[int]] = set()
"""Threads in which one of the functions is called: what it calls itself is a part of that."""
_FIRST: Final = (0, "")

_WRITERS: Final[dict[str, dict[str, tuple[Argument, Argument]]]] = {
    "pickle": {"dump": ((0, "obj"), (1, "file"))},
    "json": {"dump": ((0, "obj"), (1, "fp"))},
    "joblib.numpy_pickle": {"dump": ((0, "value"), (1, "filename"))},
    "skops.io": {"dump": ((0, "obj"), (1, "file"))},
    "safetensors.numpy": {"save_file": ((0, "tensor_dict"), (1, "filename"))},
    "numpy": {"savetxt": ((1, "X"), (0, "fname"))},
}
"""By library and function: which argument is written, and where to."""
_READERS: Final[dict[str, dict[str, Argument]]] = {
    "pickle": {"load": (0, "file")},
    "json": {"load": (0, "fp")},
    "joblib.numpy_pickle": {"load": (0, "filename")},
    "skops.io": {"load": (0, "file")},
    "safetensors.numpy": {"load_file": (0, "filename")},
    "numpy": {
        **dict.fromkeys(("load", "fromfile"), (0, "file")),
        **dict.fromkeys(("loadtxt", "genfromtxt"), (0, "fname")),
    },
    "pandas": {
        **dict.fromkeys(("read_csv", "read_table", "read_fwf", "read_pickle", "read_stata"), _FIRST),
        **dict.fromkeys(("read_json", "read_parquet", "read_feather", "read_orc", "read_excel"), _FIRST),
        **dict.fromkeys(("read_hdf", "read_xml", "read_sas", "read_spss"), _FIRST),
    },
}
"""By library and function: which argument is read from; a name is empty where it is the first one's."""
_ALSO: Final = {"joblib.numpy_pickle": ("joblib",)}
"""Modules that have the functions of another one by the same names."""
_TABLES: Final = (
    *("to_csv", "to_parquet", "to_json", "to_pickle", "to_feather", "to_excel", "to_hdf", "to_stata"),
    *("to_orc", "to_xml", "to_html", "to_latex", "to_string", "to_markdown"),
)
"""Methods of pandas' tables that write them; where to is the first argument."""


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to a library for `recorder`."""
    name = library.__name__
    owners = [library, *(sys.modules[one] for one in _ALSO.get(name, ()) if one in sys.modules)]
    missing = []
    wraps = [(one, _writing(*arguments)) for one, arguments in _WRITERS.get(name, {}).items()]
    whole = name == "safetensors.numpy"
    wraps += [(one, _reading(argument, whole=whole)) for one, argument in _READERS.get(name, {}).items()]
    for function, wrap in wraps:
        try:
            _patches.replace(recorder, owners, function, wrap)
        except AttributeError:
            missing.append(function)
    for further in _FURTHER.get(name, ()):
        try:
            further(recorder, library)
        except (AttributeError, ImportError) as error:
            missing.append(getattr(error, "name", None) or str(error))
    if missing:
        recorder.complain(f"{name} has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; the libraries are as they were."""
    _patches.end(recorder)


def forked(_recorder: Recorder) -> None:
    """In a forked child: what is written and read is recorded as in its parent."""


def _writing(thing: Argument, target: Argument) -> Callable[[Any], Callable[..., Any]]:
    """Wraps a function that writes one argument to what another one says."""
    return _writes(lambda args, kwargs: (_given(args, kwargs, thing), _given(args, kwargs, target)))


def _writes(
    find: Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Any]],
) -> Callable[[Any], Callable[..., Any]]:
    """Wraps a function that writes; `find` gives what it writes, and where to."""

    def tell(recorder: Recorder, _: Any, args: Any, kwargs: Any, began: int) -> None:
        thing, target = find(args, kwargs)
        wrote(recorder, thing, target, began)

    return lambda write: _telling(write, tell)


def _reading(source: Argument, *, whole: bool) -> Callable[[Any], Callable[..., Any]]:
    """Wraps a function that reads from what an argument says."""

    def wrap(read: Any) -> Callable[..., Any]:
        place, name = source
        if not name:
            name = read.__code__.co_varnames[place]

        def tell(recorder: Recorder, result: Any, args: Any, kwargs: Any, _: int) -> None:
            gave(recorder, result, _given(args, kwargs, (place, name)), whole=whole)

        return _telling(read, tell)

    return wrap


def _telling(function: Any, tell: Callable[[Recorder, Any, Any, Any, int], None]) -> Callable[..., Any]:
    """A function of whose outermost calls `tell` is told: what each gave, was given, and when it began."""

    def call_and_record(*args: Any, **kwargs: Any) -> Any:
        recorder, thread = process.recorder, get_ident()
        outermost = recorder is not None and thread not in _going
        if outermost:
            _going.add(thread)
        began = time.time_ns()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            if outermost:
                _going.discard(thread)
        if outermost and recorder is not None:
            guarded(recorder, tell, recorder, result, args, kwargs, began)
        return result

    return call_and_record


def _given(args: tuple[Any, ...], kwargs: dict[str, Any], argument: Argument) -> Any:
    """The value of an argument; None where it was not given."""
    place, name = argument
    return args[place] if len(args) > place else kwargs.get(name)


# -- NumPy's own formats


def _archives(recorder: Recorder, numpy: Any) -> None:
    """Arrays that are written to an archive, and those that are taken out of one, each when it is."""
    _patches.replace(recorder, [numpy], "save", _writes(_saved))
    for name in ("savez", "savez_compressed"):
        _patches.replace(recorder, [numpy], name, _writes(_archived))
    kind = numpy.lib.npyio.NpzFile

    def wrap(take: Any) -> Callable[..., Any]:
        def take_and_record(self: Any, key: Any) -> Any:
            try:
                found = take(self, key)
            except BaseException as error:
                hide_frame(error)
                raise
            now = process.recorder
            if now is not None:
                guarded(now, gave, now, found, getattr(self.zip, "fp", None), f"[{key}]")
            return found

        return take_and_record

    _patches.replace(recorder, [kind], "__getitem__", wrap)


def _saved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    return _given(args, kwargs, (1, "arr")), _with_suffix(_given(args, kwargs, (0, "file")), ".npy")


def _with_suffix(target: Any, suffix: str) -> Any:
    """A path as the function completes it that was given it."""
    if not isinstance(target, (str, os.PathLike)):
        return target
    path = os.fsdecode(os.fspath(target))
    return path if path.endswith(suffix) else path + suffix


def _archived(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    named = {name: one for name, one in kwargs.items() if name not in ("file", "allow_pickle")}
    return [*args[1:], *named.values()], _with_suffix(_given(args, kwargs, (0, "file")), ".npz")


# -- pandas' tables


def _tables(recorder: Recorder, pandas: Any) -> None:
    for kind in dict.fromkeys((*pandas.DataFrame.__mro__, *pandas.Series.__mro__)):
        for name in _TABLES:
            if name in vars(kind):
                _patches.replace(recorder, [kind], name, _writes(_table))


def _table(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    target = args[1] if len(args) > 1 else next(iter(_targets(kwargs)), None)
    return args[0], target


def _targets(kwargs: dict[str, Any]) -> Iterator[Any]:
    names = ("path_or_buf", "path", "buf", "excel_writer", "path_or_buffer")
    return (kwargs[name] for name in names if name in kwargs)


# -- Matplotlib's figures


def _figures(recorder: Recorder, figures: Any) -> None:
    def find(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        target = _given(args, kwargs, (1, "fname"))
        if isinstance(target, str) and not kwargs.get("format") and not os.path.splitext(target)[1][1:]:
            # As `FigureCanvasBase.print_figure` completes it.
            target = f"{target.rstrip('.')}.{args[0].canvas.get_default_filetype()}"
        return args[0], target

    _patches.replace(recorder, [figures.Figure], "savefig", _writes(find))


_FURTHER: Final[dict[str, tuple[Callable[[Recorder, Any], None], ...]]] = {
    "numpy": (_archives,),
    "pandas": (_tables,),
    "matplotlib.figure": (_figures,),
}
