"""``%trilha grain variable``: cells are followed down to the variable, and run as they do without.

In a shell of IPython's own, in a process of its own, and in a kernel as Jupyter has it.
"""

import re

import pytest
from tests.capture.notebook.conftest import SHELL

from trilha.trace.asked import meant
from trilha.trace.histories import history
from trilha.trace.indexes import traces
from trilha.trace.slicing import backward

LOAD = ("%load_ext trilha", "%trilha grain variable")


class Asked:
    """The trace of the one run in a store."""

    def __init__(self, store):
        [uuid] = {journal.head.run for journal in store.journals()}
        [self.trace] = traces(str(store.folder), uuid)

    def lines(self, what, **how):
        """The lines that a value came from, each as the cell and its number."""
        found = meant([self.trace], what)
        return sorted(
            f"{file}:{line}" for file, line in backward(self.trace, found.evaluations, **how).lines()
        )

    def history(self, name):
        places = map(self.trace.component, history(self.trace, name))
        return [f"{one.file}:{one.line}" for one in places]

    @property
    def gaps(self):
        return [f"{gap.file}: {gap.why}" for gap in self.trace.gaps]


@pytest.fixture
def traced(run_program, store, tmp_path):
    """Runs cells behind those that have them traced; gives what may be asked of the trace."""

    def run(*sources, environment=None, load=LOAD):
        environment = {"IPYTHONDIR": str(tmp_path / "ipython"), **(environment or {})}
        program = SHELL.replace("CELLS", repr((*load, *sources))).replace("DIRECTLY", "-1")
        done = run_program(program, environment=environment)
        asked = Asked(store)
        asked.output, asked.errors = done.stdout, done.stderr
        return asked

    return run


def test_modules_of_the_notebook_s_own_are_imported_and_followed(traced, tmp_path):
    (tmp_path / "own.py").write_text("def grown(x):\n    waste = 1\n    return x + 1\n")
    asked = traced("import own", "x = 2\ny = own.grown(x)", "print(y)")
    assert asked.output.endswith("3\n"), asked.errors
    own = tmp_path / "own.py"
    assert asked.lines("y") == [f"{own}:1", f"{own}:3", "In [4]:1", "In [4]:2"]


BEFORE_RELOAD = """\
rate = 1
def f(x):
    return x + rate
def g(x):
    return x + rate
class A:
    def m(self, x):
        return [x]
    @staticmethod
    def s(x):
        return x
def items(n):
    for i in range(n):
        yield i
"""
RELOADED = """\
rate = 2

def f(x):
    waste = 5
    y = x * rate
    return y
def g(x):
    return x + rate
class A:
    def m(self, x):
        z = x + 1
        return [z]
    @staticmethod
    def s(x):
        return x + 4
def items(n):
    for i in range(n):
        j = i + 1
        yield j
def new(x):
    return x
"""


