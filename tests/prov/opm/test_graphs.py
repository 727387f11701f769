"""What is legal in OPM, and what follows from a graph."""

import pytest

from trilha.errors import UsageError
from trilha.prov.opm import (
    OPM,
    Annotation,
    Containment,
    Graph,
    Observed,
    completed,
    constructed,
    legality,
    multi_step,
)


def chain():
    """a3 derives from a2, and a2 from a1, which p1 generated; p2 used a3."""
    graph = Graph()
    for artifact in ("a1", "a2", "a3", "a4"):
        graph.artifact(artifact)
    for process in ("p1", "p2"):
        graph.process(process)
    graph.depends("wasGeneratedBy", "a1", "p1", "out")
    graph.depends("wasDerivedFrom", "a2", "a1")
    graph.depends("wasDerivedFrom", "a3", "a2")
    graph.depends("used", "p2", "a3", "in")
    graph.depends("wasGeneratedBy", "a4", "p2", "out")
    return graph


def two_accounts():
    graph = Graph()
    for account in ("green", "orange"):
        graph.account(account)
    graph.artifact("a", ["green", "orange"])
    graph.process("p", ["green"])
    graph.process("q", ["orange"])
    graph.depends("wasGeneratedBy", "a", "p", "out", accounts=("green",))
    graph.depends("wasGeneratedBy", "a", "q", "out", accounts=("orange",))
    return graph


def rules(graph):
    return [(fault.rule, fault.account) for fault in legality(graph).faults]


def test_an_artifact_may_be_generated_once_in_each_account():
    graph = two_accounts()
    assert legality(graph)
    graph.depends("wasGeneratedBy", "a", "q", "out", accounts=("green",))
    assert rules(graph) == [("generation", "green")]


def test_a_cycle_is_illegal_within_an_account_only():
    graph = two_accounts()
    graph.depends("used", "p", "a", "in", accounts=("orange",))
    assert legality(graph)
    graph.depends("used", "q", "a", "in", accounts=("orange",))
    assert rules(graph) == [("cycle", "orange")]
    assert (
        "a → q → a" in legality(graph).faults[0].message or "q → a → q" in legality(graph).faults[0].message
    )


def test_what_is_named_must_be_there():
    graph = Graph()
    graph.process("p")
    graph.depends("used", "p", "a", accounts=("red",))
    assert rules(graph) == [("reference", None), ("account", None)]


@pytest.mark.parametrize(
    ("time", "legal"),
    [
        (Observed("2010-01-15T08:25:03Z", "2010-01-15T08:25:05Z"), True),
        (Observed("2010-01-15T08:25:05Z", "2010-01-15T08:25:03Z"), False),
        (Observed("2010-01-15T08:25:05Z", exactly_at="2010-01-15T08:25:05Z"), False),
        (Observed("12:00:00", "11:00:00"), True),
    ],
)
def test_an_observed_time_is_an_interval_or_an_instant(time, legal):
    graph = Graph()
    graph.process("p")
    graph.artifact("a")
    graph.depends("used", "p", "a", time=time)
    assert bool(legality(graph)) is legal


def test_several_steps_are_derivations_between_use_and_generation():
    found = multi_step(chain())
    assert found.was_derived_from == {("a2", "a1"), ("a3", "a2"), ("a3", "a1")}
    assert found.used == {("p2", "a3"), ("p2", "a2"), ("p2", "a1")}
    assert found.was_generated_by == {("a1", "p1"), ("a2", "p1"), ("a3", "p1"), ("a4", "p2")}
    assert found.was_triggered_by == {("p2", "p1")}


def test_use_and_generation_are_no_derivation():
    assert ("a4", "a3") not in multi_step(chain()).was_derived_from


def test_completion_introduces_what_must_have_been():
    graph = Graph()
    graph.artifact("a1")
    graph.artifact("a2")
    graph.process("p1")
    graph.process("p2")
    graph.depends("wasDerivedFrom", "a2", "a1")
    graph.depends("wasTriggeredBy", "p2", "p1")
    made = completed(graph)
    (process,) = set(made.processes) - set(graph.processes)
    (artifact,) = set(made.artifacts) - set(graph.artifacts)
    pairs = {(edge.kind.value, edge.effect, edge.cause) for edge in made.dependencies}
    assert {("wasGeneratedBy", "a2", process), ("used", process, "a1")} <= pairs
    assert {("used", "p2", artifact), ("wasGeneratedBy", artifact, "p1")} <= pairs
    assert made.processes[process].properties(OPM["inferred"]) == [True]
    assert len(graph.dependencies) == 2
    assert legality(made)


def test_completion_eliminates_artifacts_and_adds_nothing_twice():
    graph = Graph()
    graph.artifact("a")
    graph.process("p1")
    graph.process("p2")
    graph.depends("used", "p2", "a")
    graph.depends("wasGeneratedBy", "a", "p1")
    once = completed(graph)
    assert [(e.effect, e.cause) for e in once.edges("wasTriggeredBy")] == [("p2", "p1")]
    assert completed(once) == once


def test_completion_does_not_mix_accounts():
    graph = two_accounts()
    graph.process("r", ["orange"])
    graph.depends("used", "r", "a", "in", accounts=("orange",))
    (edge,) = completed(graph).edges("wasTriggeredBy")
    assert (edge.effect, edge.cause, edge.accounts) == ("r", "q", ("orange",))


def test_a_container_depends_on_its_members_by_a_constructor():
    graph = Graph()
    for artifact in ("list", "a", "b"):
        graph.artifact(artifact)
    graph.containments = [Containment("list", "a", 0), Containment("list", "b", 1)]
    made = constructed(graph)
    assert [(e.cause, e.role.value) for e in made.edges("used")] == [("a", "element"), ("b", "element")]
    assert [(e.effect, e.role.value) for e in made.edges("wasGeneratedBy")] == [("list", "collection")]
    assert constructed(made) == made
    assert legality(made)


def test_refinement_is_what_accounts_declare():
    graph = Graph()
    graph.account("coarse")
    graph.account("fine", [Annotation.of(OPM["refines"], "coarse")])
    assert graph.refinements() == [("fine", "coarse")]


def test_a_view_has_what_its_dependencies_name():
    view = two_accounts().view("green")
    assert (set(view.artifacts), set(view.processes), len(view.dependencies)) == ({"a"}, {"p"}, 1)


def test_two_things_of_a_name_are_refused():
    graph = Graph()
    graph.artifact("a")
    graph.process("a")
    with pytest.raises(UsageError, match="the artifact a is there already"):
        graph.artifact("a")
