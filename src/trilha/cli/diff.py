"""``trilha diff``: what two documents do not both say; or two runs; or a run and its plan."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import JSON_VERSION, json_option, store_option

if TYPE_CHECKING:
    from trilha.cli.page import Page
    from trilha.prov import Document, Record
    from trilha.prov.constraints import Answer
    from trilha.prov.constraints.wording import Wording
    from trilha.prov.differing import Change, Differences, Part

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha diff before.provn after.json         any two formats
  trilha diff a.provn b.provn --equivalent    with all that follows from what they state
  trilha export last -o - --format provn | trilha diff - expected.provn
  trilha diff --plan last                     a run and what its script says
  trilha diff --runs 3f2a9c1e last            what changed between two runs, and where they part

\b
Exit status: 0 both say the same, 1 they do not, 2 one cannot be read, or with
--equivalent it could not be found out.
"""


@click.command(name="diff", epilog=_EPILOG)
@click.argument("first")
@click.argument("second", required=False)
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="Of both; by default suffix or content of each tells.",
)
@click.option(
    "--equivalent",
    is_flag=True,
    help="Compare the normal forms of PROV-CONSTRAINTS: what is stated, and what follows.",
)
@click.option(
    "--plan", is_flag=True, help="Compare the run FIRST with the plan that its script is; there is no SECOND."
)
@click.option(
    "--runs",
    is_flag=True,
    help="Compare the runs FIRST and SECOND: command, code, files, packages, machine, environment, and where"
    " they part.",
)
@click.option("--script", metavar="FILE", help="For --plan: the script, where it is not where it ran.")
@store_option
@json_option
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="How many differences to tell at most; 0 for all. JSON tells all.",
)
def command(
    first: str,
    second: str | None,
    format_: str | None,
    equivalent: bool,
    plan: bool,
    runs: bool,
    script: str | None,
    store: str | None,
    as_json: bool,
    limit: int,
) -> int:
    """What the documents FIRST and SECOND do not both say; - is the standard input.

    Prefixes, order and repetition do not count.
    """
    from trilha.cli.options import document as read
    from trilha.errors import UsageError
    from trilha.prov.differing import Differences, differences, without_variables

    if plan and runs:
        raise click.UsageError("--plan and --runs: expected one of them")
    if plan:
        return _plan(first, second, script, store, as_json, limit)
    if runs:
        from trilha.cli.changed import compare_runs

        if second is None:
            raise click.UsageError("--runs: expected two runs, by their names or ids")
        return compare_runs(first, second, store, as_json=as_json, limit=limit)
    if second is None:
        raise click.UsageError(
            "expected two documents; to compare two runs: --runs, a run with its plan: --plan"
        )
    if first == second == "-":
        raise click.UsageError("only one of the two can be the standard input: give the other as a file")
    if not any(name == "-" or os.path.exists(name) for name in (first, second)):
        raise UsageError(
            f"there is no file {first} and no file {second}; two runs of these names are compared by"
            f" trilha diff --runs {first} {second}"
        )
    one, other = read(first, format_), read(second, format_)
    answer = one.equivalent(other) if equivalent else None
    if answer is not None and answer.equivalent is False:
        try:
            one, other = (without_variables(document.normal_form()) for document in (one, other))
            found = differences(one, other)
        except UsageError:
            found = Differences(())  # one is not valid, or too much follows from it: the answer says so
    else:
        found = differences(one, other)
    same = not found if answer is None else answer.equivalent
    if as_json:
        _print_json(first, second, one, other, found, answer)
    else:
        _tell(first, second, one, other, found, answer, limit)
    return 2 if same is None else int(not same)


# -- a run and its plan


def _plan(
    run: str, second: str | None, script: str | None, store: str | None, as_json: bool, limit: int
) -> int:
    """A run beside what its script says: what is not as it was planned, or all of it as JSON."""
    from trilha.cli.ask import shape, show
    from trilha.cli.options import opened, print_json
    from trilha.query import questions

    if second is not None:
        raise click.UsageError("--plan compares one run with its own plan: leave the second argument out")
    found = opened(store)
    answer = questions.ask(found, "plan", *([script] if script else []), run=run)
    differs = any(row["verdict"] not in ("as planned", "not recorded") for row in answer)
    if as_json:
        print_json("plan", found.folder, {**shape(answer), "same": not differs})
        return int(differs)
    answer.rows = [row for row in answer.rows if row["verdict"] != "as planned"]
    if differs:
        show(answer, limit)
    else:
        sys.stdout.write(f"{run} did what its script says, and nothing else\n")
    return int(differs)


# -- for people


