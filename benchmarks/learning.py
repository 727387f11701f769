"""What recording a training costs, with Trilha and with others, side by side.

    python benchmarks/learning.py [--rounds 12] [--models mlp,cnn,poisson,trainer] [--rates epoch,batch]
        [--others mlflow,tensorboard,…] [--python yprov4ml=PATH] [--parts training]

One process for each way trains the same model; they take turns, epoch by epoch, in an order that is drawn
anew for each round, so that a busy machine disturbs all alike. There are two plain ones: the ratio of the
second to the first is the noise. `epoch` logs two metrics an epoch, `batch` one at every batch as well.

- *share*: of an epoch's time, what is spent inside calls of the recorder. Of Trilha it is counted around
  every entry from the program (see `overhead.py`), of the others around the program's own calls.
- *ratio*: time of an epoch to that of the plain one in the same round, by the clock and of CPU.

Of both the median of the rounds is told, and the middle half. Under Trilha's line are the entries that the
share is made of, and what the counting takes for as many calls as the optimiser has made steps: it is in the
share. At the end stands one table of all.

Then, for each way: the median cost of one logged metric in a loop of its own; what the begin and the end of
a run add to a script that only imports PyTorch, the import of the recorder included; and, when the process
is killed (SIGKILL) while it logs, how many of the calls that had returned are there.

The others: `log_metrics` of MLflow into SQLite, PyTorch's writer of TensorBoard, Flowcept offline, yProv4ML;
in the Trainer of Transformers, MLflow and TensorBoard in the way that the Trainer has for them. MLflow's
autologging does nothing for a loop in plain PyTorch, nor for DeepXDE. DLProv's own client needs a server and
a database; a row costs it 923 µs where the server does nothing (`dfa.py`).

`--python WAY=PATH` has one way run by another interpreter, with a plain process of its own to compare with:
yProv4ML cannot be imported on Python 3.11, and some libraries do not bear each other. What is not installed
is left out, and said.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from overhead import ALONE, ENTRIES, MAKERS, Inside, Times, nothing, turns, write_images
from trainings import NEEDS, TRAININGS

HERE = Path(__file__).resolve()
OTHERS = ("mlflow", "tensorboard", "flowcept", "yprov4ml")
OURS = ("trilha", "inside")
Log = Callable[..., None]
Entries = dict[str, tuple[int, float]]
"""By entry: calls, seconds."""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "FLOWCEPT_USE_DEFAULT": "true",
    "MQ_ENABLED": "false",
    "DB_FLUSH_MODE": "offline",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

# --------------------------------------------------------------------------------------- the ways to record


def begin(how: str) -> tuple[Log, Callable[[], None]]:
    """Begin a run of one way: what logs a row of metrics, and what ends the run."""
    return {
        "plain": lambda: (nothing, nothing),
        "trilha": begin_trilha,
        "mlflow": begin_mlflow,
        "tensorboard": begin_tensorboard,
        "flowcept": begin_flowcept,
        "yprov4ml": begin_yprov4ml,
    }[how]()


def begin_trilha() -> tuple[Log, Callable[[], None]]:
    """`trilha run` has begun and will end the run."""
    import trilha

    return trilha.log, nothing


def begin_mlflow() -> tuple[Log, Callable[[], None]]:
    """MLflow as its pages say for one person: records in a SQLite file."""
    import logging

    logging.disable(logging.WARNING)
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.start_run()
    step = 0

    def log(**metrics: float) -> None:
        nonlocal step
        step += 1
        mlflow.log_metrics(metrics, step=step)

    return log, mlflow.end_run


def begin_tensorboard() -> tuple[Log, Callable[[], None]]:
    """PyTorch's writer of TensorBoard's event files."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter("board")
    step = 0

    def log(**metrics: float) -> None:
        nonlocal step
        step += 1
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def begin_flowcept() -> tuple[Log, Callable[[], None]]:
    """Flowcept without services: tasks are kept in memory and written at the end."""
    from flowcept import Flowcept, FlowceptTask

    flowcept = Flowcept(workflow_name="benchmark", start_persistence=False, save_workflow=False)
    flowcept.start()
    step = 0

    def log(**metrics: float) -> None:
        nonlocal step
        step += 1
        FlowceptTask(activity_id="row", used={"step": step}, generated=metrics).end()

    return log, flowcept.stop


def begin_yprov4ml() -> tuple[Log, Callable[[], None]]:
    """yProv4ML, which keeps metrics in memory and writes them at the end."""
    import yprov4ml

    yprov4ml.start_run(
        prov_user_namespace="https://example.org/", experiment_name="benchmark", provenance_save_dir="prov"
    )
    step = 0

    def log(**metrics: float) -> None:
        nonlocal step
        step += 1
        for name, value in metrics.items():
            yprov4ml.log_metric(name, value, context="training", step=step)

    return log, yprov4ml.end_run


