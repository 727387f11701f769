"""The grain ``variable`` in a notebook: each cell that is run is traced, as a module would be.

IPython hands the syntax tree of a cell to its ``ast_transformers`` (its documentation, "Custom input
transformation"), after its own translation of magics; what is not this very cell's is left alone. All cells
share the notebook's names; an execution is called as IPython numbers it (``In [7]``). What else binds those
names, magics among others, is told by comparing what they stand for. Tested on IPython 9.
"""

from __future__ import annotations

import ast
import builtins
import functools
import os
import re
import sys
from _thread import get_ident
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import trilha.capture.script as scripts
from trilha.capture import outcome
from trilha.capture.context import Quiet, process
from trilha.capture.interrupts import pass_on
from trilha.capture.notebook.reloaded import Reloading
from trilha.capture.notebook.text import OTHER_MAGICS, TIMED
from trilha.capture.notebook.variables import HIDDEN, RESULT, proof, proves
from trilha.capture.script.cells import SHOWN, UNKNOWN, Cell, Space, bound_by, parsed
from trilha.capture.script.chosen import Choice
from trilha.capture.script.hooking import hook_name
from trilha.capture.script.sites import PYTHON_MAGICS, RUN_BY_SHELL, names_of_text, runs_text
from trilha.capture.script.tracked import begin as begin_log
from trilha.capture.script.trail import Trail

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Tracing", "begin"]

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LONGEST: Final = 1 << 20
"""Letters of a cell; a longer one runs as it is."""
_MOST_NAMES: Final = 20
_SHELL: Final = "get_ipython"
_COMMANDS: Final = ("system", "getoutput", "system_piped", "system_raw")
_NAMES, _ANYTHING = 1, 2
_ABOUT_ERROR: Final = "_get_exc_info"
"""The shell's method that gives it the error to show."""
_FILLED: Final = re.compile(r"\{[^{}]*\w[^{}]*\}|\$[a-zA-Z_]")
_HOOKS: Final = os.path.join(os.path.dirname(scripts.__file__), "")
_OURS: Final = f"{_SHELL}().run_line_magic('trilha'"
_HIDDEN: Final = re.compile(rf"{HIDDEN.pattern}|__\w+__")
"""Names of IPython's own and of Python's, which cells do not bind."""


class _Execution:
    """One execution of a cell, from before it is transformed until it is over.

    Attributes:
        text: of the cell, its magics translated.
        thread: that runs it.
        label: as it is called in the trace.
        cell: that is traced; None before it is, or where it cannot be.
        inner: texts that magics run in it and that are traced, those that go on.
        texts: of magics that are to be transformed, too.
        watches: of statements that go through the shell: whether they may do anything, and names they bind.
        own: names that such a statement binds that goes on, and texts and cells that it runs.
        before: what names stood for before a magic that goes on; None if none does.
        unknown: a magic that goes on may change any object.
        shows: its last statement is an expression.
    """

    def __init__(self, text: str, info: Any, count: int) -> None:
        self.text, self.info, self.count, self.thread = text, info, count, get_ident()
        self.label = ""
        self.cell: Cell | None = None
        self.inner: list[Cell] = []
        self.texts: list[str] = []
        self.watches: list[tuple[bool, set[str]]] = []
        self.own: set[str] = set()
        self.before: dict[str, Any] | None = None
        self.met = self.shows = self.unknown = False


