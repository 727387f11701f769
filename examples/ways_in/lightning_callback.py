"""A callback in the list of Lightning's trainer: `trilha.lightning.Callback`.

python lightning_callback.py
"""

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from trilha.lightning import Callback

mine = Callback("line")  # at the top: what comes before it is not recorded


class Line(pl.LightningModule):
    """A straight line."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        """A batch of the training: gives its loss."""
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.line(x), y)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=0.3)


pl.seed_everything(7, verbose=False)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
loader = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=16)
quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = pl.Trainer(
    max_epochs=5,
    accelerator="cpu",
    callbacks=[mine],
    enable_checkpointing=False,
    log_every_n_steps=1,
    **quiet,
)
model = Line()
trainer.fit(model, loader)
trainer.save_checkpoint("line.ckpt")
