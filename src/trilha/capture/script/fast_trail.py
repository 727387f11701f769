"""The log of traced code by way of `trilha_recorder`, which is in C, where that is installed.

What happens seldom (a definition, an exception, a key that is no number or text) is done in Python, as by
`trilha.capture.script.trail`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from trilha.capture.extensions import extension
from trilha.capture.script.labels import Labels
from trilha.capture.script.texts import surroundings, text_of
from trilha.capture.script.trail import Trail

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder


__all__ = ["FastTrail"]


class FastTrail(Trail):
    """The log of one process; only one of a process can be active.

    Args:
        write: takes whole bytes of the log, in order.

    Raises:
        ImportError: `trilha_recorder` is not installed, or for another version of Trilha.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__(write)
        self._fast: Any = extension("trilha_recorder")
        if self._fast is None:
            raise ImportError("there is no trilha_recorder for this version of Trilha")
        self.put = self._fast.put  # type: ignore[method-assign]
        self.reference = self._fast.reference  # type: ignore[method-assign]
        self.flush = self._fast.flush  # type: ignore[method-assign]
        self._labels = Labels(self.put, self.text)
        self._fast.start(write, self.key, self.described, text_of, surroundings)
        self._fast.know(self.bases)

    def text(self, kind: int, text: str | bytes, *numbers: int, behind: Sequence[int] = ()) -> None:
        """Log a record with a text behind its numbers, and other numbers behind that."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        self._fast.put(kind, *numbers, len(data), data, *behind)

    def _forget_keys(self) -> None:
        super()._forget_keys()
        self._fast.forget_keys()

    def hooks(self) -> dict[str, Any]:
        """The hooks by name."""
        found, fast = super().hooks(), self._fast
        found |= dict.fromkeys(["into", "result", "receiver"], fast.through)
        found |= {"block": fast.block, "item": fast.item, "getitem": fast.getitem, "getattr": fast.getattr}
        found |= {"each": fast.each, "place": fast.place, "release": fast.release}
        found |= {"key": fast.key, "enter": fast.enter, "begin": fast.begin, "resume": fast.resume}
        found |= {"called": fast.called, "outside": fast.outside, "left": fast.block, "value": fast.value}
        return found | {"next": fast.next, "raised": fast.raised, "other": fast.over}

    def telling(self, recorder: Recorder, known: Callable[..., None]) -> Callable[..., None]:
        """What tells that an object is an entity: it calls `known` for what is not as it mostly is."""
        made: Callable[..., None] = self._fast.known(recorder, self.paths, known)
        return made

    def rehearse(self) -> None:
        """Go through the hooks with nothing logged: the program's first statements find what they need."""
        getattr(self._fast, "rehearse", int)()

    def leave(self) -> None:
        """In a forked child: the log is the parent's."""
        self.active = False
        self._fast.stop(True)

    def stop(self) -> None:
        """Log no more; what was, is written out, and that nothing is missing behind it."""
        super().stop()
        self._fast.stop(False)
