"""A sequence of which every version is kept: insertion, removal and access in logarithmic time and space.

A treap (Seidel, Aragon: "Randomized search trees", Algorithmica 1996) whose nodes are never changed: a change
copies the path to it, as Driscoll, Sarnak, Sleator and Tarjan ("Making data structures persistent", 1989)
have it. Positions are implied by the sizes of the subtrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

__all__ = ["Tree", "insert", "length", "member_at", "members", "remove", "replace"]


class Tree(NamedTuple):
    """A version of a sequence; None is the empty one."""

    left: Tree | None
    right: Tree | None
    priority: float
    size: int
    member: Any


_random = Random(0)


def length(tree: Tree | None) -> int:
    """How many members a version has."""
    return 0 if tree is None else tree.size


def _made(left: Tree | None, right: Tree | None, priority: float, member: Any) -> Tree:
    return Tree(left, right, priority, length(left) + length(right) + 1, member)


def _split(tree: Tree | None, at: int) -> tuple[Tree | None, Tree | None]:
    """The first `at` members, and the others."""
    if tree is None:
        return None, None
    before = length(tree.left)
    if at <= before:
        left, middle = _split(tree.left, at)
        return left, _made(middle, tree.right, tree.priority, tree.member)
    middle, right = _split(tree.right, at - before - 1)
    return _made(tree.left, middle, tree.priority, tree.member), right


def _joined(left: Tree | None, right: Tree | None) -> Tree | None:
    if left is None or right is None:
        return left or right
    if left.priority > right.priority:
        return _made(left.left, _joined(left.right, right), left.priority, left.member)
    return _made(_joined(left, right.left), right.right, right.priority, right.member)


def insert(tree: Tree | None, at: int, member: Any) -> Tree | None:
    """The version with a member before position `at`."""
    left, right = _split(tree, at)
    return _joined(_joined(left, Tree(None, None, _random.random(), 1, member)), right)


def remove(tree: Tree | None, at: int) -> Tree | None:
    """The version without the member at position `at`."""
    left, rest = _split(tree, at)
    return _joined(left, _split(rest, 1)[1])


def replace(tree: Tree | None, at: int, member: Any) -> Tree | None:
    """The version with another member at position `at`."""
    if tree is None:
        return None
    before = length(tree.left)
    if at == before:
        return tree._replace(member=member)
    if at < before:
        return tree._replace(left=replace(tree.left, at, member))
    return tree._replace(right=replace(tree.right, at - before - 1, member))


def member_at(tree: Tree | None, at: int) -> Any:
    """The member at position `at`; None if there is none."""
    while tree is not None:
        before = length(tree.left)
        if at == before:
            return tree.member
        tree, at = (tree.left, at) if at < before else (tree.right, at - before - 1)
    return None


def members(tree: Tree | None) -> Iterator[Any]:
    """All members, in order."""
    path: list[Tree] = []
    while path or tree is not None:
        while tree is not None:
            path.append(tree)
            tree = tree.left
        tree = path.pop()
        yield tree.member
        tree = tree.right
