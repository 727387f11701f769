"""How a table is told on a terminal that is too narrow for it, so that no cell loses its words.

What all rows say alike is told once, above; texts are broken into a few lines; and where that is not enough,
rows are told one below the other, a line for each cell (as psql's ``expanded auto`` does).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from unicodedata import category, combining, east_asian_width

__all__ = ["GAP", "Fitted", "cells_of", "fit"]

GAP: Final = 2
"""Spaces between columns."""
_NARROWEST: Final = 10
"""So wide a column of texts is at least, if there is so much in it."""
_MOST_LINES: Final = 4
"""Of so many lines at most a cell is in a table."""


class Fitted(NamedTuple):
    """How the rows are told.

    Attributes:
        alike: the columns that say the same in all rows, which is told once.
        columns: the others.
        widths: of these; None if rows are told one below the other.
    """

    alike: list[int]
    columns: list[int]
    widths: list[int] | None


def fit(rows: Sequence[Sequence[str]], header: Sequence[str], right: frozenset[int], width: int) -> Fitted:
    """How a table is told in `width` characters.

    Args:
        rows: its cells, as many in each row as there are titles.
        header: its titles.
        right: the columns that are set to the right, whose cells are never broken.
        width: of the terminal.
    """
    every = range(len(header))
    natural = [max(cells_of(header[at]), *(cells_of(row[at]) for row in rows)) for at in every]
    if _sum(natural) <= width:
        return Fitted([], list(every), natural)
    alike = [at for at in every if len(rows) > 1 and len({row[at] for row in rows}) == 1]
    columns = [at for at in every if at not in alike]
    widths = {at: natural[at] for at in columns}
    while _sum(widths.values()) > width:
        broken = [at for at in columns if at not in right and widths[at] > _NARROWEST]
        if not broken:
            return Fitted(alike, columns, None)
        widths[max(broken, key=widths.__getitem__)] -= 1
    lines = (cells_of(row[at]) / widths[at] for row in rows for at in columns if widths[at])
    if max(lines, default=0) > _MOST_LINES:
        return Fitted(alike, columns, None)
    return Fitted(alike, columns, [widths[at] for at in columns])


def cells_of(text: str) -> int:
    """How many columns of a terminal a text takes: Chinese, Japanese and Korean characters take two.

    Source: Unicode Standard Annex 11, "East Asian Width".
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(one) or category(one) in ("Mn", "Me", "Cf") else 1 + (east_asian_width(one) in "WF")
        for one in text
    )


def _sum(widths: Collection[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
