"""Whether a model was evaluated on what it was trained on: parts of parts, and what is not certain."""

import trilha
from trilha import learning

NUMBERS = [str(number) for number in range(12)]


def parts(whole, cut, **names):
    """Two parts of `whole`, split at `cut`, which are told."""
    first, second = whole[:cut], whole[cut:]
    one, two = names or ("train", "test")
    indices = {one: range(cut), two: range(cut, len(whole))}
    learning.split(whole, indices=indices, **{one: first, two: second})
    return first, second


class Line:
    weight = 0.0


def trained(folder, make):
    """The answer about a run in which `make` gives what is trained on and what is tested on."""
    with trilha.run("one", store=folder):
        whole = list(NUMBERS)
        train, test = make(whole)
        line = Line()
        with learning.training(line, data=train, learning_rate=0.5):
            line.weight = 1.0
        learning.evaluated(line, test, "test", error=1.0)
    return trilha.ask("overlap", store=folder)


def test_a_part_of_the_training_part_is_apart_from_the_test_part(tmp_path):
    def make(whole):
        train, test = parts(whole, 8)
        smaller, _ = parts(train, 6, train=1, validation=1)
        return smaller, test

    answer = trained(tmp_path, make)
    told = {(row["on"], row["with"]): row["verdict"] for row in answer}
    assert told == dict.fromkeys([("train", "test"), ("train", "validation")], "no record in common")
    assert answer.yes is False
    # Nothing is said of the first training part and the second validation part, which lies in it.
    assert ["What 1 pair" in sentence for sentence in answer.unknown] == [True]


def test_a_part_of_the_test_part_is_not(tmp_path):
    def make(whole):
        _, test = parts(whole, 8)
        wrong, _ = parts(test, 2, train=1, validation=1)
        return wrong, test

    answer = trained(tmp_path, make)
    assert any("pair" in sentence for sentence in answer.unknown)


def test_what_came_of_both_parts_is_apart_from_neither(tmp_path):
    def make(whole):
        train, test = parts(whole, 8)
        both = [*train, *test]
        learning.transformed([train, test], both, "join", order=1)
        smaller, _ = parts(both, 6, train=1, validation=1)
        return smaller, test

    answer = trained(tmp_path, make)
    told = {(row["on"], row["with"]): row["verdict"] for row in answer}
    assert len(told) < 4
    assert any("pair" in sentence for sentence in answer.unknown)


def test_that_no_evaluation_was_recorded_is_said(tmp_path):
    with trilha.run("one", store=tmp_path):
        train = list(NUMBERS)
        with learning.training(Line(), data=train):
            pass
    answer = trilha.ask("overlap", store=tmp_path)
    assert answer.rows == []
    assert answer.unknown == ["What the models of the run were evaluated on: no evaluation was recorded."]


def test_that_the_data_of_an_evaluation_or_of_a_training_is_not_known_is_said(tmp_path):
    line = Line()
    with trilha.run("one", store=tmp_path):
        with learning.training(line):
            pass
        learning.evaluated(line, None, "test", error=1.0)
    assert trilha.ask("overlap", store=tmp_path).unknown == [
        "On what data the evaluations of the run were: it was not recorded.",
        "On what data the trainings of the run were: it was not recorded.",
    ]


def test_that_what_was_evaluated_was_trained_by_no_recorded_run_is_said(tmp_path):
    for run in ("one", "two"):
        with trilha.run(run, store=tmp_path):
            learning.evaluated(Line(), list(NUMBERS), "test", error=1.0)
    assert trilha.ask("overlap", store=tmp_path).unknown == [
        "What the models that 2 runs evaluated were trained on: no training was recorded there."
    ]


def test_where_both_are_known_nothing_of_it_is_unknown(tmp_path):
    assert trained(tmp_path, lambda whole: parts(whole, 8)).unknown == []
