"""``trilha list --where``."""

import json

import pytest


@pytest.fixture
def run(run, writing, digits):
    """Runs the command line in a folder with two runs; gives exit status, output and errors."""
    digits(writing("one"), label="one")
    w = writing("two", start=100)
    w.begin("two")
    w.end()
    w.close()
    return run


def test_only_runs_for_which_the_expression_is_true_are_listed(run):
    status, out, err = run("list", "--where", "accuracy > 0.6 and lr = 0.01")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.split("\n")[1:2]] == ["one"]
    assert "1 run does not know what the expression asks for, and is left out." in out


def test_the_answer_for_programs_counts_what_could_not_be_told(run):
    told = json.loads(run("list", "--where", "accuracy > 0.6", "--json")[1])
    assert (told["count"], told["not_told"], [one["name"] for one in told["runs"]]) == (1, 1, ["one"])


def test_no_run_is_so(run):
    assert "is so." in run("list", "--where", "accuracy > 0.99")[1]


def test_a_wrong_expression_is_shown_with_a_caret(run):
    status, out, err = run("list", "--where", "accuracy > ")
    assert (status, out) == (2, "")
    assert err.split("\n")[:3] == [
        "trilha: expected a number, a text or a word; the expression ends here",
        "  accuracy > ",
        "             ^",
    ]
