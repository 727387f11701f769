"""A model and its data for the tests of Lightning."""

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Data(pl.LightningDataModule):
    """Numbers from a file, shared out."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def prepare_data(self):
        torch.save(torch.arange(256.0).reshape(64, 4) / 256, self.path)

    def setup(self, stage):
        x = torch.load(self.path)
        y = (x[:, 0] > 0.5).long()
        parts = random_split(TensorDataset(x, y), [48, 16], torch.Generator().manual_seed(1))
        self.train, self.rest = parts

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=16)

    def val_dataloader(self):
        return DataLoader(self.rest, batch_size=16)

    def test_dataloader(self):
        return DataLoader(self.rest, batch_size=8)

    def predict_dataloader(self):
        return DataLoader(self.rest, batch_size=8)


class Net(pl.LightningModule):
    """Two layers; `break_at` says in which step something happens."""

    def __init__(self, hidden=8, lr=0.1, break_at=-1, error=None, factor=1.0):
        super().__init__()
        self.save_hyperparameters("hidden", "lr")
        self.layers = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.loss = nn.CrossEntropyLoss()
        self.break_at, self.error, self.factor = break_at, error, factor

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, index):
        if self.global_step == self.break_at:
            raise self.error
        loss = self.loss(self(batch[0]), batch[1]) * self.factor
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def on_train_epoch_end(self):
        self.log("late", float(self.current_epoch))

    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(self(batch[0]), batch[1]))

    def test_step(self, batch, index):
        self.log("test_loss", self.loss(self(batch[0]), batch[1]))

    def predict_step(self, batch, index):
        return self(batch[0])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


def trainer(folder, **settings):
    """A trainer that says nothing."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    settings = {"max_epochs": 3, "enable_checkpointing": False, **settings}
    return pl.Trainer(accelerator="cpu", default_root_dir=folder, **quiet, **settings)
