"""What recording costs: the same training with and without Trilha.

    python benchmarks/overhead.py [--pairs 10] [--models mlp,cnn] [--rates epoch,batch] [--threads 1]

Each measurement is a fresh process. A pair is one training without Trilha (which is not imported) and one
under `trilha run`, in changing order; each pair gives a ratio of the times from the first epoch to the end of
the last, by the clock and in CPU time of all threads. Whole-run ratios drown in a shared machine's noise. So
there are two more numbers: how long the loop was inside calls of ours, counted around each entry from the
user's program into Trilha, and what the beginning and end of a run cost an empty script.

`epoch` logs two metrics an epoch, `batch` a metric every batch as well. Everything else (files, packages,
steps, PyTorch) is recorded in both. Targets: 1.01 for `epoch`, 1.02 for `batch`; 1.04 is the published figure
to beat, for capture once an epoch.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
DIGITS = HERE.parents[1] / "examples" / "digits.py"
TARGET = {"epoch": 1.01, "batch": 1.02}

# ------------------------------------------------------------------------------------------- the training


def mlp_parts(_folder: Path) -> tuple[Any, Any]:
    """A perceptron with two hidden layers, and random data to fit it to."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    features, labels = torch.randn(20_000, 64), torch.randint(0, 10, (20_000,))
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    return model, DataLoader(TensorDataset(features, labels), batch_size=128, shuffle=True)


def cnn_parts(folder: Path) -> tuple[Any, Any]:
    """The example's network, and images of its shape, read from a CSV file as the example reads them."""
    spec = importlib.util.spec_from_file_location("digits", DIGITS)
    assert spec is not None
    assert spec.loader is not None
    digits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(digits)
    images, labels = digits.load(folder / "images.csv")
    parts = digits.normalise(*digits.split(images, labels, seed=7))
    return digits.build_model(), digits.make_loaders(parts, batch_size=32)[0]


def write_images(path: Path) -> None:
    """Some 1,800 random images of the digits' shape."""
    rng = random.Random(7)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"p{i:02}" for i in range(64)), "label"])
        for number in range(1800):
            writer.writerow([*(rng.randint(0, 16) for _ in range(64)), number % 10])


def train(
    model: Any, loader: Any, epochs: int, out: Path, each_epoch: Callable[..., None], each_batch: Any
) -> None:
    """An ordinary training loop; `each_batch` may be None."""
    import torch
    from torch import nn

    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in range(1, epochs + 1):
        total, correct, count = 0.0, 0, 0
        for features, labels in loader:
            optimizer.zero_grad()
            outputs = model(features)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            value = loss.item()
            if each_batch is not None:
                each_batch(loss=value)
            total += value * len(labels)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
            count += len(labels)
        each_epoch(epoch=epoch, mean_loss=total / count, accuracy=correct / count)
    torch.save(model.state_dict(), out / "model.pt")


def work(model: str, rate: str, how: str, epochs: int, threads: int, folder: Path) -> None:
    """One measurement, in a process of its own; the numbers go to a file, as JSON."""
    inside = Inside() if how == "inside" else None

    import torch

    torch.manual_seed(7)
    torch.set_num_threads(threads)
    net, loader = {"mlp": mlp_parts, "cnn": cnn_parts}[model](folder)

    def nothing(**metrics: float) -> None:
        pass

    log: Callable[..., None] = nothing
    if how != "plain":
        import trilha

        log = inside.timed(trilha.log, "trilha.log") if inside else trilha.log
    each_batch = (log if how != "plain" else nothing) if rate == "batch" else None
    train(net, loader, 1, folder, nothing, None)  # what PyTorch does only once
    if inside:
        inside.reset()
    cpu, clock = time.process_time(), time.perf_counter()
    train(net, loader, epochs, folder, log, each_batch)
    result: dict[str, Any] = {"clock": time.perf_counter() - clock, "cpu": time.process_time() - cpu}
    if inside:
        result["entries"] = inside.entries()
    (folder / "result.json").write_text(json.dumps(result))


ENTRIES = (
    *(f"trilha.capture.files:Files.{name}" for name in ("opened", "renamed", "removed")),
    "trilha.capture.integrations.torch.models:Models.parameter_registered",
    "trilha.capture.integrations.torch.models:Models.module_registered",
    "trilha.capture.integrations.torch.training:Training.stepped",
    "trilha.capture.integrations.torch:_Listening.guard",
    *(f"builtins:__trilha_{name}__" for name in ("begin", "keep", "leave")),
)
"""Where the user's thread comes into Trilha without having called it."""


def resolve(entry: str) -> tuple[Any, str]:
    """The module or class that holds the entry `module:name` or `module:Class.name`, and its last name."""
    module, _, path = entry.partition(":")
    owner = importlib.import_module(module)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one, owner)
    return owner, name


