"""``trilha validate``: whether documents are valid PROV, and if not, why."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from trilha.cli.options import json_option

if TYPE_CHECKING:
    from trilha.cli.page import Page
    from trilha.prov import Document
    from trilha.prov.constraints import Statement, Verdict, Violation
    from trilha.prov.opm import Legality
    from trilha.prov.versioned.checking import Fault

__all__ = ["Checked", "command"]

_EPILOG = """\b
Examples:
  trilha validate run.provn                 is it valid, and if not, why
  trilha validate *.provn --json            for programs
  trilha export last -o - --format provn | trilha validate - --format provn

Exit status: 0 all are valid, 1 some are not, 2 some cannot be read.
"""


class Checked(NamedTuple):
    """A file that was looked at.

    Attributes:
        name: as it was given.
        statements: how many it has, those in bundles too.
        verdict: None if it cannot be read.
        error: why it cannot be read; empty otherwise.
        legality: of the OPM graph that it is of; None if it is of none.
        faults: what does not hold of the rules of Versioned-PROV; None if it does not use its words.
    """

    name: str
    statements: int
    verdict: Verdict | None
    error: str
    legality: Legality | None = None
    faults: tuple[Fault, ...] | None = None


@click.command(name="validate", epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format", "format_", metavar="FORMAT", help="By default the suffix of FILE tells; - has none."
)
@json_option
@click.option("--sarif", is_flag=True, help="Print SARIF 2.1.0, for tools of code review.")
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="How many violations of a file to tell at most; 0 for all. JSON and SARIF tell all.",
)
def command(files: tuple[str, ...], format_: str | None, as_json: bool, sarif: bool, limit: int) -> int:
    """Check documents against the W3C recommendation PROV-CONSTRAINTS; - is the standard input.

    Of a document of OPM, also whether the graph is legal by OPM 1.1; of one in the words of Versioned-PROV,
    whether its own rules hold.
    """
    if as_json and sarif:
        raise click.UsageError("choose one of --json and --sarif")
    checked = (_check(file, format_) for file in files)
    if as_json or sarif:
        from trilha.cli import verdicts

        done = list(checked)
        sys.stdout.write(verdicts.as_sarif(done) if sarif else verdicts.as_json(done))
    else:
        done = [_told(one, limit) for one in checked]
    if any(one.verdict is None for one in done):
        return 2
    return 0 if all(map(_is_good, done)) else 1


def _is_good(one: Checked) -> bool:
    return bool(one.verdict) and (one.legality is None or bool(one.legality)) and not one.faults


def _check(file: str, format_: str | None) -> Checked:
    from trilha import formats
    from trilha.errors import TrilhaError

    source = _Input(sys.stdin.buffer.read()) if file == "-" else None
    try:
        document = formats.read(source or file, format_)
        legal = _legality(document, file, source)
    except TrilhaError as error:
        return Checked(file, 0, None, str(error))
    count = len(document) + sum(map(len, document.bundles.values()))
    return Checked(file, count, document.validate(), "", legal, _faults(document))


def _faults(document: Document) -> tuple[Fault, ...] | None:
    """What does not hold of the rules of Versioned-PROV; None for a document without its words."""
    from trilha.prov.versioned.checking import check, is_versioned

    return check(document) if is_versioned(document) else None


class _Input(io.BytesIO):
    """What came by the standard input, which can be read once only."""

    name = "<stdin>"


def _legality(document: Document, file: str, source: _Input | None) -> Legality | None:
    """Whether the OPM graph that a document came from is legal; None if it came from none."""
    from trilha.formats import opmo, opmxml
    from trilha.formats.detection import suffix_of
    from trilha.formats.files import load
    from trilha.prov import PROV
    from trilha.prov.opm import OPM, graph_of, legality

    if source is not None:
        head = source.getvalue()[: 1 << 16]
    else:
        with open(file, "rb") as opened:
            head = opened.read(1 << 16)
    suffix = suffix_of(head) or ""
    if suffix in {".opm", ".trig", ".nq", ".rdf"}:
        content = load(file) if source is None else source.getvalue()
        found = opmxml.graph(content, file) if suffix == ".opm" else opmo.graph_in(content, suffix, file)
        if found is not None:
            return legality(found)
    if any(OPM["Graph"] in record.values(PROV["type"]) for record in document.records):
        return legality(graph_of(document))
    return None


def _told(checked: Checked, limit: int) -> Checked:
    """Print what was found about one file, as soon as it was."""
    from trilha.cli.page import Page
    from trilha.query.wording import visible

    if checked.verdict is None:
        sys.stderr.write(f"trilha: {visible(checked.error, 4000)}\n")
        return checked
    page = Page()
    count = f"{checked.statements} statement{'s' * (checked.statements != 1)}"
    found = checked.verdict.violations
    if not found:
        page.line((checked.name, "name"), ": ", ("valid", "good"), f", {count}")
    else:
        several = f"{len(found)} violation{'s' * (len(found) != 1)}"
        page.line((checked.name, "name"), ": ", ("not valid", "bad"), f", {several} in {count}")
    if checked.legality is not None:
        page.line("  OPM: ", ("legal", "good") if checked.legality else ("not legal", "bad"))
        for fault in checked.legality.faults:
            page.line(f"    {fault.message}")
            if fault.account is not None:
                page.line("    ", (f"in the account {fault.account}", "faint"))
    if checked.faults is not None:
        holds = not checked.faults
        page.line(
            "  Versioned-PROV: ", ("its rules hold", "good") if holds else ("its rules do not hold", "bad")
        )
        told = checked.faults[:limit] if limit else checked.faults
        for one in told:
            page.line("    ", (one.rule, "head"), f"  {one.message}")
            places = ", ".join(str(place + 1) for place in one.statements)
            where = "" if one.bundle is None else f" of the bundle {one.bundle}"
            page.line("      ", (f"statement {places}{where}", "faint"))
        if len(told) < len(checked.faults):
            page.line("    ", (f"… and {len(checked.faults) - len(told)} more: --limit 0", "faint"))
    shown = found[:limit] if limit else found
    for violation in shown:
        _tell(page, checked.name, violation)
    if len(shown) < len(found):
        page.line()
        page.line((f"… and {len(found) - len(shown)} more; all of them: --limit 0", "faint"))
    page.print()
    return checked


def _tell(page: Page, name: str, violation: Violation) -> None:
    page.line()
    page.line("  ", (str(violation.rule), "head"), f"  {violation.rule.title}")
    page.line("  ", violation.message)
    if violation.bundle is not None:
        page.line("  ", (f"in the bundle {violation.bundle}", "faint"))
    for statement in violation.statements:
        page.line("    ", (_place(name, statement), "faint"), "  ", (statement.text, "name"))
    for number, reason in enumerate(violation.reasons, 1):
        page.line(f"    {number}. ", reason)
    page.line("    ", (violation.rule.url, "faint"))


def _place(name: str, statement: Statement) -> str:
    """Where a statement stands: by line and column, else by its number."""
    if statement.place is None:
        return f"{name}: statement {statement.index + 1}"
    return f"{name}:{statement.place[0]}:{statement.place[1]}"
