"""The terminal symbols of PROV-N (https://www.w3.org/TR/prov-n/, section 3.7) as regular expressions.

They are a little wider than the grammar where text in the wild is and no doubt arises: a local part behind a
prefix may begin with ``-`` or ``.``, end with ``.`` and hold ``:`` and a lone ``%``; a short text may go over
several lines; a language may have ``_`` for ``-``.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "BASE",
    "DATETIME",
    "INTEGER",
    "IRI",
    "LANGUAGE",
    "LATER",
    "LONG_TEXT",
    "NAME",
    "OTHERS",
    "PREFIX",
    "SHORT_TEXT",
    "SPACE",
    "WHITE",
    "unescaped_name",
    "unescaped_text",
]

BASE: Final = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
"""PN_CHARS_BASE of SPARQL, on which PROV-N builds its names (section 3.7.1)."""
LATER: Final = "\u00b7\u0300-\u036f\u203f-\u2040"
"""May stand in a name, but not first."""
OTHERS: Final = "/@~&+*?#$!"
"""PN_CHARS_OTHERS, without escapes and percent-encoding."""

WHITE: Final = r"[ \t\r\n]*+"
SPACE = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
"""White space and comments (section 2.4)."""

_ESCAPE = r"\\[=\'(),\-:;\[\].]"
_LOCAL = rf"(?:[{BASE}_0-9{OTHERS}{LATER}%.\-:]|{_ESCAPE})*+"
NAME = re.compile(
    rf"(?:([{BASE}_][{BASE}_0-9{LATER}.\-]*+):({_LOCAL}))"
    rf"|((?:[{BASE}_0-9{OTHERS}%]|{_ESCAPE})(?:[{BASE}_0-9{OTHERS}{LATER}%.\-]|{_ESCAPE})*+)"
)
"""A qualified name: prefix and local part, or a local part alone. Comments must have been passed before."""
PREFIX = re.compile(rf"[{BASE}_][{BASE}_0-9{LATER}.\-]*+")
IRI = re.compile(r'<([^<>"{}|^`\\\x00-\x20]*+)>')
DATETIME = re.compile(
    r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
INTEGER = re.compile("-?[0-9]+", re.ASCII)
SHORT_TEXT = re.compile(r'"(?!"")((?:[^"\\]++|\\[tbnrf"\'\\])*+)"')
LONG_TEXT = re.compile(r'"""((?:[^"\\]++|"(?!"")|\\[tbnrf"\'\\])*+)"""')
LANGUAGE = re.compile("@([A-Za-z]+(?:[-_][A-Za-z0-9]+)*)")

_TEXT_ESCAPE = re.compile(r"\\(.)")
_MEANT: Final = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_NAME_ESCAPE = re.compile(r"\\(.)")


def unescaped_text(text: str) -> str:
    """What a text between quotes says (ECHAR)."""
    return _TEXT_ESCAPE.sub(lambda match: _MEANT[match[1]], text) if "\\" in text else text


def unescaped_name(local: str) -> str:
    """What a local part says (PN_CHARS_ESC). Percent-encoding is part of the name and stays."""
    return _NAME_ESCAPE.sub(r"\1", local) if "\\" in local else local
