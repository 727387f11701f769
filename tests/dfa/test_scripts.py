"""Scripts written for DLProv, DNNProv and DfAnalyzer run unchanged and record, with no server."""

import itertools
import math

import pytest

from trilha.prov import Kind


def test_the_predefined_workflow_is_recorded_with_all_its_sets(ran, way):
    done = ran.run("predefined.py", way)
    assert done.stdout.endswith("Script finished.\n")
    told = ran.only()
    assert told.common() == {
        "optimizer": "Adam",
        "learning_rate": 0.002,
        "epochs": 3,
        "batch_size": 32,
        "layers": 11,
    }
    assert told.one("Training")["epochs"] == [3]
    assert told.one("Transformation")["arg.filter_type"] == ["Grayscale"]
    assert told.one("Split")["arg.train_size"] == [80]
    # What steps are given is known: the files of each part hold these rows of it.
    rows = {"rows 0 to 79", "rows 80 to 89", "rows 90 to 99"} if way == "trilha run" else set()
    assert {one["part"][0] for one in told.all("Subset")} == {"train", "validation", "test", *rows}
    rows = {one["name"][0] for one in told.all("Object") if "port" in one}
    assert rows == {
        *("iInputDataset", "oLoadData", "iFilter", "oFilter", "iSplitConfig", "oTrainSet", "oValSet"),
        *("oTestSet", "iTrain", "oTrain", "oTrainedModel", "oWeights", "oTest"),
    }


def test_epochs_are_a_block_in_which_nan_is_kept(ran):
    ran.run("predefined.py", "python")
    points = [one for one in ran.only("all").all("MetricPoint") if "epoch" in one]
    assert [one["epoch"][0] for one in points] == [1, 2, 3]
    assert [math.isnan(one["value.val_loss"][0]) for one in points] == [False, True, False]
    assert all(math.isnan(one["value.val_accuracy"][0]) for one in points)
    assert [one["value.accuracy"][0] for one in points] == [0.5, 0.6, 0.7]


def test_the_test_s_metrics_lead_back_to_the_raw_data(ran, way):
    ran.run("predefined.py", way)
    told = ran.only()
    derived = set(told.pairs(Kind.DERIVATION))
    chain = ["oTest", "oTrainedModel", "oTrainSet", "oFilter", "oLoadData", "iInputDataset"]
    assert set(itertools.pairwise(chain)) <= derived
    files = ["trained.npy", "train_x.npy", "gray.npy", "raw.npy"]
    assert set(itertools.pairwise(files)) <= derived
    assert ("oTrainedModel", "trained.npy") in told.pairs(Kind.MEMBERSHIP)
    assert all("sha256" in one for one in told.all("File"))
    assert "raw.npy" in ran.cli("lineage", "trained.npy").stdout


def test_tasks_are_informed_by_those_that_they_depend_on(ran, way):
    ran.run("predefined.py", way)
    informed = set(ran.only().pairs(Kind.COMMUNICATION))
    assert informed >= {
        ("ApplyFilter", "LoadData"),
        ("SplitData", "ApplyFilter"),
        ("Train", "SplitData"),
        ("Test", "SplitData"),
        ("Test", "Train"),
    }


def test_the_dataflow_is_a_plan_whose_steps_have_ports_and_are_followed(ran):
    ran.run("predefined.py", "python")
    told = ran.only()
    members = set(told.pairs(Kind.MEMBERSHIP))
    assert {("alexnet", f"alexnet.{tag}") for tag in ("loaddata", "applyfilter", "splitdata")} <= members
    assert {("alexnet.train", "otrainset"), ("alexnet.splitdata", "otrainset")} <= members
    followed = set(told.pairs(Kind.ASSOCIATION, 0, 2))
    assert {("Train", "alexnet.train"), ("Test", "alexnet.test")} <= followed
    assert any(plan == "alexnet" for _, plan in followed)
    people = {one["label"][0] for one in told._about.values() if "mailto" in str(one)} | {
        told.label(one.id) for one in told.records if one.kind is Kind.AGENT
    }
    assert "bob@fictional.com" in people


