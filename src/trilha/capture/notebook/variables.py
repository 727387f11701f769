"""What is behind the names of a notebook: versions of variables, which cells make and use.

A name that a cell binds, or whose object it changes, has a new version, an entity that the cell generated; a
cell uses the versions of the names that it looks up. What a cell looks up is read from its text (see `text`)
and, where it calls functions of the notebook, from theirs: a usage that is not certain says so. What it binds
is seen: a name whose object is another one than before, or whose object has changed as far as `looks` can
tell. A change between two cells, or before recording began, has no maker.

No object is kept alive: what is known of it is a weak reference, or where it lies in memory.
"""

from __future__ import annotations

import builtins
import dis
import heapq
import os
import re
import weakref
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.identity import describe, is_value
from trilha.capture.journal.writer import literal_name
from trilha.capture.notebook.looks import Looks, same_as
from trilha.capture.notebook.text import UNTOLD, Statement, mentioned, statements
from trilha.capture.places import moment
from trilha.capture.values import value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["HIDDEN", "RESULT", "Reading", "Variables", "Version", "proof", "proves"]

_VARIABLE: Final = literal_name("trilha:Variable")
HIDDEN: Final = re.compile(
    r"_i+|_i\d+|_oh|_dh|_ih|_exit_code|In|Out"
    r"|__(?:warningregistry|annotations|annotate|conditional_annotations|builtins)__"
)
"""Names of IPython's own and of Python's, whatever they stand for."""
RESULT: Final = re.compile(r"_{1,3}|_\d+")
"""Names of the last results and of each one, which IPython binds."""
_NONE: Final = object()
_LONGEST: Final = 1000
_MOST_FUNCTIONS: Final = 200
_MOST_OTHERS: Final = 24
"""So many objects are looked at that a cell does not name: it may come to them by others."""
_FRAME: Final = 6
"""So many objects a frame of pandas counts as: each of its columns is looked at."""
_FIXED: Final = (BuiltinFunctionType, FunctionType, MethodType, ModuleType, type, frozenset, tuple, range)
_LOOK_UPS: Final = frozenset(["LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"])


class Version:
    """One version of a variable: what a name stood for from one change to the next.

    Attributes:
        name: of the variable.
        maker: the cell that generated it; None where that is not known.
        at: when, nanoseconds since 1970-01-01 UTC.
        before: the version whose object was changed, until this one is stated; None where the name was bound
            anew.
        entity: number of its entity; None until it is stated.
        generation: identifier of its generation, where one was stated.
        token: what `trilha.capture.notebook.looks` gave; None where a change of the object cannot be told.
        same: what it has in common with other versions that are the same; None where that is not known.
        is_as_before: it is the same as the version before it.
        is_fixed: the object is of a kind that does not change, or whose changes are not followed: a value, a
            function, a class, a module.
    """

    __slots__ = (
        *("_facts", "_hold", "at", "before", "entity", "generation", "is_as_before", "is_fixed", "maker"),
        *("name", "same", "token"),
    )

    def __init__(self, name: str, value: Any, maker: Activity | None, at: int, looked: object) -> None:
        self.name = name
        self.maker = maker
        self.at = at
        self.before: Version | None = None
        self.entity: int | None = None
        self.generation: int | None = None
        self.is_fixed = is_value(value) or isinstance(value, _FIXED)
        self.token, self.same, self.is_as_before = looked, same_as(value), False
        self._hold = proof(value)
        self._facts = _facts(value)

    def holds(self, value: Any) -> bool:
        """Whether `value` is the very object that the name stood for."""
        return proves(self._hold, value)

    def state(self, recorder: Recorder, value: Any = None) -> int:
        """State the entity, once; gives its number.

        Args:
            recorder: of the run.
            value: the object, where it is at hand: if that is an entity of its own, this came of it.
        """
        if self.entity is not None:
            return self.entity
        before = self.before.state(recorder) if self.before is not None else None
        self.before = None
        self.entity = entity = next(recorder.numbers)
        recorder.entity(
            *(entity, "prov:type", _VARIABLE, "prov:label", self.name, "trilha:name", self.name),
            *self._facts,
            *(("trilha:as_before", True) if self.is_as_before else ()),
            *(("trilha:noticed", moment(self.at / 1e9)) if self.maker is None else ()),
        )
        if self.maker is not None:
            self.generation = recorder.generated(entity, self.maker.identifier, self.at)
        if before is not None:
            usage = self.maker.used.get(before) if self.maker is not None else None
            if self.maker is not None and usage is not None:
                recorder.derived(entity, before, self.maker.identifier, self.generation, usage)
            else:
                recorder.derived(entity, before)
        known = recorder.objects.get(value) if value is not None and not is_value(value) else None
        if known is not None:
            recorder.derived(entity, known.entity)
        return entity


