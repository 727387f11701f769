"""A program's shadow: code of the same shape, whose values are the evaluations that gave the program's.

The text that was traced is translated once more: names stay names, loops loops, functions functions, but each
operation is a call of `trilha.trace.replay.Replay`, which says what came from what, and reads from the log
where the program went. So Python itself does the scopes, closures, generators and exceptions of the replay.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from types import CodeType
from typing import Any

from trilha.capture.script.sites import (
    NO_NAMES,
    Names,
    Scope,
    containers,
    docstring,
    encloses_yield,
    import_names,
    imported,
    mangled,
    number,
    parameters,
    scopes,
    site,
    told_names,
    told_operation,
)
from trilha.trace import parts
from trilha.trace.compiling import Lines, compiled, parsed, text_of
from trilha.trace.evaluations import Component, Kind
from trilha.trace.shadow_branches import Branches, leaving
from trilha.trace.unasked import is_plain

__all__ = ["SHOWN", "Shadow"]

SHOWN = "= shown"
"""Stands, among the names that texts share, for the value that one of them ended with."""


class Shadow(Branches):
    """The shadow of one module.

    Args:
        source: the module's text.
        path: of its file.
        base: number of its first part.
        chosen: numbers of the functions that were traced; all of it by default.
        rounds: only the first ones of loops were.
        before: what its names stand for, if it shares them with other texts.

    Attributes:
        nodes: the parts by number, less `base`.
        code: which defines `shadow`, the module's own code as a function.
        functions: what is known of each function by the number of its definition.
        called: what its path is to users, who may see several texts of it.
        name: of what runs it.
        pausing: names of those that make generators or coroutines.
        setters: names, with their classes', of those that were given to ``property``; numbers of lambdas.
        plain: names, with those around, of classes that no library has a part in.
        bound: the global names that its statements bind.
        declared: those that its functions do.
        whole: all of it was traced; else `shadow` gives the functions that were, by number.
        lasting: where a part was traced, global functions and classes that are bound once: name by number.
        leaking: there, the numbers of parts that bind names which others see.
    """

    def __init__(
        self,
        source: bytes,
        path: str,
        base: int,
        chosen: Sequence[int] | None = None,
        *,
        rounds: bool = False,
        before: Names | None = None,
    ) -> None:
        tree = parsed(source, path)
        self.path, self.base = path, base
        self.called = path
        self.name = "<module>" if before is None else path
        self.text = text_of(source)
        self.nodes = number(tree)
        self._scopes = scopes(tree)
        self._modules = imported(tree, before or NO_NAMES)
        self._imports = import_names(tree, before or NO_NAMES)
        self._top = self._scopes[tree]
        self.declared = {name for one in self._scopes.values() for name in one.outer & one.bound}
        self.bound = frozenset(self._top.bound)
        self._top.bound |= (before or NO_NAMES).bound
        self._containers = containers(tree, shared=before is not None)
        self._classes: list[str] = []
        self._places: dict[tuple[int, int, int, int], int] = {}
        self._text_lines = Lines(self.text)
        self._lines: list[str] = []
        self._before: list[str] = []
        self._guards: list[str] = []
        self._controls: list[str] = []
        self._caught: list[str] = []
        self.functions: dict[int, Any] = {}
        self.pausing: set[str] = set()
        self.setters: set[str] = set()
        self.plain: set[str] = set()
        self.frees: dict[int, bool] = {}
        self.whole = chosen is None
        self._rounds = rounds
        if rounds:
            self._unsure, self._shared = parts.shared(self._scopes)
        self.lasting: dict[int, str] = {}
        self.leaking: frozenset[int] = frozenset()
        self._line(0, "def shadow(R, G):")
        if chosen is None and before is not None:
            self._cell(tree.body)
        elif chosen is None:
            self._block(1, tree.body[docstring(tree.body) :], self._scopes[tree])
        else:
            self._parts(tree, [self.nodes[one] for one in chosen])
        self.code: CodeType = compiled("\n".join(self._lines), f"<shadow of {path}>")

    def _cell(self, body: list[ast.stmt]) -> None:
        """The code of a text that shares its names; the value that it ends with may be shown."""
        last: Any = body[-1] if body and isinstance(body[-1], ast.Expr) else None
        self._block(1, body[:-1] if last is not None else body, self._top)
        if last is not None:
            self._line(1, f"G[{SHOWN!r}] = {self._x(last.value, self._top)}")
            self._line(1, f"return G[{SHOWN!r}]")

    def note_leaking(self, seen: Collection[ast.AST] | None = None) -> None:
        """Note which parts bind names that others see.

        Args:
            seen: what was traced; all by default.
        """
        found = parts.leaking(self._scopes, self._scopes if seen is None else seen)
        self.leaking = frozenset(map(self._at, found))

    def _parts(self, tree: ast.AST, roots: list[ast.AST]) -> None:
        """The code of the functions that were traced, where not all was."""
        self._seen = parts.inside(roots)
        self._unsure |= parts.unsure(tree, self._scopes, self._seen)
        lasting = parts.lasting(tree, self._scopes, self._seen)
        self.lasting = {self.base + at: name for at, name in lasting.items()}
        self.note_leaking(self._seen)
        for root, classes in parts.around(tree, roots).items():
            self._classes = classes
            self._function(1, root)
        places = [f"{self._at(root)}: f_{site(root)}" for root in roots]
        self._line(1, f"return {{{', '.join(places)}}}")

    def at_place(self, place: tuple[int, int, int, int]) -> int:
        """The number of the part at a place: its lines, its columns in bytes; -1 if there is none."""
        if not self._places:
            for at, node in enumerate(self.nodes):
                found: Any = node
                if hasattr(node, "lineno"):
                    where = (found.lineno, found.end_lineno, found.col_offset, found.end_col_offset)
                    self._places[where] = self.base + at
                    # What goes over several lines begins, in the code, at the attribute's name.
                    named = node.func if isinstance(node, ast.Call) else node
                    if isinstance(named, ast.Attribute) and named.lineno != named.end_lineno:
                        begin = (named.end_col_offset or 0) - len(named.attr.encode())
                        where = (named.end_lineno or 0, found.end_lineno, begin, found.end_col_offset)
                        self._places[where] = self.base + at
        return self._places.get(place, -1)

    def component(self, number: int, kind: Kind) -> Component:
        """A part of the text, as events know it."""
        node: Any = self.nodes[number - self.base]
        at: Any = node if hasattr(node, "lineno") else getattr(node, "target", getattr(node, "pattern", None))
        begin = self._text_lines.characters(at.lineno, at.col_offset)
        end = self._text_lines.characters(at.end_lineno, at.end_col_offset)
        text = self._text_lines.between(at.lineno, begin, at.end_lineno, end)
        return Component(number, self.called, at.lineno, begin, at.end_lineno, end, text, kind)

    def _line(self, depth: int, text: str) -> None:
        before, self._before = self._before, []
        self._lines += [f"{' ' * depth}{one}" for one in (*before, text)]

    # -- statements ------------------------------------------------------------------------------------------

    def _block(self, depth: int, body: list[ast.stmt], scope: Scope) -> None:
        if not body:
            self._line(depth, "pass")
        known = len(self._controls)
        for one in body:
            method = getattr(self, f"_{type(one).__name__.lower()}", self._unknown)
            left = leaving(one)
            # What stands in others may not be evaluated.
            for inner in left if type(one) is not ast.If else left[1:]:
                self._line(depth, f"_g{site(inner)} = None")
            method(depth, one, scope)
            self._controls += [f"_g{site(inner)}" for inner in left]
        del self._controls[known:]

    def _unknown(self, depth: int, node: ast.stmt, scope: Scope) -> None:
        """A statement that is not followed: the names that it binds are known no more."""
        self._line(depth, f"R.untraced({self._at(node)})")
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self._line(depth, f"{self._place(part.id, scope)} = R.opaque({self._at(node)}, {part.id!r})")

    def _expr(self, depth: int, node: ast.Expr, scope: Scope) -> None:
        self._line(depth, "pass" if isinstance(node.value, ast.Constant) else self._x(node.value, scope))

    def _pass(self, depth: int, node: ast.stmt, scope: Scope) -> None:  # noqa: ARG002
        self._line(depth, "pass")

    _global = _pass

    def _typealias(self, depth: int, node: Any, scope: Scope) -> None:
        """A ``type`` statement: Python works out what it stands for when it is asked for that."""
        at, name, value = self._at(node.name), node.name.id, self._worked_out(node, scope)
        made = f"R.alias({at}, {name!r}, lambda: {value}, {self._guard()})"
        self._line(depth, f"{self._place(name, scope)} = {made}")

    def _nonlocal(self, depth: int, node: ast.Nonlocal, scope: Scope) -> None:  # noqa: ARG002
        self._line(depth, "pass")

    def _break(self, depth: int, node: ast.stmt, scope: Scope) -> None:  # noqa: ARG002
        self._line(depth, type(node).__name__.lower())

    _continue = _break

    def _import(self, depth: int, node: Any, scope: Scope) -> None:
        for one in node.names:
            name = one.asname or one.name.partition(".")[0]
            if name != "*":
                at, full = self._at(node), self._full_name(node, one)
                self._line(depth, f"{self._place(name, scope)} = R.imported({at}, {name!r}, {full!r})")

    _importfrom = _import

    def _full_name(self, node: Any, one: ast.alias) -> str:
        """What an import binds, as a path without suffix; from the module's folder on if it is relative."""
        if isinstance(node, ast.Import):
            return (one.name if one.asname else one.name.partition(".")[0]).replace(".", "/")
        above = self.path.split("/")[: -node.level] if node.level else []
        return "/".join([*above, *(node.module or "").split("."), one.name]).replace("//", "/")

    def _return(self, depth: int, node: ast.Return, scope: Scope) -> None:
        value = "None" if node.value is None else self._x(node.value, scope)
        self._line(depth, f"return R.ret({self._at(node)}, {value}, {self._guard()})")

    def _raise(self, depth: int, node: ast.Raise, scope: Scope) -> None:
        if node.exc is None and self._caught:
            self._line(depth, f"R.raise_again({self._caught[-1]})")
            return
        parts = [self._x(one, scope) for one in (node.exc, node.cause) if one is not None]
        self._line(depth, f"R.raise_({self._at(node)}, {self._guard()}, {', '.join(parts)})")

    def _assert(self, depth: int, node: ast.Assert, scope: Scope) -> None:
        guard, test = f"_g{site(node)}", self._test(node.test, scope)
        self._line(depth, f"R.assert_({self._at(node)}, {self._at(node.test)}, ({guard} := {test}))")

    def _delete(self, depth: int, node: ast.Delete, scope: Scope) -> None:
        for one in node.targets:
            self._remove(depth, one, scope)

    def _remove(self, depth: int, one: ast.expr, scope: Scope) -> None:
        if isinstance(one, ast.Name):
            place, at = self._place(one.id, scope), self._at(one)
            # A name of a module or class may have been bound by what is not followed.
            container, bracket, _ = place.partition("[")
            gone = f"{container}.pop({one.id!r}, None)" if bracket else f"del {place}"
            self._line(depth, f"R.check({at}); {gone}")
        elif isinstance(one, (ast.Tuple, ast.List)):
            for part in one.elts:
                self._remove(depth, part, scope)
        else:
            self._line(depth, f"R.delete({self._at(one)}, {self._into(one, scope)}, {self._guard()})")

    def _into(self, target: Any, scope: Scope) -> str:
        """Container and key of a store, as two arguments."""
        at = self._at(target)
        if isinstance(target, ast.Attribute) and self._is_module(target):
            return f"R.module_of({self._module_path(target.value)!r}), ('.{target.attr}', ())"
        container = f"R.into({at}, {self._x(target.value, scope)})"
        if isinstance(target, ast.Attribute):
            return f"{container}, ('.{mangled(target.attr, self._classes)}', ())"
        return f"{container}, R.key({at}, {self._key(target.slice, scope)})"

    def _assign(self, depth: int, node: ast.Assign, scope: Scope) -> None:
        value, made = f"_a{site(node)}", self._x(node.value, scope)
        if told_operation(node, self._containers):
            made = made.replace("R.op(", "R.seen(", 1)
        self._line(depth, f"{value} = {made}")
        told = self._at(node) if told_names(node) else None
        for target in node.targets:
            self._store(depth, target, value, scope, told)

    def _annassign(self, depth: int, node: ast.AnnAssign, scope: Scope) -> None:
        value = f"_a{site(node)}"
        if node.value is not None:
            self._line(depth, f"{value} = {self._x(node.value, scope)}")
            self._store(depth, node.target, value, scope)
        elif not isinstance(node.target, ast.Name):
            self._line(depth, self._into(node.target, scope))  # It is evaluated, and nothing is stored.

    def _store(self, depth: int, target: Any, value: str, scope: Scope, told: Any = None) -> None:
        at = self._at(target)
        if isinstance(target, ast.Name):
            made = f"R.assign({at}, {target.id!r}, {value}, {self._guard()})"
            self._line(depth, f"{self._place(target.id, scope)} = {made}")
        elif isinstance(target, (ast.Tuple, ast.List)):
            star = [place for place, one in enumerate(target.elts) if isinstance(one, ast.Starred)]
            parts = f"_u{site(target)}"
            count = len(target.elts)
            given = f"{value}, {count}, {star[0] if star else -1}, {told}"
            self._line(depth, f"{parts} = R.unpack({at}, {given})")
            for place, one in enumerate(target.elts):
                inner = one.value if isinstance(one, ast.Starred) else one
                self._store(depth, inner, f"{parts}[{place}]", scope)
        else:
            self._line(depth, f"R.store({at}, {self._into(target, scope)}, {value}, {self._guard()})")

    def _augassign(self, depth: int, node: ast.AugAssign, scope: Scope) -> None:
        at, target = self._at(node), node.target
        if isinstance(target, ast.Name):
            told = not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, (int, float)))
            read = self._load(target.id, scope, self._at(target))
            value = self._x(node.value, scope)
            made = f"R.augment({at}, {target.id!r}, {read}, {value}, {told}, {self._guard()})"
            self._line(depth, f"{self._place(target.id, scope)} = {made}")
            return
        read = f"*R.read({self._at(target)}, {self._into(target, scope)})"
        value = self._x(node.value, scope)
        self._line(depth, f"R.augment_part({at}, {self._at(target)}, {read}, {value}, {self._guard()})")

    # -- definitions -----------------------------------------------------------------------------------------

    def _functiondef(self, depth: int, node: Any, scope: Scope) -> None:
        at = self._at(node)
        decorators = [self._x(one, scope) for one in node.decorator_list]
        given = self._defaults(node.args, scope)
        if decorators:
            self._line(depth, f"_d{site(node)} = [{', '.join(decorators)}]")
        self._line(depth, f"_p{site(node)} = {given}")
        self._function(depth, node)
        made = f"R.define({at}, {node.name!r}, f_{site(node)}, _p{site(node)})"
        if decorators:
            made = f"R.decorated({at}, {made}, _d{site(node)})"
        self._line(
            depth, f"{self._place(node.name, scope)} = R.assign({at}, {node.name!r}, {made}, {self._guard()})"
        )

    _asyncfunctiondef = _functiondef

    def _function(self, depth: int, node: Any) -> None:
        """The code of a function itself."""
        inside, names = self._scopes[node], parameters(node.args)
        self._note(node, inside)
        self._line(depth, self._type_parameters(node, inside))
        self._line(depth, f"def f_{site(node)}({', '.join('v_' + name for name in names)}):")
        foreign = [name for name in sorted(inside.foreign) if self._is_seen(inside.owner(name))]
        if foreign:
            self._line(depth + 1, f"nonlocal {', '.join('v_' + name for name in foreign)}")
        for name in sorted(inside.bound - set(names) - inside.foreign - inside.outer):
            # Makes the name local also where the shadow has no statement that binds it.
            self._line(depth + 1, f"if False: v_{name} = None")
        guards, self._guards = self._guards, []
        controls, self._controls = self._controls, []
        caught, self._caught = self._caught, []
        classes, self._classes = self._classes, list(self._classes)
        if encloses_yield(node):
            self._line(depth + 1, "if False: yield")
        self._block(depth + 1, node.body[docstring(node.body) :], inside)
        self._guards, self._classes, self._caught = guards, classes, caught
        self._controls = controls

    def _classdef(self, depth: int, node: ast.ClassDef, scope: Scope) -> None:
        at, inside = self._at(node), self._scopes[node]
        decorators = [self._x(one, scope) for one in node.decorator_list]
        self._line(depth, self._type_parameters(node, inside))
        around = inside.parent or scope  # A base may be made with a type parameter.
        bases = [self._x(one, around) for one in [*node.bases, *(word.value for word in node.keywords)]]
        if decorators:
            self._line(depth, f"_d{site(node)} = [{', '.join(decorators)}]")
        self._line(depth, f"_b{site(node)} = [{', '.join(bases)}]")
        self._line(depth, f"c_{site(node)} = {{}}")
        self._classes.append(node.name)
        self.plain |= {".".join(self._classes)} if is_plain(node, self.plain) else set()
        self._block(depth, node.body[docstring(node.body) :], inside)
        self._classes.pop()
        made = f"R.class_({at}, c_{site(node)}, _b{site(node)})"
        if decorators:
            made = f"R.decorated({at}, {made}, _d{site(node)})"
        self._line(
            depth, f"{self._place(node.name, scope)} = R.assign({at}, {node.name!r}, {made}, {self._guard()})"
        )
