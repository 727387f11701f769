"""What is recorded of scikit-learn, and that it does what it does by itself."""

import io
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.base
import sklearn.metrics
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tests.capture.graph import Graph, T, recording

import trilha
import trilha.capture.launch
import trilha.store
from trilha.capture.learning.indices import fingerprint
from trilha.prov import Kind

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


def double(table):
    return table * 2


class Shift(TransformerMixin, BaseEstimator):
    """A transformer of the program's own."""

    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):  # noqa: N803
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):  # noqa: N803
        return X + self.by


def whole_life():
    """Split, scale, train, predict, measure; gives all numbers that come out."""
    np.random.seed(3)  # noqa: NPY002 -- scikit-learn draws from it
    a, b, c, d = train_test_split(X, Y, test_size=0.2, stratify=Y)
    scaler = StandardScaler().fit(a)
    model = LogisticRegression(C=0.5).fit(scaler.transform(a), c)
    scaled = scaler.transform(b)
    predicted = model.predict(scaled)
    forest = RandomForestClassifier(n_estimators=4, n_jobs=2).fit(a, c)
    search = GridSearchCV(model, {"C": [0.1, 1.0]}, cv=3).fit(a, c)
    folds = [index for pair in KFold(3, shuffle=True).split(a) for index in pair]
    numbers = [accuracy_score(d, predicted), model.score(scaled, d), forest.score(b, d), search.best_score_]
    return [a, b, c, d, predicted, model.coef_, *folds, np.array(numbers), np.random.random(4)]  # noqa: NPY002


def values(graph, label):
    """Hyperparameters by name that the activity with this label used."""
    activity = graph.id(label)
    used = [record[3] for record in graph.of(Kind.USAGE) if record[2] == activity]
    found = [graph.about[one] for one in used if T + "Hyperparameter" in graph.about[one]["type"]]
    return {one["name"][0]: one for one in found}


def valid(graph):
    """The exported document of a run's store is valid, and nothing of ours failed."""
    assert graph.dropped == 0
    run = next(str(one) for one in graph.about if str(one).endswith("#run"))
    with trilha.store.open(graph.folder) as store:
        store.refresh()
        verdict = store.document(run.removeprefix("urn:uuid:").partition("#")[0]).validate()
    assert verdict.valid, str(verdict)


def test_results_and_random_state_are_the_same_with_and_without(tmp_path):
    plain = whole_life()
    with recording(tmp_path) as graph:
        recorded = whole_life()
    assert [one.tobytes() for one in plain] == [one.tobytes() for one in recorded]
    assert graph.dropped == 0


def test_everything_is_put_back_at_the_end(tmp_path):
    places = [sklearn.base.BaseEstimator, sklearn.base.TransformerMixin, StandardScaler, Pipeline]
    places += [KFold.__mro__[2], pickle, joblib, sklearn.base.ClassifierMixin]
    before = [dict(vars(place)) for place in places]
    inner = accuracy_score.__closure__[accuracy_score.__code__.co_freevars.index("func")]
    original = inner.cell_contents
    with recording(tmp_path):
        assert vars(StandardScaler) != before[2]
        assert inner.cell_contents is not original
    assert [dict(vars(place)) for place in places] == before
    assert inner.cell_contents is original


def test_a_split_knows_the_indices_of_its_parts(tmp_path):
    with recording(tmp_path) as graph:
        train_test_split(X, Y, np.arange(len(X)), test_size=30, random_state=5)
        _, places = train_test_split(np.arange(len(X)), test_size=30, random_state=5)
    part = graph.one("test[0]", "Subset")
    assert part["part"] == ["test"]
    assert part["length"] == [30]
    assert part["fingerprint"] == [fingerprint(places)]
    assert graph.one("train[1]")["fingerprint"] == graph.one("train[0]")["fingerprint"]
    (derived,) = [record for record in graph.of(Kind.DERIVATION) if record[2] == part["id"][0]]
    assert None not in [derived[place] for place in (4, 5, 6)]


def test_a_scaler_shows_which_data_it_has_seen(tmp_path):
    with recording(tmp_path) as graph:
        a, b = train_test_split(X, random_state=0)
        trilha.produce(StandardScaler().fit(a).transform(b), name="scaled")
    derivations = graph.derivations()
    assert ("StandardScaler after fit", "train") in derivations
    assert ("data after StandardScaler", "test") in derivations
    assert ("data after StandardScaler", "StandardScaler after fit") in derivations
    assert T + "Transformation" in graph.one("StandardScaler.transform")["type"]