def _tell(
    first: str,
    second: str,
    one: Document,
    other: Document,
    found: Differences,
    answer: Answer | None,
    limit: int,
) -> None:
    from trilha.cli.page import Page

    page = Page()
    if answer is not None and answer.equivalent is not False:
        if answer:
            page.line((first, "name"), " and ", (second, "name"), " are ", ("equivalent", "good"))
        else:
            page.line("whether they are equivalent is ", ("not known", "odd"), f": {answer.reason}")
        page.print()
        return
    if answer is not None:
        page.line(
            (first, "name"),
            " and ",
            (second, "name"),
            " are ",
            ("not equivalent", "bad"),
            f": {answer.reason}",
        )
    elif not found:
        page.line((first, "name"), " and ", (second, "name"), " say ", ("the same", "good"))
    else:
        page.line(("- " + first, "bad"))
        page.line(("+ " + second, "good"))
    left = limit or sys.maxsize
    for part in found.parts:
        left = _tell_part(page, part, one, other, left)
    count = sum(len(part.first) + len(part.second) + len(part.changed) for part in found.parts)
    if limit and count > limit:
        page.line()
        page.line((f"… and {count - limit} more; all of them: --limit 0", "faint"))
    if answer is None and found:
        page.line()
        page.line(("whether they say the same with all that follows: --equivalent", "faint"))
    page.print()


def _tell_part(page: Page, part: Part, one: Document, other: Document, left: int) -> int:
    """Tell what differs in one part, at most `left` differences; how many are left then."""
    from trilha.cli.worded import statement_text

    mine, theirs = _wording(one, part), _wording(other, part)
    if part.bundle is not None and left:
        word = (mine if part.alone != 2 else theirs).name(part.bundle)
        only = f", which only {'-+'[part.alone - 1]} has" if part.alone else ""
        page.line()
        page.line(("bundle ", "head"), (word, "name"), only)
    elif left:
        page.line()
    for change in part.changed[:left]:
        record = change.first[0]
        page.line("  ", f"{record.kind.provn} ", (mine.term(record.id), "name"))
        if len(change.first) + len(change.second) > 2:
            for record in change.first:
                page.line("    ", (f"- {statement_text(record, mine)}", "bad"))
            for record in change.second:
                page.line("    ", (f"+ {statement_text(record, theirs)}", "good"))
            continue
        for what, here, there in _cells(change, mine, theirs):
            if here:
                page.line("    ", (f"- {what} = {', '.join(here)}", "bad"))
            if there:
                page.line("    ", (f"+ {what} = {', '.join(there)}", "good"))
    left = max(0, left - len(part.changed))
    for sign, style, records, words in (
        ("-", "bad", part.first, mine),
        ("+", "good", part.second, theirs),
    ):
        for record in records[:left]:
            page.line("  ", (f"{sign} {statement_text(record, words)}", style))
        left = max(0, left - len(records))
    return left


def _cells(change: Change, mine: Wording, theirs: Wording) -> list[tuple[str, list[str], list[str]]]:
    """What differs in a statement, its values in the first document, and in the second one."""
    from trilha.cli.worded import cell_text
    from trilha.prov import Name

    found = []
    for what, here, there in change.cells():
        key = isinstance(what, Name)
        one = [cell_text(value, mine, attribute=key) for value in here]
        other = [cell_text(value, theirs, attribute=key) for value in there]
        words = mine if here else theirs
        found.append((words.name(what) if isinstance(what, Name) else what, one, other))
    return found


def _wording(document: Document, part: Part) -> Wording:
    from trilha.prov.constraints.wording import Wording

    bundle = document.bundles.get(part.bundle) if part.bundle is not None else None
    inner = [bundle.namespaces] if bundle is not None else []
    return Wording(*inner, document.namespaces)


# -- for programs


def _print_json(
    first: str, second: str, one: Document, other: Document, found: Differences, answer: Answer | None
) -> None:
    import json

    from trilha.cli.worded import statement_text

    parts = []
    for part in found.parts:
        mine, theirs = _wording(one, part), _wording(other, part)
        changed = [
            {
                "kind": change.first[0].kind.provn,
                "id": change.first[0].id,
                "first": [statement_text(record, mine) for record in change.first],
                "second": [statement_text(record, theirs) for record in change.second],
                "differences": [
                    {"what": what, "first": here, "second": there}
                    for what, here, there in _cells(change, mine, theirs)
                ],
            }
            for change in part.changed
        ]
        parts.append(
            {
                "bundle": part.bundle,
                "only_in": [None, "first", "second"][part.alone],
                "first": [_statement(record, mine) for record in part.first],
                "second": [_statement(record, theirs) for record in part.second],
                "changed": changed,
            }
        )
    content = {
        "version": JSON_VERSION,
        "kind": "differences",
        "first": first,
        "second": second,
        "same": not found if answer is None else answer.equivalent,
        "equivalent": None if answer is None else answer.equivalent,
        "reason": None if answer is None else answer.reason,
        "parts": parts,
    }
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _statement(record: Record, words: Wording) -> dict[str, Any]:
    from trilha.cli.worded import statement_text

    return {"kind": record.kind.provn, "id": record.id, "text": statement_text(record, words)}