@pytest.mark.parametrize("how", ["2", "2-"])
def test_functions_that_autoreload_changes_are_followed_in_their_new_text(how, traced, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(BEFORE_RELOAD)
    asked = traced(
        f"%load_ext autoreload\n%autoreload {how}",
        "import own\na = own.A()\nf = own.f",
        "k = 3",
        "old = f(k)",
        f"with open('own.py', 'w') as file: file.write({RELOADED!r})\n"
        "import os\nos.utime('own.py', (2e9, 2e9))",
        "value = own.f(k), a.m(k)[0], own.A.s(k), list(own.items(k)), own.g(k)",
        "y = f(k)",
        "z = a.m(k)[0]",
        "w = own.A.s(k)",
        "u = list(own.items(k))",
        "r = own.rate",
        "def later(n):\n    for i in range(n):\n        yield i + k\nv = list(later(2))\nvalue",
    )
    assert "Out[14]: (6, 4, 7, [1, 2, 3], 5)" in asked.output, asked.errors
    assert f"{own}:3" in asked.lines("old")
    later, again = [f"{own} (2):{line}" for line in (5, 6)], "In [5]:1"
    assert {*later, again} <= set(asked.lines("y"))
    assert f"{own} (2):4" not in asked.lines("y")
    assert f"{own}:3" not in asked.lines("y")
    assert f"{own}:1" not in asked.lines("y") + asked.lines("r")
    assert {f"{own} (2):11", again} <= set(asked.lines("z"))
    assert {f"{own} (2):15", again} <= set(asked.lines("w"))
    assert {f"{own} (2):18", f"{own} (2):19", again} <= set(asked.lines("u"))
    assert {"In [14]:3", "In [14]:4", again} <= set(asked.lines("v"))
    told = [gap.rpartition(": ")[2] for gap in asked.gaps if gap.startswith(str(own))]
    assert told == (["new", "rate"] if how == "2" else [])


def test_what_functions_of_other_cells_do_is_followed(traced):
    asked = traced(
        "rate = 0.5\ndef scale(x):\n    return [v * rate for v in x]",
        "data = [1, 2, 3]\nother = 9",
        "result = scale(data)",
        "rate = 0.7",
        "y = result[1] + other",
    )
    assert asked.lines("result[1]") == ["In [3]:1", "In [3]:3", "In [4]:1", "In [7]:1"]
    assert "In [4]:2" in asked.lines("y")
    assert "In [6]:1" not in asked.lines("y")
    assert asked.gaps == []


def test_a_cell_run_again_or_with_another_text_is_told_by_its_execution(traced):
    asked = traced("x = 1", "x = x + 1", "x = x + 1", "x = x * 3", "y = x")
    assert asked.lines("y") == [f"In [{number}]:1" for number in range(3, 8)]
    assert asked.history("x") == ["In [3]:1", "In [4]:1", "In [5]:1", "In [6]:1"]


def test_results_are_followed_by_all_their_names(traced):
    asked = traced("a = 2\na + 1", "b = _", "c = _3 + Out[3]", "'z'", "d = __", "5;", "e = _")
    assert asked.lines("b") == ["In [3]:1", "In [3]:2", "In [4]:1"]
    assert asked.lines("c") == ["In [3]:1", "In [3]:2", "In [5]:1"]
    assert asked.lines("d") == ["In [3]:1", "In [3]:2", "In [7]:1"]
    assert asked.lines("e") == ["In [6]:1", "In [9]:1"]


def test_a_cell_that_ends_in_an_error_leaves_what_it_did(traced):
    asked = traced("x = 1", "x = 2\nx / 0\nx = 3", "y = x", "z = y +", "w = y")
    assert asked.lines("y") == ["In [4]:1", "In [5]:1"]
    assert asked.lines("w") == ["In [4]:1", "In [5]:1", "In [7]:1"]


def test_what_a_timed_cell_does_is_followed(traced):
    asked = traced(
        "k = 2", "%%time\nx = [k]\nx.append(3)\nx[0]", "y = x[0]\nz = _", "%time w = x[1]", "v = w"
    )
    assert asked.lines("y") == ["In [3]:1", "In [5]:1"]
    assert set(asked.lines("z")) >= {"In [3]:1", "In [4] %time:3"}
    assert set(asked.lines("v")) >= {"In [4] %time:2", "In [6] %time:1"}
    assert asked.gaps == []


def test_a_timed_cell_that_defines_functions_runs_as_it_is(traced):
    asked = traced("k = [1]", "%%time\ndef f(): return k\nx = f()", "y = x[0]\nf.__code__.co_names")
    assert asked.lines("y") == ["In [5]:1"]
    assert "('k',)" in asked.output
    assert len(asked.gaps) == 2


def test_functions_are_sent_to_other_processes_as_they_are_written(traced):
    asked = traced(
        "import asyncio, subprocess, sys\nasync def give(x): return x\nk = await give(4)\n"
        "def f(x): return [x + k]",
        "import cloudpickle\ndata = cloudpickle.dumps(f)",
        "code = f'import pickle; print(pickle.loads({data!r})(3))'",
        "subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout",
    )
    assert "Out[6]: '[7]\\n'" in asked.output


def test_what_compilers_of_bytecode_may_read_is_as_it_is_written_also_if_an_earlier_cell_defined_it(traced):
    asked = traced(
        "def helper(x): return x\nclass Net:\n    def forward(self, x): return helper(x)\n"
        "def load(n): return [n]",
        "class torch:\n    compile = staticmethod(lambda model: model)",
        "model = torch.compile(Net())\ndata = load(2)\ny = model.forward(data)[0]",
        "[one.__code__.co_names for one in (helper, Net.forward)]",
    )
    assert "[(), ('helper',)]" in asked.output
    assert "In [3]:4" in asked.lines("y")
    assert any("helper may be read by a compiler" in gap for gap in asked.gaps)


def test_a_timed_cell_may_fail(traced):
    asked = traced("x = 1", "%%time\nx = 2\nx / 0\nx = 3", "%time x / 0", "y = x")
    assert asked.lines("y") == ["In [4] %time:1", "In [6]:1"]


def test_cells_in_cells_are_followed(traced):
    asked = traced("x = 1", "%%capture out\ny = x + 1", "z = y", "get_ipython().run_cell('x = 5')", "w = x")
    assert asked.lines("z") == ["In [3]:1", "In [4] (2):1", "In [5]:1"]
    assert asked.lines("w") == ["In [6] (2):1", "In [7]:1"]


def test_what_python_magics_run_is_known_by_its_names(traced):
    asked = traced("l = [1]\nm = [2]", "%timeit -n 1 -r 1 l.append(3)", "y = l[0]", "z = m[0]")
    assert "In [4]:1" in asked.lines("y")
    assert asked.lines("z") == ["In [3]:2", "In [6]:1"]
    assert len(asked.gaps) == 1


def test_what_something_else_binds_is_not_known_and_said(traced, tmp_path):
    (tmp_path / "other.py").write_text("x = 7\n")
    asked = traced("x = 1", "%run other.py", "y = x")
    assert asked.lines("y") == ["In [5]:1"]
    assert re.fullmatch("In .4.: bound by what is not traced, here or later: .*x", asked.gaps[0])
    assert "In [4]: what ran here and is not traced may have changed any object" in asked.gaps


def test_what_is_bound_between_cells_is_not_known(traced):
    asked = traced(
        "x = [1]",
        "shell = get_ipython()\nbind = lambda *_: shell.user_ns.update(x=[2])",
        "shell.events.register('pre_run_cell', bind)",
        "y = x[0]",
    )
    assert "In [3]:1" not in asked.lines("y")
    assert [gap for gap in asked.gaps if gap.endswith("here or later: x")]


def test_commands_and_magics_that_bind_nothing_are_no_gap(traced):
    asked = traced("x = 1", "files = !echo a", "!echo b", "%matplotlib --list\n%who", "x?", "y = x")
    assert [gap for gap in asked.gaps if "forked" not in gap] == []
    assert asked.lines("y") == ["In [3]:1", "In [8]:1"]


def test_values_in_the_text_of_a_command_are_a_gap(traced):
    asked = traced("x = 'a'", "files = !echo {x}\nx", "!echo $x", "z = files[0]")
    told = "what is put into the text of this command is not followed"
    assert [gap for gap in asked.gaps if "forked" not in gap] == [f"In [4]: {told}", f"In [5]: {told}"]
    assert asked.lines("z") == ["In [4]:1", "In [6]:1"]


def test_what_a_cell_awaits_is_followed(traced):
    asked = traced(
        "import asyncio\nasync def give(x):\n    await asyncio.sleep(0)\n    return x + 1",
        "k = 3",
        "y = await give(k)\nz = y",
    )
    assert asked.lines("z") == ["In [3]:2", "In [3]:4", "In [4]:1", "In [5]:1", "In [5]:2"]


def test_a_cell_that_cannot_be_followed_runs_as_it_is(traced):
    asked = traced("x = [1]", "class Odd(__import__('ast').NodeTransformer):\n"
        "    def visit_Constant(self, node):\n        node.value = 5\n        return node\n"
        "get_ipython().ast_transformers.append(Odd())", "x[0] = 2", "y = x[0]\ny")  # fmt: skip
    assert "Out[6]: 5" in asked.output or "IndexError" in asked.output
    assert [gap for gap in asked.gaps if "another transformer" in gap]


def test_a_cell_in_another_thread_is_not_followed_and_said(traced):
    asked = traced(
        "import threading\nx = 1\nk = 2",
        "thread = threading.Thread(target=get_ipython().run_cell, args=('x = [5]',))\n"
        "thread.start()\nthread.join()\nw = k",
        "y = x\nz = w",
    )
    assert asked.lines("y") == ["In [5]:1"]
    assert asked.lines("z") == ["In [3]:3", "In [4]:4", "In [5]:2"]
    assert [gap for gap in asked.gaps if gap.startswith("In [4], in another thread: ")]


def test_functions_of_before_are_told(traced):
    asked = traced(
        "x = 1", "%trilha grain variable", "y = f()", load=("%load_ext trilha", "def f(): return x")
    )
    assert [gap for gap in asked.gaps if "not followed: f" in gap]


def test_tracing_ends_and_begins_again(traced):
    asked = traced(
        "x = [1]", "%trilha grain", "%trilha grain file", "x[0] = 2\nz = 3", "%trilha grain",
        "%trilha grain variable", "y = x[0]\nw = z", "%trilha grain variable --loops 2", "%trilha grain",
    )  # fmt: skip
    assert re.findall("^(variable|file)$", asked.output, re.MULTILINE) == ["variable", "file", "variable"]
    assert asked.lines("w") == ["In [9]:2"]


def test_a_setting_has_cells_traced_from_the_beginning(traced):
    asked = traced("x = 1", "y = x", environment={"TRILHA_GRAIN": "variable"}, load=LOAD[:1])
    assert asked.lines("y") == ["In [2]:1", "In [3]:1"]


def test_wrong_words_are_told(traced):
    asked = traced(
        "x = 1", "%trilha grain fine", "%trilha grain variable --loops no", "%trilha slice nothing"
    )
    assert "trilha: %trilha grain fine: expected %trilha grain variable" in asked.errors
    assert "trilha: %trilha grain variable --loops no: expected a number of rounds" in asked.errors
    assert "trilha: 'nothing': no variable" in asked.errors


def test_the_magic_answers_over_the_text_of_the_cells(traced):
    asked = traced(
        "d = {'a b': 1}\nk = 2",
        "d['a b'] = k + 1",
        "%trilha slice d['a b'] + k",
        "d['a b'] + k",
        "%trilha slice d['a b'] + k --guards",
        "%trilha history d",
        "k",
        "%trilha calls",
        "%trilha slice 'k' --program",
    )
    text = asked.output.partition("d['a b'] + k, line 1 of In [6], came from")[2]
    assert [line.split("  ")[0] for line in text.splitlines() if line.startswith("In [")][:3] == [
        *("In [3]", "In [4]", "In [6]"),
    ]
    assert "In [4]:1  In [4]  d['a b'] = k + 1" in text
    assert "\nIn [3]\nIn [4]\nIn [6]\nIn [9]\n" in text  # A name alone evaluates nothing.
    assert text.rstrip().endswith("k = 2")


def test_a_program_of_cells_gives_the_same_value(traced):
    asked = traced(
        "import math as m\nunused = 1",
        "def area(r):\n    return m.floor(m.pi * r * k)",
        "k = 1\nl = []",
        "l.append(area(2))",
        "k = 2",
        "l.append(area(2))",
        "x = l[0] + l[1]",
        "%trilha slice x --program",
    )
    program = asked.output.partition("import math")[1:]
    names = {}
    exec("".join(program), names)
    assert names["x"] == 6 + 12
    assert "unused" not in program[1]


AS_IT_IS = [
    "x = 1\ndef f(y):\n    z = y / 0\n    return z",
    "f(3)",
    "x\n1/0\n",
    (
        "import pdb, io, sys\nwords = io.StringIO('w\\np y\\nu\\np x\\nl\\nq\\n')\n"
        "p = pdb.Pdb(stdin=words, stdout=sys.stdout)\np.reset()\np.interaction(None, sys.last_traceback)"
    ),
    "f(\n",
    "return 3",
    "x = 5; x",
    "[x,\n 2]",
    "_",
    "__, Out[8], _8",
    "x;",
    "for i in range(2):\n    i",
    "import asyncio\nawait asyncio.sleep(0, 'slept')",
    "files = !echo a b\nfiles",
    "%%time\ny = f\ny",
    "%timeit -n 1 -r 1 -q f",
    "class A:\n    def __repr__(self):\n        return 'A!'\nA()",
    "class B(Exception):\n    def __str__(self):\n        return 'B!' + str(A())\nraise B()",
    "try:\n    f(1)\nexcept ZeroDivisionError as e:\n    raise ValueError('v') from e",
    "%%capture out\nprint(3)\nq = 4",
    "out.stdout, q",
    "a = b = [1]\na += [2]\nb",
    "a += [3]",
    "l = [1,2,3]\nl[5]",
    "undefined_name",
    "def g():\n    yield 1\nlist(g())",
    "with open('/nowhere') as h:\n    pass",
    "'''doc'''",
    "lambda: 1; 3",
    "async def co():\n    return 1/0\nawait co()",
    "raise SystemExit(3)",
    "raise KeyboardInterrupt",
    "x == 5 and l.append(3) or l",
    "import inspect\nprint(inspect.getsource(f))",
    "f??",
    "%who",
    "s = '\\d'\ns is 'a'",
    "x: int = 4\nx",
    "{k: v for k, v in zip('ab', [x, 2])}",
    "f(2) if x else [f(0) for i in range(3)]",
    "[\n f(3)\n for i in range(2)]",
    "(x.nothing\n .more)",
    "from __future__ import annotations\ndef h(a: nothing): return a\nh(2)",
    "%config InteractiveShell.ast_node_interactivity = 'all'",
    "x\nfor i in [1]:\n    x += i\n    i\nx += 1\nx",
    "%config InteractiveShell.ast_node_interactivity = 'last_expr_or_assign'",
    "u = v = 3",
    "u = 4",
    "u += 1",
    "%config InteractiveShell.ast_node_interactivity = 'last_expr'",
    "%reset -f",
    "x",
]


def test_output_results_errors_and_debugging_are_as_they_were(run_program, tmp_path):
    told = []
    for load in (LOAD, ("pass", "pass")):
        cells = ("%colors nocolor", *load, *AS_IT_IS)
        shell = SHELL.replace(
            "    else:\n", "    else:\n        print('>', number); print('>', number, file=sys.stderr)\n"
        )
        program = shell.replace("CELLS", repr(cells)).replace("DIRECTLY", "-1")
        done = run_program(program, environment={"IPYTHONDIR": str(tmp_path / "ipython")})
        told.append(
            [
                re.sub("(CPU|Wall) time.*", "", text.partition("> 3\n")[2])
                for text in (done.stdout, done.stderr)
            ]
        )
    assert told[0][0].splitlines() == told[1][0].splitlines()
    assert told[0][1].splitlines() == told[1][1].splitlines()


def test_a_killed_kernel_leaves_the_trace_of_the_cells_that_were_run(kernel, store):
    for source in (*LOAD, "x = 1", "y = x"):
        assert kernel.run(source) == "ok"
    kernel.process.kill()
    kernel.process.wait(timeout=60)
    assert Asked(store).lines("y") == ["In [3]:1", "In [4]:1"]


def test_a_kernel_of_jupyter_is_traced_and_interrupted(kernel, store):
    run = kernel.run
    for source in (*LOAD, "x = 1\ndef f(y):\n    return [y + x]", "k = 4", "r = f(k)"):
        assert run(source) == "ok"
    kernel.interrupt("import time\nx = 2\nprint('on', flush=True)\ntime.sleep(60)\nx = 3")
    assert run("import asyncio\nz = await asyncio.sleep(0, r[0] + x)") == "ok"
    assert run("%trilha slice z") == "ok"
    assert "z, line 2 of In [7], came from" in kernel.told
    kernel.shutdown()
    asked = Asked(store)
    assert set(asked.lines("r[0]")) == {
        *("In [3]:1", "In [3]:2", "In [3]:3", "In [4]:1", "In [7]:2"),
    }
    assert "In [6]:2" in asked.lines("x@In [6]:2")
    assert asked.gaps == []