def test_tasks_may_name_the_dataflow_by_its_tag_and_learning_rates_adapt(ran, way):
    ran.run("older.py", way)
    told = ran.only()
    assert told.one("Training", "TrainingModel")["epochs"] == [4]  # scikit-learn's own are there, too
    changes = [one for one in told.all("Hyperparameter") if one["name"] == ["new_lrate"]]
    assert [(one["before"][0], one["value"][0]) for one in changes] == [(0.002, 0.001), (0.001, 0.0005)]
    assert [one["epoch"][0] for one in told.all("Adaptation")] == [1, 3]
    assert told.one("Step", "Adaptation")["state"] == ["FINISHED"]
    assert ("Adaptation", "TrainingModel") in told.pairs(Kind.COMMUNICATION)
    tested = [one for one in told.all("Metrics") if "last.loss" in one and "last.val_loss" not in one]
    assert [math.isnan(one["last.loss"][0]) for one in tested] == [True]
    trained = next(one for one in told.all("Metrics") if "last.val_loss" in one)
    assert trained["last.val_accuracy"] == [0.5]


def test_transformations_of_one_s_own_are_recorded_and_no_data_set_is_lost(ran, way):
    ran.run("custom.py", way)
    told = ran.only()
    rows = [one for one in told.all("Object") if one["name"] == ["oClean"]]
    assert [one["value.place"][0] for one in rows] == ["Recife", "Natal", "Olinda"]
    assert [str(one["value.degrees"][0]) for one in rows] == ["30", "31.5", "nan"]
    assert ("Summarize", "Clean") in told.pairs(Kind.COMMUNICATION)
    assert told.pairs(Kind.USAGE).count(("Summarize", "oClean")) == 3
    assert ("oMean", "oClean") in told.pairs(Kind.DERIVATION)
    clean = next(one for one in told.all("Transformation") if one["name"] == ["Clean"])
    assert (clean["workspace"], clean["resource"], clean["state"]) == (["/somewhere"], ["cpu0"], ["FINISHED"])


def test_each_execution_is_a_run_unless_a_run_is_recorded_already(ran):
    ran.run("custom.py", "python", "monday", "tuesday")
    assert len(ran.runs()) == 2
    for run in ran.runs():
        assert len(ran.document(run.uuid).all("Transformation")) == 2
    ran.run("custom.py", "trilha run", "monday", "tuesday")
    newest = ran.runs()[0]
    assert len(ran.runs()) == 3
    assert len(ran.document(newest.uuid).all("Transformation")) == 4


