"""Where a trace goes on through what the run's record knows: tasks of pools, and models that are trained."""

import argparse
import functools
import inspect
import json
import os
from types import CodeType, SimpleNamespace

import numpy as np
import pytest
from tests.cli.commands import trilha
from tests.compiled import compiled
from tests.trace.apps import APPS

from trilha.capture.script.fast_trail import FastTrail
from trilha.capture.script.identities import JOINED
from trilha.capture.script.joined import KNOWN, Join
from trilha.capture.script.traced import traced
from trilha.capture.script.trail import Trail
from trilha.trace import slicing
from trilha.trace.asked import meant
from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Known
from trilha.trace.indexes import traces
from trilha.trace.log import ARRAY, FIRST_TOKEN, MEETS, Log
from trilha.trace.replay import replay

TASKS = """\
from concurrent.futures import ThreadPoolExecutor


def twice(number):
    doubled = number * 2
    return doubled


def first(words):
    return words[0]


def fails(number):
    raise ValueError(number)


def told(future):
    return "told"


def begun():
    return "begun"


one = 1
two = 2
with ThreadPoolExecutor(1, initializer=begun) as pool:
    failed = pool.submit(fails, 7)
    futures = [pool.submit(twice, one), pool.submit(twice, two)]
    futures[0].add_done_callback(told)
    values = [future.result() for future in futures]
    a = values[0]
    b = values[1]
    mapped = list(pool.map(twice, [4]))
    words = ["b", "a"]
    ordered = pool.submit(sorted, words, key=first).result()
    length = pool.submit(len, "abc").result()
"""

TRAINING = """\
import torch

rate = 0.1
unused = 5
inputs = torch.ones(8, 2)
wanted = torch.zeros(8, 1)
model = torch.nn.Linear(2, 1)
before = model(inputs)
optimizer = torch.optim.SGD(model.parameters(), lr=rate)
for epoch in range(2):
    loss = torch.nn.functional.mse_loss(model(inputs), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
after = model(inputs)
again = model(inputs)
"""


def ran(folder, text, **environment):
    (folder / "work.py").write_text(text)
    assert trilha(folder, "run", "--grain", "variable", "work.py", **environment) == ""
    return folder


def lines(folder, what, ask=slicing.backward):
    (run,) = os.listdir(folder / ".trilha" / "journals")
    found = meant(traces(str(folder / ".trilha"), run), what)
    how = {"until": found.until} if ask is slicing.backward else {}
    return sorted(line for _, line in ask(found.traced, found.evaluations, **how).lines())


@pytest.fixture(scope="module", params=["python", "c"])
def modules(request, tmp_path_factory):
    """The environment of a run with nothing in C, and of one with all that there is for tasks."""
    if request.param == "python":
        return {"TRILHA_TRAIL": "python"}
    folder = tmp_path_factory.mktemp("modules")
    for name in ("trilha_recorder", "trilha_tasks"):
        compiled(name, folder)
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, modules):
    return ran(tmp_path_factory.mktemp("tasks"), TASKS, **modules)


def test_what_a_task_gave_comes_from_what_its_function_did(tasks):
    found = lines(tasks, "a")
    assert {4, 5, 6, 25, 29} <= set(found)
    assert not {26, 14, 18, 22} & set(found)


def test_a_task_s_result_is_not_another_s(tasks):
    assert 25 not in lines(tasks, "b")
    assert 26 in lines(tasks, "b")


def test_a_map_over_a_pool_gives_what_its_tasks_gave(tasks):
    assert {5, 6, 34} <= set(lines(tasks, "mapped"))


def test_what_a_library_called_in_a_task_goes_into_its_result(tasks):
    assert {9, 10, 35, 36} <= set(lines(tasks, "ordered"))


def test_a_task_of_a_library_s_function_comes_from_its_arguments_alone(tasks):
    assert not {5, 6, 10, 18, 22} & set(lines(tasks, "length"))


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    pytest.importorskip("torch")
    return ran(tmp_path_factory.mktemp("training"), TRAINING)


def test_a_trained_model_comes_from_the_steps_that_changed_it(training):
    found = lines(training, "after")
    assert {3, 5, 6, 7, 9, 11, 12, 13, 14, 15} <= set(found)
    assert not {4, 16} & set(found)


