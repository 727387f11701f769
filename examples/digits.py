"""Train a small convolutional network on handwritten digits and keep the best model.

    python digits.py [--data data/digits.csv] [--out out] [--epochs 10] …

Writes the weights of the epoch with the best validation accuracy to OUT/model.pt and the numbers to
OUT/metrics.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HERE = Path(__file__).parent


def load(path):
    """Read the images, shape (n, 1, 8, 8) with values 0 to 16, and their labels, shape (n,)."""
    table = pd.read_csv(path)
    labels = table.pop("label").to_numpy(dtype=np.int64)
    images = table.to_numpy(dtype=np.float32).reshape(-1, 1, 8, 8)
    return images, labels


def split(images, labels, seed):
    """Share the images out: 60 % to train, 20 % to validate, 20 % to test, each label in proportion."""
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=seed
    )
    train_images, validation_images, train_labels, validation_labels = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=seed
    )
    return (train_images, train_labels), (validation_images, validation_labels), (test_images, test_labels)


def normalise(train, *others):
    """Bring the images to mean 0 and deviation 1, both measured on the training part alone."""
    mean, deviation = train[0].mean(), train[0].std()
    return [((images - mean) / deviation, labels) for images, labels in (train, *others)]


def make_loaders(parts, batch_size):
    """Make a loader for each part; the first, to train on, is shuffled."""
    loaders = []
    for number, (images, labels) in enumerate(parts):
        dataset = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
        loaders.append(DataLoader(dataset, batch_size=batch_size, shuffle=number == 0))
    return loaders


def build_model():
    """Two convolutions, two linear layers; some 37,000 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train_epoch(model, loader, criterion, optimizer):
    """Go through the training images once and return the mean loss."""
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader, criterion):
    """Return the mean loss and the accuracy (0 to 1) over a loader."""
    model.eval()
    total, correct = 0.0, 0
    for images, labels in loader:
        outputs = model(images)
        total += criterion(outputs, labels).item() * len(labels)
        correct += (outputs.argmax(dim=1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def train(model, train_loader, validation_loader, epochs, learning_rate, checkpoint):
    """Train, save the weights to `checkpoint` whenever the validation accuracy rises, return the history."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    history, best = [], -1.0
    for epoch in range(1, epochs + 1):
        train_loss = train_epoch(model, train_loader, criterion, optimizer)
        loss, accuracy = evaluate(model, validation_loader, criterion)
        scheduler.step()
        history.append({"epoch": epoch, "train_loss": train_loss, "loss": loss, "accuracy": accuracy})
        print(f"epoch {epoch:2}  train loss {train_loss:.4f}  loss {loss:.4f}  accuracy {accuracy:.4f}")
        if accuracy > best:
            best = accuracy
            torch.save(model.state_dict(), checkpoint)
    return history


def save_metrics(path, history, loss, accuracy):
    """Write the numbers of every epoch and of the test to a JSON file."""
    metrics = {"history": history, "test": {"loss": loss, "accuracy": accuracy}}
    path.write_text(json.dumps(metrics, indent=2) + "\n")


def main():
    """Train, then test the best model once."""
    parser = argparse.ArgumentParser(description="Train a small CNN on handwritten digits.")
    parser.add_argument(
        "--data", type=Path, default=HERE / "data" / "digits.csv", help="CSV file, one image a row"
    )
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of model.pt and metrics.json")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)  # so small a network is slower on several cores, and busy ones above all
    arguments.out.mkdir(parents=True, exist_ok=True)
    checkpoint = arguments.out / "model.pt"

    images, labels = load(arguments.data)
    parts = normalise(*split(images, labels, arguments.seed))
    train_loader, validation_loader, test_loader = make_loaders(parts, arguments.batch_size)

    model = build_model()
    history = train(
        model, train_loader, validation_loader, arguments.epochs, arguments.learning_rate, checkpoint
    )

    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    loss, accuracy = evaluate(model, test_loader, nn.CrossEntropyLoss())
    print(f"test      loss {loss:.4f}  accuracy {accuracy:.4f}")
    save_metrics(arguments.out / "metrics.json", history, loss, accuracy)


if __name__ == "__main__":
    main()
