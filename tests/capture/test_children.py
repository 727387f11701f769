"""Processes that a recorded script starts, none of which knows of Trilha."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER, until_it_is_in

import trilha
from trilha.prov import Kind


@pytest.fixture
def launch(tmp_path, store):
    """Writes a script and runs it under the launcher; gives what came of it."""

    def run(source, *arguments, options=(), python=(), environment=None, check=True, wait=True):
        (tmp_path / "train.py").write_text(source, encoding="utf-8")
        launcher = [LAUNCHER, f"--store={store.folder}", *options, "--"]
        words = [sys.executable, *python, *launcher, "train.py", *arguments]
        how = {
            "cwd": tmp_path,
            "env": {
                **program_environment(store.folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                **(environment or {}),
            },
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        running = subprocess.Popen(words, **how)
        if not wait:
            return running
        output, errors = running.communicate(timeout=60)
        assert not check or (running.returncode, errors) == (0, ""), errors
        return subprocess.CompletedProcess(words, running.returncode, output, errors)

    return run


@pytest.fixture
def graph(store):
    return Graph(store.folder)


def document(store):
    """The run's document, which must be valid."""
    [run] = {journal.head.run for journal in store.journals()}
    with trilha.open(store.folder) as opened:
        found = opened.document(run)
    verdict = found.validate()
    assert verdict.valid, verdict
    return found


WORKERS = """
import multiprocessing, sys
def work(number):
    with open(f"in {number}") as file:
        text = file.read()
    with open(f"out {number}", "w") as file:
        file.write(text)
if __name__ == "__main__":
    for number in range(2):
        with open(f"in {number}", "w") as file:
            file.write(str(number))
    context = multiprocessing.get_context(sys.argv[1])
    workers = [context.Process(target=work, args=(number,)) for number in range(2)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    print([worker.exitcode for worker in workers])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_workers_read_and_write_is_the_runs(method, launch, store, graph):
    assert launch(WORKERS, method, options=["--grain=file"]).stdout == "[0, 0]\n"
    assert len({journal.head.run for journal in store.journals()}) == 1
    for number in range(2):
        assert ("work, attempt 1", f"in {number}") in graph.usages()
        assert (f"out {number}", "work, attempt 1") in graph.generations()
    assert graph.labels("Process") == []
    document(store)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_no_process_but_the_workers_of_multiprocessing_has_a_journal(method, launch, store):
    launch(WORKERS, method)
    assert len(store.paths()) == 3


POOLS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
def work(number):
    with open(f"in {number}") as file:
        return int(file.read())
if __name__ == "__main__":
    for number in range(4):
        with open(f"in {number}", "w") as file:
            file.write(str(number))
    context = get_context(sys.argv[1])
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(sum(pool.map(work, range(4))))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_files_that_a_pool_of_processes_reads_are_used(method, launch, store, graph):
    assert launch(POOLS, method, options=["--grain=file"]).stdout == "6\n"
    assert {("work, attempt 1", f"in {number}") for number in range(4)} <= set(graph.usages())
    document(store)


STARTS = """
import os, subprocess, sys
with open("raw", "w") as file:
    file.write("raw")
print(subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True, text=True))
"""
PREPARE = """
import sys
with open("raw") as source, open("prepared", "w") as target:
    target.write(source.read())
