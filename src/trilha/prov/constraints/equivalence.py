"""Whether two documents say the same (PROV-CONSTRAINTS sections 2.4, 6.1 and 6.2: equivalence).

Two valid documents are equivalent if their normal forms are isomorphic: the same statements but for the names
of variables, bundle by bundle. The recommendation says nothing about documents that are not valid; they are
equivalent to nothing here. Variables hang together in blocks (`folding`); blocks are told apart by colours
that are refined until nothing changes (Weisfeiler and Leman 1968), and where that leaves several variables
alike, one after the other is tried, within a budget. When that ends, the answer is that it is not known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.constraints.chase import Fact
from trilha.prov.constraints.folding import blocks
from trilha.prov.constraints.normal import LIMIT, Normal, normalized
from trilha.prov.constraints.terms import is_variable
from trilha.prov.constraints.validation import validate
from trilha.prov.document import Bundle, Document
from trilha.prov.terms import Kind

__all__ = ["Answer", "equivalent"]

_WORK: Final = 1_000_000
"""So many facts are looked at, about, to colour a block of variables once, or to match two."""
_LAST: Final = Kind.MEMBERSHIP


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether two documents are equivalent. It is true only if they are.

    Attributes:
        equivalent: True or False; None if it could not be found out.
        reason: why not, or why it is not known; empty if they are.
    """

    equivalent: bool | None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.equivalent is True

    def __str__(self) -> str:
        word = {True: "equivalent", False: "not equivalent", None: "not known"}[self.equivalent]
        return f"{word}: {self.reason}" if self.reason else word


def equivalent(one: Document, other: Document, limit: int = LIMIT) -> Answer:
    """Whether two documents say the same, with all that follows from what they state.

    Neither order, nor repetition, nor prefixes, nor the names of variables count, nor whether something is
    stated that follows anyway. A document that is not valid is equivalent to none.

    Args:
        one: a document.
        other: another one.
        limit: so many statements may follow, of a document or of a bundle; if more do, it is not known.

    Example:
        >>> stated, expanded = Document({"ex": "http://example.org/"}), Document({"ex": "http://example.org/"})
        >>> record = stated.entity("ex:report")
        >>> record = expanded.entity("ex:report")
        >>> record = expanded.was_generated_by("ex:report")
        >>> equivalent(stated, expanded).equivalent
        True
    """
    for document, which in ((one, "first"), (other, "second")):
        verdict = validate(document)
        if not verdict.valid:
            return Answer(False, f"the {which} document is not valid: {verdict.violations[0]}")
    if one.bundles.keys() != other.bundles.keys():
        alone = sorted(one.bundles.keys() ^ other.bundles.keys())
        return Answer(False, f"only one of them has the bundle {alone[0]}")
    pairs: list[tuple[Document | Bundle, Document | Bundle, str]] = [(one, other, "")]
    pairs += [(one.bundles[name], other.bundles[name], f"in the bundle {name}: ") for name in one.bundles]
    unknown: Answer | None = None
    for mine, theirs, where in pairs:
        if mine.says_as(theirs):
            continue
        found = _instances(mine, theirs, limit)
        if found.equivalent is False:
            return Answer(False, where + found.reason)
        if found.equivalent is None:
            unknown = Answer(None, where + found.reason)
    return Answer(True) if unknown is None else unknown


def _instances(one: Document | Bundle, other: Document | Bundle, limit: int) -> Answer:
    try:
        mine, theirs = normalized(one, limit), normalized(other, limit)
    except UsageError as error:
        return Answer(None, str(error))
    here, there = _Instance(mine), _Instance(theirs)
    if here.constant != there.constant:
        count = len(here.constant ^ there.constant)
        return Answer(
            False,
            f"{count} statement{'s' * (count > 1)} without variables that follow{'s' * (count == 1)} from one"
            f" {'do' if count > 1 else 'does'} not follow from the other",
        )
    matched = here.matches(there)
    if matched is False and not (mine.whole and theirs.whole):
        matched = None
    if matched is None:
        return Answer(
            None, "too many variables look alike: no match of all of them was found in the time given"
        )
    if not matched:
        return Answer(False, "what is there but not named, in one of them, does not match the other")
    return Answer(True)


