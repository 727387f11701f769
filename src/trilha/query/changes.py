"""What is not the same in two runs: command, code, files, packages, machine, environment."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from trilha.query.account import Account, account
from trilha.trace.compiling import parsed

if TYPE_CHECKING:
    from trilha.query.runs import Run
    from trilha.store import Store

__all__ = ["Changed", "changes", "functions_changed"]

_MACHINE = ("system", "release", "architecture", "cpu", "cores", "memory", "container", "accelerators")
_VARIABLE = "trilha:env."


class Changed(NamedTuple):
    """Something that is not the same.

    Attributes:
        about: "command", "script", "file read", "file written", "package", "machine", "environment",
            "hyperparameter" or "outcome".
        name: of it.
        first: in the first run; None if it was not there.
        second: in the second.
    """

    about: str
    name: str
    first: Any
    second: Any


def changes(store: Store, first: Run, second: Run) -> list[Changed]:
    """What is not the same in two runs, as far as it was recorded; contents are told by their hashes."""
    one, other = account(store, first), account(store, second)
    found: list[Changed] = []
    for about, facts in _FACTS.items():
        mine, its = facts(one), facts(other)
        if mine is None or its is None:
            continue
        found += [Changed(about, name, *pair) for name, pair in _unequal(mine, its)]
    return found


def functions_changed(first: str, second: str) -> dict[str, str]:
    """Which functions and classes are changed, added or removed in another text; `<module>` for the rest.

    Comments, blank lines and layout do not count.
    """
    try:
        mine, its = _functions(first), _functions(second)
    except (SyntaxError, ValueError, RecursionError):
        return {} if first == second else {"<module>": "changed"}
    return {
        name: "removed" if new is None else "added" if old is None else "changed"
        for name, (old, new) in _unequal(mine, its)
    }


def _functions(text: str) -> dict[str, str]:
    """The definitions of a text, without those inside of them, and the rest, as their syntax trees say."""
    found: dict[str, str] = {}

    def enter(body: list[ast.stmt], above: str) -> list[str]:
        rest = []
        for one in body:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[above + one.name] = ast.dump(one)
            elif isinstance(one, ast.ClassDef):
                rest_of_class = enter(one.body, f"{above}{one.name}.")
                head = [ast.dump(part) for part in (*one.bases, *one.keywords, *one.decorator_list)]
                found[above + one.name] = "\n".join([*head, *rest_of_class])
            else:
                rest.append(ast.dump(one))
        return rest

    found["<module>"] = "\n".join(enter(parsed(text).body, ""))
    return found


def _unequal(mine: Mapping[str, Any], its: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in dict.fromkeys((*mine, *its)):
        if mine.get(name) != its.get(name):
            yield name, (mine.get(name), its.get(name))


def _command(told: Account) -> dict[str, Any]:
    folder = told.activity.fact("trilha:cwd") if told.activity is not None else None
    return {"command": told.run.command, "folder": folder}


def _script(told: Account) -> dict[str, Any]:
    return {told.script.label: told.script.iri} if told.script is not None else {}


def _files(told: Account, *, written: bool) -> dict[str, Any]:
    """The last content of each file, by its path from the folder where the run was."""
    folder = str(told.activity.fact("trilha:cwd", "")) if told.activity is not None else ""
    found = {}
    for file in told.files:
        if file.written if written else file.read and not file.written:
            path = str(file.thing.fact("trilha:path", file.thing.label))
            name = os.path.relpath(path, folder) if folder else path
            found[path if name.startswith("..") else name] = file.thing.fact("trilha:sha256", "not hashed")
    return found


def _files_read(told: Account) -> dict[str, Any]:
    """The files that were read, but the script, which is compared as such."""
    found = _files(told, written=False)
    return {name: content for name, content in found.items() if name not in _script(told)}


def _packages(told: Account) -> dict[str, Any]:
    names = (one.iri.rpartition("/")[2].partition("@") for one in told.packages)
    return {name: version for name, _, version in names}


def _machine(told: Account) -> dict[str, Any]:
    if told.machine is None:
        return {}
    facts = {key: told.machine.fact(f"trilha:{key}") for key in _MACHINE}
    return {"name": told.machine.label, **facts}


def _environment(told: Account) -> dict[str, Any] | None:
    """The variables that are kept; None for a run that was recorded before they were."""
    if told.activity is None or told.activity.fact("trilha:env") is None:
        return None
    facts = told.activity.facts
    return {key.removeprefix(_VARIABLE): facts[key][-1] for key in facts if key.startswith(_VARIABLE)}


def _hyperparameters(told: Account) -> dict[str, Any]:
    return {one.name: one.value for one in told.hyperparameters}


def _outcome(told: Account) -> dict[str, Any]:
    run = told.run
    return {"status": run.status, "exit status": run.exit_status, "exception": run.exception or None}


_FACTS: dict[str, Callable[[Account], dict[str, Any] | None]] = {
    "command": _command,
    "script": _script,
    "file read": _files_read,
    "file written": lambda told: _files(told, written=True),
    "package": _packages,
    "machine": _machine,
    "environment": _environment,
    "hyperparameter": _hyperparameters,
    "outcome": _outcome,
}
