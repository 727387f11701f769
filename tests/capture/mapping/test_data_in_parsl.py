"""Data sets whose members go through Parsl's apps, as files of its own and as plain arguments."""

import os
import subprocess
import sys
from pathlib import Path

from tests.capture.graph import Graph

import trilha

FLOW = """
from pathlib import Path
import parsl
from parsl import File, bash_app, python_app
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor
from trilha import data

parsl.load(Config(executors=[ThreadPoolExecutor(label="work", max_threads=2)], run_dir="runinfo"))

@python_app
def count(path):
    return len(open(path).read())

@python_app
def shortest(texts):
    return min(len(open(text).read()) for text in texts)

@bash_app
def raised(inputs=(), outputs=()):
    return f"tr a-z A-Z < {inputs[0]} > {outputs[0]}"

for number in (1, 2):
    Path(f"in{number}.txt").write_text("abc" * number)
texts = data.mapped(list[data.File], data.pattern("in{}.txt"), name="texts")
with data.mapped(list[data.File], data.pattern("out{}.txt"), name="louder") as louder:
    done = [raised(inputs=[File(one)], outputs=[File(louder[key])]) for key, one in texts.items()]
    for one in done:
        one.result()
print([count(one).result() for one in louder], shortest(louder).result())
parsl.dfk().cleanup()
parsl.clear()
"""


def test_members_go_through_apps_and_what_they_write_is_a_data_set(tmp_path):
    (tmp_path / "flow.py").write_text(FLOW)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    words = [sys.executable, "-c", "from trilha.cli import main; main()", "run", "--grain=file", "flow.py"]
    done = subprocess.run(words, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[3, 6] 3\n", "")
    graph = Graph(Path(tmp_path, ".trilha"))
    assert {("raised", "in1.txt"), ("raised", "in2.txt"), ("count", "out1.txt")} <= set(graph.usages())
    assert {("shortest", "louder"), ("construct louder", "out2.txt")} <= set(graph.usages())
    assert {("out1.txt", "raised"), ("louder", "construct louder")} <= set(graph.generations())
    assert len(graph.all("out1.txt")) == len(graph.all("louder")) == 1
    with trilha.open(tmp_path / ".trilha") as store:
        assert store.document(graph.about_run()).validate()
