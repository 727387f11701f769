"""Train a tiny language classifier with the Trainer of Transformers: nothing is downloaded.

    trilha run transformers_tiny.py [--epochs 8] [--out out]

Sentences say whether the weather is good or bad; the vocabulary is made from them and the model from a
configuration. The best checkpoint is loaded at the end, tested, and saved to OUT/model. Needs the extra
`transformers`.
"""

import argparse
import itertools
import os
import random
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

GOOD, BAD = ("sunny", "warm", "bright", "calm"), ("rainy", "cold", "dark", "stormy")
PLACES, TIMES = ("here", "there", "north", "south", "inland"), ("today", "tomorrow", "tonight", "again")


class Weather(torch.utils.data.Dataset):
    """Tokenised sentences with their labels."""

    def __init__(self, tokens, labels):
        self.tokens = tokens
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        sample = {name: torch.tensor(values[index]) for name, values in self.tokens.items()}
        return sample | {"labels": torch.tensor(self.labels[index])}


def sentences():
    """All sentences in a random order, and whether each tells of good weather."""
    told = [
        (f"it is {word} {place} {time}", int(word in GOOD))
        for word, place, time in itertools.product(GOOD + BAD, PLACES, TIMES)
    ]
    random.Random(0).shuffle(told)
    return [text for text, _ in told], [label for _, label in told]


def make_tokenizer(texts):
    """A tokenizer that knows the words of the texts."""
    words = sorted({word for text in texts for word in text.split()})
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    vocabulary = {word: number for number, word in enumerate([*special.values(), *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def accuracy(prediction):
    """The share of labels that are right."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def main():
    """Tokenise, train, test, save."""
    parser = argparse.ArgumentParser(description="Train a tiny language classifier.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    set_seed(1)
    texts, labels = sentences()
    tokenizer = make_tokenizer(texts)
    parts = {"train": slice(0, 96), "validation": slice(96, 128), "test": slice(128, None)}
    data = {
        name: Weather(tokenizer(texts[part], padding="max_length", max_length=8), labels[part])
        for name, part in parts.items()
    }
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=16, **sizes)
    arguments = TrainingArguments(
        str(options.out),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=16,
        learning_rate=1e-2,
        seed=1,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        BertForSequenceClassification(config),
        arguments,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        compute_metrics=accuracy,
    )
    trainer.train()
    print(trainer.evaluate(data["test"], metric_key_prefix="test"))
    trainer.save_model(str(options.out / "model"))


if __name__ == "__main__":
    main()
