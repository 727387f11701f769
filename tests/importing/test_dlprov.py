"""Documents and database dumps of DLProv, the real ones, become runs."""

import json
import math
from pathlib import Path

import pytest

from trilha.errors import FormatError, UsageError
from trilha.prov import Kind

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "dlprov"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the documents of others are not beside the checkout"
)
DUMPS = DATA / "dump_public.sql", DATA / "dump_framingham.sql"
PAIRS = 'CREATE TABLE "a"."b" (\n"x" INTEGER,\n"y" INTEGER\n);\n'


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    """A store into which the dumps of DLProv's own experiments were imported, and the report."""
    from tests.importing.conftest import Imported

    store = Imported(tmp_path_factory.mktemp("dumped") / "store")
    return store, store.bring("dlprov", *DUMPS)


def test_the_published_document_becomes_a_run_and_each_repair_is_counted(store):
    report = store.bring("dlprov", DATA / "mnist-example.json")
    assert [one.state for one in report.runs] == ["new"]
    assert dict(report.repaired) == {
        "names that ended in a colon": 35,
        "32-bit floats given their shortest decimals again": 5,
        "-9999999 read as not-a-number": 4,
        "documents whose namespace was DLProv, which is no IRI": 1,
        'types given as the text "prov:Plan"': 1,
        "tasks informed by their execution, read as started by it": 4,
    }
    assert dict(report.left) == {
        "files that do not lie here: recorded by path, without a hash": 2,
        "files named by a relative path: recorded by it, without a hash": 2,
    }


def test_the_document_s_hyperparameters_have_common_names_and_the_numbers_that_were_meant(store):
    run = store.bring("dlprov", DATA / "mnist-example.json").runs[0]
    told = store.document(run.uuid)
    expected = {"optimizer_name": "adam", "learning_rate": 0.001, "num_epochs": 2, "num_layers": 4}
    assert told.hyperparameters() == expected
    assert told.common() == {"optimizer": "adam", "learning_rate": 0.001, "epochs": 2, "layers": 4}


def test_the_document_s_epochs_are_a_block_of_metrics_in_which_nan_is_nan(store):
    run = store.bring("dlprov", DATA / "mnist-example.json").runs[0]
    points = store.document(run.uuid, points="all").all("MetricPoint")
    losses = {one["epoch"][0]: one["value.loss"][0] for one in points if "epoch" in one}
    assert losses == {0: 0.30292076, 1: 0.14573221}
    assert all(math.isnan(one["value.val_loss"][0]) for one in points if "epoch" in one)
    assert [one["value.accuracy"][0] for one in points if "epoch" not in one] == [0.9689000248908995]


def test_what_a_task_gave_is_derived_from_what_it_took(store):
    told = store.document(store.bring("dlprov", DATA / "mnist-example.json").runs[0].uuid)
    derived = told.pairs(Kind.DERIVATION)
    assert ("oloaddata", "iinputdataset") in derived
    assert {("otrainset", "oloaddata"), ("otrainset", "isplitconfig")} <= set(derived)
    assert {("otestmodel", "otestset"), ("otestmodel", "otrainedmodel")} <= set(derived)
    assert not [pair for pair in derived if "otrainmodel" in pair]
    assert {"Training", "Evaluation", "Split"} <= {
        name for name in ("Training", "Evaluation", "Split", "Transformation") if told.all(name)
    }
    assert told.one("Split")["arg.ratio"] == [60.0]
    assert {one["part"][0] for one in told.all("Subset")} == {"train", "test"}


def test_the_same_document_in_prov_n_says_less_and_is_noticed(store):
    store.bring("dlprov", DATA / "mnist-example.json")
    report = store.bring("dlprov", DATA / "mnist-example.provn")
    assert [one.state for one in report.runs] == ["differs"]
    assert report.repaired["-9999999 read as not-a-number"] == 4
    assert len(store.runs()) == 1


def test_an_import_said_twice_changes_nothing(store):
    store.bring("dlprov", DATA / "mnist-example.json")
    before = sorted(store.folder.rglob("*.journal"))
    report = store.bring("dlprov", DATA / "mnist-example.json")
    assert [one.state for one in report.runs] == ["there"]
    assert sorted(store.folder.rglob("*.journal")) == before


def test_the_dumps_become_a_run_for_each_execution(dumped):
    store, report = dumped
    names = [run.name for run in store.runs()]
    assert {name: names.count(name) for name in names} == {"framingham": 19 + 23, "fraud": 10, "census": 12}
    assert {run.status for run in store.runs() if run.start} == {"finished"}
    assert report.left["executions of fraud whose rows are in none of the files"] == 10
    assert report.repaired["lines of a dump whose tabs had become blanks"] == 5345