def test_a_training_has_hyperparameters_under_common_names_and_a_model(tmp_path):
    with recording(tmp_path) as graph:
        LogisticRegression(C=0.5, random_state=3).fit(X, Y)
    assert graph.one("LogisticRegression.fit", "Training")["framework"] == ["sklearn"]
    found = values(graph, "LogisticRegression.fit")
    assert found["C"]["value"] == [0.5]
    assert found["random_state"]["common"] == ["seed"]
    assert "common" not in found["max_iter"]
    model = graph.one("LogisticRegression after fit", "Model")
    assert model["fitted.coef_"] == ["(3, 4)"]
    assert model["features"] == [4]
    assert model["parameters"] == [15]
    valid(graph)


def test_a_pipeline_tells_its_steps_in_order(tmp_path):
    with recording(tmp_path) as graph:
        pipe = make_pipeline(StandardScaler(), FunctionTransformer(double), PCA(2), LogisticRegression())
        pipe.fit(X, Y)
        pipe.predict(X)
    fit = graph.id("Pipeline.fit", "Training")
    starters = {record[2]: record[4] for record in graph.of(Kind.START)}
    steps = {
        graph.about[one]["order"][0]: graph.about[one]
        for one, starter in starters.items()
        if starter == fit and "order" in graph.about[one]
    }
    assert [steps[n]["name"][0] for n in (1, 2, 3)] == ["StandardScaler", "FunctionTransformer", "PCA"]
    assert steps[3]["arg.n_components"] == [2]
    assert ("Pipeline.fit", "data after PCA") in graph.usages()
    assert ("Pipeline after fit", "data after PCA") in graph.derivations()
    assert "LogisticRegression.fit" not in graph.labels()
    plans = [graph.label(record[4]) for record in graph.of(Kind.ASSOCIATION)]
    assert any(plan.endswith(".double") for plan in plans)
    valid(graph)


def test_a_column_transformer_tells_the_columns_of_each_step(tmp_path):
    with recording(tmp_path) as graph:
        columns = ColumnTransformer([("scaled", StandardScaler(), [0, 2]), ("kept", "passthrough", [1])])
        columns.fit_transform(X)
    step = graph.one("StandardScaler.fit_transform")
    assert step["columns"] == ["0, 2"]
    assert step["step"] == ["scaled"]
    assert ("data after ColumnTransformer", "data after StandardScaler") in graph.derivations()
    valid(graph)


def test_what_the_library_does_inside_is_not_the_programs(tmp_path):
    with recording(tmp_path) as graph:
        RandomForestClassifier(n_estimators=3, n_jobs=2).fit(X, Y)
        make_pipeline(PCA(2), RandomForestClassifier(n_estimators=2)).fit(X, Y)
    fits = graph.labels("Training")
    assert fits == ["RandomForestClassifier.fit", "Pipeline.fit"]
    assert not [label for label in graph.labels() if "Tree" in label]


def test_a_perceptron_has_layers_a_series_and_an_early_stop(tmp_path):
    model = MLPClassifier(
        (5,), activation="tanh", early_stopping=True, max_iter=60, n_iter_no_change=3, random_state=0
    )
    with recording(tmp_path) as graph:
        model.fit(X, Y)
    assert [graph.about[one]["input_shape"][0] for one in graph.all("Dense layer 1")] == ["(None, 4)"]
    assert graph.one("Dense layer 1")["activation"] == ["tanh"]
    assert [row["epoch"] for row in graph.metrics()] == list(range(1, model.n_iter_ + 1))
    assert [row["loss"] for row in graph.metrics()] == model.loss_curve_
    stop = graph.one(f"stopped early after epoch {model.n_iter_}", "Adaptation")
    assert stop["best"] == [model.best_validation_score_]
    found = values(graph, "MLPClassifier.fit")
    assert found["max_iter"]["common"] == ["epochs"]
    assert found["learning_rate"]["common"] == ["scheduler"]
    assert found["learning_rate_init"]["common"] == ["learning_rate"]
    valid(graph)


