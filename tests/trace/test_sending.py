"""Functions of a traced script that are sent by value run in processes where nobody knows the hooks."""

import pytest
from tests.capture.launching import Twice

SCRIPT = """\
import asyncio
import subprocess
import sys
import {pickler}
rate = 3
def double(a):
    b = [x * rate for x in a if x]
    b.append(len(b))
    return sum(b)
class Box:
    def __init__(self, v):
        self.v = v
    def get(self):
        return self.v[0]
def rows(n):
    for i in range(n):
        yield i, i + 1
def outer(n):
    d = {{}}
    for i, j in rows(n):
        d[i] = j
        d[i] += 1
    try:
        {{}}[1]
    except KeyError as e:
        d["e"] = str(e)
    while d and len(d) > 2:
        d.popitem()
    k, *m = sorted(d)
    def inner(q):
        return q[0] + n
    h = lambda q: q[0] + n
    return double([1, 2]) + Box([4]).get() + (h([5]) if d else 0) + inner([n]), h
async def co(n):
    async with asyncio.Lock():
        await asyncio.sleep(0)
    return [n for n in range(n)][-1]
one = lambda a: a[0] + rate; other = lambda b: b[0] - rate
sent = [(lambda n: outer(n)[0], (4,)), (one, ([3],)), (other, ([3],)), (outer(2)[1], ([1],))]
sent += [(Box([6]).get, ()), (lambda n: asyncio.run(co(n)), (3,))]
for function, arguments in sent:
    data = {pickler}.dumps((function, arguments){how})
    code = "import sys, pickle; f, a = pickle.load(sys.stdin.buffer); print(f(*a))"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
    print(done.returncode, done.stdout.decode(), done.stderr.decode()[-500:])
    print(function(*arguments))
"""
JOBLIB = """\
from joblib import Parallel, delayed
def work(x):
    y = [x, 1]
    return y[0] + y[1]
print(Parallel(n_jobs=2)(delayed(work)(i) for i in range(3)))
print(Parallel(n_jobs=2)(delayed(lambda x: [x][0])(i) for i in range(3)))
"""


class _Store:
    def __init__(self, folder):
        self.folder = folder


@pytest.fixture
def twice(recorder_folder, tmp_path):
    made = Twice(tmp_path / "work", _Store(tmp_path / "store"))
    made.folder.mkdir()
    made.more = {"PYTHONPATH": str(recorder_folder)}
    return made


@pytest.mark.parametrize(("pickler", "how"), [("cloudpickle", ""), ("dill", ", recurse=True")])
def test_functions_that_are_pickled_by_value_run_where_nobody_knows_the_hooks(pickler, how, twice):
    twice.write("script.py", SCRIPT.format(pickler=pickler, how=how))
    _, output, _ = twice.same("script.py", grain="variable", more=twice.more, timeout=300)
    assert output.count(b"\n0 ") + output.startswith(b"0 ") == 6


def test_workers_of_joblib_run_functions_of_the_script(twice):
    twice.write("script.py", JOBLIB)
    _, output, _ = twice.same("script.py", grain="variable", more=twice.more, timeout=300)
    assert output == b"[1, 2, 3]\n[0, 1, 2]\n"
