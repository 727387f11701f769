"""PROV-CONSTRAINTS taken at its word: every rule as it is written, for documents of some lines.

Facts are tuples ``(name, identifier, argument, …)``. All existential variables are made, all inferences are
drawn until nothing new follows, all events are ordered pair by pair. Nothing is shared with the validator,
which draws only the inferences that matter and orders only the events that can be on a cycle.
"""

from __future__ import annotations

from itertools import product

from trilha.prov import PLACEHOLDER, PROV, Document, Kind

NOTHING = "-"


class Invalid(Exception):
    """Raised where a constraint fails; its argument is the number."""


class Unknown:
    """An existential variable."""


def verdict(document: Document) -> int | None:
    """None if every instance of the document is valid, else the number of a constraint that fails."""
    try:
        for records in (document.records, *(bundle.records for bundle in document.bundles.values())):
            _Chase(records).run()
    except Invalid as failure:
        return failure.args[0]
    return None


class _Chase:
    def __init__(self, records):
        self.facts = set()
        self.types = set()
        for record in records:
            self._expand(record)

    def _expand(self, record):
        kind, name, *arguments, _ = record
        for cell, argument in enumerate(kind.arguments):
            if argument.required and arguments[cell] in (None, PLACEHOLDER) and (kind, cell) != (13, 1):
                raise Invalid(0)
        given = [None if one is PLACEHOLDER else one for one in arguments]
        fixed = {Kind.ASSOCIATION: {2}, Kind.DERIVATION: {2}}.get(kind, set())
        if kind == Kind.DERIVATION and given[2] is None:
            if given[3] is not None or given[4] is not None:
                raise Invalid(51)
            fixed = {2, 3, 4}
        terms = [
            one if one is not None else NOTHING if cell in fixed else Unknown()
            for cell, one in enumerate(given)
        ]
        if kind in (Kind.SPECIALIZATION, Kind.ALTERNATE, Kind.MEMBERSHIP, Kind.MENTION):
            self.facts.add((kind.provn, *terms))
            if kind == Kind.MENTION:
                self.facts.add(("specializationOf", *terms[:2]))
        else:
            self.facts.add((kind.provn, name if name is not None else Unknown(), *terms))
        if kind == Kind.ENTITY:
            self.types |= {(record.id, value) for key, value in record.attributes if key == PROV["type"]}

    def of(self, name):
        return [fact[1:] for fact in self.facts if fact[0] == name]

    def run(self):
        self._close()
        self._check_order()
        self._check_types()
        self._check_impossible()

    # ------------------------------------------------------------------------------------------- the chase

    def _close(self):
        while self._equate() or self._infer():
            pass

    def _equate(self):
        for one, other, number in self._equations():
            if one != other:
                self._same(one, other, number)
                return True
        return False

    def _equations(self):
        """22 to 29, and that of PROV-LINKS."""
        for name in ("activity", *_DISJOINT, *_OTHERS):
            for x, y in product(self.of(name), repeat=2):
                if x[0] == y[0]:
                    yield from ((i, j, 22 if name == "activity" else 23) for i, j in zip(x, y, strict=True))
        for name, cell, number in (
            ("wasGeneratedBy", 2, 24),
            ("wasInvalidatedBy", 2, 25),
            ("wasStartedBy", 3, 26),
            ("wasEndedBy", 3, 27),
        ):
            for x, y in product(self.of(name), repeat=2):
                if x[1] == y[1] and x[cell] == y[cell]:
                    yield x[0], y[0], number
        for name, cell, number in (("wasStartedBy", 1, 28), ("wasEndedBy", 2, 29)):
            for a, x in product(self.of("activity"), self.of(name)):
                if a[0] == x[1]:
                    yield a[cell], x[4], number
        for x, y in product(self.of("mentionOf"), repeat=2):
            if x[0] == y[0]:
                yield x[1], y[1], 1
                yield x[2], y[2], 1

    def _same(self, one, other, number):
        if not isinstance(one, Unknown):
            one, other = other, one
        if not isinstance(one, Unknown):
            raise Invalid(number)
        self.facts = {tuple(other if term is one else term for term in fact) for fact in self.facts}
        self.types = {tuple(other if term is one else term for term in fact) for fact in self.types}

    def _infer(self):
        before = len(self.facts) + len(self.types)
        for fact in list(self.facts):
            self._infer_from(*fact)
        for (_, e, a1, _), (_, a2, e2, _) in product(self.of("wasGeneratedBy"), self.of("used")):
            if e == e2:
                self._there("wasInformedBy", None, a2, a1)  # 6
        for (x, y), (y2, z) in product(self.of("specializationOf"), repeat=2):
            if y == y2:
                self._there("specializationOf", x, z)  # 19
        for x, y in self.of("specializationOf"):
            if ("entity", y) in self.facts:
                self._there("entity", x)  # 21
                self.types |= {(x, kind) for name, kind in set(self.types) if name == y}
        return len(self.facts) + len(self.types) > before

    def _infer_from(self, name, *x):
        if name == "wasInformedBy":  # 5
            self._communicated(x[1], x[2])
        elif name == "entity":  # 7
            self._there("wasGeneratedBy", None, x[0], None, None)
            self._there("wasInvalidatedBy", None, x[0], None, None)
        elif name == "activity":  # 8
            self._there("wasStartedBy", None, x[0], None, None, x[1])
            self._there("wasEndedBy", None, x[0], None, None, x[2])
        elif name in ("wasStartedBy", "wasEndedBy"):  # 9, 10
            self._there("wasGeneratedBy", None, x[2], x[3], None)
        elif name == "wasDerivedFrom" and x[3] != NOTHING:  # 11
            self._there("used", x[5], x[3], x[2], None)
            self._there("wasGeneratedBy", x[4], x[1], x[3], None)
        elif name == "wasAttributedTo":  # 13
            self._attributed(x[1], x[2])
        elif name == "actedOnBehalfOf":  # 14
            self._there("wasAssociatedWith", None, x[3], x[1], None)
            self._there("wasAssociatedWith", None, x[3], x[2], None)
        if name.startswith(("was", "used", "acted")):  # 15
            self._there("wasInfluencedBy", x[0], x[1], x[2])

    def _there(self, name, *wanted):
        """Add a fact unless one is there that says as much; None is anything."""
        for fact in self.of(name):
            if all(one is None or one == other for one, other in zip(wanted, fact, strict=True)):
                return
        self.facts.add((name, *(Unknown() if one is None else one for one in wanted)))

    def _communicated(self, a2, a1):
        made = {e for _, e, a, _ in self.of("wasGeneratedBy") if a == a1}
        if not any(a == a2 and e in made for _, a, e, _ in self.of("used")):
            e = Unknown()
            self._there("wasGeneratedBy", None, e, a1, None)
            self._there("used", None, a2, e, None)

    def _attributed(self, e, agent):
        makers = {a for _, x, a, _ in self.of("wasGeneratedBy") if x == e}
        if not any(a in makers and x == agent for _, a, x, _ in self.of("wasAssociatedWith")):
            a = Unknown()
            self._there("wasGeneratedBy", None, e, a, None)
            self._there("wasAssociatedWith", None, a, agent, None)

    # ------------------------------------------------------------------------------------------- the checks

    def _check_order(self):
        before = set(self._precedences())
        events = {event for one, other, _ in before for event in (one, other)}
        while True:
            more = {(x, z, s or t) for (x, y, s), (y2, z, t) in product(before, repeat=2) if y == y2} - before
            if not more:
                break
            before |= more
        if any((event, event, True) in before for event in events):
            raise Invalid(42)

    def _precedences(self):
        """30 to 49: pairs of events, and whether strictly. An event is its kind and its identifier."""
        gen = [(("g", x[0]), x[1], x[2]) for x in self.of("wasGeneratedBy")]
        use = [(("u", x[0]), x[2], x[1]) for x in self.of("used")]
        inv = [(("i", x[0]), x[1], x[2]) for x in self.of("wasInvalidatedBy")]
        start = [(("s", x[0]), x[1], x[2]) for x in self.of("wasStartedBy")]
        end = [(("e", x[0]), x[1], x[2]) for x in self.of("wasEndedBy")]

        def pair(ones, others, one, other):
            return ((x[0], y[0], False) for x, y in product(ones, others) if x[one] == y[other])

        yield from pair(start, end, 1, 1)  # 30
        yield from pair(start, start, 1, 1)  # 31
        yield from pair(end, end, 1, 1)  # 32
        yield from pair(start, use, 1, 2)  # 33
        yield from pair(use, end, 2, 1)
        yield from pair(start, gen, 1, 2)  # 34
        yield from pair(gen, end, 2, 1)
        yield from pair(gen, inv, 1, 1)  # 36
        yield from pair(gen, use, 1, 1)  # 37
        yield from pair(use, inv, 1, 1)  # 38
        yield from pair(gen, gen, 1, 1)  # 39
        yield from pair(inv, inv, 1, 1)  # 40
        yield from pair(gen, start, 1, 2)  # 43
        yield from pair(start, inv, 2, 1)
        yield from pair(gen, end, 1, 2)  # 44
        yield from pair(end, inv, 2, 1)
        for x in self.of("wasDerivedFrom"):
            if x[3] != NOTHING:
                yield ("u", x[5]), ("g", x[4]), False  # 41
            yield from self._between(gen, x[2], gen, x[1], strict=True)  # 42
        for _, a2, a1 in self.of("wasInformedBy"):
            yield from self._between(start, a1, end, a2)  # 35
        for specific, general in self.of("specializationOf"):
            yield from self._between(gen, general, gen, specific)  # 45
            yield from self._between(inv, specific, inv, general)  # 46
        for _, a, agent, _ in self.of("wasAssociatedWith"):  # 47
            yield from self._between(start, a, inv, agent)
            yield from self._between(gen, agent, end, a)
            yield from self._between(start, a, end, agent)
            yield from self._between(start, agent, end, a)
        for _, e, agent in self.of("wasAttributedTo"):  # 48
            yield from self._between(gen, agent, gen, e)
            yield from self._between(start, agent, gen, e)
        for _, delegate, responsible, _ in self.of("actedOnBehalfOf"):  # 49
            yield from self._between(gen, responsible, inv, delegate)
            yield from self._between(start, responsible, end, delegate)

    def _between(self, ones, one, others, other, *, strict=False):
        return ((x[0], y[0], strict) for x, y in product(ones, others) if x[1] == one and y[1] == other)

    def _check_types(self):
        """50, 55 and 56."""
        entities, activities = set(), set()
        for name, *x in self.facts:
            for cells, found in ((_ENTITY.get(name, ()), entities), (_ACTIVITY.get(name, ()), activities)):
                found.update(x[cell] for cell in cells if x[cell] != NOTHING)
        if entities & activities:
            raise Invalid(55)
        empty = {x for x, kind in self.types if kind == PROV["EmptyCollection"]}
        if any(collection in empty for collection, _ in self.of("hadMember")):
            raise Invalid(56)

    def _check_impossible(self):
        """52 to 54."""
        if any(x == y for x, y in self.of("specializationOf")):
            raise Invalid(52)
        names = [{x[0] for x in self.of(name)} for name in _DISJOINT]
        if len(set().union(*names)) < sum(map(len, names)):
            raise Invalid(53)
        relations = set().union(*names, *({x[0] for x in self.of(name)} for name in _OTHERS))
        if relations & {x[0] for name in ("entity", "activity", "agent") for x in self.of(name)}:
            raise Invalid(54)


_DISJOINT = (
    *("used", "wasGeneratedBy", "wasInvalidatedBy", "wasStartedBy", "wasEndedBy", "wasInformedBy"),
    *("wasAttributedTo", "wasAssociatedWith", "actedOnBehalfOf"),
)
_OTHERS = ("wasDerivedFrom", "wasInfluencedBy")
_ENTITY = {
    "entity": [0],
    "wasGeneratedBy": [1],
    "used": [2],
    "wasStartedBy": [2],
    "wasEndedBy": [2],
    "wasInvalidatedBy": [1],
    "wasDerivedFrom": [1, 2],
    "wasAttributedTo": [1],
    "wasAssociatedWith": [3],
    "specializationOf": [0, 1],
    "alternateOf": [0, 1],
    "mentionOf": [0, 1, 2],
    "hadMember": [0, 1],
}
_ACTIVITY = {
    "activity": [0],
    "wasGeneratedBy": [2],
    "used": [1],
    "wasInformedBy": [1, 2],
    "wasStartedBy": [1, 3],
    "wasEndedBy": [1, 3],
    "wasInvalidatedBy": [2],
    "wasDerivedFrom": [3],
    "wasAssociatedWith": [1],
    "actedOnBehalfOf": [3],
}
