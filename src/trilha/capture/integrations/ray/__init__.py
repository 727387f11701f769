"""Ray: each call of a remote function or of an actor's method, each attempt, and what the references hold.

Ray gives every call, every object and every actor an identifier that all of its processes know. Ours are made
of these (`names`), so that nothing of ours travels with a task: the process that calls states the call
(`calls`), the one that executes it states the attempt, the result and the actor's state (`executing`,
`actors`), and whichever gets hold of a value states where it went (`references`). Workers join the run by the
environment, or by Ray's own hook for new workers (`joining`). Tested on Ray 2.60.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trilha.capture.integrations.ray import calls, executing, joining, references
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to the Ray of this process, whether it calls, executes, or both."""
    for part in (references, calls, executing, joining):
        try:
            part.begin(recorder, _patches)
        except AttributeError as error:
            version = getattr(library, "__version__", "?")
            recorder.complain(f"Ray {version} has changed: part of it cannot be recorded ({error})")


def end(recorder: Recorder) -> None:
    """Stop listening."""
    _patches.end(recorder)
    references.forget()
