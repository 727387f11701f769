"""Keras 3 on TensorFlow, JAX and PyTorch: what is recorded is the same on each, by each of the three ways.

Scripts run in processes of their own, for a process can have one backend only.
"""

import math
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.capture.conftest import Store, program_environment
from tests.capture.graph import Graph
from tests.capture.integrations.ways import check_documents
from tests.capture.launching import LAUNCHER

import trilha
from trilha.prov import Kind

EXAMPLES = Path(__file__).parents[3] / "examples"
# TensorFlow is not to be had for later ones yet.
BACKENDS = ["jax", "torch", *(["tensorflow"] if sys.version_info < (3, 14) else [])]

TRAIN = """
import numpy as np, keras
def train(callbacks):
    own = callbacks()
    yield keras.utils.set_random_seed(7)
    random = np.random.default_rng(0)
    x = random.normal(size=(96, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("int32")
    test_x, test_y = random.normal(size=(32, 4)).astype("float32"), random.integers(0, 2, 32)
    normalization = keras.layers.Normalization(name="norm")
    normalization.adapt(x)
    scaled = normalization(x)
    model = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(8, activation="relu", name="hidden"),
        keras.layers.Dropout(0.25, name="drop"), keras.layers.Dense(2, activation="softmax", name="out"),
    ], name="net")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    yield model.fit(scaled, y, epochs=5, batch_size=16, validation_split=0.25, verbose=0, callbacks=[
        *own,
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch < 2 else 0.005),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping("val_accuracy", patience=2, min_delta=9, restore_best_weights=True),
    ])
    model.evaluate(test_x, test_y, verbose=0)
    np.save("predicted.npy", model.predict(test_x, verbose=0))
    model.save("final.keras")
    again = keras.models.load_model("final.keras")
    again.evaluate(test_x, test_y, verbose=0)
"""
RUN = TRAIN + "\nfor _ in train(list): pass\n"
SAID = (
    TRAIN
    + """
import trilha
import keras.src.saving.saving_lib as saving
def patched():
    model, layers = keras.Model, keras.layers
    methods = model.fit, model.evaluate, model.predict, model.train_on_batch, model.export
    rate = keras.optimizers.Optimizer.learning_rate
    return *methods, rate, saving.save_model, saving.load_model, layers.Rescaling.__call__
before = patched()
with trilha.autolog(store="autolog"):
    for _ in train(list): pass
assert before == patched()
from trilha.keras import Callback
for _ in train(lambda: [Callback(store="callback"), Callback()]): pass
trilha.finish()
x, y = np.ones((20, 4), "float32"), np.zeros(20)
late = keras.Sequential([keras.layers.Dense(1)])
late.compile("sgd", "mse")
# `fit` is looked up before the callback is made.
late.fit(x, y, validation_split=0.2, epochs=2, verbose=0, callbacks=[Callback(store="late")])
trilha.finish()
"""
)
ODD = """
import numpy as np, keras, trilha
trilha.autolog(store="odd")
random = np.random.default_rng(0)
x, y = random.normal(size=(64, 4)).astype("float32"), random.integers(0, 2, 64)
keras.config.set_dtype_policy("float32")
def make(name, optimizer="sgd"):
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")], name="inner")
    i = keras.Input((4,), name="input")
    m = keras.Model(i, keras.layers.Dense(1, name="out")(inner(i)), name=name)
    m.compile(optimizer, "mse", metrics=["mae"])
    return m
twice = make("twice", keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)))
twice.fit(x, y, epochs=2, verbose=0, class_weight={0: 1.0, 1: 2.0})
twice.fit(x, y, epochs=1, verbose=0)
twice.save("same.keras")
twice.fit(x, y, epochs=1, verbose=0)
twice.save("same.keras")
twice.save_weights("w.weights.h5")
heir = make("heir")
heir.load_weights("w.weights.h5")
heir.evaluate(x, y, verbose=0)
class Boom(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ValueError("boom")
class Pressed(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt
class Enough(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True
for callback in (Boom(), Pressed(), Enough()):
    try:
        make(type(callback).__name__).fit(x, y, epochs=2, verbose=0, callbacks=[callback])
    except (ValueError, KeyboardInterrupt) as error:
        print(type(error).__name__)
bad = y.astype("float32")
bad[5] = np.nan
make("bad").fit(x, bad, epochs=3, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
make("bad2").fit(x, bad, epochs=2, verbose=0)
try:
    make("wrong").fit(x, y[:3], verbose=0)
except ValueError as error:
    print("wrong")
loop = make("loop")
for i in range(6):
    loop.train_on_batch(x[i * 8 : i * 8 + 8], y[i * 8 : i * 8 + 8])
loop.evaluate(x, y, verbose=0)
loop.save("loop.h5")
keras.models.load_model("loop.h5", compile=False).predict(x[:5], verbose=0)
import sys
if sys.version_info < (3, 14):  # it is TensorFlow that does this
    texts = keras.layers.TextVectorization()
    texts.adapt(["a b", "c"])
    texts(["a c"])
plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=9, factor=0.5)
def batches():
    for _ in range(8):
        yield x[:8], y[:8]
fit = make("plateau", keras.optimizers.Adam(0.5)).fit
fit(batches(), steps_per_epoch=2, epochs=3, verbose=0, callbacks=[plateau])
"""


