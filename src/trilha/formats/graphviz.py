"""Pictures that Graphviz draws: the program ``dot`` is started where it is installed."""

from __future__ import annotations

import subprocess
from typing import Final

from trilha.errors import FormatError, UsageError
from trilha.formats import dot
from trilha.prov import Document

__all__ = ["drawn", "drawn_text"]

_SECONDS: Final = 60
"""The longest that a picture may take; a document that needs longer gives one that nobody can read."""
_ADVICE: Final = "write .dot, and draw it by another program; or draw a part (trilha convert --select)"


def drawn(document: Document, kind: str) -> bytes:
    """The document as a picture.

    Args:
        document: what to draw.
        kind: of picture, as Graphviz calls it: ``"svg"`` or ``"png"``.

    Raises:
        UsageError: Graphviz is not installed.
        FormatError: Graphviz cannot draw it, or not in a minute.
    """
    return drawn_text(dot.write(document), kind)


def drawn_text(text: bytes, kind: str) -> bytes:
    """A picture, from its text in the language of Graphviz.

    Args:
        text: in UTF-8.
        kind: as for `drawn`.

    Raises:
        UsageError: as for `drawn`.
        FormatError: as for `drawn`.
    """
    try:
        done = subprocess.run(
            ["dot", f"-T{kind}"],
            input=text,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError(
            "Graphviz is not installed: its program dot draws the picture. Install it"
            " (on Debian and Ubuntu: sudo apt install graphviz), or write .dot"
        ) from None
    except subprocess.TimeoutExpired:
        raise FormatError(f"the document is too large for a picture: {_ADVICE}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise FormatError(
            f"Graphviz cannot draw the document ({said[0] if said else 'no word why'}): {_ADVICE}"
        )
    return done.stdout
