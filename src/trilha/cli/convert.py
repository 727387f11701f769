"""``trilha convert``: documents in another format, merged or transformed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import document
from trilha.errors import UsageError

if TYPE_CHECKING:
    from trilha.prov import Document

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha convert run.json run.provn              the suffixes tell the formats
  trilha convert a.provn b.json all.provn        several become one
  trilha convert - - --from json --to provn      as a filter
  trilha convert run.json small.provn --select lineage=ex:model
  trilha convert run.json day.provn --select time=2026-11-21T00:00:00Z..2026-11-22T00:00:00Z
  trilha convert run.json data.provn --select type=trilha:Dataset
  trilha convert trace.provn plain.provn --unfold plain    each version of each list as an entity

\b
What is done, in this order: the inputs are merged, then --flatten, --unify,
--expand, --unfold, --fold, and each --select. An input that is broken is
refused whole; OUT is replaced as a whole or not at all.

Exit status: 0 written, 1 nothing of that name to select, 2 refused.
"""

_LONG = 4_000_000
"""Bytes of input from which on the work is long enough to show how far it is."""


@click.command(name="convert", epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="IN... OUT")
@click.option(
    "--from",
    "from_",
    metavar="FORMAT",
    help="Of all inputs; by default suffix or content of each tells.",
)
@click.option("--to", metavar="FORMAT", help="By default the suffix of OUT tells; - has none.")
@click.option("--flatten", is_flag=True, help="Put the statements of bundles into the document.")
@click.option(
    "--unify", is_flag=True, help="One statement of each thing, by the key constraints of PROV-CONSTRAINTS."
)
@click.option("--expand", is_flag=True, help="Write out all that follows: the normal form.")
@click.option(
    "--unfold",
    type=click.Choice(["plain", "dictionary"]),
    help="Versioned-PROV as plain PROV or PROV-Dictionary: an entity for each version.",
)
@click.option("--fold", is_flag=True, help="What --unfold made, as Versioned-PROV again.")
@click.option(
    "--select",
    "selections",
    multiple=True,
    metavar="WHAT",
    help="Only a part: type=NAME (a prov:type or a kind), time=A..B, or lineage=NAME.",
)
def command(
    files: tuple[str, ...],
    from_: str | None,
    to: str | None,
    flatten: bool,
    unify: bool,
    expand: bool,
    unfold: str | None,
    fold: bool,
    selections: tuple[str, ...],
) -> None:
    """Write documents as one, in another format; - is the standard input or output."""
    from trilha import formats

    if len(files) < 2:
        raise click.UsageError(f"only {files[0]} is given: expected inputs and, last, where to write")
    *inputs, output = files
    if inputs.count("-") > 1:
        raise click.UsageError("the standard input can be read once only: give the others as files")
    if output == "-" and not to:
        raise click.UsageError(
            "the standard output has no suffix: say which format with --to provn or --to json"
        )
    _check_format(output, to)
    folding = _folding(unfold, fold)
    steps = [
        *_steps(flatten, unify, expand),
        *folding,
        *((f"select {text}", _selection(text)) for text in selections),
    ]
    with _progress(inputs, len(inputs) + len(steps) + 1) as tell:
        found = _read(inputs, from_, tell)
        for name, step in steps:
            tell(name)
            found = step(found)
        tell(f"write {output}")
        if output != "-":
            formats.write(found, output, to)
        else:
            sys.stdout.flush()
            formats.write(found, sys.stdout.buffer, to)
            sys.stdout.buffer.flush()
    if output != "-":
        count = len(found) + sum(map(len, found.bundles.values()))
        sys.stderr.write(f"trilha: wrote {count} statement{'s' * (count != 1)} to {output}\n")


def _check_format(output: str, to: str | None) -> None:
    """Refuse a wrong format before the work is done."""
    from trilha import formats

    suffix = formats.ending(output)
    if not to and not suffix:
        raise click.UsageError(
            f"{output}: its name tells no format: say which one with --to, such as --to provn"
        )
    known = formats.chosen(output, to or None)
    if not known.writes:
        writable = ", ".join(other.title for other in formats.FORMATS if other.writes)
        raise UsageError(f"this version reads {known.title} but does not write it: expected {writable}")


def _read(inputs: list[str], from_: str | None, tell: Callable[[str], None]) -> Document:
    from trilha.prov.transforming import merged

    found = []
    for file in inputs:
        tell(f"read {file}")
        found.append(document(file, from_))
    return found[0] if len(found) == 1 else merged(found)


def _steps(flatten: bool, unify: bool, expand: bool) -> Iterator[tuple[str, Callable[[Document], Document]]]:
    if flatten:
        yield "flatten", lambda found: found.flattened()
    if unify:
        yield "unify", lambda found: found.unified()
    if expand:
        yield "expand", lambda found: found.normal_form()


def _folding(unfold: str | None, fold: bool) -> Iterator[tuple[str, Callable[[Document], Document]]]:
    from trilha.prov.versioned import unfolding

    if unfold is not None:
        yield "unfold", lambda found: unfolding.unfold(found, unfold)
    if fold:
        yield "fold", unfolding.fold


def _selection(text: str) -> Callable[[Document], Document]:
    """What a ``--select`` asks for."""
    from trilha.prov import selecting

    what, equals, of = text.partition("=")
    if equals and of and what == "type":
        return lambda found: selecting.selected_type(_declared(found, text, of), of)
    if equals and of and what == "lineage":
        return lambda found: selecting.selected_lineage(_declared(found, text, of), of)
    begin, dots, end = of.partition("..")
    if equals and what == "time" and dots and (begin or end):
        selecting.selected_time(_empty(), begin or None, end or None)  # a wrong time is told before the work
        return lambda found: selecting.selected_time(found, begin or None, end or None)
    raise click.UsageError(
        f"--select {text}: expected type=NAME, lineage=NAME or time=A..B with one time or both, such as"
        " time=2026-11-21T00:00:00Z..2026-11-22T00:00:00Z"
    )


def _declared(found: Document, text: str, name: str) -> Document:
    """The document, if it knows the prefix of a name."""
    from trilha.prov import Kind

    if any(kind.provn == name for kind in Kind):
        return found
    try:
        found.namespaces.resolve(name)
    except UsageError:
        known = ", ".join(f"{prefix}:" for prefix, _ in found.namespaces.items() if prefix)
        raise UsageError(
            f"--select {text}: the document does not declare the prefix of {name}: expected"
            f" {f'one of {known} or ' if known else ''}a whole IRI"
        ) from None
    return found


def _empty() -> Document:
    from trilha.prov import Document

    return Document()


@contextmanager
def _progress(inputs: Iterable[str], steps: int) -> Iterator[Callable[[str], None]]:
    """Tells on a terminal, on the standard error stream, what long work is at.

    Args:
        inputs: the files; their sizes tell whether the work is long.
        steps: how often it will be told.
    """
    size = 0
    for file in inputs:
        try:
            size += os.stat(file).st_size if file != "-" else _LONG
        except OSError:
            pass  # reading it says what is wrong
    if size < _LONG or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from trilha.query.wording import visible

    columns: Any = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=steps, completed=-1)
        yield lambda name: progress.update(task, advance=1, description=visible(name, 60))
