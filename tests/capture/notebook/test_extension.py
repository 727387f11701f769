"""``%load_ext trilha`` and ``%trilha``, in IPython's own shell and in a kernel as Jupyter has it."""

import subprocess
import sys

from tests.capture.graph import Graph

LOAD = "%load_ext trilha"


def printed(cells):
    return cells.output.stdout


def test_loading_the_extension_records_and_unloading_ends_it(cells):
    graph = cells(LOAD, "x = 1", "y = x", "%unload_ext trilha", "z = y", "get_ipython().find_magic('trilha')")
    assert graph.labels("Cell") == ["cell 1", "cell 2", "cell 3", "cell 4"]
    assert graph.run["status"] == ["finished"]
    assert printed(cells).startswith("trilha: recorded as notebook ")
    assert "Out[6]" not in printed(cells)


def test_the_magic_tells_cells_and_stale_ones(cells):
    cells(LOAD, ("a", "x = 1"), ("b", "y = x"), ("a", "x = 2"), "%trilha stale", "%trilha cells", "%trilha")
    text = printed(cells)
    assert "x was changed since, by [4]" in text
    assert "x of [2]" in text
    assert "%trilha COMMAND" in text


def test_the_cells_behind_a_name_are_printed_as_a_script(cells):
    cells(LOAD, "x = 1", "z = 0", "def f():\n    return x", "y = f()", "%trilha behind y", "%trilha behind w")
    assert printed(cells).splitlines()[1:] == [
        *("# [2]", "x = 1", "", "# [4]", "def f():", "    return x", "", "# [5]", "y = f()", ""),
    ]
    assert "made 'w'" in cells.output.stderr


def test_commands_go_to_the_runs_own_store(cells, tmp_path):
    cells(
        LOAD,
        "trilha = None\nopen('made.txt', 'w').close()",
        "import os; os.environ['TRILHA_STORE'] = '/nowhere'",
        "%trilha lineage made.txt",
        "%trilha show last",
        "%trilha no-such-command",
        "%trilha run made.py",
        "%trilha 'open",
        "print('still here')",
    )
    text = printed(cells)
    assert "made.txt" in text
    assert "running" in text
    assert text.splitlines()[-1] == "still here"
    errors = cells.output.stderr
    assert "no command 'no-such-command'" in errors
    assert "a notebook is recorded by its cells" in errors
    assert "No closing quotation" in errors


def test_asking_is_not_recorded_itself(cells):
    graph = cells(LOAD, "%trilha cells", "%trilha stale")
    assert graph.files() == []
    assert graph.dropped == 0


def test_the_file_is_known_where_jupyter_tells_it(cells, tmp_path):
    (tmp_path / "notes.ipynb").write_text('{"cells": [{"cell_type": "code", "id": "a", "source": "x = 3"}]}')
    cells(f"__vsc_ipynb_file__ = {str(tmp_path / 'notes.ipynb')!r}", LOAD, ("a", "x = 1"), "%trilha stale")
    assert "its cell has another text in the notebook" in printed(cells)


def test_importing_trilha_and_its_extension_is_light(run_program):
    done = run_program(
        "import sys, trilha\nassert callable(trilha.load_ipython_extension)\n"
        "print([name for name in ('click', 'IPython', 'trilha.cli') if name in sys.modules])"
    )
    assert done.stdout == "[]\n"


def test_a_kernel_of_jupyter_loads_the_extension(kernel, store):
    run = kernel.run
    assert run(LOAD) == "ok"
    assert run("x = 1") == "ok"
    assert run("y = x") == "ok"
    assert run("x = 5") == "ok"
    assert run("%trilha stale") == "ok"
    assert "x was changed since, by [4]" in kernel.told
    kernel.shutdown()
    graph = Graph(store.folder)
    assert graph.labels("Cell") == [f"cell {number}" for number in range(1, 6)]
    words = [sys.executable, "-c", "from trilha.cli import main; main()", "ask", "stale-cells"]
    done = subprocess.run([*words, "--store", str(store.folder)], capture_output=True, text=True, check=True)
    assert "x was changed since, by [4]" in done.stdout
