"""`trilha.autolog` in a script."""

from textwrap import dedent

import pytest
from tests.capture.graph import Graph
from tests.capture.launching import Twice

import trilha
from trilha.prov import Kind


def test_what_follows_is_recorded_to_the_end_of_the_script(run_program, store):
    program = """
    import trilha
    run = trilha.autolog("a script", lr=0.1)
    with open("out", "w") as file:
        file.write("x")
    print(run.name, len(run.id))
    """
    assert run_program(program).stdout == "a script 36\n"
    graph = Graph(store.folder)
    assert graph.run["label"] == ["a script"]
    assert graph.run["arg.lr"] == [0.1]
    assert graph.run["status"] == ["finished"]
    assert ("out", "run") in graph.generations()
    plans = [record[4] for record in graph.of(Kind.ASSOCIATION) if str(record[2]).endswith("#run")]
    assert [graph.label(plan) for plan in plans] == ["program.py"]


def test_the_name_is_the_scripts_by_default(run_program, store):
    run_program("import trilha\ntrilha.autolog()\n")
    assert Graph(store.folder).run["label"] == ["program"]


def test_an_exception_that_ends_the_script_ends_the_run(run_program, store):
    run_program("import trilha\ntrilha.autolog()\n1 / 0\n", check=False)
    assert store.run()["status"] == "failed"
    assert store.run()["exception"] == "ZeroDivisionError: division by zero"


def test_calling_it_again_goes_on_with_the_same_run(run_program, store):
    program = """
    import trilha
    first = trilha.autolog("one", a=1)
    second = trilha.autolog("two", b=2)
    print(first is second, second.name)
    """
    assert run_program(program).stdout == "True one\n"
    assert len({journal.head.run for journal in store.journals()}) == 1
    assert (store.run()["arg.a"], store.run()["arg.b"]) == (1, 2)


@pytest.mark.parametrize("ending", ["trilha.finish()", "run.finish()", "run.__exit__(None, None, None)"])
def test_it_is_ended_once_and_another_may_begin(ending, run_program, store):
    program = f"""
    import trilha
    run = trilha.autolog("one")
    {ending}
    {ending}
    open("between", "w").close()
    print(trilha.autolog("two").id != run.id)
    """
    assert run_program(program).stdout == "True\n"
    assert len({journal.head.run for journal in store.journals()}) == 2
    assert "between" not in store.labels()


def test_as_a_context_manager_it_ends_with_the_block(run_program, store):
    program = """
    import trilha
    try:
        with trilha.autolog("block") as run:
            raise ValueError("no")
    except ValueError:
        print(run)
    """
    assert run_program(program).stdout.startswith("<trilha run 'block' ")
    assert store.run()["status"] == "failed"
    assert store.run()["exception"] == "ValueError: no"


def test_in_a_run_that_is_recorded_already_it_adds_to_that_and_ends_nothing(twice, store):
    source = (
        "import trilha\nwith trilha.autolog('inner', a=1): pass\ntrilha.finish()\nopen('out', 'w').close()\n"
    )
    twice.write("s.py", source)
    assert twice.recorded("s.py")[0] == 0
    assert len(store.journals()) == 1
    assert store.run()["label"] == "s"
    assert store.run()["arg.a"] == 1
    assert "out" in store.labels()


def test_a_store_that_cannot_be_made_is_one_warning(run_program):
    done = run_program("import trilha\nrun = trilha.autolog(store='/proc/no')\nprint(repr(run.id), run)\n")
    assert done.stdout == "'' <trilha run 'program' not recorded>\n"
    assert done.stderr.count("\n") == 1


def test_a_wrong_call_is_a_usage_error():
    with pytest.raises(trilha.errors.UsageError, match="takes a name, not int"):
        trilha.autolog(3)
    with pytest.raises(trilha.errors.UsageError, match="takes the path of a folder, not int"):
        trilha.autolog(store=3)


TRAIN = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
with open("labels") as file:
    labels = torch.tensor([int(word) for word in file.read().split()])
loader = DataLoader(TensorDataset(torch.randn(8, 4), labels), batch_size=4)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for epoch in range(2):
    for a, b in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(a), b).backward()
        optimizer.step()
    scheduler.step()
torch.save(net.state_dict(), "model.pt")
"""


@pytest.mark.parametrize("imported", ["before", "after"])
def test_a_training_leaves_the_same_graph_as_under_trilha_run(imported, run_program, tmp_path, store):
    (tmp_path / "labels").write_text("0 1 0 1 1 0 1 0")
    begin = "import trilha; trilha.autolog()\n"
    source = dedent(TRAIN)
    if imported == "before":
        source = source.replace("torch.manual_seed", begin + "torch.manual_seed")
    else:
        source = begin + source
    run_program(source)
    one = Graph(store.folder)
    twice = Twice(tmp_path, type(store)(tmp_path / "other"))
    twice.write("program.py", dedent(TRAIN))
    assert twice.recorded("program.py", grain="file")[0] == 0
    other = Graph(tmp_path / "other")

    def shape(graph):
        """What is stated of what, by labels; which packages were imported before is not the script's."""
        for facts in graph.about.values():
            facts["label"] = facts["label"] or ["metrics"]
        return {
            "types": sorted(
                (graph.label(name), str(kind))
                for name, facts in graph.about.items()
                for kind in set(facts["type"])
                if not str(name).startswith("pkg:")
            ),
            "used": sorted(set(graph.usages())),
            "generated": sorted(graph.generations()),
            "derived": sorted(graph.derivations()),
            "started": sorted(graph.starters().items()),
        }

    for what, found in shape(one).items():
        assert found == shape(other)[what], what
