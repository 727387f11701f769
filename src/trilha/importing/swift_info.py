"""The records that Swift's wrapper script wrote of each job: files named ``<job>-info``.

Lines are ``KEY=value``, or ``Progress  <time>  <step>``. What the program printed may stand among them.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["jobs"]

_KEYS: Final = {
    "EXEC": "executable",
    "ARGS": "arguments_given",
    "STDIN": "stdin",
    "STDOUT": "stdout",
    "STDERR": "stderr",
    "EXTRAINFO": "extra_info",
    "INF": "input_files",
    "OUTF": "output_files",
}
_LINE: Final = re.compile(r"([A-Z_]+)=(.*)")


def jobs(paths: list[str]) -> dict[str, dict[str, str]]:
    """What the wrapper recorded, by job: attributes by name.

    A record that does not name its job's folder (``DIR=jobs/b/echo-bv15pj8j``) goes by its file's name.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        told: dict[str, str] = {}
        job = path.rpartition("/")[2].removesuffix("-info")
        with open(path, encoding="utf-8", errors="replace") as file:
            for text in file:
                match = _LINE.match(text.rstrip("\n"))
                if match is None:
                    continue
                key, value = match.groups()
                if key == "DIR" and value:
                    job = value.rpartition("/")[2]
                elif key in _KEYS and value:
                    told.setdefault(_KEYS[key], value)
        found[job] = told
    return found
