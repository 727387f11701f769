"""``trilha lineage``: where a thing came from, or what came of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.drawing import check_picture
from trilha.cli.options import asked, document_option, json_option, moment, print_json, store_option

if TYPE_CHECKING:
    from trilha.cli.page import Line, Page, Span, Tree
    from trilha.query.lineage import Lineage
    from trilha.query.trail import Branch

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha lineage model.pt                          a file, found by its content
  trilha lineage data/digits.csv --downstream      what came of it
  trilha lineage model.pt --draw trail.svg         a picture of it
  trilha lineage train_loader --run last           by name, in one run
  trilha lineage '#42' --depth 2                   the 42nd thing of the last run
  trilha lineage model.pt --document model.provn   from its document alone

A copied or renamed file finds its trail all the same.
"""


@click.command(name="lineage", epilog=_EPILOG)
@click.argument("what", metavar="FILE|NAME|ID")
@click.option("--downstream", is_flag=True, help="What came of it, instead of where it came from.")
@click.option("--depth", type=click.IntRange(0), help="How many steps deep; all by default.")
@click.option("--run", help="Look for a name in this run only.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Tell about so many things, the nearest; 0 for all.",
)
@click.option(
    "--draw", metavar="PICTURE", help="Draw it instead, by Graphviz: a file .svg or .png; .dot is its text."
)
@document_option
@json_option
@store_option
def command(
    what: str,
    downstream: bool,
    depth: int | None,
    run: str | None,
    limit: int,
    draw: str | None,
    document: str | None,
    as_json: bool,
    store: str | None,
) -> None:
    """Tell where FILE, NAME or ID came from: each step that led to it, down to the raw data."""
    from trilha.query.finding import find
    from trilha.query.lineage import lineage

    if draw is not None:
        check_picture(draw)
    opened_store = asked(store, document)
    found = find(opened_store, what, run)
    told = lineage(opened_store, found, downstream=downstream, depth=depth)
    if draw is not None:
        _draw(told, limit, draw)
    if as_json:
        print_json("lineage", opened_store.folder, _shape(told, depth))
    if as_json or draw is not None:
        return
    _page(told, limit).print()


def _draw(told: Lineage, limit: int, path: str) -> None:
    from trilha.cli.drawing import write_picture
    from trilha.query.trail import trail

    count = write_picture(told, trail(told, limit), path)
    sys.stderr.write(f"trilha: drew {count} things in {path}\n")


def _shape(told: Lineage, depth: int | None) -> dict[str, Any]:
    from trilha.cli.shapes import run_shape, thing_shape
    from trilha.query.trail import raw, results
    from trilha.query.unknown import of_lineage

    return {
        "asked": told.found.asked,
        "found_by": told.found.how,
        "direction": told.direction,
        "depth": depth,
        "starts": list(told.starts),
        "things": [
            {**thing_shape(thing), "depth": told.depths.get(iri)} for iri, thing in told.things.items()
        ],
        "links": [
            {
                "effect": link.effect,
                "via": link.via,
                "cause": link.cause,
                "activity": link.activity,
                "time": moment(link.time),
                "depth": link.depth,
                "weaker": link.weaker,
                "others": link.others,
            }
            for link in told.links
        ],
        "runs": [run_shape(run) for run in told.runs.values()],
        "raw": [thing.iri for thing in raw(told)] if told.direction == "upstream" else [],
        "results": [thing.iri for thing, _ in results(told)] if told.direction == "downstream" else [],
        "cut": list(told.cut),
        "not_known": of_lineage(told),
    }


def _page(told: Lineage, limit: int) -> Page:
    from trilha.cli.page import Page
    from trilha.cli.telling import run_line
    from trilha.query.trail import trail, untold
    from trilha.query.unknown import of_lineage

    page = Page()
    trees = trail(told, limit)
    for branch in trees:
        page.tree(_tree(branch, told))
    if len(trees) == 1 and not trees[0].branches and not told.cut:
        nothing = (
            "Nothing recorded came of it." if told.direction == "downstream" else "No recorded run made it."
        )
        page.line("  ", nothing)
    left = untold(told, trees)
    if left:
        page.line("  ", (f"{left} more things, further off; all of them: --limit 0, or --json", "faint"))
    if told.direction == "upstream":
        _raw(page, told, limit)
    else:
        _results(page, told, limit)
    if told.runs:
        page.heading("Recorded in")
        for run in sorted(told.runs.values(), key=lambda run: run.start or 0):
            page.line("  ", *run_line(run))
    said = of_lineage(told)
    if said:
        page.heading("Not known, or good to know")
        for sentence in said:
            page.line("  ", (sentence, "odd"))
    return page


