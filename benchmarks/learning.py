"""What recording a training costs, with Trilha and with others, side by side.

    python benchmarks/learning.py [--rounds 15] [--models mlp,cnn] [--rates epoch,batch] [--others …]

One process for each way trains the same model; they take turns, epoch by epoch, in an order that is drawn
anew for each round, so that a busy machine disturbs all alike. There are two plain ones: the ratio of the
second to the first is the noise. `epoch` logs two metrics an epoch, `batch` one at every batch as well.

- *in-run*: the share of the loop's time that is spent inside calls of the recorder. Of Trilha it is counted
  around every entry from the program (see `overhead.py`), of the others around the program's own calls.
- *ratio*: CPU time of an epoch to that of the plain one in the same round; median and middle half.

Then, for each way: the median cost of one logged metric in a loop of its own; what the begin and the end of
a run add to a script that only imports PyTorch, the import of the recorder included; and, when the process
is killed (SIGKILL) while it logs, how many of the calls that had returned are there.

The others: `log_metrics` of MLflow into SQLite, PyTorch's writer of TensorBoard, Flowcept offline, yProv4ML;
in the Trainer of Transformers, MLflow and TensorBoard in the way that the Trainer has for them. MLflow's
autologging does nothing for a loop in plain PyTorch, nor for DeepXDE. yProv4ML cannot be imported on Python
3.11; run it with a later one. What is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import importlib.util
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
from typing import Any

from overhead import Inside, Times, command, nothing, turns, write_images
from trainings import TRAININGS

HERE = Path(__file__).resolve()
OTHERS = ("mlflow", "tensorboard", "flowcept", "yprov4ml")
Log = Callable[..., None]
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
    """Train, an epoch for each line that is read; leave what was counted in a file."""
    inside = Inside() if how in ("inside", "counting") else None
    import torch

    torch.manual_seed(7)
    torch.set_num_threads(1)
    log, end = begin({"inside": "trilha", "counting": "plain"}.get(how, how))
    if how == "counting":
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(inside.timed(nothing_after, "hook"))
    spent = [0, 0]
    if inside is not None:
        log = inside.timed(log, "log")
    elif how not in ("plain", "trilha"):
        log = timed(log, spent)
    run_epochs = TRAININGS[model](folder, how, rate, lambda function: timed(function, spent))

    def epochs() -> Iterator[int]:
        yield 0  # what PyTorch does only once
        spent[:] = [0, 0]
        if inside is not None:
            inside.reset()
        yield from turns()

    run_epochs(epochs(), log)
    found = inside.entries() if inside is not None else {"log": (spent[0], spent[1] / 1e9)}
    Path("spent.json").write_text(json.dumps(found))
    end()


def nothing_after(_optimizer: object, _args: object, _kwargs: object) -> None:
    """A hook of PyTorch's that does nothing: what counting it takes is the counting's own."""


def timed(log: Log, spent: list[int]) -> Log:
    """`log`, its calls and nanoseconds counted."""
    now = time.perf_counter_ns

    def log_timed(*given: Any, **metrics: Any) -> Any:
        begun = now()
        try:
            return log(*given, **metrics)
        finally:
            spent[1] += now() - begun
            spent[0] += 1

    return log_timed


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


def words(task: str, how: str, folder: Path, *arguments: str) -> list[str]:
    """The command of one process."""
    return command(how in ("trilha", "inside"), HERE, "--work", task, how, str(folder), *arguments)


class Trainee:
    """A process that trains an epoch when it is told to."""

    def __init__(self, how: str, folder: Path, model: str, rate: str) -> None:
        self.how = how
        self.place = Path(tempfile.mkdtemp(prefix=how, dir=folder))
        self._process = subprocess.Popen(
            words("train", how, folder, model, rate),
            cwd=self.place,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.times: list[Times] = []

    def answer(self) -> Times:
        """What the last epoch took, by the clock and of CPU time."""
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise SystemExit(f"learning.py: {self.how} ended early, with {self._process.wait()}")
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

    def end(self) -> float:
        """Let it end; gives the seconds that it was inside the recorder."""
        self._process.communicate()
        found = json.loads((self.place / "spent.json").read_text())
        return sum(seconds for _, seconds in found.values())


def report_training(model: str, rate: str, ways: list[str], rounds: int, folder: Path) -> None:
    """Measure one model with one rate of logging, all ways side by side."""
    names = ["plain", "plain", "trilha", "inside", "counting", *ways]
    trainees = [Trainee(how, folder, model, rate) for how in names]
    for trainee in trainees:
        trainee.answer()
    for _ in range(rounds):
        for trainee in random.sample(trainees, len(trainees)):
            trainee.epoch()
    spent = [trainee.end() for trainee in trainees]
    shares = {
        trainee.how: 100 * seconds / sum(clock for clock, _ in trainee.times)
        for trainee, seconds in zip(trainees, spent, strict=True)
    }
    plain = trainees[0].times
    length = statistics.median(clock for clock, _ in plain)
    print(f"\n{model}, metrics every {rate}: {rounds} rounds of epochs of {length * 1e3:.0f} ms", flush=True)
    for trainee in trainees[1:]:
        ratios = [one[1] / base[1] for one, base in zip(trainee.times, plain, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        if trainee.how in ("inside", "counting"):
            continue
        share = {"plain": "", "trilha": f"{shares['inside']:8.3f} %"}.get(
            trainee.how, f"{shares[trainee.how]:8.3f} %"
        )
        how = "plain again" if trainee.how == "plain" else trainee.how
        print(f"  {how:<12} ratio {middle:.3f} ({low:.3f} to {high:.3f})  in-run {share}", flush=True)
    print(f"  a hook that does nothing, counted alike: in-run {shares['counting']:8.3f} %", flush=True)


def run(task: str, how: str, folder: Path, *arguments: str) -> str:
    """Run one process to its end; gives the last line that it printed."""
    place = tempfile.mkdtemp(prefix=how, dir=folder)
    done = subprocess.run(
        words(task, how, folder, *arguments),
        cwd=place,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return (done.stdout.splitlines() or [""])[-1]


def report_costs(ways: list[str], folder: Path) -> None:
    """One logged metric."""
    print("\none logged metric, median")
    for how in ways:
        count = {"trilha": 200_000, "mlflow": 300}.get(how, 10_000)
        print(f"  {how:<12} {float(run('cost', how, folder, str(count))) / 1e3:10.3f} µs", flush=True)


def report_ends(ways: list[str], pairs: int, folder: Path) -> None:
    """The begin and the end of a run."""
    print(f"\nbegin and end of a run beyond the import of PyTorch: {pairs} pairs, median (middle half)")

    def begin_and_end(how: str) -> tuple[float, float]:
        clock = time.monotonic()
        run("ends", how, folder)
        begun = float((folder / "begun").read_text())
        return (begun - clock) * 1e3, (time.monotonic() - begun) * 1e3

    found: dict[str, list[tuple[float, float]]] = {how: [] for how in ways}
    for _ in range(pairs):
        plain = begin_and_end("plain")
        for how in ways:
            one = begin_and_end(how)
            found[how].append((one[0] - plain[0], one[1] - plain[1]))
    for how, times in found.items():
        told = [statistics.quantiles(each, n=4) for each in zip(*times, strict=True)]
        begin, end = (f"{middle:5.0f} ms ({low:.0f} to {high:.0f})" for low, middle, high in told)
        print(f"  {how:<12} begin {begin}, end {end}", flush=True)


def report_kills(ways: list[str], folder: Path) -> None:
    """What is there after SIGKILL."""
    print("\nafter SIGKILL: calls that had returned, and how many of them are there")
    for how in ways:
        place = Path(tempfile.mkdtemp(prefix=how, dir=folder))
        with subprocess.Popen(
            words("kill", how, folder),
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


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=15, help="of epochs, in each of which all ways train one"
    )
    parser.add_argument("--models", default=",".join(TRAININGS))
    parser.add_argument("--rates", default="epoch,batch")
    parser.add_argument("--others", default=",".join(OTHERS))
    parser.add_argument("--pairs", type=int, default=7, help="of runs in which nothing happens")
    parser.add_argument("--parts", default="costs,kills,training,ends")
    options = parser.parse_args()
    others = []
    for how in filter(None, options.others.split(",")):
        # The packages are called as the ways are.
        if importlib.util.find_spec(how) is None:
            print(f"{how} is not installed, and not compared")
        else:
            others.append(how)
    with tempfile.TemporaryDirectory(prefix="learning-") as name:
        folder = Path(name)
        write_images(folder / "images.csv")
        parts = options.parts.split(",")
        if "costs" in parts:
            report_costs(["trilha", *others], folder)
        if "kills" in parts:
            report_kills(["trilha", *others], folder)
        for model in options.models.split(",") if "training" in parts else ():
            for rate in options.rates.split(","):
                report_training(model, rate, others, options.rounds, folder)
        if "ends" in parts:
            report_ends(["trilha", *others], options.pairs, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        task_name, how_name, place_name, *rest_of_words = sys.argv[2:]
        work(task_name, how_name, Path(place_name), *rest_of_words)
    else:
        main()