def test_no_network_is_used(ran, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("")
    script = tmp_path / "offline.py"
    script.write_text(
        "import socket, runpy, sys\n"
        "def no(*_): raise AssertionError('a socket')\n"
        "socket.socket.connect = no\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')\n"
    )
    from tests.dfa.conftest import SCRIPTS

    ran.run(script, "python", str(SCRIPTS / "custom.py"))


def test_a_task_without_a_begin_has_no_start(ran, tmp_path):
    script = tmp_path / "late.py"
    script.write_text(
        "from dfa_lib_python.dataflow import Dataflow\n"
        "from dfa_lib_python.dataset import DataSet\n"
        "from dfa_lib_python.element import Element\n"
        "from dfa_lib_python.task import Task\n"
        "df = Dataflow('example', predefined=True)\n"
        "df.save()\n"
        "t1 = Task(1, 'example', 'example-1', 'LoadData')\n"
        "t1.begin()\n"
        "t1.end()\n"
        "t2 = Task(2, 'example', 'example-1', 'RandomHorizontal', dependency=t1)\n"
        "t2.add_dataset(DataSet('oRandomHorizontal', [Element(['./data'])]))\n"
        "t2.end()\n"
        "t2.end()\n"
        "t3 = Task(3, 'example', 'example-1', 'SplitData', dependency=[t1, t2])\n"
        "t3.add_dataset(DataSet('oTrainSet', [Element([64])]))\n"
        "t3.add_dataset(DataSet('oValSet', [Element([64, 'y', 'one too many'])]))\n"
        "t3.end()\n"
    )
    ran.run(script, "python")
    told = ran.only()
    tasks = {told.label(one.id): one for one in told.records if one.kind is Kind.ACTIVITY}
    assert tasks["RandomHorizontal"].arguments[0] is None
    assert tasks["RandomHorizontal"].arguments[1] is not None
    row = next(one for one in told.all("Subset") if one["name"] == ["oValSet"])
    assert (row["value.valsetx"], row["value.value3"]) == ([64], ["one too many"])
    transformed = next(one for one in told.all("Transformation"))
    assert transformed["name"] == ["RandomHorizontal"]


def test_a_script_that_fails_leaves_what_it_did(ran, tmp_path):
    script = tmp_path / "fails.py"
    script.write_text(
        "from dfa_lib_python.dataflow import Dataflow\n"
        "from dfa_lib_python.task import Task\n"
        "df = Dataflow('example', predefined=True)\n"
        "t1 = Task(1, df, 'example-1', 'LoadData')\n"
        "t1.begin()\n"
        "raise ValueError('no data')\n"
    )
    done = ran.run(script, "python", check=False)
    assert done.stderr.endswith("ValueError: no data\n")
    (run,) = ran.runs()
    assert run.status == "failed"
    assert "LoadData" in ran.cli("show", "example").stdout


@pytest.mark.parametrize(
    "statement",
    [
        "Dataflow(1)",
        "Dataflow('a', email=1)",
        "Dataflow('a', transformations=1)",
        "Dataflow('a').add_transformation(1)",
        "Transformation('a', sets=[1])",
        "Set('a', 'INPUT', [])",
        "Set('a', SetType.INPUT, [1])",
        "Attribute('a', 'TEXT')",
        "Element('a')",
        "DataSet('a', [1])",
        "Task(1, 'a', 'b', 'c').add_dataset(1)",
        "Task(1, 'a', 'b', 'c').add_dependency(1)",
    ],
)
def test_wrong_calls_fail_as_they_did(statement):
    from dfa_lib_python.attribute import Attribute
    from dfa_lib_python.dataflow import Dataflow
    from dfa_lib_python.dataset import DataSet
    from dfa_lib_python.element import Element
    from dfa_lib_python.set import Set
    from dfa_lib_python.set_type import SetType
    from dfa_lib_python.task import Task
    from dfa_lib_python.transformation import Transformation

    names = {
        one.__name__: one
        for one in (Attribute, Dataflow, DataSet, Element, Set, SetType, Task, Transformation)
    }
    with pytest.raises((AssertionError, AttributeError)):
        eval(statement, names)


def test_specifications_are_those_of_the_client():
    from dfa_lib_python.attribute import Attribute
    from dfa_lib_python.attribute_type import AttributeType
    from dfa_lib_python.dataflow import Dataflow
    from dfa_lib_python.dataset import DataSet
    from dfa_lib_python.dependency import Dependency
    from dfa_lib_python.element import Element
    from dfa_lib_python.set import Set
    from dfa_lib_python.set_type import SetType
    from dfa_lib_python.task import Task
    from dfa_lib_python.transformation import Transformation

    attribute = Attribute("Att1", AttributeType.TEXT)
    assert attribute.get_specification() == {"name": "Att1", "type": "TEXT"}
    given = Set("Set1", SetType.INPUT, [attribute])
    assert given.get_specification() == {
        "tag": "set1",
        "attributes": [attribute.get_specification()],
        "type": "INPUT",
    }
    transformation = Transformation("TF", sets=[given])
    assert transformation.get_specification() == {"tag": "tf", "sets": [given.get_specification()]}
    dataflow = Dataflow("DF", transformations=[transformation])
    assert dataflow.get_specification() == {
        "tag": "df",
        "transformations": [transformation.get_specification()],
    }
    assert DataSet("S", [Element([1, "a"])]).get_specification() == {"tag": "s", "elements": [["1", "a"]]}
    assert Dependency(["t"], [1]).get_specification() == {"tags": [{"tag": "t"}], "ids": [{"id": 1}]}
    first = Task(1, "DF", "e", "TF")
    second = Task(2, dataflow, "e", "TF", dependency=first)
    assert second.get_specification() == {
        "tag": "tf",
        "exec": "e",
        "status": "READY",
        "dataflow": "df",
        "transformation": "tf",
        "id": "2",
        "dependency": {"tags": [{"tag": "tf"}], "ids": [{"id": "1"}]},
    }