def test_a_search_tells_each_candidate_and_why_one_is_the_best(tmp_path):
    with recording(tmp_path) as graph:
        search = GridSearchCV(LogisticRegression(), {"C": [0.001, 1.0, 10.0]}, cv=3).fit(X, Y)
    labels = [f"candidate {number}" for number in (1, 2, 3)]
    assert [values(graph, label)["C"]["value"][0] for label in labels] == [0.001, 1.0, 10.0]
    best = graph.one(f"candidate {search.best_index_ + 1}", "Training")
    assert best["reason"] == [f"highest mean_test_score {search.best_score_:.6g}"]
    rows = [row for row in graph.metrics() if "step" in row]
    assert [row["mean_test_score"] for row in rows] == list(search.cv_results_["mean_test_score"])
    valid(graph)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_the_best_model_comes_of_the_hyperparameters_that_the_search_chose(tmp_path, in_pipeline):
    model = LogisticRegression()
    searched = make_pipeline(StandardScaler(), model) if in_pipeline else model
    name = "logisticregression__C" if in_pipeline else "C"
    with recording(tmp_path) as graph:
        search = GridSearchCV(searched, {name: [0.001, 1.0, 10.0]}, cv=3).fit(X, Y)
    best = graph.one(f"candidate {search.best_index_ + 1}", "Training")
    assert best["best"] == [True]
    (chosen,) = [
        one for one in graph.records if one.kind is Kind.DERIVATION and graph.about[one[3]]["name"] == [name]
    ]
    assert graph.about[chosen[3]]["value"] == [search.best_params_[name]]
    assert graph.about[chosen[2]]["label"] == ["LogisticRegression of GridSearchCV"]
    assert values(graph, "GridSearchCV.fit")[name]["value"] == [search.best_params_[name]]
    valid(graph)


def test_a_search_that_fits_no_best_model_chose_for_none(tmp_path):
    with recording(tmp_path) as graph:
        GridSearchCV(LogisticRegression(), {"C": [0.001, 1.0]}, cv=3, refit=False).fit(X, Y)
    assert "C" not in values(graph, "GridSearchCV.fit")
    valid(graph)


def test_cross_validation_is_an_evaluation_with_a_row_a_fold(tmp_path):
    with recording(tmp_path) as graph:
        scores = cross_validate(LogisticRegression(C=3.0), X, Y, cv=3)
    assert graph.one("cross_validate", "Evaluation")["part"] == ["validation"]
    assert [row["test_score"] for row in graph.metrics()] == list(scores["test_score"])
    assert values(graph, "cross_validate")["C"]["value"] == [3.0]


def test_folds_are_splits_with_fingerprints(tmp_path):
    with recording(tmp_path) as graph:
        pairs = list(KFold(2).split(X))
    assert graph.one("test indices of fold 2", "Subset")["fingerprint"] == [fingerprint(pairs[1][1])]
    assert len(graph.all("KFold.split", "Split")) == 2


def test_a_metric_belongs_to_the_model_that_predicted_and_to_the_part(tmp_path):
    with recording(tmp_path) as graph:
        a, b, c, d = train_test_split(X, Y, random_state=0)
        predicted = LogisticRegression().fit(a, c).predict(b)
        accuracy = accuracy_score(d, predicted)
        confusion_matrix(d, predicted)
        precision_recall_fscore_support(d, predicted)
    assert graph.one("accuracy_score", "Evaluation")["part"] == ["test"]
    assert ("accuracy_score", "LogisticRegression after fit") in graph.usages()
    assert {"accuracy_score": accuracy} in graph.metrics()
    valid(graph)


def test_score_says_what_it_measures(tmp_path):
    with recording(tmp_path) as graph:
        score = LogisticRegression().fit(X, Y).score(X, Y)
    assert graph.metrics() == [{"accuracy": score}]


def test_a_failed_fit_is_told_and_raised_as_it_was(tmp_path):
    with recording(tmp_path) as graph, pytest.raises(ValueError, match="inconsistent numbers"):
        LogisticRegression().fit(X, Y[:10])
    assert graph.one("LogisticRegression.fit")["exception"] == ["ValueError"]
    assert "LogisticRegression after fit" not in graph.labels()
    valid(graph)


def test_a_saved_model_is_derived_from_the_trained_one_and_leads_on(tmp_path):
    path, other = tmp_path / "model.joblib", tmp_path / "model.pkl"
    with recording(tmp_path / "store") as graph:
        model = LogisticRegression().fit(X, Y)
        joblib.dump(model, path)
        with other.open("wb") as file:
            pickle.dump(model, file)
        joblib.load(path).predict(X)
    assert ("model.joblib", "LogisticRegression after fit") in graph.derivations()
    assert ("model.pkl", "LogisticRegression after fit") in graph.derivations()
    assert ("LogisticRegression of model.joblib", "model.joblib") in graph.derivations()
    assert ("predictions", "LogisticRegression of model.joblib") in graph.derivations()
    assert T + "Checkpoint" in graph.one("model.joblib")["type"]
    valid(graph)


