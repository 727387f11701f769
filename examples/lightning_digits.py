"""Train a small network on handwritten digits with Lightning, keep the best version, and test that.

    trilha run lightning_digits.py [--epochs 5] [--out out]

The digits are those that scikit-learn ships. The best checkpoint goes to OUT/best.ckpt. Needs the extras
`lightning` and `sklearn`.
"""

import argparse
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Digits(pl.LightningDataModule):
    """Images of 8 × 8 pixels, shared out for training, validation and test."""

    def setup(self, stage=None):  # noqa: ARG002 -- as Lightning calls it
        """Load the images and share them out, the same way whatever the stage."""
        images, labels = load_digits(return_X_y=True)
        data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
        generator = torch.Generator().manual_seed(0)
        self.train, self.validation, self.test = random_split(data, [1200, 300, 297], generator)

    def train_dataloader(self):
        """Batches for training, in another order each epoch."""
        return DataLoader(self.train, batch_size=64, shuffle=True)

    def val_dataloader(self):
        """Batches for validation."""
        return DataLoader(self.validation, batch_size=300)

    def test_dataloader(self):
        """Batches for test."""
        return DataLoader(self.test, batch_size=297)


class Network(pl.LightningModule):
    """Two layers with a dropout between them."""

    def __init__(self, hidden=64, dropout=0.2, lr=0.003):
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.layers = nn.Sequential(
            nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10)
        )
        self.loss = nn.CrossEntropyLoss()

    def measure(self, batch, part):
        """Log loss and accuracy of a part of the data; gives the loss."""
        images, labels = batch
        scores = self.layers(images)
        loss = self.loss(scores, labels)
        self.log(f"{part}_loss", loss, on_step=False, on_epoch=True)
        accuracy = (scores.argmax(1) == labels).float().mean()
        self.log(f"{part}_accuracy", accuracy, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch, _):
        """A batch of the training: gives its loss."""
        return self.measure(batch, "train")

    def validation_step(self, batch, _):
        """A batch of the validation."""
        self.measure(batch, "val")

    def test_step(self, batch, _):  # noqa: PT019 -- no test of pytest's
        """A batch of the test."""
        self.measure(batch, "test")

    def configure_optimizers(self):
        """Adam, with a learning rate that falls every three epochs."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.3)]


def main():
    """Train, keep the best, test it."""
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    pl.seed_everything(1, verbose=False)
    best = ModelCheckpoint(options.out, "best", monitor="val_accuracy", mode="max")
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        accelerator="cpu",
        callbacks=[best, EarlyStopping("val_loss", patience=3)],
        default_root_dir=options.out,
        logger=False,
        enable_progress_bar=False,
    )
    digits = Digits()
    trainer.fit(Network(), digits)
    trainer.test(ckpt_path="best", datamodule=digits)


if __name__ == "__main__":
    main()
