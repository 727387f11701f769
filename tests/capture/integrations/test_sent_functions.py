"""Functions that cloudpickle takes apart go to other processes without the hooks that tell of calls."""

import subprocess
import sys

import pytest
from tests.capture.graph import Graph
from tests.capture.integrations.programs import labels

import trilha

SENT = """
import pickle
import LIBRARY as cloudpickle
def helper(x):
    return x + 1
def answer(x):
    return helper(x * 3)
def outer(n):
    def add(x):
        return helper(x + n)
    return add
class Adder:
    def add(self, x):
        return helper(x)
sent = [cloudpickle.dumps(one) for one in (answer, outer(2), lambda x: helper(x + 3), Adder)]
print([b"trilha__" in one for one in sent])
print(*[pickle.loads(one)(1) for one in sent[:3]], pickle.loads(sent[3])().add(5))
print(*map(answer, range(3)))
"""
POOLS = """
import sys
def helper(x):
    return x + 1
def answer(x):
    return helper(x * 3)
def main(way):
    if way == "joblib":
        from joblib import Parallel, delayed
        print(Parallel(2, backend="loky")(delayed(answer)(x) for x in range(3)))
    elif way == "distributed":
        from distributed import Client
        with Client(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as client:
            print(client.gather(client.map(answer, range(3))))
    else:
        import ray
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        print(ray.get([ray.remote(answer).remote(x) for x in range(3)]))
        ray.shutdown()
if __name__ == "__main__":
    main(sys.argv[1])
"""


def both(folder, text, *arguments):
    """What a program prints by itself, and what it prints and records with calls told of; and its graph."""
    script, store = folder / "sent.py", folder / "store"
    script.write_text(text)
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--grain=call", "--"]
    plain, told = (
        subprocess.run(
            [*words, str(script), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout
        for words in ([sys.executable], launcher)
    )
    return plain, told, Graph(store)


@pytest.mark.parametrize("library", ["cloudpickle", "ray.cloudpickle"])
def test_functions_are_pickled_as_the_program_wrote_them(tmp_path, library):
    pytest.importorskip(library.partition(".")[0])
    plain, told, graph = both(tmp_path, SENT.replace("LIBRARY", library))
    assert told == plain
    assert plain.startswith("[False, False, False, False]\n4 ")
    assert not graph.dropped
    assert labels(graph, "Step").count("answer") == 3


@pytest.mark.parametrize("library", ["joblib", "distributed", "ray"])
def test_workers_get_functions_that_they_can_call(tmp_path, library):
    pytest.importorskip(library)
    plain, told, graph = both(tmp_path, POOLS, library)
    assert told == plain == "[1, 4, 7]\n"
    assert not graph.dropped
    assert labels(graph, "Task") == ["answer"] * 3
