"""A slice as a program gives the value of the whole program, also where calls advance what they are given."""

import contextlib
import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trace.test_fast_and_obvious import programs
from tests.trace.traced import Traced as Run

from trilha.trace.asked import meant
from trilha.trace.programs import program
from trilha.trace.traced import Traced


def run(text):
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        exec(compile(text, "script.py", "exec"), names)
    return names


def sliced(text, name):
    trace = Traced.of_log(Run(text).chunks)
    one = meant([trace], name)
    (found,) = program(trace, one.evaluations, one.until).values()
    return found


def test_what_is_left_out_advances_nothing_that_the_value_depends_on():
    text = (
        "import random, re\nrandom.seed(3)\nused = iter([1, 2, 3])\nother = iter('abc')\n"
        "pattern = re.compile('b')\nrandom.random()\nnext(used)\nnext(other)\nwaste = pattern.match('b')\n"
        "print(used)\nfor k in range(3):\n    spent = len(str(k))\n"
        "y = next(used) + random.random() + len(pattern.findall('abb'))\n"
    )
    found = sliced(text, "y")
    assert run(found)["y"] == run(text)["y"]
    assert found.count("next(used)") == found.count("random.random()") == 2
    for needless in ("next(other)", "waste", "print", "spent"):
        assert needless not in found


def test_a_program_waits_for_the_thread_that_changed_the_value_last():
    text = (
        "import queue, threading\nwaiting, x = queue.Queue(), []\ndef take():\n"
        "    while (one := waiting.get()) is not None:\n        x.append(one)\n"
        "thread = threading.Thread(target=take)\nthread.start()\nwaiting.put(5)\nwaiting.put(None)\n"
        "thread.join()\n"
    )
    assert "thread.join()" in sliced(text, "x")


def test_what_methods_of_paths_did_to_files_and_folders_is_kept(tmp_path):
    text = (
        f"import pathlib, tempfile\nfolder = pathlib.Path(tempfile.mkdtemp(dir={str(tmp_path)!r}))\n"
        "(folder / 'sub').mkdir()\nfor n in range(3):\n"
        "    (folder / 'sub' / f'{n}.txt').write_text('a' * n)\n(folder / 'sub' / '0.txt').unlink()\n"
        "unused = 3\nx = sorted(one.name for one in folder.rglob('*.txt'))\n"
    )
    found = sliced(text, "x")
    assert run(found)["x"] == ["1.txt", "2.txt"]
    assert "unused" not in found


def test_an_iterator_in_an_attribute_is_gone_on_by_all_who_take_of_it():
    text = (
        "class Box:\n    def __init__(self, l):\n        self.it = iter(l)\n    def take(self):\n"
        "        return next(self.it)\nbox = Box([5,\n           6])\nbox.take()\ny = box.take()\n"
    )
    assert run(sliced(text, "y"))["y"] == 6


@pytest.mark.parametrize(
    "made",
    [
        "[i async for i in g(a)]",
        "[await f(i) for i in (a, c)]",
        "{await f(c): k async for k in g(a)}",
    ],
)
def test_what_an_asynchronous_comprehension_runs_is_kept(made):
    text = (
        "import asyncio\nthree = 3\nasync def f(v):\n    await asyncio.sleep(0)\n    k = v + three\n"
        "    return k\n"
        "async def g(n):\n    for i in range(n):\n        await asyncio.sleep(0)\n        yield i\n"
        f"async def main():\n    a = 2\n    c = 1\n    return {made}\nunused = asyncio.run(f(5))\n"
        "y = asyncio.run(main())\n"
    )
    found = sliced(text, "y")
    assert run(found)["y"] == run(text)["y"]


@pytest.mark.parametrize(
    "changed",
    [
        "rows = []\nrows.append(one)",
        "rows = {}\nrows[one] = [2]\nrows[one].append(3)",
        "inner = [4]\nrows = [inner]\ninner.append(one)",
        "rows = [3, one, 2]\nrows.sort()\ndel rows[0]",
        "def add(rows):\n    rows.append(one)\nrows = []\nadd(rows)",
        "import collections\nrows = collections.Counter()\nrows.update('abb')",
        "import json\nrows = json.loads('{\"a\": {\"b\": {}}}')\nrows['a']['b']['c'] = one",
        "import copy\nall = copy.deepcopy({'a': {}})\nall['a']['c'] = one\nrows = str(all)",
        "import queue\nq = queue.Queue()\nq.put(one)\nrows = []\nrows.append(q.get())",
    ],
)
def test_a_program_gives_a_value_with_what_was_put_into_it_later(changed):
    text = f"one = 1\nunused = [one]\nunused.append(one)\n{changed}\n"
    found = sliced(text, "rows")
    assert run(found)["rows"] == run(text)["rows"]
    assert "unused" not in found


