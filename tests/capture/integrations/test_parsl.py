"""What is recorded of Parsl workflows that know nothing of Trilha: tasks, attempts, files, futures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from textwrap import dedent

import pytest
from tests.capture.graph import Graph

import trilha
import trilha.capture.launch
from trilha.prov import PROV, Kind

BEGIN = """
import os, sys, parsl
from parsl import File, bash_app, join_app, python_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider
if len(sys.argv) > 1:
    local = dict(address="127.0.0.1", loopback_address="127.0.0.1", encrypted=False)
    executor = HighThroughputExecutor(
        label="work", max_workers_per_node=2, cores_per_worker=0.5, provider=LocalProvider(), **local
    )
else:
    executor = ThreadPoolExecutor(label="work", max_threads=2)
parsl.load(Config(executors=[executor], retries=1, run_dir="runinfo", strategy_period=0.1))
@python_app(cache=True)
def square(x):
    return x * x
@python_app
def total(inputs=()):
    return [sum(inputs)]
@bash_app
def echo(text, outputs=()):
    return f"echo {text} > {outputs[0]}"
@python_app
def size(inputs=()):
    return len(open(inputs[0]).read())
"""
END = """
parsl.dfk().cleanup()
parsl.clear()
"""


@pytest.fixture
def run(tmp_path):
    def run_workflow(source, *arguments):
        """The graph of a workflow, whose output and exit status are what they are without us."""
        script = tmp_path / "flow.py"
        script.write_text(BEGIN + dedent(source) + END)
        store = tmp_path / "store"
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--grain=file", "--"]
        told = []
        for words in ([sys.executable], launcher):
            environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
            # Parsl finds its own programs there.
            environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
            (tmp_path / "marker").unlink(missing_ok=True)
            done = subprocess.run(
                [*words, str(script), *arguments],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            told.append((done.returncode, done.stdout, done.stderr))
        assert told[0] == told[1]
        assert told[0][0] == 0, told[0]
        graph = Graph(store)
        assert not graph.dropped
        with trilha.open(store) as found:
            verdict = found.document(graph.about_run()).validate()
        assert verdict.valid, verdict.violations
        return graph

    return run_workflow


def facts(graph, kind):
    return [
        graph.about[one]
        for one in graph.about
        if any(str(t).endswith(f"#{kind}") for t in graph.about[one]["type"])
    ]


def labels(graph, kind):
    return sorted(one["label"][0] for one in facts(graph, kind))


@pytest.mark.parametrize("arguments", [(), ("processes",)], ids=["threads", "processes"])
def test_each_call_is_a_task_that_uses_the_results_of_others(run, arguments):
    graph = run("print(total(inputs=[square(i) for i in range(3)]).result())", *arguments)
    assert labels(graph, "Task") == ["square", "square", "square", "total"]
    assert labels(graph, "Attempt") == ["square, attempt 1"] * 3 + ["total, attempt 1"]
    assert graph.usages().count(("total", "square()")) == 3
    assert graph.derivations().count(("total()", "square()")) == 3
    assert sorted(one["arg.x"][0] for one in facts(graph, "Task") if one["arg.x"]) == [0, 1, 2]
    assert {one["status"][0] for one in facts(graph, "Attempt")} == {"finished"}
    assert not labels(graph, "Message")  # what Parsl's pool keeps of tasks in a manager is its own affair


def test_what_is_taken_out_of_a_result_and_put_into_one_links_the_tasks(run):
    graph = run("""
        @python_app
        def split(count):
            return [[[place, 1], [place, 2]] for place in range(count)]
        @python_app
        def rows(part):
            return [sum(row) for row in part]
        @python_app
        def settings():
            return {"rate": 0.1}
        @python_app
        def count(made):
            return len(made)
        parts = split(2).result()
        found = [rows(part).result() for part in parts]
        made = settings().result()
        made["rows"] = found[0]
        print(count(made).result(), count(parts).result())
    """)
    used = Counter(source for user, source in graph.usages() if user == "count")
    assert used == Counter(["settings()", "rows()", "split()", "part", "part"])
    taken = [source for user, source in graph.usages() if user == "rows"]
    assert taken == ["part", "part"]
    assert [source for new, source in graph.derivations() if new == "part"] == ["split()"] * 2


def test_what_a_worker_does_lies_in_the_attempt_and_is_measured(run):
    graph = run(
        """
    @python_app
    def work(n):
        open("worked.txt", "w").write("x" * n)
        return sum(i * i for i in range(n))
    print(work(200_000).result())
    """,
        "processes",
    )
    (attempt,) = facts(graph, "Attempt")
    assert attempt["cpu_seconds"][0] > 0
    assert attempt["peak_memory"][0] > 1_000_000
    assert attempt["bytes_written"][0] >= 200_000
    assert attempt["worker"][0] in ("0", "1")
    assert ("worked.txt", "work, attempt 1") in graph.generations()


def test_what_is_first_met_in_a_worker_was_made_by_the_program_and_not_by_parsl_s(run):
    graph = run(
        """
    @python_app
    def work(n):
        import array, multiprocessing, trilha
        @trilha.step
        def doubled(values):
            return array.array("q", [2 * value for value in values])
        with multiprocessing.get_context("fork").Manager() as manager:
            kept = manager.dict()
            kept["one"] = doubled(list(range(n)))
            return doubled(kept["one"])
    print(work(3).result())
    """,
        "processes",
    )
    assert ("values", "run") in graph.generations()
    assert "process_worker_pool" not in {maker for _, maker in graph.generations()}
    assert "process_worker_pool" in labels(graph, "Process")
    # The manager is the program's, unlike the one that Parsl's pool has.
    found = {*graph.derivations()}
    assert {("message", "doubled()"), ("message", "received"), ("received", "message")} <= found


def test_a_file_goes_from_the_task_that_wrote_it_to_the_one_that_reads_it(run):
    graph = run("""
    written = echo("hello", outputs=[File(os.path.abspath("hello.txt"))])
    print(size(inputs=[written.outputs[0]]).result())
    """)
    assert ("hello.txt", "echo") in graph.generations()
    assert ("size", "hello.txt") in graph.usages()
    assert ("size()", "hello.txt") in graph.derivations()
    assert [one["arg.text"] for one in facts(graph, "Task") if one["label"] == ["echo"]] == [["hello"]]


def test_a_file_has_in_each_task_the_role_of_the_parameter_that_took_it(run):
    graph = run("""
    @python_app
    def lines(table, same=None):
        return open(table).read().count("x")
    with open("table.txt", "w") as file:
        file.write("x")
    table = File(os.path.abspath("table.txt"))
    print(lines(table, same=table).result(), size(inputs=[table]).result())
    @python_app
    def read_by_name(path):
        return open(path).read()
    print(read_by_name("table.txt").result())
    """)
    entities = set(graph.all("table.txt", "File"))
    roles = Counter(
        (graph.label(record[2]), record.value(PROV["role"]))
        for record in graph.records
        if record.kind is Kind.USAGE and record[3] in entities
    )
    assert roles["lines", "table"] == roles["lines", "same"] == roles["size", "inputs[0]"] == 1
    assert not [facts["role"] for facts in graph.about.values() if facts["role"]]
    assert {role for (label, role) in roles if label.startswith("read_by_name")} == {None}


@pytest.mark.parametrize("executor", [(), ("processes",)], ids=["threads", "processes"])
def test_a_file_that_an_app_declares_has_the_role_of_the_parameter_that_named_it(run, executor):
    graph = run(
        """
    @python_app
    def split(text, outputs=()):
        for path, letter in zip(outputs, text):
            with open(path, "w") as file:
                file.write(letter)
        with open("beside.txt", "w") as file:
            file.write(text)
    @bash_app
    def said(word, outputs=(), stdout=None):
        return f"echo {word}; echo {word} > {outputs[0]}"
    files = [File(os.path.abspath(name)) for name in ("one.txt", "two.txt", "three.txt")]
    split("xy", outputs=files[:2]).result()
    said("word", outputs=files[2:], stdout=File(os.path.abspath("said.txt"))).result()
    """,
        *executor,
    )
    roles = Counter(
        (graph.label(record[2]), record.value(PROV["role"]))
        for record in graph.records
        if record.kind is Kind.GENERATION and graph.about[record[2]]["path"]
    )
    named = {
        ("one.txt", "outputs[0]"),
        ("two.txt", "outputs[1]"),
        ("three.txt", "outputs[0]"),
        ("said.txt", "stdout"),
    }
    assert {pair for pair in roles if pair[1] is not None} == named
    assert all(roles[pair] == 1 for pair in named)
    assert roles["beside.txt", None] == 1


def test_a_task_that_is_tried_again_has_two_attempts(run):
    graph = run("""
    @python_app
    def flaky():
        import os
        if not os.path.exists("marker"):
            open("marker", "w").close()
            raise ValueError("the first time")
        return "ok"
    print(flaky().result())
    """)
    attempts = [(one["attempt"][0], one["status"][0]) for one in facts(graph, "Attempt")]
    assert sorted(attempts) == [(1, "failed"), (2, "finished")]
    assert any("the first time" in str(one["exception"]) for one in facts(graph, "Attempt"))
    assert [one["status"] for one in facts(graph, "Task")] == [["exec_done"]]


def test_failures_and_what_depended_on_them_are_told_apart(run):
    graph = run("""
    @python_app
    def broken(x):
        raise RuntimeError("never")
    try:
        total(inputs=[broken(1)]).result()
    except Exception as error:
        print(type(error).__name__)
    """)
    statuses = {one["label"][0]: one["status"][0] for one in facts(graph, "Task")}
    assert statuses == {"broken": "failed", "total": "dep_fail"}
    assert labels(graph, "Attempt") == ["broken, attempt 1", "broken, attempt 2"]
    # What was given is a future, of which no result came.
    assert ("total", "future of broken") in graph.usages()
    assert labels(graph, "Future") == ["future of broken", "future of total"]
    assert not [made for made, _ in graph.generations() if made.startswith("future")]


@pytest.mark.parametrize("arguments", [(), ("processes",)], ids=["threads", "processes"])
def test_a_command_that_fails_tells_its_exit_status(run, arguments):
    graph = run(
        """
    @bash_app
    def leave(status):
        return f"exit {status}"
    print(leave(0).result())
    try:
        leave(7).result()
    except Exception as error:
        print(type(error).__name__)
    """,
        *arguments,
    )
    attempts = [one for one in facts(graph, "Attempt") if one["label"][0].startswith("leave")]
    told = sorted((one["status"][0], *one["exit_status"]) for one in attempts)
    assert told == [("failed", 7), ("failed", 7), ("finished",)]
    assert graph.one("leave()")["value"] == [0]


def test_a_remembered_result_is_that_of_the_task_that_computed_it(run):
    graph = run("print(square(7).result(), square(7).result())")
    states = sorted(one["status"][0] for one in facts(graph, "Task"))
    assert states == ["exec_done", "memo_done"]
    assert len(facts(graph, "Attempt")) == 1
    general = {
        record[3] for record in graph.of(Kind.SPECIALIZATION) if str(record[3]).startswith("urn:trilha:memo:")
    }
    assert len(general) == 1
    assert sorted(one["cached"][0] for one in graph.about.values() if one["cached"]) == [False, True]


def test_a_join_app_uses_what_its_inner_tasks_gave(run):
    graph = run("""
    @join_app
    def both(x):
        return [square(x), square(x + 1)]
    print(both(5).result())
    """)
    assert graph.usages().count(("both", "square()")) == 2
    starters = graph.starters()
    assert starters["square"] == "both, attempt 1"


def test_a_task_belongs_to_the_step_that_called_it_however_soon_it_is_launched(run):
    graph = run("""
    import trilha
    pool = parsl.dfk()._task_launch_pool
    submit = pool.submit
    def submit_and_wait(*call):
        submit(*call).result()
    with trilha.step("prepare"):
        # Parsl's other thread has launched the task before it gives the future back.
        pool.submit = submit_and_wait
        one = square(3)
        pool.submit = submit
    print(one.result())
    """)
    assert graph.starters()["square"] == "prepare"
    assert [one["arg.x"] for one in facts(graph, "Task")] == [[3]]


def test_a_call_that_parsl_refuses_is_told_as_refused(run):
    graph = run("""
    from parsl.data_provider.files import File
    try:
        size(inputs=[File("nothing://knows/this")])
    except Exception as error:
        print(type(error).__name__)
    """)
    (task,) = facts(graph, "Task")
    assert (task["label"], task["status"]) == (["size"], ["refused"])
    assert not facts(graph, "Attempt")


AS_IT_WAS = """
import sys, trilha
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors.threads import ThreadPoolExecutor
before = dict(vars(DataFlowKernel)), dict(vars(ThreadPoolExecutor))
with trilha.run("test", store=sys.argv[1]):
    assert vars(DataFlowKernel)["submit"] is not before[0]["submit"]
