"""The statements and expressions of a module are rewritten so that they tell what they do.

Nothing is logged that follows from the text: names, constants, arithmetic. Logged are which block of
statements runs (one number), the container and key of each access, the items that a loop gets, what calls
return, and where an exception came from. `trilha.trace` follows the same text along that log.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Sequence
from typing import Any, Final

from trilha.capture.script.hooking import KINDS, Body, Hooks, hook_name, placed, read
from trilha.capture.script.sites import (
    EFFECTS,
    KEYED,
    LAST,
    Scope,
    awaits_inside,
    docstring,
    encloses_yield,
    frees,
    is_plain,
    mangled,
    parameters,
    pattern_names,
    pauses_inside,
    resumes,
    runs_text,
    site,
    takes_all,
    target_names,
    target_parts,
    told_names,
    told_operation,
)

__all__ = ["Rewriter"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOAD: Final = ast.Load()


class Rewriter(Hooks):
    """Has the statements and expressions of one module tell what they do."""

    # -- statements ------------------------------------------------------------------------------------------

    def body(self, statements: Sequence[ast.stmt]) -> Body:
        """Statements, rewritten."""
        found: Body = []
        for one in statements:
            made = self._statement(one)
            found.extend(made if isinstance(made, list) else [made])
        return found

    def _statement(self, node: ast.stmt) -> ast.stmt | Body:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            made: ast.stmt | Body = method(node)
            return made
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expression(value))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(node, field, [self.expression(one) for one in value])
        return node

    def _global(self, node: ast.stmt) -> ast.stmt:
        return node

    _nonlocal = _import = _importfrom = _pass = _break = _continue = _typealias = _global

    def _annassign(self, node: ast.AnnAssign) -> ast.stmt:
        node.target = self.expression(node.target)
        if node.value is not None:
            node.value = self.expression(node.value)
        return node

    def _assert(self, node: ast.Assert) -> ast.stmt:
        node.test = self._test(node.test)
        return node

    def _assign(self, node: ast.Assign) -> ast.stmt | Body:
        told, value, names = told_operation(node, self._containers), node.value, told_names(node)
        node.value = self.expression(value)
        if told:
            node.value = self.tell("result", site(value), value, node.value)
        node.targets = [self.expression(one) for one in node.targets]
        return [node, self._items(site(node), node, names)] if names else node

    def _augassign(self, node: ast.AugAssign) -> ast.stmt | Body:
        node.value = self.expression(node.value)
        if not isinstance(node.target, ast.Name):
            node.target = self.expression(node.target)
            return node
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, (int, float)):
            return node
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return [node, self.say("result", site(node), node, read)]

    def _if(self, node: ast.If) -> ast.stmt:
        node.test = self._test(node.test)
        node.body = [self.say("block", site(node), node.body[0]), *self.body(node.body)]
        node.orelse = self.body(node.orelse)
        return node

    def _while(self, node: ast.While) -> ast.stmt | Body:
        return self._if(node)  # type: ignore[arg-type]

    def _for(self, node: ast.For) -> ast.stmt | Body:
        over = [] if is_plain(node.iter, self._scope) else [self.say("block", site(node), node)]
        node.iter = self.expression(node.iter)
        if isinstance(node.target, ast.Name) or next(target_parts(node.target), None):
            node.iter = self._each(site(node), node, node.iter)
            node.target = self.expression(node.target)
            node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        else:
            self._unpacked(node)
        node.orelse = [*over, *node.orelse]
        return node

    def _each(self, place: int, loop: ast.AST, items: ast.expr) -> ast.expr:
        """What a loop goes through, its items told as it gets them."""
        # Where the compiler has the loop's own look at its items, for tracebacks.
        return self.tell("each", place, items if sys.version_info >= (3, 13) else loop, items)

    def _unpacked(self, node: Any) -> None:
        """A loop that tells what it got when that has its names."""
        told = self._items(site(node), node.body[0], target_names(node.target))
        node.target = self.expression(node.target)
        node.body = [told, *self.body(node.body)]
        node.orelse = self.body(node.orelse)

    def _items(self, place: int, at: ast.AST, names: Sequence[str]) -> ast.stmt:
        return self.say("item", place, at, *(read(name, at) for name in names))

    def _asyncfor(self, node: ast.AsyncFor) -> ast.stmt:
        place = site(node)
        node.iter = self.expression(node.iter)
        begins = node.body[0]
        part: Any = next(target_parts(node.target), None)
        self._unpacked(node)
        if part is None or self._scope.kind == "module":
            node.body[:0] = self._resumed(place, begins)
        else:
            # It goes on before the target is evaluated, which tells of itself.
            nothing = ast.copy_location(ast.Constant(None), part.value)
            part.value = self.after(self.tell("resume", place, part.value, nothing), part.value)
        node.orelse = [*self._resumed(place, node), *node.orelse]
        return node

    def _resumed(self, place: int, at: ast.AST) -> Body:
        if self._scope.kind == "module":
            return []  # Who runs the statements of a cell that awaits is no coroutine of the program.
        return [self.say("resume", place, at, ast.copy_location(ast.Constant(None), at))]

    def _with(self, node: ast.With) -> Body:
        names: list[str] = []
        for item in node.items:
            item.context_expr = self.expression(item.context_expr)
            if item.optional_vars is not None:
                names += target_names(item.optional_vars)
                item.optional_vars = self.expression(item.optional_vars)
        at, place = node.body[0], site(node)
        node.body = [self._items(place, at, names), self.guarded(self.body(node.body), place, at)]
        return [node, self.say("block", place, node)]

    def _asyncwith(self, node: ast.AsyncWith) -> Body:
        made = self._with(node)  # type: ignore[arg-type]
        node.body[:0] = self._resumed(site(node), node.body[0])
        return [made[0], *self._resumed(site(node), node), made[1]]

    def _try(self, node: ast.Try) -> ast.stmt:
        for handler in node.handlers:
            told = self.say("raised", site(handler), handler.body[0])
            handler.body = [told, *self.body(handler.body)]
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        if node.finalbody:
            inner = node.body
            if node.handlers or node.orelse:
                inner = [ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)]
            node.body = [self.guarded(inner, site(node), node.body[0])]
            node.handlers, node.orelse = [], []
            node.finalbody = self.body(node.finalbody)
        return node

    def _trystar(self, node: Any) -> Body:
        place = site(node)
        for handler in node.handlers:
            at = handler.body[0]
            told = self.say("raised", site(handler), at)
            handler.body = [told, self.guarded(self.body(handler.body), place, at)]
        at, final = node.body[0], self.body(node.finalbody)
        node.body, node.orelse, node.finalbody = self.body(node.body), self.body(node.orelse), []
        found: Body = [node, self.say("block", place, node)]
        return [self.guarded_finally(found, place, at, final)] if final else found

    def guarded_finally(self, body: Body, place: int, at: ast.stmt, final: Body) -> ast.stmt:
        """`body` and what comes finally, an exception that passes by being told."""
        return ast.copy_location(ast.Try([self.guarded(body, place, at)], [], [], final), at)

    def _match(self, node: ast.Match) -> ast.stmt:
        node.subject = self.expression(node.subject)
        for case in node.cases:
            names, first, place = pattern_names(case.pattern), case.body[0], site(case)
            if case.guard is None:
                case.body = [self._items(place, first, names), *self.body(case.body)]
                continue
            told = self.tell("item", place, case.guard, *(read(name, case.guard) for name in names))
            case.guard = self.after(told, self._test(case.guard))
            case.body = [self.say("block", place, first), *self.body(case.body)]
        if not takes_all(node.cases):
            none = ast.copy_location(ast.MatchAs(), node.cases[-1].pattern)
            node.cases.append(ast.match_case(none, None, [self.say("block", site(node), node)]))
        return node

    def _functiondef(self, node: Any) -> Body:
        node.decorator_list = [self.expression(one) for one in node.decorator_list]
        arguments = node.args
        arguments.defaults = [self.expression(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.expression(one) for one in arguments.kw_defaults]
        if site(node) not in self.spared:
            self.function(node)
        return self._decorated(node)

    _asyncfunctiondef = _functiondef

    def function(self, node: Any) -> None:
        """Rewrite the body of a function, in place."""
        at = node.body[docstring(node.body)] if len(node.body) > docstring(node.body) else node.body[0]
        scope = self._scopes[node]
        pauses = encloses_yield(node)
        entered = ast.copy_location(ast.Expr(self._entered(node, scope, at, pauses=pauses)), at)
        head = docstring(node.body)
        classes, self.classes = self.classes, list(self.classes)
        outside, self._scope = self._scope, scope
        body = self.body(node.body[head:]) or [ast.copy_location(ast.Pass(), at)]
        self.classes, self._scope = classes, outside
        final: Body = [self._over(at)] if pauses else []
        if self.leaving and not pauses:
            final = [self.left(site(node), at)]
        node.body[head:] = [entered, self.guarded(body, site(node), at, final)]

    def left(self, place: int, at: ast.AST) -> ast.Expr:
        """A statement that tells that a function or module is left."""
        return ast.copy_location(ast.Expr(self.call("block", self.numbered((place, KINDS["left"])), at)), at)

    def _over(self, at: ast.AST) -> ast.Expr:
        call = ast.Call(ast.Name(hook_name("other"), ast.Load()), [], [])
        return ast.copy_location(ast.Expr(placed(call, at)), at)

    def _entered(self, node: Any, scope: Scope, at: ast.AST, *, pauses: bool) -> ast.expr:
        """The hook that tells that a function began: with a cell, if it has any, and its parameters."""
        arguments: list[ast.expr] = []
        names = frees(scope)
        if names:
            none = ast.arguments([], [], None, [], [], None, [])
            arguments.append(placed(ast.Lambda(none, ast.Name(names[0], ast.Load())), at))
        else:
            arguments.append(ast.copy_location(ast.Constant(None), at))
        arguments += [read(name, at) for name in parameters(node.args)]
        called = None if pauses or node not in self._indirect else self.tell("called", site(node), at)
        return self.after(called, self.tell("begin" if pauses else "enter", site(node), at, *arguments))

    def _classdef(self, node: ast.ClassDef) -> Body:
        node.decorator_list = [self.expression(one) for one in node.decorator_list]
        node.bases = [self.expression(one) for one in node.bases]
        for word in node.keywords:
            word.value = self.expression(word.value)
        self.classes.append(node.name)
        head = docstring(node.body)
        outside, self._scope = self._scope, self._scopes[node]
        node.body[head:] = self.body(node.body[head:])
        self._scope = outside
        self.classes.pop()
        return self._decorated(node)

    def _decorated(self, node: Any) -> Body:
        """A definition that tells what it made, and what its own decorators made of that."""
        own = bool(node.decorator_list)
        node.decorator_list.append(self.tell("define", site(node), node))
        return [node, self.say("result", site(node), node, read(node.name, node))] if own else [node]

    # -- expressions -----------------------------------------------------------------------------------------

    def expression(self, node: Any) -> Any:
        """An expression, rewritten; a target too."""
        method = getattr(self, f"_x_{type(node).__name__.lower()}", None)
        return self._inside(node) if method is None else method(node)

    def _inside(self, node: Any) -> Any:
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expression(value))
            elif isinstance(value, list):
                made = [self.expression(one) if isinstance(one, ast.expr) else one for one in value]
                setattr(node, field, made)
        return node

    def _x_constant(self, node: ast.expr) -> ast.expr:
        return node

    _x_name = _x_joinedstr_part = _x_constant

    def _x_joinedstr(self, node: ast.JoinedStr) -> ast.expr:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = self.expression(part.value)
                part.format_spec = part.format_spec and self.expression(part.format_spec)
        return node

    def _x_subscript(self, node: ast.Subscript) -> ast.expr:
        value, place = self.expression(node.value), site(node)
        if not isinstance(node.ctx, ast.Load) and self._is_steady(node.slice):
            node.value = self._with_key("into", place, place, node.value, value, node.slice)
            return node
        key = self._key(node.slice)
        if isinstance(node.ctx, ast.Load):
            return self.tell("getitem", place, node, value, key)
        node.value = self.tell("into", site(node), node.value, value)
        node.slice = self.tell("key", site(node), node.slice, key)
        return node

    def _is_steady(self, key: ast.expr) -> bool:
        """Whether an expression gives the same when it is evaluated twice, and tells nothing."""
        if isinstance(key, ast.Name):
            return self._scope.kind == "function" and self._scope.owner(key.id) is self._scope
        while isinstance(key, ast.UnaryOp):
            key = key.operand
        return isinstance(key, ast.Constant)

    def _with_key(
        self, kind: str, place: int, key_place: int, at: ast.AST, container: ast.expr, key: ast.expr
    ) -> ast.expr:
        """A container that is told together with a steady key in it."""
        records = [(place, KINDS[kind]), (key_place, KINDS["key"])]
        return self.records("place", records, at, container, copy.deepcopy(key))

    def _x_list(self, node: Any) -> ast.expr:
        made = self._inside(node)
        return self._made(node, made) if isinstance(getattr(node, "ctx", _LOAD), ast.Load) else made

    _x_set = _x_list

    def _made(self, node: ast.expr, made: ast.expr) -> ast.expr:
        """A data structure that the text makes, its identity told."""
        return self.tell("result", site(node), node, made)

    def _x_dict(self, node: ast.Dict) -> ast.expr:
        before = list(node.keys)
        node.keys = [one and self.expression(one) for one in node.keys]
        for at, key in enumerate(before):
            made = node.keys[at]
            if key is not None and made is not None and not isinstance(key, ast.Constant):
                node.keys[at] = self.tell("key", site(key), key, made)
        node.values = [self.expression(one) for one in node.values]
        return self._made(node, node)

    def _key(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            parts = [
                self.expression(one) if one else ast.Constant(None)
                for one in (node.lower, node.upper, node.step)
            ]
            name = ast.Name(hook_name("slice"), ast.Load())
            made = ast.copy_location(ast.Call(name, parts, []), node)
            for one in [name, *parts]:
                if not hasattr(one, "lineno"):
                    ast.copy_location(one, node)
            return made
        if isinstance(node, ast.Tuple):
            node.elts = [self._key(one) for one in node.elts]
            return node
        made_: ast.expr = self.expression(node)
        return made_

    def _x_attribute(self, node: ast.Attribute) -> ast.expr:
        if self._is_module(node):
            return node
        value = self.expression(node.value)
        if isinstance(node.ctx, ast.Load):
            name = ast.copy_location(ast.Constant(mangled(node.attr, self.classes)), node)
            made = self.tell("getattr", site(node), node, value, name)
            if node.lineno != node.end_lineno and node.end_lineno is not None:
                # As the compiler has it: the line of the name itself.
                made.lineno, made.end_lineno = node.end_lineno, node.end_lineno
                made.end_col_offset = node.end_col_offset
                made.col_offset = max(0, (node.end_col_offset or 0) - len(node.attr.encode()))
            return made
        node.value = self.tell("into", site(node), node.value, value)
        return node

    def _x_call(self, node: ast.Call) -> ast.expr:
        function, first = node.func, node.args[0] if node.args else None
        arguments = [self.expression(one) for one in node.args]
        if (text := runs_text(node)) >= 0:
            arguments[text] = self.tell("ran", site(node), node.args[text], arguments[text])
        if not isinstance(function, ast.Attribute):
            node.func = self.expression(function)
        elif self._is_module(function):
            if ast.unparse(function) in LAST:
                node.func = ast.copy_location(
                    ast.BoolOp(ast.Or(), [self._flushed(function), function]), function
                )
        else:
            value = self.expression(function.value)
            if (
                first is not None
                and function.attr in KEYED
                and not isinstance(first, (ast.Constant, ast.Starred))
            ):
                if self._is_steady(first):
                    value = self._with_key("receiver", site(node), site(first), function.value, value, first)
                else:
                    arguments[0] = self.tell("key", site(first), first, arguments[0])
                    value = self.tell("receiver", site(node), function.value, value)
            elif function.attr in EFFECTS:
                value = self.tell("receiver", site(node), function.value, value)
                if function.attr == "resize":
                    # NumPy resizes no array to which there is a weak reference.
                    value = placed(
                        ast.Call(ast.Name(hook_name("release"), ast.Load()), [value], []), function.value
                    )
            function.value = value
        node.args = arguments
        for word in node.keywords:
            word.value = self.expression(word.value)
        return self.tell("result", site(node), node, node)

    def _flushed(self, at: ast.expr) -> ast.expr:
        """A call that writes the log out, and gives None."""
        return placed(ast.Call(ast.Name(hook_name("flush"), ast.Load()), [], []), at)

    def _x_namedexpr(self, node: ast.NamedExpr) -> ast.expr:
        node.value = self.expression(node.value)
        return node

    def _x_ifexp(self, node: ast.IfExp) -> ast.expr:
        node.test = self._test(node.test)
        node.body = self.first("block", site(node), self.expression(node.body))
        node.orelse = self.expression(node.orelse)
        return node

    def _x_boolop(self, node: ast.BoolOp) -> ast.expr:
        places = [site(one) for one in node.values]
        values = [self.expression(one) for one in node.values]
        later = [self.first("block", place, one) for place, one in zip(places[1:], values[1:], strict=True)]
        node.values = [values[0], *later]
        return node

    def _x_compare(self, node: ast.Compare) -> ast.expr:
        node.left = self.expression(node.left)
        places = [site(one) for one in node.comparators]
        parts = [self.expression(one) for one in node.comparators]
        node.comparators = [
            self.first("block", place, one) if at else one
            for at, (place, one) in enumerate(zip(places, parts, strict=True))
        ]
        return node

    def _test(self, node: ast.expr) -> ast.expr:
        """An expression of which only the truth matters: told is where `and` and `or` stop early."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self._test(node.operand)
            return node
        if not isinstance(node, ast.BoolOp):
            made: ast.expr = self.expression(node)
            return made
        values: list[ast.expr] = []
        for one in node.values[:-1]:
            told = self.tell("block", site(one), one)
            value = self._test(one)
            if isinstance(node.op, ast.Or):
                no = ast.copy_location(ast.UnaryOp(ast.Not(), told), one)
                values.append(ast.copy_location(ast.BoolOp(ast.And(), [value, no]), one))
            else:
                values.append(ast.copy_location(ast.BoolOp(ast.Or(), [value, told]), one))
        node.values = [*values, self._test(node.values[-1])]
        return node

    def _x_yield(self, node: Any) -> ast.expr:
        if node.value is not None:
            node.value = self.expression(node.value)
        if self.leaving and isinstance(node, ast.Yield):
            value = node.value or ast.copy_location(ast.Constant(None), node)
            node.value = self.call("result", self.numbered((site(node), KINDS["left"])), value, value)
        return self.tell("resume", site(node), node, node)

    _x_yieldfrom = _x_yield

    def _x_await(self, node: ast.Await) -> ast.expr:
        node.value = self.expression(node.value)
        return self._paused(node)

    def _paused(self, node: ast.expr) -> ast.expr:
        """What a coroutine waits for; in a cell nothing tells that it goes on."""
        return self.tell("result" if self._scope.kind == "module" else "resume", site(node), node, node)

    def _x_lambda(self, node: ast.Lambda) -> ast.expr:
        arguments = node.args
        arguments.defaults = [self.expression(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.expression(one) for one in arguments.kw_defaults]
        if encloses_yield(node):
            return node
        entered = self._entered(node, self._scopes[node], node.body, pauses=False)
        outside, self._scope = self._scope, self._scopes[node]
        body = self.expression(node.body)
        self._scope = outside
        node.body = self.after(entered, body)
        inner = self.tell("define", site(node), node)
        return ast.copy_location(ast.Call(inner, [node], []), node)

    def _x_listcomp(self, node: Any) -> ast.expr:
        lazy = isinstance(node, ast.GeneratorExp)
        if lazy and awaits_inside(node):
            first = node.generators[0]
            first.iter = self.expression(first.iter)
            unfollowed: ast.expr = node
            return unfollowed
        # Nothing tells that a generator expression, or what runs a cell, goes on.
        pauses = not lazy and self._scope.kind != "module" and pauses_inside(node)
        before: ast.expr | None = None
        for clause in node.generators:
            place, names = site(clause), target_names(clause.target)
            goes_on = pauses and resumes(node, clause)
            single = isinstance(clause.target, ast.Name) and not (lazy or goes_on or clause.is_async)
            items = self.expression(clause.iter)
            clause.iter = self.after(before, self._each(place, node, items) if single else items)
            clause.target = self.expression(clause.target)
            told = [read(name, clause.target) for name in names]
            before = None if single else self.tell("next" if lazy else "item", place, clause.target, *told)
            if goes_on and before is not None:
                nothing = ast.copy_location(ast.Constant(None), clause.target)
                before = self.after(self.tell("resume", place, clause.target, nothing), before)
            for at, test in enumerate(clause.ifs):
                where = site(test)
                clause.ifs[at] = self.after(before, self.expression(test))
                before = self.tell("block", where, test)
        last = "key" if isinstance(node, ast.DictComp) else "elt"
        element = getattr(node, last)
        made = self.expression(element)
        if isinstance(node, ast.DictComp):
            if not isinstance(element, ast.Constant):
                made = self.tell("key", site(element), element, made)
            node.value = self.expression(node.value)
        setattr(node, last, self.after(before, made))
        return self._made(node, self._paused(node) if pauses else node)

    _x_setcomp = _x_dictcomp = _x_generatorexp = _x_listcomp