def test_a_program_of_a_value_at_a_line_has_nothing_of_later():
    text = "rows = [1]\nrows.append(2)\ncount = len(rows)\nrows.append(3)\n"
    assert "append(3)" not in sliced(text, "rows@1")
    assert "append(3)" not in sliced(text, "count")
    assert "append(3)" in sliced(text, "rows")


def test_a_program_of_an_object_brings_it_to_the_state_of_the_end():
    text = "import io\nw = io.StringIO()\nv = io.StringIO()\nv.write('v')\nw.write('one')\n"
    found = sliced(text, "w")
    assert run(found)["w"].getvalue() == "one"
    assert "v.write" not in found


@pytest.mark.parametrize(
    "text",
    [
        (
            "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n = 5\n        return n\n"
            "    return g() + 1\ny = f()\n"
        ),
        (
            "def f():\n    def g():\n        nonlocal n\n        n = 5\n        return 1\n    n = 0\n"
            "    return g() + 1\ny = f()\n"
        ),
        (
            "def f(n):\n    def g():\n        nonlocal n\n        n = 5\n        return n\n"
            "    return g() + 1\ny = f(3)\n"
        ),
        (
            "least = 4\ndef f(a):\n    match a:\n        case 1 if a > least:\n            return 3\n"
            "        case _:\n            return 4\ny = f(1)\n"
        ),
        (
            "least = 4\ndef f(a):\n    match a:\n        case 2 if a > least:\n            return 3\n"
            "        case _:\n            return 4\ny = f(1)\n"
        ),
        "Number = int\ndef f(a: Number) -> Number:\n    return a\ny: Number = f(1)\n",
        "import math\nhigh = 2\nkind = list[int]\ndef f(a: kind):\n    return a\ny = f(1)\n",
    ],
)
def test_what_kept_text_refers_to_is_bound_in_the_program(text):
    assert run(sliced(text, "y"))["y"] == run(text)["y"]


RUNS = """\
r = []
def f(a):
    r.append(a)
    return str(a)
class A:
    def __enter__(self):
        f('in')
    def __exit__(self, *of):
        f('out')
    @property
    def p(self):
        return f('p')
    def __getattr__(self, name):
        return f(name)
    def __bool__(self):
        f('b')
        return True
    def __hash__(self):
        f('h')
        return 1
    def work(self):
        f('w')
a = A()
unused = f
"""


@pytest.mark.parametrize(
    "text",
    [
        "def d(g):\n    f(0)\n    return g\n@d\ndef h(): pass",
        "def d(c):\n    f(c.__name__)\n    return c\n@d\nclass H: pass",
        "class M(type):\n    def __init__(c, *of):\n        f(1)\nclass H(metaclass=M): pass",
        "class B:\n    def __init_subclass__(cls):\n        f(cls.__name__)\nclass H(B): pass",
        "class D:\n    def __set_name__(self, owner, name):\n        f(name)\nclass H:\n    z = D()",
        *(["def h(a: f(1)): pass"] if sys.version_info < (3, 14) else []),
        "a.p",
        "a.p + '1'",
        "a.zz",
        "{a}",
        "with a:\n    pass",
        "if a:\n    pass",
        "while a:\n    break",
        "b, c = map(f, [1, 2])",
        "def g():\n    yield f(1)\n    yield f(2)\nfor _ in g():\n    pass",
        "def g():\n    f(1)\n    yield\n    f(2)\n    yield\ng = g()\nnext(g)\nnext(g)",
        "import threading\ndef g():\n    f(3)\nt = threading.Thread(target=g)\nt.start()\nt.join()",
        "import threading\nt = threading.Thread(target=a.work)\nt.start()\nt.join()",
        (
            "import asyncio\nasync def c():\n    f(1)\nasync def m():\n    t = asyncio.create_task(c())\n"
            "    await t\nasyncio.run(m())"
        ),
        (
            "import asyncio\nasync def m():\n    asyncio.get_running_loop().call_soon(f, 3)\n"
            "    await asyncio.sleep(0)\nasyncio.run(m())"
        ),
        (
            "import contextlib\n@contextlib.contextmanager\ndef c():\n    f(1)\n    yield\n    f(2)\n"
            "with c():\n    pass"
        ),
        "import contextlib\nwith contextlib.ExitStack() as stack:\n    stack.callback(f, 3)",
    ],
)
def test_what_python_and_libraries_ran_of_the_program_is_run_again(text):
    text = f"{RUNS}{text}\nx = str(r)\nwaste = unused('waste')\n"
    found = sliced(text, "x")
    assert run(text)["x"] != "[]"
    assert run(found)["x"] == run(text)["x"]
    assert "waste" not in found