def test_what_a_model_gave_before_it_was_trained_does_not_come_from_the_training(training):
    assert lines(training, "before") == [5, 7, 8]


def test_what_a_model_gave_does_not_come_from_what_it_gave_after_the_last_step(training):
    assert 15 not in lines(training, "again")


def test_what_came_of_what_a_model_was_trained_with(training):
    assert {13, 14, 15, 16} <= set(lines(training, "wanted", slicing.forward))
    assert 8 not in lines(training, "wanted", slicing.forward)


@pytest.mark.parametrize("mapping", ["plain", "dictionary", "versioned"])
def test_a_trace_that_is_joined_to_the_record_is_stated_as_valid_prov(training, mapping):
    trilha(training, "export", "last", "--mapping", mapping, "-o", f"{mapping}.provn")
    trilha(training, "validate", f"{mapping}.provn")


PARSL = f"""\
import threading
{APPS}

@python_app
def slow(number):
    gate.wait()
    return number


parsl.load(parsl.Config(executors=[parsl.ThreadPoolExecutor(max_threads=2)]))
gate = threading.Event()
one = 1
two = 2
first = twice(one)
second = twice(two)
later = plus(first, one)
held = slow(two)
late = plus(held, one)
gate.set()
a = first.result()
b = second.result()
c = later.result()
d = late.result()
parsl.dfk().cleanup()
"""


@pytest.fixture(scope="module")
def apps(tmp_path_factory, modules):
    return ran(tmp_path_factory.mktemp("apps"), PARSL, **modules)


def test_a_task_of_parsl_comes_from_the_call_of_its_app(apps):
    a, b = lines(apps, "a"), lines(apps, "b")
    assert {8, 9, 25, 27, 33} <= set(a)
    assert 26 not in a
    assert {8, 9, 26, 28, 34} <= set(b)
    assert 25 not in b


def test_a_task_that_waits_comes_from_what_it_waited_for(apps):
    assert {8, 9, 14, 25, 27, 29, 35} <= set(lines(apps, "c"))
    assert 26 not in lines(apps, "c")


def test_a_result_that_came_after_the_call_it_was_passed_to_went_into_it(apps):
    assert {14, 20, 25, 26, 30, 31, 36} <= set(lines(apps, "d"))
    assert 8 not in lines(apps, "d")


def test_the_functions_of_a_traced_script_are_steps_too(training, tasks):
    told = trilha(tasks, "show", "last")
    assert "twice" in told
    assert "fails" in told


def test_a_slice_tells_what_the_record_knows_of_it(training, apps):
    recorded = json.loads(trilha(training, "slice", "after", "--json"))["recorded"]
    (model,) = [one for one in recorded if one["name"] == "model"]
    assert model["label"].startswith("Linear")
    recorded = json.loads(trilha(apps, "slice", "c", "--json"))["recorded"]
    assert {(one["line"], one["label"]) for one in recorded if one["line"]} == {(27, "twice"), (29, "plus")}


def test_a_part_is_found_by_its_key_where_the_text_has_another_name_for_it(tmp_path):
    ran(tmp_path, "d = {}\nfor key in 'ab':\n    d[key] = [key * 2]\nd['c'] = [3]\nx = d\nx['a'][0] = 5\n")
    assert lines(tmp_path, "d['b']") == [2, 3]
    assert 6 in lines(tmp_path, "d['a'][0]")
    assert "no variable" in trilha(tmp_path, "slice", "d['z']", status=1)


def test_a_data_structure_comes_from_what_is_in_it(tmp_path):
    ran(tmp_path, "a = 1\nb = 2\nfound = []\nfound.append(a)\nother = found\nother.append(b)\n")
    assert lines(tmp_path, "found") == [1, 2, 3, 4, 6]
    assert lines(tmp_path, "found@3") == [3]


def test_an_array_that_is_met_where_the_record_knows_it_does_not_part_that_record(trail):
    chunks = []
    log = trail(chunks.append)
    array = np.zeros(3)
    told = log.reference(array)
    log.text(JOINED, "path", KNOWN, behind=told)
    log.stop()
    read = Log(chunks)
    begins = [read.number(), read.number()]
    met = [read.number() for _ in range(3)] if begins == [JOINED, MEETS] else []
    begins = [read.number(), read.number()] if met else begins
    assert [*begins, read.text()] == [JOINED, KNOWN, b"path"]
    assert [read.number() for _ in told] == ([met[0] + FIRST_TOKEN] if met else [FIRST_TOKEN, 9, 0])
    assert met in ([], [0, 9, 0])
    assert read.number() == ARRAY