class _Instance:
    """A normal form, as facts without variables, and blocks."""

    def __init__(self, normal: Normal) -> None:
        self.facts = normal.facts
        self.marks = [frozenset(pairs) for pairs in normal.attributes]
        self.blocks = [
            _Block([(self.facts[n], self.marks[n]) for n in some]) for some in blocks(normal.facts)
        ]
        self.constant = {
            (fact[1].key if fact[0] > _LAST else fact, mark)
            for fact, mark in zip(self.facts, self.marks, strict=True)
            if fact[0] > _LAST or not any(map(is_variable, fact[1:]))
        }

    def matches(self, other: _Instance) -> bool | None:
        """Whether each block has one of the other instance for itself; None if that is not known."""
        theirs: dict[Any, list[_Block]] = {}
        for block in other.blocks:
            theirs.setdefault(block.shape, []).append(block)
        mine: dict[Any, list[_Block]] = {}
        for block in self.blocks:
            mine.setdefault(block.shape, []).append(block)
        if {shape: len(some) for shape, some in mine.items()} != {s: len(some) for s, some in theirs.items()}:
            return False
        unknown = False
        for shape, some in mine.items():
            left = theirs[shape]
            for block in some:
                found: bool | None = False
                for number, candidate in enumerate(left):
                    found = block.matches(candidate)
                    if found is not False:
                        del left[number]
                        break
                if found is False:
                    return None if unknown else False
                unknown |= found is None
        return None if unknown else True


Marked = tuple[Fact, frozenset[Any]]
Colours = dict[Any, int]


class _Block:
    """Facts that hang together by their variables.

    Attributes:
        facts: with what two equal sets of attributes share.
        shape: two blocks that match have the same.
    """

    def __init__(self, facts: list[Marked]) -> None:
        self.facts = facts
        variables = dict.fromkeys(term for fact, _ in facts for term in fact[1:] if is_variable(term))
        self.colours, self.shape, _ = _refined(facts, dict.fromkeys(variables, 0))

    def matches(self, other: _Block) -> bool | None:
        """Whether the variables can be renamed so that the facts are those of the other one."""
        self._left = _WORK
        return self._match(self.colours, other, other.colours)

    def _match(self, mine: Colours, other: _Block, theirs: Colours) -> bool | None:
        classes, counterparts = _classes(mine), _classes(theirs)
        several = [colour for colour, some in classes.items() if len(some) > 1]
        if not several:
            names = {some[0]: counterparts[colour][0] for colour, some in classes.items()}
            renamed = {(_renamed(fact, names), mark) for fact, mark in self.facts}
            return renamed == set(other.facts)
        chosen = min(several, key=lambda colour: len(classes[colour]))
        fresh = len(mine) + len(self.facts)
        here, shape, work = _refined(self.facts, {**mine, classes[chosen][0]: fresh})
        for candidate in counterparts[chosen]:
            self._left -= work
            if self._left < 0:
                return None
            there, as_there, _ = _refined(other.facts, {**theirs, candidate: fresh})
            if shape == as_there:
                found = self._match(here, other, there)
                if found is not False:
                    return found
        return False


def _classes(colours: Colours) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for variable, colour in colours.items():
        found.setdefault(colour, []).append(variable)
    return found


def _renamed(fact: Fact, names: dict[Any, Any]) -> Fact:
    return (fact[0], *(names.get(term, term) if is_variable(term) else term for term in fact[1:]))


def _refined(facts: list[Marked], colours: Colours) -> tuple[Colours, Any, int]:
    """Colours that tell variables apart by all that is said of them, and what all of it comes to.

    Returns:
        The colours; what two blocks that match share; how many facts were looked at.
    """
    users: dict[Any, list[tuple[int, int]]] = {variable: [] for variable in colours}
    for number, (fact, _) in enumerate(facts):
        for cell, term in enumerate(fact[1:], 1):
            if is_variable(term):
                users[term].append((number, cell))
    several = len(set(colours.values()))
    rounds = 0
    while rounds < max(4, _WORK // len(facts)):  # fewer tell less apart, but the same in both documents
        rounds += 1
        seen = [hash((_coloured(fact, colours), mark)) for fact, mark in facts]
        colours = {
            variable: hash((colours[variable], tuple(sorted(hash((cell, seen[n])) for n, cell in some))))
            for variable, some in users.items()
        }
        now = len(set(colours.values()))
        if now == several:
            break
        several = now
    shape = hash(tuple(sorted(hash((_coloured(fact, colours), mark)) for fact, mark in facts)))
    counts = tuple(sorted(Counter(colours.values()).values()))
    return colours, (len(facts), shape, counts), rounds * len(facts)


def _coloured(fact: Fact, colours: Colours) -> Fact:
    return (fact[0], *((_HOLE, colours[term]) if is_variable(term) else term for term in fact[1:]))


_HOLE: Final = object()
"""Tells a colour from a term."""
