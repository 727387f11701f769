"""``trilha annotate``: say something of what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import json_option, moment, opened, print_json, store_option

if TYPE_CHECKING:
    from trilha.query.annotations import Annotation
    from trilha.store import Store

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha annotate last purpose=thesis          the last run
  trilha annotate atlas-x.gif studyModality=speech
  trilha annotate last#12 checked=true         the 12th thing of the last run
  trilha annotate atlas-x.gif                  what was said of it, by whom and when

\b
WHAT is a run (a name, an id, its beginning, last), a file, a label or an
identifier. A file means its content, wherever it was met; with --run, the
file as that run met it. Annotations are found with --where: 'purpose = thesis'.
"""


@click.command(name="annotate", epilog=_EPILOG)
@click.argument("what", metavar="WHAT")
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--run", metavar="RUN", help="Only in this run: a name, an id or its beginning, or last.")
@click.option("--text", "as_text", is_flag=True, help="Take every value for a text: 007 stays 007.")
@json_option
@store_option
def command(
    what: str, pairs: tuple[str, ...], run: str | None, as_text: bool, as_json: bool, store: str | None
) -> None:
    """Say something of a run, a step, a file or anything else that is recorded; or tell what was said."""
    from trilha.annotating import annotate, meant, value_of
    from trilha.cli.page import Page
    from trilha.cli.telling import tell
    from trilha.query.things import describe

    found = opened(store)
    notes: tuple[str, ...] = ()
    values = {name: text if as_text else value_of(text) for name, text in map(_pair, pairs)}
    if values:
        notes = annotate(found, what, values, run).notes
    about = meant(found, what, run)
    thing = describe(found, [about.shown])[about.shown]
    said = _said(found, about.shown)
    if as_json:
        shape = {
            "thing": thing.iri,
            "label": thing.label,
            "annotations": [annotation_shape(one) for one in said],
        }
        print_json("annotations", found.folder, shape)
        return
    page = Page()
    page.line(*tell(thing))
    page.table([annotation_row(one) for one in said])
    if not said:
        page.line("  nothing was said of it so far")
    for note in notes:
        page.line((note, "faint"))
    page.print()


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise click.UsageError(f"{text!r}: expected NAME=VALUE, such as center=UChicago")
    return name, value


def _said(store: Store, key: int) -> list[Annotation]:
    from trilha.query.annotations import said_of

    return said_of(store, [key]).get(key, [])


def annotation_row(one: Annotation) -> list[Any]:
    """An annotation as a row of a table: name, value, who and when."""
    from trilha.query.wording import moment as told
    from trilha.query.wording import number

    who = one.person.removeprefix("acct:")
    said = ", ".join(word for word in (who, told(one.time) if one.time is not None else "") if word)
    return ["  " + one.name, "" if one.value is None else number(one.value), (said, "faint")]


def annotation_shape(one: Annotation) -> dict[str, Any]:
    """An annotation in JSON."""
    return {
        "id": one.iri,
        "name": one.name,
        "value": one.value,
        "person": one.person or None,
        "time": moment(one.time),
    }
