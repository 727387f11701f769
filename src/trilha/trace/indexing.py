"""The events of a trace become columns that can be asked: what `trilha.trace.traced` reads.

An evaluation takes some twenty bytes: which part of the text it is of, where its sources begin, the sources
and their roles; its object, its key and its value are in columns of their own, where it has any. All is
written as it comes; what stays in memory is the text's parts, and two numbers for each activation.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import IO, Any, Final

from trilha.errors import TrilhaError
from trilha.trace.columns import Writing
from trilha.trace.compiling import text_of
from trilha.trace.evaluations import (
    Activation,
    Advanced,
    Change,
    Component,
    Ended,
    Evaluation,
    Event,
    Forked,
    Gap,
    How,
    Kind,
    Known,
    Labelled,
    Opened,
    Passed,
    Passing,
    Role,
    Rows,
)
from trilha.trace.replay import replay

__all__ = [
    "BLOCK",
    "ENDS",
    "FORMAT",
    "HOWS",
    "NOTHING",
    "OWN_NAME",
    "PASSINGS",
    "ROLE",
    "ROLES",
    "SAME",
    "index",
]

FORMAT: Final = 30
"""Grows when columns are added, or say something else."""
ROLES: Final = tuple(Role)
HOWS: Final = tuple(How)
ENDS: Final = ("lost", "returned", "raised")
PASSINGS: Final = tuple(Passing)
ROLE: Final = 15
"""The bits of a role that say which it is."""
SAME: Final = 16
"""The bit of a role that says that the value is the source's very value."""
OWN_NAME: Final = 32
"""The bit of a role that says that the source has a name of its own."""
NOTHING: Final = 0xFFFFFFFF
"""Stands for no key."""

_NUMBER_OF: Final = {role: number for number, role in enumerate(ROLES)}
_HOW: Final = {how: number for number, how in enumerate(HOWS)}
_KEYED: Final = (Kind.ACCESS, Kind.PART)
BLOCK: Final = 1 << 13
"""So many numbers make a block, whose sources from before it are listed."""
_OFTEN: Final = 1 << 14
"""Evaluations between two looks at what is to be written."""


def index(log: Iterable[bytes], target: IO[bytes], key: Any = None, folder: str | None = None) -> None:
    """Replay a log into a file of columns.

    Args:
        log: as `trilha.trace.replay.replay` reads it.
        target: an empty file, opened for writing.
        key: what the file is made of, of JSON's types.
        folder: where what does not fit into memory waits; that of temporary files by default.

    Raises:
        TrilhaError: the trace is too long.
    """
    made = _Index(folder)
    try:
        replayed = replay(log, made.sink, made.component, made.linked)
        texts = {path: text_of(text) for path, text in replayed.texts.items()}
        made.write(target, key, texts, replayed.spaces)
    except OverflowError:
        raise TrilhaError(
            "the trace cannot be indexed: expected fewer than 4,294,967,296 evaluations and changes;"
            " record a part of the script (--trace)"
        ) from None
    finally:
        made.close()