def test_rows_of_a_second_database_are_not_joined_to_the_tasks_of_the_first(dumped):
    store, _ = dumped
    undated = [run for run in store.runs() if run.start is None and run.name == "framingham"]
    assert len(undated) == 23
    assert {run.status for run in undated} == {"unknown"}
    losses = {store.document(run.uuid).all("Metrics")[-1]["first.loss"][0] for run in undated}
    assert 0.4216354191303253 in losses


def test_a_dumped_run_has_its_times_hyperparameters_epochs_and_test(dumped):
    store, _ = dumped
    run = next(one for one in store.runs() if one.start == 1675425610000000000)
    told = store.document(run.uuid)
    assert told.common() == {"optimizer": "Adam", "learning_rate": 0.001, "epochs": 5, "layers": 3}
    training = told.one("Training")
    assert training["epochs"] == [5]
    assert training["label"] == ["trainingmodel"]
    metrics = {tuple(sorted(one)): one for one in told.all("Metrics")}
    trained = next(one for one in metrics.values() if "first.val_loss" in one)
    assert (trained["first.loss"], trained["last.loss"]) == ([61.53857421875], [57.09275436401367])
    tested = next(one for one in metrics.values() if "first.val_loss" not in one)
    assert tested["last.loss"] == [66.15978240966797]


@pytest.mark.parametrize("at", range(0, 34542, 3000))
def test_a_dump_that_is_cut_off_is_refused_with_the_place_or_read_as_far_as_it_is_whole(store, tmp_path, at):
    broken = tmp_path / "broken.sql"
    broken.write_bytes(DUMPS[0].read_bytes()[:at])
    said = ""
    try:
        store.bring("dlprov", broken)
    except FormatError as error:
        said = str(error)
    assert not said or (said.startswith(f"{broken}:") and not store.folder.exists())


def test_a_dump_whose_lines_are_mangled_is_refused_or_read_and_never_an_error_of_ours(store, tmp_path):
    from random import Random

    lines = DUMPS[0].read_text().split("\n")
    random = Random(5)
    path = tmp_path / "mangled.sql"
    for _ in range(60):
        changed = list(lines)
        for _ in range(3):
            at = random.randrange(len(changed))
            way = random.random()
            if way < 0.3:
                del changed[at]
            elif way < 0.6:
                changed[at] = changed[at][: random.randrange(len(changed[at]) + 1)]
            else:
                odd = random.choice(["x", "NULL", "-", "9" * 30, '"', "\t"])
                changed[at] = changed[at].replace(random.choice("123456789"), odd)
        path.write_text("\n".join(changed))
        said = f"{path}:"
        try:
            store.bring("dlprov", path)
        except FormatError as error:
            said = str(error)
        assert said.startswith(f"{path}:")


ADAPTED = """
CREATE TABLE "public"."dataflow_execution" (
"id" INTEGER,
"tag" VARCHAR(50),
"df_id" INTEGER,
"scientist_id" INTEGER,
"hardware_id" INTEGER
);
INSERT INTO public.dataflow_execution VALUES (1, 'net-1', 1, 5, 6);
CREATE TABLE "public"."data_scientist" (
"id" INTEGER,
"uuid" UUID,
"email" VARCHAR(50)
);
INSERT INTO public.data_scientist VALUES (5, '00000000-0000-4000-8000-000000000005', 'ana@example.org');
CREATE TABLE "public"."hardware_info" (
"id" INTEGER,
"hostname" VARCHAR(50),
"gpus" VARCHAR(50)
);
INSERT INTO public.hardware_info VALUES (6, 'node7', 'H200');
CREATE TABLE "public"."dataflow" (
"id" INTEGER,
"tag" VARCHAR(50)
);
INSERT INTO public.dataflow VALUES (1, 'net');
CREATE TABLE "public"."task" (
"id" INTEGER,
"identifier" INTEGER,
"df_exec" VARCHAR(50),
"dt_id" INTEGER,
"status" VARCHAR(10)
);
INSERT INTO public.task VALUES (7, 1, 'net-1', 1, 'FINISHED'), (8, 2, 'net-1', 2, 'FINISHED');
CREATE TABLE "net"."ds_itrainingmodel" (
"id" INTEGER,
"trainingmodel_task_id" INTEGER,
"learning_rate" DOUBLE
);
INSERT INTO net.ds_itrainingmodel VALUES (1, 7, 0.1);
CREATE TABLE "net"."ds_oadaptation" (
"id" INTEGER,
"adaptation_task_id" INTEGER,
"new_lrate" DOUBLE,
"epoch_id" DOUBLE
);
INSERT INTO net.ds_oadaptation VALUES (1, 8, 0.05, 2), (2, 8, 0.025, 4);
"""


