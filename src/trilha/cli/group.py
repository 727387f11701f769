"""The group of commands: the name of each and one line about it; its module is imported when it is called."""

from __future__ import annotations

from typing import Any, Final

import click

import trilha

__all__ = ["Unread", "group"]

_COMMANDS: Final = {
    "run": "Run a script and record it.",
    "list": "The runs, the newest first.",
    "show": "All about one run.",
    "lineage": "Where a file came from, or what came of it.",
    "ask": "A named question of runs or of a document.",
    "slice": "Which lines a value of a script came from.",
    "calls": "Who called whom in a script.",
    "annotate": "Say something of a run, a step or a file.",
    "export": "Write a run as a W3C PROV document.",
    "validate": "Check documents against PROV-CONSTRAINTS.",
    "convert": "Write documents in another format, merged or transformed.",
    "diff": "What two documents do not both say.",
    "import": "Runs that DLProv, MLflow and others recorded.",
    "reindex": "Make the index anew from the journals.",
}
"""Each command, in the order of the help, with its module's name and one line about it."""

_MODULES: Final = {"import": "import_"}
"""The module of a command whose name is a word of Python."""

_EPILOG = """\b
Examples:
  trilha run train.py --epochs 10    record a script as it is
  trilha show last                   what it did
  trilha lineage model.pt            where its model came from
"""


class Unread(Exception):
    """Nobody reads the answer to its end; Click would leave with 1, as if something was not found."""


class _Late(click.Group):
    """A group that imports a command's module when the command is called."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **more)
        except BrokenPipeError:
            raise Unread from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Unread from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        import importlib

        command: click.Command = importlib.import_module(
            f"trilha.cli.{_MODULES.get(cmd_name, cmd_name)}"
        ).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, 1)
            hint = f". Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Late,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--store", metavar="FOLDER", help="Folder of the store; $TRILHA_STORE, else .trilha, by default."
)
@click.version_option(trilha.__version__, "--version", prog_name="trilha", message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context, store: str | None) -> None:
    """Trilha records where results of Python programs come from, and answers when you ask."""
    context.obj = {"store": store}
