"""The words for what a script did: components of its text, their evaluations, and changes of data structures.

A trace is a sequence of events in the order in which they happened. An evaluation is one time that a
component of the program's text gave a value; what it came from are its sources. A value that has an identity
(a list, an object) is a thing, and a change puts a member into a thing or takes one out; names that share a
thing share its changes, which is why a change is one event however many names there are.

Source: Pimentel, Murta, Freire, "Versioned-PROV: A PROV extension to support mutable data entities" (IPAW
2018), sections 2 and 3, and the site of its vocabulary; activations as in noWorkflow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

__all__ = [
    "MESSAGE",
    "Activation",
    "Advanced",
    "Change",
    "Component",
    "Ended",
    "Evaluation",
    "Event",
    "Forked",
    "Gap",
    "How",
    "Kind",
    "Known",
    "Labelled",
    "Opened",
    "Passed",
    "Passing",
    "Role",
    "Rows",
    "Source",
]


class Kind(StrEnum):
    """What kind of component an evaluation is of."""

    __hash__ = str.__hash__  # An enumeration's own is written in Python.

    LITERAL = "literal"
    CONSTANT = "constant"
    NAME = "name"
    """A name that the trace did not see assigned: a builtin, a module, something from before."""
    OPERATION = "operation"
    DEFINITION = "definition"
    """A list, tuple, dict, set or class that the text writes out, its members as sources."""
    ASSIGN = "assign"
    """A name bound: by assignment, walrus, `for`, `with`, `import`, `def`, a pattern, a parameter."""
    PART = "part"
    """A subscript or attribute assigned, or deleted: its change follows."""
    ACCESS = "access"
    """A subscript or attribute read, or the next one of an iteration."""
    CALL = "call"
    RETURN = "return"
    """What an activation returned, yielded or raised."""


class Role(StrEnum):
    """As what a source went in."""

    __hash__ = str.__hash__

    OPERAND = "operand"
    VALUE = "value"
    MEMBER = "member"
    COLLECTION = "collection"
    KEY = "key"
    ELEMENT = "element"
    """The member that an access gave."""
    FUNCTION = "function"
    ARGUMENT = "argument"
    ITERABLE = "iterable"
    GUARD = "guard"
    """Of the condition under which this was evaluated."""
    RESULT = "result"
    """Of the call's own activation: what it returned."""
    LED = "led"
    """A call that may have led to what another one did to an object, of which the run's record tells."""
    CONTROL = "control"
    """Of what else decided that this was evaluated: conditions further out, or which could have left before;
    what a loop goes through; what the exception was of that was taken."""


class How(StrEnum):
    """What a change does to its thing."""

    __hash__ = str.__hash__

    PUT = "put"
    DELETE = "delete"
    INSERT = "insert"
    """A member is put before a position; those behind it move up by one."""
    REMOVE = "remove"
    """The member at a position is taken out; those behind it move down by one."""
    CLEAR = "clear"


class Passing(StrEnum):
    """What of a task passes between the process that handed it over and the one that executed it."""

    __hash__ = str.__hash__

    GIVEN = "given"
    """A parameter of its function, in the process that executed it."""
    GAVE = "gave"
    """What its function gave there."""
    HANDED = "handed"
    """The call that handed it over, where the run's record knows it by another name."""
    ARRIVED = "arrived"
    """What it gave, in the process that handed it over."""
    NAMED = "named"
    """What a message that was put into a queue (GAVE) is called by whoever gets it (ARRIVED)."""


class Component(NamedTuple):
    """A part of the program's text.

    Attributes:
        number: of the component, unique in the trace.
        file: in which it stands.
        line: where it begins, from 1.
        column: where it begins, in characters from 0.
        end_line: where it ends.
        end_column: where it ends.
        text: as written.
        kind: of its evaluations.
    """

    number: int
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    kind: Kind


class Source(NamedTuple):
    """What an evaluation came from.

    Attributes:
        evaluation: that gave it.
        role: as what it went in.
        name: of the parameter, or the key of the member; None for none.
        same: the evaluation's value is this source's very value, not one made from it: a reference.
    """

    evaluation: int
    role: Role
    name: str | None = None
    same: bool = False


class Evaluation(NamedTuple):
    """One time that a component gave a value.

    Attributes:
        number: of the evaluation; they grow in the order in which they happened, and are its checkpoint.
        component: that was evaluated.
        activation: in which.
        sources: that it came from, in the order of the text.
        thing: identity of the value, unique over the trace (no two objects share one, even if one was freed
            before the other was made); 0 for a value whose identity does not matter (a number, a string).
        value: as text, where values were asked for and this one could be told; None if not.
        name: that was bound, for ASSIGN; the key or attribute, for ACCESS and PART; else None.
    """

    number: int
    component: int
    activation: int
    sources: tuple[Source, ...] = ()
    thing: int = 0
    value: str | None = None
    name: str | None = None


