"""Data sets as a program has them: files, arrays and structures that are iterated and indexed."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Final, Self

from trilha.capture.active import active
from trilha.capture.mapping.mappers import Files, Glob, Mapper, Pattern, Table
from trilha.capture.mapping.places import condition, exists, file_system, is_remote
from trilha.capture.mapping.shapes import FILE, Key, Keys, Shape, keys_text, shape_of
from trilha.capture.tokens import token_of_type
from trilha.errors import NotFound, UsageError

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Array", "File", "Origin", "Struct", "glob", "mapped", "pattern", "table"]

_SHOWN: Final = 5


def _found(mapper: Mapper, shape: Shape) -> Iterator[tuple[Keys, Any]]:
    """What a mapper finds, which may be of the program's own making.

    Raises:
        UsageError: it is not keys and paths.
    """
    found: Any = mapper.find(shape)
    told = f"{type(mapper).__name__} found {{!r}}; expected keys and path of each file, such as (0,), 'a.img'"
    if not isinstance(found, Iterable):
        raise UsageError(told.format(found))
    for one in found:
        if not (isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], tuple | list)):
            raise UsageError(told.format(one))
        yield tuple(one[0]), one[1]


class Origin:
    """Where a data set and all that it contains is from.

    Attributes:
        name: of the data set.
        shape: of the whole.
        mapper: which file is which member.
        paths: of the files by the keys of their members, those that were found and those named since.
        found: those that the mapper had found, as they were then.
        closed: nothing is added any more.
        members: what was asked for so far, by keys.
        looked: until when, on the clock `time.monotonic`, a closed collection is not looked at again.
        stated: what was stated of a collection, by the run's UUID and the keys.
    """

    def __init__(self, name: str, shape: Shape, mapper: Mapper) -> None:
        self.name = name
        self.shape = shape
        self.mapper = mapper
        self.closed = False
        self.members: dict[Keys, Any] = {}
        self.stated: dict[Any, Any] = {}
        self.looked: dict[Keys, float] = {}
        self.paths: dict[Keys, str] = {}
        self._below: dict[Keys, dict[Key, None]] = {}
        for keys, path in _found(mapper, shape):
            self._add(keys, path)
        self.found = {keys: condition(path) for keys, path in self.paths.items()}

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: there, what was closed here is the entity that it is here."""
        from trilha.capture.mapping.stating import known_elsewhere

        stated = known_elsewhere(self) if self.closed else {}
        looked = {keys: math.inf for _, keys in stated}
        return {**vars(self), "stated": stated, "looked": looked}

    def _add(self, keys: Keys, path: Any) -> None:
        """Take what the mapper gave, if the data set can hold it."""
        shape = self.shape
        for key in keys:
            shape = shape.at(key)
        what = f"{type(self.mapper).__name__} gave {keys!r}: {path!r}"
        if shape.sort != "file":
            raise UsageError(f"{what}; expected keys down to a file: {self.shape.text} is deeper")
        if not isinstance(path, str):
            raise UsageError(f"{what}; expected a path or URI as text")
        if keys in self.paths:
            raise UsageError(f"{what}; expected each member once, and it is {self.paths[keys]!r} already")
        self.paths[keys] = path
        for depth, key in enumerate(keys):
            self._below.setdefault(keys[:depth], {})[key] = None

    def label(self, keys: Keys) -> str:
        """What a member is called: ``anatomy[1].img``."""
        return self.name + keys_text(keys, self.shape)

    def keys(self, under: Keys) -> list[Key]:
        """The keys of the members of the one at `under`, in their order."""
        return list(self._below.get(under, ()))

    def has(self, under: Keys, key: Any) -> bool:
        """Whether the member at `under` has one of this key."""
        return key in self._below.get(under, ())

    def member(self, keys: Keys) -> Any:
        """The member at `keys`, which is named if it is not there.

        Raises:
            NotFound: it is not there, and cannot be named.
        """
        member = self.members.get(keys)
        if member is not None:
            return member
        shape = self.shape
        for key in keys:
            shape = shape.at(key)
        if shape.sort == "file":
            path = self.paths.get(keys)
            if path is None:
                path = self._named(keys)
            member = File(path, self.label(keys))
        else:
            if not self.keys(keys) and keys:
                self._nameable(keys)
            member = _new(shape.kind or Array)
            member._origin, member._keys, member._shape = self, keys, shape  # noqa: SLF001 -- of this module
        self.members[keys] = member
        return member

    def _nameable(self, keys: Keys) -> None:
        if not self.closed and type(self.mapper).path is not Mapper.path:
            return
        there = self.keys(keys[:-1])
        shown = ", ".join(map(repr, there[:_SHOWN])) + (" …" if len(there) > _SHOWN else "")
        why = (
            "it is closed"
            if self.closed
            else f"{type(self.mapper).__name__} names no files that are not there"
        )
        raise NotFound(f"{self.label(keys)}: no such member, and {why}; it has {shown or 'none'}")

    def _named(self, keys: Keys) -> str:
        self._nameable(keys)
        path = self.mapper.path(keys, self.shape)
        if path is None:
            raise NotFound(
                f"{self.label(keys)}: no such member, and {type(self.mapper).__name__} has no name for it"
            )
        self._add(keys, path)
        return path


