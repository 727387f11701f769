"""Runs `trilha` as a user does, in a process of its own; for the tests of commands that read traces."""

import os
import subprocess
import sys


def trilha(folder, *arguments, status=0, **environment):
    """What a command prints: on the standard output, or, where it leaves with 1 or 2, all that it says.

    Args:
        folder: in which it runs.
        arguments: of the command line.
        status: the exit status that is expected.
        environment: variables, beside those of this process.
    """
    command = [sys.executable, "-c", "from trilha.cli import main; main()", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr if status else done.stdout
