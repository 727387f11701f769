"""Swift's questions, over imported logs of Swift and over a run of Parsl; each also as one line of SQL.

What is right is worked out from the lines of the logs, by patterns of this module's own, and from what the
workflow in `flow.py` does.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import networkx as nx
import pytest
from tests.conftest import name as qualified

import trilha.store
from trilha.errors import UsageError
from trilha.formats import write
from trilha.importing import bring
from trilha.query import questions
from trilha.store.memory import store_of

HERE = Path(__file__).parent
DATA = HERE.parents[2].parent / "shared" / "data" / "swift-logs"
LOGS = sorted(path for path in DATA.glob("*.log") if path.name != "swift.log")
LINES = Path(HERE.parents[2] / "docs" / "reference" / "store.md").read_text(encoding="utf-8")
needs_logs = pytest.mark.skipif(not LOGS, reason="the logs of others are not beside the checkout")
SQL = dict(re.findall(r"```sql\n-- trilha ask (\S+).*?\n(.*?)\n```", LINES, re.DOTALL))

RETRY = """\
2009-03-27 21:13:30,000+0000 INFO  Loader retry.swift: source file is new. Recompiling.
2009-03-27 21:13:30,500+0000 INFO  unknown RUNID id=tag:benc@ci.uchicago.edu,2007:swift:run:2009-retry
2009-03-27 21:13:31,000+0000 INFO  p PROCEDURE thread=0 name=p
2009-03-27 21:13:31,000+0000 INFO  vdl:execute START thread=0 tr=echo
2009-03-27 21:13:32,100+0000 DEBUG vdl:execute2 THREAD_ASSOCIATION jobid=echo-1 thread=0-1 host=siteA
2009-03-27 21:13:33,100+0000 DEBUG vdl:execute2 APPLICATION_EXCEPTION jobid=echo-1 - why
2009-03-27 21:13:34,100+0000 DEBUG vdl:execute2 THREAD_ASSOCIATION jobid=echo-2 thread=0-2 host=siteB
2009-03-27 21:13:36,100+0000 DEBUG vdl:execute2 JOB_END jobid=echo-2
2009-03-27 21:13:37,100+0000 INFO  vdl:execute END_SUCCESS thread=0 tr=echo
2009-03-27 21:13:38,100+0000 INFO  Loader Swift finished with no errors
"""


@pytest.fixture(scope="module")
def swift(tmp_path_factory):
    """A store with all logs of Swift, and one with a failed attempt."""
    folder = tmp_path_factory.mktemp("swift")
    (folder / "retry.log").write_text(RETRY)
    bring("swift", [*map(str, LOGS), str(folder / "retry.log")], str(folder / "store"))
    with trilha.store.open(folder / "store") as store:
        yield store


@pytest.fixture(scope="module")
def parsl(tmp_path_factory):
    """A store with a run of Parsl."""
    folder = tmp_path_factory.mktemp("parsl")
    launcher = [sys.executable, "-c", "from trilha.cli import main; main()"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    done = subprocess.run(
        [*launcher, "--store", str(folder / "store"), "run", str(HERE / "flow.py"), str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert json.loads(said[0]) == [["ok"], ["6"], [25], [25], "DependencyError"], done.stdout
    with trilha.store.open(folder / "store") as store:
        yield store


def ask(store, *words, **more):
    return questions.ask(store, *words, **more)


def one_log(name):
    (path,) = [path for path in LOGS if name in path.name]
    return path.read_text(encoding="utf-8", errors="replace")


# -- ancestors and dependencies


def swift_graph(text):
    """The data sets and calls of a log as a graph from effects to causes, by patterns of this test's own."""
    graph = nx.DiGraph()
    calls = {}
    outputs = defaultdict(list)
    for thread, direction, data in re.findall(
        r"PARAM thread=(\S+) direction=(\w+) .*provenanceid=(\S+)", text
    ):
        if direction == "input":
            graph.add_edge(("call", thread), data)
        else:
            outputs[data].append(thread)
    for data, threads in outputs.items():
        graph.add_edge(data, ("call", max(threads, key=lambda one: one.count("-"))))
    for parent, child in re.findall(r"CONTAINMENT parent=(\S+) child=(\S+)", text):
        graph.add_edge(parent, child)
    for array, member in re.findall(r"CREATEARRAY MEMBER array=(\S+) index=\S+ member=(\S+)", text):
        graph.add_edge(array, member)
    for struct, result in re.findall(r"STRUCTMEMBER thread=\S+ struct=(\S+) child=\S+ result=(\S+)", text):
        graph.add_edge(struct, result)
    for thread, name in re.findall(r"PROCEDURE thread=(\S+) name=(\S+)", text):
        calls["call", thread] = name
    return graph, calls


