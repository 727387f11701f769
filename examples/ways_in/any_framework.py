"""A framework that Trilha does not know, or none: `trilha.learning` says what happens.

python any_framework.py
"""

import trilha
from trilha import learning


class Line:
    """A model of no framework: y = w x."""

    weight = 0.0

    def fit(self, points, rate):
        """A step down the gradient; gives the mean squared error before it."""
        errors = [self.weight * x - y for x, y in points]
        self.weight -= (
            rate * sum(error * x for error, (x, _) in zip(errors, points, strict=True)) / len(points)
        )
        return sum(error**2 for error in errors) / len(points)


with trilha.run("line"):
    points = [(x / 10, 3 * x / 10) for x in range(20)]
    train, test = points[:15], points[15:]
    indices = {"train": range(15), "test": range(15, 20)}
    learning.split(points, train=train, test=test, indices=indices)
    model = Line()
    with learning.training(model, data=train, learning_rate=0.5, epochs=5) as training:
        for _ in training.epochs(range(5)):
            training.log(loss=model.fit(train, 0.5))
        with open("line.txt", "w") as file:
            file.write(str(model.weight))
        training.checkpoint("line.txt", best=True, reason="the last one")
    learning.evaluated(model, test, "test", error=abs(model.weight - 3))
