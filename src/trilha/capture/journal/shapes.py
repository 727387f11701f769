"""Shapes: several statements that are said often, with holes for what differs.

A note defines a shape once in a journal; a *filled shape* then names it and gives the contents of its holes,
and stands for all its statements. A reader puts the contents in and has the statements as if each had been
written by itself. (A parallel engine states a dozen things of each of its tasks, which differ in a few
numbers.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["MOST_CELLS", "Hole", "Template", "fill_in", "template_of"]

MOST_CELLS: Final = 1024
"""A shape has at most so many cells, attributes counted each: so much longer than what is written may be what
is read."""


class Hole(NamedTuple):
    """Where the content of number `number` goes: an identifier, an argument, or the value of an attribute."""

    number: int


Template = tuple[tuple[Any, ...], ...]
"""Statements as plain cells, ``(kind, identifier, argument…, (key, value, …))``, with holes among them."""


def template_of(raw: Any) -> Template:
    """The template that a definition holds.

    Raises:
        ValueError: it is none, or too large.
    """
    if type(raw) not in (list, tuple) or not all(
        type(one) is list and len(one) > 2 and type(one[0]) is int and type(one[-1]) is list for one in raw
    ):
        raise ValueError("a shape that is no list of statements")
    if sum(len(one) + len(one[-1]) for one in raw) > MOST_CELLS:
        raise ValueError(f"a shape of more than {MOST_CELLS} cells")
    if any(len(one[-1]) % 2 for one in raw):
        raise ValueError("attributes without a value")
    return tuple((*one[:-1], tuple(one[-1])) for one in raw)


def fill_in(template: Template, contents: Sequence[Any]) -> Iterator[list[Any]]:
    """The statements of a template, each as a list of cells; an attribute without a content is left out.

    Raises:
        IndexError: there are fewer contents than holes.
    """
    for *cells, flat in template:
        filled: list[Any] = [contents[cell[0]] if type(cell) is Hole else cell for cell in cells]
        attributes: list[Any] = []
        for place in range(0, len(flat), 2):
            value = flat[place + 1]
            if type(value) is Hole:
                value = contents[value[0]]
                if value is None:
                    continue
            attributes += (flat[place], value)
        filled.append(attributes)
        yield filled
