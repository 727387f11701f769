"""Changes a program at one place at a time, and runs what comes of it; for the tests of slices.

A mutant is the program with one simple statement taken out, or one constant, operator or condition changed
(mutation analysis: DeMillo, Lipton and Sayward, "Hints on test data selection", 1978).
"""

import ast
import contextlib
import io
import selectors
import sys
import threading

_MOST_ROUNDS = 20_000
"""How often loops and functions of a mutant may go on: it may have become one that never ends."""
_TAKEN_OUT = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Delete, ast.Break, ast.Continue)
_PAIRS = (
    *((ast.Add, ast.Sub), (ast.Sub, ast.Add), (ast.Mult, ast.Add), (ast.Div, ast.Mult), (ast.Pow, ast.Mult)),
    *((ast.Lt, ast.LtE), (ast.LtE, ast.Lt), (ast.Gt, ast.GtE), (ast.GtE, ast.Gt), (ast.Eq, ast.NotEq)),
    *((ast.NotEq, ast.Eq), (ast.BitOr, ast.BitAnd), (ast.BitAnd, ast.BitOr)),
)
_OTHER = dict(_PAIRS)
_TICK = "_tick"
SCRIPT = "script.py"


class Endless(BaseException):
    """A mutant goes on for ever, or waits for what never comes."""


class _Impatient(selectors.SelectSelector):
    """The selector of an event loop in which nothing is left that could happen."""

    def select(self, timeout=None):
        if timeout is None:
            raise Endless
        return super().select(timeout)


def run(code):
    """Run a program; gives its global names, what it printed, and what it raised."""
    left = _MOST_ROUNDS

    def tick():
        nonlocal left
        left -= 1
        if left < 0:
            raise Endless

    names = {"__name__": "__main__", _TICK: tick}
    out, errors, usual = io.StringIO(), [], (selectors.DefaultSelector, threading.excepthook)
    selectors.DefaultSelector, threading.excepthook = _Impatient, lambda told: errors.append(told.exc_value)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            exec(code, names)
    except (Exception, SystemExit, Endless) as raised:
        errors.append(raised.with_traceback(None))
    finally:
        selectors.DefaultSelector, threading.excepthook = usual
    return names, out.getvalue(), errors[0] if errors else None


def path_of(code):
    """The places of the program that ran, and those that raised, one after the other."""
    path = []

    def each(frame, event, _):
        if frame.f_code.co_filename != SCRIPT:
            return None
        if event in ("line", "exception"):
            path.append((frame.f_code.co_name, frame.f_lineno, event))
        return each

    before = sys.gettrace()
    sys.settrace(each)
    try:
        run(code)
    finally:
        sys.settrace(before)
    return path


class Mutant:
    """A changed program.

    Attributes:
        lines: of what was changed.
        what: it has instead, or not.
        statement: the line and column of the statement in which it was changed.
        code: to be run.
    """

    def __init__(self, statement, node, what, tree):
        self.lines = set(range(node.lineno, node.end_lineno + 1))
        self.what = what
        self.statement = statement.lineno, statement.col_offset
        self.code = compile(tree, SCRIPT, "exec")


def patient(text):
    """The tree of a program that gives up when it goes on for ever."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef)):
            at = node.body[0]
            tick = ast.Expr(ast.Call(ast.Name(_TICK, ast.Load()), [], []))
            for one in ast.walk(tick):
                ast.copy_location(one, at)
            node.body.insert(0, tick)
    return tree


def mutants(text):
    """Each of a program."""
    tree = patient(text)
    for body in _bodies(tree):
        for at, statement in enumerate(body):
            if _is_tick(statement):
                continue
            if isinstance(statement, _TAKEN_OUT) and not _is_text(statement):
                body[at] = ast.copy_location(ast.Pass(), statement)
                yield from _made(statement, statement, f"without {ast.unparse(statement)}", tree)
                body[at] = statement
            for node, field, old, new in _changes(statement):
                setattr(node, field, new)
                place = node if hasattr(node, "lineno") else statement
                yield from _made(statement, place, f"{ast.unparse(node)} in {place.lineno}", tree)
                setattr(node, field, old)


def _made(*given):
    with contextlib.suppress(SyntaxError):  # What is taken out may be what `nonlocal` names.
        yield Mutant(*given)


def _bodies(tree):
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, name, None), list) and body:
                yield body


def _is_tick(statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and getattr(statement.value.func, "id", None) == _TICK
    )


def _is_text(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _own(statement):
    """The parts of a statement, but for the statements in it, patterns and the parts of f-strings."""
    waiting = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.JoinedStr):
            inner = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
        elif _is_text(node) or isinstance(node, ast.pattern):
            inner = []
        else:
            inner = ast.iter_child_nodes(node)
        waiting += [one for one in inner if not isinstance(one, (ast.stmt, ast.pattern))]


def _changes(statement):
    for node in _own(statement):
        if isinstance(node, ast.Constant) and (new := _other(node.value)) is not None:
            yield node, "value", node.value, new
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OTHER:
            yield node, "op", node.op, _OTHER[type(node.op)]()
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHER:
            yield node, "ops", node.ops, [_OTHER[type(node.ops[0])](), *node.ops[1:]]
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield node, "test", node.test, ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)


def _other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "1"
    return None
