"""The plan that the text of a script is: its functions as steps, and what goes from which to which.

The text is parsed, never executed. A step is a function that the script defines; its ports are its
parameters, its result, and for Parsl's apps the files of ``outputs``. A channel goes from a port to a port
where the text passes the one's value, or something made of it, to the other: through names, attributes,
containers, loops and calls of what the script does not define. So a channel says what may flow; whether it
did, the run says.

Sources: ProvONE (Program, Port, Channel, Workflow) and P-Plan (Plan, Step, Variable); the interpretation is
abstract in the sense of Cousot and Cousot (1977), over sets of ports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trilha.errors import UsageError
from trilha.trace.compiling import parsed

__all__ = ["OUTPUTS", "RESULT", "Channel", "Plan", "Step", "plan_of_text"]

RESULT: Final = "result"
"""The port of what a step returns."""
OUTPUTS: Final = "outputs"
"""The port of the files that an app of Parsl was told to write."""

_ENGINES: Final = {
    "python_app": "parsl",
    "bash_app": "parsl",
    "join_app": "parsl",
    "delayed": "dask",
    "remote": "ray",
}
"""Decorators that make a function a task of an engine."""
_HANDING: Final = frozenset(
    (
        *("submit", "map", "apply", "apply_async", "imap", "imap_unordered", "map_async", "starmap"),
        *("starmap_async", "delayed", "remote"),
    )
)
"""Functions and methods whose first argument is a function that they have called."""
_STARTING: Final = {"target": ("args", "kwargs"), "initializer": ("initargs", "")}
"""Parameters of processes, threads and pools that are a function to be called, and those of its arguments."""
_REPEATING: Final = frozenset(("map", "imap", "imap_unordered", "map_async", "starmap", "starmap_async"))
_FILLING: Final = frozenset(
    ("append", "appendleft", "extend", "add", "insert", "update", "setdefault", "put", "put_nowait", "push")
)
"""Methods that put their arguments into what they belong to."""
_OWN: Final = frozenset(("stdout", "stderr", "parsl_resource_specification", "walltime"))
_ROUNDS: Final = 2
"""How often the body of a loop is read: what one round leaves in a name, the next one finds."""


class Port(NamedTuple):
    """A port of a step: a parameter, `RESULT` or `OUTPUTS`; `incoming` tells parameters from the others."""

    step: str
    name: str
    incoming: bool = False


class Channel(NamedTuple):
    """A way that data may go.

    Attributes:
        source: where it comes from: the result of a step, or a parameter of the step around the other.
        target: where it goes: a parameter of a step, or the result of the step around it.
    """

    source: Port
    target: Port


@dataclass
class Step:
    """A function of the script.

    Attributes:
        name: qualified, as Python does.
        line: of its definition, from 1.
        inputs: its parameters.
        engine: that it is handed to, as far as the text tells; empty for a plain function.
        calls: lines where the text calls it, one for each place.
        repeated: whether a call stands in a loop.
        conditional: whether every call stands in a branch that may not be taken.
        within: steps in whose text it is called; empty for the script itself.
    """

    name: str
    line: int
    inputs: tuple[str, ...]
    engine: str = ""
    calls: list[int] = field(default_factory=list)
    repeated: bool = False
    conditional: bool = True
    within: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """What a script is to do.

    Attributes:
        label: of the script.
        steps: by name, in the order of the text.
        channels: in the order in which they were met.
    """

    label: str
    steps: dict[str, Step]
    channels: list[Channel]


def plan_of_text(text: str, label: str) -> Plan:
    """The plan that a script's text is.

    Args:
        text: of the script.
        label: what to call it: its file's name.

    Raises:
        UsageError: the text is no Python, as this Python reads it.
    """
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(
            f"{label}:{line}: expected the text of a Python program, to read its plan: {error}"
        ) from None
    functions = dict(_functions(tree, ""))
    steps = {name: _step(name, function) for name, function in functions.items()}
    plan = Plan(label, steps, [])
    reader = _Reader(plan)
    reader.body(tree.body, _Scope("", {}))
    for name, function in functions.items():
        scope = _Scope(name, {one: {Port(name, one, True)} for one in steps[name].inputs})
        reader.body(function.body, scope)
    plan.channels = list(dict.fromkeys(plan.channels))
    for step in steps.values():
        step.conditional = step.conditional and bool(step.calls)
    return plan


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
    """All functions, by qualified name, in the order of the text."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from _functions(node, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield from _functions(node, prefix)


