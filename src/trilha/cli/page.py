"""What a command prints: lines, tables and trees, as plain text into a pipe and with Rich on a terminal.

Every text goes through `visible` here, at the one place where things are printed, so that no label of a
recorded program can steer the reader's terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trilha.cli.fitting import GAP, cells_of, fit
from trilha.query.wording import visible

if TYPE_CHECKING:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree as RichTree

__all__ = ["Line", "Page", "Span", "Tree"]

Span = tuple[str, str]
"""A text and its style: ``""``, ``name``, ``faint``, ``good``, ``bad``, ``odd`` or ``head``."""
Line = Sequence[Span | str]

_LONGEST = 2000
_STYLES = {
    "name": "bold",
    "faint": "dim",
    "good": "green",
    "bad": "red",
    "odd": "yellow",
    "head": "bold cyan",
}


class Tree:
    """Lines, and what hangs on them.

    Attributes:
        lines: of the tree's own.
        branches: below.
    """

    __slots__ = ("branches", "lines")

    def __init__(self, lines: list[Line], branches: list[Tree] | None = None) -> None:
        self.lines = lines
        self.branches = branches if branches is not None else []


class Page:
    """Collects what is to be printed, and prints it."""

    def __init__(self) -> None:
        self._blocks: list[tuple[str, Any]] = []

    def line(self, *spans: Span | str) -> None:
        """One line; an empty one without spans."""
        self._blocks.append(("line", spans))

    def heading(self, text: str, *more: Span | str) -> None:
        """An empty line and a heading."""
        self._blocks.append(("line", ()))
        self._blocks.append(("line", ((text, "head"), *more)))

    def table(
        self, rows: Iterable[Sequence[Span | str]], header: Sequence[str] = (), right: Sequence[int] = ()
    ) -> None:
        """Rows in columns.

        Args:
            rows: cells, each a text or a span.
            header: of the columns; none if empty.
            right: numbers of the columns that are set to the right.
        """
        kept = list(rows)
        if kept:
            self._blocks.append(("table", (kept, tuple(header), frozenset(right))))

    def tree(self, tree: Tree) -> None:
        """A tree."""
        self._blocks.append(("tree", tree))

    def print(self) -> None:
        """Print all of it to the standard output."""
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            self._print_rich()
        else:
            for text in self._plain():
                sys.stdout.write(text.rstrip() + "\n")

    # -- plain -----------------------------------------------------------------------------------------------

    def _plain(self) -> Iterator[str]:
        for kind, block in self._blocks:
            if kind == "line":
                yield _joined(block)
            elif kind == "table":
                yield from _plain_table(*block)
            else:
                yield from _plain_tree(block)

    # -- on a terminal ---------------------------------------------------------------------------------------

    def _print_rich(self) -> None:
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False)
        for kind, block in self._blocks:
            if kind == "line":
                console.print(_rich_indented(block) if block else "")
            elif kind == "table" and block[1]:
                rows, header, right = block
                for one in _rich_titled(rows, header, right, console.width):
                    console.print(one)
            elif kind == "table":
                console.print(_rich_table(block[0], block[2], console.width))
            else:
                console.print(_rich_tree(block))


def _joined(spans: Line) -> str:
    return "".join(visible(span if isinstance(span, str) else span[0], _LONGEST) for span in spans)


def _plain_table(
    rows: list[Sequence[Span | str]], header: tuple[str, ...], right: frozenset[int]
) -> Iterator[str]:
    texts = [[_joined([cell]) for cell in row] for row in rows]
    if header:
        texts.insert(0, [title.upper() for title in header])
    widths = [
        max((cells_of(row[at]) for row in texts if at < len(row)), default=0)
        for at in range(max(map(len, texts)))
    ]
    for row in texts:
        cells = []
        for at, cell in enumerate(row):
            space = " " * (widths[at] - cells_of(cell))
            cells.append(space + cell if at in right else cell + space)
        yield "  ".join(cells)


def _plain_tree(root: Tree) -> Iterator[str]:
    tee, elbow, bar = ("├─ ", "└─ ", "│  ")
    try:
        "├└│─".encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        tee, elbow, bar = ("|- ", "`- ", "|  ")
    stack: list[tuple[Tree, str, str]] = [(root, "", "")]
    while stack:
        tree, first, rest = stack.pop()
        for at, line in enumerate(tree.lines):
            # The second line of a thing that has branches leads to them.
            yield (first if at == 0 else rest) + _joined(line)
        last = len(tree.branches) - 1
        below = [
            (branch, rest + (elbow if at == last else tee), rest + ("   " if at == last else bar))
            for at, branch in enumerate(tree.branches)
        ]
        stack.extend(reversed(below))


def _rich_line(spans: Line) -> Text:
    from rich.text import Text

    text = Text()
    for span in spans:
        words, style = (span, "") if isinstance(span, str) else span
        text.append(visible(words, _LONGEST), style=_STYLES.get(style, ""))
    return text


def _rich_indented(spans: Line) -> Padding:
    """A line whose continuation, where the terminal is narrow, stands under its beginning."""
    from rich.padding import Padding

    text = _rich_line(spans)
    indent = len(text.plain) - len(text.plain.lstrip(" "))
    return Padding(text[indent:], (0, 0, 0, indent), expand=False)


def _rich_table(rows: list[Sequence[Span | str]], right: frozenset[int], width: int) -> Table:
    """A table without titles: where it does not fit, the widest columns are cut, the others told whole."""
    made = [[_rich_line([cell]) for cell in row] for row in rows]
    columns = range(max(map(len, rows)))
    widths = [max((cells_of(row[at].plain) for row in made if at < len(row)), default=0) for at in columns]
    most = max(widths)
    while most > 1 and sum(min(most, one) for one in widths) + GAP * len(columns) > width:
        most -= 1
    table = _bare_table()
    for at in columns:
        side: Any = "right" if at in right else "left"
        table.add_column(
            overflow="ellipsis", no_wrap=at < len(columns) - 1, justify=side, width=min(most, widths[at])
        )
    for row in made:
        table.add_row(*row)
    return table


def _rich_titled(
    rows: list[Sequence[Span | str]], header: tuple[str, ...], right: frozenset[int], width: int
) -> Iterator[Table | Text | str]:
    """A table with titles, as it fits into a terminal of this width."""
    made = [[_rich_line([cell]) for cell in row] for row in rows]
    found = fit([[cell.plain for cell in row] for row in made], header, right, width)
    if found.alike:
        yield _rich_line([(f"in all {len(rows)} rows", "faint")])
        yield _below_each_other([(header[at], made[0][at]) for at in found.alike])
        yield ""
    if found.widths is None:
        for place, cells in enumerate(made):
            if place:
                yield ""
            yield _below_each_other([(header[at], cells[at]) for at in found.columns])
        return
    table = _bare_table(show_header=True)
    for at, wide in zip(found.columns, found.widths, strict=True):
        side: Any = "right" if at in right else "left"
        table.add_column(header[at], justify=side, overflow="fold", width=wide)
    for cells in made:
        table.add_row(*(cells[at] for at in found.columns))
    yield table


def _below_each_other(cells: list[tuple[str, Text]]) -> Table:
    """The cells of one row, each with its title; those that say nothing are left out."""
    table = _bare_table()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for title, cell in cells:
        if cell.plain:
            table.add_row(title, cell)
    return table


def _bare_table(*, show_header: bool = False) -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False, show_header=show_header, header_style="dim", padding=(0, 2, 0, 0))


def _rich_tree(root: Tree) -> RichTree:
    from rich.text import Text
    from rich.tree import Tree as RichTree

    def lines(tree: Tree) -> Text:
        return Text("\n").join(map(_rich_line, tree.lines))

    made = RichTree(lines(root), guide_style="dim")
    waiting = [(made, root)]
    while waiting:
        rich_tree, tree = waiting.pop()
        waiting += [(rich_tree.add(lines(branch)), branch) for branch in tree.branches]
    return made
