"""A run beside its plan: real runs of Parsl, of executors and of a plain script; and what is exported."""

import json
import os
import shutil
import subprocess
import sys
from textwrap import dedent

import pytest

import trilha.store
from trilha import formats
from trilha.errors import NotFound, UsageError
from trilha.prov import PROV, TRILHA, Kind
from trilha.query import planning, questions
from trilha.query.runs import find_run

P_PLAN = "http://purl.org/net/p-plan#"
PROVONE = "http://purl.dataone.org/provone/2015/01/15/ontology#"
TYPE = "http://www.w3.org/ns/prov#type"

HELPING = """
from parsl import python_app
@python_app
def elsewhere(x):
    return [x]
"""
FLOW = """
import os, sys
import parsl
from parsl import File, bash_app, python_app
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor
from helping import elsewhere
threads = ThreadPoolExecutor(label="work", max_threads=2)
parsl.load(Config(executors=[threads], run_dir="runinfo", initialize_logging=False))
@python_app
def make(n):
    return [n]
@python_app
def total(start, inputs=()):
    return [sum(part[0] for part in inputs) + start[0]]
@bash_app
def save(what, outputs=()):
    return f"echo {what[0]} > {outputs[0]}"
@python_app
def rarely(x):
    return [x[0]]
@python_app
def never(x):
    return x
made = [make(n) for n in range(3)]
found = total(elsewhere(10), inputs=made)
if len(sys.argv) > 1:
    found = rarely(found)
saved = save(found, outputs=[File(os.path.abspath("sum.txt"))])
print(open(saved.outputs[0].result().filepath).read().strip())
if not made:
    never(found)
parsl.dfk().cleanup()
"""


