"""Predicts how many days machines will last: tasks in processes and in threads, and a model of PyTorch.

It knows nothing of Trilha. Traced down to the variable, it is asked where one prediction came from.
"""

import csv
from concurrent.futures import ProcessPoolExecutor

import parsl
import torch
from parsl import python_app


def clean(readings):
    """What one machine's sensors measured, in degrees Celsius."""
    return [(float(fahrenheit) - 32) / 1.8 for fahrenheit in readings]


@python_app
def feature(readings):
    """How often it was warm, and how warm at most."""
    warm = [celsius for celsius in readings if celsius > 60]
    return len(warm) / len(readings), max(readings) / 100


def load(path):
    """What each machine's sensors said, as it is in the file."""
    machines = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            machines.setdefault(row["machine"], []).append(row["fahrenheit"])
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


if __name__ == "__main__":
    machines = load("examples/wear.csv")
    with ProcessPoolExecutor(max_workers=1) as pool:
        cleaned = {machine: pool.submit(clean, machines[machine]) for machine in machines}
    parsl.load(parsl.Config(executors=[parsl.ThreadPoolExecutor(max_threads=2)]))
    futures = {machine: feature(cleaned[machine].result()) for machine in machines}
    features = {machine: futures[machine].result() for machine in machines}
    torch.manual_seed(0)
    model = train(list(features.values()), [[0.4], [0.9], [0.7]])
    predictions = {}
    for machine in machines:
        with torch.no_grad():
            predictions[machine] = round(model(torch.tensor(features[machine])).item() * 100)
    with open("predictions.csv", "w", newline="") as file:
        csv.writer(file).writerows(predictions.items())
    parsl.dfk().cleanup()
