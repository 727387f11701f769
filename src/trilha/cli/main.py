"""The command ``trilha``: hands its words to a command, and turns errors into exit statuses.

Exit status 0 means yes, 1 no (not found, ambiguous), 2 wrong usage or input that cannot be read.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from trilha.cli.direct import launch_of
from trilha.errors import NotFound, TrilhaError

if TYPE_CHECKING:
    from trilha.capture.target import Launch

__all__ = ["main"]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What writing alone is refused with."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status.

    Args:
        arguments: instead of the process's own.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"]:
        launch = launch_of(words[1:])
        if launch is not None:
            _become(launch)
    sys.exit(_status(arguments))


def _become(launch: Launch) -> None:
    """Become the script that is to be run; return where Python cannot be started, which is then told."""
    from trilha.capture.launch import replace_process

    try:
        replace_process(launch)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError:
        return


def _status(arguments: list[str] | None) -> int:
    import click

    from trilha.cli.group import Unread, group

    for stream in (sys.stdout, sys.stderr):
        # A label that the terminal's encoding has no sign for must not end the answer.
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = group.main(arguments, prog_name="trilha", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, Unread):
        _silence()
        return 0
    except NotFound as error:
        return _say(str(error), 1)
    except TrilhaError as error:
        return _say(str(error), 2)
    except click.UsageError as error:
        where = (
            f" (trilha {error.ctx.info_name} --help)"
            if error.ctx and error.ctx.parent
            else " (trilha --help)"
        )
        return _say(error.format_message().rstrip(".") + where, 2)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _silence()
        return 130
    except OSError as error:
        return _say(_worded(error), 2)
    except Exception as error:
        if os.environ.get("TRILHA_DEBUG"):
            raise
        return _say(
            f"an error of Trilha itself: {type(error).__name__}: {error}. Nothing was changed; please"
            f" report it with what"
            " TRILHA_DEBUG=1 shows",
            2,
        )
    return code if isinstance(code, int) else 0


def _worded(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {reason}"
    # Who writes a file tells its name; so what is left is the answer itself.
    return f"standard output: cannot be written ({reason})" if error.errno in _FULL else reason


def _say(text: str, status: int) -> int:
    from trilha.query.wording import visible

    try:
        # Where a caret shows the place in what was asked, lines stay lines; any other message is one line.
        parts = text.rsplit("\n", 2)
        lines = parts if len(parts) == 3 and parts[2].strip() == "^" else [text]
        sys.stderr.write("trilha: " + "\n".join(visible(line, 4000) for line in lines) + "\n")
    except BrokenPipeError:
        _silence()
    return status


def _silence() -> None:
    """Have nothing more written to a pipe that nobody reads, at exit neither."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
