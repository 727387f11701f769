"""The cells that a notebook ran: what each execution took from which other, and whether it still holds.

An execution is stale where running its cell again could give something else: a name that it looked up stands
for another version by now, or comes of an execution that is stale itself; or the cell has another text. A
name is hidden state where it comes of a text that its cell no longer has: running the notebook from the top
would not make it. After ideas of nbgather ("Managing messes in computational notebooks", CHI 2019) and of
ipyflow ("Fine-grained lineage for safer notebook interactions", VLDB 2021).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.errors import NotFound, UsageError
from trilha.query.things import Thing, describe
from trilha.store import sql
from trilha.store.values import plain, to_ns

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Execution", "Notebook", "Text", "Version", "read_notebook", "texts_in"]

_GENERATED, _USED, _INVALIDATED, _DERIVED, _ASSOCIATED = 4, 5, 9, 10, 12


@dataclass(eq=False)
class Version:
    """What a name stood for, or a file held, from one change to the next.

    Attributes:
        name: of the variable, or of the file.
        maker: the execution that made it; None where that is not known.
        at: when, or when it was noticed or first used; nanoseconds since 1970-01-01 UTC.
        remover: the execution that deleted the name.
        path: of the file; empty for a variable.
        content: hash of what the file held, or the number that the name stood for; empty where that is not
            known.
        is_as_before: the variable was bound to what it stood for already.
        is_used: something looked it up, or read it.
        before: the version whose object was changed; None where the name was bound anew.
    """

    name: str
    maker: Execution | None
    at: int
    remover: Execution | None = None
    path: str = ""
    content: str = ""
    is_as_before: bool = False
    is_used: bool = False
    before: Version | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What all versions of the variable, or of the file, have in common."""
        return ("file", self.path) if self.path else ("variable", self.name)


class Use(NamedTuple):
    """That an execution looked a version up; `possible` where it only may have."""

    version: Version
    possible: bool


@dataclass(eq=False)
class Execution:
    """One execution of a cell.

    Attributes:
        key: of its activity in the store.
        place: among the executions of the run, from 0.
        number: IPython's count, as in ``In [7]``; None where it kept none.
        cell: the cell's id in the notebook's file; empty where that is not known.
        source: text that the cell had.
        thing: all else that is known.
        uses: what it looked up.
        makes: versions that it made.
        built_in: names that it had from Python itself, and that were bound since.
        deletes: names that it deleted.
        why: why it is stale; empty where it is not.
        order: what it took of a cell that comes after its own: from the top to the bottom that would differ.
        hidden: names that stand for what it made, though its cell has another text by now, with why.
    """

    key: int
    place: int
    number: int | None
    cell: str
    source: str
    thing: Thing
    uses: list[Use] = field(default_factory=list)
    makes: list[Version] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    built_in: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """As people call it: ``[7]``."""
        return (
            f"[{self.number}]"
            if self.number is not None
            else f"[{self.thing.label} at place {self.place + 1}]"
        )


class Text(NamedTuple):
    """A cell as a notebook's file has it: its place there, from 0, and its text."""

    place: int
    source: str


