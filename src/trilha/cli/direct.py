"""The plain ways to say ``trilha run``, read without `click`, which takes longer to import than to run.

What a script has to wait for before its first line is worth sparing. So a command line of the options below
and a script that is there is read here; whatever else it may be (a question for help, an option of another
kind, an error to be told) is `trilha.cli.run`'s, which reads the same line in the same way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trilha.capture.target import Launch

__all__ = ["launch_of"]

_WITH_VALUE: Final = {"--name": "name", "--store": "store", "--campaign": "campaign", "--grain": "grain"}
"""Options that take a value, and what each is of a `Launch`."""
_GRAINS: Final = ("call", "file", "variable")


def launch_of(words: list[str]) -> Launch | None:
    """What ``trilha run`` is asked to run, where its command line is a plain one.

    Args:
        words: what comes after ``run``.

    Returns:
        The launch; None where `trilha.cli.run` has to read the line.
    """
    from trilha.capture.target import Launch, is_container

    if any(name.endswith("_COMPLETE") for name in os.environ):
        return None
    told: dict[str, str] = {}
    at, as_module = 0, False
    while at < len(words) and words[at].startswith("-"):
        option, has_value, value = words[at].partition("=")
        if option in _WITH_VALUE:
            if not has_value:
                at += 1
                value = words[at] if at < len(words) else "-"
            if value.startswith("-"):
                return None
            told[_WITH_VALUE[option]] = value
        elif words[at] == "--no-children":
            told["children"] = "no"
        elif words[at] == "-m":
            as_module = True
        else:
            return None
        at += 1
    if at == len(words) or told.get("grain", "call") not in _GRAINS:
        return None
    script = words[at]
    if not as_module and (not os.access(script, os.R_OK) or is_container(script)):
        return None
    if told.get("store"):
        told["store"] = os.path.abspath(told["store"])
    return Launch(script, tuple(words[at + 1 :]), as_module, **told)