def test_each_change_of_the_learning_rate_is_an_adaptation_that_knows_what_was_before(store, tmp_path):
    dump = tmp_path / "net.sql"
    dump.write_text(ADAPTED)
    told = store.document(store.bring("dlprov", dump).runs[0].uuid)
    changes = [one for one in told.all("Hyperparameter") if one["name"] == ["new_lrate"]]
    assert [(one["before"][0], one["value"][0]) for one in changes] == [(0.1, 0.05), (0.05, 0.025)]
    assert [one["epoch"][0] for one in told.all("Adaptation")] == [2, 4]
    assert told.pairs(Kind.START, 0, 2)[-1] == ("adaptation", "adaptation")
    assert {("net", "ana@example.org"), ("net", "node7")} <= set(told.pairs(Kind.ASSOCIATION))


OLD = """sql>\\D
START TRANSACTION;
SET SCHEMA "public";
CREATE SEQUENCE "public"."att_id_seq" AS INTEGER;
CREATE TABLE "dataflow" (
"id" INTEGER NOT NULL DEFAULT next value for "public"."df_id_seq",
"tag" VARCHAR(50) NOT NULL,
CONSTRAINT "dataflow_id_pkey" PRIMARY KEY ("id")
);
COPY 1 RECORDS INTO "dataflow" FROM stdin USING DELIMITERS '|','\\n','"';
1|"net-1"
CREATE TABLE "public"."dataflow_version" (
"version" INTEGER,
"df_id" INTEGER
);
COPY 1 RECORDS INTO "public"."dataflow_version" FROM stdin USING DELIMITERS '|','\\n','"';
4| 1
CREATE TABLE "public"."data_transformation" (
"id" INTEGER,
"df_id" INTEGER,
"tag" VARCHAR(50)
);
COPY 2 RECORDS INTO "public"."data_transformation" FROM stdin USING DELIMITERS '|','\\n','"';
1|1|"trainingmodel"
2|1|"check | test"
CREATE TABLE "public"."data_set" (
"id" INTEGER,
"df_id" INTEGER,
"tag" VARCHAR(50)
);
COPY 2 RECORDS INTO "public"."data_set" FROM stdin USING DELIMITERS '|','\\n','"';
1|1|"itrainingmodel"
2|1|"otrainingmodel"
CREATE TABLE "public"."data_dependency" (
"id" INTEGER,
"previous_dt_id" INTEGER,
"next_dt_id" INTEGER,
"ds_id" INTEGER
);
COPY 2 RECORDS INTO "public"."data_dependency" FROM stdin USING DELIMITERS '|','\\n','"';
1|NULL|1|1
2|1|2|2
CREATE TABLE "public"."task" (
"id" INTEGER,
"identifier" INTEGER,
"df_version" INTEGER,
"dt_id" INTEGER,
"status" VARCHAR(10),
"output_msg" CHARACTER LARGE OBJECT
);
COPY 2 RECORDS INTO "public"."task" FROM stdin USING DELIMITERS '|','\\n','"';
1|1|4|1|"FINISHED"|"null"
2|2|4|2|"FINISHED"|"a \\"b\\" | c"
create function inserttask (videntifier integer)
returns integer
begin
 insert into task(id,identifier) values (vid,videntifier);
end;
COMMIT;
SET SCHEMA "net-1";
CREATE TABLE "net-1"."ds_ilayers" (
"id" INTEGER,
"trainingmodel_task_id" INTEGER,
"timestamp" VARCHAR(500),
"name" VARCHAR(500),
"attribute_type" VARCHAR(500),
"value" VARCHAR(500)
);
COPY 2 RECORDS INTO "net-1"."ds_ilayers" FROM stdin USING DELIMITERS '|','\\n','"';
1|1|"1616622379.4042456"|"activation_1"|"activation"|"relu"
2|1|"1616622379.4042456"|"dropout_1"|"dropout"|"0.4"
CREATE TABLE "net-1"."ds_itrainingmodel" (
"id" INTEGER,
"trainingmodel_task_id" INTEGER,
"timestamp" VARCHAR(500),
"optimizer_name" VARCHAR(500),
"learning_rate" DOUBLE
);
COPY 2 RECORDS INTO "net-1"."ds_itrainingmodel" FROM stdin USING DELIMITERS '|','\\n','"';
1|1|"1616622379.4042456"|"Adam"|0.0010000000474974513
2|1|"1616624540.665623"|"SGD"|0.0005000000237487257
CREATE TABLE "net-1"."ds_otrainingmodel" (
"id" INTEGER,
"check | test_task_id" INTEGER,
"trainingmodel_task_id" INTEGER,
"timestamp" VARCHAR(500),
"loss" DOUBLE,
"epoch" DOUBLE
);
COPY 2 RECORDS INTO "net-1"."ds_otrainingmodel" FROM stdin USING DELIMITERS '|','\\n','"';
1|2|1|"1616622404.968266"|3.05|0
2|2|1|"1616622425.8960874"|-9999999|1
"""


