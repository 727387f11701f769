"""What is to be run, how it is recorded, and where Python looks for its modules.

Asked by the process that launches it and by the one that it becomes.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

__all__ = ["DESCRIPTORS", "TEMPORARY", "Launch", "absolute", "is_archive", "is_container", "place_of", "say"]

DESCRIPTORS: Final = "/proc/self/fd/"
"""Where a process's open files have names."""
TEMPORARY: Final = "-trilha.pyc"
"""What the name of a temporary file ends with that holds code, where it cannot be in memory."""
_END_OF_ARCHIVE: Final = 65_557
"""Bytes in which the end of a ZIP archive is told: 22, and a comment of up to 65,535 (APPNOTE 4.3.16)."""


class Launch(NamedTuple):
    """What is to be run, and how it is recorded.

    Attributes:
        target: path of a script, folder or archive; or a module's name.
        arguments: of the script.
        as_module: whether `target` is a module's name, as after ``python -m``.
        name: of the run; the script's name if empty.
        store: folder of the store; the default one if empty.
        grain: ``"call"`` (the script's own functions are steps), ``"file"`` or ``"variable"`` (all that the
            script and its own modules do).
        children: ``"no"`` keeps the processes that it starts out of the run.
        campaign: that the run belongs to, if to one.
        trace: which modules and functions are traced at the grain "variable", one a line; all if empty.
        values: ``"yes"`` keeps what names are bound to, too, at that grain.
        loops: how many rounds of each loop are traced at that grain, as ``N`` or ``N/M``; all if empty.
    """

    target: str
    arguments: tuple[str, ...] = ()
    as_module: bool = False
    name: str = ""
    store: str = ""
    grain: str = "call"
    children: str = ""
    campaign: str = ""
    trace: str = ""
    values: str = ""
    loops: str = ""


def say(sentence: str) -> None:
    """One line for the user, where nothing but the process can be relied on."""
    try:
        os.write(2, f"trilha: {sentence}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def absolute(path: str) -> str:
    """The path by which Python knows its script: from the root on, and as it was given for the rest."""
    return path if path.startswith("/") else os.path.join(os.getcwd(), path)


def is_container(path: str) -> bool:
    """Whether Python looks for a ``__main__`` in what is at `path`.

    That is a folder or an archive, also one that begins with a line for the shell.
    """
    return os.path.isdir(path) or (os.path.isfile(path) and is_archive(path))


def is_archive(path: str) -> bool:
    """Whether a file is a ZIP archive."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END_OF_ARCHIVE))
            if b"PK\5\6" not in file.read():
                return False
    except OSError:
        return False
    # Only now, since it takes ten milliseconds to be imported and nearly all scripts are texts.
    import zipfile

    return zipfile.is_zipfile(path)


def place_of(launch: Launch) -> str:
    """Where Python looks for modules first: beside the script, in the container, or where a module is run."""
    if launch.as_module:
        return os.getcwd()
    path = absolute(launch.target)
    return path if is_container(path) else os.path.dirname(os.path.realpath(path))
