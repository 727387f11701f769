"""What recording Dask's tasks costs: the same graphs with and without, in turns.

    python benchmarks/dask_tasks.py [--tasks 5000] [--rounds 5] [--ways threads,distributed]

One process for each turn computes tasks of nothing: half of them take nothing, half the result of one of the
first. `threads` is Dask's own scheduler on threads, by `dask.compute`; `distributed` a `LocalCluster` of one
worker with two threads in the same process, by two calls of `Client.map`. The bare and the recorded turn
alternate, and which comes first is drawn anew; the ratio is that of the two in one round.

- *tasks/s*: from the first call until the last result, and the ratio of it.
- *CPU*: of the whole process for a task: client, scheduler and worker together.
- *loop*: of that, what is spent inside our plug-in, in the scheduler's event loop.
- *drain*: from the last result until the recorder has written everything.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


def nothing(x: int) -> int:
    """What each task does."""
    return x


def with_threads(count: int) -> float:
    """Seconds that Dask's scheduler on threads takes."""
    import dask
    from dask import delayed

    first = [delayed(nothing, pure=False)(place) for place in range(count // 2)]
    second = [delayed(nothing, pure=False)(one) for one in first]
    begin = time.perf_counter()
    dask.compute(second, scheduler="threads", num_workers=2, optimize_graph=False)
    return time.perf_counter() - begin


def distributed(count: int) -> float:
    """Seconds that a distributed scheduler takes."""
    from distributed import Client, LocalCluster

    quiet = {"dashboard_address": None, "silence_logs": 50}
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **quiet) as cluster,
        Client(cluster) as client,
    ):
        client.submit(nothing, -1).result()
        begin = time.perf_counter()
        first = client.map(nothing, range(count // 2))
        client.gather(client.map(nothing, first))
        return time.perf_counter() - begin


WAYS = {"threads": with_threads, "distributed": distributed}


def timed(owner: Any, name: str, spent: list[int]) -> None:
    """Have what a method takes added to `spent`, in nanoseconds."""
    method: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        begin = time.thread_time_ns()
        try:
            return method(*args, **kwargs)
        finally:
            spent[0] += time.thread_time_ns() - begin

    setattr(owner, name, wrapped)


def turn(way: str, count: int, store: str) -> dict[str, float]:
    """Compute `count` tasks once, recorded if there is a store."""
    __import__({"threads": "dask.threaded", "distributed": "distributed"}[way])
    spent = [0]
    drained = 0.0
    if store:
        import trilha

        if way == "distributed":
            from trilha.dask import Recorder

            timed(Recorder, "update_graph", spent)
            timed(Recorder, "transition", spent)
        trilha.autolog("tasks", store=store)
    cpu = time.process_time()
    seconds = WAYS[way](count)
    cpu = time.process_time() - cpu
    if store:
        begin = time.perf_counter()
        trilha.finish()
        drained = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in Path(store).rglob("*.journal")) if store else 0
    return {
        "rate": count / seconds,
        "cpu": cpu / count * 1e6,
        "loop": spent[0] / 1e3 / count,
        "drain": drained,
        "bytes": size / count,
    }


def measured(way: str, count: int, store: str) -> dict[str, float]:
    """One turn in a process of its own."""
    words = [sys.executable, str(HERE), "--turn", way, "--tasks", str(count), "--store", store]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def tell(way: str, count: int, rounds: int) -> None:
    """Measure one way and print what it costs."""
    pairs = []
    for _ in range(rounds):
        both: dict[bool, dict[str, float]] = {}
        for recorded in random.sample([False, True], 2):
            with tempfile.TemporaryDirectory() as folder:
                both[recorded] = measured(way, count, folder if recorded else "")
        pairs.append((both[False], both[True]))
    ratios = sorted(after["rate"] / before["rate"] for before, after in pairs)
    more = [after["cpu"] - before["cpu"] for before, after in pairs]

    def median(which: int, name: str) -> float:
        return statistics.median(pair[which][name] for pair in pairs)

    print(f"{way}, {count} tasks, {rounds} rounds")
    print(f"  bare      {median(0, 'rate'):8.0f} tasks/s  {median(0, 'cpu'):6.0f} µs CPU a task")
    print(f"  recorded  {median(1, 'rate'):8.0f} tasks/s  {median(1, 'cpu'):6.0f} µs CPU a task")
    print(f"  keeps {statistics.median(ratios):.0%} of the rate ({ratios[0]:.0%} to {ratios[-1]:.0%}),")
    print(f"  adds {statistics.median(more):.0f} µs of CPU a task, {median(1, 'loop'):.0f} µs in the loop,")
    print(f"  writes {median(1, 'bytes'):.0f} bytes a task, drains in {median(1, 'drain'):.2f} s")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default="threads,distributed")
    parser.add_argument("--turn", default="", help=argparse.SUPPRESS)
    parser.add_argument("--store", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turn:
        print(json.dumps(turn(asked.turn, asked.tasks, asked.store)))
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for way in asked.ways.split(","):
        tell(way, asked.tasks, asked.rounds)


if __name__ == "__main__":
    main()
