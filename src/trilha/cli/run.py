"""``trilha run``: run a script as it is, and record where its results come from.

The command replaces itself by Python running the script: the process stays the same, so that signals, exit
status, standard streams and job control are the script's own.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click
from click.core import ParameterSource

__all__ = ["command"]

_EPILOG = """\b
Examples:
  trilha run train.py --epochs 10
  trilha run --name "first try" train.py data.csv
  trilha run -m package.train --epochs 10
  trilha run --store /shared/provenance train.py
  trilha run --campaign "learning rates" train.py --lr 0.1
  trilha run --trace model:Net.forward --trace "data:load_*" train.py

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
    type=click.Choice(["call", "file", "variable"]),
    default="call",
    show_default=True,
    help="call: the script's own functions are steps. file: its functions are left untouched."
    " variable: which value came from which, in the script and the modules beside it.",
)
@click.option(
    "--trace",
    metavar="MODULE[:FUNCTION]",
    multiple=True,
    help="--grain variable for these modules and functions alone. MODULE as it is imported, or the path of"
    " its file; FUNCTION also Class, Class.method or a pattern. May be given several times.",
)
@click.option(
    "--loops",
    metavar="N[/M]",
    default="",
    help="--grain variable, of each loop its first N rounds alone; with M, of each M rounds the first N.",
)
@click.option(
    "--values",
    is_flag=True,
    help="--grain variable, with what names and parts are bound to: numbers, and texts, cut where long.",
)
@click.option(
    "--store",
    metavar="FOLDER",
    default="",
    help="Folder of the store; $TRILHA_STORE, else .trilha, by default.",
)
@click.option("--no-children", is_flag=True, help="Leave the processes that SCRIPT starts alone.")
@click.option(
    "--campaign",
    metavar="NAME",
    default="",
    help="The campaign that it belongs to; $TRILHA_CAMPAIGN, else a cluster's job array, by default.",
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    context: click.Context,
    as_module: bool,
    name: str,
    grain: str,
    trace: tuple[str, ...],
    loops: str,
    values: bool,
    store: str,
    no_children: bool,
    campaign: str,
    script: str,
    arguments: tuple[str, ...],
) -> None:
    """Run SCRIPT with its ARGUMENTS and record where its results come from.

    The script needs no change. Its exit status, output, signals and tracebacks stay as they are; if something
    cannot be recorded, it runs all the same.
    """
    from trilha.capture.launch import replace_process
    from trilha.capture.target import Launch

    if not as_module:
        _check(script)
    store = store or str((context.find_root().obj or {}).get("store") or "")
    folder = os.path.abspath(store) if store else ""
    children = "no" if no_children else ""
    if loops:
        _check_loops(loops)
    if trace or loops or values:
        grain = _traced(context, grain, "--trace" if trace else "--loops" if loops else "--values")
    if grain == "variable":
        _check_lock()
    replace_process(
        Launch(
            script,
            arguments,
            as_module,
            name,
            folder,
            grain,
            children,
            campaign,
            "\n".join(trace),
            "yes" * values,
            loops,
        )
    )


def _traced(context: click.Context, grain: str, option: str) -> str:
    """The grain that an option means, where no other was given."""
    if grain != "variable" and context.get_parameter_source("grain") is not ParameterSource.DEFAULT:
        raise click.UsageError(
            f"{option}: not together with --grain {grain}; expected --grain variable, or none"
        )
    return "variable"


def _check_lock() -> None:
    """Refuse to trace where threads run at once: the order in their log is not that of what they did."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise click.UsageError(
            "--grain variable: this Python runs threads without the global lock, so that a trace of them may"
            " be wrong; run with PYTHON_GIL=1, or at the grain call"
        )


def _check_loops(loops: str) -> None:
    from trilha.capture.launch import check_loops

    try:
        check_loops(loops)
    except ValueError as error:
        raise click.UsageError(f"--loops: {error}") from None


def _check(script: str) -> None:
    """Say what is wrong with a script that Python could not even begin, as exit status 2."""
    try:
        if os.path.isdir(script):
            if not any(name.partition(".")[0] == "__main__" for name in os.listdir(script)):
                raise click.UsageError(
                    f"{script}: a folder without __main__.py; expected a Python script in it"
                )
        elif os.path.isfile(script):
            os.close(os.open(script, os.O_RDONLY))
            if _is_empty_archive(script):
                raise click.UsageError(
                    f"{script}: an archive without __main__.py; expected a Python script in it"
                )
        else:
            os.stat(script)
    except FileNotFoundError:
        hint = "; to run a module, put -m before its name" if _is_module(script) else ""
        raise click.UsageError(f"{script}: no such file; expected a Python script{hint}") from None
    except ValueError:
        raise click.UsageError(f"{script!r}: no name of a file; expected a Python script") from None
    except OSError as error:
        raise click.UsageError(
            f"{script}: cannot be read ({(error.strerror or str(error)).lower()})"
        ) from None


def _is_empty_archive(path: str) -> bool:
    """Whether a file is an archive in which Python finds nothing to run."""
    from trilha.capture.target import is_archive

    if not is_archive(path):
        return False
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return not {"__main__.py", "__main__.pyc"} & set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def _is_module(name: str) -> bool:
    """Whether `name` is the name of a module at the top level."""
    try:
        return name.isidentifier() and find_spec(name) is not None
    except (ImportError, ValueError):
        return False
