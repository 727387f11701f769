"""Transformers: its Trainer, models saved and loaded, tokenised texts, recorded from the real library.

The models are tiny and made from a configuration: nothing is downloaded.
"""

import math
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch
from tests.capture.integrations.test_lightning import (
    Recording,
    hyperparameters,
    kinds,
    upstream,
    valid,
)
from tests.capture.integrations.ways import example, recorded, shape
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from trilha.prov import Kind

pytestmark = pytest.mark.filterwarnings("ignore")


def net():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return BertForSequenceClassification(BertConfig(vocab_size=20, max_position_embeddings=8, **sizes))


def samples(count):
    return [{"input_ids": [1 + (n + k) % 19 for k in range(4)], "labels": n % 2} for n in range(count)]


def arguments(folder, **settings):
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "logging_strategy": "epoch"}
    settings = {"num_train_epochs": 2, "save_strategy": "no", "learning_rate": 0.01, **settings}
    return TrainingArguments(str(folder / "out"), per_device_train_batch_size=8, seed=3, **quiet, **settings)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training with evaluations and checkpoints, an evaluation, a model that is saved and loaded again."""
    folder = tmp_path_factory.mktemp("whole")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Recording(folder) as graph:
            set_seed(3)
            best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "save_total_limit": 1}
            args = arguments(folder, eval_strategy="epoch", save_strategy="epoch", **best)
            args.save_strategy = "epoch"
            trainer = Trainer(net(), args, train_dataset=samples(16), eval_dataset=samples(8))
            trainer.train()
            trainer.evaluate(samples(8), metric_key_prefix="test")
            trainer.save_model(str(folder / "final"))
            again = BertForSequenceClassification.from_pretrained(folder / "final")
            told = Trainer(again, arguments(folder)).predict(samples(8))
            torch.save(torch.tensor(told.predictions), folder / "predictions.pt")
    graph.place, graph.state, graph.predictions = folder, trainer.state, told.predictions
    return graph


def test_a_call_of_train_is_a_training_with_its_epochs(whole):
    (training,) = kinds(whole, "Training")
    assert training["framework"] == ["transformers"]
    assert (training["epochs"], training["steps"]) == ([2], [4])
    assert [epoch["epoch"] for epoch in kinds(whole, "Epoch")] == [[1], [2]]
    assert {whole.starters()[f"epoch {n}"] for n in (1, 2)} == {"training"}


def test_its_arguments_are_hyperparameters_with_common_names(whole):
    found = hyperparameters(whole)
    expected = {"learning_rate": 0.01, "per_device_train_batch_size": 8, "num_train_epochs": 2, "seed": 3}
    expected |= {"lr_scheduler_type": "linear", "optimizer": "AdamW", "loss": "ForSequenceClassification"}
    expected |= {"config.num_hidden_layers": 1, "config.hidden_size": 8, "eval_strategy": "epoch"}
    assert found.items() >= expected.items()
    assert not {"hub_token", "output_dir", "logging_dir", "report_to"} & found.keys()
    common = {one["common"][0] for one in kinds(whole, "Hyperparameter") if one["common"]}
    assert common >= {
        "epochs",
        "batch_size",
        "learning_rate",
        "optimizer",
        "loss",
        "scheduler",
        "seed",
        "layers",
    }


def test_arguments_that_a_trainer_with_an_optimizer_of_ones_own_does_not_look_at_are_not_stated(tmp_path):
    with Recording(tmp_path) as graph:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        optimizers = optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
        trainer = Trainer(model, arguments(tmp_path), train_dataset=samples(8), optimizers=optimizers)
        trainer.train()
        trainer.train()
    found = hyperparameters(graph)
    assert found.items() >= {"optimizer": "SGD", "lr": 0.25, "lr_scheduler": "ConstantLR"}.items()
    assert not {"learning_rate", "optim", "lr_scheduler_type", "warmup_steps"} & found.keys()


def test_each_row_of_the_log_is_there_once_with_its_step_and_epoch(whole):
    for name in ("loss", "eval_loss", "train_loss"):
        expected = [(row["step"], row[name]) for row in whole.state.log_history if name in row]
        got = [(row["step"], row[name]) for row in whole.metrics() if name in row]
        assert got == expected
    assert [row["epoch"] for row in whole.metrics() if "eval_loss" in row] == [1, 2]


def test_layers_and_versions_of_the_model_are_told(whole):
    assert "bert.embeddings.word_embeddings" in {layer["name"][0] for layer in kinds(whole, "Layer")}
    # Its optimiser is a fused one, which counts no changes.
    assert {f"BertForSequenceClassification after epoch {n}" for n in (1, 2)} <= set(whole.labels("Model"))


def test_learning_rates_have_their_scheduler_as_cause(whole):
    told = {(one["name"][0], one["cause"][0]) for one in kinds(whole, "Adaptation")}
    assert told == {("lr", "LambdaLR")}


def test_data_is_told_by_its_lists_and_their_loaders(whole):
    (training,) = kinds(whole, "Training")
    used = {whole.label(r[3]): r for r in whole.of(Kind.USAGE) if r[2] == training["id"]}
    loader = whole.about[used["data loader"][3]]
    assert (loader["batch_size"], loader["length"], loader["shuffle"]) == ([8], [16], [True])
    assert ("data loader", "list") in whole.derivations()
    assert whole.about[used["list"][3]]["length"] == [8]  # validated on


def test_checkpoints_hold_the_model_of_their_epoch_and_say_which_is_best(whole):
    weights = [one for one in kinds(whole, "Checkpoint") if one["label"][0] == "model.safetensors"]
    derived = {record[2]: whole.label(record[3]) for record in whole.of(Kind.DERIVATION)}
    by_place = {one["path"][0].split("/")[-2]: one for one in weights}
    assert {place: derived[one["id"]] for place, one in by_place.items()} == {
        "checkpoint-2": "BertForSequenceClassification after epoch 1",
        "checkpoint-4": "BertForSequenceClassification after epoch 2",
        "final": "BertForSequenceClassification, loaded",
    }
    best = os.path.basename(whole.state.best_model_checkpoint)
    score, epoch = whole.state.best_metric, whole.state.best_global_step // 2
    assert by_place[best]["reason"][-1] == f"lowest loss {score:.5g} at epoch {epoch}"
    makers = {record[2]: whole.label(record[3]) for record in whole.of(Kind.GENERATION)}
    folder = by_place["checkpoint-4"]["path"][0].rpartition("/")[0]
    made = {
        one["label"][0]
        for name, one in whole.about.items()
        if makers.get(name) == "epoch 2" and one["path"] and one["path"][0].startswith(folder)
    }
    assert made == {
        "model.safetensors",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "config.json",
        "trainer_state.json",
        "training_args.bin",
    }


def test_the_best_model_that_is_loaded_at_the_end_is_derived_from_its_file(whole):
    (loaded,) = whole.all("BertForSequenceClassification, loaded")
    sources = {
        whole.about[r[3]]["path"][0]
        for r in whole.of(Kind.DERIVATION)
        if r[2] == loaded and whole.about[r[3]]["path"]
    }
    assert sources == {f"{whole.state.best_model_checkpoint}/model.safetensors"}


def test_an_evaluation_and_a_prediction_are_of_the_model_as_it_is_by_then(whole):
    first, second = kinds(whole, "Evaluation")
    assert (first["label"], first["part"]) == (["evaluation"], ["test"])
    assert (second["label"], second["part"]) == (["prediction"], ["test"])
    assert ("evaluation", "BertForSequenceClassification, loaded") in whole.usages()
    assert sum("test_loss" in row for row in whole.metrics()) == 2
    assert not kinds(whole, "Pass")


def test_a_prediction_leads_to_the_file_of_the_model_and_to_its_training(whole):
    predictions = whole.id("predictions")
    labels = {whole.label(one) for one in upstream(whole, predictions)}
    assert {"model.safetensors", "BertForSequenceClassification after epoch 1", "data loader"} <= labels


def test_all_of_it_is_a_valid_document(whole, tmp_path):
    valid(whole, tmp_path)


def test_the_library_is_as_it_was_and_a_trainer_from_before_is_followed(tmp_path):
    places = [(Trainer, "train"), (Trainer, "evaluate"), (Trainer, "predict"), (Trainer, "save_model")]
    places += [(PreTrainedModel, "from_pretrained"), (PreTrainedModel, "save_pretrained")]
    before = [owner.__dict__[name] for owner, name in places]
    trainer = Trainer(net(), arguments(tmp_path, num_train_epochs=1), train_dataset=samples(8))
    callbacks = list(trainer.callback_handler.callbacks)
    with Recording(tmp_path) as graph:
        assert Trainer.__dict__["train"] is not before[0]
        trainer.train()
        assert trainer.callback_handler.callbacks == callbacks
    assert [owner.__dict__[name] for owner, name in places] == before
    assert len(kinds(graph, "Training")) == 1


def test_checkpoints_are_the_same_to_the_byte(tmp_path):
    def saved(name):
        set_seed(3)
        args = arguments(tmp_path / name, save_strategy="epoch", num_train_epochs=1)
        Trainer(net(), args, train_dataset=samples(8)).train()
        folder = tmp_path / name / "out" / "checkpoint-1"
        return (
            {file: (folder / file).read_bytes() for file in ("model.safetensors", "optimizer.pt")},
            (folder / "trainer_state.json").read_text().count("stateful_callbacks"),
            sorted(os.listdir(folder)),
        )

    alone = saved("one")
    with Recording(tmp_path):
        assert saved("two") == alone


def test_early_stopping_says_by_what_and_when(tmp_path):
    with Recording(tmp_path) as graph:
        settings = {"eval_strategy": "epoch", "metric_for_best_model": "loss", "num_train_epochs": 9}
        args = arguments(tmp_path, **settings)
        stopping = EarlyStoppingCallback(1, early_stopping_threshold=100.0)
        data = {"train_dataset": samples(8), "eval_dataset": samples(8)}
        Trainer(net(), args, callbacks=[stopping], **data).train()
    (stop,) = [one for one in kinds(graph, "Adaptation") if one["name"] == ["stop"]]
    assert (stop["cause"], stop["monitor"]) == (["EarlyStoppingCallback"], ["loss"])
    assert stop["epoch"][0] == len(kinds(graph, "Epoch")) < 9


@pytest.mark.parametrize("error", [LookupError("mine"), KeyboardInterrupt()])
def test_an_error_in_a_callback_comes_out_as_it_is_and_ends_the_training(tmp_path, error):
    class Broken(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise error

    trainer = Trainer(net(), arguments(tmp_path), train_dataset=samples(16), callbacks=[Broken()])
    with pytest.raises(type(error)), Recording(tmp_path) as graph:
        trainer.train()
    (training,) = kinds(graph, "Training")
    assert training["exception"] == [type(error).__name__]
    assert (training["epochs"], training["steps"]) == ([1], [3])
    assert [epoch["unfinished"] for epoch in kinds(graph, "Epoch")] == [[], [True]]
    valid(graph, tmp_path)


def test_a_loss_that_is_no_number_is_kept(tmp_path):
    class Broken(Trainer):
        def compute_loss(self, *args, **kwargs):
            return super().compute_loss(*args, **kwargs) * math.nan

    with Recording(tmp_path) as graph:
        args = arguments(tmp_path, logging_nan_inf_filter=False)
        Broken(net(), args, train_dataset=samples(8)).train()
    assert [math.isnan(row["loss"]) for row in graph.metrics() if "loss" in row] == [True, True]


def test_a_training_that_is_resumed_uses_the_checkpoint(tmp_path):
    args = arguments(tmp_path, save_strategy="epoch", num_train_epochs=1)
    Trainer(net(), args, train_dataset=samples(16)).train()
    with Recording(tmp_path) as graph:
        args = arguments(tmp_path, save_strategy="epoch")
        Trainer(net(), args, train_dataset=samples(16)).train(resume_from_checkpoint=True)
    assert ("training", "model.safetensors") in graph.usages()
    assert [epoch["epoch"] for epoch in kinds(graph, "Epoch")] == [[2]]
    (last,) = graph.all("BertForSequenceClassification after epoch 2")
    places = {graph.about[one]["path"][0] for one in upstream(graph, last) if graph.about[one]["path"]}
    assert str(tmp_path / "out" / "checkpoint-2" / "model.safetensors") in places
    valid(graph, tmp_path)


def test_two_trainings_of_one_trainer_are_two(tmp_path):
    with Recording(tmp_path) as graph:
        trainer = Trainer(net(), arguments(tmp_path, num_train_epochs=1), train_dataset=samples(8))
        trainer.train()
        trainer.train()
    assert [training["epochs"] for training in kinds(graph, "Training")] == [[1], [1]]
    valid(graph, tmp_path)


def test_texts_that_are_tokenised_lead_from_the_list_to_the_data(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")

    class Texts(torch.utils.data.Dataset):
        def __init__(self, told):
            self.told = told

        def __len__(self):
            return len(self.told["input_ids"])

        def __getitem__(self, n):
            return {"input_ids": self.told["input_ids"][n], "labels": n % 2}

    with Recording(tmp_path) as graph:
        told = tokenizer(["good good", "bad bad"] * 4, padding="max_length", max_length=4, truncation=True)
        trainer = Trainer(net(), arguments(tmp_path), train_dataset=Texts(told))
        trainer.train()
    (step,) = kinds(graph, "Transformation")
    assert (step["arg.max_length"], step["arg.texts"], step["arg.vocabulary"]) == ([4], [8], [4])
    (training,) = kinds(graph, "Training")
    (loader,) = [
        r[3] for r in graph.of(Kind.USAGE) if r[2] == training["id"] and graph.label(r[3]) == "data loader"
    ]
    labels = {graph.label(one) for one in upstream(graph, loader)}
    assert any(label.startswith("after ") for label in labels)
    valid(graph, tmp_path)


SCRIPT = """
import os, warnings
warnings.simplefilter("ignore")
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
# HERE
set_seed(1)
sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
net = BertForSequenceClassification(BertConfig(vocab_size=20, max_position_embeddings=8, **sizes))
samples = [{"input_ids": [1 + (n + k) % 19 for k in range(4)], "labels": n % 2} for n in range(16)]
args = TrainingArguments("out", num_train_epochs=2, per_device_train_batch_size=8, report_to=[], use_cpu=True,
    disable_tqdm=True, save_strategy="epoch", logging_strategy="epoch")
