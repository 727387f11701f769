"""``trilha slice --history``: each time that a variable or a part was bound or changed, and by which line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from trilha.cli.options import short_path

if TYPE_CHECKING:
    from trilha.trace.traced import Traced

__all__ = ["changes_of", "print_history"]

_MOST_FUNCTIONS = 5


def changes_of(traces: Sequence[Traced], what: str) -> tuple[Traced, list[int]]:
    """The history of what is meant, and the trace that has it; also of a part that is not there any more.

    Raises:
        NotFound: nothing of this name was bound.
    """
    from trilha.errors import NotFound
    from trilha.trace import asked
    from trilha.trace.histories import history

    try:
        traced = asked.meant(traces, what).traced
    except NotFound:
        for traced in traces:
            with suppress(NotFound):
                return traced, history(traced, what)
        raise
    return traced, history(traced, what)


def print_history(traced: Traced, what: str, numbers: Sequence[int]) -> None:
    """Tell a history, line by line."""
    from trilha.cli.page import Page
    from trilha.trace.compiling import Lines
    from trilha.trace.histories import elsewhere

    page = Page()
    rows = []
    texts: dict[str, Lines] = {}
    for number in numbers:
        component = traced.component(number)
        if component.file not in texts:
            texts[component.file] = Lines(traced.texts.get(component.file, ""))
        text = " ".join(texts[component.file][component.line].split())
        inside = traced.activation(number).name
        rows.append((str(number), f"{short_path(component.file)}:{component.line}", inside, text))
    page.table(rows, header=("WHEN", "WHERE", "IN", "BY"), right=(0,))
    functions = elsewhere(traced, what)
    if functions:
        some = ", ".join(functions[:_MOST_FUNCTIONS]) + (", …" if len(functions) > _MOST_FUNCTIONS else "")
        page.line(f"Functions have variables of this name, too: {some}; one alone is {functions[0]}:{what}")
    page.print()
