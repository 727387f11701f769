"""``%trilha`` in a notebook: the commands, asked about the run that records it.

``%load_ext trilha`` begins recording (see `trilha.autolog`) and adds the magic. ``%trilha cells``, ``stale``
and ``behind`` are the questions ``cells``, ``stale-cells`` and ``cells-behind`` of this run; all other words
are those of the command line, which looks in the run's own store. Source: IPython's documentation, "Writing
extensions".
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any, Final

from trilha.capture.autolog import autolog, finish
from trilha.capture.context import Quiet, active
from trilha.errors import TrilhaError

__all__ = ["load", "unload"]

_QUESTIONS: Final = {"cells": "cells", "stale": "stale-cells"}
_NAME: Final = "trilha"


def load(shell: Any) -> None:
    """Begin recording, and have the magic in a shell of IPython's."""
    recording = autolog()

    def trilha(line: str) -> None:
        _command(shell, line)

    trilha.__doc__ = _HELP
    shell.register_magic_function(trilha, "line", _NAME)
    if recording.id:
        print(f"trilha: recorded as {recording.name} {recording.id[:8]}; %trilha tells more")


def unload(shell: Any) -> None:
    """End the run, and take the magic away."""
    shell.magics_manager.magics["line"].pop(_NAME, None)
    finish()


_HELP: Final = """Ask Trilha about this notebook.

    %trilha cells      the cells that were run: what each read of which other, and whether it still holds
    %trilha stale      cells whose result no longer holds, and names that come of a text that is gone
    %trilha behind x   the cells that what x stands for came from, as a script
    %trilha COMMAND    a command of the command line, such as: lineage model.pt, show last, ask top loss

After cells and stale the notebook's file may be named, to compare with what it says now; where Jupyter or VS
Code tell which file it is, it need not be.
"""


def _command(shell: Any, line: str) -> None:
    try:
        words = shlex.split(line)
    except ValueError as error:
        print(f"trilha: {line}: {error}", file=sys.stderr)
        return
    if not words:
        print(_HELP)
        return
    if words[0] == "run":
        print("trilha: a notebook is recorded by its cells; run is for a terminal", file=sys.stderr)
        return
    with Quiet():
        recorder = active()
        folder, run = (recorder.folder, recorder.uuid) if recorder is not None else ("", "")
        if recorder is not None:
            # What was recorded up to here is to be found.
            recorder.file.flush()
        if words[0] == "behind" and len(words) == 2:
            _print_behind(words[1], folder, run)
            return
        if words[0] in _QUESTIONS:
            words = [
                "ask",
                _QUESTIONS[words[0]],
                *(words[1:] or _file(shell)),
                *(["--run", run] if run else []),
            ]
        _call([*(["--store", folder] if folder else []), *words])


def _call(words: list[str]) -> None:
    """Run a command; what is wrong with it is told, and ends nothing."""
    from trilha.cli.main import _status

    _status(words)


def _print_behind(name: str, folder: str, run: str) -> None:
    """Print the cells that a name's value came from, as a script."""
    from trilha.asking import ask

    try:
        answer = ask("cells-behind", name, run=run or None, store=folder or None)
    except TrilhaError as error:
        print(f"trilha: {error}", file=sys.stderr)
        return
    for row in answer:
        print(f"# {row['execution']}{' of unknown reads or changes' if row['unknown'] else ''}")
        print(row["source"].rstrip() + "\n")


def _file(shell: Any) -> list[str]:
    """The notebook's file, where Jupyter's server or VS Code tell their kernels."""
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    return [str(path)] if str(path).endswith(".ipynb") and os.path.isfile(path) else []
