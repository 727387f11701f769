"""What runs when a class is made, and what it is given: the words of the definition, what its body bound.

A metaclass' `__new__` and `__init__` get the class's name, its bases and its namespace, and the words of the
definition; so does `__init_subclass__` of a base get the words, but for `metaclass`.

Source: Python Language Reference, "Customizing class creation".
"""

from __future__ import annotations

from typing import Any, Final

from trilha.trace.evaluations import Role, Source
from trilha.trace.heap import Value, number_of
from trilha.trace.waiting import Call

__all__ = ["Making"]

_GIVEN_SPACE: Final = frozenset(["__new__", "__init__"])
_GIVEN_WORDS: Final = _GIVEN_SPACE | {"__prepare__", "__init_subclass__"}
_SPACE: Final = 3
"""Which parameter the namespace is bound to."""


class Making(Call):
    """The making of a class.

    Args:
        words: of the definition, but for `metaclass`, and their values; None for what two stars give.
        parts: what the body bound, by name.
    """

    __slots__ = ("parts", "words")

    def __init__(self, words: list[tuple[str | None, Value]], parts: dict[str, Value]) -> None:
        super().__init__(0, None, None, ())
        self.words, self.parts = words, parts

    def bound(self, known: Any, name: str) -> dict[str, tuple[Source, ...]]:
        """Which of this goes to which parameter of a function that runs meanwhile.

        Args:
            known: of the function: name, parameters, positional ones, those behind one star and two stars, …
            name: of the function.
        """
        if name not in _GIVEN_WORDS:
            return {}
        _, names, positional, _, stars, *_ = known
        found: dict[str, tuple[Source, ...]] = {}
        for word, value in self.words:
            if not number_of(value):
                continue
            if word is not None and word in names:
                found[word] = (Source(number_of(value), Role.VALUE, None, True),)
            elif stars:
                found[stars] = (*found.get(stars, ()), Source(number_of(value), Role.MEMBER, word))
        if name in _GIVEN_SPACE and len(positional) > _SPACE:
            bound = ((key, number_of(one)) for key, one in self.parts.items())
            found[positional[_SPACE]] = tuple(
                Source(number, Role.MEMBER, repr(key)) for key, number in bound if number
            )
        return found
