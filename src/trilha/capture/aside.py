"""Modules of the program's own go before ours of the same name.

We import more of the standard library than Python does by itself. Where the program would have found a module
of its own by such a name (``random.py``, ``queue.py``), it still does; ours keep theirs.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

from trilha.capture.nearby import beside

__all__ = ["step_aside"]

_LATER: Final = (
    *("hashlib", "importlib.metadata", "inspect", "json", "platform", "runpy", "shlex", "subprocess"),
    *("traceback", "uuid"),
)
"""Modules of the standard library that we, or those that we import, import only when they are needed."""
_NEVER: Final = frozenset(
    ["antigravity", "idlelib", "lib2to3", "pydoc_data", "test", "this", "tkinter", "turtle", "turtledemo"]
)
"""Those that nothing of this imports: a folder of tests is beside many a script."""


def step_aside(place: str, before: frozenset[str]) -> None:
    """Let modules that lie in the folder `place` go before ours of the same name.

    Args:
        place: where the program finds its modules: beside the script, or where it is run.
        before: names of the modules that were imported before we were.
    """
    ours = {name.partition(".")[0] for name in sys.modules.keys() - before} - {"trilha", "__main__"}
    near = beside(place, (ours | sys.stdlib_module_names) - _NEVER)
    if not near:
        return
    for name in _LATER:
        importlib.import_module(name)
    tops = near & {name.partition(".")[0] for name in sys.modules.keys() - before} - {"trilha", "__main__"}
    for name in [name for name in sys.modules if name.partition(".")[0] in tops and name not in before]:
        del sys.modules[name]
