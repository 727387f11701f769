"""`trilha.autolog` in a notebook: IPython's own shell, and a kernel as Jupyter has it."""

import os
import signal
import sys

from tests.capture.graph import Graph
from tests.capture.notebook.conftest import SHELL

from trilha.prov import Kind


def plans(graph):
    """The source of each cell, by its label."""
    return {
        graph.label(record[2]): graph.about[record[4]]["source"][0]
        for record in graph.of(Kind.ASSOCIATION)
        if record[4] in graph.about and "source" in graph.about[record[4]]
    }


def test_each_cell_is_an_activity_with_its_source_as_plan(cells):
    graph = cells("import trilha", "run = trilha.autolog('notes')", "x = 1", "y = x + 1\nprint(y)")
    assert graph.labels("Cell") == ["cell 2", "cell 3", "cell 4"]
    assert plans(graph) == {
        "cell 2": "run = trilha.autolog('notes')",
        "cell 3": "x = 1",
        "cell 4": "y = x + 1\nprint(y)",
    }
    assert graph.one("cell 3")["execution_count"] == [3]
    assert graph.one("cell 3")["cell_id"] == ["id 2"]
    assert graph.starters() == dict.fromkeys(["cell 2", "cell 3", "cell 4"], "run")
    assert set(map(graph.id, graph.labels("Cell"))) <= graph.ended
    assert graph.run["status"] == ["finished"]


def test_what_a_cell_reads_writes_and_logs_is_its_own(cells):
    graph = cells(
        "import trilha; trilha.autolog()",
        "with open('data', 'w') as file: file.write('1')",
        "with open('data') as file: number = int(file.read())",
        "trilha.log(loss=0.5)\nwith trilha.step('inner'): pass",
    )
    assert ("data", "cell 2") in graph.generations()
    assert ("cell 3", "data") in graph.usages()
    assert graph.starters()["inner"] == "cell 4"
    assert graph.metrics() == [{"loss": 0.5}]


def test_what_the_shell_keeps_of_its_own_is_no_file_of_the_cells(cells, tmp_path):
    graph = cells("import trilha; trilha.autolog()", "%cd -q .", "open('made', 'w').close()")
    assert list((tmp_path / "ipython").rglob("dhist"))
    assert [name for name, _ in graph.generations() if name in ("dhist", "made")] == ["made"]


def test_a_cell_run_twice_and_out_of_order_is_as_many_activities_of_one_plan(cells):
    graph = cells(
        "import trilha; trilha.autolog()", "a = 1", "b = 2", "a = 1", "import trilha; trilha.autolog()"
    )
    assert graph.labels("Cell") == [f"cell {number}" for number in range(1, 6)]
    followed = {
        graph.label(record[2]): record[4] for record in graph.of(Kind.ASSOCIATION) if record[4] is not None
    }
    assert followed["cell 2"] == followed["cell 4"] != followed["cell 3"]
    assert followed["cell 1"] == followed["cell 5"]
    assert len(graph.labels("Run")) == 1


def test_an_error_in_a_cell_is_the_cells_and_does_not_end_the_run(cells):
    graph = cells("import trilha; trilha.autolog()", "1 / 0", "no Python", "raise KeyboardInterrupt", "x = 1")
    assert graph.one("cell 2")["exception"] == ["ZeroDivisionError: division by zero"]
    assert graph.one("cell 3")["exception"][0].startswith("SyntaxError")
    assert graph.one("cell 4")["exception"] == ["KeyboardInterrupt"]
    assert "exception" not in graph.one("cell 5")
    assert graph.run["status"] == ["finished"]
    assert "exception" not in graph.run