class Change(NamedTuple):
    """A member put into a thing, or taken out.

    Attributes:
        checkpoint: when: counted with the evaluations' numbers.
        by: evaluation that did it: a PART, or the CALL of a method or of a function that is not traced.
        thing: that changed.
        how: it changed.
        key: of the member: `repr` of a subscript, the name of an attribute with a dot before it; None where
            there is none (a set's member, CLEAR).
        member: evaluation whose value the member is now; None when a member was taken out or is not known.
    """

    checkpoint: int
    by: int
    thing: int
    how: How
    key: str | None = None
    member: int | None = None


class Activation(NamedTuple):
    """A call of a function whose text is traced; the script itself, and each module, is one too.

    Attributes:
        number: of the activation.
        name: of the function, qualified; `<module>` for a module's own text.
        call: evaluation of the call; None if what called it is not traced.
        caller: activation in which that call stands; None for the script.
        checkpoint: when it began.
        thread: in which it ran: 0 is the main one.
    """

    number: int
    name: str
    call: int | None
    caller: int | None
    checkpoint: int
    thread: int = 0


class Ended(NamedTuple):
    """An activation is over (for a generator: for good).

    Attributes:
        activation: that ended.
        checkpoint: when.
        how: "returned", "raised", or "lost" where the trace does not tell.
    """

    activation: int
    checkpoint: int
    how: str


class Gap(NamedTuple):
    """Something was not traced, and is said so.

    Attributes:
        checkpoint: from when.
        until: to when; the same checkpoint for something that happened at once.
        file: where, as far as known.
        line: where; 0 if not known.
        why: in words for a user.
    """

    checkpoint: int
    until: int
    file: str
    line: int
    why: str


class Opened(NamedTuple):
    """A file was opened.

    Attributes:
        evaluation: that opened it, a call most often; 0 where no evaluation is known that did.
        path: of the file.
        written: it could be written, too.
        file: of the text that was being evaluated; empty where none was.
        line: of that; 0 where none was.
        target: what it was renamed to, where it was not opened, but that.
    """

    evaluation: int
    path: str
    written: bool
    file: str
    line: int
    target: str = ""


class Advanced(NamedTuple):
    """An object may have changed in a way that the trace does not tell: an iterator was gone on, a file read.

    Attributes:
        by: evaluation that may have changed it.
        value: evaluation whose value it is.
    """

    by: int
    value: int


class Known(NamedTuple):
    """The run's record knows an object of the trace, or a task that a call handed over.

    Attributes:
        evaluation: during which the object got its entity, or the call; 0 where none is known that did.
        thing: the object's identity; 0 for a task.
        entity: IRI of the entity, or of the task's activity; empty if only the change is known.
        again: the object has changed meanwhile: it was another entity before.
    """

    evaluation: int
    thing: int
    entity: str
    again: bool


MESSAGE: Final = "message:"
"""What the names of messages begin with."""


class Passed(NamedTuple):
    """A value passed from one process to another with a task, or with its result, or in a message.

    Attributes:
        task: IRI of the task's activity; of a message `MESSAGE` and what it is called (NAMED: what its own
            process called it before, a zero, and that).
        evaluation: that has the value in this trace; 0 where nothing of the program gave one (GAVE, NAMED).
        what: it is of the task.
    """

    task: str
    evaluation: int
    what: Passing


class Forked(NamedTuple):
    """What comes next happened in a process that was forked; what came before, in the one that forked it.

    It is stated twice of each fork: as soon as the log tells, and when it is known what came before.

    Attributes:
        checkpoint: of the last evaluation before.
        journal: UUID of the journal of the process that forked it.
    """

    checkpoint: int
    journal: str


class Labelled(NamedTuple):
    """A set of labels of rows of pandas' frames and columns, as `trilha.trace.labels.Labels` has them.

    Attributes:
        number: of the set.
        how: it is told.
        length: how many labels there are.
        first: of them.
        step: from one to the next, if they are a range.
        packed: the others.
    """

    number: int
    how: int
    length: int
    first: int
    step: int
    packed: bytes


class Rows(NamedTuple):
    """A frame or column of pandas has rows with these labels.

    Attributes:
        checkpoint: when it was met.
        thing: its identity.
        shape: frame, column of plain values, or of others.
        labels: number of their set.
    """

    checkpoint: int
    thing: int
    shape: int
    labels: int


Event: TypeAlias = (
    Evaluation
    | Change
    | Activation
    | Advanced
    | Ended
    | Gap
    | Opened
    | Known
    | Passed
    | Forked
    | Labelled
    | Rows
)
