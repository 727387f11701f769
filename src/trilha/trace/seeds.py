"""Random numbers that come from a state which functions of a library share, and the calls that set it.

What `random.random()` gives comes from the last `random.seed(…)`, though nothing was handed from the one to
the other, and from each call that took random numbers between the two, which stepped the state.

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
    """Tells which call set, or stepped, the state that random numbers came from.

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
        self._set, self._stepped = dict[str, list[int]](), dict[str, list[int]]()
        for state, components in setting.items():
            drawing = [one for one, drawn in self._drawing.items() if drawn == state]
            self._set[state] = sorted(at for one in components for at in traced.of_component(one))
            self._stepped[state] = sorted(
                at for one in (*components, *drawing) for at in traced.of_component(one)
            )

    def seeded_by(self, number: int) -> list[int]:
        """The call that set or stepped the state last of which a call took random numbers.

        What stepped it comes itself of what did before.
        """
        drawn = self._drawing.get(self._traced.component_number(number)) if self._set else None
        if drawn is None or not self._is_set(drawn, number):
            return []
        calls = self._stepped[drawn]
        at = bisect_left(calls, number)
        return calls[at - 1 : at] if at else []

    def drawn_after(self, number: int) -> Iterator[int]:
        """The call that took random numbers next of a state that a call had set or stepped."""
        for calls in self._stepped.values():
            at = bisect_left(calls, number)
            if at + 1 < len(calls) and calls[at] == number and number in self.seeded_by(calls[at + 1]):
                yield calls[at + 1]

    def _is_set(self, state: str, number: int) -> bool:
        """Whether a state was set before an evaluation."""
        calls: list[int] = self._set.get(state, [])
        return any(one < number for one in calls[:1])


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
