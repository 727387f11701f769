"""What one event costs: a statement with two attributes and a metric value, appended to a real journal.

    python benchmarks/journal.py [--rounds 30]

Each figure is the cost of one call in nanoseconds: the median over rounds of a few thousand calls each, with
the first and third quartile. The ways to write an event that people use instead stand beside it, measured in
the same rounds in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trilha
from trilha.capture.context import process

_CALLS = 5000


def _ways(folder: Path) -> dict[str, Callable[[], None]]:
    recorder = process.recorder
    assert recorder is not None
    statement = recorder.statement
    entity, text = 12345, "training data"

    def one_statement() -> None:
        statement((5, None, 17, entity, 1_763_690_000_123_456_789, ("prov:role", text, "trilha:size", 12345)))

    log = trilha.log
    log(value=0.0)
    append = recorder.run.blocks["value",].append

    def one_value() -> None:
        append(0.125)

    def one_metric() -> None:
        log(loss=0.125)

    def three_metrics() -> None:
        log(loss=0.125, accuracy=0.5, epoch=3)

    descriptor = os.open(folder / "lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = (folder / "flushed").open("w")
    table = sqlite3.connect(folder / "table.sqlite", isolation_level=None)
    table.execute("PRAGMA journal_mode=WAL")
    table.execute("PRAGMA synchronous=NORMAL")
    table.execute("CREATE TABLE m(step INTEGER, value REAL)")

    def a_write() -> None:
        os.write(descriptor, json.dumps({"loss": 0.125, "time": time.time()}).encode())

    def a_flushed_line() -> None:
        lines.write(json.dumps({"loss": 0.125, "time": time.time()}) + "\n")
        lines.flush()

    def a_row() -> None:
        table.execute("INSERT INTO m VALUES (?, ?)", (1, 0.125))

    return {
        "nothing (a call)": lambda: None,
        "statement with two attributes": one_statement,
        "metric value into its block": one_value,
        "trilha.log(loss=…)": one_metric,
        "trilha.log(loss=…, accuracy=…, epoch=…)": three_metrics,
        "JSON and write()": a_write,
        "JSON line, flushed": a_flushed_line,
        "row in SQLite (WAL)": a_row,
    }


def _time(call: Callable[[], None], calls: int) -> float:
    repeat = range(calls)
    begin = time.perf_counter_ns()
    for _ in repeat:
        call()
    return (time.perf_counter_ns() - begin) / calls


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name, trilha.run("benchmark", store=name):
        ways = _ways(Path(name))
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, call in ways.items():
                found[way].append(_time(call, 200 if "SQLite" in way else _CALLS))
    print(f"{'ns a call, median of ' + str(rounds) + ' rounds':45} {'median':>8} {'quartiles':>17}")
    for way, times in found.items():
        first, middle, third = statistics.quantiles(times, n=4)
        print(f"{way:45} {middle:8.0f} {first:8.0f}-{third:.0f}")


if __name__ == "__main__":
    main()