@needs_logs
@pytest.mark.parametrize("name", ["130-fmri", "0024-compound", "084-declare-many", "111-array-individual"])
def test_ancestors_are_those_of_the_log(swift, name):
    graph, names = swift_graph(one_log(name))
    made = [node for node in graph if isinstance(node, str) and any(one in names for one in graph[node])]
    assert made
    for data in made:
        past = nx.descendants(graph, data)
        answer = ask(swift, "ancestors", data)
        told = Counter(row["what"] for row in answer if row["type"] in ("Task", "Call"))
        assert told == Counter(names.get(one, f"thread {one[1]}") for one in past if isinstance(one, tuple))
        found = {row["iri"] for row in answer if row["type"] == "Dataset"}
        wanted = {one for one in past if isinstance(one, str)}
        # Operators, functions and accesses are in the graph too, and not in this test's.
        assert wanted <= found
        assert not {one for one in found - wanted if one in graph} - _by_evaluations(one_log(name))


def _by_evaluations(text):
    """Data sets that an operator or a function used."""
    found = set(re.findall(r"FUNCTIONPARAMETER .*input=(\S+)", text))
    for pair in re.findall(r"OPERATOR .* lhs=(\S+) rhs=(\S+) result", text):
        found |= set(pair)
    return found


@needs_logs
def test_calls_and_data_depend_on_each_other_as_in_the_fmri_workflow(swift):
    image = re.search(
        r"FILENAME dataset=(\S+) filename=file://localhost/130-fmri.0001.jpeg", one_log("fmri")
    )[1]
    calls = Counter((row["call"], row["after"]) for row in ask(swift, "call-dependencies", image))
    assert calls["convert", "slicer"] == 1
    assert calls["slicer", "average"] == 1
    assert calls["average", "align"] == 4
    data = {(row["data"], row["from"], row["through"]) for row in ask(swift, "data-dependencies", image)}
    assert ("slices[1]", "brainatlas", "slicer") in data
    assert ("slices[1]", "axes[1]", "slicer") in data
    assert ("brainatlas", "aligned", "average") in data
    assert ("brainatlas", "brainatlas.h", None) in data
    assert not any(one.startswith(("slices[0]", "slices[2]")) for one, *_ in data)


def test_what_a_result_of_parsl_came_of(parsl):
    answer = ask(parsl, "ancestors", "read()")
    tasks = Counter(row["what"] for row in answer if row["type"] == "Task")
    assert tasks == {"read": 1, "write": 1, "total": 1, "sized": 3}
    assert answer.summary["calls"] == 6
    calls = Counter((row["call"], row["after"]) for row in ask(parsl, "call-dependencies", "read()"))
    assert calls == {("read", "write"): 1, ("write", "total"): 1, ("total", "sized"): 3}
    data = {(row["data"], row["from"], row["through"]) for row in ask(parsl, "data-dependencies", "read()")}
    assert {("read()", "sum.txt", "read"), ("sum.txt", "total()", "write")} <= data


def test_how_many_are_told_is_said(parsl):
    answer = ask(parsl, "ancestors", "read()", "2")
    assert (len(answer), answer.summary["calls"]) == (2, 6)
    with pytest.raises(UsageError, match="whole number from 1"):
        ask(parsl, "ancestors", "read()", "none")


# -- where, how long, what failed


