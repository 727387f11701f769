"""A training with PyTorch, said by the program itself.

PyTorch has no callbacks: a loop is the program's own, and ``trilha run`` (or `trilha.run`, or
`trilha.autolog`) finds out by PyTorch's hooks what happens in it. What no hook can tell (which loader is the
test set, which metrics an epoch had, that this checkpoint is the best one and why) is said here::

    from trilha.torch import evaluated, training

    with training(model, data=train_loader, validation=validation_loader) as recorded:
        for epoch in recorded.epochs(range(10)):
            recorded.log(loss=train(model, train_loader), accuracy=validate(model, validation_loader))
            scheduler.step()
        recorded.checkpoint("model.pt", best=True, reason="highest accuracy")
    evaluated(model, test_loader, "test", accuracy=validate(model, test_loader))

The functions are those of `trilha.learning`; the optimiser with its settings, learning rates and their
schedulers, layers, loaders and files are found as ever and belong to this training.
"""

from trilha.capture.learning.said import Training, evaluated, split, training, transformed

__all__ = ["Training", "evaluated", "split", "training", "transformed"]
