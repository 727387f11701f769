"""What a question is, what its answer is, and how it is asked."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from trilha.errors import NotFound, UsageError
from trilha.query.runs import Run, find_run, of_keys
from trilha.query.things import PREFIXES, Thing, describe
from trilha.query.unknown import left_out, of_runs
from trilha.query.where.choosing import choose
from trilha.query.where.fields import Fields
from trilha.store import sql

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Answer", "Asked", "Question", "ask", "find", "question", "questions", "told_once"]

_FAMILIES: Final = (
    *("origins", "measures", "settings", "ranking", "adapting", "preparing", "sharing", "accounting"),
    *("comparing", "depending", "calling", "planned", "tables", "notebooks"),
)


@dataclass(frozen=True)
class Question:
    """A named question.

    Attributes:
        name: by which it is asked.
        arguments: that it takes, as people write them: ``"METRIC [N]"``.
        words: what it answers, in one line.
        papers: which published queries it answers: D1 to D9 are DLProv's, K1 to K9 its kin's, S1 to S9
            Swift's.
        acceptance: which numbers of the list of section 2.3 it answers.
        function: that answers it.
    """

    name: str
    arguments: str
    words: str
    papers: tuple[str, ...]
    acceptance: tuple[int, ...]
    function: Callable[..., Answer] = field(repr=False)


@dataclass
class Answer:
    """An answer: rows of plain values.

    Times are `datetime.datetime` in UTC, durations seconds; None stands for what was not recorded.

    Attributes:
        columns: the names of the values, in order.
        rows: each a dict by column.
        summary: what holds of all rows together.
        unknown: what cannot be known, in sentences.
        question: the name of the question.
        arguments: that it was asked with.
        yes: of a question that asks whether: the answer; else None.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    summary: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    question: str = ""
    arguments: tuple[str, ...] = ()
    yes: bool | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return self.rows[at]

    def column(self, name: str) -> list[Any]:
        """The values of one column."""
        return [row.get(name) for row in self.rows]


class Asked:
    """What a question is asked of: a store, and which of its runs.

    Args:
        store: to look in.
        run: one run, as `runs.find_run` takes it.
        where: only runs for which this expression is true.

    Attributes:
        store: to look in.
        fields: what names mean for each run.
        run: what was asked for; None for any.
    """

    def __init__(self, store: Store, run: str | None = None, where: str | None = None) -> None:
        self.store = store
        self.fields = Fields(store)
        self.run = run
        self._where = where
        self.unknown: list[str] = []
        self._things: dict[tuple[str, ...], dict[int, list[tuple[int, Thing]]]] = {}

    @cached_property
    def keys(self) -> list[int]:
        """Keys of the runs that are meant, the newest first."""
        chosen = choose(self.store, self._where, self.fields)
        keys = chosen.runs
        if self.run is not None:
            one = find_run(self.store, self.run)
            keys = [one.key] if one.key in set(keys) else []
        elif chosen.unknown:
            self.unknown.append(left_out(chosen.unknown))
        return keys

    @cached_property
    def runs(self) -> dict[int, Run]:
        """The runs that are meant, the newest first."""
        return {run.key: run for run in of_keys(self.store, self.keys)}

    @property
    def one_run(self) -> str | None:
        """What to look in: the run that was asked for, or the only one there is."""
        if self.run is not None:
            return self.run
        return self.runs[self.keys[0]].uuid if len(self.keys) == 1 else None

    def things(self, *types: str) -> dict[int, list[tuple[int, Thing]]]:
        """The things of these types in each of the runs, with their keys, in the order they were stated.

        Args:
            types: such as ``"Adaptation"``.
        """
        if types in self._things:
            return self._things[types]
        execute = self.store.connection.execute
        wanted = set(self.keys)
        found: dict[int, list[int]] = {}
        type_key = execute(sql.KEY_OF_IRI, (PREFIXES["prov"] + "type",)).fetchone()
        for one in types:
            key = execute(sql.KEY_OF_IRI, (PREFIXES["trilha"] + one,)).fetchone()
            if key is None or type_key is None:
                continue
            for run, thing in execute(sql.THINGS_OF_TYPE, (type_key[0], key[0])):
                if run in wanted and thing not in found.setdefault(run, []):
                    found[run].append(thing)
        about = describe(self.store, [key for keys in found.values() for key in keys])
        told = {run: [(key, about[key]) for key in found[run]] for run in self.keys if run in found}
        self._things[types] = told
        return told

    def without(self, what: str, found: Container[int]) -> list[str]:
        """That nothing was recorded of some of the runs.

        Args:
            what: is not known of them, such as ``"layers"``.
            found: keys of the runs of which it is.
        """
        names = [run.name for run in self.runs.values() if run.key not in found]
        if not names:
            return []
        count = f"{len(names)} run{'s' if len(names) > 1 else ''}"
        some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        return [f"The {what} of {count}: none were recorded ({some})."]

    def named(self, run: int) -> dict[str, Any]:
        """The columns that say which run a row is about."""
        one = self.runs[run]
        return {"run": one.name, "id": one.short}


