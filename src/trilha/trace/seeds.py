"""Random numbers that come from a state which functions of a library share, and the calls that set it.

What `random.random()` gives comes from the last `random.seed(…)`, though nothing was handed from the one to
the other. Who else took random numbers between the two stepped the state; that is not followed here.

Source: the Python Library Reference, `random`; NumPy, "Legacy random generation"; PyTorch, "Reproducibility".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Kind
from trilha.trace.states import States
from trilha.trace.traced import Traced

__all__ = ["Seeds"]

_SETTING: Final = {
    "random": ("random.seed", "random.setstate"),
    "numpy": ("numpy.random.seed", "numpy.random.set_state"),
    "torch": ("torch.manual_seed", "torch.random.manual_seed", "torch.set_rng_state"),
    "tensorflow": ("tensorflow.random.set_seed",),
}
_SETTING_ALL: Final = ("seed_everything", "set_seed", "set_random_seed")
"""Functions, of whichever library, that set all of them."""
_WORDS: Final = ("seed", "setstate", "set_state", "set_rng_state")
"""One of which is in the name of each function that sets such a state."""
_DRAWING: Final = {
    "random": ("random.",),
    "numpy": ("numpy.random.",),
    "torch": (
        *("torch.rand", "torch.normal", "torch.bernoulli", "torch.multinomial", "torch.nn."),
        *("torch.utils.data.DataLoader", "torch.utils.data.random_split"),
    ),
    "tensorflow": ("tensorflow.random.", "tensorflow.keras.", "keras."),
}
"""How the names of the functions begin that take random numbers of a state."""
_APART: Final = frozenset(
    ["Random", "SystemRandom", "default_rng", "RandomState", "Generator", "SeedSequence"]
)
"""Functions that make states of their own."""


class Seeds:
    """Tells which call set the state that random numbers came from.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._drawing: dict[int, str] = {}
        setting: dict[str, list[int]] = {}
        sets = any(word in text for text in traced.texts.values() for word in _WORDS)
        texts = traced.texts.items() if sets else ()
        states = {path: States(parsed(text)) for path, text in texts}
        for number, one in traced.components.items() if states else ():
            if one.kind is not Kind.CALL or one.file not in states:
                continue
            name = states[one.file].full_name(one.text)
            for state in _set_by(name):
                setting.setdefault(state, []).append(number)
            if (drawn := _drawn_by(name)) is not None:
                self._drawing[number] = drawn
        self._set = {
            state: sorted(at for one in components for at in traced.of_component(one))
            for state, components in setting.items()
        }

    def seeded_by(self, number: int) -> list[int]:
        """The call that set the state last of which a call took random numbers; none if none did."""
        drawn = self._drawing.get(self._traced.component_number(number)) if self._set else None
        calls = self._set.get(drawn, []) if drawn is not None else []
        at = bisect_left(calls, number)
        return calls[at - 1 : at] if at else []

    def drawn_after(self, number: int) -> Iterator[int]:
        """The calls that took random numbers of a state that a call had set last."""
        for state, calls in self._set.items():
            at = bisect_left(calls, number)
            if at == len(calls) or calls[at] != number:
                continue
            until = calls[at + 1] if at + 1 < len(calls) else self._traced.end
            for component in [one for one, drawn in self._drawing.items() if drawn == state]:
                yield from (one for one in self._traced.of_component(component) if number < one < until)


def _set_by(name: str) -> Iterator[str]:
    """The states that a function sets."""
    everything = name.rpartition(".")[2] in _SETTING_ALL
    for state, names in _SETTING.items():
        if name in names or (everything and "." in name):
            yield state


def _drawn_by(name: str) -> str | None:
    """The state of which a function takes random numbers; None if it takes none."""
    if name.rpartition(".")[2] in _APART or any(True for _ in _set_by(name)):
        return None
    return next((state for state, begins in _DRAWING.items() if name.startswith(begins)), None)