trainer = Trainer(net, args, train_dataset=samples, eval_dataset=samples[:8], callbacks=mine)
trainer.train()
trainer.evaluate()
trainer.save_model("final")
"""


def test_each_way_in_gives_the_same_graph(tmp_path):
    graphs = recorded(tmp_path, "transformers", "transformers.trainer", SCRIPT)
    first, *others = [shape(graph) for graph in graphs.values()]
    assert sum(first[0].values()) > 20
    for other in others:
        assert other == first


def test_the_example_leads_from_its_model_to_its_tokenised_texts(tmp_path):
    graph = example(tmp_path, "transformers_tiny.py", "--epochs", "2")
    assert len(kinds(graph, "Transformation")) == 3
    final = [
        one
        for one in kinds(graph, "Checkpoint")
        if str(one["path"][0]).endswith("out/model/model.safetensors")
    ]
    labels = {graph.label(one) for one in upstream(graph, final[-1]["id"])}
    assert "architecture of BertForSequenceClassification" in labels


def test_a_model_of_the_programs_own_and_several_sets_to_evaluate_on(tmp_path):
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.out = torch.nn.Embedding(20, 4), torch.nn.Linear(4, 2)

        def forward(self, input_ids, labels=None):
            scores = self.out(self.words(input_ids).mean(1))
            return {"loss": torch.nn.functional.cross_entropy(scores, labels), "logits": scores}

    with Recording(tmp_path) as graph:
        sets = {"first": samples(8), "second": samples(16)}
        args = arguments(tmp_path, eval_strategy="epoch", num_train_epochs=1)
        trainer = Trainer(Own(), args, train_dataset=samples(8), eval_dataset=sets)
        trainer.train()
        trainer.evaluate()
        trainer.save_model(str(tmp_path / "final"))
    assert [one["part"] for one in kinds(graph, "Evaluation")] == [["validation"], ["validation"]]
    assert ("model.safetensors", "Own after epoch 1") in graph.derivations()
    rows = [row for row in graph.metrics() if "eval_second_loss" in row]
    assert len(rows) == 2  # in the training, and in the evaluation
    valid(graph, tmp_path)


def test_another_version_costs_what_has_changed_and_one_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.delattr(Trainer, "_load_best_model")
    with Recording(tmp_path) as graph:
        args = arguments(tmp_path, num_train_epochs=1)
        Trainer(net(), args, train_dataset=samples(8)).train()
    assert len(kinds(graph, "Training")) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("trilha: ")]
    assert said == ["trilha: transformers has changed: Trainer._load_best_model cannot be recorded"]
