"""Rewriting a module so that it tells what it does, down to the variable: all of it, or what was chosen."""

from __future__ import annotations

import ast
from collections.abc import Collection

from trilha.capture.script.chosen import Chosen
from trilha.capture.script.hooking import HOOKS, Body, hook_name
from trilha.capture.script.sites import docstring, number, site
from trilha.capture.script.tracing import Rewriter

__all__ = ["rewriter_of", "traced"]


def traced(
    tree: ast.Module,
    base: int,
    first: int,
    chosen: Chosen | None = None,
    spared: Collection[ast.AST] = frozenset(),
) -> tuple[ast.Module, int, list[int]]:
    """Rewrite a module in place.

    Args:
        tree: as parsed.
        base: number of its first part.
        first: number of the first kind of record.
        chosen: what of it is traced, and how; all of it by default.
        spared: functions whose own code stays as it is.

    Returns:
        The tree, how many numbers its parts take, and what the kinds of records are.

    Raises:
        RecursionError: it is nested too deeply.
    """
    count = len(number(tree))
    rewriter = rewriter_of(chosen)(tree, base, first)
    rewriter.place, rewriter.spared = count, {site(one) for one in spared}
    rewriter.leaving = chosen is not None and chosen.partly
    rewriter.rests = 0 if chosen is None else chosen.rests
    if chosen is not None and not chosen.whole:
        from trilha.capture.script import outside

        outside.rewrite(tree, chosen, rewriter, count)
        return ast.fix_missing_locations(tree), count + 1, rewriter.heads
    head = docstring(tree.body)
    while head < len(tree.body) and getattr(tree.body[head], "module", None) == "__future__":
        head += 1
    if head < len(tree.body):
        at = tree.body[head]
        enter = rewriter.tell("enter", count, at, ast.copy_location(ast.Constant(None), at))
        # Names of a module are looked up in three places, those that it declares global in two.
        hooks = ast.copy_location(ast.Global([hook_name(name) for name in HOOKS]), at)
        body = [hooks, ast.copy_location(ast.Expr(enter), at), *rewriter.body(tree.body[head:])]
        left: Body = [rewriter.left(count, at)] if rewriter.leaving else []
        tree.body[head:] = [rewriter.guarded(body, count, at, left)]
    return ast.fix_missing_locations(tree), count + 1, rewriter.heads


def rewriter_of(chosen: Chosen | None) -> type[Rewriter]:
    """What rewrites a module of which this is traced."""
    if chosen is None or not (chosen.values or chosen.rounds):
        return Rewriter
    from trilha.capture.script import rounds, valued

    if not chosen.rounds:
        return valued.Valued
    return rounds.RoundsValued if chosen.values else rounds.Rounds
