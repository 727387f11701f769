"""Where a trace goes on through what the run's record knows: tasks of pools, and models that are trained."""

import json

import pytest
from tests.cli.commands import trilha

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


def ran(folder, text):
    (folder / "work.py").write_text(text)
    assert trilha(folder, "run", "--grain", "variable", "work.py") == ""
    return folder


def lines(folder, what, *options):
    told = json.loads(trilha(folder, "slice", what, "--json", *options))
    return sorted({one["line"] for one in told["evaluations"] if one["kind"] != "name"})


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("tasks"), TASKS)


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
    assert {13, 14, 15, 16} <= set(lines(training, "wanted", "--forward"))
    assert 8 not in lines(training, "wanted", "--forward")


@pytest.mark.parametrize("mapping", ["plain", "dictionary", "versioned"])
def test_a_trace_that_is_joined_to_the_record_is_stated_as_valid_prov(training, mapping):
    trilha(training, "export", "last", "--mapping", mapping, "-o", f"{mapping}.provn")
    trilha(training, "validate", f"{mapping}.provn")
