"""What is recorded of the functions of a script that the launcher runs."""
# ruff: noqa: E501 -- scripts, as text

import pytest
from tests.capture.launching import P, T, steps

from trilha.prov import Kind


def ends(store):
    """Of each step its label, what it returned and the exception that ended it."""
    labels, found = {}, []
    for record in store.records(Kind.ACTIVITY):
        if record.value(P + "label"):
            labels[record.id] = record.value(P + "label")
        elif record.id in labels and not record.id.endswith("#run"):
            found.append((labels[record.id], record.value(T + "returned"), record.value(T + "exception")))
    return found


def test_calls_are_steps_with_arguments_and_results(twice):
    twice.write(
        "s.py",
        "def f(a, b=2, /, *c, d, e=5, **g):\n    try:\n        return a + d\n    finally:\n        h(1)\n"
        "def h(x):\n    if x:\n        return\n    raise KeyError(x)\n"
        "def i():\n    try:\n        h(0)\n    except KeyError:\n        return 'handled'\n"
        "def j():\n    try:\n        return 1\n    finally:\n        return 2\n"
        "def k(e):\n    try:\n        raise e\n    except ValueError:\n        pass\n    return 'k'\n"
        "f(1, d=4, z=9)\ni()\nj()\ntry:\n    raise ValueError\nexcept ValueError as error:\n    k(error)\n"
        "try:\n    h(0)\nexcept KeyError:\n    pass\n",
    )
    twice.same("s.py")
    assert ends(twice.store) == [
        ("h", None, None),
        ("f", 5, None),
        ("h", None, "KeyError"),
        ("i", "handled", None),
        ("j", 2, None),
        ("k", "k", None),
        ("h", None, "KeyError"),
    ]
    (begin,) = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(P + "label") == "f"]
    assert [begin.value(T + f"arg.{name}") for name in "abde"] == [1, 2, 4, 5]


def test_an_object_that_one_function_returns_and_another_takes_is_one_entity(twice):
    twice.write(
        "s.py",
        "def make():\n    return {i: i for i in range(300)}\ndef take(table):\n    return sum(table)\n"
        "def main():\n    print(take(make()))\nmain()\n",
    )
    twice.same("s.py")
    (generation,) = [r for r in twice.store.records(Kind.GENERATION) if not r[3].endswith("#run")]
    usages = [r for r in twice.store.records(Kind.USAGE) if r[3] == generation[2]]
    assert len(usages) == 1


def test_a_function_that_is_a_step_by_itself_is_one_step(twice):
    twice.write(
        "s.py",
        "import trilha\n@trilha.step('load it')\ndef load(n):\n    return inner(n)\n"
        "def inner(n):\n    return n + 1\n"
        "@trilha.step\ndef count(n):\n    yield from range(n)\n"
        "print(load(1), sum(count(3)))\n",
    )
    twice.same("s.py")
    assert ends(twice.store) == [("inner", 2, None), ("load it", 2, None), ("count", None, None)]


def test_calls_beyond_those_recorded_are_counted(twice):
    twice.write(
        "s.py",
        "def few(): pass\ndef some(i): return i\ndef many(i):\n    return i\n"
        "few()\nfor i in range(100): some(i)\nprint(sum(many(i) for i in range(10_000)), many.__code__.co_names)\n",
    )
    twice.same("s.py")
    about = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(T + "unrecorded_calls")]
    texts = [value for r in about for key, value in r.attributes if key == T + "unrecorded_calls"]
    assert sorted(texts) == ["many: more than 64 of more than 128", "some: 36 of 100"]
    assert steps(twice.store).count("some") == 64


def test_of_calls_that_a_function_makes_of_itself_the_first_are_recorded(twice):
    twice.write(
        "s.py",
        "def down(n):\n    return down(n - 1) + 1 if n else 0\nprint(down(20), down(3))\n"
        "def other(n):\n    if n == 2: raise ValueError\n    return 1\nfor i in range(4):\n    try: other(i)\n"
        "    except ValueError: pass\n",
    )
    twice.same("s.py")
    about = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(T + "unrecorded_calls")]
    assert [r.value(T + "unrecorded_calls") for r in about] == ["down: 15 of 25"]
    assert steps(twice.store).count("down") == 10
    assert steps(twice.store).count("other") == 4