class Recorded:
    """A folder with a script and the store of its runs."""

    def __init__(self, folder, script):
        self.folder = folder
        (folder / "flow.py").write_text(dedent(script))
        (folder / "helping.py").write_text(HELPING)

    def cli(self, *words, status=0):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
        environment |= {"COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", "from trilha.cli import main; main()", "--store", "store", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def open(self):
        return trilha.store.open(self.folder / "store")

    def plan(self, run="last", *script):
        with self.open() as store:
            return questions.ask(store, "plan", *script, run=run)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """Two runs of a workflow: one without, and one with an argument."""
    recorded = Recorded(tmp_path_factory.mktemp("flow"), FLOW)
    assert recorded.cli("run", "--name", "plain", "flow.py").splitlines()[0] == "13"
    assert recorded.cli("run", "--name", "rare", "flow.py", "x").splitlines()[0] == "13"
    return recorded


def verdicts(answer, what):
    return {
        (row["name"], row["from"] if what == "channel" else ""): row["verdict"]
        for row in answer
        if row["what"] == what
    }


def test_each_step_is_told_with_how_often_it_ran(flow):
    answer = flow.plan("plain")
    steps = {row["name"]: (row["ran"], row["verdict"]) for row in answer if row["what"] == "step"}
    assert steps == {
        "make": (3, "as planned"),
        "total": (1, "as planned"),
        "save": (1, "as planned"),
        "rarely": (0, "never ran"),
        "never": (0, "never ran"),
        "helping.elsewhere": (1, "not planned"),
    }
    assert answer.summary["steps never ran"] == 2
    marks = {row["name"]: row["times"] for row in answer if row["what"] == "step" and "times" in row}
    assert marks == {
        "make": "often",
        "total": "once",
        "save": "once",
        "rarely": "perhaps",
        "never": "perhaps",
    }


def test_each_channel_is_told_with_how_often_it_was_used(flow):
    plain, rare = (
        {
            (row["from"], row["name"]): (row["ran"], row["verdict"])
            for row in flow.plan(run)
            if row["what"] == "channel"
        }
        for run in ("plain", "rare")
    )
    assert plain == {
        ("make.result", "total.inputs"): (3, "as planned"),
        ("total.result", "save.what"): (1, "as planned"),
    }
    assert rare == {
        ("make.result", "total.inputs"): (3, "as planned"),
        ("total.result", "rarely.x"): (1, "as planned"),
        ("rarely.result", "save.what"): (1, "as planned"),
        ("total.result", "save.what"): (0, "never used"),
    }


def test_the_command_line_tells_what_is_not_as_planned(flow):
    told = flow.cli("diff", "--plan", "plain", status=1)
    assert "never ran" in told
    assert "not planned" in told
    assert "as planned" not in told
    answer = json.loads(flow.cli("diff", "--plan", "plain", "--json", status=1))
    assert (answer["kind"], answer["same"]) == ("plan", False)
    assert {row["name"] for row in answer["rows"]} >= {"make", "never"}


def test_a_run_that_did_all_and_nothing_else_is_said_to(tmp_path):
    recorded = Recorded(
        tmp_path,
        """
    def load(n):
        return [n]
    def scale(values, by):
        return [value * by for value in values]
    print(scale(load(3), 2))
    """,
    )
    recorded.cli("run", "flow.py")
    assert "did what its script says" in recorded.cli("diff", "--plan", "last")
    rows = {row["name"]: row["ran"] for row in recorded.plan()}
    assert rows == {"load": 1, "scale": 1, "scale.values": 1}


def test_an_executor_has_a_plan_too(tmp_path):
    recorded = Recorded(
        tmp_path,
        """
    from concurrent.futures import ThreadPoolExecutor
    def load(n):
        return [n]
    def add(one, other):
        return [one[0] + other[0]]
    if __name__ == "__main__":
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.submit(load, 1), pool.submit(load, 2)
            print(pool.submit(add, one.result(), other.result()).result())
    """,
    )
    recorded.cli("run", "flow.py")
    rows = {row["name"]: (row["ran"], row["verdict"]) for row in recorded.plan()}
    assert rows == {
        "load": (2, "as planned"),
        "add": (1, "as planned"),
        "add.one": (1, "as planned"),
        "add.other": (1, "as planned"),
    }


def test_what_a_join_app_returns_is_planned_and_what_a_task_uses_of_itself_is_no_channel(tmp_path):
    recorded = Recorded(
        tmp_path,
        """
        import parsl, trilha
        from parsl import join_app, python_app
        from parsl.config import Config
        from parsl.executors import ThreadPoolExecutor
        threads = ThreadPoolExecutor(label="work", max_threads=2)
        parsl.load(Config(executors=[threads], run_dir="runinfo", initialize_logging=False))
        @trilha.step
        def inside(made):
            return [made]
        @trilha.step
        def further(made):
            return [made]
        @python_app
        def make(n):
            return further(inside([n]))
        @join_app
        def several(n):
            return [make(one) for one in range(n)]
        print(several(3).result())
        parsl.dfk().cleanup()
        """,
    )
    recorded.cli("run", "flow.py")
    rows = [row for row in recorded.plan().rows if row["what"] == "channel"]
    assert ("several.result", "make.result", 3, "as planned") in [
        (row["name"], row["from"], row["ran"], row["verdict"]) for row in rows
    ]
    assert not [row for row in rows if row["verdict"] == "not planned"]


def test_the_script_must_be_the_one_that_ran(tmp_path):
    recorded = Recorded(tmp_path, "def f(x):\n    return [x]\nf(1)\n")
    recorded.cli("run", "flow.py")
    shutil.move(tmp_path / "flow.py", tmp_path / "moved.py")
    with pytest.raises(NotFound, match=r"its script flow\.py is not here any more with the content that ran"):
        recorded.plan()
    assert len(recorded.plan("last", str(tmp_path / "moved.py"))) == 1
    (tmp_path / "flow.py").write_text("def g(): pass\n")
    with pytest.raises(NotFound, match="give a file that has it with --script FILE"):
        recorded.plan()
    with pytest.raises(UsageError, match="is not the script that flow ran: expected a file whose sha256 is"):
        recorded.plan("last", str(tmp_path / "flow.py"))


def test_without_a_script_there_is_no_plan(tmp_path):
    with trilha.run("none", store=tmp_path / "store"):
        pass
    with trilha.store.open(tmp_path / "store") as store:
        with pytest.raises(NotFound, match="no script was recorded that the run followed"):
            planning.plan_of_run(store, find_run(store, "last"))
        with pytest.raises(NotFound, match="0 runs are asked about"):
            questions.ask(store, "plan", where="name = other")


def test_two_runs_differ_in_tasks_arguments_and_times(flow):
    with flow.open() as store:
        rows = {
            (row["about"], row["name"]): (row["first"], row["second"])
            for row in questions.ask(store, "diff", "plain", "rare")
        }
    assert rows["task", "rarely"] == (None, 1)
    assert rows["outcome", "rarely: exec_done"] == (None, 1)
    assert ("task", "make") not in rows
    assert ("argument", "make.n") not in rows
    assert rows["time", "rarely"][1] > 0


# -- what is exported


def document(flow, profile, run="rare"):
    flow.cli("export", run, "-o", f"{profile}.provn", "--profile", profile)
    found = formats.read(flow.folder / f"{profile}.provn")
    verdict = found.validate()
    assert str(verdict) == "valid", verdict
    flow.cli("convert", f"{profile}.provn", f"{profile}.ttl")
    assert formats.read(flow.folder / f"{profile}.ttl") == found
    return found


def typed(document, iri):
    """The things of a type, by label."""
    found = {}
    for record in document:
        if record.kind <= Kind.AGENT and iri in record.values(TYPE):
            (label,) = record.values("http://www.w3.org/ns/prov#label") or [record.id]
            found.setdefault(label, []).append(record)
    return found


def test_provone_has_programs_ports_channels_and_executions(flow):
    told = document(flow, "provone")
    (workflow,) = typed(told, PROVONE + "Workflow")["flow.py"]
    programs = {name: one[0] for name, one in typed(told, PROVONE + "Program").items()}
    assert set(programs) == {"make", "total", "save", "rarely", "never"}
    assert set(workflow.values(PROVONE + "hasSubProgram")) == {one.id for one in programs.values()}
    ports = {name: one[0] for name, one in typed(told, PROVONE + "Port").items()}
    total = programs["total"]
    assert set(total.values(PROVONE + "hasInPort")) == {ports["total.inputs"].id, ports["total.start"].id}
    assert total.values(PROVONE + "hasOutPort") == [ports["total.result"].id]
    joined = set(ports["make.result"].values(PROVONE + "connectsTo"))
    assert len(joined & set(ports["total.inputs"].values(PROVONE + "connectsTo"))) == 1
    assert not joined & set(ports["save.what"].values(PROVONE + "connectsTo"))
    executions = typed(told, PROVONE + "Execution")
    assert len(executions["make"]) == 3
    plans = [(one[2], one[4]) for one in told if one.kind is Kind.ASSOCIATION]
    assert {(one.id, programs["make"].id) for one in executions["make"]} <= set(plans)
    files = {one.id: one for one in told if one.kind is Kind.ENTITY and one.value(TRILHA["path"])}
    (written,) = (
        one
        for one in told
        if one.kind is Kind.GENERATION
        and one[2] in files
        and files[one[2]].value(TRILHA["path"]).endswith("sum.txt")
    )
    assert written.values(PROVONE + "hadOutPort") == [ports["save.outputs"].id]
    used = [one for one in told if one.kind is Kind.USAGE and one.values(PROVONE + "hadInPort")]
    assert sum(one.values(PROVONE + "hadInPort") == [ports["total.inputs"].id] for one in used) == 3


def test_p_plan_has_steps_variables_and_what_corresponds_to_them(flow):
    told = document(flow, "p-plan")
    (plan,) = typed(told, P_PLAN + "Plan")["flow.py"]
    steps = {name: one[0] for name, one in typed(told, P_PLAN + "Step").items()}
    assert set(steps) == {"make", "total", "save", "rarely", "never"}
    assert all(one.values(P_PLAN + "isStepOfPlan") == [plan.id] for one in steps.values())
    assert set(steps["total"].values(P_PLAN + "isPrecededBy")) == {steps["make"].id}
    assert set(steps["save"].values(P_PLAN + "isPrecededBy")) == {steps["total"].id, steps["rarely"].id}
    variables = {name: one[0] for name, one in typed(told, P_PLAN + "Variable").items()}
    assert variables["make.result"].values(P_PLAN + "isOutputVarOf") == [steps["make"].id]
    assert variables["make.result"].id in steps["total"].values(P_PLAN + "hasInputVar")
    activities = typed(told, P_PLAN + "Activity")
    assert {name: len(one) for name, one in activities.items()} == {
        "make": 3,
        "total": 1,
        "save": 1,
        "rarely": 1,
    }
    assert all(one.values(P_PLAN + "correspondsToStep") == [steps["make"].id] for one in activities["make"])
    entities = [one for some in typed(told, P_PLAN + "Entity").values() for one in some]
    assert (
        sum(variables["make.result"].id in one.values(P_PLAN + "correspondsToVariable") for one in entities)
        == 3
    )


def test_a_file_that_a_step_wrote_without_its_being_asked_to_is_not_its_result(tmp_path):
    script = """
    def keep(number):
        with open("kept.txt", "w") as file:
            file.write(str(number))
        return [number]
    print(keep(3))
    """
    recorded = Recorded(tmp_path, script)
    recorded.cli("run", "--name", "plain", "flow.py")
    told = document(recorded, "provone", "plain")
    labels = {one.id: one.value(PROV["label"]) for one in told if one.kind is Kind.ENTITY}
    made = [one for one in told if one.kind is Kind.GENERATION and one.values(PROVONE + "hadOutPort")]
    assert "kept.txt" not in {labels[one[2]] for one in made}


def test_a_file_that_an_attempt_wrote_is_of_the_port_that_named_it(tmp_path):
    script = """
    import os
    import parsl
    from parsl import File, python_app
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor
    threads = ThreadPoolExecutor(label="work", max_threads=2)
    parsl.load(Config(executors=[threads], run_dir="runinfo", initialize_logging=False))
    @python_app
    def put(number, outputs=()):
        with open(outputs[0], "w") as file:
            file.write(str(number))
    put(3, outputs=[File(os.path.abspath("put.txt"))]).result()
    parsl.dfk().cleanup()
    """
    recorded = Recorded(tmp_path, script)
    recorded.cli("run", "--name", "plain", "flow.py")
    told = document(recorded, "provone", "plain")
    labels = {one.id: one.value(PROV["label"]) for one in told if one.kind is Kind.ENTITY}
    (written,) = [one for one in told if one.kind is Kind.GENERATION and labels.get(one[2]) == "put.txt"]
    ports = {name: one[0] for name, one in typed(told, PROVONE + "Port").items()}
    assert written.values(PROVONE + "hadOutPort") == [ports["put.outputs"].id]
    told = document(recorded, "p-plan", "plain")
    (file,) = [one for one in told if one.kind is Kind.ENTITY and one.value(PROV["label"]) == "put.txt"]
    variables = {name: one[0] for name, one in typed(told, P_PLAN + "Variable").items()}
    assert file.values(P_PLAN + "correspondsToVariable") == [variables["put.outputs"].id]


def test_an_unknown_profile_is_refused(flow):
    with flow.open() as store:
        run = find_run(store, "plain")
        found = planning.compared(store, run, planning.plan_of_run(store, run))
        with pytest.raises(UsageError, match="expected a profile, one of provone, p-plan"):
            planning.state_plan(store.document(run.uuid), store, run, found, "opmw")
