"""Swift's logs: what is imported has the counts of an independent count of the lines, and is valid."""

import re
from collections import Counter
from pathlib import Path

import pytest

from trilha.errors import FormatError, UsageError
from trilha.importing.swift_log import lines
from trilha.prov import Kind

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "swift-logs"
BEGUN = """\
2009-03-27 21:13:30,000+0000 INFO  Loader retry.swift: source file is new. Recompiling.
2009-03-27 21:13:30,500+0000 INFO  unknown RUNID id=tag:benc@ci.uchicago.edu,2007:swift:run:2009-retry
2009-03-27 21:13:31,000+0000 INFO  p PROCEDURE thread=0 name=p
2009-03-27 21:13:31,000+0000 INFO  vdl:execute START thread=0 tr=echo
"""
WHERE = "tr=echo arguments=[a, b] tmpdir=jobs"


def at(second, text):
    return f"2009-03-27 21:13:{second},100+0000 {text}\n"


def attempt(number, end):
    """The lines of one attempt; `end` is the word that ends it."""
    job, place = f"jobid=echo-{number}", f"thread=0-{number} host=site{number} replicationGroup=g"
    begin = at(31 + number, f"DEBUG vdl:execute2 THREAD_ASSOCIATION {job} {place}")
    start = at(31 + number, f"DEBUG vdl:execute2 JOB_START {job} {WHERE}/{number} host=site{number}")
    return begin + start + (at(31 + number, f"DEBUG vdl:execute2 {end} {job} - why") if end else "")


def over(word, how):
    """The lines that end the task and the run."""
    return at(40, f"INFO  vdl:execute {word} thread=0 tr=echo") + at(
        41, f"INFO  Loader Swift finished with {how}"
    )


@pytest.fixture
def logs():
    if not DATA.is_dir():
        pytest.skip("the logs of others are not beside the checkout")
    return sorted(path for path in DATA.glob("*.log") if path.name != "swift.log")


def independent(paths):
    """Distinct things of each kind in the lines, by patterns of their own."""
    counts = Counter()
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        counts["tasks"] += len(set(re.findall(r" PROCEDURE thread=(\S+) ", text)))
        counts["attempts"] += len(set(re.findall(r"THREAD_ASSOCIATION jobid=(\S+)", text)))
        counts["inputs"] += len(set(re.findall(r"PARAM (thread=\S+ direction=input .*)", text)))
        outputs = re.findall(r"PARAM thread=\S+ direction=output variable=\S+ provenanceid=(\S+)", text)
        counts["outputs"] += len(outputs)
        pairs = set(re.findall(r"CONTAINMENT parent=(\S+) child=(\S+)", text))
        pairs |= set(re.findall(r"CREATEARRAY MEMBER array=(\S+) index=\S+ member=(\S+)", text))
        pairs |= {
            (a, b)
            for a, b in re.findall(r"STRUCTMEMBER thread=\S+ struct=(\S+) child=\S+ result=(\S+)", text)
        }
        counts["members"] += len(pairs)
        counts["filenames"] += len(set(re.findall(r" FILENAME dataset=(\S+) filename=(.*)", text)))
        counts["values"] += len(set(re.findall(r" VALUE dataset=(\S+) VALUE=(.*)", text)))
        counts["elements"] += text.count(" ARRAYELEMENT ")
        counts["operators"] += text.count(" OPERATOR ")
        counts["functions"] += text.count(" FUNCTION ")
    return counts


def imported(documents):
    counts = Counter()
    for told in documents:
        tasks = {one.id for one in told.records if one.kind is Kind.ACTIVITY and ":execute:" in one.id}
        assert len(tasks) == len(told.all("Task")) + len(told.all("Call"))
        made = [
            one for one in told.records if one.kind in (Kind.GENERATION, Kind.INFLUENCE) and one[3] in tasks
        ]
        used = [one for one in told.records if one.kind is Kind.USAGE and one[2] in tasks]
        data = told.all("Dataset")
        counts += Counter(
            tasks=len(tasks),
            attempts=len(told.all("Attempt")),
            inputs=len(used),
            outputs=len(made),
            members=sum(one.kind is Kind.MEMBERSHIP for one in told.records),
            filenames=sum(len(one.get("filename", ())) for one in data),
            values=sum(len(one.get("value", ())) for one in data),
            operators=len(told.all("Operator")),
            functions=len(told.all("Function")),
            elements=sum(one["label"] == ["array element"] for one in told.all("Access")),
        )
    return counts


def test_all_logs_are_imported_with_the_counts_of_their_lines_and_are_valid(store, logs):
    report = store.bring("swift", *logs)
    assert len(report.runs) == len(logs) == 72
    assert not report.left
    documents = [store.document(run.uuid) for run in report.runs]
    assert imported(documents) == independent(logs)
    assert {run.status for run in store.runs()} == {"finished"}


