"""What recording Ray's tasks costs: the same calls with and without, in turns.

    python benchmarks/ray_tasks.py [--tasks 4000] [--rounds 5]

One process for each turn starts a Ray of two workers and calls functions that do nothing: half of them take
a number, half the result of one of the first. The bare and the recorded turn alternate, and which comes first
is drawn anew; the ratio is that of the two in one round.

- *tasks/s*: from the first call until the last result, and the ratio of it.
- *calls*: CPU of the process that calls, for a task.
- *bytes*: of all journals, for a task.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()


def nothing(x: int) -> int:
    """What each task does."""
    return x


def turn(count: int) -> None:
    """Time `count` calls in this process, and print what they took."""
    import ray

    quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
    ray.init(address="local", num_cpus=2, **quiet)
    call = ray.remote(nothing)
    ray.get([call.remote(-1) for _ in range(200)])
    begin, spent = time.perf_counter(), time.process_time()
    first = [call.remote(place) for place in range(count // 2)]
    ray.get([call.remote(one) for one in first])
    print(json.dumps([time.perf_counter() - begin, time.process_time() - spent]))


def measured(count: int, *, recorded: bool) -> tuple[float, float, float]:
    """Tasks a second, microseconds of CPU a task, bytes of journal a task."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = ["-m", "trilha.capture.launch", f"--store={folder}/store", "--grain=file", "--"]
        words = [sys.executable, *(launcher if recorded else []), str(HERE), "--turn", str(count)]
        environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        took, spent = json.loads(done.stdout.splitlines()[-1])
        size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*.journal"))
    return count / took, spent / count * 1e6, size / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=int)
    asked = parser.parse_args()
    if asked.turn:
        turn(asked.turn)
        return
    rounds = []
    for _ in range(asked.rounds):
        order = random.sample([False, True], 2)
        found = {recorded: measured(asked.tasks, recorded=recorded) for recorded in order}
        rounds.append((found[False], found[True]))
    bare, with_us = (list(zip(*side, strict=True)) for side in zip(*rounds, strict=True))
    ratios = [mine / plain for plain, mine in zip(bare[0], with_us[0], strict=True)]
    for name, (rates, spent, _) in (("bare", bare), ("recorded", with_us)):
        rate, cpu = statistics.median(rates), statistics.median(spent)
        print(f"{name:9} {rate:8.0f} tasks/s  {cpu:6.0f} us of CPU a call")
    print(f"ratio     {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"journal   {statistics.median(with_us[2]):.0f} bytes a task")


if __name__ == "__main__":
    main()
