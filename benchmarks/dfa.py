"""What a row costs a script of DLProv's that records into Trilha: `add_dataset` and `save`, once an epoch.

The client that posts to a server was measured at 923 µs a row, the server doing nothing (a lower bound).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

ROWS = 2000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRILHA_STORE"] = folder
        from dfa_lib_python.dataflow import Dataflow
        from dfa_lib_python.dataset import DataSet
        from dfa_lib_python.element import Element
        from dfa_lib_python.task import Task

        dataflow = Dataflow("bench", predefined=True)
        dataflow.save()
        task = Task(1, dataflow, "bench-1", "Train")
        begun = time.perf_counter()
        task.begin()
        print(f"begin of the run, with its first task: {(time.perf_counter() - begun) * 1e3:.1f} ms")
        took = []
        for epoch in range(ROWS):
            before = time.perf_counter()
            row = ["2026-01-01 00:00:00", 1.5, 0.5, 0.9, 0.6, 0.8, epoch]
            task.add_dataset(DataSet("oTrain", [Element(row)]))
            task.save()
            took.append(time.perf_counter() - before)
        task.end()
        print(f"a row of seven values: {statistics.median(took) * 1e6:.0f} µs (median of {ROWS:,})")
        from trilha.capture import session

        session.finish()


if __name__ == "__main__":
    main()