def test_a_run_that_is_finished_records_no_cells_and_another_may_begin(run_program, store, tmp_path):
    sources = (
        "import trilha; run = trilha.autolog('one')",
        "trilha.finish(); print(len(get_ipython().events.callbacks['pre_run_cell']))",
        "x = 1",
        "trilha.autolog('two')",
    )
    environment = {"IPYTHONDIR": str(tmp_path / "ipython")}
    program = SHELL.replace("CELLS", repr(sources)).replace("DIRECTLY", "-1")
    output = run_program(program, environment=environment).stdout
    assert output.splitlines()[0] == "0"
    assert len({journal.head.run for journal in store.journals()}) == 2
    graph = Graph(store.folder)
    assert sorted(graph.labels("Cell")) == ["cell 1", "cell 2", "cell 4"]
    assert set(map(graph.id, graph.labels("Cell"))) <= graph.ended


def test_cells_in_cells_and_cells_that_wait_are_seen(cells):
    graph = cells(
        "import trilha; trilha.autolog()",
        "%%capture\nopen('inner', 'w').close()",
        "import asyncio\nawait asyncio.sleep(0.01)\nopen('later', 'w').close()",
        "x = 1",
    )
    assert ("later", "cell 3") in graph.generations()
    assert graph.starters()["cell"] == "cell 2"
    assert ("inner", "cell") in graph.generations()
    assert graph.starters()["cell 4"] == "run"


def test_a_notebook_in_a_run_that_goes_on_already_has_its_cells_in_that(run_program, store, tmp_path):
    program = SHELL.replace("CELLS", repr(("x = 1", "import trilha; trilha.autolog()", "y = x", "z = y")))
    (tmp_path / "host.py").write_text(program.replace("DIRECTLY", "-1"))
    environment = {"IPYTHONDIR": str(tmp_path / "ipython")}
    run_program("from trilha.cli import main; main(['run', 'host.py'])", environment=environment)
    graph = Graph(store.folder)
    assert graph.labels("Cell") == ["cell 2", "cell 3", "cell 4"]
    assert set(graph.starters().values()) >= {"run"}
    assert len(graph.labels("Run")) == 1
    assert set(map(graph.id, graph.labels("Cell"))) <= graph.ended


def test_what_is_begun_outside_any_cell_has_no_cell_of_its_own(cells):
    graph = cells("x = 1", "import trilha; trilha.autolog()", "y = 2", directly=1)
    assert graph.labels("Cell") == ["cell 2"]


def test_the_output_of_cells_is_as_it_was(cells):
    sources = ("1 + 1", "print('x')", "def f(): 1 / 0", "f()")
    recorded = cells("import trilha; _ = trilha.autolog()", *sources) and cells.output
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    import subprocess

    program = SHELL.replace("CELLS", repr(("x = 1", *sources))).replace("DIRECTLY", "-1")
    plain = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert recorded.stdout == plain.stdout


def test_a_kernel_of_jupyter_records_its_cells(kernel, store, tmp_path):
    run = kernel.run
    assert run("import trilha; run = trilha.autolog('notes')") == "ok"
    assert run("open('data', 'w').close()") == "ok"
    assert run("1 / 0") == "error"
    assert run("open('data').close()") == "ok"
    kernel.interrupt("print('on', flush=True)\nimport time\ntime.sleep(60)")
    assert run("x = 1") == "ok"
    kernel.shutdown()
    graph = Graph(store.folder)
    assert graph.labels("Cell") == [f"cell {number}" for number in range(1, 7)]
    assert ("data", "cell 2") in graph.generations()
    assert ("cell 4", "data") in graph.usages()
    assert graph.one("cell 3")["exception"] == ["ZeroDivisionError: division by zero"]
    assert graph.one("cell 5")["exception"] == ["KeyboardInterrupt"]
    assert set(map(graph.id, graph.labels("Cell"))) <= graph.ended
    assert graph.run["label"] == ["notes"]
    assert graph.run["status"] == ["finished"]


def test_a_killed_kernel_leaves_the_cells_that_were_run(kernel, store):
    for source in ("import trilha; trilha.autolog()", "trilha.log(loss=1.0)"):
        kernel.run(source)
    kernel.process.send_signal(signal.SIGKILL)
    kernel.process.wait(timeout=60)
    graph = Graph(store.folder)
    assert graph.labels("Cell") == ["cell 1", "cell 2"]
    assert graph.metrics() == [{"loss": 1.0}]
    assert "status" not in graph.run
