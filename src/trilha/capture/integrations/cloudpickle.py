"""Functions that cloudpickle takes apart go with the program's own code, without the hooks of calls.

Who gets them (workers of Dask, of Ray, of loky) knows nothing of these hooks, which are most of what is sent
for a small function. Where it listens: the table in which `CloudPickler` finds what takes code apart; Ray has
a copy of the library. Tested on cloudpickle 3.1; a version without that table sends the hooks along, by which
nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import own_code_of, process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_undo: Final[list[tuple[Recorder, Callable[[], None]]]] = []


def begin(recorder: Recorder, library: Any) -> None:
    """Have one copy of the library get functions' own code, for `recorder`."""
    table = getattr(getattr(library, "CloudPickler", None), "_dispatch_table", None)
    if not isinstance(table, dict) or CodeType not in table:
        return
    reduce = table[CodeType]

    def reduce_own_code(code: CodeType) -> Any:
        if process.recorder is recorder:
            try:
                code = own_code_of(code)
            except Exception:
                recorder.failed()
        return reduce(code)

    def undo() -> None:
        if table.get(CodeType) is reduce_own_code:
            table[CodeType] = reduce

    table[CodeType] = reduce_own_code
    _undo.append((recorder, undo))


def end(recorder: Recorder) -> None:
    """The library is as it was."""
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()
