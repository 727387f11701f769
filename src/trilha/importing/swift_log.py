"""The lines of Swift's run logs that carry provenance.

Swift wrote them with ``provenance.log=true`` (``logProvenance`` later): each has a time, a level, who says it
and then a word with ``key=value`` pairs. The words are those of Swift r2522 (2009), whose users' tools
(``swift-prov-import-all-logs``) read the same lines. A log is read as it lies there; what is no such line is
passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from trilha.errors import FormatError

__all__ = ["Line", "lines"]

_LINE: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(?P<ms>\d{3})(?P<zone>[+-]\d{4})"
    r"\s+[A-Z]+\s+(?P<who>\S+)\s(?P<text>.*)"
)
_PAIR: Final = re.compile(r'(\w+)=("[^"]*"|\[[^\]]*\]|\S*)')
_REST: Final = {"VALUE": "VALUE", "FILENAME": "filename", "ROOTPATH": "path"}
"""Words whose last value goes to the end of the line, with the key of that value."""
_WORDS: Final = frozenset(
    [
        *("RUNID", "PROCEDURE", "PARAM", "START", "END_SUCCESS", "END_FAILURE"),
        *("THREAD_ASSOCIATION", "JOB_START", "JOB_END", "APPLICATION_EXCEPTION"),
        *("NEW", "ROOTPATH", "VALUE", "FILENAME", "CONTAINMENT"),
        *("ARRAYELEMENT", "STRUCTMEMBER", "OPERATOR", "FUNCTION", "FUNCTIONPARAMETER"),
    ]
)
_CLOSED: Final = re.compile(
    r"closed \S+ identifier (?P<dataset>\S+) type (?P<type>\S+) .*dataset=(?P<name>.+?)"
    r"(?: path=(?P<path>\S+))? \(closed\)"
)


class Line(NamedTuple):
    """One line that says something.

    Attributes:
        number: of the line, from 1.
        time: in nanoseconds since 1970-01-01 UTC.
        word: what it says: ``PARAM``, ``CONTAINMENT``, …; ``CLOSED`` and ``LOADER`` are lines without such a
            word.
        values: by key.
    """

    number: int
    time: int
    word: str
    values: dict[str, str]


def lines(path: str) -> Iterator[Line]:
    """The lines of a log that carry provenance.

    Raises:
        FormatError: the file is no log of Swift: none of its lines begins as they do.
        OSError: it cannot be read.
    """
    known = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, 1):
            match = _LINE.match(text)
            if match is None:
                continue
            known = True
            said = _said(match["who"], match["text"])
            if said is not None:
                yield Line(number, _time(match), *said)
    if not known:
        raise FormatError(
            f"{path}:1:1: expected a log of Swift, whose lines begin with a time such as"
            " 2009-03-16 17:11:32,955+0100"
        )


def _time(match: re.Match[str]) -> int:
    moment = datetime.strptime(match["date"] + match["zone"], "%Y-%m-%d %H:%M:%S%z")
    return int(moment.timestamp()) * 10**9 + int(match["ms"]) * 10**6


def _said(who: str, text: str) -> tuple[str, dict[str, str]] | None:
    word, _, rest = text.partition(" ")
    if who == "Loader":
        return "LOADER", {"text": text}
    if who == "unknown" and text.startswith("Swift "):
        return "VERSION", {"text": text}
    if word == "closed":
        match = _CLOSED.match(text)
        return ("CLOSED", match.groupdict("")) if match is not None else None
    if word == "CREATEARRAY":
        kind, _, rest = rest.partition(" ")
        return f"CREATEARRAY_{kind}", _values(rest)
    if word in ("START", "END_SUCCESS", "END_FAILURE"):
        return (word, _values(rest)) if who == "vdl:execute" else None
    if word not in _WORDS:
        return None
    last = _REST.get(word)
    if last is None:
        return word, _values(rest)
    before, _, value = rest.partition(f"{last}=")
    return word, {**_values(before), last: value}


def _values(text: str) -> dict[str, str]:
    return {key: value.strip('"') for key, value in _PAIR.findall(text)}