def test_a_statement_that_is_run_again_goes_on_to_its_end():
    text = f"{RUNS}other = [1]\nother.append(a.p)\n"
    assert run(sliced(text, "r"))["r"] == ["p"]


def test_what_a_property_ran_needs_nothing_of_what_stands_before_it():
    found = sliced(f"{RUNS}junk = f('junk')\nmore = junk + '1'\na.p\nx = str(r[-1])\n", "x")
    assert run(found)["x"] == "p"
    assert "more" not in found


@pytest.mark.parametrize(
    "text",
    [
        "lock = threading.Lock()\nwith lock:\n    x = 2\n",
        "def f(a):\n    lock = threading.Lock()\n    with lock:\n        return a\nx = f(2)\n",
        (
            "def f(a):\n    error = ValueError('x')\n    if a:\n        raise error\n    return 3\n"
            "try:\n    f(1)\n    x = 1\nexcept ValueError:\n    x = 2\n"
        ),
        "flag, why = False, 'm'\ntry:\n    assert flag, why\nexcept AssertionError as e:\n    x = str(e)\n",
        "kinds = ValueError, KeyError\ntry:\n    int('a')\nexcept kinds:\n    x = 3\n",
        "from math import *\nx = floor(pi)\n",
    ],
)
def test_names_that_stand_alone_in_kept_statements_are_bound(text):
    text = f"import threading\n{text}"
    assert run(sliced(text, "x"))["x"] == run(text)["x"]


@pytest.mark.parametrize(
    "made",
    ["await asyncio.sleep(0)", "await wait()", "async with lock:\n            await asyncio.sleep(0)"],
)
def test_tasks_take_turns_in_a_program_as_they_did(made):
    text = (
        "import asyncio\nr = []\nasync def wait():\n    await asyncio.sleep(0)\nlock = asyncio.Lock()\n"
        f"async def p(n):\n    for k in range(2):\n        {made}\n        r.append(n)\n"
        "async def main():\n    await asyncio.gather(p('a'), p('b'))\nasyncio.run(main())\nx = ''.join(r)\n"
    )
    assert run(sliced(text, "x"))["x"] == run(text)["x"]