def proof(value: Any) -> Any:
    """What tells later whether an object is this one: a weak reference, a plain value, or where it lies."""
    if is_value(value):
        return (value,) if not isinstance(value, (str, bytes)) or len(value) <= _LONGEST else id(value)
    try:
        return weakref.ref(value)
    except TypeError:
        return id(value)


def proves(hold: Any, value: Any) -> bool:
    """Whether an object is the one that `proof` was given."""
    if type(hold) is weakref.ref:
        return hold() is value
    return hold[0] is value if type(hold) is tuple else hold == id(value)


def _facts(value: Any) -> tuple[Any, ...]:
    """What is told of an object. No text: a name may stand for a password."""
    about = describe(value)
    if isinstance(value, (str, bytes)):
        return (*about, "trilha:length", len(value)) if "trilha:length" not in about else about
    number = value_of(value) if is_value(value) else None
    return (*about, "prov:value", number) if isinstance(number, (bool, int, float)) else about


class Reading:
    """What one execution of a cell may look up, as it was when that began.

    Attributes:
        statements: of its text; None where that is no Python.
        names: all that it may look up, through functions of the notebook too.
        versions: of each name that was there.
        watched: names of objects that it may come to by others.
    """

    def __init__(self, source: str) -> None:
        self.statements = statements(source)
        self.names = {*mentioned(source), *(name for one in self.statements or () for name in one.reads)}
        self.versions: dict[str, Version] = {}
        self.watched: list[str] = []


