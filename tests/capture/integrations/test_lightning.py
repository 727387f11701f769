"""Lightning: trainings, evaluations, data modules and checkpoints, recorded from the real library."""

import math
import signal
import warnings

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateFinder, ModelCheckpoint
from tests.capture.graph import Graph
from tests.capture.integrations.lightning_net import Data, Net, trainer
from tests.capture.integrations.ways import ROOT, example, recorded, shape

import trilha
from trilha.prov import Kind

pytestmark = pytest.mark.filterwarnings("ignore")
T = "https://w3id.org/trilha/ns#"


class Recording:
    """A run in this process, and its graph afterwards."""

    def __init__(self, folder):
        self.folder = folder
        self.graph = Graph(folder / "store")

    def __enter__(self):
        self._run = trilha.run("test", store=self.folder / "store")
        self._run.__enter__()
        return self.graph

    def __exit__(self, *error):
        self._run.__exit__(*error)
        if error[0] is None:
            assert not self.graph.dropped


@pytest.fixture(autouse=True)
def quiet(caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training with a data module, early stopping that does not stop, and checkpoints; then a test."""
    folder = tmp_path_factory.mktemp("whole")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Recording(folder) as graph:
            pl.seed_everything(7, verbose=False)
            net, data = Net(), Data(folder / "raw.pt")
            best = ModelCheckpoint(folder / "ckpt", monitor="val_loss", save_top_k=1)
            settings = {"callbacks": [EarlyStopping("val_loss", patience=9), best]}
            train = trainer(folder, enable_checkpointing=True, **settings)
            train.fit(net, data)
            train.test(net, data, verbose=False)
            train.save_checkpoint(folder / "final.ckpt")
    graph.place, graph.best = folder, best
    return graph


def kinds(graph, kind):
    return [facts | {"id": name} for name, facts in graph.about.items() if T + kind in facts["type"]]


def hyperparameters(graph):
    """The first value of each."""
    found = {}
    for one in kinds(graph, "Hyperparameter"):
        found.setdefault(one["name"][0], one["value"][0] if one["value"] else None)
    return found


def upstream(graph, entity):
    derived = [(record[2], record[3]) for record in graph.of(Kind.DERIVATION)]
    found, waiting = set(), [entity]
    while waiting:
        one = waiting.pop()
        for made, source in derived:
            if made == one and source not in found:
                found.add(source)
                waiting.append(source)
    return found


def test_a_fit_is_a_training_with_its_epochs(whole):
    (training,) = kinds(whole, "Training")
    assert training["framework"] == ["lightning"]
    assert (training["epochs"], training["steps"]) == ([3], [9])
    assert [epoch["epoch"] for epoch in kinds(whole, "Epoch")] == [[1], [2], [3]]
    starters = whole.starters()
    assert {starters[f"epoch {n}"] for n in (1, 2, 3)} == {"training"}
    assert training["id"] in whole.ended


def test_its_settings_are_hyperparameters_with_common_names(whole):
    found = hyperparameters(whole)
    expected = {"max_epochs": 3, "precision": "32-true", "accumulate_grad_batches": 1, "seed": 7}
    expected |= {"batch_size": 16, "loss": "CrossEntropyLoss", "optimizer": "SGD", "lr": 0.1}
    expected |= {"hparams.lr": 0.1, "hparams.hidden": 8, "lr_scheduler": "StepLR"}
    assert found.items() >= expected.items()
    common = {one["common"][0] for one in kinds(whole, "Hyperparameter") if one["common"]}
    assert common >= {"epochs", "batch_size", "learning_rate", "optimizer", "loss", "scheduler", "seed"}


def test_layers_are_those_that_pytorch_tells(whole):
    assert [layer["name"][0] for layer in kinds(whole, "Layer")][:3] == ["layers.0", "layers.1", "layers.2"]


def test_metrics_of_an_epoch_are_one_row_with_what_was_logged_last(whole):
    rows = [row for row in whole.metrics() if "val_loss" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["late"] for row in rows] == [0, 1, 2]
    assert all(set(row) == {"epoch", "val_loss", "train_loss", "late"} for row in rows)


def test_a_scheduler_is_the_cause_of_a_changed_learning_rate(whole):
    told = [(one["name"][0], one["cause"][0], one["epoch"][0]) for one in kinds(whole, "Adaptation")]
    assert told == [("lr", "StepLR", 2), ("lr", "StepLR", 3)]


def test_hooks_of_a_data_module_are_steps_and_lead_to_the_file(whole):
    assert whole.all("Data.prepare_data")
    assert ("Data.setup", "raw.pt") in whole.usages()
    (last,) = whole.all("final.ckpt")
    labels = {whole.label(one) for one in upstream(whole, last)}
    assert {"Net after epoch 3", "Net after epoch 1", "architecture of Net"} <= labels
    (training,) = kinds(whole, "Training")
    loaders = [
        r[3]
        for r in whole.of(Kind.USAGE)
        if r[2] == training["id"] and "DataLoader" in str(whole.about[r[3]]["type"])
    ]
    assert len(loaders) == 2
    for loader in loaders:
        assert {"raw.pt", "content of raw.pt", "TensorDataset"} <= {
            whole.label(one) for one in upstream(whole, loader)
        }


def test_a_checkpoint_says_why_it_is_the_best_and_others_are_gone(whole):
    told = {one["label"][0]: one for one in kinds(whole, "Checkpoint") if one["best"]}
    assert told["epoch=2-step=9.ckpt"]["best"] == [True]
    score = float(whole.best.best_model_score)
    assert told["epoch=2-step=9.ckpt"]["reason"] == [f"lowest val_loss {score:.5g} at epoch 3"]
    gone = {whole.label(record[2]) for record in whole.of(Kind.INVALIDATION)}
    assert gone == {"epoch=0-step=3.ckpt", "epoch=1-step=6.ckpt"}
    assert ("epoch=2-step=9.ckpt", "Net after epoch 3") in whole.derivations()
    assert ("epoch=2-step=9.ckpt", "epoch 3") in whole.generations()


def test_a_test_is_an_evaluation_and_validations_of_a_fit_are_not(whole):
    (evaluation,) = kinds(whole, "Evaluation")
    assert evaluation["part"] == ["test"]
    assert ("test", "Net after epoch 3") in whole.usages()
    assert ("test", "data loader") in whole.usages()
    assert sum("test_loss" in row for row in whole.metrics()) == 1
    assert not kinds(whole, "Pass")


def test_all_of_it_is_a_valid_document(whole, tmp_path):
    valid(whole, tmp_path)


def valid(graph, folder):
    from trilha.cli import main
    from trilha.formats import read

    with pytest.raises(SystemExit):
        main(["export", "last", "--store", str(graph.folder), "-o", str(folder / "run.provn")])
    verdict = read(folder / "run.provn").validate()
    assert verdict.valid, verdict.violations


def test_early_stopping_is_an_adaptation_that_says_by_what(tmp_path):
    with Recording(tmp_path) as graph:
        stopping = EarlyStopping("val_loss", patience=1, min_delta=100.0)
        train = trainer(tmp_path, max_epochs=9, callbacks=[stopping])
        train.fit(Net(), Data(tmp_path / "raw.pt"))
    (stop,) = [one for one in kinds(graph, "Adaptation") if one["name"] == ["stop"]]
    assert (stop["cause"], stop["monitor"], stop["epoch"]) == (["EarlyStopping"], ["val_loss"], [2])
    assert stop["best"][0] == pytest.approx(float(stopping.best_score))


def test_a_metric_that_was_not_logged_anew_is_not_repeated(tmp_path):
    with Recording(tmp_path) as graph:
        train = trainer(tmp_path, max_epochs=4, check_val_every_n_epoch=2)
        train.fit(Net(), Data(tmp_path / "raw.pt"))
    assert [row["epoch"] for row in graph.metrics() if "val_loss" in row] == [2, 4]
    assert [row["epoch"] for row in graph.metrics() if "train_loss" in row] == [1, 2, 3, 4]


def test_lightning_is_as_it_was_and_the_program_never_sees_us(tmp_path):
    names = ("fit", "validate", "test", "predict", "save_checkpoint")
    before = [pl.Trainer.__dict__[name] for name in names]
    train = trainer(tmp_path, max_epochs=1)  # made before the recording
    callbacks = list(train.callbacks)
    with Recording(tmp_path) as graph:
        assert pl.Trainer.__dict__["fit"] is not before[0]
        train.fit(Net(), Data(tmp_path / "raw.pt"))
        assert train.callbacks == callbacks
    assert [pl.Trainer.__dict__[name] for name in names] == before
    assert len(kinds(graph, "Training")) == 1


def test_checkpoints_are_the_same_to_the_byte(tmp_path):
    def saved(name):
        pl.seed_everything(3, verbose=False)
        train = trainer(tmp_path, max_epochs=1, callbacks=[EarlyStopping("val_loss")])
        train.fit(Net(), Data(tmp_path / "raw.pt"))
        train.save_checkpoint(tmp_path / name)
        return (tmp_path / name).read_bytes()

    alone = saved("one.ckpt")
    with Recording(tmp_path):
        recorded_too = saved("two.ckpt")
    assert alone.replace(b"one/", b"two/") == recorded_too


def test_an_error_in_a_callback_comes_out_as_it_is_and_ends_the_training(tmp_path):
    class Broken(Callback):
        def on_train_epoch_end(self, trainer, module):
            raise LookupError("mine")

    train = trainer(tmp_path, callbacks=[Broken()])
    with pytest.raises(LookupError, match="mine"), Recording(tmp_path) as graph:
        train.fit(Net(), Data(tmp_path / "raw.pt"))
    (training,) = kinds(graph, "Training")
    assert training["exception"] == ["LookupError"]
    assert kinds(graph, "Epoch")[0]["unfinished"] == [True]
    assert graph.labels("Model") == ["Net", "Net after epoch 1"]


def test_control_c_in_an_epoch_leaves_it_unfinished(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit), Recording(tmp_path) as graph:
            net = Net(break_at=4, error=KeyboardInterrupt())
            trainer(tmp_path).fit(net, Data(tmp_path / "raw.pt"))
    finally:
        signal.signal(signal.SIGINT, handler)
    (training,) = kinds(graph, "Training")
    assert training["exception"] == ["KeyboardInterrupt"]
    assert (training["epochs"], training["steps"]) == ([1], [4])
    assert [epoch["unfinished"] for epoch in kinds(graph, "Epoch")] == [[], [True]]
    valid(graph, tmp_path)


def test_a_loss_that_is_no_number_is_kept_and_stops_early(tmp_path):
    with Recording(tmp_path) as graph:
        stopping = EarlyStopping("train_loss", check_finite=True)
        train = trainer(tmp_path, callbacks=[stopping])
        train.fit(Net(factor=math.nan), Data(tmp_path / "raw.pt"))
    (row,) = [row for row in graph.metrics() if "train_loss" in row]
    assert math.isnan(row["train_loss"])
    assert [one["cause"] for one in kinds(graph, "Adaptation") if one["name"] == ["stop"]] == [
        ["EarlyStopping"]
    ]


def test_a_second_fit_is_a_training_of_its_own_that_counts_on(tmp_path):
    with Recording(tmp_path) as graph:
        net, data = Net(), Data(tmp_path / "raw.pt")
        train = trainer(tmp_path, max_epochs=1)
        train.fit(net, data)
        train.fit_loop.max_epochs = 3
        train.fit(net, data)
    assert [training["epochs"] for training in kinds(graph, "Training")] == [[1], [2]]
    assert [row["epoch"] for row in graph.metrics() if "val_loss" in row] == [1, 2, 3]
    valid(graph, tmp_path)


def test_a_training_that_is_resumed_uses_the_checkpoint(tmp_path):
    data = Data(tmp_path / "raw.pt")
    train = trainer(tmp_path, max_epochs=2)
    train.fit(Net(), data)
    train.save_checkpoint(tmp_path / "two.ckpt")
    with Recording(tmp_path) as graph:
        trainer(tmp_path, max_epochs=3).fit(Net(), data, ckpt_path=tmp_path / "two.ckpt")
    assert ("training", "two.ckpt") in graph.usages()
    assert [epoch["epoch"] for epoch in kinds(graph, "Epoch")] == [[3]]
    (last,) = graph.all("Net after epoch 3")
    assert "two.ckpt" in {graph.label(one) for one in upstream(graph, last)}
    valid(graph, tmp_path)


def test_predictions_are_derived_from_the_model_and_the_data(tmp_path):
    with Recording(tmp_path) as graph:
        result = trainer(tmp_path).predict(Net(), Data(tmp_path / "raw.pt"))
        torch.save(result, tmp_path / "predictions.pt")
    assert not kinds(graph, "Evaluation")
    assert ("prediction", "data loader") in graph.usages()
    (file,) = graph.all("predictions.pt")
    assert {"predictions[0]", "Net"} <= {
        graph.label(one) for one in upstream(graph, graph.id("predictions[0]"))
    } | {"predictions[0]"}
    assert file


def test_a_learning_rate_finder_is_no_part_of_the_training(tmp_path):
    with Recording(tmp_path) as graph:
        finder = LearningRateFinder(num_training_steps=8)
        trainer(tmp_path, max_epochs=1, callbacks=[finder]).fit(Net(), Data(tmp_path / "raw.pt"))
    (training,) = kinds(graph, "Training")
    assert (training["framework"], training["epochs"]) == (["lightning"], [1])
    assert not kinds(graph, "Adaptation")
    search = graph.one("search for a learning rate")
    assert search["arg.num_training"] == [8]
    assert ("search for a learning rate", "Net") in graph.usages()
    found = finder.optimal_lr.suggestion()
    if found is not None:
        assert graph.one("learning rate that was found")["value"] == [found]
    rates = {row["value"][0] for row in kinds(graph, "Hyperparameter") if row["common"] == ["learning_rate"]}
    assert len(rates) == 1


def test_mixed_precision_is_a_setting_and_pytorch_lightning_is_known_too(tmp_path):
    import pytorch_lightning

    class Other(pytorch_lightning.LightningModule):
        training_step, configure_optimizers = Net.training_step, Net.configure_optimizers

        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"lr": 0.1})
            self.layers, self.loss = torch.nn.Linear(4, 2), torch.nn.CrossEntropyLoss()
            self.break_at, self.factor = -1, 1.0

        def forward(self, x):
            return self.layers(x)

    with Recording(tmp_path) as graph:
        settings = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        settings |= {"accelerator": "cpu", "enable_checkpointing": False, "default_root_dir": tmp_path}
        samples = torch.utils.data.TensorDataset(torch.ones(8, 4), torch.ones(8).long())
        train = pytorch_lightning.Trainer(max_epochs=2, precision="bf16-mixed", **settings)
        train.fit(Other(), torch.utils.data.DataLoader(samples, batch_size=4))
    assert [training["epochs"] for training in kinds(graph, "Training")] == [[2]]
    assert hyperparameters(graph)["precision"] == "bf16-mixed"


SCRIPT = """
import logging, warnings
warnings.simplefilter("ignore")
import torch, lightning.pytorch as pl
from torch.utils.data import DataLoader, TensorDataset
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
# HERE
class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("loss", loss, on_epoch=True, on_step=False)
        return loss
    def test_step(self, batch, index):
        self.log("test_loss", torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1]))
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
pl.seed_everything(1, verbose=False)
x = torch.randn(32, 4)
loader = DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8)
train = pl.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
    enable_model_summary=False, callbacks=mine, default_root_dir=".")
