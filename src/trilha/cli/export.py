"""``trilha export``: a run as a W3C PROV document."""

from __future__ import annotations

import sys

import click

from trilha.cli.options import opened, store_option

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha export last -o run.provn            PROV-N, told by the suffix
  trilha export digits -o run.json           PROV-JSON
  trilha export digits -o run.svg            a picture, by Graphviz
  trilha export 3f2a9c1e -o - --format provn to the standard output
"""


@click.command(name="export", epilog=_EPILOG)
@click.argument("run")
@click.option(
    "--output", "-o", required=True, metavar="FILE", help="Where to write; - is the standard output."
)
@click.option("--format", "format_", metavar="FORMAT", help="By default the suffix of FILE tells.")
@click.option(
    "--points",
    type=click.Choice(["summary", "all"]),
    default="summary",
    show_default=True,
    help="Metrics as a summary, or each row as an entity.",
)
@store_option
def command(run: str, output: str, format_: str | None, points: str, store: str | None) -> None:
    """Write RUN (a name, an id or its beginning, or last) as a W3C PROV document."""
    from trilha import formats
    from trilha.query.runs import find_run

    if output == "-" and not format_:
        raise click.UsageError(
            "the standard output has no suffix: say which format with --format provn or --format json"
        )
    if format_ or output != "-":
        # A wrong format is told before the work is done.
        formats.find(format_ or output.rpartition("/")[2].rpartition(".")[2] or output)
    found = opened(store)
    document = found.document(find_run(found, run).uuid, points)
    if output == "-":
        sys.stdout.flush()
        formats.write(document, sys.stdout.buffer, format_)
        sys.stdout.buffer.flush()
        return
    formats.write(document, output, format_)
    sys.stderr.write(f"trilha: wrote {len(document)} statements to {output}\n")
