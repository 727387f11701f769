"""Mappers: which file is which member, for reading what is there and for naming what will be written."""

from __future__ import annotations

import csv
import os
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.mapping.places import found, is_remote, natural
from trilha.capture.mapping.shapes import Key, Keys, Shape
from trilha.errors import UsageError

__all__ = ["Files", "Glob", "Mapper", "Pattern", "Table"]

_WILD: Final = re.compile(r"(\*\*|\*|\?|\[!?\]?[^]]*\])")
_SPEC: Final = re.compile(r"0?\d*d?")


class Mapper:
    """Which file is which member. Derive from it to write one of your own.

    Its public attributes are its parameters: they are recorded with the data set.
    """

    def find(self, shape: Shape) -> Iterable[tuple[Keys, str]]:
        """The members that are there: keys and path, or URI, of each file, in their order.

        Args:
            shape: of the data set; ``shape.sort`` is ``"file"``, ``"array"``, ``"table"`` or ``"struct"``.
        """
        del shape
        return ()

    def path(self, keys: Keys, shape: Shape) -> str | None:
        """What the file of a member is called; None where this mapper cannot name any.

        Args:
            keys: of the member, from the outside in.
            shape: of the data set.
        """
        del keys, shape
        return None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Files(Mapper):
    """Files that are named one by one: a path, or lists and dicts of paths as the data set is nested."""

    def __init__(self, paths: Any) -> None:
        self.paths = paths

    def find(self, shape: Shape) -> Iterator[tuple[Keys, str]]:
        """Those that were named, whether they are there or not."""
        return self._walk(self.paths, shape, ())

    def _walk(self, given: Any, shape: Shape, keys: Keys) -> Iterator[tuple[Keys, str]]:
        where = "".join(f"[{key!r}]" for key in keys)
        if shape.sort == "file":
            if not isinstance(given, (str, os.PathLike)):
                raise UsageError(f"files{where}: expected a path, not {type(given).__name__}")
            yield keys, os.fsdecode(os.fspath(given))
            return
        pairs: Iterable[tuple[Any, Any]]
        if shape.sort == "array" and isinstance(given, (list, tuple)):
            pairs = enumerate(given)
        elif isinstance(given, Mapping):
            pairs = given.items()
        else:
            wanted = "a list" if shape.sort == "array" else "a dict"
            raise UsageError(f"files{where}: expected {wanted} for {shape.text}, not {type(given).__name__}")
        missing = set(shape.inside) - set(dict(pairs)) if shape.sort == "struct" else ()
        if missing:
            raise UsageError(f"files{where}: {shape.text} needs {', '.join(sorted(missing))}, too")
        for key, one in given.items() if isinstance(given, Mapping) else enumerate(given):
            yield from self._walk(one, shape.at(key), (*keys, key))


class Glob(Mapper):
    """Files that a pattern finds, in natural order; of a structure, a pattern for each field.

    The members of a structure belong together by what the wildcards stand for.
    """

    def __init__(self, pattern: str | Mapping[str, str]) -> None:
        self.pattern = dict(pattern) if isinstance(pattern, Mapping) else pattern
        for one in self.pattern.values() if isinstance(self.pattern, dict) else [self.pattern]:
            if not _WILD.search(one):
                raise UsageError(
                    f"glob {one!r}: expected a wildcard in it (*, ?, […]); give a single file as it is"
                )

    def find(self, shape: Shape) -> Iterator[tuple[Keys, str]]:
        """What is there."""
        inside = shape.inside.get("")
        if inside is None or inside.sort not in ("file", "struct"):
            raise UsageError(
                f"glob finds list[File], or lists of structures of files; {shape.text} needs a pattern"
            )
        if inside.sort == "file":
            if not isinstance(self.pattern, str):
                raise UsageError(f"glob for {shape.text}: expected one pattern, not one for each field")
            for key, (text, path) in enumerate(_matches(self.pattern)):
                yield (key if shape.sort == "array" else text,), path
            return
        yield from self._structs(shape, inside)

    def _structs(self, shape: Shape, inside: Shape) -> Iterator[tuple[Keys, str]]:
        if not isinstance(self.pattern, dict) or set(self.pattern) != set(inside.inside):
            wanted = ", ".join(f"{name}=…" for name in inside.inside)
            raise UsageError(f"glob for {shape.text}: expected a pattern for each field: {wanted}")
        columns = {name: dict(_matches(pattern)) for name, pattern in self.pattern.items()}
        texts = sorted({text for column in columns.values() for text in column}, key=natural)
        for place, text in enumerate(texts):
            for name, column in columns.items():
                if text not in column:
                    other, path = next((n, c[text]) for n, c in columns.items() if text in c)
                    raise UsageError(
                        f"{path} (the {other} of {shape.text}[{text}]) has no {name}: expected a file like"
                        f" {self.pattern[name]} beside it"
                    )
                yield (place if shape.sort == "array" else text, name), column[text]


