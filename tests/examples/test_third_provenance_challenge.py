"""The Third Provenance Challenge: the workflow, its variants that halt, and the queries' answers.

What the answers should be is worked out here from the files and from what the steps do, not from a run.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from tests.served import cluster

import trilha
import trilha.capture.launch
from trilha.formats import opmxml
from trilha.prov.opm import document_of, graph_of, legality

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_provenance_challenge"
OTHERS = Path(__file__).parents[2].parent / "shared" / "data" / "pc3" / "vistrails"
DETECTION = 261887437030025144
TABLES = ["P2FrameMeta", "P2ImageMeta", "P2Detection"]

sys.path.insert(0, str(EXAMPLE))
import another_team  # noqa: E402
import queries  # noqa: E402
import sample_data  # noqa: E402
import schema  # noqa: E402


class Run:
    """A run of the workflow in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        spoil: str | None = None,
        job: str = "J062941",
        served: str | None = None,
    ):
        self.folder, self.data = folder, folder / "data" / job
        self.database = served.format(f"{job}_LoadDB") if served else folder / f"{job}_LoadDB.db"
        sample_data.write(self.data, job, spoil)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
        # Parsl finds its own programs there.
        environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
        words = [sys.executable, trilha.capture.launch.__file__, f"--store={folder / 'store'}", "--"]
        words += [str(EXAMPLE / "workflow.py"), job, str(self.data), *options]
        words += ["--database", served.format("postgres") if served else str(folder)]
        about = {"capture_output": True, "text": True, "timeout": 120, "env": environment}
        done = subprocess.run(words, cwd=folder, **about)
        self.status, self.said = done.returncode, done.stderr
        with trilha.open(folder / "store") as store:
            store.refresh()
            (uuid,) = os.listdir(folder / "store" / "journals")
            self.document = store.document(uuid)
        self.trace = queries.Trace(self.document)

    def count(self, table: str) -> int:
        if isinstance(self.database, str):
            with psycopg.connect(self.database) as server:
                return server.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0]
        connection = sqlite3.connect(self.database)
        (count,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        connection.close()
        return count


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def served():
    """A server of PostgreSQL."""
    with cluster() as url:
        yield url


@pytest.fixture(scope="module")
def on_server(served, tmp_path_factory):
    """Into PostgreSQL, by worker processes that load the tables at the same time."""
    return Run(tmp_path_factory.mktemp("served"), "--processes", served=served)


@pytest.fixture(scope="module")
def halted(tmp_path_factory):
    """By a declination out of range, in the last table."""
    return Run(tmp_path_factory.mktemp("halted"), "--in-order", spoil="range")


@pytest.fixture(scope="module")
def again(good, tmp_path_factory):
    """The good run, exported as OPM and imported again."""
    path = tmp_path_factory.mktemp("again") / "run.opm.xml"
    trilha.write(good.document, path)
    return queries.Trace(trilha.read(path))


@pytest.fixture(params=["good", "again"])
def trace(request, good, again):
    return {"good": good.trace, "again": again}[request.param]


def path_of(run: Run, table: str) -> str:
    return str(run.data / f"P2_J062941_B001_P2fits0_20081115_{table}.csv")


def lines_of(run: Run) -> dict[str, int]:
    """In which line of each file the detection, its image and its frame stand: read from the files."""
    tables = {}
    for table in TABLES:
        with open(path_of(run, table), newline="") as file:
            tables[table] = [
                dict(zip(schema.TABLES[table].columns, row, strict=True)) for row in csv.reader(file)
            ]
    (detection,) = [n for n, row in enumerate(tables["P2Detection"]) if int(row["detectID"]) == DETECTION]
    image = tables["P2Detection"][detection]["imageID"]
    (place,) = [n for n, row in enumerate(tables["P2ImageMeta"]) if row["imageID"] == image]
    frame = tables["P2ImageMeta"][place]["frameID"]
    (top,) = [n for n, row in enumerate(tables["P2FrameMeta"]) if row["frameID"] == frame]
    return {"P2Detection": detection + 1, "P2ImageMeta": place + 1, "P2FrameMeta": top + 1}


# -- the data and the runs


def test_the_sample_data_has_the_formats_of_the_challenge(tmp_path):
    sample_data.write(tmp_path, "J062941")
    ready = (tmp_path / "csv_ready.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in ready] == TABLES
    columns = [
        len((tmp_path / f"{line.split(',')[0]}.hdr").read_text().split(","))
        for line in ready  # 19, 64 and 41 columns
    ]
    assert columns == [19, 64, 41]
    text = (tmp_path / ready[2].split(",")[0]).read_text()
    assert all(str(known) in text for known in sample_data.KNOWN)
    assert "detectID" not in text


def test_the_workflow_loads_what_the_files_hold(good):
    assert good.status == 0, good.said
    assert [good.count(table) for table in TABLES] == [1, 2, 12]
    connection = sqlite3.connect(good.database)
    (zone, dec) = connection.execute(
        "SELECT zoneID, dec FROM P2Detection WHERE detectID = ?", (DETECTION,)
    ).fetchone()
    connection.close()
    assert zone == pytest.approx((dec + 90) / 0.0083333)
    assert good.document.validate()


@pytest.mark.parametrize(
    ("spoil", "step", "table"),
    [
        ("ready", "IsCSVReadyFileExists", ""),
        ("list", "IsMatchCSVFileTables", ""),
        ("missing", "IsExistsCSVFile", "P2Detection"),
        ("header", "IsMatchCSVFileColumnNames", "P2ImageMeta"),
        ("count", "IsMatchTableRowCount", "P2ImageMeta"),
        ("checksum", "IsMatchCSVFileChecksum", "P2Detection"),
    ],
)
def test_a_check_that_fails_halts_the_workflow(tmp_path, spoil, step, table):
    run = Run(tmp_path, "--in-order", "--checksums", spoil=spoil)
    assert run.status == 1
    assert f"halted: {step} failed" in run.said
    halt = queries.halt(run.trace)
    assert (halt["step"], halt["table"]) == (step, table)
    assert "CompactDatabase" not in queries.optional7(run.trace)
    assert run.document.validate()


def test_worker_processes_find_the_versions_of_the_tables_in_the_database(tmp_path):
    run = Run(tmp_path, "--processes")
    assert run.status == 0, run.said
    assert run.document.validate()
    assert [list(run.trace.versions(table)) for table in TABLES] == [[1, 2], [1, 2], [1, 2, 3]]
    found = queries.core1(run.trace, run.database, DETECTION)
    assert {one.table: one.line for one in found} == lines_of(run)
    (check,) = queries.core2(run.trace, "P2Detection")
    assert check["version"] == 3


def test_postgresql_tells_of_the_same_versions_rows_and_lines(on_server, good):
    run = on_server
    assert run.status == 0, run.said
    assert [run.count(table) for table in TABLES] == [1, 2, 12]
    verdict = run.document.validate()
    assert verdict.valid, verdict.violations
    assert [list(run.trace.versions(table)) for table in TABLES] == [[1, 2], [1, 2], [1, 2, 3]]
    found = queries.core1(run.trace, run.database, DETECTION)
    assert [one.file for one in found] == [path_of(run, table) for table in reversed(TABLES)]
    assert {one.table: one.line for one in found} == lines_of(run)
    (check,) = queries.core2(run.trace, "P2Detection")
    assert (check["performed"], check["passed"], check["version"]) == (True, True, 3)
    key = next(one.key for one in found if one.table == "P2ImageMeta")
    for column in ("nx", "frameID"):
        ours = queries.core3(run.trace, "P2ImageMeta", key, column)
        assert sorted(ours) == sorted(queries.core3(good.trace, "P2ImageMeta", key, column))
    key = next(one.key for one in found if one.table == "P2Detection")
    for column in ("cx", "ra"):
        ours = queries.core3(run.trace, "P2Detection", key, column)
        assert sorted(ours) == sorted(queries.core3(good.trace, "P2Detection", key, column))


def test_a_check_that_fails_halts_the_workflow_on_postgresql(served, tmp_path):
    run = Run(tmp_path, "--in-order", spoil="range", job="J062942", served=served)
    assert "halted: IsMatchTableColumnRanges failed" in run.said
    halt = queries.halt(run.trace)
    assert (halt["step"], halt["table"]) == ("IsMatchTableColumnRanges", "P2Detection")
    assert run.document.validate()


# -- the core queries


def test_core_1_the_csv_files_that_contributed_to_a_detection(good, trace):
    found = queries.core1(trace, good.database, DETECTION)
    assert [one.file for one in found] == [path_of(good, table) for table in reversed(TABLES)]
    assert {one.table: one.line for one in found} == lines_of(good)
    assert all(
        set(one.steps)
        == {"LoadCSVFileIntoTable", "ReadCSVFileColumnNames", "ReadCSVReadyFile", "CreateEmptyLoadDB"}
        for one in found
    )


def test_core_2_whether_the_range_check_was_performed(trace):
    (check,) = queries.core2(trace, "P2Detection")
    assert check["performed"]
    assert check["passed"] is True
    assert check["version"] == 3  # made, loaded, computed
    assert check["of the last version"]


def test_core_2_of_a_table_that_the_run_did_not_come_to(tmp_path):
    run = Run(tmp_path, "--in-order", spoil="header")
    (frame,) = queries.core2(run.trace, "P2FrameMeta")
    (image,) = queries.core2(run.trace, "P2ImageMeta")
    assert (frame["performed"], frame["passed"]) == (True, True)
    assert (image["performed"], image["passed"]) == (False, None)


def test_core_3_the_steps_that_a_value_needs(good, trace):
    image = 62941010
    needed = {"LoadCSVFileIntoTable", "ReadCSVFileColumnNames", "ReadCSVReadyFile", "CreateEmptyLoadDB"}
    assert set(queries.core3(trace, "P2ImageMeta", (image,), "bias")) == needed
    (contribution, *_) = queries.core1(trace, good.database, DETECTION)
    assert set(queries.core3(trace, "P2Detection", contribution.key, "ra")) == needed
    computed = queries.core3(trace, "P2Detection", contribution.key, "cx")
    assert set(computed) == needed | {"UpdateComputedColumns"}


# -- the optional queries


def test_optional_1_the_tables_that_were_loaded_before_the_halt(halted):
    assert halted.status == 1
    answer = queries.optional1(halted.trace)
    assert answer["halted"]["step"] == "IsMatchTableColumnRanges"
    assert answer["halted"]["table"] == "P2Detection"
    assert answer["loaded"] == TABLES
    assert answer["passed"] == TABLES[:2]
    assert [halted.count(table) for table in TABLES] == [1, 2, 12]
    (check,) = queries.core2(halted.trace, "P2Detection")
    assert check["passed"] is False


def swappable(steps: list[str], needs: dict[str, str]) -> set[tuple[str, str]]:
    """The pairs that can change places, found by trying: after it each step still has what it needs."""
    found = set()
    for i in range(len(steps)):
        for j in range(i + 1, len(steps)):
            order = list(steps)
            order[i], order[j] = order[j], order[i]
            place = {step: n for n, step in enumerate(order)}
            if all(place[before] < place[step] for step, all_ in needs.items() for before in all_.split()):
                found.add((steps[i], steps[j]))
    return found


def test_optional_2_the_steps_that_could_change_places(trace):
    exists, read, names, load, update, count, ranges = (
        *("IsExistsCSVFile", "ReadCSVFileColumnNames", "IsMatchCSVFileColumnNames"),
        *("LoadCSVFileIntoTable", "UpdateComputedColumns", "IsMatchTableRowCount"),
        "IsMatchTableColumnRanges",
    )
    chain = [exists, read, names, load, update, count, ranges]
    with_columns = dict.fromkeys(chain[2:], read)
    # Of the two tables without computed columns or ranges, two of the steps do not look at the table.
    small = with_columns | {count: f"{read} {load}"}
    large = with_columns | dict.fromkeys((update, count, ranges), f"{read} {load}")
    large |= {step: f"{large[step]} {update}" for step in (count, ranges)}
    begin = ["IsCSVReadyFileExists", "ReadCSVReadyFile", "IsMatchCSVFileTables", "CreateEmptyLoadDB"]
    top = {"IsMatchCSVFileTables": "ReadCSVReadyFile", "CompactDatabase": "CreateEmptyLoadDB"}
    expected = {("", *pair) for pair in swappable([*begin, "CompactDatabase"], top)}
    for table in TABLES[:2]:
        expected |= {(table, *pair) for pair in swappable(chain, small)}
    expected |= {("P2Detection", *pair) for pair in swappable(chain, large)}
    # The tables lie between the beginning and the end.
    expected = {one for one in expected if one[2] != "CompactDatabase"}
    assert queries.optional2(trace) == expected


def test_optional_3_how_long_after_the_list_was_right_a_file_was_missing(tmp_path):
    run = Run(tmp_path, "--in-order", "--delete", "P2ImageMeta")
    assert queries.halt(run.trace)["table"] == "P2ImageMeta"
    ends = {
        (task.name, task.table): task.end
        for task in run.trace.tasks.values()
        if task.name in ("IsMatchCSVFileTables", "IsExistsCSVFile")
    }
    took = queries.optional3(run.trace)
    assert took == ends["IsExistsCSVFile", "P2ImageMeta"] - ends["IsMatchCSVFileTables", ""]
    assert took.total_seconds() > 0


def test_optional_5_which_of_several_runs_were_halted(good, halted):
    assert queries.optional5({"J062941": good.trace, "J062942": halted.trace}) == ["J062942"]
    assert queries.optional3(good.trace) is None


def test_optional_6_7_and_8_where_it_was_halted_and_what_was_done_before(halted):
    assert queries.halt(halted.trace)["step"] == "IsMatchTableColumnRanges"
    chain = [
        *("IsExistsCSVFile", "ReadCSVFileColumnNames", "IsMatchCSVFileColumnNames"),
        *("LoadCSVFileIntoTable", "UpdateComputedColumns", "IsMatchTableRowCount"),
    ]
    begin = ["IsCSVReadyFileExists", "ReadCSVReadyFile", "IsMatchCSVFileTables", "CreateEmptyLoadDB"]
    whole = [*chain, "IsMatchTableColumnRanges"]
    assert queries.optional7(halted.trace) == [*begin, *whole, *whole, *chain]


def test_optional_10_and_11_what_the_user_put_in_and_which_steps_took_it(good, trace):
    assert queries.optional10(trace) == {"JobID": "J062941", "CSVRootPath": str(good.data)}
    assert queries.optional11(trace) == {
        "IsCSVReadyFileExists": ["CSVRootPath"],
        "ReadCSVReadyFile": ["CSVRootPath"],
        "CreateEmptyLoadDB": ["JobID"],
    }


def test_each_query_is_a_command(good, halted, tmp_path, capsys):
    runs = []
    for name, run in (("good", good), ("halted", halted)):
        runs.append(str(tmp_path / f"{name}.provn"))
        trilha.write(run.document, runs[-1])
    for words, said in (
        (["core2", "P2Detection"], "performed: True; passed: True"),
        (["optional1"], "loaded: P2FrameMeta, P2ImageMeta, P2Detection"),
        (["optional6"], "None"),
        (["optional8"], "IsCSVReadyFileExists\n"),
        (["optional11"], "CreateEmptyLoadDB: JobID"),
    ):
        queries.main(runs[0], *words)
        assert said in capsys.readouterr().out
    queries.main(runs[0], "optional5", runs[1])
    assert capsys.readouterr().out == f"{runs[1]}\n"
    for words in ([], [runs[0]], [runs[0], "optional4"], [runs[0], "core1"]):
        with pytest.raises(SystemExit, match="expected a document and core1 DETECTION DATABASE"):
            queries.main(*words)


# -- exchange


def test_the_graph_as_opm_is_legal_and_comes_back_the_same(good, halted):
    for run in (good, halted):
        written = opmxml.write(run.document)
        assert legality(opmxml.graph(written))
        assert opmxml.read(written) == run.document


needs_others = pytest.mark.skipif(not OTHERS.is_dir(), reason="the graphs of others are not beside us")


@needs_others
@pytest.mark.parametrize("way", ["as it was", "by PROV and back"])
def test_the_graph_of_another_team_answers_what_it_can(way):
    graph = opmxml.graph((OTHERS / "workflow_opm.xml").read_bytes())
    other = another_team.Trace(graph if way == "as it was" else graph_of(document_of(graph)))
    assert another_team.halt(other) is None
    assert another_team.optional1(other) == TABLES
    (path,) = another_team.core1(other, "P2Detection")
    assert path.endswith("/J062945/P2_J062945_B001_P2fits0_20081115_P2Detection.csv")
    needed = {"GetCSVFiles", "CreateEmptyLoadDB", "ReadCSVFile", "LoadCSVFileIntoDB", "ConcatenateString"}
    assert set(another_team.core3(other, "P2ImageMeta")) == needed
    assert another_team.core2(other, "P2Detection") is None
    assert {"J062945", "/vistrails/pc3/SampleData/"} <= set(another_team.optional10(other).values())
    assert another_team.optional11(other)["ConcatenateString"] == ["/vistrails/pc3/SampleData/"]


@needs_others
@pytest.mark.parametrize("way", ["as it was", "by PROV and back"])
def test_the_graph_of_another_team_that_was_halted_says_where(way):
    graph = opmxml.graph((OTHERS / "workflow_opm_err.xml").read_bytes())
    other = another_team.Trace(graph if way == "as it was" else graph_of(document_of(graph)))
    assert another_team.halt(other) == {"step": "IsMatchTableRowCount", "table": "P2ImageMeta"}
    assert another_team.optional1(other) == TABLES[:2]
    done = another_team.optional7(other)
    assert done.count("LoadCSVFileIntoDB") == 2
    assert done.count("ComputeColumns") == 1
    assert "CompactDatabase" not in done