def _raw(page: Page, told: Lineage, limit: int) -> None:
    from trilha.cli.telling import hash_of, near
    from trilha.query.trail import raw
    from trilha.query.wording import moment as words
    from trilha.query.wording import size

    rows: list[list[Span | str]] = []
    listed: set[tuple[str | None, object, object]] = set()
    for thing in raw(told):
        if thing.iri in told.starts and not told.links_by_cause.get(thing.iri):
            continue
        version = thing.run, thing.fact("trilha:path"), thing.fact("trilha:sha256") or thing.iri
        if version in listed:
            # Each process of a run has met it.
            continue
        listed.add(version)
        read = next((link for link in told.links_by_cause.get(thing.iri, ()) if link.via == "used"), None)
        by = f"read by {told.things[read.effect].label}, {words(read.time)}" if read else ""
        length = thing.fact("trilha:size")
        path = near(str(thing.fact("trilha:path", thing.label)))
        rows.append(
            ["  " + path, size(length) if isinstance(length, int) else "", hash_of(thing), (by, "faint")]
        )
    if rows:
        page.heading("It begins with", ("  files that no recorded run wrote", "faint"))
        _table(page, rows, limit)


def _results(page: Page, told: Lineage, limit: int) -> None:
    from trilha.cli.telling import hash_of, near
    from trilha.query.trail import results
    from trilha.query.wording import moment as words
    from trilha.query.wording import size

    rows: list[list[Span | str]] = []
    for thing, link in results(told):
        length = thing.fact("trilha:size")
        path = near(str(thing.fact("trilha:path", thing.label)))
        by = f"written by {told.things[link.cause].label}, {words(link.time)}"
        rows.append(
            ["  " + path, size(length) if isinstance(length, int) else "", hash_of(thing), (by, "faint")]
        )
    if rows:
        page.heading("It led to", ("  files that were written", "faint"))
        _table(page, rows, limit)


def _table(page: Page, rows: list[list[Span | str]], limit: int) -> None:
    page.table(rows[:limit] if limit else rows, right=(1,))
    if limit and len(rows) > limit:
        page.line("  ", (f"… and {len(rows) - limit} more", "faint"))


# -- the tree
# ----------------------------------------------------------------------------------------------------


def _tree(root: Branch, told: Lineage) -> Tree:
    """The branch and all below it; an entity and the one step that made it share a place in the tree."""
    from trilha.cli.page import Tree

    top, below = _place(root, told)
    tree = Tree(top)
    waiting = [(tree, below)]
    while waiting:
        made, branches = waiting.pop()
        for branch in branches:
            lines, further = _place(branch, told)
            one = Tree(lines)
            made.branches.append(one)
            waiting.append((one, further))
    return tree


def _place(branch: Branch, told: Lineage) -> tuple[list[Line], list[Branch]]:
    """The lines of one place in the tree, and the branches that hang on it."""
    lines = [_line(branch, told)]
    below = branch.branches
    if len(below) == 1 and _is_the_file(below[0], branch, told):
        # Another process of the run wrote it.
        if below[0].told:
            lines = [[*lines[0], ("  (told already)", "faint")]]
        below = below[0].branches
    if len(below) == 1 and below[0].role in ("made by", "used by") and branch.role != "asked":
        lines.append(_line(below[0], told))
        return lines, below[0].branches
    if len(below) == 1 and below[0].role == "made by":
        lines.append(_line(below[0], told))
        return lines, below[0].branches
    return lines, below


def _is_the_file(source: Branch, read: Branch, told: Lineage) -> bool:
    """Whether what was `read` is its `source`, in the same place and of the same run."""
    if source.role != "same bytes as":
        return False
    one, other = told.things[source.things[0]], told.things[read.things[0]]
    return one.run == other.run and one.fact("trilha:path", one) == other.fact("trilha:path", other)


def _line(branch: Branch, told: Lineage) -> Line:
    from trilha.cli.telling import words_of

    if branch.more:
        return [(f"… and {branch.more} more like these", "faint")]
    role = "" if branch.role == "asked" else branch.role + " "
    if (
        branch.role == "made by"
        and branch.link is not None
        and "trilha:File" in told.things[branch.link.effect].types
    ):
        role = "written by "
    words = words_of(branch, told)
    ends = []
    if branch.told:
        ends.append(("  (told already)", "faint"))
    if branch.cut:
        ends.append(("  (cut here)", "odd"))
    return [(role, "faint"), *words, *ends]