class Notebook:
    """What one run of a notebook did, by executions.

    Args:
        executions: in the order in which they began.
        versions: of all names and files.
        texts: of the cells in the notebook's file, by id, where that was given.
    """

    def __init__(
        self, executions: list[Execution], versions: list[Version], texts: dict[str, Text] | None = None
    ) -> None:
        self.executions = executions
        self._texts = texts
        self._all: dict[tuple[str, str], list[Version]] = {}
        for version in sorted(versions, key=lambda one: one.at):
            self._all.setdefault(version.key, []).append(version)
        self._now = {key: found[-1] for key, found in self._all.items()}
        self._last: dict[str, Execution] = {one.cell: one for one in executions if one.cell}
        self._first: dict[str, int] = {}
        for one in executions:
            self._first.setdefault(one.cell, one.place)
        for one in executions:
            self._judge(one)
        while sum(map(self._comes_of_stale, executions)):
            pass  # Most is told at once: what an execution took was made before.
        for one in executions:
            one.hidden = self._hidden(one)

    def is_last(self, one: Execution) -> bool:
        """Whether its cell has not been run again."""
        return self._last.get(one.cell, one) is one

    def state(self, one: Execution) -> str:
        """What an execution is by now: ``up to date``, ``stale``, ``run again`` or ``failed``."""
        if not self.is_last(one):
            return "run again"
        if one.thing.fact("trilha:exception"):
            return "failed"
        return "stale" if one.why else "up to date"

    def makes(self, name: str) -> bool:
        """Whether a cell made a variable of this name."""
        return any(version.key == ("variable", name) for one in self.executions for version in one.makes)

    def behind(self, name: str) -> list[Execution]:
        """The executions that what a name stands for now came from, in the order in which they were run.

        Args:
            name: of a variable.

        Raises:
            NotFound: no cell made it, or it was deleted.
        """
        version = self._now.get(("variable", name))
        made = _makers(version)
        if version is None or not made:
            raise NotFound(
                f"no cell that was recorded made {name!r}. `trilha ask cells` tells what each one made"
            )
        if version.remover is not None:
            raise NotFound(f"{name!r} was deleted by {version.remover.title}")
        found, waiting = set(made), [*made]
        while waiting:
            for used, _ in waiting.pop().uses:
                new = [maker for maker in _makers(used) if maker not in found]
                found.update(new)
                waiting += new
        return sorted(found, key=lambda one: one.place)

    def _judge(self, one: Execution) -> None:
        made = {version.key for version in one.makes}
        for version, possible in one.uses:
            name, now = _called(version, possible=possible), self._now[version.key]
            if version.key not in made:
                if now.remover is one:
                    pass
                elif now.remover is not None:
                    one.why.append(f"{name} was deleted by {now.remover.title}")
                elif not self._is_same(version, now) and not _is_loaded(now):
                    one.why.append(f"{name} was changed since, {_by(now)}")
            maker = self._maker(version)
            if maker is not None and maker is not one and self._is_gone(maker):
                one.why.append(f"{name} comes of {maker.title}, a text that its cell no longer has")
            if version.maker is not None:
                self._judge_order(one, name, version.maker)
        for built_in in one.built_in:
            bound = self._now.get(("variable", built_in))
            if bound is not None and bound.maker is not one and bound.remover is None:
                one.why.append(f"{built_in}, which Python had for it, was bound since, {_by(bound)}")
        edited = self._edited(one)
        if edited:
            one.why.append(edited)

    def _judge_order(self, one: Execution, name: str, maker: Execution) -> None:
        if maker.cell and one.cell and maker.cell != one.cell and self._is_behind(maker, one):
            further = "a cell further down" if self._texts else "whose cell was first run after this one"
            one.order.append(f"{name} comes of {maker.title}, {further}")

    def _comes_of_stale(self, one: Execution) -> bool:
        """Tell what an execution took of one that is stale; whether that was not told before."""
        before = len(one.why)
        for version, possible in one.uses:
            maker = self._maker(version)
            if maker is None or maker is one or not maker.why or self._is_gone(maker):
                continue
            why = f"{_called(version, possible=possible)} comes of {maker.title}, which is stale"
            if self.is_last(maker) and why not in one.why:
                one.why.append(why)
        return len(one.why) > before

    def _is_same(self, version: Version, now: Version) -> bool:
        """Whether a name stands for what it stood for, or a file holds what it held."""
        if version is now or (version.content and version.content == now.content):
            return True
        found = self._all[version.key]
        return all(one.is_as_before for one in found[found.index(version) + 1 :])

    def _maker(self, version: Version) -> Execution | None:
        """The execution that made a version, or made the same of it last."""
        now = self._now[version.key]
        is_same = now.remover is None and self._is_same(version, now)
        return now.maker if is_same and now.maker is not None else version.maker

    def _is_behind(self, maker: Execution, one: Execution) -> bool:
        """Whether the cell that made something stands behind the one that used it."""
        if self._texts:
            places = [self._texts[each.cell].place for each in (maker, one) if each.cell in self._texts]
            return len(places) == 2 and places[0] > places[1]
        return self._first[maker.cell] > self._first[one.cell]

    def _edited(self, one: Execution) -> str:
        """What became of the text of a cell in the notebook's file, if it is not as it was run."""
        if self._texts is None or not one.cell or not self.is_last(one):
            return ""
        text = self._texts.get(one.cell)
        if text is None:
            return "its cell is no longer in the notebook"
        return (
            "" if text.source.strip() == one.source.strip() else "its cell has another text in the notebook"
        )

    def _is_gone(self, one: Execution) -> bool:
        """Whether the text that was run is no longer its cell's."""
        last = self._last.get(one.cell, one)
        return last.source != one.source or bool(self._edited(last))

    def _hidden(self, one: Execution) -> list[str]:
        if not self._is_gone(one):
            return []
        return sorted(
            version.name
            for version in one.makes
            if self._now[version.key] is version and version.remover is None
        )


def read_notebook(
    store: Store,
    run: int,
    cells: Iterable[tuple[int, Thing]],
    variables: Iterable[tuple[int, Thing]],
    texts: dict[str, Text] | None,
) -> Notebook:
    """What one run of a notebook did.

    Args:
        store: that it is in.
        run: its key.
        cells: its executions of cells, with their keys.
        variables: what its names stood for, with their keys.
        texts: what `texts_in` gave of the notebook's file, if there is one to compare with.
    """
    ordered = sorted(cells, key=lambda one: (one[1].start or 0, one[0]))
    sources = _sources(store, run, [key for key, _ in ordered])
    executions = {
        key: Execution(
            key,
            place,
            thing.fact("trilha:execution_count"),
            str(thing.fact("trilha:cell_id", "")),
            sources.get(key, ""),
            thing,
            built_in=[str(name) for name in thing.facts.get("trilha:built_in", ())],
        )
        for place, (key, thing) in enumerate(ordered)
    }
    return Notebook(list(executions.values()), _versions(store, run, executions, dict(variables)), texts)


