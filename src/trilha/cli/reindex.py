"""``trilha reindex``: the index anew from the journals."""

from __future__ import annotations

import click

from trilha.cli.options import json_option, place, print_json, store_option

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha reindex
  trilha reindex --store /shared/provenance
"""


@click.command(name="reindex", epilog=_EPILOG)
@json_option
@store_option
def command(as_json: bool, store: str | None) -> None:
    """Make the store's index anew from its journals.

    Nothing recorded is touched. Who reads the store meanwhile sees the old index until the new one is whole.
    """
    import trilha.store
    from trilha.store.place import locate

    folder = locate(place(store))
    done = trilha.store.reindex(folder)
    if as_json:
        unreadable = [{"journal": path, "reason": reason} for path, reason in done.unreadable]
        counts = {"journals": done.journals, "statements": done.statements, "values": done.values}
        print_json("reindexed", folder, {**counts, "unreadable": unreadable})
        return
    from trilha.cli.page import Page

    page = Page()
    page.line(
        f"Read {done.journals:,} journals: {done.statements:,} statements and {done.values:,} metric values.",
    )
    for _, reason in done.unreadable:
        page.line((f"Not readable: {reason}", "odd"))
    page.print()