def _new(kind: type) -> Any:
    return object.__new__(kind)


class File(os.PathLike[str]):
    """A file as a member of a data set. Whatever takes a path takes it.

    Attributes:
        path: of the file as the mapper gave it, or its URI.
        label: what it is in its data set: ``anatomy[1].img``.
    """

    def __init__(self, path: str, label: str = "") -> None:
        self.path = path
        self.label = label or os.path.basename(path)

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<data.File {self.label}: {self.path}>"

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return exists(self.path)

    @contextlib.contextmanager
    def open(self, mode: str = "r", **how: Any) -> Iterator[IO[Any]]:
        """Open the file; of an object store, through fsspec.

        Args:
            mode: as the built-in `open` has it.
            how: further arguments of `open`, or of fsspec's.

        Raises:
            MissingExtra: a URI, and fsspec or what it needs is not installed.
        """
        if not is_remote(self.path):
            with open(self.path, mode, **how) as file:
                yield file
            return
        from trilha.capture.mapping.remote import opened, written

        system, path = file_system(self.path)
        writing = set(mode) & set("wxa+")
        with system.open(path, mode, **how) as file:
            if not writing:
                opened(self.path, getattr(file, "details", None))
            yield file
        if writing:
            written(self.path)

    def __trilha_path__(self) -> str | None:
        """What stands for the file where it is an argument, while it is not there."""
        return None if is_remote(self.path) or os.path.isfile(self.path) else self.path

    def __trilha_state__(self, recorder: Recorder) -> None:
        """Have the file known as the entity that it is now."""
        from trilha.capture.mapping.stating import state_file

        state_file(recorder, self)


class _Container:
    """What an array and a structure have in common."""

    _origin: Origin
    _keys: Keys
    _shape: Shape

    @property
    def label(self) -> str:
        """What it is in its data set: ``anatomy[1]``."""
        return self._origin.label(self._keys)

    def close(self) -> Self:
        """Say that it is complete: what was written piece by piece is one data set from now on.

        Members that were named and whose files are not there are no members.
        """
        if not self._keys:
            self._origin.closed = True
        recorder = active()
        if recorder is not None:
            self.__trilha_state__(recorder)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    def __trilha_state__(self, recorder: Recorder) -> None:
        """Have it known as the entity that it is now."""
        from trilha.capture.mapping.stating import state_container

        try:
            state_container(recorder, self, self._origin, self._keys)
        except Exception:
            recorder.failed()


