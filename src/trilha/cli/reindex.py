"""``trilha reindex``: the index anew from the journals."""

from __future__ import annotations

import os

import click

from trilha.cli.options import json_option, place, print_json, store_option

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha reindex
  trilha reindex --traces                so that no question about a trace waits
  trilha reindex --store /shared/provenance
"""


@click.command(name="reindex", epilog=_EPILOG)
@click.option(
    "--traces",
    "with_traces",
    is_flag=True,
    help="Also the indexes of traces down to the variable, which the first question about a run makes else.",
)
@json_option
@store_option
def command(with_traces: bool, as_json: bool, store: str | None) -> None:
    """Make the store's index anew from its journals.

    Nothing recorded is touched. Who reads the store meanwhile sees the old index until the new one is whole.
    """
    import trilha.store
    from trilha.store.place import locate

    folder = locate(place(store))
    done = trilha.store.reindex(folder)
    traced = _traces(folder) if with_traces else 0
    if as_json:
        unreadable = [{"journal": path, "reason": reason} for path, reason in done.unreadable]
        counts = {"journals": done.journals, "statements": done.statements, "values": done.values}
        if with_traces:
            counts["traces"] = traced
        print_json("reindexed", folder, {**counts, "unreadable": unreadable})
        return
    from trilha.cli.page import Page

    page = Page()
    page.line(
        f"Read {done.journals:,} journal{'s' if done.journals != 1 else ''}:"
        f" {done.statements:,} statements and {done.values:,} metric values.",
    )
    if with_traces:
        page.line(f"Indexed {traced:,} {'trace' if traced == 1 else 'traces'}.")
    for _, reason in done.unreadable:
        page.line((f"Not readable: {reason}", "odd"))
    page.print()


def _traces(folder: str) -> int:
    """Make the indexes of all traces anew; gives how many there are."""
    from trilha.cli.waiting import waiting
    from trilha.store.place import JOURNALS
    from trilha.trace.indexes import forget, traces

    count = 0
    for run in sorted(os.listdir(os.path.join(folder, JOURNALS))):
        forget(folder, run)
        with waiting(f"indexing the trace of the run {run}") as told:
            count += len(traces(folder, run, told))
    return count
