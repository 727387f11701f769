"""What several commands have in common: the store, and answers for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from trilha.prov import Document
    from trilha.query.runs import Run
    from trilha.store import Store
    from trilha.trace.traced import Traced

__all__ = [
    "JSON_VERSION",
    "asked",
    "check_format",
    "document",
    "document_option",
    "json_option",
    "moment",
    "opened",
    "place",
    "print_json",
    "short_path",
    "store_option",
    "traces_of",
    "waited_traces",
    "where_option",
    "write_document",
]

JSON_VERSION = 1
"""The version of the shape of all ``--json`` answers. Fields may be added in it; none is changed or taken
away."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def store_option(function: _Function) -> _Function:
    """The option ``--store``."""
    option = click.option(
        "--store", metavar="FOLDER", help="Folder of the store; $TRILHA_STORE, else .trilha, by default."
    )
    return option(function)


def json_option(function: _Function) -> _Function:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def where_option(function: _Function) -> _Function:
    """The option ``--where``."""
    option = click.option(
        "--where",
        metavar="EXPRESSION",
        help="Only runs for which this is true: 'accuracy > 0.9 and framework = torch'.",
    )
    return option(function)


def document_option(function: _Function) -> _Function:
    """The option ``--document``."""
    option = click.option(
        "--document", metavar="FILE", help="Ask a PROV document instead of a store; - for standard input."
    )
    return option(function)


def place(store: str | None) -> str | None:
    """The store that was asked for, before or after the command's name."""
    context = click.get_current_context()
    outer = context.find_root().obj or {}
    found = store or outer.get("store")
    return str(found) if found else None


def opened(store: str | None) -> Store:
    """The store, brought up to date; closed with the command."""
    import trilha.store

    found = trilha.store.open(place(store))
    click.get_current_context().call_on_close(found.close)
    return found


def asked(store: str | None, document: str | None) -> Store:
    """The store, brought up to date, or one in memory that holds a document; closed with the command.

    Raises:
        trilha.errors.UsageError: both were given.
    """
    from trilha.asking.answering import opened as opened_or_read
    from trilha.errors import UsageError

    if document is None:
        return opened(store)
    if place(store) is not None:
        raise UsageError(
            "a question is asked of a store or of a document: give one of --store and --document"
        )
    if document == "-":
        from trilha.formats import read

        found = opened_or_read(None, read(sys.stdin.buffer))
    else:
        found = opened_or_read(None, document)
    click.get_current_context().call_on_close(found.close)
    return found


def document(file: str, format_: str | None) -> Document:
    """A document of a file, or of the standard input if that is ``-``."""
    from trilha import formats

    return formats.read(sys.stdin.buffer if file == "-" else file, format_)


def check_format(output: str, format_: str | None) -> None:
    """Tell of a wrong format before the work is done.

    Raises:
        click.UsageError: no format is said, and none can be told by the suffix.
        trilha.errors.UsageError: no format has this name or suffix.
    """
    from trilha import formats

    if output == "-" and not format_:
        raise click.UsageError(
            "the standard output has no suffix: say which format with --format provn or --format json"
        )
    if not format_ and not formats.ending(output):
        raise click.UsageError(
            f"{output}: its name tells no format: say which one with --format, such as --format provn"
        )
    formats.chosen(output, format_ or None)


def write_document(document: Document, output: str, format_: str | None) -> None:
    """Write a document into a file, and say so; or to the standard output, if that is ``-``."""
    from trilha import formats

    if output == "-":
        sys.stdout.flush()
        formats.write(document, sys.stdout.buffer, format_)
        sys.stdout.buffer.flush()
        return
    formats.write(document, output, format_)
    sys.stderr.write(f"trilha: wrote {len(document)} statements to {output}\n")


def traces_of(store: Store, run: str) -> list[Traced]:
    """The traces of a run, down to the variable.

    Raises:
        trilha.errors.NotFound: there is no such run, or it was recorded without.
    """
    from trilha.errors import NotFound
    from trilha.query.runs import find_run

    found = find_run(store, run)
    known = waited_traces(store, found)
    if not known:
        # What Python could not compile was not run, and has no trace whatever its grain.
        is_text = found.exception.startswith(("SyntaxError", "IndentationError", "TabError"))
        ended = f" (it was ended by {found.exception})" if is_text else ""
        raise NotFound(
            f"the run {found.name or found.uuid} has no trace of its variables{ended};"
            " record it with `trilha run --grain variable`"
        )
    return known


def waited_traces(store: Store, run: Run) -> list[Traced]:
    """The traces of a run, if it has any; tells of an index that is made first."""
    from trilha.cli.waiting import waiting
    from trilha.trace.indexes import traces

    with waiting(f"{run.name or run.uuid}: reading its trace for the first time") as told:
        return traces(str(store.folder), run.uuid, told)


def short_path(path: str) -> str:
    """`path` relative to the current folder where it lies in it or below."""
    relative = os.path.relpath(path) if path else ""
    return path if relative.startswith("..") else relative


def print_json(kind: str, store: str, content: dict[str, Any]) -> None:
    """One answer as JSON: the version, what kind of answer it is, the store, and the content.

    It is written piece by piece (`trilha.cli.streaming.pieces`), so that iterators in it need no memory;
    durations are in seconds.
    """
    from trilha.cli.streaming import pieces

    answer = {"version": JSON_VERSION, "kind": kind, "store": store, **content}
    sys.stdout.writelines(pieces(answer))
    sys.stdout.write("\n")


def moment(ns: int | None) -> str | None:
    """A time as ISO 8601 in UTC, to the microsecond."""
    if ns is None:
        return None
    from trilha.store.values import from_ns

    return from_ns(ns).isoformat(timespec="microseconds").replace("+00:00", "Z")