# ------------------------------------------------------------------------------------------- the processes


def work(task: str, how: str, folder: Path, *arguments: str) -> None:
    """One process."""
    {"train": work_train, "cost": work_cost, "ends": work_ends, "kill": work_kill}[task](
        how, folder, *arguments
    )


def work_train(how: str, folder: Path, model: str, rate: str) -> None:
    """Train, an epoch for each line that is read; leave what was counted in each in a file."""
    inside = Inside(ENTRIES, MAKERS) if how == "inside" else Inside()
    import torch

    if how == "inside":
        inside.count_alone()
    torch.manual_seed(7)
    torch.set_num_threads(1)
    log, end = begin("trilha" if how == "inside" else how)

    def counted(function: Log) -> Log:
        return function if how in ("plain", "trilha") else inside.timed(function, "log")

    run_epochs = TRAININGS[model](folder, how, rate, counted)
    found: list[Entries] = []

    def epochs() -> Iterator[int]:
        yield 0  # what PyTorch does only once
        inside.taken()
        for number in turns():
            yield number
            found.append(inside.taken())

    run_epochs(epochs(), counted(log))
    Path("spent.json").write_text(json.dumps(found))
    end()


def work_cost(how: str, _folder: Path, count: str) -> None:
    """Print the median nanoseconds of logging one metric, of groups of calls."""
    log, end = begin(how)
    log(loss=0.0)
    group = max(1, int(count) // 100)
    seen = []
    for _ in range(100):
        begun = time.perf_counter_ns()
        for _ in range(group):
            log(loss=0.5)
        seen.append((time.perf_counter_ns() - begun) / group)
    end()
    print(statistics.median(seen))


def work_ends(how: str, folder: Path) -> None:
    """A run in which nothing happens but the import of PyTorch."""
    import torch

    assert torch.__version__
    _, end = begin(how)
    (folder / "begun").write_text(str(time.monotonic()))
    end()


def work_kill(how: str, _folder: Path) -> None:
    """Log until killed; each call that has returned is told on standard output."""
    log, _ = begin(how)
    number = 0
    while True:
        number += 1
        log(loss=float(number))
        os.write(1, b"%d\n" % number)


def found_after_kill(how: str, folder: Path) -> int:
    """How many rows that a killed process logged are there."""
    if how == "trilha":
        from trilha.capture.journal import Rows, read

        journals = folder.glob("**/*.journal")
        events = [event for path in journals for _, event in read(path).events() if isinstance(event, Rows)]
        return sum(len(event.data) // 16 for event in events)
    if how == "mlflow":
        import sqlite3

        with sqlite3.connect(folder / "mlflow.db") as connection:
            return int(connection.execute("select count(*) from metrics").fetchone()[0])
    if how == "tensorboard":
        from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

        files = [path for path in (folder / "board").glob("*") if path.is_file()]
        # The first record of each file is its version.
        return sum(max(0, len(list(RawEventFileLoader(str(path)).Load())) - 1) for path in files)
    buffer = folder / "flowcept_buffer.jsonl"
    return buffer.read_text().count('"row"') if buffer.exists() else 0


# -------------------------------------------------------------------------------------------- measurement


def words(task: str, how: str, folder: Path, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command of one process."""
    work = [str(HERE), "--work", task, how, str(folder), *arguments]
    if how in ("trilha", "inside"):
        return [python, "-c", "from trilha.cli import main; main()", "run", *work]
    return [python, *work]


class Trainee:
    """A process that trains an epoch when it is told to.

    Attributes:
        how: the way that it records.
        python: its interpreter.
        times: of its epochs, by the clock and of CPU.
    """

    def __init__(self, how: str, folder: Path, model: str, rate: str, python: str) -> None:
        self.how = how
        self.python = python
        self._place = Path(tempfile.mkdtemp(prefix=how, dir=folder))
        self._process = subprocess.Popen(
            words("train", how, folder, model, rate, python=python),
            cwd=self._place,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._place / "errors").open("w"),
            text=True,
        )
        self.times: list[Times] = []

    def answer(self) -> Times:
        """What the last epoch took, by the clock and of CPU time.

        Raises:
            SystemExit: the process has ended.
        """
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                said = (self._place / "errors").read_text()[-2000:]
                raise SystemExit(f"learning.py: {self.how} ended early, with {self._process.wait()}:\n{said}")
            try:
                clock, cpu = map(float, line.split())
            except ValueError:
                continue
            return clock, cpu

    def epoch(self) -> None:
        """Train one epoch."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self.times.append(self.answer())

    def end(self) -> list[Entries]:
        """Let it end; gives what was counted in each epoch."""
        self._process.communicate()
        return [
            {name: (calls, seconds) for name, (calls, seconds) in one.items()}
            for one in json.loads((self._place / "spent.json").read_text())
        ][: len(self.times)]


class Row(NamedTuple):
    """What was found of one way, in one training.

    Attributes:
        how: the way.
        clock: ratios by the clock, of each round.
        cpu: ratios of CPU time.
        share: of the time that was inside the recorder, in percent; empty where it was not counted.
    """

    how: str
    clock: list[float]
    cpu: list[float]
    share: list[float]


def middle(values: list[float], form: str) -> str:
    """Median and middle half."""
    low, median, high = (format(one, form) for one in statistics.quantiles(values, n=4))
    return f"{median} ({low} to {high})"


def training(model: str, rate: str, ways: dict[str, str], rounds: int, folder: Path) -> list[Row]:
    """Measure one model with one rate of logging, all ways side by side, and print."""
    trainees = [Trainee(how, folder, model, rate, sys.executable) for how in ("plain", "plain", *OURS)]
    trainees += [Trainee("plain", folder, model, rate, one) for one in {*ways.values()} - {sys.executable}]
    trainees += [Trainee(how, folder, model, rate, python) for how, python in ways.items()]
    for trainee in trainees:
        trainee.answer()
    for _ in range(rounds):
        for trainee in random.sample(trainees, len(trainees)):
            trainee.epoch()
    spent = [trainee.end() for trainee in trainees]
    bases = {one.python: one.times for one in reversed(trainees) if one.how == "plain"}
    length = statistics.median(clock for clock, _ in bases[sys.executable])
    print(f"\n{model}, metrics every {rate}: {rounds} rounds of epochs of {length * 1e3:.0f} ms", flush=True)
    rows = {}
    for trainee, counted in zip(trainees, spent, strict=True):
        base = bases[trainee.python]
        if trainee.times is base:
            continue
        pairs = list(zip(trainee.times, base, strict=True))
        epochs = zip(counted, trainee.times, strict=True)
        share = [100 * time_in(one) / clock for one, (clock, _) in epochs]
        if trainee.how == "inside":
            rows["trilha"] = rows["trilha"]._replace(share=share)
            entries = counted, [clock for clock, _ in trainee.times]
            continue
        how = "plain, again" if trainee.how == "plain" else trainee.how
        counts = trainee.how not in ("plain", "trilha")
        ratios = [[one[index] / plain[index] for one, plain in pairs] for index in (0, 1)]
        rows[how] = Row(how, *ratios, share if counts else [])
    for row in rows.values():
        told = f"share {middle(row.share, '.3f')} %" if row.share else ""
        print(f"  {row.how:<13} clock {middle(row.clock, '.3f')}, CPU {middle(row.cpu, '.3f')} {told}")
        if row.how == "trilha":
            report_entries(*entries)
    sys.stdout.flush()
    return list(rows.values())


def time_in(entries: Entries) -> float:
    """Seconds inside the recorder; what the counting of each call takes is in it."""
    return sum(took for name, (_, took) in entries.items() if name != ALONE)


def report_entries(counted: list[Entries], clocks: list[float]) -> None:
    """Print what the time inside Trilha was made of: medians of the epochs."""
    found = []
    for name in {name for one in counted for name in one}:
        calls = [one.get(name, (0, 0.0))[0] for one in counted]
        each = [one[name][1] / one[name][0] for one in counted if name in one]
        shares = [one.get(name, (0, 0.0))[1] / clock for one, clock in zip(counted, clocks, strict=True)]
        found.append((statistics.median(shares), statistics.mean(calls), statistics.median(each), name))
    for share, count, took, name in sorted(found, reverse=True):
        print(f"    {name:<28} {100 * share:.3f} %: {count:5.1f} calls of {took * 1e6:.2f} µs")


def report_table(found: dict[tuple[str, str], list[Row]]) -> None:
    """Print one table of all trainings."""
    ways = list(dict.fromkeys(row.how for rows in found.values() for row in rows))
    print("\n| training, metrics every | what | " + " | ".join(ways) + " |")
    print("|---|---|" + "---|" * len(ways))
    for (model, rate), rows in found.items():
        known = {row.how: row for row in rows}
        for what in ("clock", "share"):
            cells = []
            for how in ways:
                values = getattr(known[how], what) if how in known else []
                cells.append(middle(values, ".3f" if what == "clock" else ".2f") if values else "")
            name = "ratio" if what == "clock" else "share, %"
            print(f"| {model}, {rate} | {name} | " + " | ".join(cells) + " |")


def run(task: str, how: str, python: str, folder: Path, *arguments: str) -> str:
    """Run one process to its end; gives the last line that it printed."""
    place = tempfile.mkdtemp(prefix=how, dir=folder)
    done = subprocess.run(
        words(task, how, folder, *arguments, python=python),
        cwd=place,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return (done.stdout.splitlines() or [""])[-1]


def report_costs(ways: dict[str, str], folder: Path) -> None:
    """One logged metric."""
    print("\none logged metric, median")
    for how, python in ways.items():
        count = {"trilha": 200_000, "mlflow": 300}.get(how, 10_000)
        found = float(run("cost", how, python, folder, str(count)))
        print(f"  {how:<12} {found / 1e3:10.3f} µs", flush=True)


def report_ends(ways: dict[str, str], pairs: int, folder: Path) -> None:
    """The begin and the end of a run."""
    print(f"\nbegin and end of a run beyond the import of PyTorch: {pairs} pairs, median (middle half)")

    def begin_and_end(how: str, python: str) -> tuple[float, float]:
        clock = time.monotonic()
        run("ends", how, python, folder)
        begun = float((folder / "begun").read_text())
        return (begun - clock) * 1e3, (time.monotonic() - begun) * 1e3

    found: dict[str, list[tuple[float, float]]] = {how: [] for how in ways}
    for _ in range(pairs):
        plain = {python: begin_and_end("plain", python) for python in {*ways.values()}}
        for how, python in ways.items():
            one, base = begin_and_end(how, python), plain[python]
            found[how].append((one[0] - base[0], one[1] - base[1]))
    for how, times in found.items():
        told = [statistics.quantiles(each, n=4) for each in zip(*times, strict=True)]
        begin, end = (f"{median:5.0f} ms ({low:.0f} to {high:.0f})" for low, median, high in told)
        print(f"  {how:<12} begin {begin}, end {end}", flush=True)


def report_kills(ways: dict[str, str], folder: Path) -> None:
    """What is there after SIGKILL."""
    print("\nafter SIGKILL: calls that had returned, and how many of them are there")
    for how, python in ways.items():
        place = Path(tempfile.mkdtemp(prefix=how, dir=folder))
        with subprocess.Popen(
            words("kill", how, folder, python=python),
            cwd=place,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            while not line.strip().isdigit():
                line = process.stdout.readline()
            begun = time.monotonic()
            last = int(line)
            while time.monotonic() - begun < 1:
                last = int(process.stdout.readline())
            os.killpg(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split(b"\n")[:-1]
            last = int(rest[-1]) if rest else last
        print(
            f"  {how:<12} {last:>9,} returned, {min(last, found_after_kill(how, place)):>9,} there",
            flush=True,
        )


def has(python: str, library: str) -> bool:
    """Whether an interpreter finds a library."""
    asked = f"import importlib.util; raise SystemExit(importlib.util.find_spec({library!r}) is None)"
    return not subprocess.run([python, "-c", asked], check=False).returncode


def installed(others: str, pythons: list[str]) -> dict[str, str]:
    """The other ways that are installed, each with the interpreter to use."""
    chosen = dict(one.partition("=")[::2] for one in pythons)
    found = {}
    for how in filter(None, others.split(",")):
        python = chosen.get(how, sys.executable)
        # The packages are called as the ways are.
        if has(python, how):
            found[how] = python
        else:
            print(f"{how} is not installed, and not compared")
    return found


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=12, help="of epochs, in each of which all ways train one"
    )
    parser.add_argument("--models", default=",".join(TRAININGS))
    parser.add_argument("--rates", default="epoch,batch")
    parser.add_argument("--others", default=",".join(OTHERS))
    parser.add_argument("--python", action="append", default=[], metavar="WAY=PATH")
    parser.add_argument("--pairs", type=int, default=7, help="of runs in which nothing happens")
    parser.add_argument("--parts", default="costs,kills,training,ends")
    options = parser.parse_args()
    others = installed(options.others, options.python)
    ways = {"trilha": sys.executable, **others}
    with tempfile.TemporaryDirectory(prefix="learning-") as name:
        folder = Path(name)
        write_images(folder / "images.csv")
        parts = options.parts.split(",")
        if "costs" in parts:
            report_costs(ways, folder)
        if "kills" in parts:
            report_kills(ways, folder)
        if "training" in parts:
            found = {}
            for model in options.models.split(","):
                needed = NEEDS.get(model, "torch")
                able = {how: python for how, python in others.items() if has(python, needed)}
                for rate in options.rates.split(","):
                    found[model, rate] = training(model, rate, able, options.rounds, folder)
            report_table(found)
        if "ends" in parts:
            report_ends(ways, options.pairs, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        task_name, how_name, place_name, *rest_of_words = sys.argv[2:]
        work(task_name, how_name, Path(place_name), *rest_of_words)
    else:
        main()