def start(folder, name, source, backend, *before):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(source)
    environment = program_environment(folder, {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"})
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "KERAS_HOME": str(folder / "keras")}
    command = [*(before or [sys.executable]), name]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def finished(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-3000:]
    assert "Trilha:" not in err, err
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The graph of each backend by each way: the script is trained with on all of them."""
    folder = tmp_path_factory.mktemp("keras")
    found = {}
    for backend in BACKENDS:
        place = folder / backend
        runner = [sys.executable, LAUNCHER, "--store=run", "--grain=call", "--"]
        place.mkdir()
        # Each in a folder of its own: they write files of the same names.
        both = [
            start(place / "plain", "plain.py", RUN, backend, *runner),
            start(place / "said", "said.py", SAID, backend),
        ]
        for process in both:
            finished(process)
        for way in ("run", "autolog", "callback", "late"):
            found[backend, way] = recorded(place / ("plain" if way == "run" else "said") / way)
    return found


def recorded(folder):
    """The graph of the one run in a store, which is a valid document."""
    [uuid] = {journal.head.run for journal in Store(folder).journals()}
    with trilha.open(folder) as store:
        verdict = store.document(uuid).validate()
    assert verdict.valid, verdict
    graph = Graph(folder)
    assert graph.run["status"] == ["finished"]
    assert not graph.dropped
    return graph


LEARNING = (
    *("Training", "Epoch", "Evaluation", "Adaptation", "Split", "Subset", "Architecture", "Layer"),
    *("Hyperparameter", "Checkpoint", "Transformation", "Model", "Dataset"),
)


def said(graph):
    """What a graph says of learning: things by label and type, and how they hang together."""
    # To PyTorch a layer is a model, too.
    layer = "after Normalization.adapt"
    things = Counter(
        (label, kind)
        for kind in LEARNING
        for label in graph.labels(kind)
        if (label, kind) != (layer, "Model")
    )
    ours = {label for label, _ in things} | {"predictions", "prediction"}
    pairs = [pair for pair in graph.usages() if set(pair) <= ours]
    relations = [Counter(pairs), Counter(graph.derivations()), Counter(graph.generations())]
    return things, *({pair: n for pair, n in one.items() if set(pair) <= ours} for one in relations)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_and_each_way_says_the_same(runs, backend):
    expected = said(runs["jax", "autolog"])
    for way in ("run", "autolog", "callback"):
        assert said(runs[backend, way]) == expected, way


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_callback_that_is_made_in_the_call_of_fit_follows_that(runs, backend):
    graph = runs[backend, "late"]
    training = graph.one("training", "Training")
    assert (training["epochs"], training["steps"], training["exception"]) == ([2], [2], [])
    assert graph.labels("Split") == ["validation_split"]
    assert [pair for pair in graph.usages() if pair[0] == "training"][:2] == [
        ("training", "Sequential"),
        ("training", "train"),
    ]
    assert graph.labels("Epoch") == ["epoch 1", "epoch 2"]
    assert ("Sequential after epoch 2", "Sequential after epoch 1") in graph.derivations()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_with_its_epochs_data_and_hyperparameters(runs, backend):
    graph = runs[backend, "run"]
    training = graph.one("training", "Training")
    assert (training["framework"], training["backend"], training["epochs"]) == (["keras"], [backend], [3])
    assert training["steps"] == [15]
    assert graph.labels("Epoch") == ["epoch 1", "epoch 2", "epoch 3"]
    settings = {
        graph.about[one]["name"][0]: (graph.about[one]["common"], graph.about[one]["value"][0])
        for one in graph.about
        if graph.label(one) and any("Hyperparameter" in str(kind) for kind in graph.about[one]["type"])
        if not graph.about[one]["before"]
    }
    assert settings["optimizer"] == (["optimizer"], "Adam")
    assert settings["learning_rate"] == (["learning_rate"], 0.01)
    assert settings["loss"] == (["loss"], "sparse_categorical_crossentropy")
    assert settings["batch_size"] == (["batch_size"], 16)
    assert settings["epochs"] == (["epochs"], 5)
    assert settings["seed"] == (["seed"], 7)
    assert settings["validation_split"] == ([], 0.25)
    assert settings["dtype_policy"] == ([], "float32")
    rows = [row for row in graph.metrics() if "epoch" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(rows[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_layers_of_a_model(runs, backend):
    graph = runs[backend, "autolog"]
    found = [graph.about[one] for one in graph.about if "Layer" in str(graph.about[one]["type"])]
    dense, drop, out = sorted(found, key=lambda about: about["position"][0])[:6:2]
    assert (dense["name"], dense["class"], dense["activation"]) == (["hidden"], ["Dense"], ["relu"])
    assert (dense["input_shape"], dense["output_shape"]) == (["(None, 4)"], ["(None, 8)"])
    assert (dense["parameters"], dense["trainable"], dense["setting.units"]) == ([40], [40], [8])
    assert (drop["class"], drop["setting.rate"]) == (["Dropout"], [0.25])
    assert (out["output_shape"], out["activation"]) == (["(None, 2)"], ["softmax"])
    model = graph.about[graph.all("Sequential", "Model")[0]]
    assert (set(model["parameters"]), set(model["trainable"])) == ({58}, {58})


@pytest.mark.parametrize("backend", BACKENDS)
def test_adaptations_know_who_made_them(runs, backend):
    graph = runs[backend, "callback"]
    rate = graph.one("learning_rate 0.01 → 0.005", "Adaptation")
    assert (rate["cause"], rate["epoch"], rate["common"]) == (
        ["LearningRateScheduler"],
        [3],
        ["learning_rate"],
    )
    assert ("epoch 3", "learning_rate") in graph.usages()
    stop = graph.one("stopped early after epoch 3", "Adaptation")
    assert (stop["cause"], stop["monitor"], stop["name"]) == (["EarlyStopping"], ["val_accuracy"], ["stop"])
    assert stop["epoch"] == [3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_best_weights_that_are_restored_make_a_version_of_that_epoch(runs, backend):
    derivations = runs[backend, "run"].derivations()
    assert ("Sequential of epoch 1, restored", "Sequential after epoch 1") in derivations
    assert ("final.keras", "Sequential of epoch 1, restored") in derivations
    assert ("predictions", "Sequential of epoch 1, restored") in derivations


@pytest.mark.parametrize("backend", BACKENDS)
def test_checkpoints_say_why_they_are_best_and_a_loaded_model_is_derived_from_its_file(runs, backend):
    graph = runs[backend, "run"]
    best = [about for about in graph.versions("best.keras") or graph.about.values() if about["best"]]
    assert best
    assert best[0]["reason"][0].startswith("lowest val_loss 0.")
    assert best[0]["reason"][0].endswith(" at epoch 1")
    assert ("best.keras", "Sequential after epoch 1") in graph.derivations()
    assert ("Sequential", "final.keras") in graph.derivations()


@pytest.mark.parametrize("backend", BACKENDS)
def test_preparation_split_and_evaluation(runs, backend):
    graph = runs[backend, "run"]
    derivations = graph.derivations()
    assert ("after Normalization", "after Normalization.adapt") in derivations
    assert ("train", "after Normalization") in derivations
    sizes = {
        graph.about[one]["part"][0]: graph.about[one]["length"][0]
        for one in graph.about
        if "Subset" in str(graph.about[one]["type"])
    }
    assert sizes == {"train": 72, "validation": 24}
    evaluations = [graph.about[one] for one in graph.all("evaluation", "Evaluation")]
    assert [about["part"] for about in evaluations] == [["test"], ["test"]]
    assert len([row for row in graph.metrics() if "epoch" not in row and "accuracy" in row]) == 2


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    printed = finished(start(folder, "odd.py", ODD, "jax"))
    lines = [line for line in printed.splitlines() if not line.startswith("Batch ")]
    assert lines == ["ValueError", "KeyboardInterrupt", "wrong"]
    return recorded(folder / "odd")


def trainings(graph, name):
    """The facts of the trainings of the model of this name, in order."""
    known = {
        one for one in graph.about if name in graph.about[one]["name"] and graph.about[one]["parameters"]
    }
    for _ in range(4):
        known |= {record[2] for record in graph.of(Kind.DERIVATION) if record[3] in known}
    used = {record[2] for record in graph.of(Kind.USAGE) if record[3] in known}
    return [graph.about[one] for one in graph.all("training", "Training") if one in used]


def test_a_model_fitted_twice_has_two_trainings_and_the_second_goes_on_from_the_first(odd):
    first, *later = trainings(odd, "twice")
    assert first["epochs"] == [2]
    assert [about["epochs"] for about in later][:2] == [[1], [1]]
    assert ("Functional after epoch 1", "Functional after epoch 2") in odd.derivations()


def test_a_model_saved_twice_under_one_name_is_two_files(odd):
    assert len(odd.all("same.keras", "Checkpoint")) == 2


def test_weights_loaded_from_a_file_make_a_version(odd):
    assert ("Functional", "w.weights.h5") in odd.derivations() or (
        "Functional, loaded",
        "w.weights.h5",
    ) in odd.derivations()


def test_the_data_of_a_training_is_known_again_in_an_evaluation(odd):
    parts = [odd.about[one]["part"] for one in odd.all("evaluation", "Evaluation")]
    assert parts[0] == ["train"]


def test_an_error_or_an_interrupt_in_a_callback_ends_the_training_and_is_said(odd):
    assert [about["exception"] for about in trainings(odd, "Boom")] == [["ValueError"]]
    [pressed] = trainings(odd, "Pressed")
    assert (pressed["exception"], pressed["epochs"]) == (["KeyboardInterrupt"], [0])
    assert [about["exception"] for about in trainings(odd, "Enough")] == [[]]


def test_who_stopped_a_training_is_said(odd):
    causes = [about["cause"] for one in odd.all("stopped early after epoch 1") if (about := odd.about[one])]
    assert causes == [["Enough"], ["TerminateOnNaN"]]


def test_a_loss_that_is_not_a_number_is_kept(odd):
    losses = [row["loss"] for row in odd.metrics() if "loss" in row]
    assert sum(math.isnan(loss) for loss in losses) >= 3


def test_a_loop_of_batches_is_one_training(odd):
    [loop] = trainings(odd, "loop")
    assert loop["steps"] == [6]
    rows = [row for row in odd.metrics() if "step" in row]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "mae"} <= set(rows[0])
    assert ("loop.h5", "Functional after 6 steps") in odd.derivations()


def test_schedules_and_plateaus_change_learning_rates(odd):
    causes = {
        tuple(odd.about[one]["cause"]) for one in odd.about if "Adaptation" in str(odd.about[one]["type"])
    }
    assert {("ExponentialDecay",), ("ReduceLROnPlateau",)} <= causes


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="TensorFlow is not to be had for it yet")
def test_texts_that_become_numbers_are_derived_from_the_vocabulary(odd):
    assert ("after TextVectorization", "after TextVectorization.adapt") in odd.derivations()
    known = odd.about[odd.all("TextVectorization", "Transformation")[0]]
    assert known["class"][0].endswith(".TextVectorization")


def test_a_model_in_a_model_is_told_by_its_layers(odd):
    assert "Dense inner/deep" in odd.labels("Layer")


def test_the_example(tmp_path):
    place = Path(shutil.copy(EXAMPLES / "keras_digits.py", tmp_path))
    prepare = shutil.copy(EXAMPLES / "prepare_digits.py", tmp_path)
    subprocess.run([sys.executable, prepare], check=True, capture_output=True)
    runner = [sys.executable, LAUNCHER, "--store=store", "--grain=call", "--"]
    environment = program_environment(tmp_path, {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"})
    done = subprocess.run(
        [*runner, str(place), "out", "3"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("test accuracy 0.")
    check_documents(tmp_path / "store")
    graph = recorded(tmp_path / "store")
    assert {"best.keras", "final.keras"} <= set(graph.labels("Checkpoint"))
    assert graph.labels("Split") == ["validation_split"]
    assert "Rescaling" in graph.labels("Transformation")


LIGHT = """
import sys, keras, numpy as np
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="relu"), keras.layers.Dense(1)])
schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
model.compile(optimizer=keras.optimizers.SGD(schedule), loss="mse")
model.fit(np.ones((16, 4)), np.ones(16), epochs=1, verbose=0)
print("tensorflow" in sys.modules)
"""


def test_no_other_backend_is_imported_to_describe_a_model(tmp_path):
    runner = [sys.executable, LAUNCHER, "--store=run", "--grain=call", "--"]
    assert finished(start(tmp_path, "light.py", LIGHT, "torch", *runner)) == "False\n"
    assert "Dense dense" in recorded(tmp_path / "run").labels("Layer")
