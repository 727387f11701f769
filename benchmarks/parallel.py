"""What recording a parallel workflow costs: Parsl bare, with Trilha, and with Parsl's own monitoring.

    python benchmarks/parallel.py [--tasks 10000,40000] [--engines threads,processes] [--graphs flat,chain]
                                  [--rounds 5] [--ways bare,trilha,inside,monitoring] [--limit 120]

Each run is a process of its own that submits so many tasks: `threads` tasks of nothing to a thread pool,
`processes` tasks of 10 ms (``--work``) to two workers of the HighThroughputExecutor; `flat` tasks that know
nothing of each other, or a `chain` in which each takes the result of the one before. The ways take turns,
round by round, in an order that changes with the round, so that a busy machine disturbs all alike; a round
gives one ratio each of throughput against bare. Parsl's log is off in all of them, since it costs more than
any recording (``initialize_logging=False``).

Its monitoring keeps a database; a run that has not ended after ``--limit`` seconds is killed and told as
stalled. The monitoring of resources, which starts a process for each task, is off.

Printed for each way: tasks a second from the first submission to the last result, CPU time of the
submitting process for each task, how its resident memory grew for each task, how long it took from the last
result to the end of the process (the writing of what is left included), bytes kept for each task, and how
many tasks are missing from what was kept. `inside` is Trilha once more, with what its own calls take in the
submitting process counted for each task (`handing.py`): CPU times of two bare runs differ by more than that.

Targets: 0.87 of the bare throughput with threads at 40,000 tasks and 0.97 with processes, less than 10 µs
and 1 KB more than bare for each task, 1 s to end, none missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from handing import Handing, show

HERE = Path(__file__).resolve()
RECORDED = ("trilha", "inside")
TARGET = {"threads": 0.87, "processes": 0.97}


def nothing(before: Any = None) -> None:  # noqa: ARG001 -- what a chain hands on
    """A task of nothing."""


def sleeping(seconds: float, before: Any = None) -> None:  # noqa: ARG001 -- what a chain hands on
    """A task of some time that needs no processor."""
    import time as clock

    clock.sleep(seconds)


# ------------------------------------------------------------------------------------------- the workflow


def work(engine: str, graph: str, count: int, seconds: float, way: str) -> None:
    """One run; prints what it measured of itself."""
    import parsl
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor

    hub = None
    if way == "monitoring":
        from parsl.monitoring import MonitoringHub

        hub = MonitoringHub(resource_monitoring_enabled=False)
    executor: Any = ThreadPoolExecutor(max_threads=2)
    if engine == "processes":
        from parsl import providers

        local: Any = providers.LocalProvider
        provider = local(init_blocks=1, max_blocks=1)
        executor = HighThroughputExecutor(
            max_workers_per_node=2, cores_per_worker=0.01, address="127.0.0.1", provider=provider
        )
    config = Config([executor], monitoring=hub, initialize_logging=False, strategy="none", run_dir="runinfo")
    counted = Handing("threads", "parsl") if way == "inside" else None
    kernel = parsl.load(config)
    app: Any = parsl.python_app(sleeping if engine == "processes" else nothing, cache=False)
    if counted and engine == "threads":
        app.func = counted.own(app.func)  # a task's own work, and what Parsl wraps around it
    given = (seconds,) if engine == "processes" else ()
    for _ in range(4):
        app(*given).result()  # what happens only once
    if counted:
        counted.reset()
    memory, clock, cpu = resident(), time.perf_counter(), time.process_time()
    futures, before = [], None
    for _ in range(count):
        before = app(*given, before) if graph == "chain" and before is not None else app(*given)
        futures.append(before)
    for future in futures:
        future.result()
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    told: dict[str, Any] = {"clock": clock, "cpu": cpu, "memory": resident() - memory, "over": time.time()}
    if counted:
        told |= counted.taken(count)
    kernel.cleanup()
    print(json.dumps(told), flush=True)


def resident() -> int:
    """Bytes of this process that are in memory."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -------------------------------------------------------------------------------------------- measurement


def one(way: str, words: list[str], limit: float) -> dict[str, Any] | None:
    """What a run measured; None for one that stalled."""
    with tempfile.TemporaryDirectory(prefix="parallel-") as name:
        folder = Path(name)
        command = [sys.executable, str(HERE), "--work", *words, way]
        if way in RECORDED:
            launch = "from trilha.cli import main; main()"
            command = [sys.executable, "-c", launch, "run", "--store", str(folder / "store"), *command[1:]]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRILHA")}
        environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment.get("PATH", "")
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            ended = time.time()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            raise SystemExit(f"parallel.py: a run ended with status {process.returncode}")
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
        told["end"] = ended - told["over"]
        told["kept"], told["bytes"] = kept(way, folder)
        return told


