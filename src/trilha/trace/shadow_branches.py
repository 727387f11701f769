"""The shadow of statements that decide what runs: conditions, loops, contexts, exceptions, cases."""

from __future__ import annotations

import ast
from typing import Any, Final

from trilha.capture.script import sites
from trilha.capture.script.sites import Scope, pattern_names, site, takes_all, target_names, target_parts
from trilha.trace import parts
from trilha.trace.log import BLOCK
from trilha.trace.shadow_expressions import Expressions

__all__ = ["Branches", "leaving"]

_THROWN: Final = "(R.Thrown, NameError)"


class Branches(Expressions):
    """Makes the code of such statements; a part of `trilha.trace.shadow.Shadow`."""

    _rounds: bool
    _controls: list[str]
    _caught: list[str]

    def _line(self, depth: int, text: str) -> None:
        raise NotImplementedError

    def _block(self, depth: int, body: list[ast.stmt], scope: Scope) -> None:
        raise NotImplementedError

    def _store(self, depth: int, target: Any, value: str, scope: Scope) -> None:
        raise NotImplementedError

    def _if(self, depth: int, node: ast.If, scope: Scope) -> None:
        guard = f"_g{site(node)}"
        self._line(depth, f"{guard} = {self._test(node.test, scope)}")
        self._line(depth, f"if R.br({self._at(node)}, {self._at(node.test)}, {guard}):")
        self._decide(guard)
        self._block(depth + 1, node.body, scope)
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)
        self._decided()

    def _decide(self, guard: str) -> None:
        """What comes runs under a condition, the innermost one."""
        self._guards.append(guard)
        self._controls += guard.split(", ")

    def _decided(self) -> None:
        guard = self._guards.pop()
        del self._controls[len(self._controls) - len(guard.split(", ")) :]

    def _while(self, depth: int, node: ast.While, scope: Scope) -> None:
        guard = f"_g{site(node)}"
        test = self._test(node.test, scope)
        skips, rest = self._skips(node, scope), f"_r{site(node)}"
        more = f"({rest} := R.skips({self._at(node)})) or " * skips
        self._line(depth, f"while {more}R.br({self._at(node)}, {self._at(node.test)}, ({guard} := {test})):")
        if skips:
            self._line(depth + 1, f"if {rest}:")
            self._later(depth + 2, node, scope)
        self._decide(guard)
        self._block(depth + 1, node.body, scope)
        self._decided()
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)

    def _skips(self, loop: Any, scope: Scope) -> bool:
        """Whether rounds of a loop may not have been traced."""
        return self._rounds and sites.skips(loop, scope)

    def _later(self, depth: int, node: Any, scope: Scope) -> None:
        """The rounds of a loop that were not traced: what they may have bound is not known."""
        at, goes_on = self._at(node), f"_l{site(node)}"
        names = sorted(parts.bound_in(node))
        opaque = [f"{self._place(name, scope)} = R.opaque({at}, {name!r})" for name in names] or ["pass"]
        for line in opaque:
            self._line(depth, line)
        self._line(depth, f"try: {goes_on} = R.later({at})")
        self._line(depth, "finally:")
        for line in opaque:
            self._line(depth + 1, line)
        if scope.kind == "function":
            self._line(depth, f"if {goes_on} is None: return None")
        self._line(depth, f"if not {goes_on}: break")
        self._line(depth, "continue")

    def _for(self, depth: int, node: Any, scope: Scope) -> None:
        names = target_names(node.target)
        got = f"_i{site(node)}"
        skips = self._skips(node, scope)
        each = "some" if skips else "each"
        parts_ = list(target_parts(node.target))
        bound, names = (None, []) if parts_ else (names, names)
        through = f"_q{site(node)}"
        self._line(depth, f"{through} = {self._x(node.iter, scope)}")
        self._line(depth, f"for {got} in R.{each}({self._at(node)}, {through}, {bound!r}):")
        self._controls.append(through)
        if parts_:
            self._store(depth + 1, node.target, got, scope)
        if skips:
            self._line(depth + 1, f"if {got} is R:")
            self._later(depth + 2, node, scope)
        self._taken(depth + 1, names, got, scope)
        self._block(depth + 1, node.body, scope)
        self._controls.pop()
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)

    def _taken(self, depth: int, names: list[str], got: str, scope: Scope) -> None:
        for place, name in enumerate(names):
            value = got if len(names) == 1 else f"{got}[{place}]"
            self._line(depth, f"{self._place(name, scope)} = {value}")

    def _asyncfor(self, depth: int, node: ast.AsyncFor, scope: Scope) -> None:
        at, names = self._at(node), target_names(node.target)
        source, flag = f"_e{site(node)}", f"_f{site(node)}"
        self._line(depth, f"{source} = {self._x(node.iter, scope)}")
        self._line(depth, f"{flag} = True")
        ended = f"_y{site(node)}"
        parts_ = list(target_parts(node.target))
        told = f"{at}, {[self._at(one) for one in parts_]}"
        test = f"({ended} := R.resumed({at}, (yield R.park({at})))) is not R and R.has_item({told})"
        if scope.kind == "module":
            ended, test = "R.lane.result", f"R.has_next_item({told})"
        self._line(depth, f"while {test}:")
        for part in parts_:
            self._store(depth + 1, part, f"R.given_by({source}, {ended})", scope)
        self._line(depth + 1, f"_i{site(node)} = R.item({at}, {source}, {names!r}, {ended})")
        self._taken(depth + 1, names, f"_i{site(node)}", scope)
        self._controls.append(source)
        self._block(depth + 1, node.body, scope)
        self._controls.pop()
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)

    def _with(self, depth: int, node: Any, scope: Scope) -> None:
        at = self._at(node)
        names: list[str] = []
        sources, passed = f"_w{site(node)}", f"_p{site(node)}"
        jumps = any(_leaves(one, [], in_loop=False) for one in node.body)
        self._line(depth, f"{sources} = []")
        if jumps:
            self._line(depth, f"{passed} = R.last_begun()")
        for item in node.items:
            self._line(depth, f"{sources}.append({self._x(item.context_expr, scope)})")
            if item.optional_vars is not None:
                names += target_names(item.optional_vars)
                for name in target_names(item.optional_vars) if item is not node.items[-1] else ():
                    # Entering the next one may fail.
                    self._line(depth, f"{self._place(name, scope)} = None")
                for part in target_parts(item.optional_vars):
                    self._store(depth, part, f"{sources}[-1]", scope)
        ended = "None"
        paused = isinstance(node, ast.AsyncWith) and scope.kind != "module"
        if paused:
            ended = f"_y{site(node)}"
            self._line(depth, f"{ended} = R.resumed({at}, (yield R.park({at})))")
        self._line(depth, f"_i{site(node)} = R.item({at}, {sources}, {names!r}, {ended})")
        if paused:
            self._line(depth, f"{ended} = True")
        self._taken(depth, names, f"_i{site(node)}", scope)
        if jumps:
            self._line(depth, f"{passed} = range({passed} + 1, R.last_begun() + 1)")
            self._line(depth, "try:")
            depth += 1
        self._line(depth, "try:")
        self._block(depth + 1, node.body, scope)
        self._line(depth + 1, f"R.left(({at},), told=True)")
        self._line(depth, f"except {_THROWN}:")
        if paused:
            self._tell_managers(depth + 1, node)
        else:
            self._line(depth + 1, f"if not R.swallowed({at}): raise")
        if jumps:
            self._line(depth, f"{passed} = None")
            depth -= 1
            self._line(depth, f"except BaseException: {passed} = None; raise")
            self._line(depth, "finally:")
            self._line(depth + 1, f"if {passed} is not None: R.jumps({at}, {passed})")
        if paused:
            self._line(depth, f"if {ended}: R.resumed({at}, (yield R.park({at})))")
        self._line(depth, f"R.after({at})")

    _asyncwith = _with

    def _tell_managers(self, depth: int, node: ast.AsyncWith) -> None:
        """An exception comes to the end of an ``async with``, whose managers may wait; then it may go on."""
        at, error, ended = self._at(node), f"_x{site(node)}", f"_y{site(node)}"
        self._line(depth, f"{error} = R.tell_managers({at})")
        self._line(depth, f"try: R.resumed({at}, (yield R.park({at})))")
        self._line(depth, f"except {_THROWN}: R.passed({error}); raise")
        self._line(depth, f"{ended} = False")

    def _try(self, depth: int, node: ast.Try, scope: Scope) -> None:
        if not node.finalbody:
            self._handled(depth, node, scope)
            return
        self._begin_finally(depth, node)
        if node.handlers or node.orelse:
            self._handled(depth + 2, node, scope)
        else:
            self._block(depth + 2, node.body, scope)
        self._line(depth + 2, f"R.left(({self._at(node)},))")
        self._end_finally(depth, node, scope)

    def _trystar(self, depth: int, node: Any, scope: Scope) -> None:
        if not node.finalbody:
            self._groups(depth, node, scope)
            return
        self._begin_finally(depth, node)
        self._groups(depth + 2, node, scope)
        self._end_finally(depth, node, scope)

    def _begin_finally(self, depth: int, node: Any) -> None:
        """Begin what a ``finally`` is behind, which is two deeper."""
        self._line(depth, f"_p{site(node)} = None")
        self._line(depth, "try:")
        self._line(depth + 1, "try:")

    def _end_finally(self, depth: int, node: Any, scope: Scope) -> None:
        """A ``finally``, run but where the replay itself ends; what had passed by goes on behind it."""
        passing = f"_p{site(node)}"
        self._line(depth + 1, f"except {_THROWN}:")
        self._line(depth + 2, f"{passing} = R.passing({self._at(node)}); raise")
        self._line(depth + 1, f"except Exception: {passing} = R; raise")
        self._line(depth, "finally:")
        self._line(depth + 1, f"if {passing} is not R:")
        self._block(depth + 2, node.finalbody, scope)
        self._line(depth + 2, f"R.passed({passing})")

    def _groups(self, depth: int, node: Any, scope: Scope) -> None:
        """A ``try`` of whose handlers several may run, each for a part of the exceptions."""
        self._line(depth, "try:")
        self._block(depth + 1, node.body, scope)
        which = f"_h{site(node)}"
        places = tuple(self._at(handler) for handler in node.handlers)
        self._line(depth + 1, f"R.left({places!r})")
        self._line(depth, f"except {_THROWN}:")
        self._line(depth + 1, f"{which} = R.caught()")
        self._line(depth + 1, f"if {which} not in {places!r}: raise")
        self._line(depth + 1, f"while {which} in {places!r}:")
        self._line(depth + 2, "try:")
        for handler, at in zip(node.handlers, places, strict=True):
            self._line(depth + 3, f"if {which} == {at}:")
            place = f"{self._place(handler.name, scope)} = " if handler.name else ""
            self._line(depth + 4, f"{place}R.handled({at}, {handler.name!r})")
            self._caught.append("None")  # It has a part of what was raised.
            self._block(depth + 4, handler.body, scope)
            self._caught.pop()
        self._line(depth + 2, f"except {_THROWN}: R.passing({self._at(node)})")
        self._line(depth + 2, f"{which} = R.caught()")
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)
        self._line(depth, f"R.after({self._at(node)})")

    def _handled(self, depth: int, node: ast.Try, scope: Scope) -> None:
        self._line(depth, "try:")
        self._block(depth + 1, node.body, scope)
        places = tuple(self._at(handler) for handler in node.handlers)
        self._line(depth + 1, f"R.left({places!r}, {self._ending(node.body)})")
        self._line(depth, f"except {_THROWN}:")
        which = f"_h{site(node)}"
        self._line(depth + 1, f"{which} = R.caught()")
        word = "if"
        for handler in node.handlers:
            at = self._at(handler)
            self._line(depth + 1, f"{word} {which} == {at}:")
            word = "elif"
            self._caught.append(f"_e{site(handler)}")
            place = f"{self._place(handler.name, scope)} = " if handler.name else ""
            self._line(depth + 2, f"_f{site(handler)} = R.failed()")
            self._line(depth + 2, f"{place}{self._caught[-1]} = R.handled({at}, {handler.name!r})")
            self._controls += [self._caught[-1], f"*_f{site(handler)}"]
            self._block(depth + 2, handler.body, scope)
            del self._controls[-2:]
            self._caught.pop()
        self._line(depth + 1, "else: raise")
        if node.orelse:
            self._line(depth, "else:")
            self._block(depth + 1, node.orelse, scope)

    def _match(self, depth: int, node: ast.Match, scope: Scope) -> None:
        subject, which = f"_s{site(node)}", f"_m{site(node)}"
        self._line(depth, f"{subject} = {self._x(node.subject, scope)}")
        places = tuple(self._at(case) for case in node.cases)
        ask = f"R.case({self._at(node)}, {{!r}}, {subject}, {takes_all(node.cases)})"
        failed = 0
        for case in node.cases:
            self._line(depth, f"_g{site(case)} = None")
        self._line(depth, f"{which} = {ask.format(places)}")
        for order, (case, at) in enumerate(zip(node.cases, places, strict=True)):
            names, inner, guards = pattern_names(case.pattern), depth + 1, subject
            self._line(depth, f"if {which} == {at}:")
            self._line(inner, f"_i{site(case)} = R.item({at}, [{subject}], {names!r})")
            self._taken(inner, names, f"_i{site(case)}", scope)
            if case.guard is not None:
                guard = f"_g{site(case)}"
                guards = f"{subject}, {guard}"
                test = self._test(case.guard, scope)
                self._line(inner, f"{guard} = {test} if R.is_told({at}, {BLOCK}) else None")
                self._line(
                    inner, f"if {guard} is not None and not R.br({at}, {self._at(case.guard)}, {guard}):"
                )
                self._line(inner + 1, f"{which} = {ask.format(places[order + 1 :])}")
                self._line(inner, "else:")
                inner += 1
            self._decide(guards)
            self._block(inner, case.body, scope)
            self._decided()
            if case.guard is not None:
                self._controls.append(f"_g{site(case)}")  # It did not hold, if another case runs.
                failed += 1
        del self._controls[len(self._controls) - failed :]


def leaving(statement: ast.stmt) -> list[Any]:
    """Conditions in a statement by which it may leave the block around it; itself first, if it is one.

    What comes behind it runs because they did not hold.
    """
    if isinstance(statement, ast.Assert):
        return [statement]
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return []
    found: list[Any] = []
    _leaves(statement, found, in_loop=False)
    return sorted(found, key=site)


def _leaves(node: ast.AST, found: list[Any], *, in_loop: bool) -> bool:
    """Whether a part may leave the block around; `found` gets the conditions that decide about it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
        return False
    if isinstance(node, (ast.Return, ast.Raise)):
        return True
    if isinstance(node, (ast.Break, ast.Continue)):
        return not in_loop
    loop = node.body if isinstance(node, (ast.For, ast.AsyncFor, ast.While)) else ()
    # All of them are looked at: each may have conditions of its own.
    inside = [_leaves(one, found, in_loop=in_loop or one in loop) for one in ast.iter_child_nodes(node)]
    left = any(inside)
    if left and isinstance(node, ast.If):
        found.append(node)
    return left
