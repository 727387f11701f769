"""``%trilha`` in a notebook: the commands, asked about the run that records it.

``%load_ext trilha`` begins recording (see `trilha.autolog`) and adds the magic. ``%trilha cells``, ``stale``
and ``behind`` are the questions ``cells``, ``stale-cells`` and ``cells-behind`` of this run; ``grain`` has
its cells traced; all other words are those of the command line, which looks in the run's own store. Source:
IPython's documentation, "Writing extensions".
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.active import active
from trilha.capture.autolog import autolog, finish
from trilha.capture.context import Quiet
from trilha.errors import TrilhaError, UsageError

if TYPE_CHECKING:
    from trilha.capture.notebook.traced import Tracing
    from trilha.capture.recorder import Recorder

__all__ = ["load", "unload"]

_QUESTIONS: Final = {"cells": "cells", "stale": "stale-cells"}
_NAME: Final = "trilha"
_SETTING: Final = "TRILHA_GRAIN"
"""The environment's variable that has cells traced as soon as the extension is loaded."""
_GRAINS: Final = ("file", "variable")
_OF_TRACE: Final = ("slice", "history", "calls")
_OPTION: Final = re.compile(r"\s+(?=-(?:-[a-z]|o\s))")
_tracings: Final[weakref.WeakKeyDictionary[Recorder, Tracing]] = weakref.WeakKeyDictionary()


def load(shell: Any) -> None:
    """Begin recording, and have the magic in a shell of IPython's."""
    recording = autolog()

    def trilha(line: str) -> None:
        _command(shell, line)

    trilha.__doc__ = _HELP
    shell.register_magic_function(trilha, "line", _NAME)
    if recording.id:
        print(f"trilha: recorded as {recording.name} {recording.id[:8]}; %trilha tells more")
    if os.environ.get(_SETTING):
        _told(_set_grain, shell, [os.environ[_SETTING]])


def unload(shell: Any) -> None:
    """End the run, and take the magic away."""
    shell.magics_manager.magics["line"].pop(_NAME, None)
    finish()


_HELP: Final = """Ask Trilha about this notebook.

    %trilha cells      the cells that were run: what each read of which other, and whether it still holds
    %trilha stale      cells whose result no longer holds, and names that come of a text that is gone
    %trilha behind x   the cells that what x stands for came from, as a script
    %trilha grain variable    from the next cell on, record which value came from which
    %trilha slice x[0]        the lines of the cells that it came from, and other questions of `trilha slice`
    %trilha history x         each time that it was bound or changed, and by which line
    %trilha COMMAND    a command of the command line, such as: lineage model.pt, show last, ask top loss

After cells and stale the notebook's file may be named, to compare with what it says now; where Jupyter or VS
Code tell which file it is, it need not be.
"""


def _command(shell: Any, line: str) -> None:
    try:
        words = _words(line)
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
        if words[0] == "grain":
            _told(_set_grain, shell, words[1:])
            return
        recorder = active()
        folder, run = (recorder.folder, recorder.uuid) if recorder is not None else ("", "")
        if recorder is not None:
            # What was recorded up to here is to be found.
            if recorder in _tracings:
                _tracings[recorder].flush()
            recorder.file.flush()
        if words[0] == "behind" and len(words) == 2:
            _told(_print_behind, words[1], folder, run)
            return
        if words[0] in _QUESTIONS:
            words = ["ask", _QUESTIONS[words[0]], *(words[1:] or _file(shell))]
        elif words[0] == "history":
            words = ["slice", *words[1:], "--history"]
        elif words[0] not in _OF_TRACE:
            run = ""
        if run and words[0] == "calls":
            words.insert(1, run)
        elif run and "--run" not in words:
            words += ["--run", run]
        _call([*(["--store", folder] if folder else []), *words])


def _words(line: str) -> list[str]:
    """What is asked; an expression as it is written, which is not quoted as for a shell.

    Raises:
        ValueError: a quotation is not closed.
    """
    command, _, rest = line.strip().partition(" ")
    if command not in ("slice", "history"):
        return shlex.split(line)
    what, *options = _OPTION.split(rest.strip(), maxsplit=1)
    if what[:1] == "-":
        return shlex.split(line)
    if len(what) > 1 and what[0] == what[-1] and what[0] in "'\"" and what[0] not in what[1:-1]:
        what = what[1:-1]
    return [command, *([what] if what else []), *(shlex.split(options[0]) if options else [])]


def _told(function: Any, *arguments: Any) -> None:
    """Do something; what is wrong with it is told, and ends nothing."""
    try:
        function(*arguments)
    except TrilhaError as error:
        print(f"trilha: {error}", file=sys.stderr)


def _set_grain(shell: Any, words: list[str]) -> None:
    """Trace cells from the next one on, or no more; tell which it is.

    Raises:
        UsageError: nothing is recorded, or the words are none of a grain.
    """
    from trilha.capture.notebook.traced import begin

    recorder = active()
    if recorder is None:
        raise UsageError("nothing is recorded here: expected %load_ext trilha, or trilha.autolog(), before")
    known = _tracings.get(recorder)
    if not words:
        print("variable" if known is not None and known.is_on else "file")
        return
    values, loops = _how(words)
    if words[0] == "file":
        if known is not None:
            known.stop()
        return
    try:
        if known is None:
            _tracings[recorder] = begin(recorder, shell, values=values, loops=loops)
        else:
            known.start(values=values, loops=loops)
    except ValueError as error:
        raise UsageError(f"%trilha grain variable --loops {error}") from None


def _how(words: list[str]) -> tuple[bool, str]:
    """Whether values are recorded, and how many rounds of loops; all if that is empty."""
    grain, values, loops = words[0], False, ""
    rest = iter(words[1:])
    for word in rest:
        if word == "--values":
            values = True
        elif word == "--loops":
            loops = next(rest, "none")
        else:
            grain = ""
    if grain not in _GRAINS or (grain == "file" and len(words) > 1):
        raise UsageError(
            f"%trilha grain {' '.join(words)}: expected %trilha grain variable [--loops N[/M]] [--values], or"
            " %trilha grain file"
        )
    return values, loops


def _call(words: list[str]) -> None:
    """Run a command; what is wrong with it is told, and ends nothing."""
    from trilha.cli.main import _status

    _status(words)


def _print_behind(name: str, folder: str, run: str) -> None:
    """Print the cells that a name's value came from, as a script."""
    from trilha.asking import ask

    for row in ask("cells-behind", name, run=run or None, store=folder or None):
        print(f"# {row['execution']}{' of unknown reads or changes' if row['unknown'] else ''}")
        print(row["source"].rstrip() + "\n")


def _file(shell: Any) -> list[str]:
    """The notebook's file, where Jupyter's server or VS Code tell their kernels."""
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    return [str(path)] if str(path).endswith(".ipynb") and os.path.isfile(path) else []