assert (dict(vars(DataFlowKernel)), dict(vars(ThreadPoolExecutor))) == before
"""


def test_parsl_is_as_it_was_after_the_run(tmp_path):
    subprocess.run([sys.executable, "-c", AS_IT_WAS, str(tmp_path)], check=True, cwd=tmp_path)


SENT = """
import os
from parsl.serialize import deserialize, serialize
def helper(x): return os.path.join("a", str(x))
def answer(x):
    y = helper(x)
    return len(y) + 1
def outer(n):
    def add(x):
        return helper(x + n)
    return add
sent = [serialize(one) for one in (answer, outer(2), lambda x: helper(x + 3))]
print(*[deserialize(one)(1) for one in sent], deserialize(serialize(outer))(2)(1))
print([len(one) for one in sent])
print(*map(answer, range(3)))
"""


def test_functions_are_sent_to_workers_without_hooks(tmp_path):
    """A worker knows nothing of them, and each task has its function in several messages."""
    script, store = tmp_path / "sent.py", tmp_path / "store"
    script.write_text(SENT)
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--grain=call", "--"]
    plain, told = (
        subprocess.run([*words, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=180)
        for words in ([sys.executable], launcher)
    )
    assert (told.stdout, told.stderr) == (plain.stdout, plain.stderr)
    assert plain.stdout.startswith("4 a/3 a/4 a/3\n")
    graph = Graph(store)
    assert not graph.dropped
    assert labels(graph, "Step").count("answer") == 3