class Tracing:
    """Traces the cells of a shell from the next one on, until the run ends.

    Args:
        recorder: of the run.
        shell: of IPython.
        trail: the log.

    Attributes:
        is_on: they are.
    """

    def __init__(self, recorder: Recorder, shell: Any, trail: Any) -> None:
        self._recorder, self._shell, self._trail, self._choice = recorder, shell, trail, Choice([])
        self.is_on = self._hides = False
        self._space = Space(trail, shell.user_ns)
        self._reloading = Reloading(trail, self._guard)
        self._going_on: list[_Execution] = []
        self._known: dict[str, Any] | None = None
        self._labels: set[str] = set()
        self._last = "the notebook"

    def start(self, *, values: bool = False, loops: str = "") -> None:
        """Trace cells from the next one on.

        Args:
            values: values are told, too.
            loops: how many rounds of each loop are traced, as `trilha run --loops` has it; all if empty.

        Raises:
            ValueError: `loops` tells no such number.
        """
        self._choice = Choice([], values=values, loops=loops)
        self._trail.rounds = self._choice.rounds
        if self.is_on:
            return
        self.is_on = True
        self._guard(self._reloading.watch)
        setattr(builtins, hook_name("names"), self._at_magic)
        self._shell.ast_transformers.append(self)
        original = getattr(self._shell, _ABOUT_ERROR, None)
        if type(self._trail) is Trail and original is not None and _ABOUT_ERROR not in vars(self._shell):
            self._hides = True
            setattr(self._shell, _ABOUT_ERROR, functools.partial(_about_error, original))
        self._shell.events.register("pre_run_cell", self.begins)
        self._shell.events.register("post_run_cell", self.ended)
        if self._labels:
            self._tell([], self._last, changed=True)
        there = [name for name, value in self._shell.user_ns.items() if _is_of_notebook(value)]
        if there:
            why = f"defined before cells were traced, so that what they do is not followed: {_list(there)}"
            self._trail.gap(self._last, 0, f"{why}; run their cells again")

    def stop(self) -> None:
        """Trace no more cells; functions that are traced stay so."""
        self.is_on = False
        self._reloading.end()
        while self._going_on:
            self._guard(self._over, self._going_on.pop(), None, True)
        if self._hides:
            vars(self._shell).pop(_ABOUT_ERROR, None)
        if self in self._shell.ast_transformers:
            self._shell.ast_transformers.remove(self)
        for name, callback in (("pre_run_cell", self.begins), ("post_run_cell", self.ended)):
            try:
                self._shell.events.unregister(name, callback)
            except ValueError:
                pass_on()  # the program took it away

    def flush(self) -> None:
        """Write out what was traced up to here."""
        self._trail.flush()

    # -- what IPython tells ----------------------------------------------------------------------------------

    def begins(self, info: Any) -> None:
        """A cell is about to be run."""
        self._guard(self._begin, info)

    def ended(self, result: Any = None) -> None:
        """A cell was run."""
        error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
        self._guard(self._end, getattr(result, "info", None), error, getattr(result, "result", None))

    def visit(self, tree: ast.AST) -> ast.AST:
        """The tree of a cell that is to be run, so that it tells what it does; other trees as they are."""
        made: list[ast.AST] = []
        self._guard(lambda: made.append(self._visit(tree)))
        return made[0] if made else tree

    def _guard(self, function: Callable[..., None], *arguments: Any) -> None:
        if process.recorder is not self._recorder:
            return
        try:
            with Quiet():
                function(*arguments)
        except Exception:
            self._recorder.failed()

    # -- one cell --------------------------------------------------------------------------------------------

    def _begin(self, info: Any) -> None:
        text = getattr(info, "transformed_cell", None)
        if not isinstance(text, str):
            text = str(self._shell.transform_cell(info.raw_cell))
        outer = self._going_on[-1] if self._going_on else None
        if outer is not None and outer.thread != get_ident():
            try:
                names = bound_by(parsed(text))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass_on()
                names = set()
            self._tell(names, f"{outer.label}, in another thread", changed=True)
            return
        count = outer.count if outer else self._shell.execution_count - bool(info.store_history)
        self._going_on.append(_Execution(text, info, count))
        others = self._shell.ast_transformers
        if self in others and others[-1] is not self:
            others.remove(self)
            others.append(self)  # What others make of the tree is what runs.

    def _visit(self, tree: ast.AST) -> ast.AST:
        one = self._going_on[-1] if self._going_on else None
        if one is None or one.thread != get_ident() or not isinstance(tree, ast.Module):
            return tree
        if one.met:
            return self._visit_inner(one, tree)
        one.met = True
        if all(line.startswith(_OURS) for line in one.text.splitlines() if line.strip()):
            return tree
        one.label = self._label(f"In [{one.count}]")
        if len(self._going_on) == 1 and self._known is not None:
            self._tell(self._changed(self._known), self._last)
        file = self._shell.compile.get_code_name(one.info.raw_cell, one.text, one.count)
        made = self._traced(one, tree, one.text, one.label, file)
        if made is None:
            return tree
        one.shows = bool(made[0].body) and isinstance(made[0].body[-1], ast.Expr)
        one.cell = made[1]
        return made[0]

    def _visit_inner(self, one: _Execution, tree: ast.Module) -> ast.AST:
        """A text that a magic runs in the notebook's namespace: it is traced as a cell in the cell."""
        # All texts of that magic have one name, by which a function of them is not known from another's.
        defines = any(isinstance(part, _DEFINITIONS) for part in ast.walk(tree))
        for text in one.texts if not defines else ():
            if one.cell is not None and _is_tree_of(tree, text):
                label = self._label(f"{one.label} %time")
                made = self._traced(one, tree, text, label, "<timed exec>", inner=True)
                if made is not None:
                    one.inner.append(made[1])
                    one.own |= bound_by(tree)
                    one.unknown = False
                    return made[0]
        return tree

    def _traced(
        self, one: _Execution, tree: ast.Module, text: str, label: str, file: str, *, inner: bool = False
    ) -> tuple[ast.Module, Cell] | None:
        """The tree as it is to run, and what tells of it; None, where it runs as it is."""
        why = "is longer than what is traced" if len(text) > _LONGEST else ""
        if not why and not _is_tree_of(tree, text):
            why = "was changed by another transformer of syntax trees"
        if not why:
            mine = parsed(text)
            texts, lines = list(_timed(mine, self._shell)), list(_filled(mine))
            try:
                chosen = self._choice.of([label], label, mine)
                cell = self._space.cell(
                    *(mine, text.encode("utf-8", "surrogatepass"), label),
                    file=file,
                    chosen=chosen,
                    watched=functools.partial(_watch, one.watches),
                    ends=inner,
                )
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                pass_on()
                why = f"cannot be rewritten ({type(error).__name__})"
            else:
                one.texts += texts
                for line in lines:
                    self._trail.gap(label, line, "what is put into the text of this command is not followed")
                cell.begin()
                return mine, cell
        self._trail.gap(label, 0, f"this cell {why}; it runs as it is")
        return None

    def _label(self, label: str) -> str:
        """What an execution is called, as no other."""
        made, again = label, 1
        while made in self._labels:
            again += 1
            made = f"{label} ({again})"
        self._labels.add(made)
        return made

    def _end(self, info: Any, error: BaseException | None, shown: Any) -> None:
        if self._going_on and self._going_on[-1].thread != get_ident():
            return
        known = any(one.info is info for one in self._going_on)
        # An interrupted shell knows no more which cell it was.
        while self._going_on and (known or error is not None):
            one = self._going_on.pop()
            last = one.info is info or not known
            self._over(one, error, not last)
            if last:
                if one.cell is not None and shown is not None:
                    self._show(one, shown)
                break
        self._known = self._names()
        self._reloading.watch()
        if not self._going_on:
            self._trail.flush()  # Between two cells a kernel may be killed.

    def _over(self, one: _Execution, error: BaseException | None, failed: bool) -> None:
        """One execution is over."""
        for cell in (*reversed(one.inner), *([one.cell] if one.cell is not None else [])):
            cell.end(error, failed=failed)
        one.inner.clear()
        self._after_magic(one)
        self._last = one.label or self._last
        if one.cell is not None and self._going_on:
            self._going_on[-1].own |= bound_by(parsed(one.text))
        elif one.cell is None and one.label:
            known = self._going_on[-1].before if self._going_on else self._known
            self._tell(self._changed(known or {}), one.label, changed=True)

    def _show(self, one: _Execution, shown: Any) -> None:
        """Tell which names IPython's cache of results has for the value that a cell ended with."""
        names, last = self._shell.user_ns, f"_{one.count}"
        is_last = self._shell.ast_node_interactivity in ("last_expr", "last")
        value = SHOWN if one.shows and is_last else UNKNOWN
        found = {last: value} if names.get(last) is shown else {}
        if names.get("_") is shown:
            found |= {"_": value, "__": "_", "___": "__"}
        held = names.get("_oh")
        put = type(held) is dict and value == SHOWN and held.get(one.count) is shown
        self._space.bound(found, put=(held, one.count) if put else None)

    # -- what else binds names -------------------------------------------------------------------------------

    def _at_magic(self, what: int, value: Any = None) -> Any:
        """A statement begins that goes through the shell itself; with 0 it is over, with -1 what it ran."""
        if self._going_on and self._going_on[-1].thread == get_ident():
            one = self._going_on[-1]
            if what < 0:
                self._guard(self._end_inner, one)
            else:
                self._guard(*((self._before_magic, one, what) if what else (self._after_magic, one)))
        return value

    def _end_inner(self, one: _Execution) -> None:
        if one.inner:
            one.inner.pop().end()

    def _before_magic(self, one: _Execution, what: int) -> None:
        one.unknown, own = one.watches[what - 1]
        one.before, one.own = self._names(), set(own)

    def _after_magic(self, one: _Execution) -> None:
        if one.before is not None:
            found = {name for name in self._changed(one.before) if not RESULT.fullmatch(name)}
            self._tell(found - one.own, one.label, changed=one.unknown)
        one.before = None

    def _names(self) -> dict[str, Any]:
        """What tells later whether the notebook's names stand for other objects."""
        names = self._shell.user_ns.items()
        return {name: proof(value) for name, value in list(names) if not _HIDDEN.fullmatch(name)}

    def _changed(self, known: Mapping[str, Any]) -> set[str]:
        """The names that stand for something else than before, or for nothing any more."""
        names = dict(self._shell.user_ns)
        found = {name for name, hold in known.items() if name not in names or not proves(hold, names[name])}
        return found | {name for name in names.keys() - known.keys() if not _HIDDEN.fullmatch(name)}

    def _tell(self, names: Iterable[str], label: str, *, changed: bool = False) -> None:
        """Tell what was bound, and whether anything may have changed, by what is not traced."""
        found = sorted(names)
        if found:
            self._trail.gap(label, 0, f"bound by what is not traced, here or later: {_list(found)}")
        if changed:
            self._trail.gap(label, 0, "what ran here and is not traced may have changed any object")
        self._space.bound(dict.fromkeys(found, UNKNOWN), changed=changed)


