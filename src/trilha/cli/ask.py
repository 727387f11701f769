"""``trilha ask``: a named question."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import asked, document_option, json_option, print_json, store_option, where_option

if TYPE_CHECKING:
    from trilha.cli.page import Span
    from trilha.query.questions import Answer

__all__ = ["command", "shape", "show"]

_EPILOG = """\b
Examples:
  trilha ask                                       all questions, a line each
  trilha ask top accuracy 5                        the five best runs, and what made them so
  trilha ask preparation --where 'accuracy > 0.9'  which transformations the good ones had
  trilha ask adaptations loss --run last           what changed on the way, and what it did to the loss
  trilha ask path "test metrics" digits.csv --document run.provn
"""
_DURATIONS = ("took", "elapsed", "avg took", "waited", "longest wait", "cpu")
_HIDDEN = ("what id", "from id")
_MOST = 12
"""Values that a cell has room for."""


@click.command(name="ask", epilog=_EPILOG)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--run", help="Ask about this run only: a name, an id or its beginning, or last.")
@where_option
@document_option
@click.option(
    "--limit",
    "-n",
    default=50,
    show_default=True,
    help="How many rows at most; 0 for all.",
    type=click.IntRange(0),
)
@json_option
@store_option
def command(
    name: str | None,
    arguments: tuple[str, ...],
    run: str | None,
    where: str | None,
    document: str | None,
    limit: int,
    as_json: bool,
    store: str | None,
) -> None:
    """Ask the question NAME of the store, or of a document; without NAME, list the questions."""
    if name is None:
        _list(as_json)
        return
    from trilha.query import questions

    questions.find(name)
    found = asked(store, document)
    answer = questions.ask(found, name, *arguments, run=run, where=where)
    if as_json:
        print_json("answer", found.folder, shape(answer))
    else:
        show(answer, limit)
    if answer.yes is False:
        click.get_current_context().exit(1)


def _list(as_json: bool) -> None:
    from trilha.query import questions

    known = questions.questions()
    if as_json:
        told = [
            {
                "name": one.name,
                "arguments": one.arguments,
                "words": one.words,
                "papers": one.papers,
                "acceptance": one.acceptance,
            }
            for one in known
        ]
        print_json("questions", "", {"questions": told})
        return
    from trilha.cli.page import Page

    page = Page()
    page.table([[(f"{one.name} {one.arguments}".rstrip(), "name"), one.words] for one in known])
    page.line()
    page.line(("Each takes --run, --where and --document; trilha ask --help has examples.", "faint"))
    page.print()


def shape(answer: Answer) -> dict[str, Any]:
    """An answer for programs."""
    return {
        "question": answer.question,
        "arguments": list(answer.arguments),
        "columns": list(answer.columns),
        "rows": answer.rows,
        "summary": answer.summary,
        "yes": answer.yes,
        "not_known": answer.unknown,
    }


def show(answer: Answer, limit: int) -> None:
    """Print an answer for people: at most `limit` rows; 0 for all."""
    from trilha.cli.page import Page

    page = Page()
    rows = answer.rows[:limit] if limit else answer.rows
    # A column in which nothing is known is left out.
    columns = [
        one
        for one in answer.columns
        if one not in _HIDDEN and any(row.get(one) not in (None, "", [], {}) for row in rows)
    ]
    numbers = [
        at
        for at, column in enumerate(columns)
        if all(isinstance(row.get(column), (int, float, type(None))) for row in rows)
    ]
    cells: list[list[Span | str]] = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    page.table(cells, columns, right=numbers)
    if not rows:
        page.line("Nothing.")
    if len(rows) < len(answer.rows):
        page.line((f"{len(rows)} of {len(answer.rows)} rows; all of them: --limit 0", "faint"))
    told = {key: value for key, value in answer.summary.items() if value not in (None, "", [], {})}
    if told:
        page.line()
        page.table([[(f"{key}", "faint"), _cell(key, value)] for key, value in told.items()])
    if answer.unknown:
        page.heading("Not known, or good to know")
        for sentence in answer.unknown[:10]:
            page.line("  ", (sentence, "odd"))
    page.print()


def _some(words: list[str]) -> str:
    """Words as they fit into a cell."""
    more = len(words) - _MOST
    return ", ".join(words[:_MOST]) + (f" … and {more} more (--json)" if more > 0 else "")


def _cell(column: str, value: Any) -> str:
    from trilha.query.wording import duration, moment, number, size

    if value is None:
        return ""
    if column in _DURATIONS and isinstance(value, float):
        return duration(round(value * 1e9))
    if column == "memory" and isinstance(value, int):
        return size(value)
    if isinstance(value, dict):
        return _some([f"{key}={_cell('', one)}" for key, one in value.items()])
    if isinstance(value, (list, tuple)):
        return _some([_cell("", one) for one in value])
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment(round(aware.timestamp() * 1e9))
    return number(value)
