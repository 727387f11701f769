"""A slice that goes on in other processes: those that executed its tasks, those that handed these over.

Each process has a trace of its own. What passed between two of them is stated in both by the IRI of the task
(`Passed`, `Known`): from what arrived with a result the slice goes on to what the task's function gave in its
process, and from that function's parameters to the call that handed the task over; forward, the other way
round. What a forked process has from before is the very evaluation of the process that forked it.

What one process sends another by a queue or pipe is called alike by both, by its bytes: a slice goes on from
what was received to all calls that sent the same bytes there.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from trilha.trace import slicing
from trilha.trace.evaluations import MESSAGE, Gap, Passing
from trilha.trace.slicing import Slice
from trilha.trace.traced import Traced

__all__ = ["Across", "Crossing", "backward", "forward"]

_WHY: Final = "what this task did in its process is not traced"
_WHY_MESSAGE: Final = "what comes out of a queue or pipe between processes: who put it there is not traced"


class Crossing(NamedTuple):
    """An evaluation came of one of another process.

    Attributes:
        journal: of the process.
        evaluation: in its trace.
        origin: journal of the other process.
        source: the evaluation in the trace of that.
    """

    journal: str
    evaluation: int
    origin: str
    source: int


class Across(NamedTuple):
    """A slice over several processes.

    Attributes:
        first: in the trace that was asked.
        others: in those of other processes, in the order of the traces.
        gaps: of tasks that belong to it, and of which no trace tells what they did.
        crossings: evaluations of one process that came of those of another, by way of a task or a message.
    """

    first: Slice
    others: list[Slice]
    gaps: list[Gap]
    crossings: list[Crossing]

    @property
    def slices(self) -> list[Slice]:
        """The slices in all traces, the first one first."""
        return [self.first, *self.others]

    def lines(self) -> dict[tuple[str, int], int]:
        """How many evaluations each line has in all processes, by file and number; as in the texts."""
        found: dict[tuple[str, int], int] = {}
        for one in self.slices:
            for place, count in one.lines().items():
                found[place] = found.get(place, 0) + count
        files = list(dict.fromkeys(file for file, _ in found))
        return dict(sorted(found.items(), key=lambda one: (files.index(one[0][0]), one[0][1])))

    def untraced(self) -> list[Gap]:
        """What was not traced in any of these traces, each once."""
        gaps = [*self.gaps, *(gap for one in self.slices for gap in one.traced.gaps)]
        return list({(gap.file, gap.line, gap.why): gap for gap in reversed(gaps)}.values())[::-1]


def backward(
    traces: Sequence[Traced],
    traced: Traced,
    start: Iterable[int],
    *,
    places: bool = False,
    guards: bool = False,
    until: int | None = 0,
) -> Across:
    """What values came from, in whatever process.

    Args:
        traces: of all processes of the run.
        traced: the one of them that has the values.
        start: as for `trilha.trace.slicing.backward`, as the others are.
        places: likewise.
        guards: likewise.
        until: likewise.
    """
    begun = tuple(start)

    def made(one: Traced, also: set[int]) -> Slice:
        own = one is traced
        return slicing.backward(
            one, begun if own else (), places=places, guards=guards, until=until if own else 0, also=also
        )

    return _Backward(traces, traced, made).across()


def forward(
    traces: Sequence[Traced],
    traced: Traced,
    start: Iterable[int],
    *,
    places: bool = False,
    guards: bool = False,
) -> Across:
    """What came of values, in whatever process; its arguments are as for `backward`."""
    begun = tuple(start)

    def made(one: Traced, also: set[int]) -> Slice:
        return slicing.forward(one, begun if one is traced else (), places=places, guards=guards, also=also)

    return _Forward(traces, traced, made).across()


class _Walk:
    """Goes from slice to slice until none has more.

    Args:
        traces: of all processes.
        traced: the first one.
        made: makes the slice of a trace, with evaluations that belong to it, too.
    """

    passes: dict[str, str]
    """What a slice goes on to from an evaluation that is this of a task."""

    def __init__(
        self, traces: Sequence[Traced], traced: Traced, made: Callable[[Traced, set[int]], Slice]
    ) -> None:
        self._traces, self._made = traces, made
        self._first = next(at for at, one in enumerate(traces) if one is traced)
        self._at = {one.journal: at for at, one in enumerate(traces)}
        self._slices: dict[int, Slice] = {}
        self._also: dict[int, set[int]] = {}
        self._tasks: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._passed: list[list[tuple[str, str, int]]] = [[] for _ in traces]
        self._names: dict[tuple[int, str], str] = {}
        self._links: set[tuple[int, int, int, int]] = set()
        for at, one in enumerate(traces):
            for passed in one.passed():
                if passed.what == Passing.NAMED:
                    sent, _, message = passed.task.partition("\0")
                    self._names[at, sent] = message
            for known in one.known():
                if not known.thing:
                    self._note(at, known.entity, Passing.HANDED, known.evaluation)
            for passed in one.passed():
                if passed.what != Passing.NAMED:
                    task = self._names.get((at, passed.task), passed.task)
                    self._note(at, task, passed.what, passed.evaluation)

    def _note(self, at: int, task: str, what: str, evaluation: int) -> None:
        if not evaluation and task.startswith(MESSAGE):
            return  # The call that sent it was not over when the trace ended.
        if not evaluation or evaluation > self._traces[at].forked:
            self._tasks.setdefault((task, what), []).append((at, evaluation))
            if evaluation:
                self._passed[at].append((task, what, evaluation))

    def across(self) -> Across:
        """All slices, from the first one on."""
        waiting = {self._first}
        while waiting:
            at = waiting.pop()
            found = self._slices[at] = self._made(self._traces[at], self._also.get(at, set()))
            for other, number in {*self._by_task(at, found), *self._by_fork(at, found)}:
                if other not in self._slices or number not in self._slices[other]:
                    self._also.setdefault(other, set()).add(number)
                    waiting.add(other)
        first = self._slices.pop(self._first)
        others = [self._own(at, first) for at in sorted(self._slices)]
        told = [one for one in others if one.evaluations]
        return Across(
            first, told, list(self._gaps(first)), list(self._between([first, *told]) if told else ())
        )

    def _between(self, slices: Sequence[Slice]) -> Iterator[Crossing]:
        """What of the slices in one process came of which of those in another."""
        own = {self._at[one.traced.journal]: frozenset(one.evaluations) for one in slices}
        for at, numbers in own.items():
            for link in self._slices[at].links if at in self._slices else ():
                if link.source not in numbers:  # It is told in the process that forked this one.
                    self._links.add((at, link.evaluation, self._home(at, link.source), link.source))
        for at, number, other, there in sorted(self._links):
            if number in own.get(at, ()) and there in own.get(other, ()):
                yield Crossing(self._traces[at].journal, number, self._traces[other].journal, there)

    def _link(self, at: int, evaluation: int, other: int, number: int) -> None:
        """Note that a slice goes on from an evaluation to one of another process."""
        raise NotImplementedError

    def _by_task(self, at: int, found: Slice) -> Iterator[tuple[int, int]]:
        """Where a slice goes on by way of tasks: evaluations of other traces."""
        for task, what, evaluation in self._passed[at]:
            if what in self.passes and evaluation in found:
                for other, number in self._tasks.get((task, self.passes[what]), ()):
                    if number:
                        self._link(at, evaluation, other, number)
                        yield other, number

    def _by_fork(self, at: int, found: Slice) -> Iterator[tuple[int, int]]:
        """Where it goes on in processes that forked this one, or that this one forked."""
        raise NotImplementedError

    def _home(self, at: int, number: int) -> int:
        """The trace of the process in which an evaluation took place that a forked one has from before."""
        traced = self._traces[at]
        journal = next((journal for until, journal in traced.forks if number <= until), "")
        home = self._at.get(journal, at)
        other = self._traces[home]
        if not (traced.is_evaluation(number) and other.is_evaluation(number)):
            return at
        return home if other.evaluation(number) == traced.evaluation(number) else at

    def _own(self, at: int, first: Slice) -> Slice:
        """A slice without what is told in that of another process."""
        found, forked = self._slices[at], self._traces[self._first].forked
        found.evaluations = array(
            "I",
            (
                number
                for number in found.evaluations
                if self._home(at, number) == at
                and not (number <= forked and number in first and self._home(self._first, number) == at)
            ),
        )
        return found

    def _gaps(self, first: Slice) -> Iterator[Gap]:
        """The tasks of which no trace tells what they did."""
        for at, found in {**self._slices, self._first: first}.items():
            for task, what, evaluation in self._passed[at]:
                if (
                    what == Passing.ARRIVED
                    and evaluation in found
                    and (task, Passing.GAVE) not in self._tasks
                ):
                    one = found.traced.component(evaluation)
                    why = _WHY_MESSAGE if task.startswith(MESSAGE) else _WHY
                    yield Gap(evaluation, evaluation, one.file, one.line, why)


class _Backward(_Walk):
    passes = {Passing.ARRIVED: Passing.GAVE, Passing.GIVEN: Passing.HANDED}  # noqa: RUF012 -- never changed

    def _by_fork(self, at: int, found: Slice) -> Iterator[tuple[int, int]]:
        if at != self._first:  # That one keeps what it has from before.
            forked = self._traces[at].forked
            for number in found.evaluations:
                if number <= forked and (home := self._home(at, number)) != at:
                    yield home, number

    def _link(self, at: int, evaluation: int, other: int, number: int) -> None:
        self._links.add((at, evaluation, other, number))


class _Forward(_Walk):
    passes = {Passing.HANDED: Passing.GIVEN, Passing.GAVE: Passing.ARRIVED}  # noqa: RUF012 -- never changed

    def _by_fork(self, at: int, found: Slice) -> Iterator[tuple[int, int]]:
        journal = self._traces[at].journal
        for other, traced in enumerate(self._traces):
            until = max((until for until, name in traced.forks if name == journal), default=0)
            for number in found.evaluations:
                if number <= until and self._home(other, number) == at:
                    yield other, number

    def _link(self, at: int, evaluation: int, other: int, number: int) -> None:
        self._links.add((other, number, at, evaluation))