def test_attempts_of_swift_are_those_of_the_logs(swift):
    told = Counter((row["run"], row["host"]) for row in ask(swift, "attempts"))
    counted = Counter()
    for path in LOGS:
        text = path.read_text(encoding="utf-8", errors="replace")
        script = re.search(r"Loader (\S+\.(?:swift|dtm|kml|xml)): ", text)[1]
        for host in dict(re.findall(r"THREAD_ASSOCIATION jobid=(\S+) .*host=(\S+)", text)).values():
            counted[script, host] += 1
    counted.update({("retry.swift", "siteA"): 1, ("retry.swift", "siteB"): 1})
    assert told == counted
    rows = {row["host"]: row for row in ask(swift, "attempts", run="retry.swift")}
    assert (rows["siteA"]["status"], rows["siteA"]["took"]) == ("failed", pytest.approx(1))
    assert (rows["siteB"]["status"], rows["siteB"]["took"]) == ("finished", pytest.approx(2))


def test_attempts_of_parsl_say_where_and_how_long(parsl):
    answer = ask(parsl, "attempts")
    told = Counter((row["call"], row["status"]) for row in answer)
    assert told == {
        ("sized", "finished"): 3,
        ("total", "finished"): 1,
        ("write", "finished"): 1,
        ("read", "finished"): 1,
        ("square", "finished"): 1,
        ("flaky", "failed"): 1,
        ("flaky", "finished"): 1,
        ("broken", "failed"): 2,
    }
    import platform

    assert {row["host"] for row in answer} == {platform.node()}
    assert {row["executor"] for row in answer} == {"work"}
    assert all(row["waited"] >= 0 and row["took"] >= 0 and row["cpu"] >= 0 for row in answer)
    slept = sorted(row["took"] for row in answer if row["call"] == "sized")
    assert [took >= n * 0.02 for n, took in zip((1, 2, 3), slept, strict=True)] == [True] * 3


def test_what_failed_and_what_was_retried(swift, parsl):
    (row,) = ask(swift, "retries")
    assert (row["run"], row["call"], row["end"], row["attempts"], row["failed"]) == (
        "retry.swift",
        "p",
        "succeeded",
        2,
        1,
    )
    told = {row["call"]: row for row in ask(parsl, "retries")}
    assert {
        call: (row["end"], row["status"], row["attempts"], row["failed"]) for call, row in told.items()
    } == {
        "flaky": ("succeeded", "exec_done", 2, 1),
        "broken": ("failed", "failed", 2, 2),
        "total": ("failed", "dep_fail", 0, 0),
    }
    assert "the first time" in told["flaky"]["first exception"]
    assert ask(parsl, "retries").summary == {"succeeded": 1, "failed": 2}


def test_what_was_not_computed_again_came_from_another_call(parsl):
    (row,) = ask(parsl, "cached")
    assert (row["call"], row["from"], row["run"]) == ("square", "square", row["from run"])
    assert row["number"] == row["from number"] + 1


# -- files, parameters, annotations


@needs_logs
def test_about_a_file_name(swift, parsl):
    rows = [
        (row["what"], row["call"], row["parameter"]) for row in ask(swift, "about-file", "130-fmri.0001.jpeg")
    ]
    assert rows.count(("made", "convert", "j")) == 1
    told = [(row["what"], row["call"], row["parameter"]) for row in ask(parsl, "about-file", "sum.txt")]
    assert sorted(told) == [("made", "write", "outputs[0]"), ("used", "read", "inputs[0]")]
    assert ask(parsl, "about-file", "no.txt").yes is False


def test_a_file_is_named_where_nothing_more_is_known_of_it_and_functions_are_no_files(
    tmp_path, writing, parsl
):
    w = writing("one")
    w.begin("one")
    for _ in range(2):
        w.entity(next(w.numbers), "trilha:path", "/b.txt")
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert [row["what"] for row in ask(store, "about-file", "b.txt")] == ["named"]
        assert [row[1:] for row in lines(store, "about-file", "b.txt")] == [("named", None, None)]
    # Its functions, which tasks follow, are known by its path, too.
    assert [row["what"] for row in ask(parsl, "about-file", "flow.py")] == ["used"]


