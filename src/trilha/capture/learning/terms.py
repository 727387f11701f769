"""The words of learning: types of entities and activities, and hyperparameters under common names.

Every framework has names of its own for the same choice (``lr``, ``learning_rate``, ``eta0``). An integration
records the framework's own name; the common one is recorded beside it, so that runs of different frameworks
can be compared.
"""

from __future__ import annotations

from typing import Final

from trilha.capture.journal.writer import literal_name

__all__ = ["COMMON", "TYPES", "common_name"]

TYPES: Final = {
    name: literal_name(f"trilha:{name}")
    for name in (
        # activities
        *("Training", "Epoch", "Pass", "Evaluation", "Inference"),
        *("Adaptation", "Transformation", "Split"),
        # entities
        *("Object", "Dataset", "DataLoader", "Subset", "Model", "Architecture", "Layer", "Optimizer"),
        *("Hyperparameter", "Checkpoint"),
        # of physics-informed networks
        *("Geometry", "Equation", "Condition", "Points", "LossTerm"),
    )
}
"""Types as attribute values, by their local names in Trilha's namespace."""

COMMON: Final[dict[str, str]] = {
    own: common
    for common, names in {
        "learning_rate": "lr learning_rate learning_rate_init eta0 base_lr",
        "batch_size": "batch_size per_device_train_batch_size train_batch_size",
        "epochs": "epochs num_epochs max_epochs num_train_epochs n_epochs nb_epochs",
        "optimizer": "optimizer optimiser optim solver optimizer_name",
        "loss": "loss criterion loss_function loss_fn objective",
        "seed": "seed random_state random_seed data_seed",
        "weight_decay": "weight_decay",
        "momentum": "momentum",
        "dropout": "dropout dropout_rate p_dropout",
        "scheduler": "scheduler lr_scheduler lr_scheduler_type",
        "layers": "layers num_layers n_layers num_hidden_layers",
    }.items()
    for own in names.split()
}
"""The common name of each hyperparameter's own name, in small letters with underscores."""


def common_name(own: str) -> str | None:
    """The common name of a hyperparameter; None where there is none.

    Args:
        own: the framework's or the program's name. Of a name with dots the last part counts
            (``optimizer.lr``); a number after it tells groups of parameters apart and has none
            (``lr.1``). Case and hyphens do not matter (``LEARNING_RATE``, ``batch-size``).
    """
    return COMMON.get(own.rpartition(".")[2].replace("-", "_").lower())
