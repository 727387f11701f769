"""``trilha list``: which runs there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trilha.cli.options import json_option, opened, print_json, store_option, where_option

if TYPE_CHECKING:
    from trilha.cli.page import Span
    from trilha.query.runs import Run

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha list                  the last 20 runs
  trilha list --limit 0        all of them
  trilha list --json           for programs
  trilha list --where 'accuracy > 0.9 and learning_rate < 0.01'
  trilha list --campaign "learning rates"
"""


@click.command(name="list", epilog=_EPILOG)
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    help="How many runs at most; 0 for all.",
    type=click.IntRange(0),
)
@click.option("--campaign", metavar="NAME", help="Only the runs of this campaign.")
@where_option
@json_option
@store_option
def command(limit: int, campaign: str | None, where: str | None, as_json: bool, store: str | None) -> None:
    """List the runs, the newest first."""
    from trilha.query import runs

    found = opened(store)
    unknown = 0
    members = None if campaign is None else runs.of_campaign(found, campaign)
    if where is None and members is not None:
        some, count = runs.of_keys(found, members[:limit] if limit else members), len(members)
    elif where is None:
        some, count = runs.runs(found, limit or None), runs.count(found)
    else:
        from trilha.query.where import choose

        keys, unknown = choose(found, where)
        if members is not None:
            chosen = set(members)
            keys = [key for key in keys if key in chosen]
        some, count = runs.of_keys(found, keys[:limit] if limit else keys), len(keys)
    if as_json:
        from trilha.cli.shapes import run_shape

        content = {"count": count, "runs": [run_shape(run) for run in some]}
        print_json("runs", found.folder, content | ({"not_told": unknown} if where is not None else {}))
        return
    _print(found.folder, some, count, where, unknown)


def _print(folder: str, some: list[Run], count: int, where: str | None, unknown: int) -> None:
    from trilha.cli.page import Page
    from trilha.cli.telling import near, status
    from trilha.query.unknown import left_out, of_runs
    from trilha.query.wording import duration, moment

    page = Page()
    if not some and where is not None:
        page.line(f"No run in {near(folder)} is so.")
    elif not some:
        page.line(f"No runs in {near(folder)} yet. Record one: trilha run SCRIPT")
    rows: list[list[Span | str]] = []
    for run in some:
        took = duration(run.end - run.start) if run.start is not None and run.end is not None else ""
        rows.append(
            [
                (run.name or "(no name)", "name"),
                run.short,
                status(run),
                moment(run.start),
                took,
                (run.command, "faint"),
            ]
        )
    page.table(rows, ("name", "id", "status", "started", "took", "command"), right=(4,))
    if count > len(some):
        page.line()
        page.line((f"{len(some)} of {count} runs; all of them: trilha list --limit 0", "faint"))
    said = of_runs(run for run in some if run.status != "running")
    if unknown:
        said.insert(0, left_out(unknown))
    if said:
        page.heading("Not known")
        for sentence in said[:10]:
            page.line("  ", (sentence, "odd"))
        if len(said) > 10:
            page.line(f"  … and {len(said) - 10} more (trilha list --json)")
    page.print()
