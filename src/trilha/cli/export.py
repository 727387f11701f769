"""``trilha export``: a run as a W3C PROV document."""

from __future__ import annotations

import sys
from typing import Any

import click

from trilha.cli.options import check_format, opened, store_option, write_document
from trilha.errors import UsageError
from trilha.prov import Document

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha export last -o run.provn            PROV-N, told by the suffix
  trilha export digits -o run.json           PROV-JSON
  trilha export digits -o run.svg            a picture, by Graphviz
  trilha export 3f2a9c1e -o - --format provn to the standard output
  trilha export flow -o run.ttl --profile provone    with the workflow that it followed
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
@click.option(
    "--profile",
    type=click.Choice(["provone", "p-plan"]),
    help="State the script's plan, and which step each call followed, in these words.",
)
@click.option("--script", metavar="FILE", help="For --profile: the script, where it is not where it ran.")
@click.option(
    "--mapping",
    type=click.Choice(["plain", "dictionary", "versioned"]),
    help="The trace of a run with --grain variable, as PROV, PROV-Dictionary or Versioned-PROV.",
)
@store_option
def command(
    run: str,
    output: str,
    format_: str | None,
    points: str,
    mapping: str | None,
    profile: str | None,
    script: str | None,
    store: str | None,
) -> None:
    """Write RUN (a name, an id or its beginning, or last) as a W3C PROV document."""
    from trilha.query.runs import find_run

    check_format(output, format_)
    found = opened(store)
    meant = find_run(found, run)
    document = found.document(meant.uuid, points) if mapping is None else _mapped(found, meant, mapping)
    if profile is not None:
        from trilha.query import planning

        told = planning.compared(found, meant, planning.plan_of_run(found, meant, script))
        planning.state_plan(document, found, meant, told, profile)
    write_document(document, output, format_)


def _mapped(found: Any, run: Any, mapping: str) -> Document:
    from trilha.trace.mapping import document_of
    from trilha.trace.reading import count, whole

    trace = whole(str(found.folder), run.uuid)
    if trace is None:
        raise UsageError(
            f"{run.name}: this run has no trace; expected one that was recorded by"
            " trilha run --grain variable SCRIPT"
        )
    others = count(str(found.folder), run.uuid) - 1
    if others > 0:
        sys.stderr.write(f"trilha: the traces of other processes ({others:,}) are not in this document\n")
    return document_of(*trace, mapping=mapping)
