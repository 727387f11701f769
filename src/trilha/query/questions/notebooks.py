"""The cells of a notebook: what each took from which other, which are stale, and which a value came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trilha.errors import NotFound
from trilha.query.cells import Execution, Notebook, read_notebook, texts_in
from trilha.query.questions.asking import Answer, Asked, question
from trilha.store.values import from_ns

__all__ = ["cells", "cells_behind", "stale_cells"]

_NO_FILE = (
    "Cells that were edited and not run since, or deleted: name the notebook's file to compare with what it"
    " has now."
)


@question(
    "cells",
    "[NOTEBOOK]",
    "The cells that a notebook ran, in order: what each read of which other, and whether it still holds.",
)
def cells(asked: Asked, notebook: str = "") -> Answer:
    """One row an execution; NOTEBOOK is the notebook's file, to compare with what it says now."""
    rows = [
        {
            **asked.named(run),
            "execution": one.title,
            "cell": one.cell or None,
            "text": _first_line(one),
            "reads": _reads(one),
            "binds": sorted({version.name for version in one.makes if not version.path}),
            "writes": sorted({version.name for version in one.makes if version.path}),
            "deletes": sorted(one.deletes),
            "state": told.state(one),
            "why": _why(told, one),
            "order": list(dict.fromkeys(one.order)),
            "unknown": _unknown(one),
            "started": from_ns(one.thing.start) if one.thing.start is not None else None,
            "took": _took(one),
        }
        for run, told in _notebooks(asked, notebook)
        for one in told.executions
    ]
    about = ("execution", "cell", "text", "reads", "binds", "writes", "deletes")
    columns = (*about, "state", "why", "order", "unknown")
    return Answer(("run", "id", *columns, "started", "took"), rows, {}, [] if notebook else [_NO_FILE])


@question(
    "stale-cells",
    "[NOTEBOOK]",
    "Cells whose result no longer holds, and names that come of a text that is gone; with why.",
)
def stale_cells(asked: Asked, notebook: str = "") -> Answer:
    """One row a reason; NOTEBOOK is the notebook's file, to compare with what it says now."""
    rows: list[dict[str, Any]] = []
    for run, told in _notebooks(asked, notebook):
        for one in told.executions:
            about = {
                **asked.named(run),
                "execution": one.title,
                "cell": one.cell or None,
                "text": _first_line(one),
            }
            rows += [{**about, "why": why} for why in _why(told, one)]
            if notebook and told.is_last(one):
                rows += [{**about, "why": why} for why in dict.fromkeys(one.order)]
    columns = ("run", "id", "execution", "cell", "text", "why")
    return Answer(columns, rows, {}, [] if notebook else [_NO_FILE])


@question(
    "cells-behind",
    "NAME",
    "The cells that what a name stands for came from, in the order they were run, with their text then.",
)
def cells_behind(asked: Asked, name: str) -> Answer:
    """One row an execution, its whole text as ``source``: together a script that makes the value again."""
    found = [(run, told) for run, told in _notebooks(asked, "") if told.makes(name)]
    if not found:
        raise NotFound(
            f"no cell that was recorded made {name!r}. `trilha ask cells` tells what each one made"
        )
    if len(found) != 1:
        raise NotFound(
            f"{len(found)} runs have cells that made {name!r}; expected one: say with --run which is meant"
        )
    run, told = found[0]
    rows = [
        {
            **asked.named(run),
            "execution": one.title,
            "cell": one.cell or None,
            "text": _first_line(one),
            "source": one.source,
            "reads": _reads(one),
            "unknown": _unknown(one),
        }
        for one in told.behind(name)
    ]
    return Answer(("run", "id", "execution", "cell", "text", "reads", "unknown"), rows)


def _notebooks(asked: Asked, notebook: str) -> Iterator[tuple[int, Notebook]]:
    texts = texts_in(notebook) if notebook else None
    variables = asked.things("Variable")
    for run, executions in asked.things("Cell").items():
        yield run, read_notebook(asked.store, run, executions, variables.get(run, ()), texts)


def _why(told: Notebook, one: Execution) -> list[str]:
    why = list(dict.fromkeys(one.why)) if told.is_last(one) else []
    if one.hidden:
        names = ", ".join(one.hidden)
        why.append(f"{names}: hidden state, made by a text that its cell no longer has")
    return why


def _reads(one: Execution) -> list[str]:
    """The names that it looked up, each with the execution that made it; ``?`` where it only may have."""
    return sorted(
        {
            f"{version.name}{'?' if possible else ''}{f' of {version.maker.title}' if version.maker else ''}"
            for version, possible in one.uses
        }
    )


def _unknown(one: Execution) -> list[str]:
    """What is not known of an execution: what it looked up through these names, whether it changed those."""
    reads = [f"reads by {name}" for name in one.thing.facts.get("trilha:unknown_reads", [])]
    return reads + [f"changes of {name}" for name in one.thing.facts.get("trilha:unknown_changes", [])]


def _first_line(one: Execution) -> str:
    return next((line.strip() for line in one.source.splitlines() if line.strip()), "")[:80]


def _took(one: Execution) -> float | None:
    if one.thing.start is None or one.thing.end is None:
        return None
    return (one.thing.end - one.thing.start) / 1e9