class Variables:
    """The names of one notebook.

    Args:
        recorder: of the run.
        names: the notebook's namespace.
        hidden: names with objects of IPython's own, as long as they are these.
    """

    def __init__(self, recorder: Recorder, names: dict[str, Any], hidden: dict[str, Any]) -> None:
        self._recorder = recorder
        self._names = names
        self._hidden = hidden
        self._known: dict[str, Version] = {}
        self._looks = Looks(os.getcwd())
        self._built_in: dict[str, list[int | str]] = {}

    def begins(self, source: str, at: int) -> Reading:
        """A cell is about to be run.

        Args:
            source: its text, as Python.
            at: when.
        """
        for name, value in self._visible():
            self._renew(name, value, None, at)
        for name in self._known.keys() - self._names.keys():
            del self._known[name]
        reading = Reading(source)
        reading.names |= self._through(reading.names)
        for name in reading.names & self._known.keys():
            self._look(name, None, at)
            reading.versions[name] = self._known[name]
        reading.watched = self._others(reading.names)
        for name in reading.watched:
            self._look(name, None, at)
        return reading

    def _others(self, names: set[str]) -> list[str]:
        """The names but these whose objects may change: all of functions, and of others those bound last."""
        known = [one for one in self._known.values() if one.token is not None and one.name not in names]
        found: list[str] = []
        costly: list[Version] = []
        for one in known:
            if type(self._names.get(one.name)) is FunctionType:
                found.append(one.name)
            else:
                costly.append(one)
        left = _MOST_OTHERS
        for one in heapq.nlargest(_MOST_OTHERS, costly, key=lambda one: one.at):
            left -= _FRAME if type(self._names[one.name]).__name__ == "DataFrame" else 1
            if left >= 0:
                found.append(one.name)
        return found

    def ended(self, reading: Reading, activity: Activity, start: int, at: int, line: int | None) -> None:
        """A cell has been run: state what it used and made.

        Args:
            reading: what `begins` gave.
            activity: the cell.
            start: when it began.
            at: when it ended.
            line: in which an error ended it, from 1; 0 where it was not run to its end and it is not known
                how far; None where it was.
        """
        reads, binds, asked = _followed(reading.statements or [], line)
        for name in self._through(asked) - binds.keys():
            reads.setdefault(name, False)
        self._state_usages(reading, activity, start, reads)
        for name, value in list(self._visible()):
            if not self._renew(name, value, activity, at) and binds.get(name):
                self._bind(name, value, activity, at)
        touched = {id(self._names[name]) for name in (*reads, *reading.names) if name in self._names}
        for name, value in list(self._visible()):
            if name in self._known and (id(value) in touched or name in reading.watched):
                self._look(name, activity, at)
        for name in self._known.keys() - self._names.keys():
            gone = self._known.pop(name)
            self._recorder.invalidated(gone.state(self._recorder), activity.identifier, at)

    def _state_usages(self, reading: Reading, activity: Activity, start: int, reads: dict[str, bool]) -> None:
        recorder = self._recorder
        unknown: list[Any] = []
        for name in reads.keys() - reading.versions.keys():
            if hasattr(builtins, name):
                self._built_in.setdefault(name, []).append(activity.identifier)
        for name in sorted(reads.keys() & reading.versions.keys()):
            version = reading.versions[name]
            entity = version.state(recorder)
            possible = () if reads[name] else ("trilha:possible", True)
            activity.used[entity] = recorder.used(activity.identifier, entity, start, *possible)
            if version.token is None and not version.is_fixed:
                unknown += ("trilha:unknown_changes", name)
        for name in sorted(UNTOLD & reads.keys()) if reading.statements is not None else ["no Python"]:
            unknown += ("trilha:unknown_reads", name)
        if unknown:
            recorder.activity(activity.identifier, None, None, *unknown)

    def _visible(self) -> Iterator[tuple[str, Any]]:
        """The names that are the user's own, and the results of cells, with what they stand for."""
        for name, value in list(self._names.items()):
            if type(name) is not str or HIDDEN.fullmatch(name):
                continue
            if RESULT.fullmatch(name) or self._hidden.get(name, _NONE) is not value:
                yield name, value

    def _renew(self, name: str, value: Any, maker: Activity | None, at: int) -> bool:
        """Have a new version of a name that stands for another object than before; tells whether it does."""
        known = self._known.get(name)
        if known is not None and known.holds(value):
            return False
        self._bind(name, value, maker, at)
        return True

    def _bind(self, name: str, value: Any, maker: Activity | None, at: int) -> None:
        """Have a new version of a name that was bound."""
        known = self._known.get(name)
        version = Version(name, value, maker, at, self._looks.of(value))
        if known is not None:
            is_same = version.same is not None and version.same == known.same
            is_known = version.is_fixed or version.token is not None
            version.is_as_before = is_same or (
                is_known and known.holds(value) and version.token == known.token
            )
        for one in self._built_in.pop(name, ()):
            self._recorder.activity(one, None, None, "trilha:built_in", name)
        self._known[name] = self._stated(version, value, known)

    def _look(self, name: str, maker: Activity | None, at: int) -> None:
        """Have a new version of a name whose object has changed."""
        known, value = self._known[name], self._names[name]
        if known.token is None or not known.holds(value):
            return
        looked = self._looks.of(value)
        if looked == known.token:
            return
        version = Version(name, value, maker, at, looked)
        version.before = known
        self._known[name] = self._stated(version, value, known)

    def _stated(self, version: Version, value: Any, known: Version | None) -> Version:
        """A version, which is stated now where the one before it was, and where a cell made it.

        Results are stated if they are used: most are only looked at.
        """
        is_made = version.maker is not None and not RESULT.fullmatch(version.name)
        if is_made or (known is not None and known.entity is not None):
            version.state(self._recorder, value)
        return version

    def _through(self, names: Iterable[str]) -> set[str]:
        """The names that functions and methods of the notebook look up which may be called by these names."""
        found: set[str] = set()
        waiting = list(names)
        seen: set[str] = set()
        while waiting and len(seen) < _MOST_FUNCTIONS:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            value = self._names.get(name)
            kind = type(value).__name__
            if kind != name and self._names.get(kind) is type(value):
                found.add(kind)
            for code in self._codes(value):
                new = _looked_up(code) & self._names.keys() - found
                found |= new
                waiting += new
        return found

    def _codes(self, value: Any) -> Iterator[CodeType]:
        """The code of a function of the notebook's, or of the methods of a class of the notebook's."""
        if type(value) is FunctionType:
            if value.__globals__ is self._names:
                yield value.__code__
            return
        kind = value if isinstance(value, type) else type(value)
        if type.__getattribute__(kind, "__module__") == "__main__":
            for one in list(type.__getattribute__(kind, "__dict__").values()):
                function = (
                    getattr(one, "__func__", one) if isinstance(one, (classmethod, staticmethod)) else one
                )
                if type(function) is FunctionType and function.__globals__ is self._names:
                    yield function.__code__


def _looked_up(code: CodeType) -> set[str]:
    """The names that a function's code, and that of the functions in it, may look up beyond its own."""
    found = {one.argval for one in dis.get_instructions(code) if one.opname in _LOOK_UPS}
    for constant in code.co_consts:
        if type(constant) is CodeType:
            found |= _looked_up(constant)
    return found


def _followed(told: list[Statement], line: int | None) -> tuple[dict[str, bool], dict[str, bool], set[str]]:
    """What the statements that were run looked up and bound.

    Returns:
        What they looked up of what was there before, and what they bound, each with whether that is certain;
        and all that they looked up, what they had bound themselves as well.
    """
    reads: dict[str, bool] = {}
    binds: dict[str, bool] = {}
    asked: set[str] = set()
    for one in told:
        if line and one.first > line:
            break
        whole = line is None or 0 < one.last < line
        asked |= one.reads.keys()
        for name, certain in one.reads.items():
            if not binds.get(name):
                reads[name] = reads.get(name, False) or (certain and whole)
        for name, certain in one.binds.items():
            binds[name] = binds.get(name, False) or (certain and whole)
        if whole:
            for name in one.deletes:
                binds.pop(name, None)
    return reads, binds, asked
