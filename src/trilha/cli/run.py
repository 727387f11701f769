"""``trilha run``: run a script as it is, and record where its results come from.

The command replaces itself by a fresh interpreter that runs the script: the process stays the same, so that signals, exit status,
standard streams and job control are the script's own.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha run train.py --epochs 10
  trilha run --name "first try" train.py data.csv
  trilha run -m package.train --epochs 10
  trilha run --store /shared/provenance train.py

The script's own options come after its name. What was recorded: trilha show last
"""


@click.command(
    name="run",
    epilog=_EPILOG,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Run a script and record it.",
)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is the name of a module, as in python -m.")
@click.option("--name", default="", help="Name of the run; the script's name by default.")
@click.option(
    "--grain",
    type=click.Choice(["call", "file"]),
    default="call",
    show_default=True,
    help="call: the script's own functions are steps. file: the script's source is run untouched.",
)
@click.option("--store", default="", help="Folder of the store; $TRILHA_STORE, else .trilha, by default.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    context: click.Context, as_module: bool, name: str, grain: str, store: str, script: str, arguments: tuple[str, ...]
) -> None:
    """Run SCRIPT with its ARGUMENTS and record where its results come from.

    The script needs no change. Its exit status, output, signals and tracebacks stay as they are; if something cannot be recorded,
    it runs all the same.
    """
    if not as_module:
        _check(script)
    store = store or _outer_store(context)
    launcher = _launcher()
    options = [f"--name={name}", f"--grain={grain}", f"--store={os.path.abspath(store) if store else ''}"]
    target = ["-m", script] if as_module else [script]
    words = [sys.executable, *_flags(), launcher, *options, "--", *target, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, words)


def _check(script: str) -> None:
    """Say what is wrong with a script that Python could not even open, as exit status 2."""
    try:
        with open(script, "rb") if not os.path.isdir(script) else os.scandir(script):
            return
    except FileNotFoundError:
        hint = "; to run a module, put -m before its name" if find_spec_quietly(script) else ""
        raise click.UsageError(f"{script}: no such file; expected a Python script{hint}") from None
    except OSError as error:
        raise click.UsageError(f"{script}: cannot be read ({(error.strerror or str(error)).lower()})") from None


def find_spec_quietly(name: str) -> bool:
    """Whether `name` is the name of a module at the top level."""
    try:
        return name.isidentifier() and find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _outer_store(context: click.Context) -> str:
    """The store that was given before the command's name."""
    found = context.obj
    value = found.get("store") if isinstance(found, dict) else getattr(found, "store", "")
    return str(value or "")


def _launcher() -> str:
    spec = find_spec("trilha.capture.launch")
    if spec is None or spec.origin is None:
        raise click.ClickException("trilha.capture.launch is missing; install Trilha again")
    return spec.origin


def _flags() -> list[str]:
    """The interpreter's own options, handed on."""
    import subprocess

    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    return flags
