"""Hypothesis strategies for OPM graphs: everything that the model of OPM 1.1 has."""

from __future__ import annotations

from hypothesis import strategies as st
from strategies import AWARE, TAGS

from trilha.prov import Name
from trilha.prov.opm import (
    XML_LITERAL,
    Annotation,
    Containment,
    Dependency,
    DependencyKind,
    Graph,
    NodeKind,
    Observed,
    Property,
    Role,
)
from trilha.prov.values import literal

# Functions, not the classes: Hypothesis makes up what is left out of a named tuple.


def _annotation(*args, **more):
    return Annotation(*args, **more)


def _observed(*args, **more):
    return Observed(*args, **more)


def _role(*args):
    return Role(*args)


def _containment(*args):
    return Containment(*args)


def _property(key, value):
    return Property(key, value)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=6)
IRIS = st.sampled_from(["http://example.org/x", "http://example.org/y#z", "urn:x:1"])
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(),
    st.floats(),
    AWARE,
    IRIS.map(Name),
    st.builds(lambda text, tag: literal(text, None, tag), TEXTS, TAGS),
    st.builds(literal, TEXTS, IRIS.map(Name)),
    st.sampled_from([literal("<a>1</a>", XML_LITERAL), literal('<a xmlns="urn:x" b="1"/>', XML_LITERAL)]),
)
KEYS = st.one_of(IRIS, st.sampled_from(["key", "http://www.w3.org/ns/prov#label", ""]))
PROPERTIES = st.builds(_property, KEYS, VALUES)


def annotations(accounts, ids, *, depth=1):
    """Annotations, with identifiers of their own, of what these accounts say."""
    inner = st.lists(annotations(accounts, ids, depth=depth - 1), max_size=1) if depth else st.just([])
    more = {
        "accounts": st.lists(st.sampled_from(accounts), unique=True, max_size=2) if accounts else st.just([]),
        "annotations": inner,
        "properties": st.lists(PROPERTIES, max_size=2),
    }
    more = {key: some.map(tuple) for key, some in more.items()} | {"id": ids}
    full = more | {"properties": st.lists(PROPERTIES, min_size=1, max_size=2).map(tuple)}
    short = st.sampled_from(["label", "type", "profile", "pname"])
    return st.one_of(
        st.builds(Annotation.of, KEYS, VALUES),
        st.builds(_annotation, short, st.one_of(TEXTS, IRIS)),
        st.builds(_annotation, st.just("value"), VALUES, st.none() | IRIS),
        st.builds(_annotation, **full),
        st.builds(_annotation, short, IRIS, **more),
        st.builds(_annotation, st.just("value"), VALUES, st.none() | IRIS, **more),
    )


TIMES = st.one_of(
    AWARE.map(lambda when: when.isoformat()), st.sampled_from(["12:30:00", "2010-12-09T09:11:16Z"])
)
OBSERVED = st.one_of(
    st.none(),
    st.builds(_observed, exactly_at=TIMES),
    st.builds(_observed, st.none() | TIMES, st.none() | TIMES, clock=st.none() | st.just("clock")),
).map(lambda time: None if time == Observed() else time)


@st.composite
def graphs(draw, *, stars=True):
    """A graph, legal or not, that names nothing that it does not have."""
    graph = Graph(draw(st.none() | st.just("graph")))
    count = iter(range(10_000))
    ids = st.one_of(
        st.none(), st.builds(lambda iri: f"{'urn:i:' if iri else 'i'}{next(count)}", st.booleans())
    )
    for id in draw(st.lists(st.sampled_from(["black", "red", "http://example.org/b"]), unique=True)):
        graph.account(id, draw(st.lists(annotations([], ids), max_size=1)))
    accounts = list(graph.accounts)
    stated = (st.lists(st.sampled_from(accounts), unique=True, max_size=3) if accounts else st.just([])).map(
        tuple
    )
    said = st.lists(annotations(accounts, ids), max_size=2).map(tuple)
    for kind, letter in zip(NodeKind, "apg", strict=True):
        for id in draw(
            st.lists(st.sampled_from([f"{letter}1", f"{letter}2", f"http://e.org/{letter}"]), unique=True)
        ):
            graph.node(kind, id, draw(stated), draw(said))
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from([kind for kind in DependencyKind if stars or not kind.is_multi_step]))
        effects, causes = (list(graph.nodes[end]) for end in kind.ends)
        if not effects or not causes:
            continue
        ends = draw(st.sampled_from(effects)), draw(st.sampled_from(causes))
        has_role = kind.value in {"used", "wasGeneratedBy", "wasControlledBy"}
        role = draw(st.builds(_role, st.none() | TEXTS, said, ids)) if has_role else None
        controlled = kind is DependencyKind.WAS_CONTROLLED_BY
        time = draw(OBSERVED) if not controlled and not kind.is_multi_step else None
        start, end = (draw(OBSERVED), draw(OBSERVED)) if controlled else (None, None)
        role = None if role == Role() else role
        graph.dependencies.append(
            Dependency(kind, *ends, role, draw(stated), time, start, end, draw(said), draw(ids))
        )
    if graph.artifacts:
        member = st.sampled_from(list(graph.artifacts))
        some = st.builds(_containment, member, member, st.none() | VALUES, stated)
        graph.containments = draw(st.lists(some, max_size=2))
    if len(accounts) > 1:
        graph.overlaps = [(accounts[0], accounts[1])]
    graph.annotations = draw(said)
    one = annotations(accounts, ids).filter(lambda one: one.kind == "annotation")
    graph.external = draw(st.lists(st.tuples(IRIS, one), max_size=1))
    return graph
