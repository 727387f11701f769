"""What recording calls that are handed to executors costs: the same calls with and without, in turns.

    python benchmarks/executors.py [--tasks 20000] [--rounds 5] [--ways threads,processes]

One process for each turn hands tasks of nothing to an executor of two workers and waits for all of them. The
bare and the recorded turn alternate, and which comes first is drawn anew; a difference or ratio is that of
the two in one round, and what is shown is the median of the rounds, with the least and the most.

- *tasks/s*: from the first call until the last result, and the ratio of it.
- *CPU*: what the process that hands over spends more for a task, by all of its threads. With `threads` it
  executes the tasks, too.
- *inside Trilha*: what its own calls take in that process for a task, of all threads, and what the threads do
  that it has beside the program, in turns of their own (`handing.py`): CPU times of whole processes differ by
  more.
- *memory*: how much more of it the process has had for a task, its futures kept and the pages of its journal
  counted.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from handing import Handing, show

HERE = Path(__file__).resolve()
EXECUTORS = {"threads": "ThreadPoolExecutor", "processes": "ProcessPoolExecutor"}


def nothing(x: int) -> int:
    """What each task does."""
    return x


def turn(way: str, count: int, store: str, *, inside: bool) -> dict[str, Any]:
    """Seconds, seconds of CPU time and bytes for one task; recorded, if there is a store.

    With `inside` what was counted inside Trilha, instead.
    """
    if store:
        import trilha

        trilha.autolog("executors", store=store)
    make = getattr(concurrent.futures, EXECUTORS[way])
    counted = Handing(way) if inside else None
    with make(2) as executor:
        for one in [executor.submit(nothing, place) for place in range(200)]:
            one.result()
        if counted:
            counted.reset()
        memory, spent, began = _peak(), time.process_time(), time.perf_counter()
        kept = [executor.submit(nothing, place) for place in range(count)]
        for one in kept:
            one.result()
        ended, used = time.perf_counter(), time.process_time()
        more = _peak() - memory
        if counted:
            return counted.taken(count)
    return {"wall": (ended - began) / count, "cpu": (used - spent) / count, "memory": more / count}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Run the turns, and show what they say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default="threads,processes")
    parser.add_argument("--turn", nargs=2, metavar=("WAY", "STORE"), help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.turn:
        print(json.dumps(turn(words.turn[0], words.tasks, words.turn[1], inside=words.inside)))
        return
    for way in words.ways.split(","):
        pairs = [_pair(way, words.tasks) for _ in range(words.rounds)]
        bare = statistics.median(1 / one["wall"] for one, _ in pairs)
        print(f"{way}, {words.tasks} tasks, {words.rounds} rounds; bare: {bare:,.0f} tasks/s")
        _show("tasks/s, recorded to bare", [one["wall"] / other["wall"] for one, other in pairs], "")
        _show("CPU more", [(other["cpu"] - one["cpu"]) * 1e6 for one, other in pairs], " µs a task")
        _show("memory more", [other["memory"] - one["memory"] for one, other in pairs], " bytes a task")
        show([_inside(way, words.tasks) for _ in range(words.rounds)], words.tasks, _spread)


def _pair(way: str, tasks: int) -> tuple[dict[str, float], dict[str, float]]:
    """A bare turn and a recorded one."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for store in random.sample(["", folder], 2):
            found[store] = _turn(way, tasks, store)
        return found[""], found[folder]


def _inside(way: str, tasks: int) -> dict[str, Any]:
    """What one turn counts inside Trilha."""
    with tempfile.TemporaryDirectory() as folder:
        return _turn(way, tasks, folder, "--inside")


def _turn(way: str, tasks: int, *more: str) -> dict[str, Any]:
    words = [sys.executable, str(HERE), "--tasks", str(tasks), "--turn", way, *more]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _spread(values: list[float], form: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _show(name: str, values: list[float], unit: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"  {name}: {middle:.2f}{unit} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
