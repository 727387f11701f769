"""What all formats in JSON share: the exact decoding of text, repeated keys, and places for messages."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from trilha.errors import FormatError

__all__ = ["BYTE_ORDER_MARK", "count_keys", "decode_exactly", "path_text", "refuse_repeated_keys", "shown"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode_exactly(data: bytes, name: str, title: str = "PROV-JSON") -> Any:
    """The JSON value in `data`; slower than msgspec, but it says where what is wrong, and takes surrogates.

    Raises:
        FormatError: it is no JSON; the message has line and column.
    """
    try:
        text = data.decode("utf-8", "surrogatepass")
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}:{error.colno}"
        raise FormatError(f"{place}: expected JSON: {error.msg[0].lower()}{error.msg[1:]}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise FormatError(f"{name}:{line}:{column}: expected JSON in UTF-8: {error.reason}") from None
    except RecursionError:
        raise FormatError(f"{name}: expected {title}: values are nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"{name}: expected JSON: {error}") from None


def _no_constant(text: str) -> NoReturn:
    text = text.replace("Infinity", "INF")
    raise ValueError(f'a number, not {text}: write it as {{"$": "{text}", "type": "xsd:double"}}')


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")([ \t\r\n]*:)?|[{}\[\]]')


_BLOCK = 1 << 18
"""Bytes that are looked at together: few enough to stay in the processor's cache."""


def count_keys(data: bytes) -> int:
    """At least as many as there are keys in `data`, and just as many unless text in it looks like one."""
    count, last = 0, b""
    for begin in range(0, len(data), _BLOCK):
        block = last + data[begin : begin + _BLOCK].translate(None, b" \t\r\n")
        count += block.count(b'":')
        last = block[-1:]
    return count


def refuse_repeated_keys(data: bytes, name: str) -> None:
    """Refuse a key that stands twice in one object: JSON leaves open which counts; one would be lost.

    Raises:
        FormatError: there is one, or bytes that are no UTF-8; the message has line and column.
    """
    decode_exactly(data, name)  # of two values under one key, the first was perhaps never looked at
    text = data.decode("utf-8", "surrogatepass")
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            objects.append(set())
        elif token[0] in "}]":
            objects.pop()
        elif token[2]:
            key = json.loads(token[1])
            if key in objects[-1]:
                line, column = _place(text, token.start())
                raise FormatError(
                    f"{name}:{line}:{column}: the key {token[1]} stands twice in one object: expected it"
                    " once; an array holds several statements with one identifier, or several values"
                )
            objects[-1].add(key)


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def path_text(path: tuple[str | int, ...]) -> str:
    """A path in the manner of JSONPath: ``$.entity['ex:e1']``."""
    parts = [f".{part}" if str(part).isidentifier() else f"[{part!r}]" for part in path]
    return "$" + "".join(parts)


def shown(value: Any) -> str:
    """A value of JSON for messages, shortened."""
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."