def kept(way: str, folder: Path) -> tuple[int, int]:
    """How many tasks that ended are in what was kept, and its bytes."""
    if way == "monitoring":
        path = folder / "runinfo" / "monitoring.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            count = database.execute("select count(*) from task where task_time_returned is not null")
            return count.fetchone()[0], path.stat().st_size
    if way in RECORDED:
        return in_journals(folder / "store" / "journals")
    return 0, 0


def in_journals(folder: Path) -> tuple[int, int]:
    """Tasks that ended, and bytes, of all journals."""
    from trilha.capture.journal import read
    from trilha.prov import Kind, Record

    done: set[str] = set()
    size = 0
    for path in folder.glob("*/*.journal"):
        size += path.stat().st_size
        for _, event in read(str(path)).events():
            if isinstance(event, Record) and event.kind is Kind.ACTIVITY and event[3] is not None:
                done.update(str(event.id) for _, value in event.attributes if value == "exec_done")
    return len(done), size


def report(engine: str, graph: str, count: int, options: argparse.Namespace) -> None:
    """Measure one engine and graph in all ways, in turns, and print."""
    ways: list[str] = options.ways.split(",")
    found: dict[str, list[dict[str, Any] | None]] = {way: [] for way in ways}
    words = [engine, graph, str(count), str(options.work_seconds)]
    for turn in range(options.rounds):
        for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
            stalls = found[way].count(None)
            found[way].append(one(way, words, options.limit) if stalls < options.most_stalls else None)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{engine}, {graph}, {count:,} tasks, {options.rounds} rounds, load {load}")
    bare = found["bare"]
    for way in ways:
        runs = [one for one in found[way] if one]
        if not runs:
            print(f"  {way:<11} stalled: not one run ended within {options.limit:.0f} s")
            continue
        if way == "inside":
            show(runs, count, spread)
            continue
        both = [(mine, other) for mine, other in zip(found[way], bare, strict=True) if mine and other]
        ratios = [other["clock"] / mine["clock"] for mine, other in both]
        each = {
            "cpu": [1e6 * one["cpu"] / count for one in runs],
            "memory": [one["memory"] / count for one in runs],
        }
        print(
            f"  {way:<11} {spread([count / one['clock'] for one in runs], '.0f')} tasks/s,"
            f" ratio {spread(ratios, '.3f')},"
            f" CPU {spread(each['cpu'], '.1f')} µs, memory {spread(each['memory'], '.0f')} bytes,"
            f" end {spread([one['end'] for one in runs], '.2f')} s,"
            f" kept {statistics.median(one['bytes'] for one in runs) / count:.0f} bytes a task"
            + (f", missing {max(count + 4 - one['kept'] for one in runs):.0f}" if way != "bare" else "")
            + (f", stalled {found[way].count(None)} of {len(found[way])}" if None in found[way] else "")
        )
        if way != "bare":
            more = [1e6 * (mine["cpu"] - other["cpu"]) / count for mine, other in both]
            room = [(mine["memory"] - other["memory"]) / count for mine, other in both]
            print(
                f"  {'':<11} more than bare: CPU {spread(more, '.1f')} µs, memory {spread(room, '.0f')} bytes"
            )


def spread(values: list[float], form: str) -> str:
    """Median, and lowest and highest."""
    if not values:
        return "?"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", default="10000,40000", help="of nothing, on the thread pool")
    parser.add_argument("--slow-tasks", default="10000", help="of --work-seconds, on two worker processes")
    parser.add_argument("--work-seconds", type=float, default=0.01)
    parser.add_argument("--engines", default="threads,processes")
    parser.add_argument("--graphs", default="flat,chain")
    parser.add_argument("--ways", default="bare,trilha,inside,monitoring")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds, after which a run is stalled")
    parser.add_argument("--most-stalls", type=int, default=2, help="runs of one way that may stall")
    options = parser.parse_args()
    if "bare" not in options.ways.split(","):
        parser.error(f"--ways {options.ways}: expected bare among them, which the others are told against")
    for engine in options.engines.split(","):
        counts = options.tasks if engine == "threads" else options.slow_tasks
        for graph in options.graphs.split(","):
            for count in map(int, counts.split(",")):
                report(engine, graph, count, options)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _engine, _graph, _count, _seconds, _way = sys.argv[2:7]
        work(_engine, _graph, int(_count), float(_seconds), _way)
    else:
        main()