net = Net()
train.fit(net, loader)
train.test(net, loader, verbose=False)
"""


def test_each_way_in_gives_the_same_graph(tmp_path):
    graphs = recorded(tmp_path, "lightning", "lightning.pytorch", SCRIPT)
    first, *others = [shape(graph) for graph in graphs.values()]
    assert sum(first[0].values()) > 20
    for other in others:
        assert other == first


def test_the_example_leads_from_its_checkpoint_to_its_split(tmp_path):
    graph = example(tmp_path, "lightning_digits.py", "--epochs", "2")
    (split,) = {facts["fingerprint"][0] for facts in kinds(graph, "Subset") if facts["part"] == ["part 1"]}
    assert len(split) == 64
    assert {one["part"][0] for one in kinds(graph, "Evaluation")} == {"test"}
    roles = [
        (graph.label(r[2]), r[3])
        for r in graph.of(Kind.USAGE)
        if "model" in map(str, dict(r.attributes).values())
    ]
    (evaluated,) = [entity for activity, entity in roles if activity == "test"]
    assert "best.ckpt" in {graph.label(one) for one in upstream(graph, evaluated)}


SEVERAL = SCRIPT.replace('accelerator="cpu"', 'accelerator="cpu", devices=2, strategy="ddp_fork"').replace(
    "train.test(net, loader, verbose=False)\n", ""
)


def test_each_rank_that_a_trainer_starts_tells_of_its_part(tmp_path):
    script = SEVERAL.replace("# HERE", "mine = []")
    (tmp_path / "train.py").write_text(script)
    graph = example(tmp_path, tmp_path / "train.py")
    trainings = kinds(graph, "Training")
    assert [training["epochs"] for training in trainings] == [[2], [2]]
    assert {training["id"] for training in trainings} <= graph.ended
    starters = {record[2]: graph.label(record[4]) for record in graph.of(Kind.START)}
    assert {starters[training["id"]] for training in trainings} == {"rank 0", "rank 1"}


def test_another_version_costs_what_has_changed_and_one_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.delattr(pl.Trainer, "predict")
    with Recording(tmp_path) as graph:
        trainer(tmp_path, max_epochs=1).fit(Net(), Data(tmp_path / "raw.pt"))
    assert len(kinds(graph, "Training")) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("trilha: ")]
    assert said == [f"trilha: lightning.pytorch {pl.__version__} has changed: predict cannot be recorded"]


def test_a_validation_of_its_own_is_an_evaluation(tmp_path):
    with Recording(tmp_path) as graph:
        trainer(tmp_path).validate(Net(), Data(tmp_path / "raw.pt"), verbose=False)
    (evaluation,) = kinds(graph, "Evaluation")
    assert (evaluation["part"], evaluation["label"]) == (["validation"], ["validation"])
    assert sum("val_loss" in row for row in graph.metrics()) == 1
    valid(graph, tmp_path)


CELLS = (
    "import trilha; trilha.autolog()",
    "import logging, warnings; warnings.simplefilter('ignore'); logging.disable(); import pathlib",
    "from tests.capture.integrations.lightning_net import *",
    "place = pathlib.Path('.')\ntrain = trainer(place, max_epochs=1); net = Net(); data = Data('raw.pt')",
    "train.fit(net, data)",
    "train.fit_loop.max_epochs += 1\ntrain.fit(net, data)",
    "train.fit_loop.max_epochs += 1\ntrain.fit(Net(break_at=6, error=ValueError('mine')), data)",
    "train.test(net, data, verbose=False)",
)
SHELL = """
import warnings
warnings.simplefilter("ignore")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for number, cell in enumerate(CELLS):
    shell.run_cell(cell, store_history=True, cell_id=f"id {number}")
"""


def test_fits_in_cells_of_a_notebook_lie_in_their_cells(run_program, store, tmp_path):
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    run_program(SHELL.replace("CELLS", repr(CELLS)), environment=environment)
    graph = Graph(store.folder)
    starters = {record[2]: graph.label(record[4]) for record in graph.of(Kind.START)}
    trainings = kinds(graph, "Training")
    assert [starters[one["id"]] for one in trainings] == ["cell 5", "cell 6", "cell 7"]
    assert [one["exception"] for one in trainings] == [[], [], ["ValueError"]]
    assert [starters[one["id"]] for one in kinds(graph, "Evaluation")] == ["cell 8"]
    valid(graph, tmp_path)