def test_what_an_attempt_opened_is_told_apart_where_no_parameter_of_its_call_names_it(tmp_path, writing):
    w = writing("one")
    w.begin("one")
    for content, role in (("new", "inputs[0]"), ("old", "inputs[0]"), ("old", None), ("new", "inputs[0]")):
        call = w.step("read", None, "prov:type", qualified("trilha:Task"))
        attempt = w.step("read, attempt 1", call, "prov:type", qualified("trilha:Attempt"))
        w.uses(attempt, w.met_file("/a.txt", "new"))
        if role:
            w.uses(call, w.met_file("/a.txt", content), 0, "prov:role", role)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        answer = ask(store, "about-file", "a.txt")
        told = Counter((row["call"], row["parameter"]) for row in answer)
        # The second was given other bytes than it opened, the third was given none.
        assert told == {("read", "inputs[0]"): 3, ("read", None): 2}
        assert Counter(row[3] for row in lines(store, "about-file", "a.txt")) == {"inputs[0]": 3, None: 2}


@needs_logs
def test_a_file_that_many_runs_made_is_told_of_each(swift):
    counted = Counter()
    for path in LOGS:
        text = path.read_text(encoding="utf-8", errors="replace")
        data = set(re.findall(r"FILENAME dataset=(\S+) filename=file://localhost/(\S+)", text))
        made = set(re.findall(r"PARAM .*direction=output .*provenanceid=(\S+)", text))
        counted.update({name for one, name in data if one in made})
    name, runs = counted.most_common(1)[0]
    answer = ask(swift, "about-file", name)
    assert len({row["id"] for row in answer if row["what"] == "made"}) == runs


@needs_logs
def test_runs_are_compared_by_a_parameter(swift):
    wanted = {}
    for path in LOGS:
        text = path.read_text(encoding="utf-8", errors="replace")
        script = re.search(r"Loader (\S+\.(?:swift|dtm|kml|xml)): ", text)[1]
        values = dict(re.findall(r" VALUE dataset=(\S+) VALUE=(.*)", text))
        given = re.findall(r"PARAM .*direction=input variable=m provenanceid=(\S+)", text)
        if {one for one in given if one in values}:
            wanted[script] = {values[one] for one in given if one in values}
    told = {}
    for row in ask(swift, "compare", "m"):
        told[row["run"]] = {str(one) for one in (row["m"] if isinstance(row["m"], list) else [row["m"]])}
    assert told == wanted


def test_a_parameter_goes_with_the_time(parsl):
    answer = ask(parsl, "correlate", "n")
    assert sorted(row["value"] for row in answer) == [1, 2, 3]
    assert all(row["call"] == "sized" and row["took"] >= row["value"] * 0.02 for row in answer)
    assert all(-1 <= one <= 1 for one in answer.summary["correlation"].values())
    assert [row["n"] for row in ask(parsl, "compare", "n")] == [[1, 2, 3]]


def test_runs_are_compared_by_an_annotation(tmp_path):
    for name, centre in (("one", "Chicago"), ("two", "Rio")):
        with trilha.run(name, store=tmp_path / "store"):
            trilha.annotate(trilha.run, centre=centre)
    with trilha.store.open(tmp_path / "store") as store:
        rows = {row["run"]: row["centre"] for row in ask(store, "compare", "centre")}
        assert rows == {"one": "Chicago", "two": "Rio"}
        assert ask(store, "compare", "nothing").unknown == [
            "nothing: no run has a parameter or an annotation of this name."
        ]


# -- the same as SQL, and of a document alone


def lines(store, name, *parameters):
    return list(store.connection.execute(SQL[name], parameters))


def key_of(store, what):
    (found,) = store.connection.execute("SELECT name FROM name WHERE iri = ?", (what,)).fetchall()
    return found[0]


@needs_logs
def test_every_question_is_a_line_of_sql(swift, parsl):
    assert set(SQL) == {
        question.name
        for question in questions.questions()
        if question.papers[:1] and question.papers[0][0] == "S"
    }
    data = re.search(r"FILENAME dataset=(\S+) filename=file://localhost/130-fmri.0001.jpeg", one_log("fmri"))[
        1
    ]
    file = next(row["iri"] for row in ask(parsl, "ancestors", "read()") if row["what"] == "sum.txt")
    for store, what in ((swift, data), (parsl, file)):
        for name, row, columns in (
            ("ancestors", "iri", 1),
            ("data-dependencies", ("what id", "from id"), 2),
            ("call-dependencies", ("what id", "from id"), 2),
        ):
            answer = ask(store, name, what)
            mine = {one[row] if isinstance(row, str) else tuple(one[key] for key in row) for one in answer}
            found = {one[0] if columns == 1 else one for one in lines(store, name, key_of(store, what))}
            assert mine == found - {what}, name