def _matches(pattern: str) -> list[tuple[str, str]]:
    """What the wildcards stand for, and the path, of each file that a pattern finds."""
    parts = _WILD.split(pattern)
    signs = {"**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    regular = "".join(
        signs.get(part) or (f"({part.replace('[!', '[^', 1)})" if place % 2 else re.escape(part))
        for place, part in enumerate(parts)
    )
    matched = [(re.fullmatch(regular, path.replace(os.sep, "/")), path) for path in found(pattern)]
    return [("/".join(match.groups()) if match else path, path) for match, path in matched]


class Pattern(Mapper):
    """Names made by a format, both ways: ``anatomy{0}.{1}``, with ``{0}`` for the first key of a member.

    ``{}`` counts by itself; ``{index}`` is the index or key of the array, ``{field}`` the name of the field,
    where there is one level of each. ``{0:03d}`` fills up with zeros.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        try:
            self._parsed = list(string.Formatter().parse(pattern))
        except ValueError as error:
            pass_on()
            raise UsageError(f"pattern {pattern!r}: {error}") from None
        for _, _, spec, conversion in self._parsed:
            if conversion or (spec and not _SPEC.fullmatch(spec)):
                raise UsageError(
                    f"pattern {pattern!r}: expected a width such as 03d after the colon, not {spec!r}"
                )

    def _places(self, shape: Shape) -> list[tuple[str, int | None, str]]:
        """Literal text, depth and format of each part."""
        levels = shape.levels()
        counted, found_at = 0, []
        for literal, name, spec, _ in self._parsed:
            depth: int | None = None
            if name == "":
                depth, counted = counted, counted + 1
            elif name in ("index", "field"):
                struct = name == "field"
                fitting = [at for at, one in enumerate(levels) if (one.sort == "struct") is struct]
                if len(fitting) != 1:
                    raise UsageError(
                        f"pattern {self.pattern!r}: {shape.text} has {len(fitting)} levels that could be"
                        f" {{{name}}}: expected their numbers, {{0}} to {{{max(0, len(levels) - 1)}}}"
                    )
                depth = fitting[0]
            elif name is not None:
                depth = int(name) if name.isdigit() else -1
            if depth is not None and not 0 <= depth < len(levels):
                raise UsageError(f"pattern {self.pattern!r}: {shape.text} has no level {{{name}}}")
            found_at.append((literal, depth, spec or ""))
        lacking = sorted(set(range(len(levels))) - {depth for _, depth, _ in found_at if depth is not None})
        if lacking:
            raise UsageError(
                f"pattern {self.pattern!r} does not tell the members of {shape.text} apart: expected"
                f" {', '.join(f'{{{depth}}}' for depth in lacking)} in it, too"
            )
        return found_at

    def path(self, keys: Keys, shape: Shape) -> str:
        """The name of a member's file."""
        parts = []
        for literal, depth, spec in self._places(shape):
            parts.append(literal)
            if depth is not None:
                key = keys[depth]
                parts.append(format(key, spec if isinstance(key, int) else spec.rstrip("d").lstrip("0")))
        return "".join(parts)

    def find(self, shape: Shape) -> Iterator[tuple[Keys, str]]:
        """What is there, by index."""
        places, levels = self._places(shape), shape.levels()
        wild, regular, known = "", "", set()
        for literal, depth, _ in places:
            wild += _escaped(literal)
            regular += re.escape(literal)
            if depth is None:
                continue
            wild += "*"
            regular += f"(?P=k{depth})" if depth in known else f"(?P<k{depth}>{_expression(levels[depth])})"
            known.add(depth)
        for path in found(wild):
            match = re.fullmatch(regular, path)
            if match is None:
                continue
            keys = tuple(
                int(match[f"k{depth}"]) if level.sort == "array" else match[f"k{depth}"]
                for depth, level in enumerate(levels)
            )
            if self.path(keys, shape) == path:
                yield keys, path


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def _expression(level: Shape) -> str:
    if level.sort == "struct":
        return "|".join(map(re.escape, sorted(level.inside, key=len, reverse=True)))
    return r"\d+" if level.sort == "array" else r"[^/]+?"


