"""The kinds of statement of PROV-DM, and their arguments (PROV-DM section 5, PROV-N section 3).

One table tells all that the formats need to know about a kind: how PROV-N calls it, and for each argument,
in the order of PROV-N, how Python and PROV-JSON call it, what it holds, and whether it must be there. Beside
the kinds of PROV-DM stand those of PROV-Links (`Kind.MENTION`) and PROV-Dictionary (section 3 there), and
`Kind.EXTENSION` for a statement that no recommendation knows (PROV-N, production extensibilityExpression).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, Literal, NamedTuple, Self, cast

__all__ = ["DICTIONARY", "PLACEHOLDER", "PLAIN", "Argument", "Holds", "Kind", "Placeholder"]


class Placeholder(Enum):
    """The type of `PLACEHOLDER`."""

    PLACEHOLDER = "-"

    def __repr__(self) -> str:
        return "PLACEHOLDER"

    def __bool__(self) -> bool:
        return False


PLACEHOLDER: Final[Literal[Placeholder.PLACEHOLDER]] = Placeholder.PLACEHOLDER
"""The ``-`` of PROV-N: an argument that was written, as nothing. An argument left out is ``None``."""


Holds = Literal["name", "time", "value", "keys", "pairs", "content"]
"""What an argument holds: a `Name`; a time; a value such as attributes have; a tuple of values; a tuple of
pairs of value and `Name`; or what an extension has (`trilha.prov.record.Extension`).
"""


class Argument(NamedTuple):
    """One argument of a kind of statement.

    Attributes:
        name: what Python calls it, for example ``"generated"``.
        json: what PROV-JSON calls it, for example ``"prov:generatedEntity"``.
        holds: what it holds; mostly ``"name"`` or ``"time"``.
        required: whether PROV-N demands it.
    """

    name: str
    json: str
    holds: Holds
    required: bool

    @property
    def is_time(self) -> bool:
        """Whether it holds a time."""
        return self.holds == "time"


def _argument(text: str) -> Argument:
    """An argument from ``name:holds=local?``: what it holds if that is no name; ``?`` if it is optional."""
    head, _, local = text.rstrip("?").partition("=")
    name, _, holds = head.partition(":")
    return Argument(name, "prov:" + (local or name), cast("Holds", holds or "name"), not text.endswith("?"))


class Kind(IntEnum):
    """A kind of statement. Its number is stable: journals and stores hold it.

    Attributes:
        provn: what PROV-N calls it, for example ``"wasGeneratedBy"``.
        arguments: its arguments in the order of PROV-N, without identifier and attributes.
        is_element: whether it is an entity, activity or agent; else it is a relation.
    """

    provn: str
    arguments: tuple[Argument, ...]
    is_element: bool

    ENTITY = 1, "entity", ""
    ACTIVITY = 2, "activity", "start:time=startTime? end:time=endTime?"
    AGENT = 3, "agent", ""
    GENERATION = 4, "wasGeneratedBy", "entity activity? time:time?"
    USAGE = 5, "used", "activity entity? time:time?"
    COMMUNICATION = 6, "wasInformedBy", "informed informant"
    START = 7, "wasStartedBy", "activity trigger? starter? time:time?"
    END = 8, "wasEndedBy", "activity trigger? ender? time:time?"
    INVALIDATION = 9, "wasInvalidatedBy", "entity activity? time:time?"
    DERIVATION = (
        10,
        "wasDerivedFrom",
        "generated=generatedEntity used=usedEntity activity? generation? usage?",
    )
    ATTRIBUTION = 11, "wasAttributedTo", "entity agent"
    ASSOCIATION = 12, "wasAssociatedWith", "activity agent? plan?"
    DELEGATION = 13, "actedOnBehalfOf", "delegate responsible activity?"
    INFLUENCE = 14, "wasInfluencedBy", "influencee influencer"
    SPECIALIZATION = 15, "specializationOf", "specific=specificEntity general=generalEntity"
    ALTERNATE = 16, "alternateOf", "alternate1 alternate2"
    MENTION = 17, "mentionOf", "specific=specificEntity general=generalEntity bundle"
    MEMBERSHIP = 18, "hadMember", "collection entity"
    INSERTION = 19, "derivedByInsertionFrom", "after before pairs:pairs=key-entity-set"
    REMOVAL = 20, "derivedByRemovalFrom", "after before keys:keys=key-set"
    DICTIONARY_MEMBERSHIP = 21, "hadDictionaryMember", "dictionary entity member_key:value=key"
    EXTENSION = 22, "extension", "term content:content"

    def __new__(cls, number: int, provn: str = "", arguments: str = "") -> Self:  # noqa: D102 -- called by the table above
        kind = int.__new__(cls, number)
        kind._value_ = number
        kind.provn = provn
        kind.arguments = tuple(map(_argument, arguments.split()))
        kind.is_element = number <= 3
        return kind


PLAIN: Final = tuple(kind for kind in Kind if kind <= Kind.MEMBERSHIP)
"""The kinds of PROV-DM and PROV-Links, whose arguments are names and times."""
DICTIONARY: Final = (Kind.INSERTION, Kind.REMOVAL, Kind.DICTIONARY_MEMBERSHIP)
"""The kinds of PROV-Dictionary."""
