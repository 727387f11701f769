"""Making a script tell of the calls of its own functions, before it runs.

The functions that a script defines at its top level are what its author divided the work into. The body of
each is put between two hooks, and what it returns is shown to a third; nothing else about it changes: no
line moves, no name is added to its variables, no frame to its traceback. Generators and coroutines are left
as they are.

Hooks are reached by one name among the built-in ones (`NAME`). A function that is sent to another process
by value (cloudpickle does that with the functions of ``__main__``) may arrive where nobody knows that name:
then it puts hooks there that do nothing.

Compilers that read the bytecode of functions (Numba, TorchDynamo behind `torch.compile`) must find the
script's own: what is given to one by name, and all that it may call, is left as it is.
"""

from __future__ import annotations

import ast
import contextlib
import marshal
import os
import warnings
from collections.abc import Callable, Collection, Iterator
from importlib.util import decode_source
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from trilha.capture.interrupts import pass_on
from trilha.capture.script.spared import Spared
from trilha.capture.script.walking import children, walk

if TYPE_CHECKING:
    from trilha.capture.script.chosen import Choice

__all__ = [
    "NAME",
    "NO_FILE",
    "Function",
    "Program",
    "code_program",
    "module_program",
    "program",
    "rewritten",
    "silence",
    "traced_module",
    "traced_program",
]

NAME: Final = "__trilha__"
"""The built-in name by which rewritten code reaches the hooks (see `trilha.capture.script.calls`)."""

NO_FILE: Final = "<trilha>"
"""The name of the file of what is no script's own code."""
_NOTHING: Final = f"""
import builtins, types
builtins.{NAME} = types.SimpleNamespace(begin={{}}.get, leave={{}}.get, keep=())
"""
_PAUSED: Final = 0x20 | 0x80 | 0x200
"""Flags of the code of generators, coroutines and both at once (`inspect.CO_GENERATOR` and so on)."""
_Node = TypeVar("_Node", bound=ast.AST)


class Function(NamedTuple):
    """A function of the script, as what runs it must know it.

    Attributes:
        label: the function's name.
        source: its text.
        path: of the file that it stands in.
        line: number of the line that it begins in.
        parameters: names of its parameters, in the order in which the begin hook gets their values.
        plain: its code as it is without the hooks, marshalled.
        module: that it is defined in, by the name that it is imported by.
    """

    label: str
    source: str
    path: str
    line: int
    parameters: tuple[str, ...]
    plain: bytes
    module: str = "__main__"


class Program(NamedTuple):
    """A script that tells of itself.

    Attributes:
        code: to be run instead of the script's own.
        functions: the functions that tell of their calls, by the key that the hooks get.
    """

    code: CodeType
    functions: dict[str, Function]


def program(
    source: bytes, path: str, *, first: Callable[[dict[str, Function]], str], last: str, calls: bool = True
) -> Program:
    """A script as a program of its own.

    Args:
        source: of the script, as it lies in its file.
        path: what its code objects and tracebacks call it.
        first: gives the expression that is evaluated before anything of the script, for the functions that
            tell of their calls.
        last: statements that are run however the script ends, `sys.exception` telling how.
        calls: whether its functions tell of their calls.

    Raises:
        SyntaxError, ValueError: as `compile` raises them for the script as it is.
    """
    plain = _plain(source, path)
    for with_hooks in (True, False) if calls else (False,):
        try:
            with silence():
                tree, functions = _tree(source, path, plain if with_hooks else None)
                return Program(_compiled(_between(tree, first(functions), last), path), functions)
        except (RecursionError, MemoryError, ValueError, SyntaxError):
            # Nested too deeply for syntax trees, or by a part that has too many levels with ours.
            pass_on()
            continue
    return code_program(plain, first=first, last=last)


def traced_program(
    source: bytes, path: str, choice: Choice, *, first: Callable[..., str], last: str
) -> CodeType:
    """A script that tells all it does, as a program of its own; one that does not, where that cannot be.

    Args:
        source: as for `program`.
        path: as for `program`.
        choice: which of its functions are traced.
        first: gives the expression that is evaluated first, for the functions that tell of their calls, how
            many numbers the script's parts take, why it is not traced, if it is not, its kinds of records
            (see `trilha.capture.script.traced.traced`), the numbers of the functions that are traced, None
            for all of it, and what of the choice was met.
        last: as for `program`.

    Raises:
        SyntaxError, ValueError: as `compile` raises them for the script as it is.
    """
    from trilha.capture.script.traced import traced
    from trilha.capture.script.trail import FIRST

    plain = _plain(source, path)
    try:
        with silence():
            tree = ast.parse(source, path)
            spared = Spared()
            spared.meet(source, tree, plain)
            chosen = choice.of(["__main__", os.path.splitext(os.path.basename(path))[0]], path, tree)
            tree, count, heads = traced(tree, 1, FIRST, chosen, spared.nodes(tree))
            sites = chosen.sites(count) if chosen is not None and chosen.partly else None
            # What records a call would itself call what a script puts in the place of built-in functions.
            hooked = not _patches_builtins(source, path)
            names = spared.names
            functions = _with_hooks(tree, source, path, _compiled(tree, path), names) if hooked else {}
            told = first(functions, count, "", heads, sites, list(choice.met))
            return _compiled(_between(tree, told, last), path)
    except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
        pass_on()
        why = f"it cannot be rewritten ({type(error).__name__})"
        return program(source, path, first=lambda told: first(told, 0, why, [], None, []), last=last).code