def begin(recorder: Recorder, shell: Any, *, values: bool = False, loops: str = "") -> Tracing:
    """Trace the cells that `shell` runs from the next one on, and modules of the notebook's folder.

    Args:
        recorder: of the run.
        shell: of IPython.
        values: as for `Tracing.start`.
        loops: as there.

    Raises:
        ValueError: as there.
    """
    choice = Choice([], values=values, loops=loops)
    made = Tracing(recorder, shell, begin_log(recorder, os.getcwd(), choice, "the notebook"))
    made.start(values=values, loops=loops)
    recorder.endings.append(made.stop)
    return made


def _about_error(original: Callable[..., Any], *arguments: Any) -> Any:
    """What IPython shows of an error, without the frames of the hooks: those that are in Python have some."""
    given = arguments[0] if arguments else None
    error = given[1] if given else sys.exception()
    if error is not None:
        outcome.hide_frames(error, (_HOOKS,), _HOOKS)
    return original(*arguments)


def _is_tree_of(tree: ast.AST, text: str) -> bool:
    """Whether a tree is what a text says, place by place."""
    try:
        return ast.dump(tree, include_attributes=True) == ast.dump(parsed(text), include_attributes=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return False


def _watch(watches: list[tuple[bool, set[str]]], statement: ast.stmt) -> int:
    """Watch a statement that goes through the shell, as magics do; gives its number, 0 for all others."""
    what = _through_shell(statement)
    if not what:
        return 0
    own = bound_by(ast.Module([statement], []))
    for one in ast.walk(statement):
        if isinstance(one, ast.Call) and (text := runs_text(one)) > 0:
            names = names_of_text(ast.literal_eval(one.args[text]))
            own |= set(names[0]) if names is not None else set()
    watches.append((what == _ANYTHING, own))
    return len(watches)


def _through_shell(statement: ast.stmt) -> int:
    """What a statement may do by going through the shell: nothing, bind names, or anything."""
    calls = {id(one.func.value): one for one in ast.walk(statement) if _is_method(one)}
    found = 0
    for one in ast.walk(statement):
        if isinstance(one, ast.Name) and one.id == _SHELL:
            found = found or _ANYTHING
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == _SHELL:
            call = calls.get(id(one))
            if call is None or not _is_harmless(call):
                return _ANYTHING
            found = _NAMES
    return found


def _is_method(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _is_harmless(call: Any) -> bool:
    """Whether what is asked of the shell changes no object, or tells itself what it may change."""
    words = [word.value for word in call.args if isinstance(word, ast.Constant)]
    if call.func.attr in RUN_BY_SHELL:
        return bool(words) and words[0] in OTHER_MAGICS | PYTHON_MAGICS | {"capture"}
    return call.func.attr in _COMMANDS


def _filled(tree: ast.AST) -> Iterable[int]:
    """The lines of commands into whose text IPython puts values: ``!echo {x}``, ``!echo $x``."""
    for one in ast.walk(tree):
        if _is_method(one) and (one.func.attr in _COMMANDS or one.func.attr in RUN_BY_SHELL):
            words = [word.value for word in one.args if isinstance(word, ast.Constant)]
            is_own = words[:1] != ["trilha"] and words[:1] != [TIMED] and runs_text(one) < 0
            if is_own and _FILLED.search(str(words[-1:])):
                yield one.lineno


def _timed(tree: ast.AST, shell: Any) -> Iterable[str]:
    """The texts in a cell that a magic will have transformed, as Python, and whose errors end the cell."""
    if not hasattr(shell.find_line_magic(TIMED), "parser"):
        return  # Before IPython 9 it shows an error itself, and goes on.
    for one in ast.walk(tree):
        words = [word.value for word in one.args if isinstance(word, ast.Constant)] if _is_method(one) else []
        if words[:1] == [TIMED] and isinstance(words[-1], str) and "--no-raise-error" not in str(words):
            yield str(shell.transform_cell(words[-1]))


def _is_of_notebook(value: Any) -> bool:
    """Whether something is a function or class that the notebook defines."""
    own = type(value)
    return (own is FunctionType or own is type) and value.__module__ == "__main__"


def _list(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return ", ".join(found[:_MOST_NAMES]) + more