def question(
    name: str,
    arguments: str,
    words: str,
    *,
    papers: Sequence[str] = (),
    acceptance: Sequence[int] = (),
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Make a function a question; its arguments behind the first are the question's own, as text."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        _REGISTRY[name] = Question(name, arguments, words, tuple(papers), tuple(acceptance), function)
        return function

    return register


_REGISTRY: dict[str, Question] = {}


def questions() -> list[Question]:
    """All questions, family by family."""
    for family in _FAMILIES:
        import_module(f"{__name__.rpartition('.')[0]}.{family}")
    return list(_REGISTRY.values())


def find(name: str) -> Question:
    """The question of that name.

    Raises:
        NotFound: there is none; the message suggests close names.
    """
    known = {one.name: one for one in questions()}
    if name in known:
        return known[name]
    from difflib import get_close_matches

    close = get_close_matches(name, known, 3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise NotFound(f"no question {name!r}.{hint} `trilha ask` lists them")


def ask(store: Store, name: str, *arguments: str, run: str | None = None, where: str | None = None) -> Answer:
    """The answer to a named question.

    Args:
        store: to ask.
        name: of the question.
        arguments: of the question.
        run: only of this run, as `runs.find_run` takes it.
        where: only of runs for which this expression is true.

    Raises:
        NotFound: no such question, run or thing.
        UsageError: the arguments are too many or too few, or wrong; the expression cannot be read.
    """
    found = find(name)
    texts = tuple(map(str, arguments))
    try:
        inspect.signature(found.function).bind(None, *texts)
    except TypeError:
        usage = f"{name} {found.arguments}".rstrip()
        raise UsageError(f"{name} takes other arguments than {' '.join(texts) or 'none'}: {usage}") from None
    asked = Asked(store, run, where)
    answer = found.function(asked, *texts)
    answer.question, answer.arguments = name, texts
    answer.unknown = [*asked.unknown, *answer.unknown, *_state(asked)]
    return answer


def _state(asked: Asked) -> list[str]:
    """That runs were not whole, if few enough were asked about to name them."""
    runs = asked.__dict__.get("runs", {})
    return of_runs(runs.values()) if len(runs) <= 5 else []


def told_once(
    told: Iterable[tuple[Thing, dict[str, Any]]], besides: Container[str] = ()
) -> list[dict[str, Any]]:
    """The rows of one run; what several of its processes tell alike (the ranks of a training) is told once.

    What one process tells twice is there twice: two models may have the same layers.

    Args:
        told: each thing with the row that tells of it.
        besides: columns that may differ, such as a time.
    """
    rows: list[dict[str, Any]] = []
    kept: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for thing, row in told:
        mark = repr([pair for pair in row.items() if pair[0] not in besides])
        # A process that joined a run has names of its own (`trilha.capture.recorder`).
        teller = thing.iri.rpartition("#")[2].rpartition("-")[0], mark
        counts[teller] += 1
        if counts[teller] > kept[mark]:
            kept[mark] += 1
            rows.append(row)
    return rows
