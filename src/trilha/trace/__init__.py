"""What a script did, evaluation by evaluation: read back from a journal, asked, and stated as PROV.

`evaluations` has the words; how a trace is written while a script runs is `capture.script`'s.

The package itself may be called: as ``@trilha.trace`` it is the decorator of `capture.script.decorated`.
"""

import sys
import types
from typing import Any


class _Decorator(types.ModuleType):
    def __call__(self, target: Any) -> Any:
        """Trace a function or class: see `trilha.capture.script.decorated.trace`."""
        from trilha.capture.script.decorated import trace

        return trace(target)


sys.modules[__name__].__class__ = _Decorator