NAMES = st.sampled_from("ab")
ITERATORS = st.sampled_from(["i", "e", "x", "g", "m", "z", "r", "f", "h"])
"""Of a list, of a generator expression, of a generator, of matches, of others, of a file's rows, of lines."""
STATES = st.sampled_from(
    [
        *("next(i)", "next(e)", "next(x)", "next(g)", "g.send(2)", "next(m)[0]", "next(z)", "next(r)"),
        *(
            "next(h)",
            "f.readline()",
            "f.read(3)",
            "f.tell()",
            "w.getvalue()",
            "s.random()",
            "s.choice('uvwxyz')",
        ),
        *("random.random()", "random.choice([1, 2, 3])", "q.get_nowait()", "q.qsize()", "p.pop()", "p[-1]"),
        *("d.popitem()", "len(d)", "k.popleft()", "heapq.heappop(o)", "first(i)", "first(z)", "after(f)"),
        *("list(itertools.islice(i, 2))", "next(iter(i))", "3 in i", "sum(itertools.islice(c, 2))"),
        *(
            "next(c)",
            "[one for one in itertools.islice(c, 2)]",
            "dict(zip('uv', i))",
            "max(itertools.islice(x, 2))",
        ),
        *("t.take()", "t.kept", "t.inner.readline()", "n()", "box.total", "len(l)", "min(l)", "l[0]"),
    ]
)
STEPS = st.one_of(
    STATES,
    st.builds("{} = {}".format, NAMES, STATES),
    st.builds("{} = {}, {}".format, NAMES, STATES, STATES),
    st.builds("for {} in {}:\n    break".format, NAMES, ITERATORS),
    st.builds("q.put({})".format, NAMES),
    st.builds("w.write(str({}))".format, NAMES),
    st.builds("l.append(len(str({})))".format, NAMES),
    st.sampled_from(
        [
            *("random.seed(3)", "s.seed(5)", "f.seek(0)", "random.shuffle(l)", "s.shuffle(l)"),
            *(
                "j = i\nnext(j)",
                "heapq.heappush(o, 3)",
                "l.sort()",
                "fill(q)",
                "writer.writerow([1, 2])",
                "w.truncate(1)",
            ),
            *("u, v = itertools.islice(i, 2)", "l.extend(itertools.islice(c, 2))", "n = t.take"),
            *(f"@noted\ndef h{one}(): pass" for one in "ab"),
            *("with t:\n    l.append(len(l))", "t.left", "l.append(t.left)", "for one in over(2):\n    pass"),
            *(
                "if t:\n    pass",
                "l += [len(names)]",
                "u, v = over(2)",
                "names.reverse()",
                "list(map(noted, [first]))",
            ),
            *("writer.writerows([['a'], ['b']])", "print(*itertools.islice(i, 2))", "z = zip(i, c)"),
            *("first(map(str, i))", "l += itertools.islice(c, 1)", "t.inner = io.StringIO('mm\\nnn')"),
            *("with f:\n    pass", "print('x', file=w)", "struct.pack_into('B', y, 0, 7)", "add(w)"),
        ]
    ),
)
SETTING = """\
import collections, csv, heapq, io, itertools, queue, random, re, struct
def counting(n):
    got = 0
    while True:
        got = yield n + (got or 0)
        n += 1
def first(one):
    return next(one)
def after(file):
    file.readline()
    return file.readline()
def fill(queue):
    queue.put(5)
add = lambda file: file.write('added')
names = []
def noted(function):
    names.append(function.__name__)
    return function
def over(n):
    for one in range(n):
        names.append(one)
        yield one
class Taking:
    def __init__(self, inner):
        self.inner, self.kept = inner, 0
    def take(self):
        self.kept += 1
        return self.inner.readline()
    def __enter__(self):
        names.append('in')
        return self
    def __exit__(self, *of):
        names.append(len(names))
    @property
    def left(self):
        names.append('left')
        return next(c)
    def __bool__(self):
        names.append('asked')
        return True
i = iter(range(5, 90))
e = (2 * one for one in range(90))
x = counting(1)
g = counting(10)
next(g)
m = re.finditer(r"\\d+", " ".join(map(str, range(40))))
c = itertools.count()
z = zip(i, c)
f = io.StringIO("".join(f"row {one}\\n" for one in range(60)))
h = io.StringIO("".join(f"line {one}\\n" for one in range(60)))
r = csv.reader(h)
w = io.StringIO()
writer = csv.writer(w)
s = random.Random(3)
random.seed(4)
q = queue.Queue()
for one in range(20):
    q.put(one)
l = [3, 1, 2]
p = list(range(30))
o = [4, 9, 11, 17, 20]
d = {one: one for one in range(20)}
k = collections.deque(range(20))
t = Taking(io.StringIO("".join(f"taken {one}\\n" for one in range(60))))
n = lambda: next(c)
y = bytearray(3)
box = Taking(None)
box.total = a = b = 0
"""
STATEFUL = st.lists(STEPS, min_size=1, max_size=7).map(lambda found: SETTING + "\n".join(found))


def gives_the_same(text, *names):
    """Whether the programs of these names' values, as far as they were bound, give these again."""
    trace, whole = Traced.of_log(Run(text).chunks), run(text)
    for name in names:
        if name not in whole:
            continue
        one = meant([trace], name)
        (found,) = program(trace, one.evaluations, one.until).values()
        assert repr(run(found).get(name)) == repr(whole[name]), found


@programs(60)
@given(STATEFUL)
def test_a_slice_with_objects_that_calls_advance_gives_the_same_value(text):
    gives_the_same(text, "a", "b")


@programs(30)
@given(STATEFUL)
def test_a_slice_of_what_is_changed_gives_it_as_it_is_at_the_end(text):
    gives_the_same(text, "l", "o", "p", "d", "k", "names")
