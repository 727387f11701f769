"""Parsl workflows that are recorded without `trilha run`: by their configuration, or by one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.capture.graph import Graph

import trilha

WORKFLOW = """
import parsl
from parsl import python_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider
@python_app
def written(name):
    with open(name, "w") as file: file.write("a")
    return name
@python_app
def length(name):
    return len(open(name).read())
threads = ThreadPoolExecutor(label="work", max_threads=2)
local = dict(address="127.0.0.1", loopback_address="127.0.0.1", encrypted=False, provider=LocalProvider())
processes = HighThroughputExecutor(label="work", max_workers_per_node=1, **local)
"""


@pytest.mark.parametrize(
    ("executor", "begin"),
    [
        ("threads", "from trilha.parsl import recorded\nparsl.load(recorded(config, 'mine', kind='test'))"),
        ("processes", "from trilha.parsl import recorded\nparsl.load(recorded(config, 'mine', kind='test'))"),
        ("threads", "import trilha\ntrilha.autolog('mine', kind='test')\nparsl.load(config)"),
        ("threads", "import trilha\nparsl.load(config)\ntrilha.autolog('mine', kind='test')"),
    ],
)
def test_a_workflow_is_recorded_without_the_command(executor, begin, tmp_path):
    script = tmp_path / "flow.py"
    script.write_text(
        f"{WORKFLOW}config = Config(executors=[{executor}], run_dir='runinfo', strategy_period=0.1)\n"
        f"{begin}\n"
        "print(length(written('a.txt')).result())\nparsl.dfk().cleanup()\nparsl.clear()\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    environment["TRILHA_STORE"] = str(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    graph = Graph(tmp_path / "store")
    assert (graph.run["label"], graph.run["arg.kind"]) == (["mine"], ["test"])
    assert sorted(graph.labels("Task")) == ["length", "written"]
    assert ("length", "written()") in graph.usages()
    assert ("a.txt", "written, attempt 1") in graph.generations()
    with trilha.open(tmp_path / "store") as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
