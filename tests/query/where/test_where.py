"""Choosing runs by an expression."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Writing, name

import trilha.store
from trilha.errors import NotFound, TrilhaError, UsageError
from trilha.query import runs
from trilha.query.where import choose, lower_is_better, parse

ROWS = {
    # name: learning rate, optimiser, framework, transformations, accuracies, losses, status
    "one": (0.1, "Adam", "torch", ["Normalize", "Resize"], [0.5, 0.92, 0.91], [1.0, 0.4, 0.3], "finished"),
    "two": (0.001, "SGD", "torch", ["Normalize"], [0.5, 0.95], [1.0, 0.2], "finished"),
    "three": (0.005, "adam", "keras", [], [0.6, 0.7], [0.9, math.nan], "failed"),
    "four": (None, None, None, [], [], [], "interrupted"),
}


def write(w, label, rate, optimizer, framework, transformations, accuracies, losses, status):
    act = w.begin(label)
    w.say(3, "acct:ana@node7", ("prov:type", name("prov:Person"), "prov:label", "ana"))
    w.uses(act, w.met_file(f"/data/{label}.csv", label))
    for number, one in enumerate(transformations, 1):
        about = ("prov:type", name("trilha:Transformation"), "trilha:name", one, "trilha:order", number)
        w.done(w.step(one, None, *about))
    # What helped is not what trained.
    w.done(w.step("split", None, "prov:type", name("trilha:Split"), "trilha:framework", "sklearn"))
    if framework:
        training = w.step("fit", None, "prov:type", name("trilha:Training"), "trilha:framework", framework)
        for own, common, value in (("lr", "learning_rate", rate), ("optim", "optimizer", optimizer)):
            about = ("trilha:name", own, "trilha:common", common, "prov:value", value)
            w.uses(training, w.entity(own, *about, type="trilha:Hyperparameter"))
        about = ("trilha:name", "loss", "trilha:common", "loss", "prov:value", "MSELoss")
        w.uses(training, w.entity("loss", *about, type="trilha:Hyperparameter"))
        _, block = w.metrics(training, [("epoch", "q"), ("accuracy", "d"), ("loss", "d"), ("val/acc", "d")])
        for epoch, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), 1):
            w.row(block, epoch, accuracy, loss, accuracy - 0.1)
        w.done(training)
    w.end(status)
    return w.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("where") / ".trilha"
    for number, (label, row) in enumerate(ROWS.items()):
        write(Writing(folder, label, start=number * 1000), label, *row)
    with trilha.store.open(folder) as opened:
        yield opened


def chosen(store, where):
    return sorted(run.name for run in runs.of_keys(store, choose(store, where).runs))


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("accuracy > 0.9", "one two"),
        ("accuracy > 0.9 and learning_rate < 0.01", "two"),
        ("accuracy > 0.9 and learning_rate < 0.01 and framework = torch", "two"),
        ("lr >= 0.1", "one"),
        ("best(accuracy) >= 0.92", "one two"),
        ("last(accuracy) = 0.91 or last(accuracy) = 0.7", "one three"),
        ("first(accuracy) = .5", "one two"),
        ("avg(accuracy) < 0.7", "three"),
        ("count(accuracy) = 3", "one"),
        ("min(loss) <= 2e-1", "two"),
        ("best(loss) < 0.35", "one two"),
        ("loss = nan", "three"),
        ("loss < 0.25", "two"),
        ("loss = mseloss", "one three two"),
        ("optimizer = adam", "one three"),
        ("optimizer != adam", "two"),
        ("not optimizer = adam", "two"),
        ("optimizer in (SGD, 'lbfgs')", "two"),
        ("optimizer not in (SGD)", "one three"),
        ("learning_rate in (0.1, 0.005)", "one three"),
        ("transformation = Resize", "one"),
        ("transformation like 'norm%'", "one two"),
        ("transformation is unknown", "four three"),
        ("filter contains siz", "one"),
        ("dataset = two.csv", "two"),
        ("dataset like 't%.csv'", "three two"),
        ("user = ana and status = failed", "three"),
        ("status != finished", "four three"),
        ("name = four", "four"),
        ("took < 1 min and took > 0s", "four one three two"),
        ("took > 1h", ""),
        ("started >= 2026-11-21T00:10", "four three two"),
        ("started < 2026-11-21", ""),
        ("`val/acc` > 0.8", "one two"),
        ("val/acc > 0.8", "one two"),
        ("accuracy < best(accuracy)", "one"),
        ("metric:loss < 0.25", "two"),
        ("hyperparameter:loss = MSELoss", "one three two"),
        ("(accuracy > 0.9 or status = failed) and not framework = keras", "one two"),
        ("NOT (accuracy > 0.9) AND framework is not unknown", "three"),
        ("framework = sklearn", ""),
    ],
)
def test_an_expression_chooses_runs(store, where, names):
    assert " ".join(chosen(store, where)) == names


def test_runs_that_do_not_know_what_is_asked_for_are_counted(store):
    assert choose(store, "accuracy > 0.9").unknown == 1
    assert choose(store, "not accuracy > 0.9").unknown == 1
    assert choose(store, "accuracy > 0.9 or status = interrupted").unknown == 0


@pytest.mark.parametrize(
    ("where", "says", "caret"),
    [
        ("accuracy >", "expected a number, a text or a word; the expression ends here", 10),
        ("accuracy > > 1", "here is '>'", 11),
        ("accuracy 0.9", "expected =, !=, <, <=, >, >=, in, like, contains or is after 'accuracy'", 9),
        ("accuracy > 0.9 learning_rate < 1", "expected 'and', 'or' or the end; here is 'learning_rate'", 15),
        ("(accuracy > 0.9", "expected ')' after the expression in parentheses", 15),
        ("mean(accuracy) > 0.9", "no function 'mean'; there are first, last, min, max, avg, best, count", 0),
        ("0.9 < accuracy", "expected the name of a metric, a hyperparameter or a fact of the run", 0),
        ("name = 'open", "this quotation mark has no other", 7),
        ("accuracy > 0.9; drop table run", "';' means nothing here", 14),
        ("optimizer in SGD", "expected '(' after 'in'", 13),
        ("started > 2026-13-45", "'2026-13-45' is no date", 10),
        ("", "expected the name", 0),
        ("not", "expected the name", 3),
    ],
)
def test_a_wrong_expression_is_shown_its_place(where, says, caret):
    with pytest.raises(UsageError) as caught:
        parse(where)
    sentence, text, mark = str(caught.value).split("\n")
    assert says in sentence
    assert text.strip() == where.strip()
    assert mark.index("^") == caret + 2


def test_a_name_that_nothing_has_is_refused_with_close_ones(store):
    with pytest.raises(NotFound, match=r"a fact 'acuracy'. Did you mean accuracy\?") as caught:
        choose(store, "status = failed and acuracy > 0.9")
    assert str(caught.value).endswith(" " * 22 + "^")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_as_wrong_usage(text):
    try:
        parse(text)
    except UsageError:
        pass


WORDS = "accuracy loss ( ) and or not in like is unknown = < 0.5 'x' best , 3 min"


@given(st.lists(st.sampled_from(WORDS.split()), max_size=12))
def test_any_sequence_of_words_is_answered_or_refused(store, words):
    try:
        choose(store, " ".join(words))
    except TrilhaError:
        pass


def test_deep_parentheses_are_refused():
    with pytest.raises(UsageError, match="deeper than"):
        parse("(" * 5000 + "a = 1" + ")" * 5000)
    assert parse("not " * 5000 + "a = 1").field.name == "a"


@pytest.mark.parametrize(
    "metric", ["loss", "val_loss", "train/loss", "mse", "RMSE", "mean_absolute_error", "test_error", "nll"]
)
def test_the_best_of_losses_and_errors_is_the_lowest(metric):
    assert lower_is_better(metric)


@pytest.mark.parametrize("metric", ["accuracy", "val_accuracy", "auc", "f1", "r2", "score", "closeness"])
def test_the_best_of_all_else_is_the_highest(metric):
    assert not lower_is_better(metric)
