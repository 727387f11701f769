"""What recording costs: the same training with and without Trilha.

    python benchmarks/overhead.py [--pairs 40] [--processes 3] [--models mlp,cnn] [--rates epoch,batch]

Two processes train the same model, one plainly (it does not import Trilha), one under `trilha run`. They
take turns, epoch by epoch: a pair is an epoch of the one and an epoch of the other right after or before
it, so that a busy machine disturbs both alike. Each pair gives a ratio of times by the clock, and of CPU
times of all the process's threads. Other processes are started for the next pairs, since two processes of
one program differ by a few percent (where its memory lies); how much is seen where both are plain, which
is measured first.

That noise may be larger than what is looked for, so there is one more number: the share of its time
that the loop is inside Trilha, counted around each entry from the user's program, in C (`inside.c`). What the
beginning and end of a run cost: `startup.py`.

`epoch` logs two metrics an epoch, `batch` a metric every batch as well. Everything else (files, packages,
steps, PyTorch) is recorded in both. Targets: 1.01 for `epoch`, 1.02 for `batch`; 1.04 is the published
figure to beat, for capture once an epoch.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
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
    model: Any, loader: Any, epochs: Iterable[int], each_epoch: Callable[..., None], each_batch: Any
) -> None:
    """An ordinary training loop; `each_batch` may be None."""
    import torch
    from torch import nn

    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in epochs:
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


def turns() -> Iterator[int]:
    """The numbers of the epochs: each waits for a line, and tells what the one before took."""
    epoch, began = 0, (0.0, 0.0)
    while True:
        now = (time.perf_counter(), time.process_time())
        print(*(f"{after - before:.9f}" for before, after in zip(began, now, strict=True)), flush=True)
        if not sys.stdin.readline():
            return
        epoch += 1
        began = (time.perf_counter(), time.process_time())
        yield epoch


def nothing(**metrics: float) -> None:
    """What a program without Trilha calls in the place of `trilha.log`."""


def work(model: str, rate: str, how: str, threads: int, folder: Path) -> None:
    """One of the two processes; with `inside`, a third kind that counts."""
    inside = Inside(ENTRIES, MAKERS) if how == "inside" else None

    import torch

    if inside:
        inside.count_alone()
    torch.manual_seed(7)
    torch.set_num_threads(threads)
    net, loader = {"mlp": mlp_parts, "cnn": cnn_parts}[model](folder)
    log: Callable[..., None] = nothing
    if how != "plain":
        import trilha

        log = inside.timed(trilha.log, "trilha.log") if inside else trilha.log
    train(net, loader, range(1), nothing, None)  # what PyTorch does only once
    if inside:
        inside.taken()
    train(net, loader, turns(), log, log if rate == "batch" else None)
    torch.save(net.state_dict(), folder / "model.pt")
    if inside:
        (folder / "entries.json").write_text(json.dumps(inside.taken()))


ENTRIES = (
    *(f"trilha.capture.files:Files.{name}" for name in ("opened", "moved", "copied", "linked")),
    "trilha.capture.integrations.torch.schedules:Schedules.loss_made",
    "trilha.capture.integrations.torch.models:Models.parameter_registered",
    # This one first, before it is imported by name.
    "trilha.capture.learning.fit:guarded",
    "trilha.capture.integrations.deepxde.training:Training.is_due",
    "trilha.capture.integrations.torch:_Listening.guard",
    *(f"builtins:__trilha__.{name}" for name in ("begin", "leave")),
)
"""Where the user's thread comes into Trilha without having called it."""

MAKERS = (
    "trilha.capture.integrations.torch:_step_hook",
    "trilha.capture.integrations.torch:_module_hook",
    "trilha.capture.integrations.torch.training:over_of",
)
"""What gives the functions that PyTorch calls itself."""
ALONE = "(the counting alone)"
"""What the counting itself took is under this name. It is no entry, and in no sum."""


def resolve(entry: str) -> tuple[Any, str]:
    """The module or class that holds the entry `module:name` or `module:Class.name`, and its last name."""
    module, _, path = entry.partition(":")
    owner = importlib.import_module(module)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one, owner)
    return owner, name


