"""States that functions of libraries share without being given an object: of random numbers, of the process.

A slice that is to be run needs all that stepped or set such a state before. Which functions do is declared,
by the full names of the modules that they are of.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from trilha.capture.script.sites import import_names

__all__ = ["FILES", "SYSTEM", "States"]

SYSTEM: Final = "system"
"""The state of files and folders."""
FILES: Final = "files"
"""What is in files, as far as it is seen without opening them: which there are, how long they are."""
_STEPPING: Final = {
    "random": ("random.",),
    "numpy": ("numpy.random.", "sklearn.", "scipy.stats."),
    "torch": ("torch.", "torchvision.", "lightning.", "pytorch_lightning."),
    "tensorflow": ("tensorflow.", "keras."),
    "decimal": ("decimal.",),
    "locale": ("locale.",),
    "logging": ("logging.",),
    "input": ("input", "sys.stdin."),
}
"""States, and which functions they are of: what these do depends on it, and may change it."""
_CHANGING_SYSTEM: Final = (
    *("os.chdir", "os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir"),
    *("os.symlink", "os.link", "os.truncate", "os.utime", "os.putenv", "shutil.", "subprocess.", "os.system"),
)
_READING_SYSTEM: Final = ("os.", "open", "glob.", "pathlib.", "tempfile.")
_ASKING_FILES: Final = (
    *("os.path.getsize", "os.path.getmtime", "os.path.exists", "os.path.lexists", "os.path.isfile"),
    *("os.stat", "os.lstat", "os.listdir", "os.scandir", "os.walk", "glob."),
)
_ASKING_PATHS: Final = frozenset(["iterdir", "glob", "rglob", "walk", "exists", "is_file", "stat", "lstat"])
_CHANGING_PATHS: Final = frozenset(
    [
        *("mkdir", "rmdir", "unlink", "rename", "replace", "touch", "write_text", "write_bytes", "chmod"),
        *("symlink_to", "hardlink_to"),
    ]
)
"""Methods of `pathlib.Path` that change files and folders."""
_READING_PATHS: Final = frozenset(
    [
        *("iterdir", "glob", "rglob", "walk", "exists", "is_file", "is_dir", "is_symlink", "stat", "lstat"),
        *("read_text", "read_bytes", "open", "resolve", "samefile"),
    ]
)


class States:
    """Which states the calls of a text step, by the texts of the calls.

    Args:
        tree: of the text.
    """

    def __init__(self, tree: ast.AST) -> None:
        self._imports = import_names(tree)
        # Others have methods of these names, too.
        self._has_paths = any(one.partition(".")[0] == "pathlib" for one in self._imports.values())

    def stepped(self, call: str) -> Iterator[tuple[str, bool]]:
        """The states that a call depends on, and whether it may change them.

        Args:
            call: as it is written.
        """
        name = self.full_name(call)
        for state, prefixes in _STEPPING.items():
            if _begins(name, prefixes):
                yield state, True
        method = _method(call) if self._has_paths else ""
        if _begins(name, _CHANGING_SYSTEM) or method in _CHANGING_PATHS:
            yield SYSTEM, True
        elif _begins(name, _READING_SYSTEM) or method in _READING_PATHS:
            yield SYSTEM, False
        if _begins(name, _ASKING_FILES) or method in _ASKING_PATHS:
            yield FILES, False

    def is_imported(self, name: str) -> bool:
        """Whether a name, as it is written, begins with one that the text imports."""
        return name.partition(".")[0] in self._imports

    def full_name(self, call: str) -> str:
        """The name of the function of a call, as its module has it.

        Args:
            call: as it is written.
        """
        root, dot, rest = call.partition("(")[0].strip().partition(".")
        return f"{self._imports.get(root, root)}{dot}{rest}"


def _method(call: str) -> str:
    """The name of the method that a call calls; empty where it calls none."""
    try:
        tree = ast.parse(call.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return tree.func.attr if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute) else ""


def _begins(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a name is one of these, or of one that ends with a dot."""
    return any(name.startswith(one) if one.endswith(".") else name == one for one in prefixes)
