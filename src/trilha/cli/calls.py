"""``trilha calls``: the calls of a traced script as a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import json_option, opened, print_json, short_path, store_option, traces_of

if TYPE_CHECKING:
    from trilha.cli.page import Span, Tree
    from trilha.trace.calls import Calls

__all__ = ["command"]

_MOST_BRANCHES = 40
_EPILOG = """\b
Examples:
  trilha run --grain variable script.py     record the calls of its functions, too
  trilha calls                              who called whom in the last run, and how often
  trilha calls last --depth 2               not deeper than two calls
  trilha calls --dot | dot -Tsvg > calls.svg    as a picture
"""


@click.command(name="calls", epilog=_EPILOG)
@click.argument("run", default="last")
@click.option("--depth", type=click.IntRange(1), default=100, show_default=True, help="How deep to show it.")
@click.option("--dot", "as_dot", is_flag=True, help="Print the tree for Graphviz.")
@json_option
@store_option
def command(run: str, depth: int, as_dot: bool, as_json: bool, store: str | None) -> None:
    """Tell who called whom in RUN (last by default), which was recorded with --grain variable."""
    if as_dot and as_json:
        raise click.UsageError("--dot and --json: expected one of them")
    from trilha.trace.calls import call_tree

    found = opened(store)
    roots = [root for traced in traces_of(found, run) for root in call_tree(traced)]
    if as_json:
        print_json("calls", str(found.folder), {"calls": [_shape(root, depth) for root in roots]})
        return
    if as_dot:
        sys.stdout.writelines(_dot(roots, depth))
        return
    from trilha.cli.page import Page

    page = Page()
    for root in roots:
        page.tree(_tree(root, depth))
    page.print()


def _tree(node: Calls, depth: int) -> Tree:
    from trilha.cli.page import Tree

    made = Tree([_line(node)])
    if depth == 1 and node.calls:
        made.lines.append([(f"… {len(node.calls):,} more below (--depth)", "faint")])
        return made
    made.branches += [_tree(one, depth - 1) for one in node.calls[:_MOST_BRANCHES]]
    if len(node.calls) > _MOST_BRANCHES:
        made.lines.append([(f"… and {len(node.calls) - _MOST_BRANCHES:,} more (--json)", "faint")])
    return made


def _dot(roots: list[Calls], depth: int) -> Iterator[str]:
    """The tree as a graph: a node for each function, as often as it stands in the tree."""
    yield "digraph calls {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n"
    waiting = [(root, 0, 1) for root in reversed(roots)]
    number = 0
    while waiting:
        node, above, level = waiting.pop()
        number += 1
        text = "".join(span if isinstance(span, str) else span[0] for span in _line(node))
        label = text.replace("\\", "\\\\").replace('"', '\\"')
        yield f'  c{number} [label="{label}"];\n'
        if above:
            yield f"  c{above} -> c{number};\n"
        waiting += [(one, number, level + 1) for one in reversed(node.calls) if level < depth]
    yield "}\n"


def _line(node: Calls) -> list[Span | str]:
    is_text = node.name in ("<module>", node.file)  # A cell of a notebook is called as its text is.
    name = node.name if is_text else f"{node.name}({', '.join(node.arguments)})"
    where = f"  {short_path(node.file)}{f':{node.line}' if node.line else ''}"
    where = where if node.file and node.file != node.name else ""
    line: list[Span | str] = [(name, "name"), (where, "faint")]
    if node.count > 1:
        line.append(f"  ×{node.count:,}")
    if node.again:
        line.append((f"  {node.again:,} from within itself", "faint"))
    if node.raised:
        line.append((f"  {node.raised:,} ended by an exception", "bad"))
    if node.lost:
        line.append((f"  of {node.lost:,} the end is not known", "odd"))
    return line


def _shape(node: Calls, depth: int) -> dict[str, Any]:
    return {
        "name": node.name,
        "file": node.file or None,
        "line": node.line or None,
        "arguments": list(node.arguments),
        "count": node.count,
        "again": node.again,
        "raised": node.raised,
        "end_unknown": node.lost,
        "calls": [_shape(one, depth - 1) for one in node.calls] if depth > 1 else [],
    }