class Inside:
    """Counts how often, and for how long, the user's thread is inside Trilha.

    Every entry from the user's program is wrapped: what the program calls itself, the audit hook, PyTorch's
    hooks, the script's functions. Of entries within entries only the outermost counts. What the wrapper
    itself costs is measured on an empty function and taken off.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.found: dict[str, list[int]] = {}  # by entry: calls, nanoseconds
        self._wrap_entries()
        self.own = self._own()

    def _wrap_entries(self) -> None:
        for entry in ENTRIES:
            owner, name = resolve(entry)
            if hasattr(owner, name):
                setattr(owner, name, self.timed(getattr(owner, name), name.strip("_")))
            else:
                print(f"overhead.py: {entry} is gone and not counted", file=sys.stderr)

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """`function`, its calls and time counted under `name`."""
        now = time.perf_counter_ns
        found = self.found.setdefault(name, [0, 0])

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.depth:
                return function(*args, **kwargs)
            self.depth = 1
            begin = now()
            try:
                return function(*args, **kwargs)
            finally:
                found[1] += now() - begin
                found[0] += 1
                self.depth = 0

        return timed

    def _own(self) -> float:
        """Nanoseconds that a call of an empty function seems to take."""
        empty = self.timed(lambda: None, "empty")
        seen = []
        for _ in range(20):
            self.reset()
            for _ in range(5_000):
                empty()
            seen.append(self.found["empty"][1] / 5_000)
        del self.found["empty"]
        return statistics.median(seen)

    def reset(self) -> None:
        """Count from here."""
        for found in self.found.values():
            found[:] = [0, 0]

    def entries(self) -> dict[str, tuple[int, float]]:
        """Calls and seconds of each entry, without what counting cost."""
        return {
            name: (calls, max(0.0, total - calls * self.own) / 1e9)
            for name, (calls, total) in self.found.items()
            if calls
        }


# -------------------------------------------------------------------------------------------- measurement


def measure(words: list[str], folder: Path) -> dict[str, Any]:
    """Run a command that writes its numbers to a file."""
    subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def command(recorded: bool, script: Path, *arguments: str) -> list[str]:
    """The command that runs a script, as a user would give it."""
    if not recorded:
        return [sys.executable, str(script), *arguments]
    return [sys.executable, "-c", "from trilha.cli import main; main()", "run", str(script), *arguments]


def pairs(count: int, plain: Callable[[], Any], recorded: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
    """Results of both, measured one after the other, now one first and now the other."""
    for number in range(count):
        if number % 2:
            second = recorded()
            yield plain(), second
        else:
            yield plain(), recorded()


def spread(values: list[float]) -> str:
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.4f} (middle half {low:.4f} to {high:.4f})"


def report(model: str, rate: str, options: argparse.Namespace, folder: Path) -> None:
    """Measure one model with one rate of logging, and print."""

    def one(how: str) -> dict[str, Any]:
        words = ["--work", model, rate, how, str(options.epochs[model]), str(options.threads), str(folder)]
        return measure(command(how != "plain", HERE, *words), folder)

    one("plain")  # the first process reads everything from the disk
    found = list(pairs(options.pairs, lambda: one("plain"), lambda: one("recorded")))
    inside = [one("inside") for _ in range(max(3, options.pairs // 3))]
    length = statistics.median(plain["clock"] for plain, _ in found)
    print(
        f"\n{model}, metrics every {rate}: {len(found)} pairs, loops of {length:.1f} s; target {TARGET[rate]}"
    )
    for name, what in (("clock", "ratio of clock times"), ("cpu", "ratio of CPU times")):
        print(f"  {what:<22} {spread([recorded[name] / plain[name] for plain, recorded in found])}")
    share = [100 * sum(time for _, time in run["entries"].values()) / run["clock"] for run in inside]
    low, middle, high = min(share), statistics.median(share), max(share)
    print(f"  {'share inside Trilha':<22} {middle:.3f} % ({low:.3f} to {high:.3f})")
    for name in sorted(inside[0]["entries"], key=lambda name: -inside[0]["entries"][name][1])[:4]:
        each = [run["entries"].get(name, (0, 0)) for run in inside]
        mean = statistics.median(1e6 * time / calls for calls, time in each if calls)
        print(f"    {name:<20} {each[0][0]:>6,} calls of {mean:.2f} µs")


def report_ends(count: int, folder: Path) -> None:
    """What the beginning and end of a run cost: an empty script, and the interpreter's own start."""
    script = folder / "empty.py"
    script.write_text("")

    def one(recorded: bool) -> tuple[float, float]:
        before, clock = os.times(), time.perf_counter()
        subprocess.run(command(recorded, script), check=True, cwd=folder)
        after = os.times()
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        return (time.perf_counter() - clock) * 1e3, cpu * 1e3

    found = list(pairs(count, lambda: one(False), lambda: one(True)))
    print(f"\nbeginning and end of a run, `trilha run` itself included: {count} pairs of an empty script")
    for index, what in ((0, "by the clock"), (1, "CPU time")):
        low, middle, high = statistics.quantiles([r[index] - p[index] for p, r in found], n=4)
        print(f"  {what:<22} {middle:.0f} ms (middle half {low:.0f} to {high:.0f})")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=10, help="at least 2")
    parser.add_argument("--models", default="mlp,cnn")
    parser.add_argument("--rates", default="epoch,batch")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; one is the least noisy")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of epochs")
    options = parser.parse_args()
    options.epochs = {"mlp": max(1, round(12 * options.scale)), "cnn": max(1, round(40 * options.scale))}
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        write_images(folder / "images.csv")
        for model in options.models.split(","):
            for rate in options.rates.split(","):
                report(model, rate, options, folder)
        report_ends(max(10, options.pairs), folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        model_name, rate_name, how_name, epochs_text, threads_text, place = sys.argv[2:]
        work(model_name, rate_name, how_name, int(epochs_text), int(threads_text), Path(place))
    else:
        main()