def test_of_several_versions_the_question_takes_the_last_and_the_line_the_one_that_it_is_given(
    tmp_path, writing
):
    w = writing("one")
    w.begin("one")
    versions = []
    for label in ("first", "second"):
        call = w.step(label, None, "prov:type", qualified("trilha:Task"))
        w.tick()
        versions.append(w.met_file("/a.txt", label))
        w.makes(call, versions[-1])
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        last = ask(store, "ancestors", "a.txt")
        assert [row["what"] for row in last] == ["second"]
        (known,) = re.findall(r"`(SELECT k\.name, n\.iri .*) = 'sum\.txt'`", LINES)
        every = store.connection.execute(f"{known} = ?", ("a.txt",))
        assert {iri for _, iri in every} == {f"{w.prefix}{number}" for number in versions}
        assert last.unknown == ["2 things are called 'a.txt' in this run; this is the trail of the last one."]
        for number, label in zip(versions, ("first", "second"), strict=True):
            iri = f"{w.prefix}{number}"
            answer = ask(store, "ancestors", iri)
            assert [row["what"] for row in answer] == [label]
            found = {one for (one,) in lines(store, "ancestors", key_of(store, iri))}
            assert found == {iri, *(row["iri"] for row in answer)}


@pytest.mark.parametrize(
    ("name", "arguments", "columns"),
    [
        ("attempts", (), ("call", "host", "executor", "status", "waited", "took")),
        ("retries", (), ("call", "status", "attempts", "failed")),
        ("cached", (), ("call", "from")),
        ("correlate", ("n",), ("call", "took", "value")),
        ("correlate", ("m",), ("call", "took", "value")),
    ],
)
def test_a_line_of_sql_gives_what_the_question_answers(swift, parsl, name, arguments, columns):
    for store in (swift, parsl):
        asked = Counter(tuple(str(row[column]) for column in columns) for row in ask(store, name, *arguments))
        assert Counter(tuple(map(str, row)) for row in lines(store, name, *arguments)) == asked


def test_the_line_about_a_file_gives_what_the_question_answers(swift, parsl):
    words = {"in": "used", "out": "made", "named": "named"}
    for store, name in ((swift, "130-fmri.0001.jpeg"), (parsl, "sum.txt"), (parsl, "flow.py")):
        answer = [row for row in ask(store, "about-file", name) if row["as a part of"] is None]
        told = {(row["run"], row["what"], row["parameter"]) for row in answer}
        found = lines(store, "about-file", name)
        assert {(run, words[direction], parameter) for run, direction, _, parameter in found} == told
        calls = dict(store.connection.execute("SELECT call, name FROM call"))
        assert {calls[call] for _, _, call, _ in found if call in calls} <= {row["call"] for row in answer}


def test_the_line_that_compares_runs_gives_what_the_question_answers(swift, parsl):
    for store, name in ((swift, "m"), (parsl, "n")):
        told = {
            (row["run"], str(value)) for row in ask(store, "compare", name) for value in as_list(row[name])
        }
        assert {(run, str(value)) for run, value in lines(store, "compare", name, name)} == told


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_a_document_alone_has_the_same_answers(parsl, tmp_path):
    (uuid,) = parsl.connection.execute("SELECT uuid FROM run").fetchone()
    document = parsl.document(uuid)
    write(document, tmp_path / "run.provn")
    with store_of(document, "run") as alone:
        for words in (
            ("ancestors", "read()"),
            ("call-dependencies", "read()"),
            ("data-dependencies", "read()"),
            ("attempts",),
            ("retries",),
            ("cached",),
            ("about-file", "sum.txt"),
            ("compare", "n"),
            ("correlate", "n"),
        ):
            key = lambda row: json.dumps({name: row[name] for name in row if name != "started"}, default=str)
            here, there = ask(parsl, *words), ask(alone, *words)
            assert sorted(map(key, here)) == sorted(map(key, there)), words
