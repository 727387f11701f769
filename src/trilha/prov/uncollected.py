"""Reading and checking without interruption by Python's collector of cyclic garbage.

A document has no cycles, but millions of tuples; the collector would look through all of them again and again
while they are made, a third of the time at a million statements.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Within it, the collector rests; afterwards it is as it was. Memory is freed as ever but for cycles."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
