"""Programs that are run without us and recorded, for tests that both do the same."""

import re
import subprocess
import sys
from textwrap import dedent

from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER

import trilha


def run_twice(folder, begin, source, *arguments, status=0, children="yes"):
    """The graph of a program, whose output, errors and exit status are what they are without us.

    Args:
        folder: that it runs in; its store is there, too.
        begin: of the program.
        source: that it runs where it is the main module.
        arguments: of the program.
        status: by which it exits.
        children: whether the processes that it starts may join the run.
    """
    script = folder / "flow.py"
    body = "".join(f"    {line}\n" for line in dedent(source).strip().splitlines())
    script.write_text(f"{begin}\nif __name__ == '__main__':\n{body}")
    store = folder / "store"
    launcher = [sys.executable, LAUNCHER, f"--store={store}", "--grain=file", f"--children={children}", "--"]
    told = []
    for way, words in ("plain", [sys.executable]), ("recorded", launcher):
        done = subprocess.run(
            [*words, str(script), *arguments],
            cwd=folder,
            env={
                **program_environment(store),
                "PYTHONPATH": "",
                "OMP_NUM_THREADS": "1",
                "WAY": way,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        told.append((done.returncode, _same(done.stdout), _same(done.stderr)))
    assert told[0][:2] == told[1][:2]
    assert told[0][2].splitlines() == told[1][2].splitlines(), told[1][2]
    assert told[1][0] == status, told[1]
    graph = Graph(store)
    assert not graph.dropped
    with trilha.open(store) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    return graph


def _same(text):
    """A program's output without addresses, and without whether a result was there already."""
    return re.sub(r"line (449|456), in result", "in result", re.sub("0x[0-9a-f]+", "", text))


def facts(graph, kind):
    """What is known of each thing of a kind."""
    return [
        graph.about[one]
        for one in graph.about
        if any(str(name).endswith(f"#{kind}") for name in graph.about[one]["type"])
    ]


def labels(graph, kind):
    return sorted(one["label"][0] for one in facts(graph, kind))


def statuses(graph, kind="Task"):
    return {(one["label"][0], *one["status"]) for one in facts(graph, kind)}
