"""``trilha import``: runs that other systems recorded."""

from __future__ import annotations

from collections import Counter

import click

from trilha.cli.options import json_option, place, print_json, store_option

__all__ = ["command"]

_SHOWN = 5

_EPILOG = """\b
Examples:
  trilha import dlprov mnist-example.json
  trilha import dlprov dump_public.sql dump_framingham.sql    one database, two files
  trilha import mlflow mlflow.db
  trilha import mlflow mlruns
  trilha import yprov4ml prov/digits_0
  trilha import flowcept flowcept_buffer.jsonl
  trilha import swift logs/

\b
KIND is one of:
  dlprov      documents (PROV-JSON, PROV-N) and dumps of MonetDB
  mlflow      mlflow.db (SQLite), or mlruns (a folder)
  yprov4ml    the folder of a run, or the PROV-JSON in it
  flowcept    flowcept_buffer.jsonl
  swift       logs of runs, and the wrapper's records beside them

Nothing of a source is executed, and it is not written to. A run that was
imported before is left as it is. Exit status: 0 imported, 2 refused; then
nothing was written.
"""


@click.command(name="import", epilog=_EPILOG)
@click.argument("kind", metavar="KIND")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@store_option
@json_option
def command(kind: str, paths: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """Import the runs that files of another system tell of, as runs like any other."""
    from trilha.importing import bring
    from trilha.store.place import locate

    folder = locate(place(store))
    report = bring(kind, paths, folder)
    if as_json:
        runs = [one._asdict() for one in report.runs]
        content = {"system": report.system, "runs": runs, "repaired": report.repaired, "left": report.left}
        print_json("imported", folder, content)
        return
    from trilha.cli.page import Page

    page = Page()
    states = Counter(one.state for one in report.runs)
    page.line(f"{_runs(states['new'])} imported from {report.system}.")
    new = [one for one in report.runs if one.state == "new"]
    page.table([("", (one.label, "name"), one.uuid[:8]) for one in new[:_SHOWN]])
    if len(new) > _SHOWN:
        page.line(f"  and {len(new) - _SHOWN:,} more: trilha list")
    if states["there"]:
        page.line(f"{_runs(states['there'])} imported before, unchanged since.")
    for one in report.runs:
        if one.state == "differs":
            page.line(
                (f"{one.label} {one.uuid[:8]}", "name"),
                " was imported before and says something else now; it was left as it is. To take it anew,",
                f" delete journals/{one.uuid} in the store and call `trilha reindex`.",
            )
    for heading, counts in (("Repaired", report.repaired), ("Not carried", report.left)):
        if counts:
            page.heading(heading)
            page.table([(str(count), what) for what, count in counts.items()], right=(0,))
    page.print()


def _runs(count: int) -> str:
    return f"{count:,} run{'s' * (count != 1)}"