def test_a_whole_database_from_before_there_were_executions_is_a_run_for_each_dataflow(store, tmp_path):
    dump = tmp_path / "old.sql"
    dump.write_text(OLD)
    report = store.bring("dlprov", dump)
    (run,) = store.runs()
    assert (run.name, run.status) == ("net-1", "finished")
    assert report.left["dataflows whose executions the database did not tell apart: each is one run"] == 1
    assert report.repaired["settings that were 32-bit floats, given their shortest decimals again"] == 2
    told = store.document(run.uuid, points="all")
    rates = [one["value"][0] for one in told.all("Hyperparameter") if one["name"] == ["learning_rate"]]
    assert rates == [0.001, 0.0005]
    layers = {one["name"][0]: one for one in told.all("Layer")}
    assert layers["activation_1"]["activation"] == ["relu"]
    assert layers["dropout_1"]["setting.rate"] == [0.4]
    points = told.all("MetricPoint")
    assert [one["epoch"][0] for one in points] == [0, 1]
    assert [one["time"][0].year for one in points] == [2021, 2021]
    assert math.isnan(points[1]["value.loss"][0])


def test_which_task_gave_a_set_is_told_by_the_dependencies(store, tmp_path):
    dump = tmp_path / "old.sql"
    dump.write_text(OLD)
    told = store.document(store.bring("dlprov", dump).runs[0].uuid)
    assert set(told.pairs(Kind.GENERATION)) >= {("otrainingmodel", "trainingmodel")}
    assert ("check | test", "otrainingmodel") in told.pairs(Kind.USAGE)


def test_inserts_are_read_like_copies(store, tmp_path):
    dump = tmp_path / "small.sql"
    dump.write_text(
        """
CREATE TABLE "public"."dataflow" (
    "id" INTEGER NOT NULL,
    "tag" VARCHAR(50) NOT NULL,
    CONSTRAINT "pk" PRIMARY KEY ("id")
);
INSERT INTO "public"."dataflow" VALUES (1, 'it''s, here');
CREATE TABLE "public"."dataflow_execution" (
    "id" INTEGER,
    "tag" VARCHAR(50),
    "df_id" INTEGER
);
INSERT INTO public.dataflow_execution ("tag", "df_id", "id") VALUES ('one', 1, 1), ('two', 1, NULL);
"""
    )
    store.bring("dlprov", dump)
    assert [run.name for run in store.runs()] == ["it's, here", "it's, here"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ":1:"),
        ("SELECT 1;", ":1:"),
        ('CREATE TABLE "a"."b" (\n"id" INTEGER\n', ":1:"),
        ('COPY 1 RECORDS INTO "a"."b" FROM stdin;\n1\n', ":1:"),
        (PAIRS + 'COPY 2 RECORDS INTO "a"."b" FROM stdin;\n1\t2\n', ":7:"),
        (PAIRS + 'COPY 1 RECORDS INTO "a"."b" FROM stdin;\n1\t2\t3\n', ":6:"),
        (PAIRS + "INSERT INTO a.b VALUES (1);\n", ":5:"),
    ],
)
def test_a_broken_dump_is_refused_with_its_place(store, tmp_path, text, place):
    dump = tmp_path / "bad.sql"
    dump.write_text(text)
    with pytest.raises(FormatError) as caught:
        store.bring("dlprov", dump)
    assert str(caught.value).startswith(f"{dump}{place}")
    assert not store.folder.exists()


