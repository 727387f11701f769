"""The kinds of statement of PROV-DM, and their arguments (PROV-DM section 5, PROV-N section 3).

One table tells all that the formats need to know about a kind: how PROV-N calls it, and for each argument,
in the order of PROV-N, how Python and PROV-JSON call it, whether it is a time, and whether it must be there.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, Literal, NamedTuple, Self

__all__ = ["PLACEHOLDER", "Argument", "Kind", "Placeholder"]


class Placeholder(Enum):
    """The type of `PLACEHOLDER`."""

    PLACEHOLDER = "-"

    def __repr__(self) -> str:
        return "PLACEHOLDER"

    def __bool__(self) -> bool:
        return False


PLACEHOLDER: Final[Literal[Placeholder.PLACEHOLDER]] = Placeholder.PLACEHOLDER
"""The ``-`` of PROV-N: an argument that was written, as nothing. An argument left out is ``None``."""


class Argument(NamedTuple):
    """One argument of a kind of statement.

    Attributes:
        name: what Python calls it, for example ``"generated"``.
        json: what PROV-JSON calls it, for example ``"prov:generatedEntity"``.
        is_time: whether it holds a time; else it holds a name.
        required: whether PROV-N demands it.
    """

    name: str
    json: str
    is_time: bool
    required: bool


def _argument(text: str) -> Argument:
    """An argument from ``name``, ``name=provName``, with ``@`` before a time and ``?`` after the optional."""
    is_time, required = text.startswith("@"), not text.endswith("?")
    name, _, local = text.strip("@?").partition("=")
    return Argument(name, "prov:" + (local or name), is_time, required)


class Kind(IntEnum):
    """A kind of statement. Its number is stable: journals and stores hold it (19 to 21: PROV-Dictionary).

    Attributes:
        provn: what PROV-N calls it, for example ``"wasGeneratedBy"``.
        arguments: its arguments in the order of PROV-N, without identifier and attributes.
        is_element: whether it is an entity, activity or agent; else it is a relation.
    """

    provn: str
    arguments: tuple[Argument, ...]
    is_element: bool

    ENTITY = 1, "entity", ""
    ACTIVITY = 2, "activity", "@start=startTime? @end=endTime?"
    AGENT = 3, "agent", ""
    GENERATION = 4, "wasGeneratedBy", "entity activity? @time?"
    USAGE = 5, "used", "activity entity? @time?"
    COMMUNICATION = 6, "wasInformedBy", "informed informant"
    START = 7, "wasStartedBy", "activity trigger? starter? @time?"
    END = 8, "wasEndedBy", "activity trigger? ender? @time?"
    INVALIDATION = 9, "wasInvalidatedBy", "entity activity? @time?"
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

    def __new__(cls, number: int, provn: str = "", arguments: str = "") -> Self:  # noqa: D102 -- called by the table above
        kind = int.__new__(cls, number)
        kind._value_ = number
        kind.provn = provn
        kind.arguments = tuple(map(_argument, arguments.split()))
        kind.is_element = number <= 3
        return kind