ours = "capture" in getattr(sys.modules.get("sitecustomize"), "__file__", "")  # A system may have one, too.
print(sys.argv, sys.path[0].endswith(sys.argv[0].strip("prepare.py")), ours)
"""


def test_a_program_that_is_started_is_an_activity_started_by_the_run(launch, store, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    assert "['prepare.py', '-x'] True False" in launch(STARTS, "prepare.py", "-x").stdout
    about = graph.one("prepare", "Process")
    assert about["command"] == ["python prepare.py -x"]
    assert graph.starters()["prepare"] == "run"
    assert ("prepare", "raw") in graph.usages()
    assert ("prepared", "prepare") in graph.generations()
    assert about["id"][0] in graph.ended
    assert "status" not in about  # nobody knows
    plans = [record for record in graph.of(Kind.ASSOCIATION) if record[2] == about["id"][0]]
    assert [graph.label(record[4]) for record in plans] == ["prepare.py"]
    document(store)


def test_a_module_and_code_that_are_started_are_called_so(launch, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    assert "returncode=0" in launch(STARTS, "-m", "prepare").stdout
    assert graph.starters()["prepare"] == "run"
    again = Graph(graph.folder)
    assert "returncode=0" in launch(STARTS, "-c", "open('raw').close()").stdout
    assert ("python -c", "raw") in again.usages()


def test_a_program_that_a_started_one_starts_is_an_activity_started_by_that(launch, store, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    (tmp_path / "between.py").write_text(STARTS)
    launch(STARTS, "between.py", "prepare.py")
    assert graph.starters() == {"prepare": "between", "between": "run"}
    document(store)


def test_a_started_program_that_fails_says_what_ended_it(launch, store, graph, tmp_path):
    (tmp_path / "prepare.py").write_text("raise ValueError('no')\n")
    launch(STARTS, "prepare.py")
    assert graph.one("prepare", "Process")["exception"] == ["ValueError: no"]
    assert graph.one("prepare", "Process")["status"] == ["failed"]
    assert graph.run["status"] == ["finished"]
    document(store)


def test_no_children_keeps_them_out(launch, store, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    assert "returncode=0" in launch(STARTS, "prepare.py", options=["--children=no"]).stdout
    assert launch(WORKERS, "fork", options=["--children=no", "--grain=file"]).stdout == "[0, 0]\n"
    assert len(store.paths()) == 2
    assert "prepared" not in graph.labels()
    assert "out 0" not in graph.labels()


def test_a_store_that_cannot_be_written_breaks_no_child(launch, store, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    starts = STARTS.replace("import os,", "import os; os.environ['TRILHA_STORE'] = '/proc/nowhere'\nimport")
    output = launch(starts, "prepare.py").stdout
    assert "returncode=0" in output
    assert "this run is not recorded" in output
    assert (tmp_path / "prepared").exists()


if sys.version_info >= (3, 12):  # Older ones do not tell their interpreters apart.

    def test_another_interpreter_of_a_started_program_joins_nothing(launch, store, tmp_path):
        (tmp_path / "prepare.py").write_text(
            "try:\n    import _interpreters as interpreters\n"
            "except ImportError:\n    import _xxsubinterpreters as interpreters\n"
            "one = interpreters.create()\n"
            "names = \"[name for name in sys.modules if 'trilha' in name]\"\n"
            "interpreters.run_string(one, f'import sys; print({names})')\n"
            "interpreters.destroy(one)\n"
        )
        done = launch("import subprocess, sys\nsubprocess.run([sys.executable, 'prepare.py'], check=True)\n")
        assert done.stdout == "[]\n"
        assert len(store.paths()) == 2


def test_a_sitecustomize_of_the_users_own_is_run_as_ever(launch, graph, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.of_the_user = __file__\n")
    (tmp_path / "prepare.py").write_text(
        "import sys, sitecustomize\nprint(sys.of_the_user, sitecustomize.__file__, sys.path)\n"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    output = launch(STARTS, "prepare.py", environment=environment).stdout
    plain = subprocess.run(
        [sys.executable, "prepare.py"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert repr(plain.stdout) in output
    assert graph.labels("Process") == ["prepare"]


def test_an_error_in_the_users_own_sitecustomize_comes_out_as_ever(launch, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("1 / 0\n")
    (tmp_path / "prepare.py").write_text("print('runs')\n")
    output = launch(
        STARTS, "prepare.py", environment={"PYTHONPATH": str(tmp_path / "site")}, check=False
    ).stdout
    assert "returncode=0, stdout='runs" in output
    assert "Error in sitecustomize; set PYTHONVERBOSE for traceback:" in output
    assert "ZeroDivisionError" in output


def test_a_module_beside_the_started_program_goes_before_the_standard_librarys(launch, graph, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "queue.py").write_text("mine = True\n")
    (folder / "uuid.py").write_text("mine = True\n")
    (folder / "prepare.py").write_text("import queue, uuid\nprint(queue.mine, uuid.mine)\n")
    assert "True True" in launch(STARTS, "other/prepare.py").stdout
    assert graph.labels("Process") == ["prepare"]


def test_a_module_beside_the_script_goes_before_the_standard_librarys_in_workers(launch, graph, tmp_path):
    (tmp_path / "queue_of_mine").mkdir()
    (tmp_path / "uuid.py").write_text("mine = True\n")
    source = WORKERS.replace("def work(number):", "def work(number):\n    import uuid; assert uuid.mine")
    assert launch(source, "spawn").stdout == "[0, 0]\n"


@pytest.mark.parametrize("options", [["-I"], ["-E"], ["-S"], ["-P"]], ids=" ".join)
def test_options_of_the_started_interpreter_are_heeded(options, launch, tmp_path):
    # Without `site` nobody takes our folder out of the path.
    what = "sys.flags" if options == ["-S"] else "sys.flags, sys.path, 'sitecustomize' in sys.modules"
    (tmp_path / "prepare.py").write_text(f"import sys\nprint({what})\n")
    output = launch(STARTS, *options, "prepare.py").stdout
    environment = program_environment(tmp_path / "store", {"PYTHONDONTWRITEBYTECODE": "1"})  # as `launch`
    plain = subprocess.run(
        [sys.executable, *options, "prepare.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert repr(plain.stdout) in output


def test_a_python_without_trilha_runs_as_ever(launch, store, tmp_path):
    """As that of another environment: here, one that sees no installed package."""
    (tmp_path / "prepare.py").write_text("import sys\nprint('trilha' in sys.modules)\n")
    base = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")
    source = STARTS.replace("sys.executable", repr(str(base)))
    assert "returncode=0, stdout='False" in launch(source, "prepare.py").stdout
    assert len(store.paths()) == 1


def test_a_run_inside_a_started_program_is_its_own(launch, store, tmp_path):
    (tmp_path / "prepare.py").write_text("print('inner')\n")
    words = [LAUNCHER, f"--store={store.folder}", "--", "prepare.py"]
    assert "inner" in launch(STARTS, *words).stdout
    assert len({journal.head.run for journal in store.journals()}) == 2
    assert all(journal.head.parent is None for journal in store.journals())


KILLED = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "child.py"], stdout=subprocess.PIPE)
child.stdout.readline()
child.kill()
print(child.wait())
with open("after", "w") as file:
    file.write("after")
"""


