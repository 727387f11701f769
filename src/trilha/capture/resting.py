"""The collector of cyclic garbage rests while a recording begins.

What is imported and made then stays until the process ends, so that to look through it finds nothing. What is
more, each look brings the next look through everything nearer, which takes 80 ms once PyTorch is there.
`trilha.prov.uncollected` is not asked for it: it lies in a package whose import is to be within the rest.
"""

from __future__ import annotations

import _thread
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from trilha.capture.context import own_threads

__all__ = ["at_rest"]


@contextmanager
def at_rest() -> Iterator[None]:
    """Within it the collector rests, unless another thread of the program could want it otherwise."""
    rests = gc.isenabled() and _thread._count() <= len(own_threads)
    if rests:
        gc.disable()
    try:
        yield
    finally:
        if rests:
            gc.enable()
