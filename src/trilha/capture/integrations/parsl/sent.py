"""The program's functions go to Parsl's workers with their own code, without the hooks that tell of calls.

A worker knows nothing of these hooks, which take two thirds of what is sent for a task of a small function.
Where it listens: the table of dill, which takes the code of a function apart for Parsl.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any

from trilha.capture.context import own_code_of, own_codes, process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["send_own_code"]


def send_own_code(recorder: Recorder) -> Callable[[], None]:
    """Have dill get functions' own code until what is given back is called."""
    table = getattr(getattr(sys.modules.get("dill._dill"), "Pickler", None), "dispatch", None)
    if not own_codes or not isinstance(table, dict) or CodeType not in table:
        return lambda: None
    save = table[CodeType]

    def save_own_code(pickler: Any, code: CodeType) -> Any:
        if process.recorder is recorder:
            try:
                code = own_code_of(code)
            except Exception:
                recorder.failed()
        return save(pickler, code)

    def undo() -> None:
        if table.get(CodeType) is save_own_code:
            table[CodeType] = save

    table[CodeType] = save_own_code
    return undo