def code_program(code: CodeType, *, first: Callable[[dict[str, Function]], str], last: str) -> Program:
    """Code that cannot be rewritten, as a program of its own.

    It is run by one more frame, of a file `NO_FILE`.
    """
    run = f"exec(__import__('marshal').loads({marshal.dumps(code)!r}))"
    return Program(_compiled(_between(ast.parse(run), first({}), last), NO_FILE), {})


def rewritten(source: bytes, path: str) -> Program:
    """A module whose functions tell of their calls; its own code where that cannot be.

    Raises:
        SyntaxError, ValueError: as `compile` raises them for the module as it is.
    """
    with silence():
        plain = compile(source, path, "exec", dont_inherit=True)
        try:
            tree, functions = _tree(source, path, plain)
            return Program(_compiled(tree, path), functions)
        except (RecursionError, MemoryError, ValueError, SyntaxError):
            pass_on()
            return Program(plain, {})


def module_program(source: bytes, path: str, name: str, spared: Spared) -> tuple[CodeType, Program]:
    """A module that is imported: its own code, and itself with functions that tell of their calls.

    Args:
        source: of the module, as it lies in its file.
        path: of the file.
        name: that the module is imported by.
        spared: what compilers may read of the program's modules; this one is added to them.

    Raises:
        SyntaxError, ValueError: as `compile` raises them for the module as it is.
    """
    with silence():
        plain = compile(source, path, "exec", dont_inherit=True)
        try:
            tree = ast.parse(source, path)
            spared.meet(source, tree, plain)
            functions = _with_hooks(tree, source, path, plain, spared.names, name)
            return plain, Program(_compiled(tree, path) if functions else plain, functions)
        except (RecursionError, MemoryError, ValueError, SyntaxError):
            pass_on()
            return plain, Program(plain, {})


def traced_module(
    source: bytes, path: str, tree: ast.Module, name: str, spared: Spared, *, calls: bool
) -> Program:
    """A module that is imported and traced, whose functions may tell of their calls as well.

    Args:
        source: as for `module_program`.
        path: as for `module_program`.
        tree: of the module, traced; it is changed.
        name: as for `module_program`.
        spared: what compilers may read of the program's modules, this one included.
        calls: whether its functions tell of their calls.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it cannot be compiled with what traces it.
    """
    code = _compiled(tree, path)
    if not calls or _patches_builtins(source, path) or NAME in decode_source(source):
        return Program(code, {})
    functions = _with_hooks(tree, source, path, code, spared.names, name)
    return Program(_compiled(tree, path) if functions else code, functions)


def _plain(source: bytes, path: str) -> CodeType:
    """The script's own code.

    What there is to warn about is shown, but only if it can be compiled at all: else Python will show it.
    """
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        code = compile(source, path, "exec", dont_inherit=True)
    return compile(source, path, "exec", dont_inherit=True) if met else code


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """While entered, the compiler does not say again what it said once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _compiled(tree: ast.Module, path: str) -> CodeType:
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


def _between(tree: ast.Module, first: str, last: str) -> ast.Module:
    """The script between what comes before and after it. Its docstring and future imports stay ahead."""
    head = 0
    if _is_docstring(tree.body):
        head = 1
    while head < len(tree.body) and getattr(tree.body[head], "module", None) == "__future__":
        head += 1
    at = tree.body[-1] if len(tree.body) > head else None
    begin = [_place(node, None) for node in _statements(first)]
    end = [_place(node, at) for node in _statements(last)]
    body = tree.body[head:] or [_place(ast.Pass(), None)]
    guarded = _place(ast.Try(body=body, handlers=[], orelse=[], finalbody=end), body[0], deep=False)
    tree.body[head:] = [*begin, guarded]
    return tree


# -- functions -----------------------------------------------------------------------------------------------


def _tree(source: bytes, path: str, plain: CodeType | None) -> tuple[ast.Module, dict[str, Function]]:
    """The script as a tree; if its own code `plain` is given, with hooks in its functions."""
    tree = ast.parse(source, path)
    if plain is None:
        return tree, {}
    spared = Spared()
    spared.meet(source, tree, plain)
    return tree, _with_hooks(tree, source, path, plain, spared.names)


def _with_hooks(
    tree: ast.Module,
    source: bytes,
    path: str,
    plain: CodeType,
    spared: Collection[str],
    name: str = "__main__",
) -> dict[str, Function]:
    """Put hooks into the functions of a script, in place; gives those that have some.

    Args:
        tree: of the script, which may be traced.
        source: of the script.
        path: of it.
        plain: the code of `tree`.
        spared: names of functions that keep their own code.
        name: that the module is imported by, if it is none that is run.

    Raises:
        ValueError: the script uses the hooks' name.
    """
    functions: dict[str, Function] = {}
    whole = decode_source(source)
    if NAME in whole:
        raise ValueError(f"the script has a use of its own for {NAME}")
    lines = [f"{line}\n" for line in whole.split("\n")]
    inner = [code for code in plain.co_consts if isinstance(code, CodeType)]
    codes = {(code.co_name, code.co_firstlineno): code for code in inner}
    for node in _top_level(tree):
        line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        code = codes.get((node.name, line))
        if node.name in spared or code is None or code.co_flags & _PAUSED:
            continue
        key = f"{len(functions)} {node.name} {path}"
        names, text = _parameters(node.args), _segment(lines, node)
        functions[key] = Function(node.name, text, path, line, names, marshal.dumps(code), name)
        _rewrite(node, key, names)
    return functions


def _segment(lines: list[str], node: ast.FunctionDef) -> str:
    """The function's text, from ``def`` on. Its columns count bytes of UTF-8."""
    last = node.end_lineno or node.lineno
    text = lines[node.lineno - 1 : last]
    if not text:
        return ""
    text[-1] = text[-1].encode()[: node.end_col_offset].decode("utf-8", "replace")
    text[0] = text[0].encode()[node.col_offset :].decode("utf-8", "replace")
    return "".join(text)


