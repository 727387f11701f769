"""Predicts how many days machines will last: a task of Parsl for each machine, and a model of PyTorch.

It knows nothing of Trilha. Traced down to the variable, it is asked where one prediction came from.
"""

import csv

import parsl
import torch
from parsl import python_app

parsl.load(parsl.Config(executors=[parsl.ThreadPoolExecutor(max_threads=2)]))


@python_app
def feature(readings):
    """How often it was warm, and how warm at most."""
    warm = [celsius for celsius in readings if celsius > 60]
    return len(warm) / len(readings), max(readings) / 100


def load(path):
    """What each machine's sensors measured, in degrees Celsius."""
    machines = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            celsius = (float(row["fahrenheit"]) - 32) / 1.8
            machines.setdefault(row["machine"], []).append(celsius)
    return machines


def train(features, lasted):
    """A model that tells from features how long a machine lasts."""
    inputs = torch.tensor(features)
    wanted = torch.tensor(lasted)
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, wanted), batch_size=4)
    for _ in range(3):
        for batch, target in loader:
            loss = torch.nn.functional.mse_loss(model(batch), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


torch.manual_seed(0)
machines = load("examples/wear.csv")
futures = {machine: feature(machines[machine]) for machine in machines}
features = {machine: futures[machine].result() for machine in machines}
model = train(list(features.values()), [[0.4], [0.9], [0.7]])
predictions = {}
for machine in machines:
    with torch.no_grad():
        predictions[machine] = round(model(torch.tensor(features[machine])).item() * 100)
with open("predictions.csv", "w", newline="") as file:
    csv.writer(file).writerows(predictions.items())
parsl.dfk().cleanup()