class Array(_Container):
    """Members by index, or by a text. The indices are those that the files' names say: there may be gaps."""

    def __len__(self) -> int:
        return len(self._origin.keys(self._keys))

    def __iter__(self) -> Iterator[Any]:
        return (self[key] for key in self.keys())

    def __contains__(self, key: object) -> bool:
        return self._origin.has(self._keys, key)

    def __getitem__(self, key: Key) -> Any:
        return self._origin.member((*self._keys, key))

    def keys(self) -> list[Any]:
        """The indices, or texts, in their order."""
        return self._origin.keys(self._keys)

    def items(self) -> list[tuple[Any, Any]]:
        """Each key with its member."""
        return [(key, self[key]) for key in self.keys()]

    def __repr__(self) -> str:
        return f"<data.Array {self.label}: {len(self)} of {self._shape.text}>"


class Struct(_Container):
    """Members by name. Derive from it, and annotate the fields: ``img: data.File``."""

    def __getattr__(self, name: str) -> Any:
        shape = self.__dict__.get("_shape")
        if shape is None or name not in shape.inside:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._origin.member((*self._keys, name))

    def __repr__(self) -> str:
        return f"<data.Struct {self.label}: {self._shape.text}>"

    def __init__(self) -> None:
        raise UsageError(
            f"{type(self).__name__}() is made by data.mapped({type(self).__name__}, …), not by a call"
        )


def mapped(declared: Any, mapper: Any, *, name: str = "") -> Any:
    """A typed data set over files.

    Args:
        declared: ``data.File``, ``list[…]``, ``dict[str, …]`` or a class derived from `Struct`, to any depth.
        mapper: `glob`, `pattern`, `table`, a mapper of your own (`Mapper`), or the paths themselves: one, or
            lists and dicts of them as the data set is nested.
        name: of the data set; the declared type by default.

    Returns:
        A `File`, an `Array`, or an object of the declared class.

    Raises:
        UsageError: the type cannot be a data set's, or the mapper does not fit it.
    """
    shape = FILE if declared is File else shape_of(declared, Struct, File)
    if isinstance(mapper, (str, os.PathLike, list, tuple, Mapping)):
        mapper = Files(mapper)
    if not isinstance(mapper, Mapper):
        what = type(mapper).__name__
        raise UsageError(
            f"data.mapped: expected a mapper, a path or paths, not {what}; derive it from data.Mapper"
        )
    if not isinstance(name, str):
        raise UsageError(f"data.mapped(name=...) takes a text, not {type(name).__name__}")
    origin = Origin(name or shape.text, shape, mapper)
    if shape.sort == "file" and () not in origin.paths:
        raise UsageError(
            f"data.mapped(data.File, …): {type(mapper).__name__} found no file; expected its path"
        )
    return origin.member(())


def glob(pattern: str = "", /, **fields: str) -> Mapper:
    """Files that a pattern finds: ``glob("anatomy*.img")``; of structures, a pattern for each field.

    Args:
        pattern: with ``*``, ``?`` or ``[…]``; a path, or a URI that fsspec knows.
        fields: patterns of the fields: ``glob(img="anatomy*.img", hdr="anatomy*.hdr")``.

    Raises:
        UsageError: there is no wildcard in it, or neither or both are given.
    """
    if bool(pattern) == bool(fields):
        raise UsageError(
            "data.glob takes one pattern, or one for each field: glob('a*.img'), glob(img='a*.img')"
        )
    return Glob(pattern or fields)


def pattern(text: str) -> Mapper:
    """Names by a format, both ways: ``pattern("anatomy{index}.{field}")`` finds, and names what is written.

    Args:
        text: with ``{0}``, ``{1}``, … or ``{}`` for the keys from the outside in; ``{index}`` and ``{field}``
            where there is one of each; ``{0:03d}`` fills up with zeros.

    Raises:
        UsageError: it is no format.
    """
    return Pattern(text)


def table(file: str | os.PathLike[str], *, key: str = "", delimiter: str = ",") -> Mapper:
    """A table (CSV, its first line names the columns) that lists the files, a row a member.

    Args:
        file: the table; paths in it are relative to its folder.
        key: the column of the keys, for ``dict[str, …]``.
        delimiter: between the values.
    """
    return Table(file, key, delimiter)


for _kind in (File, Array, Struct):
    # What is in a data set is told by its entity, not by the looks of the object.
    token_of_type[f"{_kind.__module__}.{_kind.__qualname__}"] = lambda _: 0