def _step(name: str, function: _Function) -> Step:
    given = function.args
    inputs = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    inputs += [one.arg for one in (given.vararg, given.kwarg) if one is not None]
    engine = ""
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        engine = engine or _ENGINES.get(_last(called), "")
    return Step(name, function.lineno, tuple(one for one in inputs if one not in ("self", "cls")), engine)


def _last(node: ast.expr) -> str:
    """The last part of a dotted name; empty if it is none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class _Scope:
    """The names of a function's text, or the script's.

    Attributes:
        step: whose text it is; empty for the script.
        names: what may be in them.
        repeated, conditional: whether what is read now stands in a loop, or a branch.
    """

    def __init__(self, step: str, names: dict[str, set[Port]]) -> None:
        self.step = step
        self.names = names
        self.repeated = False
        self.conditional = False


class _Reader:
    """Reads statements and expressions, and notes calls and channels in a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._met: set[tuple[str, int, int]] = set()

    # -- statements ------------------------------------------------------------------------------------------

    def body(self, statements: Iterable[ast.stmt], scope: _Scope) -> None:
        """Statements, in order."""
        for statement in statements:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass  # read for itself
            case ast.Assign():
                self._bind(node.targets, self._value(node.value, scope), scope)
            case ast.AnnAssign() | ast.AugAssign():
                found = self._value(node.value, scope) if node.value is not None else set()
                self._bind([node.target], found, scope, more=isinstance(node, ast.AugAssign))
            case ast.For() | ast.AsyncFor():
                self._bind([node.target], self._value(node.iter, scope), scope)
                self._often(node.body, scope)
                self._maybe(node.orelse, scope)
            case ast.While():
                self._value(node.test, scope)
                self._often(node.body, scope)
                self._maybe(node.orelse, scope)
            case ast.If():
                self._value(node.test, scope)
                main = _is_main(node.test)
                (self.body if main else self._maybe)(node.body, scope)
                self._maybe(node.orelse, scope)
            case ast.Try() | ast.TryStar():
                self.body(node.body, scope)
                for handler in node.handlers:
                    self._maybe(handler.body, scope)
                self.body(node.orelse, scope)
                self.body(node.finalbody, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    found = self._value(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self._bind([item.optional_vars], found, scope)
                self.body(node.body, scope)
            case ast.Match():
                found = self._value(node.subject, scope)
                for one in node.cases:
                    for part in ast.walk(one.pattern):
                        if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                            scope.names.setdefault(part.name, set()).update(found)
                    self._maybe(one.body, scope)
            case ast.Return():
                self._returns(node.value, scope)
            case _:
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, ast.expr):
                        self._value(part, scope)

    def _often(self, statements: list[ast.stmt], scope: _Scope) -> None:
        before, scope.repeated = scope.repeated, True
        for _ in range(_ROUNDS):
            self.body(statements, scope)
        scope.repeated = before

    def _maybe(self, statements: list[ast.stmt], scope: _Scope) -> None:
        before, scope.conditional = scope.conditional, True
        names = {name: set(ports) for name, ports in scope.names.items()}
        self.body(statements, scope)
        for name, ports in names.items():
            # The branch may not have been taken.
            scope.names[name] = scope.names.get(name, set()) | ports
        scope.conditional = before

    def _returns(self, value: ast.expr | None, scope: _Scope) -> None:
        for source in self._value(value, scope) if value is not None else ():
            if scope.step:
                self._plan.channels.append(Channel(source, Port(scope.step, RESULT)))

    def _bind(self, targets: list[ast.expr], found: set[Port], scope: _Scope, *, more: bool = False) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                known = scope.names.get(target.id, set()) if more else set()
                scope.names[target.id] = found | known
            elif isinstance(target, ast.Tuple | ast.List):
                self._bind(target.elts, found, scope, more=more)
            elif isinstance(target, ast.Starred):
                self._bind([target.value], found, scope, more=more)
            else:
                # A part of something: the whole may hold it from now on.
                self._hold(target, found, scope)

    def _hold(self, place: ast.expr, found: set[Port], scope: _Scope) -> None:
        while isinstance(place, ast.Attribute | ast.Subscript):
            place = place.value
        if isinstance(place, ast.Name) and found:
            scope.names[place.id] = scope.names.get(place.id, set()) | found

    # -- expressions -----------------------------------------------------------------------------------------

    def _value(self, node: ast.expr, scope: _Scope) -> set[Port]:
        """The ports that a value may come of."""
        match node:
            case ast.Name():
                return set(scope.names.get(node.id, ()))
            case ast.Constant():
                return set()
            case ast.Call():
                return self._call(node, scope)
            case ast.Attribute():
                found = self._value(node.value, scope)
                if node.attr == OUTPUTS:
                    return {
                        one._replace(name=OUTPUTS) if one.name == RESULT and not one.incoming else one
                        for one in found
                    }
                return found
            case ast.NamedExpr():
                found = self._value(node.value, scope)
                self._bind([node.target], found, scope)
                return found
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.IfExp():
                self._value(node.test, scope)
                return self._branch(node.body, scope) | self._branch(node.orelse, scope)
            case ast.Compare():
                self._parts(node, scope)
                return set()  # yes or no: nothing of the value itself goes on
            case ast.Lambda():
                return self._value(node.body, scope)
            case _:
                return self._parts(node, scope)

    def _parts(self, node: ast.AST, scope: _Scope) -> set[Port]:
        found: set[Port] = set()
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                found |= self._value(part, scope)
            elif isinstance(part, ast.keyword):
                found |= self._value(part.value, scope)
        return found

    def _branch(self, node: ast.expr, scope: _Scope) -> set[Port]:
        before, scope.conditional = scope.conditional, True
        found = self._value(node, scope)
        scope.conditional = before
        return found

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: _Scope
    ) -> set[Port]:
        names, repeated, conditional = dict(scope.names), scope.repeated, scope.conditional
        for generator in node.generators:
            self._bind([generator.target], self._value(generator.iter, scope), scope)
            scope.repeated = True
            for test in generator.ifs:
                self._value(test, scope)
                scope.conditional = True
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        found = set().union(*(self._value(part, scope) for part in parts))
        scope.names, scope.repeated, scope.conditional = names, repeated, conditional
        return found

    # -- calls -----------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: _Scope) -> set[Port]:
        step = self._step_named(node.func, scope)
        if step is not None:
            return self._calls(step, node, node.args, node.keywords, scope)
        word = _last(node.func)
        if word in _HANDING and node.args:
            handed = self._step_named(node.args[0], scope)
            if handed is not None:
                return self._hands_over(handed, word, node, scope)
        if isinstance(node.func, ast.Call) and _last(node.func.func) in _HANDING and node.func.args:
            handed = self._step_named(node.func.args[0], scope)
            if handed is not None:
                # delayed(f)(x)
                handed.engine = handed.engine or _ENGINES.get(_last(node.func.func), "")
                return self._calls(handed, node, node.args, node.keywords, scope)
        found = self._parts(node, scope)
        self._starts(node, word, scope)
        if isinstance(node.func, ast.Attribute):
            if word == "remote" and (step := self._step_named(node.func.value, scope)) is not None:
                return self._calls(step, node, node.args, node.keywords, scope)
            if word not in _FILLING:
                return found
            arguments = [*node.args, *(one.value for one in node.keywords)]
            self._hold(node.func.value, set().union(*(self._value(one, scope) for one in arguments)), scope)
        return found

    def _hands_over(self, step: Step, word: str, node: ast.Call, scope: _Scope) -> set[Port]:
        """A function that is handed to an executor with its arguments."""
        if word in ("delayed", "remote"):
            return set()
        if isinstance(node.func, ast.Name) and word == "map":
            pass  # the built-in one
        else:
            step.engine = step.engine or "executor"
        before, scope.repeated = scope.repeated, scope.repeated or word in _REPEATING
        arguments, keywords = list(node.args[1:]), list(node.keywords)
        if word in ("apply", "apply_async"):
            tuples = [one.value for one in keywords if one.arg == "args"] or arguments[:1]
            arguments = [part for one in tuples for part in getattr(one, "elts", [one])]
            keywords = []
        elif word != "submit":
            keywords = [one for one in keywords if one.arg not in ("timeout", "chunksize", "callback")]
        found = self._calls(step, node, arguments, keywords, scope)
        scope.repeated = before
        return found

    def _starts(self, node: ast.Call, word: str, scope: _Scope) -> None:
        """A function that a process, a thread or a pool's workers are to begin with."""
        given = {one.arg: one.value for one in node.keywords if one.arg}
        for parameter, (by_place, by_name) in _STARTING.items():
            step = self._step_named(given[parameter], scope) if parameter in given else None
            if step is None:
                continue
            if word == "Process":
                step.engine = step.engine or "executor"
            arguments = list(getattr(given.get(by_place), "elts", ()))
            named = given.get(by_name)
            pairs = zip(named.keys, named.values, strict=True) if isinstance(named, ast.Dict) else ()
            keywords = [
                ast.keyword(key.value, value)
                for key, value in pairs
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
            before, scope.repeated = scope.repeated, scope.repeated or parameter == "initializer"
            self._calls(step, node, arguments, keywords, scope)
            scope.repeated = before

    def _step_named(self, node: ast.expr, scope: _Scope) -> Step | None:
        """The step that a name means where it is read: the innermost function of that name."""
        if not isinstance(node, ast.Name):
            return None
        place = scope.step
        while place:
            found = self._plan.steps.get(f"{place}.<locals>.{node.id}")
            if found is not None:
                return found
            place = place.rpartition(".<locals>.")[0]
        return self._plan.steps.get(node.id)

    def _calls(
        self,
        step: Step,
        node: ast.Call,
        arguments: list[ast.expr],
        keywords: list[ast.keyword],
        scope: _Scope,
    ) -> set[Port]:
        site = step.name, node.lineno, node.col_offset
        if site not in self._met:
            self._met.add(site)
            step.calls.append(node.lineno)
        if scope.step not in step.within:
            step.within.append(scope.step)
        step.repeated = step.repeated or scope.repeated
        step.conditional = step.conditional and scope.conditional
        last = step.inputs[-1] if step.inputs else ""
        for place, argument in enumerate(arguments):
            inner = argument.value if isinstance(argument, ast.Starred) else argument
            name = step.inputs[place] if place < len(step.inputs) else last
            self._flows(self._value(inner, scope), step, name)
        for one in keywords:
            found = self._value(one.value, scope)
            if one.arg not in _OWN and one.arg != OUTPUTS:
                self._flows(found, step, one.arg or last)
        return {Port(step.name, RESULT)}

    def _flows(self, found: set[Port], step: Step, name: str) -> None:
        for source in sorted(found):
            self._plan.channels.append(Channel(source, Port(step.name, name, True)))


def _is_main(test: ast.expr) -> bool:
    """Whether a test is ``__name__ == "__main__"``, which is so for the script of a run."""
    return isinstance(test, ast.Compare) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test)
    )