class Table(Mapper):
    """A table (CSV) that lists the files: a row a member, a column a field; relative to the table's folder.

    Of plain files, the column is ``file``, or the only one. With `key`, that column has the keys.
    """

    def __init__(self, file: Any, key: str = "", delimiter: str = ",") -> None:
        self.file = file
        self.key = key
        self.delimiter = delimiter

    def find(self, shape: Shape) -> Iterator[tuple[Keys, str]]:
        """What the table lists."""
        inside = shape.inside.get("")
        if inside is None:
            raise UsageError(f"a table lists the members of an array; {shape.text} is none")
        path = os.fsdecode(os.fspath(self.file))
        try:
            with open(path, newline="", encoding="utf-8-sig") as text:
                rows = csv.reader(text, delimiter=self.delimiter)
                head = next(rows, None)
                if head is None:
                    raise UsageError(f"{path}: is empty; expected a line with the names of the columns")
                columns = self._columns(path, head, inside)
                yield from self._rows(path, rows, columns, head, shape)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            pass_on()
            raise UsageError(f"{path}: cannot be read as a table: {error}") from None

    def _columns(self, path: str, head: list[str], inside: Shape) -> dict[Keys, int]:
        if inside.sort == "file":
            others = [name for name in head if name != self.key]
            name = "file" if "file" in head else others[0] if len(others) == 1 else ""
            if not name:
                raise UsageError(
                    f"{path}:1: expected a column 'file', or a single one; found {', '.join(head)}"
                )
            return {(): head.index(name)}
        found_at = {}
        for keys, name in _names(inside):
            if name not in head:
                raise UsageError(
                    f"{path}:1: expected a column {name!r} for {inside.text}; found {', '.join(head)}"
                )
            found_at[keys] = head.index(name)
        return found_at

    def _rows(
        self, path: str, rows: Any, columns: dict[Keys, int], head: list[str], shape: Shape
    ) -> Iterator[tuple[Keys, str]]:
        if (shape.sort == "table") != bool(self.key):
            wanted = (
                "key='…', the column of the keys" if shape.sort == "table" else "no key: a list has indices"
            )
            raise UsageError(f"{path}: a table for {shape.text}; expected {wanted}")
        if self.key and self.key not in head:
            raise UsageError(f"{path}:1: expected a column {self.key!r} of keys; found {', '.join(head)}")
        seen: set[Key] = set()
        for place, row in enumerate(one for one in rows if one):
            line = rows.line_num
            if len(row) != len(head):
                raise UsageError(f"{path}:{line}: expected {len(head)} values, found {len(row)}")
            key: Key = row[head.index(self.key)] if self.key else place
            if key in seen:
                raise UsageError(f"{path}:{line}: the key {key!r} is there already: expected another")
            seen.add(key)
            for keys, column in columns.items():
                if not row[column]:
                    raise UsageError(
                        f"{path}:{line}: expected a file in the column {head[column]!r}, which is empty"
                    )
                near = is_remote(row[column]) or os.path.isabs(row[column])
                yield (key, *keys), row[column] if near else os.path.join(os.path.dirname(path), row[column])


def _names(shape: Shape) -> Iterator[tuple[Keys, str]]:
    """The fields of a structure down to its files: keys, and the column's name, ``outer.inner``."""
    for name, inside in shape.inside.items():
        if inside.sort == "file":
            yield (name,), name
        elif inside.sort == "struct":
            for keys, text in _names(inside):
                yield (name, *keys), f"{name}.{text}"
        else:
            raise UsageError(
                f"a table cannot list {inside.text} in one cell: expected files and structures of files"
            )