def test_the_runs_of_the_fmri_workflow_have_calls_keys_and_evaluations(store, logs):
    (log,) = [path for path in logs if "fmri" in path.name]
    (run,) = store.bring("swift", log).runs
    told = store.document(run.uuid)
    named = {"align": 4, "average": 1, "slicer": 3, "convert": 3}
    assert Counter(one["procedure"][0] for one in told.all("Task")) == named
    keys = {value for one in told.records if one.kind is Kind.MEMBERSHIP for _, value in one.attributes}
    assert {"[0]", "[1]", "[2]", ".v", ".h"} <= keys
    starters = {one[2]: one[4] for one in told.records if one.kind is Kind.START}
    attempts = [one for one in starters if ":execute2:" in one]
    assert len(attempts) == 11
    assert all(":execute:" in starters[one] for one in attempts)
    assert (len(told.all("Operator")), len(told.all("Constructor"))) == (1, 1)


def test_a_second_import_changes_nothing(store, logs):
    store.bring("swift", logs[0])
    assert [one.state for one in store.bring("swift", logs[0]).runs] == ["there"]


def test_failed_attempts_and_retries_are_attempts_of_one_task(store, tmp_path):
    log = tmp_path / "retry.log"
    failed = attempt(1, "APPLICATION_EXCEPTION") + attempt(2, "APPLICATION_EXCEPTION")
    log.write_text(BEGUN + failed + attempt(3, "JOB_END") + over("END_SUCCESS", "no errors"))
    (run,) = store.bring("swift", log).runs
    told = store.document(run.uuid)
    attempts = [(one["job"], one["status"], one["host"]) for one in told.all("Attempt")]
    assert attempts == [
        (["echo-1"], ["failed"], ["site1"]),
        (["echo-2"], ["failed"], ["site2"]),
        (["echo-3"], ["finished"], ["site3"]),
    ]
    assert len({one[4] for one in told.records if one.kind is Kind.START and ":execute2:" in one[2]}) == 1
    assert told.one("Task")["status"] == ["finished"]


def test_a_task_that_failed_and_a_run_that_did(store, tmp_path):
    log = tmp_path / "failed.log"
    log.write_text(BEGUN + attempt(1, "APPLICATION_EXCEPTION") + over("END_FAILURE", "errors"))
    store.bring("swift", log)
    assert [run.status for run in store.runs()] == ["failed"]


def test_a_run_that_was_cut_off_has_no_status_and_no_ends(store, tmp_path):
    log = tmp_path / "cut.log"
    log.write_text(BEGUN + attempt(1, ""))
    (run,) = store.bring("swift", log).runs
    told = store.document(run.uuid)
    found = next(one for one in told.records if one.kind is Kind.ACTIVITY and ":execute2:" in one.id)
    assert found[3] is None
    assert "status" not in told.one("Attempt")
    assert "finished" not in {run.status for run in store.runs()}


def test_the_wrappers_record_belongs_to_its_job(store, tmp_path):
    (tmp_path / "retry.log").write_text(BEGUN + attempt(1, "JOB_END"))
    record = "Progress\nEXTRAINFO=monkey\nDIR=jobs/1/echo-1\nEXEC=/bin/echo\nARGS=a b\n"
    (tmp_path / "echo-1-info").write_text(record)
    report = store.bring("swift", tmp_path)
    facts = store.document(report.runs[0].uuid).one("Attempt")
    assert (facts["executable"], facts["extra_info"]) == (["/bin/echo"], ["monkey"])
    assert not report.left


def test_what_is_no_log_is_refused_and_nothing_is_written(store, tmp_path):
    (tmp_path / "a.log").write_text("hello\n")
    with pytest.raises(FormatError, match=r"a\.log:1:1: expected a log of Swift"):
        store.bring("swift", tmp_path / "a.log")
    (tmp_path / "b.log").write_text("2009-03-27 21:13:30,000+0000 INFO  Loader started\n")
    with pytest.raises(FormatError, match="expected a log of Swift with the RUNID"):
        store.bring("swift", tmp_path / "b.log")
    (tmp_path / "c.log").write_text(BEGUN + "2009-03-27 21:13:31,000+0000 INFO  x PROCEDURE name=p\n")
    with pytest.raises(FormatError, match=r"c\.log:5:1: expected thread= in the line PROCEDURE"):
        store.bring("swift", tmp_path / "c.log")
    with pytest.raises(UsageError, match="no such file"):
        store.bring("swift", tmp_path / "none.log")
    assert not (tmp_path / "store" / "journals").exists()


def test_times_are_to_the_millisecond_and_in_their_zone(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("2009-03-16 17:11:35,569+0100 INFO  unknown RUNID id=x\n")
    (line,) = lines(str(log))
    assert (line.word, line.values, line.time) == ("RUNID", {"id": "x"}, 1237219895569 * 10**6)