def test_classes_defined_meanwhile_are_recorded_whatever_their_bases_order(tmp_path):
    with recording(tmp_path) as graph:

        class Other(BaseEstimator, TransformerMixin):
            def fit(self, X, y=None):  # noqa: N803
                return self

            def transform(self, X):  # noqa: N803
                return X + 1

        Other().fit(X).transform(X)
        Shift(2.0).fit_transform(X)
    assert {"Other.fit", "Other.transform", "Shift.fit_transform"} <= set(graph.labels())
    assert graph.one("Shift.fit_transform")["arg.by"] == [2.0]


def test_an_estimator_can_be_sent_by_value_while_it_is_recorded(tmp_path):
    with recording(tmp_path):

        class Sent(BaseEstimator):
            def fit(self, X, y=None):  # noqa: N803
                self.mean_ = X.mean()
                return self

        copy = pickle.loads(cloudpickle.dumps(Sent()))
        assert copy.fit(X).mean_ == X.mean()
        pickle.dump(accuracy_score, io.BytesIO())


def test_loaded_data_come_from_their_file(tmp_path):
    with recording(tmp_path) as graph:
        bunch = load_iris()
        LogisticRegression(max_iter=1000).fit(bunch.data, bunch.target)
    assert ("iris data", "iris.csv") in graph.derivations()
    assert ("LogisticRegression after fit", "iris data") in graph.derivations()
    valid(graph)


def test_a_view_of_predictions_is_known_to_be_one(tmp_path):
    with recording(tmp_path) as graph:
        model = LogisticRegression().fit(X[:100], Y[:100])
        roc_auc_score(Y[:100], model.predict_proba(X[:100])[:, 1])
    assert ("roc_auc_score", "LogisticRegression after fit") in graph.usages()
    assert ("predictions", "predictions") in graph.derivations()
    valid(graph)


def test_a_table_that_a_transformer_gives_is_what_the_next_step_takes(tmp_path):
    table = pd.DataFrame({"size": X[:, 0], "width": X[:, 1]})
    with recording(tmp_path) as graph:
        columns = ColumnTransformer([("scaled", StandardScaler(), ["size"])]).set_output(transform="pandas")
        make_pipeline(columns, LogisticRegression()).fit(table, Y)
    assert ("Pipeline.fit", "data after ColumnTransformer") in graph.usages()
    assert graph.one("StandardScaler.fit_transform")["columns"] == ["size"]
    assert ("columns for StandardScaler", "training data") in graph.derivations()
    valid(graph)


def test_workers_of_a_search_record_nothing_of_their_own(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(
        "from sklearn.datasets import load_iris\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.model_selection import GridSearchCV\n"
        "if __name__ == '__main__':\n"
        "    x, y = load_iris(return_X_y=True)\n"
        "    GridSearchCV(LogisticRegression(max_iter=1000), {'C': [0.1, 1.0]}, cv=2, n_jobs=2).fit(x, y)\n"
    )
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
    subprocess.run([*launcher, script], check=True, cwd=tmp_path)
    graph = Graph(tmp_path / "store")
    assert sorted(graph.labels("Training")) == ["GridSearchCV.fit", "candidate 1", "candidate 2"]


def test_the_model_inside_a_pipeline_or_a_search_is_known_when_it_is_taken_out(tmp_path):
    with recording(tmp_path) as graph:
        pipe = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=400, tol=0.01, random_state=0))
        pipe.fit(X, Y)
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, Y)
        search.best_estimator_.predict(X)
    assert ("predictions", "LogisticRegression of GridSearchCV") in graph.derivations()
    assert ("MLPClassifier of Pipeline", "data after StandardScaler") in graph.derivations()
    assert len([row for row in graph.metrics() if "loss" in row]) == pipe[-1].n_iter_
    assert graph.one("Pipeline.fit")["epochs"] == [pipe[-1].n_iter_]
    assert len(graph.labels("Layer")) == 2
    valid(graph)


def test_an_error_shows_no_frame_of_ours(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text(
        "from sklearn.linear_model import LogisticRegression\nLogisticRegression().fit([[1]], [1, 2])\n"
    )
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    plain = subprocess.run([sys.executable, script], **options)
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
    recorded = subprocess.run([*launcher, script], **options)
    assert (recorded.returncode, recorded.stderr) == (plain.returncode, plain.stderr)