class _Index:
    """Takes the events of a trace, and writes their columns."""

    def __init__(self, folder: str | None) -> None:
        self._writing = made = Writing(folder)
        self._texts = made.texts("texts")
        self._components: dict[int, Component] = {}
        self._slots: list[tuple[int, str | None]] = [(0, None)]
        self._slot_of: dict[tuple[int, str | None], int] = {}
        self._gaps: list[Gap] = []
        self._forks: list[tuple[int, str]] = []
        self._opened: list[Opened] = []
        self._changes = 0
        self._slot, self._begin = made.column("slot"), made.column("begin")
        self._counts = [0]
        self._value_at, self._values = made.column("value at"), made.column("value")
        self._change = [
            made.column(f"change {name}") for name in ("checkpoint", "by", "thing", "member", "key")
        ]
        self._change_how = made.column("change how", "B")
        self._changes_of, self._puts = made.pairs("changes of"), made.pairs("puts")
        self._later = made.pairs("changes later")
        self._advanced = made.pairs("advanced")
        self._last_change = (0, 0, True)
        of_activation = ("name", "caller", "began", "thread")
        self._known = [made.column(f"known {name}") for name in ("evaluation", "thing", "entity")]
        self._passed = [made.column(f"passed {name}") for name in ("task", "evaluation")]
        self._rows_of = made.pairs("rows of")
        self._labels, self._labels_packed = made.column("labels", "q"), made.column("labels packed", "B")
        self._packed = 0
        self._activation = [made.column(f"activation {name}") for name in of_activation]
        self._call, self._ended, self._how = array("I"), array("I"), array("B")
        self._calling, self._called = made.column("calling"), made.column("called")
        self._far: set[int] = set()
        self._blocks = 0
        self._of_before, self._before_ends = made.column("of before"), made.column("of before ends")
        self.sink = self._taker()

    # -- what is taken

    def component(self, component: Component) -> None:
        """Take a component of the text."""
        self._components[component.number] = component

    def linked(self, activation: int, call: int) -> None:
        """Take the evaluation of the call of an activation."""
        self._call[activation - 1] = call
        self._calling.append(call)
        self._called.append(activation)

    def _other(self, event: Event) -> None:
        """Take an event that is no evaluation."""
        if type(event) is Change:
            self._change_taken(event)
        elif type(event) is Advanced:
            self._advanced.append(event.value << 32 | event.by)
        elif type(event) is Activation:
            name = self._texts.number(event.name)
            facts = name, event.caller or 0, event.checkpoint, event.thread
            for column, number in zip(self._activation, facts, strict=True):
                column.append(number)
            self._call.append(event.call or 0)
            self._ended.append(0)
            self._how.append(0)
        elif type(event) is Ended:
            self._ended[event.activation - 1] = event.checkpoint
            self._how[event.activation - 1] = ENDS.index(event.how)
        elif type(event) is Gap:
            self._gaps.append(event)
        elif type(event) is Forked:
            if self._forks and self._forks[-1][1] == event.journal:
                del self._forks[-1]
            self._forks.append((event.checkpoint, event.journal))
        elif type(event) is Passed:
            task = self._texts.number(event.task) << 3 | PASSINGS.index(event.what)
            for column, number in zip(self._passed, (task, event.evaluation), strict=True):
                column.append(number)
        elif type(event) is Known:
            entity = self._texts.number(event.entity) << 1 | event.again
            for column, number in zip(self._known, (event.evaluation, event.thing, entity), strict=True):
                column.append(number)
        elif type(event) is Rows:
            self._rows_of.append(event.thing << 32 | event.labels << 3 | event.shape)
        elif type(event) is Labelled:
            self._packed += len(event.packed)
            self._labels_packed.frombytes(event.packed)
            self._labels.extend((*event[1:5], self._packed))
        else:
            assert isinstance(event, Opened)
            self._opened.append(event)

    def _change_taken(self, event: Change) -> None:
        facts = event.checkpoint, event.by, event.thing, event.member or 0, self._key(event.key)
        for column, number in zip(self._change, facts, strict=True):
            column.append(number)
        self._change_how.append(_HOW[event.how])
        self._changes_of.append(event.thing << 32 | self._changes)
        before, by, at_once = self._last_change
        at_once = before <= event.by or (by == event.by and at_once)
        if not at_once:
            self._later.append(event.by << 32 | self._changes)
        self._last_change = event.checkpoint, event.by, at_once
        if event.member is not None and event.by != event.member:
            self._puts.append(event.member << 32 | self._changes)
        self._changes += 1
        if not self._changes % _OFTEN:
            self._spill()

    def _key(self, key: str | None) -> int:
        """A key as a number: twice a position, or twice the number of a text plus one."""
        if key is None:
            return NOTHING
        if key.isdecimal() and len(key) < 10 and str(int(key)) == key:
            return int(key) << 1
        return self._texts.number(key) << 1 | 1

    def _taker(self) -> Callable[[Event], None]:
        """The function that takes events: it runs for each evaluation, so all that it needs is at hand."""
        made = self._writing
        slots, begins = self._slot, self._begin
        sources_put, roles_put = made.column("source").append, made.column("role", "B").append
        slot_put, begin_put = slots.append, begins.append
        source_name_at, source_name = made.column("source name at"), made.column("source name")
        thing_at, things = made.column("thing at"), made.column("thing")
        key_at, keys = made.column("key at"), made.column("key")
        far = self._far
        from_, activations = made.column("activation from"), made.column("activation")
        definitions = made.pairs("definitions")
        known: dict[int, tuple[int, str | None, bool]] = {}
        counts = self._counts
        following = count = current = taken = edge = 0
        member, number_of, other = Role.MEMBER, _NUMBER_OF, self._other

        def take(event: Event) -> None:
            nonlocal following, count, current, taken, edge
            if type(event) is not Evaluation:
                other(event)
                return
            number, component, activation, sources, thing, value, name = event
            while following < number:  # The numbers between are of changes and the like.
                slot_put(0)
                begin_put(count)
                following += 1
            following = number + 1
            if number >= edge + BLOCK:
                edge = number - number % BLOCK
                self._close_blocks(edge)
            slot, usual, keyed = known.get(component) or self._meet(known, component, name)
            if name != usual:
                if keyed:
                    key_at.append(number)
                    keys.append(self._key(name))
                else:
                    slot = self._slot_number(component, name)
            slot_put(slot)
            begin_put(count)
            counts[slot] += 1
            defines = False
            for source, role, own, same in sources:
                sources_put(source)
                if source < edge:
                    far.add(source)
                code = number_of[role]
                if same:
                    code |= SAME
                if own is not None:
                    code |= OWN_NAME
                    source_name_at.append(count)
                    source_name.append(self._key(own))
                roles_put(code)
                count += 1
                if role is member:
                    defines = True
            if thing:
                thing_at.append(number)
                things.append(thing)
                if defines:
                    definitions.append(thing << 32 | number)
            if activation != current:
                current = activation
                from_.append(number)
                activations.append(activation)
            if value is not None:
                self._value_at.append(number)
                self._values.append(self._texts.number(value))
            taken += 1
            if not taken % _OFTEN:
                self._spill()

        return take

    def _meet(
        self, known: dict[int, tuple[int, str | None, bool]], component: int, name: str | None
    ) -> tuple[int, str | None, bool]:
        """A component that is evaluated for the first time: its slot, its name, and whether it has keys."""
        one = self._components.get(component)
        keyed = one is not None and one.kind in _KEYED
        name = None if keyed else name
        found = known[component] = self._slot_number(component, name), name, keyed
        return found

    def _slot_number(self, component: int, name: str | None) -> int:
        """The number of a component together with the name that it binds."""
        slot = self._slot_of.get((component, name))
        if slot is None:
            slot = self._slot_of[component, name] = len(self._slots)
            self._slots.append((component, name))
            self._counts.append(0)
        return slot

    def _close_blocks(self, before: int) -> None:
        """Write which evaluations from before it a block has as sources; of those between, there are none."""
        self._of_before.extend(sorted(self._far))
        self._far.clear()
        while self._blocks < before:
            self._blocks += BLOCK
            self._before_ends.append(self._writing.length("of before"))

    # -- what is written

    def _spill(self) -> None:
        self._writing.spill()

    def write(self, target: IO[bytes], key: Any, texts: dict[str, str], spaces: dict[str, int]) -> None:
        """Write the file, with what it is made of, and by their paths the modules' texts and namespaces."""
        made = self._writing
        made.column("activation call").extend(self._call)
        made.column("activation ended").extend(self._ended)
        made.column("activation how", "B").extend(self._how)
        self._begin.append(made.length("source"))
        self._close_blocks(made.length("slot"))
        about = {
            "key": key,
            "evaluations": sum(self._counts),
            "slots": [(*slot, count) for slot, count in zip(self._slots, self._counts, strict=True)],
            "components": list(self._components.values()),
            "gaps": self._gaps,
            "opened": self._opened,
            "modules": texts,
            "spaces": spaces,
            "forks": self._forks,
        }
        made.write(target, about)

    def close(self) -> None:
        """Let go of what waits in temporary files."""
        self._writing.close()
