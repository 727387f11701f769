"""Which files of a Parsl workflow are its own, and which are Parsl's."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.capture.graph import Graph

import trilha
import trilha.capture.launch
from trilha.prov import Kind

WORKFLOW = """
import beside, os, parsl, shutil
from parsl import AUTO_LOGNAME, bash_app, python_app
from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider
processes = HighThroughputExecutor(
    label="processes", max_workers_per_node=1, cores_per_worker=0.5, provider=LocalProvider(),
    address="127.0.0.1", loopback_address="127.0.0.1", encrypted=True,
)
memoizer = BasicMemoizer(checkpoint_mode="task_exit")
threads = ThreadPoolExecutor(label="threads", max_threads=1)

@bash_app(executors=["processes"])
def said(stdout="said.txt", stderr=AUTO_LOGNAME):
    return "echo said"
@bash_app(executors=["threads"])
def told(stdout=AUTO_LOGNAME):
    return "echo told"
@python_app(executors=["processes"])
def kept(folder):
    open(folder + "/kept.txt", "w").write("kept")
one = python_app(beside.one, executors=["processes"])
copy = python_app(shutil.copyfile, executors=["processes"])

with parsl.load(Config([processes, threads], run_dir="runinfo", memoizer=memoizer)) as kernel:
    # A workflow may put what it makes into Parsl's folder.
    for future in (said(), told(), kept(kernel.run_dir), one()):
        future.result()
    copy("said.txt", "copied.txt").result()
    open(kernel.run_dir + "/notes.txt", "w").write("note")
"""


def test_what_parsl_opens_for_itself_is_left_out_and_what_apps_write_into_its_folder_is_not(tmp_path):
    (tmp_path / "flow.py").write_text(WORKFLOW)
    (tmp_path / "beside.py").write_text("def one(): return 1\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    # Parsl finds its own programs there.
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    environment["PYTHONPATH"] = str(tmp_path)
    store = tmp_path / "store"
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--", "flow.py"]
    done = subprocess.run(
        launcher, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {name for _, _, names in os.walk(tmp_path / "runinfo") for name in names}
    assert {"parsl.log", "server.key_secret", "tasks.pkl"} <= made
    graph = Graph(store)
    assert not graph.dropped
    paths = [
        path
        for facts in list(graph.about.values())
        if any(str(kind).endswith("#File") for kind in facts["type"])
        for path in facts["path"]
    ]
    folder = f"{tmp_path / 'runinfo' / '000'}{os.sep}"
    outside = {path.removeprefix(f"{tmp_path}/") for path in paths if not path.startswith(folder)}
    assert outside == {"flow.py", "beside.py", "said.txt", "copied.txt"}
    inside = sorted(os.path.relpath(path, folder) for path in paths if path.startswith(folder))
    printed = ["task_logs/0000/task_0000_said.stderr", "task_logs/0000/task_0001_told.stdout"]
    assert inside == ["kept.txt", "notes.txt", *printed]
    assert ("kept.txt", "kept, attempt 1") in graph.generations()
    assert ("said.txt", "said, attempt 1") in graph.generations()
    assert len([used for _, used in graph.usages() if used == "beside.py"]) == 2  # Parsl's worker imports it
    assert "interchange" not in {graph.label(one[1]) for one in graph.of(Kind.ACTIVITY)}
    with trilha.open(store) as found:
        verdict = found.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