def test_a_function_that_is_sent_by_value_runs_where_nobody_knows_trilha(twice):
    twice.write(
        "s.py",
        "import marshal, subprocess, sys\ndef f(x):\n    if x:\n        return x + 1\n    raise ValueError('there')\n"
        "code = marshal.dumps(f.__code__)\n"
        "there = 'import marshal, types, sys\\nf = types.FunctionType(marshal.loads(sys.stdin.buffer.read()), {})\\n'\n"
        "there += 'print(f(1), f(2))\\ntry: f(0)\\nexcept ValueError as e: print(e)\\n'\n"
        "print(subprocess.run([sys.executable, '-S', '-c', there], input=code, capture_output=True))\n",
    )
    _, output, _ = twice.same("s.py")
    assert b"2 3" in output


def test_functions_for_compilers_of_bytecode_are_left_alone(twice):
    twice.write(
        "s.py",
        "def njit(function): return function\nclass torch:\n    compile = staticmethod(lambda function: function)\n"
        "@njit\ndef fast(x):\n    return inner(x)\ndef inner(x):\n    return x\ndef step(x):\n    return loss(x)\n"
        "def loss(x):\n    return x\ndef other(x):\n    return x\nstep = torch.compile(step)\n"
        "print([one.__code__.co_names for one in (fast, inner, step, loss)])\nfast(1); step(2); other(3)\n",
    )
    twice.same("s.py")
    assert steps(twice.store) == ["njit", "other"]


def test_a_debugger_sees_the_script_alone(twice):
    twice.write(
        "s.py",
        "import threading\ndef f(x):\n    y = x\n    return y\ndef g():\n    breakpoint()\n    f(1)\n    f(2)\nf(0)\ng()\nf(3)\nf(4)\n",
    )
    twice.same("s.py", stdin=b"n\ns\ns\ns\nbt\nn\nn\nn\nn\nn\nn\nc\n")
    about = [
        v for r in twice.store.records(Kind.ACTIVITY) for k, v in r.attributes if k == T + "unrecorded_calls"
    ]
    assert about == ["all functions: from when a tracer or profiler was set"]


def test_functions_that_cloudpickle_sends_to_other_processes_run_there(twice):
    pytest.importorskip("joblib")
    twice.write(
        "s.py",
        "from joblib import Parallel, delayed\ndef f(x):\n    return g(x) + 1\ndef g(x):\n    return x * x\n"
        "def main():\n    return Parallel(n_jobs=2, backend='loky')(delayed(f)(i) for i in range(4))\n"
        "if __name__ == '__main__':\n    print(main())\n",
    )
    twice.same("s.py")
    assert steps(twice.store)[:1] == ["main"]


def test_the_call_of_a_tasks_function_by_its_engine_is_the_attempt_and_no_step(twice):
    twice.write(
        "s.py",
        "from concurrent.futures import ThreadPoolExecutor\nfrom functools import reduce\n"
        "def work(x):\n    return inner(x)\ndef inner(x):\n    return x\ndef add(a, b):\n    return a + b\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    print(list(pool.map(work, [1, 2])), pool.submit(reduce, add, [1, 2, 3]).result(), work(3))\n",
    )
    twice.same("s.py")
    began = twice.store.records(Kind.ACTIVITY)
    tasks = [r.value(P + "label") for r in began if (P + "type", T + "Task") in r.attributes]
    assert tasks == ["work", "work", "reduce"]
    attempts = [label for label in steps(twice.store) if label.endswith("attempt 1")]
    calls = [label for label in steps(twice.store) if label not in (*tasks, *attempts)]
    assert calls.count("inner") == 3
    assert steps(twice.store).count("work") == 2 + 1, "two tasks, and the call that the script made itself"
    assert calls.count("add") == 2, "what calls it for the library is no engine"


def test_so_it_is_with_the_calls_of_a_batch_of_joblib(twice):
    pytest.importorskip("joblib")
    twice.write(
        "s.py",
        "from joblib import Parallel, delayed\ndef f(x):\n    return [x]\n"
        "print(Parallel(n_jobs=2, backend='threading', batch_size=2)(delayed(f)(i) for i in range(4)))\n",
    )
    twice.same("s.py")
    assert sorted(steps(twice.store)) == [*["f"] * 4, *["f, attempt 1"] * 4]