def _sources(store: Store, run: int, cells: list[int]) -> dict[int, str]:
    """The text that each cell had: what its plan says."""
    execute = store.connection.execute
    plans = {cell: row[1] for cell in cells for row in execute(sql.ASSOCIATIONS_OF, (cell, run)) if row[1]}
    about = describe(store, plans.values())
    return {cell: str(about[plan].fact("trilha:source", "")) for cell, plan in plans.items()}


def _versions(
    store: Store, run: int, executions: dict[int, Execution], variables: dict[int, Thing]
) -> list[Version]:
    execute = store.connection.execute
    made = {row[0]: (row[1], row[2]) for row in execute(sql.RELATIONS_IN_RUN, (run, _GENERATED))}
    used = list(execute(sql.RELATIONS_IN_RUN, (run, _USED)))
    removed = {row[0]: row[1] for row in execute(sql.RELATIONS_IN_RUN, (run, _INVALIDATED))}
    keys = {row[1] for row in used if row[0] in executions} | {
        key for key, (maker, _) in made.items() if maker in executions
    }
    others = describe(store, keys - variables.keys())
    things = variables | {key: thing for key, thing in others.items() if thing.is_a("trilha:File")}
    found: dict[int, Version] = {}
    for key, thing in things.items():
        maker, at = made.get(key, (None, None))
        if at is None and "trilha:noticed" in thing.facts:
            at = to_ns(thing.fact("trilha:noticed"))
        elif at is None:
            at = min((row[2] for row in used if row[1] == key and row[2] is not None), default=0)
        found[key] = _version(thing, executions.get(maker) if maker else None, at)
        remover = executions.get(removed.get(key, 0))
        if remover is not None:
            found[key].remover = remover
            remover.deletes.append(thing.label)
    for version in found.values():
        if version.maker is not None:
            version.maker.makes.append(version)
    for key, before, _, _ in execute(sql.RELATIONS_IN_RUN, (run, _DERIVED)):
        if key in variables and before in variables:
            found[key].before = found[before]
    for _, key, _, _ in used:
        if key in found:
            found[key].is_used = True
    possible = _possible(store, [row[3] for row in used if row[1] in found])
    for cell, key, _, statement in used:
        if key in found and cell in executions:
            executions[cell].uses.append(Use(found[key], statement in possible))
    return list(found.values())


def _version(thing: Thing, maker: Execution | None, at: int) -> Version:
    if not thing.is_a("trilha:File"):
        number = thing.fact("prov:value")
        content = "" if number is None else f"{thing.fact('trilha:python_type')} {number!r}"
        as_before = bool(thing.fact("trilha:as_before"))
        return Version(thing.label, maker, at, content=content, is_as_before=as_before)
    path, content = str(thing.fact("trilha:path", thing.iri)), str(thing.fact("trilha:sha256", ""))
    return Version(thing.label, maker, at, path=path, content=content)


def _makers(version: Version | None) -> list[Execution]:
    """The executions that made what a name stands for, and that changed it since."""
    found: list[Execution] = []
    while version is not None:
        found += [version.maker] if version.maker is not None else []
        version = version.before
    return found


def _is_loaded(version: Version) -> bool:
    """Whether it is of a module that was loaded since: who imports it gets what it holds."""
    return version.is_used and version.path.endswith(".py")


def _called(version: Version, *, possible: bool) -> str:
    return f"{version.name}, which it may have read," if possible else version.name


def _by(version: Version) -> str:
    return f"by {version.maker.title}" if version.maker else "and it is not known by what"


def _possible(store: Store, usages: list[int]) -> set[int]:
    """Those of some usages that only may have been."""
    rows = sql.among(store.connection.execute, sql.FACTS_OF_STATEMENTS, usages)
    return {
        statement
        for statement, key, type_, whole, number, text in rows
        if key.endswith("#possible") and plain(type_, whole, number, text, None)
    }


_MARKDOWN: Final = frozenset(["markdown", "raw"])


def texts_in(path: str) -> dict[str, Text]:
    """The cells of code in a notebook's file, by id (nbformat 4.5, "Cell ids").

    Args:
        path: of an ``.ipynb`` file.

    Raises:
        UsageError: it cannot be read, or is no notebook.
    """
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        return {
            str(cell["id"]): Text(place, _joined(cell.get("source", "")))
            for place, cell in enumerate(cells)
            if cell.get("cell_type") not in _MARKDOWN and "id" in cell
        }
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        name = os.path.basename(path)
        raise UsageError(f"{name}: no notebook; expected a Jupyter notebook (.ipynb, nbformat 4)") from None


def _joined(source: Any) -> str:
    return source if isinstance(source, str) else "".join(map(str, source))
