"""What stands in the bodies of classes that libraries make: members of an enumeration, defaults of fields.

A metaclass, a decorator or what a base class says of those derived from it (`__init_subclass__`) is given all
that a class's body bound. Where a library has one, it makes of it what it will: the members of an `Enum`, the
`__init__` of a data class. So what the body bound may have led to the class, and to what that gives.

Source: Python Language Reference, "Customizing class creation".
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator
from typing import Final
from weakref import WeakKeyDictionary

from trilha.capture.script.sites import import_names
from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Kind
from trilha.trace.traced import Traced

__all__ = ["Bodies", "bodies_of"]

_LOOKING_AT_NONE: Final = frozenset(
    [
        *("object", "abc.ABC", "typing.Protocol", "typing.Generic", "torch.nn.Module", "threading.Thread"),
        *("logging.Handler", "logging.Filter", "logging.Formatter", "argparse.Action"),
    ]
)
"""Classes of libraries that make nothing of what those derived from them have in their bodies."""
_STATELESS: Final = frozenset(["object", "abc.ABC", "typing.Protocol", "typing.Generic"])
"""Those of them whose methods do nothing to the objects either."""
_Place = tuple[str, int, int, int]
_KNOWN: WeakKeyDictionary[Traced, Bodies] = WeakKeyDictionary()


def bodies_of(traced: Traced) -> Bodies:
    """What the bodies of the classes of a trace bound, which is found once."""
    known = _KNOWN.get(traced)
    if known is None:
        known = _KNOWN[traced] = Bodies(traced)
    return known


class Bodies:
    """Tells what bodies of classes bound, where libraries made the classes.

    Args:
        traced: the trace.

    Attributes:
        derived: the numbers of the parts of texts that define classes derived from one of a library.
    """

    def __init__(self, traced: Traced) -> None:
        self.derived: set[int] = set()
        self._bound: dict[int, list[int]] = {}
        self._made: dict[int, list[int]] = {}
        classes, bindings = dict[_Place, ast.ClassDef](), dict[_Place, list[ast.ClassDef]]()
        derived = set[_Place]()
        own = {ending for path in traced.texts for ending in _endings(path)}
        for path, text in traced.texts.items():
            parts = _Classes(parsed(text), own) if "class " in text else None
            derived |= {_place(path, node) for node in (parts.derived() if parts is not None else ())}
            for node, names in parts.made_by_libraries() if parts is not None else ():
                classes[_place(path, node)] = node
                for name in names:
                    bindings.setdefault(_place(path, name), []).append(node)
        made, bound = dict[ast.ClassDef, int](), list[tuple[int, ast.ClassDef]]()
        for number, one in traced.components.items() if classes or derived else ():
            place = one.file, one.line, one.end_line, one.end_column
            if one.kind is Kind.ASSIGN and one.text.startswith("class ") and place in derived:
                self.derived.add(number)
            if one.kind is Kind.ASSIGN and one.text.startswith("class ") and place in classes:
                made[classes[place]] = number
            elif one.kind is Kind.ASSIGN:
                bound += [(number, node) for node in bindings.get(place, ())]
        for number, node in bound:
            if node in made:
                self._note(traced, number, made[node])

    def _note(self, traced: Traced, binding: int, class_: int) -> None:
        """What a name in a class's body is bound to goes into the class that is made next."""
        made = iter(traced.of_component(class_))
        each = next(made, None)
        for number in traced.of_component(binding):
            while each is not None and each < number:
                each = next(made, None)
            if each is None:
                return
            self._bound.setdefault(each, []).append(number)
            self._made.setdefault(number, []).append(each)

    def bound_for(self, number: int) -> list[int]:
        """What a body bound for the class that an evaluation gave; nothing if it is none of a library."""
        return self._bound.get(number, [])

    def made_of(self, number: int) -> list[int]:
        """The evaluations that gave classes for which another one bound something."""
        return self._made.get(number, [])


def _place(path: str, node: ast.stmt | ast.expr) -> _Place:
    return path, node.lineno, node.end_lineno or 0, node.end_col_offset or 0


def _endings(path: str) -> Iterator[str]:
    """The names by which a text may be imported as a module."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return (".".join(parts[at:]) for at in range(len(parts)))


class _Classes:
    """The classes of a text, and what the names in it are that it imports.

    Args:
        tree: of the text.
        own: names of the program's own modules.
    """

    def __init__(self, tree: ast.AST, own: Collection[str]) -> None:
        self._classes: list[ast.ClassDef] = []
        self._imported = import_names(tree)
        self._own = {name for name, full in self._imported.items() if full.rpartition(".")[0] in own}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                self._classes.append(node)
            elif isinstance(node, ast.ImportFrom) and node.level:
                self._own |= {one.asname or one.name for one in node.names}
        self._classes.sort(key=lambda one: one.lineno)

    def made_by_libraries(self) -> Iterator[tuple[ast.ClassDef, list[ast.Name]]]:
        """Those that libraries may make something of, not those derived from the program's own alone.

        Each is with the names that its body, and those of such classes that it is derived from, bind.
        """
        plain = set(self._own)
        bound: dict[str, list[ast.Name]] = {}
        for node in self._classes:
            strange = [one for one in node.bases if not self._is_plain(one, plain, _LOOKING_AT_NONE)]
            if node.decorator_list or node.keywords or strange:
                above = [name for one in strange for name in bound.get(ast.unparse(one), [])]
                bound[node.name] = [*_bindings(node), *above]
                yield node, bound[node.name]
            else:
                plain.add(node.name)

    def derived(self) -> Iterator[ast.ClassDef]:
        """Those that are derived from one of a library, or an exception, by whatever others."""
        plain = set(self._own)
        for node in self._classes:
            # An exception keeps what it is told, and notes.
            if all(self._is_plain(one, plain, _STATELESS, exceptions=False) for one in node.bases):
                plain.add(node.name)
            else:
                yield node

    def _is_plain(
        self, base: ast.expr, plain: Collection[str], known: Collection[str], *, exceptions: bool = True
    ) -> bool:
        """Whether a base is of the program, one of those that are known, or perhaps an exception."""
        root, dot, rest = ast.unparse(base.value if isinstance(base, ast.Subscript) else base).partition(".")
        full = f"{self._imported.get(root, root)}{dot}{rest}"
        found = getattr(builtins, full, None)
        is_exception = isinstance(found, type) and issubclass(found, BaseException)
        return root in plain or full in known or (is_exception and exceptions)


def _bindings(node: ast.ClassDef) -> Iterator[ast.Name]:
    """The names to which a class's body binds values, not functions or classes."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            yield one
        elif not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(one)
