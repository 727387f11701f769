"""Slices that go on in the processes that executed tasks: the lines of that call, its arguments alone."""

import os

import pytest
from tests.cli.commands import trilha

from trilha.trace import across
from trilha.trace.asked import meant
from trilha.trace.indexes import traces

POOL = """\
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

rate = 3
unused = 9


def scaled(number):
    return number * rate


def twice(number, more=1):
    doubled = scaled(number) * 2
    return doubled


def fails(number):
    raise ValueError(number)


def main(how):
    one = 1
    two = 2
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(how)) as pool:
        failed = pool.submit(fails, two)
        futures = [pool.submit(twice, one), pool.submit(twice, two)]
        values = [future.result() for future in futures]
        a = values[0]
        b = values[1]
        mapped = list(pool.map(twice, [4, 5], chunksize=2))
        length = pool.submit(len, "abc").result()
    print(a, b, mapped, length)


if __name__ == "__main__":
    main(sys.argv[1])
"""


class Asked:
    """A recorded run, to be asked for lines and tasks."""

    def __init__(self, folder, text, *words, **environment):
        (folder / "work.py").write_text(text)
        self.said = trilha(folder, "run", "--grain", "variable", "work.py", *words, **environment)
        self.folder = folder / ".trilha"
        (self.run,) = os.listdir(self.folder / "journals")
        self.traces = traces(str(self.folder), self.run)

    def __call__(self, what, ask=across.backward, **how):
        found = meant(self.traces, what)
        return ask(self.traces, found.traced, found.evaluations, **how)

    def lines(self, what, ask=across.backward):
        return {line for (_, line), _ in self(what, ask).lines().items()}


@pytest.fixture(scope="module", params=["python", "c"])
def compiled_trail(request):
    """The environment of a run whose log is in Python, or in C."""
    if request.param == "python":
        return {"TRILHA_TRAIL": "python"}
    return {"PYTHONPATH": str(request.getfixturevalue("recorder_folder"))}


@pytest.fixture(scope="module", params=["fork", "spawn"])
def pool(request, tmp_path_factory, compiled_trail):
    return Asked(tmp_path_factory.mktemp(request.param), POOL, request.param, **compiled_trail)


def test_a_task_in_a_process_comes_from_its_lines_and_its_own_arguments(pool):
    assert pool.said == "6 12 [24, 30] 3\n"
    a, b = pool.lines("a"), pool.lines("b")
    assert {5, 10, 14, 15, 23, 27, 28, 29} <= a
    assert not {6, 19, 24, 30, 31} & a
    assert {5, 10, 14, 15, 24, 27, 28, 30} <= b
    assert not {6, 19, 23, 29, 31} & b


def test_tasks_are_told_by_what_each_process_executed(pool):
    told = pool("a")
    (executed,) = told.others
    assert {line: count for (_, line), count in executed.lines().items()}[15] == 1
    assert not told.untraced()


def test_several_calls_in_one_piece_are_all_in_what_it_gave(pool):
    (executed,) = pool("mapped").others
    assert {line: count for (_, line), count in executed.lines().items()}[15] == 2
    assert {5, 10, 14, 15, 31} <= pool.lines("mapped")


def test_a_library_s_function_in_a_process_is_no_gap(pool):
    told = pool("length")
    assert not told.gaps
    assert not {10, 14, 15} & {line for _, line in told.lines()}


def test_what_came_of_a_value_goes_on_in_processes_and_comes_back(pool):
    assert {10, 14, 15, 23, 27, 28, 29, 33} <= pool.lines("one", across.forward)
    assert not {5, 24, 31} & pool.lines("one", across.forward)


def test_a_variable_of_a_task_comes_from_the_call_that_handed_it_over(pool):
    (executed,) = pool("mapped").others
    inside = meant([executed.traced], "doubled")
    told = across.backward(pool.traces, executed.traced, inside.evaluations)
    assert {5, 10, 14, 31} <= {line for _, line in told.lines()}
    assert not {23, 24, 28} & {line for _, line in told.lines()}
