"""The names of the inferences and constraints of the recommendation (PROV-CONSTRAINTS sections 4 to 6).

The numbers are those of PROV-CONSTRAINTS of 30 April 2013. Other rules stand in other documents: that a
statement has the arguments that its kind demands (PROV-DM), the constraint on mentions (PROV-LINKS), and
those on dictionaries (PROV-Dictionary), whose names are ours.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "ARGUMENT",
    "INSERTED",
    "INSERTION_KEEPS",
    "MENTION",
    "ONE_ENTITY",
    "ONE_ORIGIN",
    "REMOVAL_KEEPS",
    "REMOVED",
    "RULES",
    "TWO_ORIGINS",
    "Rule",
]

_CONSTRAINTS: Final = "https://www.w3.org/TR/prov-constraints/"


class Rule(NamedTuple):
    """One definition, inference or constraint.

    Attributes:
        number: its number in PROV-CONSTRAINTS; None for a rule of another document.
        name: what that document calls it, for example ``"unique-generation"``.
        title: what it says, in a few words.
        url: where it stands.
    """

    number: int | None
    name: str
    title: str
    url: str

    def __str__(self) -> str:
        return f"{self.number} {self.name}" if self.number is not None else self.name


_TABLE: Final = """
5 communication-generation-use-inference: communication is the use of something that the informant made
6 generation-use-communication-inference: to use what another activity made is to be informed by it
7 entity-generation-invalidation-inference: an entity was generated and invalidated
8 activity-start-end-inference: an activity was started and ended
9 wasStartedBy-inference: the starter generated the trigger
10 wasEndedBy-inference: the ender generated the trigger
11 derivation-generation-use-inference: the activity of a derivation used and generated its entities
12 revision-is-alternate-inference: a revision is an alternate
13 attribution-inference: an agent of an entity was associated with its generation
14 delegation-inference: delegate and responsible were associated with the activity
15 influence-inference: every relation is an influence
16 alternate-reflexive: an entity is an alternate of itself
17 alternate-transitive: an alternate of an alternate is one
18 alternate-symmetric: alternates are alternates of each other
19 specialization-transitive: a specialization of a specialization is one
20 specialization-alternate-inference: a specialization is an alternate
21 specialization-attributes-inference: a specialization has the attributes of what it specializes
22 key-object: an identifier of an entity, activity or agent names one of them
23 key-properties: an identifier of a relation names one of them
24 unique-generation: an entity has one generation by an activity
25 unique-invalidation: an entity has one invalidation by an activity
26 unique-wasStartedBy: an activity has one start by a starter
27 unique-wasEndedBy: an activity has one end by an ender
28 unique-startTime: an activity has the time of its starts
29 unique-endTime: an activity has the time of its ends
30 start-precedes-end: an activity starts before it ends
31 start-start-ordering: all starts of an activity happen at once
32 end-end-ordering: all ends of an activity happen at once
33 usage-within-activity: an activity uses between its start and its end
34 generation-within-activity: an activity generates between its start and its end
35 wasInformedBy-ordering: the informant starts before the informed activity ends
36 generation-precedes-invalidation: an entity is generated before it is invalidated
37 generation-precedes-usage: an entity is generated before it is used
38 usage-precedes-invalidation: an entity is used before it is invalidated
39 generation-generation-ordering: all generations of an entity happen at once
40 invalidation-invalidation-ordering: all invalidations of an entity happen at once
41 derivation-usage-generation-ordering: a derivation uses the one entity before it generates the other
42 derivation-generation-generation-ordering: an entity is generated before what is derived from it
43 wasStartedBy-ordering: a trigger exists when it starts an activity
44 wasEndedBy-ordering: a trigger exists when it ends an activity
45 specialization-generation-ordering: a specialization is not generated before what it specializes
46 specialization-invalidation-ordering: a specialization is not invalidated after what it specializes
47 wasAssociatedWith-ordering: an agent exists during an activity that it is associated with
48 wasAttributedTo-ordering: an agent exists before an entity that is attributed to it is generated
49 actedOnBehalfOf-ordering: the responsible agent exists before the delegate ends
50 typing: an argument has the type that its place demands
51 impossible-unspecified-derivation-generation-use: without an activity, no generation or usage
52 impossible-specialization-reflexive: an entity does not specialize itself
53 impossible-property-overlap: an identifier does not name relations of two kinds
54 impossible-object-property-overlap: an identifier does not name an element and a relation
55 entity-activity-disjoint: an entity is no activity
56 membership-empty-collection: an empty collection has no member
"""


def _rule(line: str) -> Rule:
    number, _, rest = line.partition(" ")
    name, _, title = rest.partition(": ")
    return Rule(int(number), name, title, f"{_CONSTRAINTS}#{name}")


RULES: Final[dict[int, Rule]] = {int(line.split()[0]): _rule(line) for line in _TABLE.split("\n") if line}
"""The inferences and constraints of PROV-CONSTRAINTS by their numbers, 5 to 56."""

ARGUMENT: Final = Rule(
    None,
    "required-argument",
    "a statement has the arguments that its kind demands",
    "https://www.w3.org/TR/prov-dm/#prov-dm-types-and-relations",
)
"""PROV-DM section 5: some arguments must be there, and PROV-N has no ``-`` in their place."""

MENTION: Final = Rule(
    None,
    "unique-mention",
    "an entity is a mention of one entity in one bundle",
    "https://www.w3.org/TR/prov-links/#unique-mention",
)
"""PROV-LINKS section 4."""


def _dictionary(name: str, title: str) -> Rule:
    return Rule(None, name, title, "https://www.w3.org/TR/prov-dictionary/")


INSERTED: Final = _dictionary(
    "insertion-membership-inference", "what is inserted into a dictionary is a member of it"
)
"""PROV-Dictionary: an insertion says what is under its keys in the dictionary that it makes."""

INSERTION_KEEPS: Final = _dictionary(
    "insertion-kept-membership-inference", "an insertion keeps what is under other keys"
)
"""PROV-Dictionary: an insertion leaves the other keys as they are."""

REMOVAL_KEEPS: Final = _dictionary(
    "removal-kept-membership-inference", "a removal keeps what is under other keys"
)
"""PROV-Dictionary: a removal leaves the other keys as they are."""

ONE_ENTITY: Final = _dictionary("unique-dictionary-key", "a dictionary has one entity under a key")
"""PROV-Dictionary: a key is unique."""

REMOVED: Final = _dictionary(
    "impossible-removed-member", "a dictionary has no member under a key removed from it"
)
"""PROV-Dictionary: a removal says which keys the dictionary that it makes has not."""

ONE_ORIGIN: Final = _dictionary(
    "unique-insertion-removal", "a dictionary is made by one insertion or removal"
)
"""PROV-Dictionary: two insertions, or two removals, that make the same dictionary say the same."""

TWO_ORIGINS: Final = _dictionary(
    "impossible-insertion-removal", "a dictionary is not made by an insertion and by a removal"
)
"""PROV-Dictionary: an insertion and a removal do not make the same dictionary."""