def test_a_killed_child_keeps_what_it_had_recorded_and_harms_nobody(launch, store, graph, tmp_path):
    (tmp_path / "child.py").write_text(
        "import trilha, time\n"
        "open('seen', 'w').close(); open('seen').close()\n"
        "for number in range(1000): trilha.log(loss=float(number))\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    assert launch(KILLED).stdout == f"{-signal.SIGKILL}\n"
    assert [row["loss"] for row in graph.metrics()] == [float(number) for number in range(1000)]
    assert ("child", "seen") in graph.usages()
    assert graph.id("child", "Process") not in graph.ended
    assert graph.run["status"] == ["finished"]
    assert ("after", "run") in graph.generations()
    document(store)


def test_an_interrupt_of_all_processes_leaves_a_truthful_record(launch, store, graph, tmp_path):
    (tmp_path / "child.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    # Not `subprocess.run`, which kills a child that has not ended within a quarter of a second.
    source = "import subprocess, sys\nsubprocess.Popen([sys.executable, 'child.py']).wait()\n"
    running = launch(source, wait=False)
    assert running.stdout.readline() == "ready\n"
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    until_it_is_in("do_wait", running.pid)
    for pid in children:
        until_it_is_in("nanosleep", pid)
    for pid in (*map(int, children), running.pid):
        os.kill(pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGINT
    assert graph.run["status"] == ["interrupted"]
    assert graph.one("child", "Process")["status"] == ["interrupted"]


@pytest.mark.parametrize(
    ("environment", "facts"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, (1, 2, 0)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, (3, 4, None)),
        ({"PMI_RANK": "0", "PMI_SIZE": "4", "MPI_LOCALRANKID": "0"}, (0, 4, 0)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "1", "SLURM_STEP_ID": "0"}, (1, 2, 1)),
    ],
)
def test_a_program_that_is_told_its_rank_is_that_rank(environment, facts, launch, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'], check=True)\n"
    )
    starts = STARTS.replace("sys.argv[1:]]", f"sys.argv[1:]], env={{**os.environ, **{environment}}}")
    assert "returncode=0" in launch(starts, "prepare.py").stdout
    about = graph.one(f"rank {facts[0]}", "Rank")
    assert tuple((about.get(name) or [None])[0] for name in ("rank", "world_size", "local_rank")) == facts
    # What a rank starts is no rank, though it has the same variables.
    assert graph.starters()["python -c"] == f"rank {facts[0]}"
    assert graph.labels("Rank") == [f"rank {facts[0]}"]


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "1"},
        {"RANK": "1 2 3", "WORLD_SIZE": "2"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "2"},
    ],
)
def test_a_program_whose_variables_tell_no_rank_is_none(environment, launch, graph, tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    starts = STARTS.replace("sys.argv[1:]]", f"sys.argv[1:]], env={{**os.environ, **{environment}}}")
    assert "returncode=0" in launch(starts, "prepare.py", environment=environment).stdout
    assert graph.labels("Process") == ["prepare"]
    assert graph.labels("Rank") == []


def test_what_runs_first_in_a_process_can_be_read_by_any_python():
    import ast

    folder = Path(trilha.__file__).parent / "capture" / "children"
    ast.parse((folder / "sitecustomize.py").read_text(), feature_version=(3, 4))
    assert {path.name for path in folder.glob("*.py")} == {"__init__.py", "sitecustomize.py"}


POOL = """
from multiprocessing import get_context
def prepare(number):
    with open(f"prepared {number}", "w") as file:
        file.write(str(number))
    return number
if __name__ == "__main__":
    with get_context("fork").Pool(2) as pool:
        print(sum(pool.map(prepare, range(6))))
"""


def test_what_a_pool_wrote_is_there_though_its_end_kills_the_workers(launch, store, graph):
    """Since a function of the script is a step, and what it wrote is whole at its end."""
    assert launch(POOL).stdout == "15\n"
    assert graph.labels().count("prepare") >= 6
    assert {(f"prepared {number}", "prepare") for number in range(6)} <= set(graph.generations())
    document(store)