def _top_level(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions defined at the top level, also under an `if`, `try` or `with` there."""
    found: list[ast.FunctionDef] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef):
            found.append(node)
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            waiting = [*children(node), *waiting]
    return found


def _patches_builtins(source: bytes, path: str) -> bool:
    """Whether a script puts functions in the place of built-in ones."""
    if source.isascii() and b"builtins" not in source:
        return False
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("builtins", "__builtins__")
        for node in walk(ast.parse(source, path))
    )


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    found = [
        *arguments.posonlyargs,
        *arguments.args,
        arguments.vararg,
        *arguments.kwonlyargs,
        arguments.kwarg,
    ]
    return tuple(one.arg for one in found if one is not None)


def _rewrite(node: ast.FunctionDef, key: str, parameters: tuple[str, ...]) -> None:
    head = 1 if _is_docstring(node.body) else 0
    body: list[ast.stmt] = node.body[head:] or [_place(ast.Pass(), node.body[0])]
    for part in _own_nodes(body):
        if isinstance(part, ast.Return) and part.value is not None:
            part.value = _kept(part.value)
    values = "".join(f"{name}, " for name in parameters)
    (begin,) = _statements(f"""
try:
    {NAME}.begin({key!r}, ({values}))
except RecursionError:
    pass
except NameError:
    exec({_NOTHING!r}, {{}})
""")
    (leave,) = _statements(f"""
try:
    {NAME}.leave({key!r})
except RecursionError:
    pass
""")
    # A debugger wants a line for everything: what is done at the end is done in the last one.
    guarded = ast.Try(body=body, handlers=[], orelse=[], finalbody=[_place(leave, body[-1])])
    node.body = [*node.body[:head], _place(begin, body[0]), _place(guarded, body[0], deep=False)]
    # The innermost decorator: the function itself becomes known, so that it can be left alone later.
    define = f"{NAME}.partial({NAME}.define, {key!r})"
    node.decorator_list.append(_place(ast.parse(define, mode="eval").body, node))


def _kept(value: ast.expr) -> ast.Subscript:
    """The value, shown to the hook that notes what is returned: an object that is added to a tuple.

    The value comes first and the hook second, so that nothing is called before what the script itself calls.
    """
    text = f"((None,) + {NAME}.keep)[0]"
    shown = ast.parse(text, mode="eval").body
    assert isinstance(shown, ast.Subscript)
    assert isinstance(shown.value, ast.BinOp)
    _place(shown, value)
    assert isinstance(shown.value.left, ast.Tuple)
    shown.value.left.elts = [value]
    return shown


def _own_nodes(body: list[Any]) -> list[ast.AST]:
    """All nodes of a body, those of functions and classes inside left out."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(children(node))
    return found


def _is_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)


def _statements(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def _place(node: _Node, at: ast.AST | None, *, deep: bool = True) -> _Node:
    """`node` as if it stood where `at` stands; at the very beginning if `at` is None."""
    for part in ast.walk(node) if deep else [node]:
        if "lineno" in part._attributes:
            first: Any = at
            part.lineno = first.lineno if at else 1  # type: ignore[attr-defined]
            part.end_lineno = first.end_lineno if at else 1  # type: ignore[attr-defined]
            part.col_offset = first.col_offset if at else 0  # type: ignore[attr-defined]
            part.end_col_offset = first.end_col_offset if at else 0  # type: ignore[attr-defined]
    return node