# All that it makes stays: with lists that die the log in Python is late.
KNOWN_THINGS = """\
def inner(x, *more):
    tell(x, 7, False)
    return [through(more, 20, True), x]
class Own:
    def __eq__(self, other):
        tell(other, 8, False)
        return True
a, b, own = [1], {"k": [2]}, Own()
tell(a, 1, False)
tell(a, 12345678901234567890123 // 10 ** 9, True); tell(b, "urn:other#grö\u00dfe", False)
things = [a, b, own, Own, inner, 5, "text", (1,), {3}, object()]
for at, x in enumerate(things):
    tell(x, at, bool(at % 2)); through(x, 3 * at, False)
same, rows = [own == a], [[2], [1]]
found = inner(b, 1, same)
rows.sort(key=lambda x: through(x, 30, False) or x)
tell(b, 50, None); tell(own, 51, None)
tell(len, 40, False) or tell(a, True, False) or tell(a, -3, False)
"""


@pytest.mark.parametrize("path", ["script.py", "grö\u00dfe.py", "no\udcfftext.py"])
def test_what_becomes_an_entity_is_logged_alike_in_python_and_in_c(recorder_folder, monkeypatch, path):
    monkeypatch.syspath_prepend(recorder_folder)
    slowly = []

    def log(make):
        recorder = SimpleNamespace(_bases=((1, "urn:uuid:x#"), (20, "urn:uuid:x#own-")), failed=pytest.fail)
        chunks = []
        trail = make(chunks.append)
        trail.install()
        tree, count, heads = traced(parsed(KNOWN_THINGS), trail.base, trail.first)
        trail.module(path, KNOWN_THINGS.encode(), count, heads)
        known = Join(recorder, trail).known
        tell = trail.telling(recorder, lambda *given: slowly.append(given) or known(*given))

        def through(*given):
            tell(*given)

        tell([], 1, False)
        exec(compile(tree, path, "exec"), {"tell": tell, "through": through})
        trail.stop()
        tell([], 1, False)
        return chunks

    def told(chunks):
        events = []
        replay(chunks, events.append, lambda _: None)
        return events

    in_python, python_alone = log(Trail), len(slowly)
    in_c = log(FastTrail)
    assert told(in_python) == told(in_c)
    assert sum(isinstance(one, Known) for one in told(in_c)) > 15
    assert b"".join(in_c).count(b"\0urn:") > 15
    assert (len(slowly) - python_alone < 10) is ("\udcff" not in path)


def test_the_place_of_an_instruction_is_logged_alike_in_python_and_in_c(recorder_folder, monkeypatch):
    """By all tables of places that some of the standard library and some odd text have."""
    monkeypatch.syspath_prepend(recorder_folder)
    odd = f"x = ({' ' * 300}[1,\n\n\n  2])\nfor y in x:\n  if y: del y\n  else:\n    assert y\n" * 9
    texts = [odd, inspect.getsource(argparse), inspect.getsource(inspect)]
    known = [inner for text in texts for inner in codes_in(compile(text, "place.py", "exec"))]
    calls, kept = compile("tell(a, 1, False)\n" * 40, "place.py", "exec"), [1]
    programs = [
        calls.replace(co_linetable=one.co_linetable, co_firstlineno=one.co_firstlineno) for one in known
    ]

    def log(make, program):
        recorder = SimpleNamespace(_bases=((1, "urn:uuid:x#"),), failed=pytest.fail)
        chunks = []
        trail = make(chunks.append)
        trail.module("place.py", b"", 1, [])
        tell = trail.telling(recorder, Join(recorder, trail).known)
        exec(calls, {"tell": tell, "a": kept})
        trail.flush()
        chunks.clear()  # Of an object that is met the two tell in different ways.
        # What is in C calls both: a call of a function in Python is told some instructions further on.
        exec(program, {"tell": functools.partial(tell), "a": kept})
        trail.stop()
        return b"".join(chunks)

    assert len(programs) > 300
    assert [log(Trail, one) for one in programs] == [log(FastTrail, one) for one in programs]


def codes_in(code):
    """A code object, and all that are in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from codes_in(inner)
