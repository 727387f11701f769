"""What lies in a module of the program's own, and is named by way of it, is followed as by any other name."""

import subprocess
import sys

import pytest

from trilha.trace.asked import meant
from trilha.trace.indexes import traces
from trilha.trace.slicing import backward

CONF = """\
class Options: pass
options = Options()
options.rate = 0.5
table = {"a": 7}
rows = []
class Net:
    size = 2
    def __init__(self, w):
        self.w = w
    def grow(self, x):
        self.w = self.w + x
        return self.w
    @staticmethod
    def other(x, y): return y
    @classmethod
    def made(cls, x, y): return y
net = Net(3)
"""
MAIN = """\
import conf
import conf as same
v, u = 5, 6
a = conf.options.rate
b = conf.Net.size
c = conf.table.get("a")
conf.options.rate = 0.7
d = conf.options.rate
o = conf.options
e = o.rate
f = same.options.rate
conf.rows.append(v)
conf.rows.append(u)
g = conf.rows[0]
h = conf.rows.pop(0)
i = conf.net.grow(u)
j = conf.net.w
k = conf.Net.other(v, u)
l = conf.Net.made(v, u)
conf.table["b"] = u
m = conf.table.get("b")
import os
os.environ["OWN"] = str(v)
n = os.environ.get("OWN")
def use():
    return conf.options.rate
p = use()
"""
EXPECTED = {
    "a": {"conf.py:3"},
    "b": {"conf.py:7"},
    "c": {"conf.py:4"},
    **{name: {"main.py:7"} for name in "defp"},
    "g": {"main.py:3", "main.py:12"},
    "h": {"main.py:3", "main.py:12"},
    "i": {"conf.py:11", "conf.py:12", "conf.py:17", "main.py:3"},
    "j": {"conf.py:11", "conf.py:17"},
    "k": {"conf.py:14", "main.py:3"},
    "l": {"conf.py:16", "main.py:3"},
    "m": {"main.py:20", "main.py:3"},
    "n": {"main.py:23", "main.py:3"},
}
NOT = {"a": "main.py:7", "h": "main.py:13", "m": "conf.py:4"}
"""Of what they do not come: they would by another name, too."""


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "conf.py").write_text(CONF)
    (folder / "main.py").write_text(MAIN)
    words = ["run", "--store", "store", "--grain", "variable", "main.py"]
    command = [sys.executable, "-c", "from trilha.cli import main; main()", *words]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    [run] = (folder / "store" / "journals").iterdir()
    [found] = traces(str(folder / "store"), run.name)
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_value_leads_to_where_it_lies_in_a_module(trace, name):
    asked = meant(
        [trace],
        f"{name}@{next(at for at, text in enumerate(MAIN.splitlines(), 1) if text.startswith(f'{name} = '))}",
    )
    told = {f"{file.rpartition('/')[2]}:{line}" for file, line in backward(trace, asked.evaluations).lines()}
    assert EXPECTED[name] <= told
    assert NOT.get(name) not in told


def test_nothing_of_it_is_a_gap(trace):
    assert [gap.why for gap in trace.gaps] == []