def test_one_broken_file_among_many_leaves_nothing_behind(store, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text('{"entity": {"a": ')
    with pytest.raises(FormatError):
        store.bring("dlprov", DATA / "mnist-example.json", bad)
    assert not store.folder.exists()


def test_a_document_of_another_kind_is_refused(store, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"prefix": {"ex": "http://example.org/"}, "entity": {"ex:a": {}}}')
    with pytest.raises(FormatError, match="exec_tag"):
        store.bring("dlprov", other)


def test_a_document_of_the_present_script_with_person_machine_and_doubled_generations(store, tmp_path):
    from prov.model import ProvDocument

    document = ProvDocument()
    document.add_namespace("dlprov", "DLProv")
    name = "dlprov:00000000-0000-4000-8000-00000000000{}".format
    plan = document.entity(name(0), {"prov:type": "prov:Plan", "dlprov:df_tag": "net", "dlprov:df_id": 3})
    run = document.activity(name(1), None, None, {"dlprov:exec_tag": "net-2026-01-01 10:00:00"})
    document.used(run, plan)
    ana = document.agent(name(2), {"dlprov:id": 1, "dlprov:uuid": "x", "dlprov:email": "ana@example.org"})
    node = document.agent(name(3), {"dlprov:id": 1, "dlprov:hostname": "node7", "dlprov:gpus": "H200"})
    for agent in (ana, node):
        document.association(run, agent)
    train = document.activity(name(4), None, None, {"dlprov:dt_tag": "train", "dlprov:task_id": 7})
    test = document.activity(name(5), None, None, {"dlprov:dt_tag": "test", "dlprov:task_id": 8})
    for task in (train, test):
        document.wasInformedBy(task, run)
    for _ in range(2):
        model = document.entity(
            name(6), {"dlprov:ds_tag": "otrainedmodel", "dlprov:id": 4, "dlprov:model_name": "m"}
        )
        document.used(test, model)
        document.wasGeneratedBy(model, train)
    path = tmp_path / "head.json"
    path.write_text(document.serialize(format="json"))
    report = store.bring("dlprov", path)
    assert report.repaired["generations that were stated twice"] == 1
    assert not report.left
    told = store.document(report.runs[0].uuid)
    assert store.runs()[0].name == "net"
    assert {("net", "ana@example.org"), ("net", "node7")} <= set(told.pairs(Kind.ASSOCIATION))
    assert told.one("Training")["task"] == [7]
    assert "value.id" not in told.one("Model")


def test_a_missing_file_and_an_unknown_kind_are_told(store):
    with pytest.raises(UsageError, match=r"nothing\.json: no such file"):
        store.bring("dlprov", "nothing.json")
    with pytest.raises(UsageError, match="expected one of dlprov"):
        store.bring("clearml", DATA)


def test_files_that_lie_where_the_document_says_are_hashed_but_not_by_a_relative_path(
    store, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temp_mnist").mkdir()
    for name in ("train.npz", "test.npz"):
        (tmp_path / "temp_mnist" / name).write_bytes(b"data")
    text = (DATA / "mnist-example.json").read_text()
    document = tmp_path / "doc.json"
    document.write_text(text.replace("temp_mnist/train.npz", f"{tmp_path}/temp_mnist/train.npz"))
    report = store.bring("dlprov", document)
    assert report.left["files that do not lie here: recorded by path, without a hash"] == 2
    assert report.left["files named by a relative path: recorded by it, without a hash"] == 1
    told = store.document(report.runs[0].uuid)
    hashed = [one for one in told.all("File") if "sha256" in one]
    assert [one["label"] for one in hashed] == [["train.npz"]]


def test_the_command_tells_what_it_did(store):
    done = store.cli("import", "dlprov", str(DATA / "mnist-example.json"))
    assert done.stdout.startswith("1 run imported from DLProv.\n")
    assert "35  names that ended in a colon" in done.stdout
    answer = json.loads(store.cli("import", "--json", "dlprov", str(DATA / "mnist-example.json")).stdout)
    assert answer["runs"][0]["state"] == "there"
    assert "mnist-peerj" in store.cli("list").stdout
    assert "learning_rate" in store.cli("show", "mnist-peerj").stdout
    assert "loaddata" in store.cli("lineage", "trainedmodel.h5").stdout


def test_the_command_refuses_what_is_broken_with_one_line(store, tmp_path):
    bad = tmp_path / "bad.sql"
    bad.write_text("nothing")
    done = store.cli("import", "dlprov", str(bad), check=False)
    assert done.returncode == 2
    assert done.stderr == f"trilha: {bad}:1: expected the dump of a database, with CREATE TABLE; found none\n"
