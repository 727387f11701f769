"""Say what a training is, where no framework that Trilha knows says it.

What ``trilha run`` finds out by itself with PyTorch, Keras, Lightning, Transformers and scikit-learn,
any other program can say in a few words::

    from trilha import learning

    learning.split(images, train=train, test=test, settings={"seed": 7})
    with learning.training(model, data=train, learning_rate=0.1, epochs=10) as training:
        for epoch in training.epochs(range(10)):
            training.log(loss=..., accuracy=...)
        training.checkpoint("model.bin", best=True, reason="highest accuracy")
    learning.evaluated(model, test, part="test", accuracy=...)
"""

from trilha.capture.learning.said import Training, evaluated, split, training, transformed

__all__ = ["Training", "evaluated", "split", "training", "transformed"]
