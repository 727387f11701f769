"""The shadow of expressions: code that gives the evaluation that gave a value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from trilha.capture.script.sites import (
    EFFECTS,
    KEYED,
    Scope,
    all_inside,
    awaits_inside,
    encloses_yield,
    frees,
    mangled,
    parameters,
    pauses_inside,
    resumes,
    runs_text,
    site,
    target_names,
    type_parameters,
)
from trilha.trace.log import ITEM, RESULT

__all__ = ["Expressions"]

_BY_NAME = frozenset(["getattr", "setattr", "delattr"])
"""Functions whose second argument is the name of an attribute."""


class Expressions:
    """Makes the code of expressions; a part of `trilha.trace.shadow.Shadow`."""

    base: int
    functions: dict[int, Any]
    pausing: set[str]
    setters: set[str]
    _scopes: dict[ast.AST, Scope]
    _modules: frozenset[str]
    _imports: dict[str, str]
    _top: Scope
    _classes: list[str]
    _guards: list[str]
    _before: list[str]
    """Lines that come before that of the statement which is made."""
    _controls: list[str]
    """What else decides about the statement that is made: names of the shadow's, what they stand for."""
    _seen: frozenset[ast.AST] | None = None
    """The parts that were traced, if not all were."""
    _unsure: frozenset[str] = frozenset()
    """Global names that text which was not traced binds."""
    _shared: frozenset[tuple[Scope, str]] = frozenset()
    """Names of functions that others bind, where not all rounds of loops were traced."""

    def _at(self, node: ast.AST) -> int:
        return self.base + site(node)

    # -- names -----------------------------------------------------------------------------------------------

    def _place(self, name: str, scope: Scope) -> str:
        """Where a name's evaluation is kept, as a target."""
        owner = scope.owner(name)
        if owner is None:
            return f"G[{name!r}]"
        if owner.kind == "class":
            return f"c_{site(owner.node)}[{name!r}]"
        # Those of types have no scope of their own in the shadow.
        return f"t_{site(owner.node)}_{name}" if owner.kind == "types" else f"v_{name}"

    def _is_seen(self, owner: Scope | None) -> bool:
        """Whether all that binds the names of a function's scope was traced."""
        return owner is not None and (self._seen is None or owner.node in self._seen)

    def _load(self, name: str, scope: Scope, at: int) -> str:
        owner = scope.owner(name)
        if (
            name in self._unsure
            if owner is None
            else not self._is_seen(owner) or (owner, name) in self._shared
        ):
            return f"R.unseen({at}, {name!r})"
        if owner is None:
            return f"R.ld({at}, G, {name!r})"
        if owner.kind == "class":
            above = owner.parent
            below = self._load(name, above, at) if above is not None else "None"
            place = f"c_{site(owner.node)}"
            return f"({place}[{name!r}] if {name!r} in {place} else {below})"
        return self._place(name, scope)

    def _guard(self) -> str:
        inner = self._guards[-1] if self._guards else ""
        outer = [one for one in dict.fromkeys(self._controls) if one not in inner.split(", ")]
        if not inner and not outer:
            return "()"
        return f"({f'{inner}, ' if inner else ''}({''.join(f'{one}, ' for one in outer)}),)"

    def _note(self, node: Any, inside: Scope) -> None:
        at = self._at(node)
        names = [*self._classes, getattr(node, "name", "<lambda>")]
        if encloses_yield(node):
            self.pausing.add(names[-1])
        around = inside.parent
        if around is not None and around.kind == "types":
            around = around.parent
        in_class = around is not None and around.kind == "class"
        arguments = node.args
        positional = [one.arg for one in [*arguments.posonlyargs, *arguments.args]]
        self.functions[at] = (
            ".".join(names),
            parameters(arguments),
            positional,
            arguments.vararg.arg if arguments.vararg else None,
            arguments.kwarg.arg if arguments.kwarg else None,
            in_class,
            bool(frees(inside)),
        )

    def _type_parameters(self, node: ast.AST, inside: Scope) -> str:
        """A statement for the type parameters of a definition that some text in it reads."""
        around, found = inside.parent or inside, []
        for name in type_parameters(node):
            if any(name in one.loads and one.owner(name) is around for one in all_inside(around)):
                found.append(f"{self._place(name, around)} = R.opaque({self._at(node)}, {name!r})")
        return "; ".join(found) or "pass"

    def _worked_out(self, node: Any, scope: Scope) -> str:
        """What a ``type`` statement stands for: an operation of the names that its text has."""
        value = node.value
        (inside,) = (one for one in scope.inner if one.node is node)
        used = inside.loads - inside.bound
        names = [one for one in ast.walk(value) if isinstance(one, ast.Name) and one.id in used]
        found = [self._load(one.id, inside, self._at(one)) for one in names]
        if isinstance(value, ast.Name):
            return found[0] if found else "None"
        return f"R.op({self._at(value)}, {', '.join(found)})"

    def _defaults(self, arguments: ast.arguments, scope: Scope) -> str:
        """The evaluations of the parameters' defaults, as a dict by name."""
        positional = [*arguments.posonlyargs, *arguments.args]
        with_default = positional[len(positional) - len(arguments.defaults) :]
        found = [
            f"{one.arg!r}: {self._x(value, scope)}"
            for one, value in zip(with_default, arguments.defaults, strict=True)
        ]
        for one, given in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if given is not None:
                found.append(f"{one.arg!r}: {self._x(given, scope)}")
        return f"{{{', '.join(found)}}}"

    # -- expressions -----------------------------------------------------------------------------------------

    def _x(self, node: Any, scope: Scope) -> str:
        """The code that gives an expression's evaluation."""
        method = getattr(self, f"_x_{type(node).__name__.lower()}", None)
        if method is not None:
            made: str = method(node, scope)
            return made
        parts = [self._x(one, scope) for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        return f"R.op({self._at(node)}, {', '.join(parts)})"

    def _x_constant(self, node: ast.Constant, scope: Scope) -> str:  # noqa: ARG002
        return f"R.lit({self._at(node)})"

    def _x_name(self, node: ast.Name, scope: Scope) -> str:
        return self._load(node.id, scope, self._at(node))

    def _x_namedexpr(self, node: ast.NamedExpr, scope: Scope) -> str:
        outer, name = self._around(scope), node.target.id
        value = f"R.assign({self._at(node.target)}, {name!r}, {self._x(node.value, scope)}, {self._guard()})"
        place = self._place(name, outer)
        if place.startswith("v_"):
            return f"({place} := {value})"
        return f"R.put({place.partition('[')[0]}, {name!r}, {value})"

    def _x_starred(self, node: ast.Starred, scope: Scope) -> str:
        return f"R.star({self._x(node.value, scope)})"

    def _x_formattedvalue(self, node: ast.FormattedValue, scope: Scope) -> str:
        return self._x(node.value, scope)

    def _x_joinedstr(self, node: Any, scope: Scope) -> str:
        return f"R.text({self._at(node)}, {self._written(node, scope)})"

    def _written(self, node: ast.JoinedStr, scope: Scope) -> str:
        """The parts of an f-string in the order in which Python writes them: how that is done comes first."""
        parts = []
        for one in node.values:
            if isinstance(one, ast.FormattedValue):
                how, value = f"{one.conversion}", self._x(one.value, scope)
                if isinstance(one.format_spec, ast.JoinedStr):
                    parts.append(f"*R.written({how}, {value}, {self._written(one.format_spec, scope)})")
                else:
                    parts.append(f"*R.written({how}, {value})")
        return ", ".join(parts)

    def _x_templatestr(self, node: Any, scope: Scope) -> str:
        """A template of Python 3.14 and newer, which writes nothing."""
        parts = [self._x(one, scope) for one in _formatted(node)]
        return f"R.op({self._at(node)}, {', '.join(parts)})"

    _x_interpolation = _x_formattedvalue

    def _x_list(self, node: Any, scope: Scope) -> str:
        parts = "".join(f"{self._x(one, scope)}, " for one in node.elts)
        kind = type(node).__name__.lower()
        return f"R.display({self._at(node)}, {kind!r}, ({parts}))"

    _x_tuple = _x_set = _x_list

    def _x_dict(self, node: ast.Dict, scope: Scope) -> str:
        parts = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                parts.append(f"(None, R.star({self._x(value, scope)})), ")
            else:
                parts.append(f"({self._told_key(key, scope)}, {self._x(value, scope)}), ")
        return f"R.display({self._at(node)}, 'dict', ({''.join(parts)}))"

    def _told_key(self, key: ast.expr, scope: Scope) -> str:
        """A key that is logged where the text does not tell it: its words and its evaluations."""
        if isinstance(key, ast.Constant):
            return f"({_constant(key.value)!r}, ({self._x(key, scope)},))"
        return f"R.key({self._at(key)}, ({self._x(key, scope)},))"

    def _key(self, node: ast.expr, scope: Scope) -> str:
        """The evaluations that a key is made of, as a tuple."""
        if isinstance(node, ast.Slice):
            parts = [one for one in (node.lower, node.upper, node.step) if one is not None]
            return f"({''.join(self._x(one, scope) + ', ' for one in parts)})"
        if isinstance(node, ast.Tuple):
            return f"({''.join('*' + self._key(one, scope) + ', ' for one in node.elts)})"
        return f"({self._x(node, scope)},)"

    def _x_subscript(self, node: ast.Subscript, scope: Scope) -> str:
        return f"R.get({self._at(node)}, {self._x(node.value, scope)}, {self._key(node.slice, scope)})"

    def _is_module(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self._modules

    def _module_path(self, node: ast.expr) -> str:
        """What a module, or a part of one, is known as: a path without suffix."""
        root, dot, rest = ast.unparse(node).partition(".")
        return f"{self._imports.get(root, root)}{dot}{rest}".replace(".", "/")

    def _x_attribute(self, node: ast.Attribute, scope: Scope) -> str:
        if self._is_module(node):
            return f"R.named({self._at(node)}, {self._module_path(node.value)!r}, {node.attr!r})"
        name = mangled(node.attr, self._classes)
        return f"R.attr({self._at(node)}, {self._x(node.value, scope)}, {name!r})"

    def _x_call(self, node: ast.Call, scope: Scope) -> str:
        at, function = self._at(node), node.func
        method, target, words = "None", "", self._called_name(function, scope)
        if isinstance(function, ast.Attribute) and not self._is_module(function):
            target = self._x(function.value, scope)
            if function.attr in EFFECTS:
                target = f"R.receiver({at}, {target})"
            method, words = repr(function.attr), function.attr
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute):
            module = self._module_path(function.value)
            method = f"*R.method_of({self._at(function)}, {module!r}, {function.attr!r})"
        else:
            target = self._x(function, scope)
        if words == "property" and scope.kind == "class":
            given = [*node.args[1:], *(word.value for word in node.keywords)]
            self.setters |= {".".join([*self._classes, one.id]) for one in given if isinstance(one, ast.Name)}
            self.setters |= {str(self._at(one)) for one in given if isinstance(one, ast.Lambda)}
        arguments = []
        by_name = method == "None" and words in _BY_NAME
        for place, one in enumerate(node.args):
            if by_name and place == 1 and isinstance(one, ast.Constant) and isinstance(one.value, str):
                arguments.append(f"(None, ({f'.{one.value}'!r}, ({self._x(one, scope)},))), ")
            elif place == runs_text(node):
                arguments.append(f"(None, R.ran({at}, {self._x(one, scope)})), ")
            elif place == 0 and not target and _is_keyed(function) and not isinstance(one, ast.Starred):
                key = repr(_constant(one.value)) if isinstance(one, ast.Constant) else "None"
                arguments.append(f"(None, ({key}, ({self._x(one, scope)},))), ")
            elif place == 0 and method != "None" and words in KEYED and not isinstance(one, ast.Starred):
                arguments.append(f"(None, {self._told_key(one, scope)}), ")
            else:
                arguments.append(f"(None, {self._x(one, scope)}), ")
        for word in node.keywords:
            value = self._x(word.value, scope)
            arguments.append(f"({word.arg!r}, {value if word.arg else f'R.star({value})'}), ")
        if words in ("locals", "vars", "dir") and not node.args:
            # In a function, all its names; else those of the module, in another way.
            if scope.kind == "function":
                return f"R.call({at}, {words!r}, None, {target}, R.bound(locals()))"
            words = "globals" if scope.kind == "module" and words != "dir" else words
        under = "".join(f"{one}, " for one in dict.fromkeys(self._controls))
        under = f", ({under})" if under else ""
        on = self._super_of(function, scope)
        under += f", on={on}" if on else ""
        called = f"{method}, {target}" if target else method
        return f"R.call({at}, {words!r}, {called}, ({''.join(arguments)}){under})"

    def _super_of(self, function: ast.expr, scope: Scope) -> str:
        """What a method of ``super()`` runs on: the first parameter, as Python has it; empty for another."""
        proxy = function.value if isinstance(function, ast.Attribute) else None
        if not isinstance(proxy, ast.Call) or proxy.args or not isinstance(proxy.func, ast.Name):
            return ""
        given = getattr(scope.node, "args", None)
        if proxy.func.id != "super" or given is None:
            return ""
        first = next(iter([*given.posonlyargs, *given.args]), None)
        return self._load(first.arg, scope, self._at(proxy)) if first is not None else ""

    def _called_name(self, function: ast.expr, scope: Scope) -> str:
        """What a function is known as: by its module's own name; marked by ``()`` if the program bound it."""
        if not isinstance(function, (ast.Name, ast.Attribute)):
            return ""
        text = ast.unparse(function)
        root, dot, rest = text.partition(".")
        if root in self._imports:
            return f"{self._imports[root]}{dot}{rest}"
        own = isinstance(function, ast.Name) and (
            scope.owner(root) is not None or (root in self._top.bound and root not in self._modules)
        )
        return f"{text}()" if own else text

    def _x_boolop(self, node: ast.BoolOp, scope: Scope) -> str:
        parts = [f"R.add({self._x(node.values[0], scope)})"]
        for before, one in pairwise(node.values):
            parts.append(f"R.goes_on({self._at(one)}, {self._at(before)}) and R.add({self._x(one, scope)})")
        return f"R.last({self._at(node)}, R.first(), {' and '.join(parts)})"

    def _x_compare(self, node: ast.Compare, scope: Scope) -> str:
        if len(node.comparators) == 1:
            left, right = self._x(node.left, scope), self._x(node.comparators[0], scope)
            return f"R.op({self._at(node)}, {left}, {right})"
        parts = [f"R.add({self._x(node.left, scope)})", f"R.add({self._x(node.comparators[0], scope)})"]
        for one in node.comparators[1:]:
            parts.append(f"R.compared({self._at(node)}, {self._at(one)}) and R.add({self._x(one, scope)})")
        return f"R.chain({self._at(node)}, R.first(), {' and '.join(parts)})"

    def _x_ifexp(self, node: ast.IfExp, scope: Scope) -> str:
        test = self._test(node.test, scope)
        body, other = self._x(node.body, scope), self._x(node.orelse, scope)
        at, chosen = (
            self._at(node),
            f"{body} if R.tests({self._at(node)}, {self._at(node.test)}, {test}) else {other}",
        )
        return f"R.chosen({at}, R.first(), {chosen})"

    def _test(self, node: ast.expr, scope: Scope) -> str:
        """The code of an expression of which only the truth matters."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"R.op({self._at(node)}, {self._test(node.operand, scope)})"
        if not isinstance(node, ast.BoolOp):
            return self._x(node, scope)
        parts = []
        for one in node.values[:-1]:
            parts.append(f"not R.stops({self._at(one)}, {self._test(one, scope)})")
        parts.append(f"R.add({self._test(node.values[-1], scope)})")
        return f"R.all({self._at(node)}, R.first(), {' and '.join(parts)})"

    def _ending(self, body: list[ast.stmt]) -> str:
        """The number of the expression that a body ends with, and its value, as far as there are such."""
        last = body[-1]
        if isinstance(last, ast.Assign) and all(isinstance(one, ast.Name) for one in last.targets):
            return f"{self._at(last.value)}, _a{site(last)}"
        return f"{self._at(last.value)}" if isinstance(last, ast.Expr) else "None"

    def _x_yield(self, node: ast.Yield, scope: Scope) -> str:
        at = self._at(node)
        value = "None" if node.value is None else self._x(node.value, scope)
        return f"R.resumed({at}, (yield R.give({at}, {value}, {self._guard()})))"

    def _x_await(self, node: Any, scope: Scope) -> str:
        at = self._at(node)
        if self._around(scope).kind == "module":
            return f"R.awaited({at}, {self._x(node.value, scope)})"
        return f"R.resumed({at}, (yield R.park({at}, {self._x(node.value, scope)})))"

    _x_yieldfrom = _x_await

    def _x_lambda(self, node: ast.Lambda, scope: Scope) -> str:
        if encloses_yield(node):
            return f"R.opaque({self._at(node)}, 'lambda')"
        at, inside = self._at(node), self._scopes[node]
        given = self._defaults(node.args, scope)
        self._note(node, inside)
        guards, self._guards = self._guards, []
        body = self._x(node.body, inside)
        self._guards = guards
        names = ", ".join("v_" + name for name in parameters(node.args))
        return f"R.define({at}, '<lambda>', lambda {names}: R.ret({at}, {body}, ()), {given})"

    def _x_listcomp(self, node: Any, scope: Scope) -> str:
        if not pauses_inside(node):
            return self._gone_through(node, scope)
        if isinstance(node, ast.GeneratorExp):
            waits, told = awaits_inside(node), f"{self._at(node)}, {RESULT}"
        else:
            waits, told = self._around(scope).kind != "module", f"{self._at(node.generators[0])}, {ITEM}"
        if waits:
            return self._waiting(node, scope)
        made, other = self._gone_through(node, scope), self._unfollowed(node, scope)
        return f"({made} if R.is_told({told}) else {other})"

    @staticmethod
    def _around(scope: Scope) -> Scope:
        """The scope in which a comprehension stands, and those around it."""
        while isinstance(scope.node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            assert scope.parent is not None
            scope = scope.parent
        return scope

    def _gone_through(self, node: Any, scope: Scope) -> str:
        """A comprehension in which nothing of the text waits, but for what runs a cell."""
        inside = self._scopes[node]
        lazy = isinstance(node, ast.GeneratorExp)
        clauses = []
        guards, self._guards = self._guards, []
        for place, clause in enumerate(node.generators):
            names = target_names(clause.target)
            kept = ", ".join(f"v_{name}" for name in names) or "_"
            kept = f"[{kept}]" if len(names) > 1 else kept
            source = self._x(clause.iter, inside if place else scope)
            if lazy and place:
                source = f"None if R.waiting else {source}"
            each = ("each_lazily" if lazy else "each") + "_awaited" * clause.is_async
            clauses.append(f"for {kept} in R.{each}({self._at(clause)}, {source}, {names!r})")
            for test in clause.ifs:
                how = "R.waiting or R.keeps" if lazy else "R.tests"
                clauses.append(f"if {how}({self._at(test)}, {self._at(test)}, {self._x(test, inside)})")
        at, rest = self._at(node), " ".join(clauses)
        show = "R.chosen_of" if any(clause.ifs for clause in node.generators) else "R.display"
        first = "R.first(), " * (show != "R.display")
        if isinstance(node, ast.DictComp):
            value = self._x(node.value, inside)
            made = f"{show}({at}, 'dict', {first}[({self._told_key(node.key, inside)}, {value}) {rest}])"
        elif lazy:
            element = self._x(node.elt, inside)
            if any(clause.ifs for clause in node.generators):
                element = f"R.kept({self._at(node.elt)}, {element})"
            made = f"R.lazy({at}, (R if R.waiting else {element} {rest}))"
        else:
            kind = "list" if isinstance(node, ast.ListComp) else "set"
            made = f"{show}({at}, {kind!r}, {first}[{self._x(node.elt, inside)} {rest}])"
        self._guards = guards
        return made

    def _waiting(self, node: Any, scope: Scope) -> str:
        """A comprehension in which others may run: a generator of its own, defined ahead of the statement."""
        at, around = self._at(node), self._around(scope)
        if isinstance(node, ast.GeneratorExp):
            return self._unfollowed(node, scope)
        inside, name = self._scopes[node], f"k_{site(node)}"
        source = self._x(node.generators[0].iter, scope)
        before, self._before = self._before, []
        guards, self._guards = self._guards, []
        bound = [part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)]
        outer = sorted({one for one in bound if self._place(one, around).startswith("v_")})
        declared = f" nonlocal {', '.join(f'v_{one}' for one in outer)}" if outer else " pass"
        lines = [f"def {name}(_q):", declared, " _m = []"]
        depth = 1
        for place, clause in enumerate(node.generators):
            through = self._x(clause.iter, inside) if place else "_q"
            depth = self._clause(lines, depth, node, clause, through, inside)
        if isinstance(node, ast.DictComp):
            element = f"({self._told_key(node.key, inside)}, {self._x(node.value, inside)})"
        else:
            element = self._x(node.elt, inside)
        lines += [f"{' ' * depth}_m.append({element})", " return _m"]
        self._guards = guards
        # Those of comprehensions in it come first.
        lines[2:2] = [f" {one}" for one in self._before]
        self._before = [*before, *lines]
        kind = {ast.ListComp: "list", ast.SetComp: "set"}.get(type(node), "dict")
        show = "R.chosen_of" if any(clause.ifs for clause in node.generators) else "R.display"
        first = "R.first(), " * (show != "R.display")
        made = f"{show}({at}, {kind!r}, {first}R.leaves({at}, (yield from {name}({source}))))"
        return f"({made} if R.is_told({at}, {RESULT}) else {self._unfollowed(node, scope)})"

    def _clause(
        self, lines: list[str], depth: int, node: Any, clause: Any, source: str, inside: Scope
    ) -> int:
        """The lines of a clause of such a comprehension; gives the depth of those in it."""
        at, names, got = self._at(clause), target_names(clause.target), f"_i{site(clause)}"
        if resumes(node, clause):
            going = f"_e{site(clause)}"
            lines.append(f"{' ' * depth}{going} = {source}")
            test = f"R.takes({at}, R.went_on() or (yield R.park({at})))"
            lines.append(f"{' ' * depth}while {test}:")
            depth += 1
            lines.append(f"{' ' * depth}{got} = R.item({at}, {going}, {names!r}, R.last_ended())")
        else:
            lines.append(f"{' ' * depth}for {got} in R.each({at}, {source}, {names!r}):")
            depth += 1
        for place, name in enumerate(names):
            lines.append(f"{' ' * depth}v_{name} = {got if len(names) == 1 else f'{got}[{place}]'}")
        for test in clause.ifs:
            lines.append(
                f"{' ' * depth}if R.tests({self._at(test)}, {self._at(test)}, {self._x(test, inside)}):"
            )
            depth += 1
        return depth

    def _unfollowed(self, node: Any, scope: Scope) -> str:
        """A comprehension whose inside is not followed: it is made of what it goes through, and its names."""
        at, first = self._at(node), node.generators[0].iter
        outside = {id(part) for part in ast.walk(first)}
        names = {
            part.id: part
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and id(part) not in outside
        }
        bound = {name for part in ast.walk(node) if part in self._scopes for name in self._scopes[part].bound}
        loads = [
            f"R.known(lambda: {self._load(name, scope, self._at(part))})"
            for name, part in sorted(names.items())
            if name not in bound
        ]
        values = f"({self._x(first, scope)}, {''.join(f'{one}, ' for one in loads)})"
        if isinstance(node, ast.GeneratorExp):
            return f"R.unfollowed({at}, {values})"
        if self._around(scope).kind == "module":
            return f"R.unfollowed({at}, {values}, R.made({at}))"
        return f"R.unfollowed({at}, {values}, R.paused_for((yield R.park({at}))))"

    _x_setcomp = _x_dictcomp = _x_generatorexp = _x_listcomp


def _is_keyed(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in KEYED


def _constant(value: Any) -> str:
    """The words of a constant key, as the log has them."""
    if isinstance(value, (bool, float)) and value == int(value):
        return str(int(value))
    return repr(value)


def _formatted(text: Any) -> Iterator[Any]:
    """What an f-string or a template string is made of, what says how it is written included."""
    for one in text.values:
        if not isinstance(one, ast.Constant):
            yield one
            if isinstance(one.format_spec, ast.JoinedStr):
                yield from _formatted(one.format_spec)