def counter() -> Any:
    """The library that counts, in C (`inside.c`); made where this version of Python has none yet.

    Raises:
        SystemExit: there is no compiler.
    """
    source = HERE.parent / "inside.c"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    mark = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    made = Path(tempfile.gettempdir()) / f"trilha-benchmarks-{os.getuid()}" / mark / f"inside{suffix}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        one = made.with_name(f"{os.getpid()}-{made.name}")
        compiler = os.environ.get("CC", "cc")
        include = f"-I{sysconfig.get_path('include')}"
        try:
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", include, source, "-o", one], check=True)
        except FileNotFoundError:
            raise SystemExit(f"overhead.py: there is no C compiler {compiler}; set CC to one") from None
        one.replace(made)
    spec = importlib.util.spec_from_file_location("inside", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Inside:
    """Counts how often, and for how long, the program's thread is inside a recorder.

    Of Trilha every entry from the program is wrapped: what the program calls itself, the audit hook,
    PyTorch's hooks, the script's functions. Of entries within entries only the outermost counts. It is
    counted in C, since a counter in Python takes longer than the shortest entries.

    What the counting takes is in the numbers. How much that is, is counted too, under the name `ALONE`: where
    a step of an optimiser begins, nothing is called, and counted as everything else is.

    Args:
        entries: of Trilha, to be wrapped where they are; none for another recorder.
        makers: of Trilha, what they give is wrapped.
    """

    def __init__(self, entries: tuple[str, ...] = (), makers: tuple[str, ...] = ()) -> None:
        self._counter = counter()
        self._found: dict[str, list[Any]] = {}
        for entry in entries:
            owner, name = resolve(entry)
            if hasattr(owner, name):
                setattr(owner, name, self.timed(getattr(owner, name), name.strip("_")))
            else:
                print(f"overhead.py: {entry} is gone and not counted", file=sys.stderr)
        for maker in makers:
            owner, name = resolve(maker)
            setattr(owner, name, self._making(getattr(owner, name), name.strip("_")))

    def _making(self, make: Callable[..., Any], name: str) -> Callable[..., Any]:
        return lambda *args: self.timed(make(*args), name)

    def timed(self, function: Callable[..., Any] | None, name: str) -> Any:
        """`function`, its calls and time counted under `name`; None takes no time."""
        one = self._counter.Timed(function)
        self._found.setdefault(name, []).append(one)
        return one

    def count_alone(self) -> None:
        """Have the counting counted from here on; PyTorch is there."""
        optimizers = importlib.import_module("torch.optim.optimizer")
        optimizers.register_optimizer_step_pre_hook(self.timed(None, ALONE))

    def taken(self) -> dict[str, tuple[int, float]]:
        """Calls and seconds of each entry since the last question."""
        found = {}
        for name, counted in self._found.items():
            times = [time for one in counted for time in array("q", one.times())]
            for one in counted:
                one.reset()
            if times:
                found[name] = len(times), sum(times) / 1e9
        return found


# -------------------------------------------------------------------------------------------- measurement


class Trainee:
    """A process that trains an epoch when it is told to."""

    def __init__(self, how: str, arguments: list[str], folder: Path) -> None:
        words = command(how != "plain", HERE, "--work", *arguments[:2], how, *arguments[2:], str(folder))
        self._process = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def epoch(self) -> tuple[float, float]:
        """Train one epoch; gives its seconds by the clock and of CPU time."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> tuple[float, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"overhead.py: a training ended early, with status {self._process.wait()}")
        clock, cpu = map(float, line.split())
        return clock, cpu

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"overhead.py: a training ended with status {self._process.returncode}")


Times = tuple[float, float]


def command(recorded: bool, script: Path, *arguments: str) -> list[str]:
    """The command that runs a script, as a user would give it."""
    if not recorded:
        return [sys.executable, str(script), *arguments]
    return [sys.executable, "-c", "from trilha.cli import main; main()", "run", str(script), *arguments]


def pairs(count: int, plain: Callable[[], Times], recorded: Callable[[], Times]) -> list[tuple[Times, Times]]:
    """Results of both, measured one after the other, now one first and now the other."""
    found = []
    for number in range(count):
        if number % 2:
            second = recorded()
            found.append((plain(), second))
        else:
            found.append((plain(), recorded()))
    return found


def report(model: str, rate: str, how: str, options: argparse.Namespace, folder: Path) -> None:
    """Measure one model with one rate of logging, and print."""
    arguments = [model, rate, str(options.threads)]
    by_process = []
    for _ in range(options.processes):
        plain, other = Trainee("plain", arguments, folder), Trainee(how, arguments, folder)
        by_process.append(pairs(options.pairs, plain.epoch, other.epoch))
        plain.end()
        other.end()
    length = statistics.median(plain[0] for found in by_process for plain, _ in found)
    count = options.processes * options.pairs
    what = f"metrics every {rate}, target {TARGET[rate]}" if how == "recorded" else "both plain"
    print(f"\n{model}, {what}: {count} pairs of epochs of {length * 1e3:.0f} ms")
    for index, name in ((0, "ratio of clock times"), (1, "ratio of CPU times")):
        ratios = [[other[index] / plain[index] for plain, other in found] for found in by_process]
        low, middle, high = statistics.quantiles([ratio for found in ratios for ratio in found], n=4)
        medians = " ".join(f"{statistics.median(found):.3f}" for found in ratios)
        print(f"  {name:<21} {middle:.4f}, middle half {low:.3f} to {high:.3f}; by process {medians}")
    if how == "recorded":
        report_inside(arguments, options.pairs, folder)


def report_inside(arguments: list[str], count: int, folder: Path) -> None:
    """Print how much of its time a training is inside Trilha."""
    trainee = Trainee("inside", arguments, folder)
    length = sum(trainee.epoch()[0] for _ in range(count))
    trainee.end()
    entries: dict[str, tuple[int, float]] = json.loads((folder / "entries.json").read_text())
    total = sum(seconds for name, (_, seconds) in entries.items() if name != ALONE)
    print(f"  {'share inside Trilha':<21} {100 * total / length:.2f} %")
    for name in sorted(entries, key=lambda name: -entries[name][1])[:4]:
        calls, seconds = entries[name]
        each = 1e6 * seconds / calls
        print(f"    {name:<19} {100 * seconds / length:.2f} %, {calls:,} calls of {each:.1f} µs")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40, help="of epochs, for each pair of processes")
    parser.add_argument("--processes", type=int, default=3, help="pairs of processes")
    parser.add_argument("--models", default="mlp,cnn")
    parser.add_argument("--rates", default="epoch,batch")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; one is the least noisy")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        write_images(folder / "images.csv")
        for model in options.models.split(","):
            report(model, "epoch", "plain", options, folder)
            for rate in options.rates.split(","):
                report(model, rate, "recorded", options, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        model_name, rate_name, how_name, threads_text, place = sys.argv[2:]
        work(model_name, rate_name, how_name, int(threads_text), Path(place))
    else:
        main()
