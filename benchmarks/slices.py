"""How long a question about a trace takes, and what its index costs.

    python benchmarks/slices.py [--evaluations 1000000 10000000]

For each number, a program that loops is recorded with ``--grain variable``; then its index is made, as the
first question does, and values are asked about: one that came from a few evaluations at the end of the trace,
one from the beginning, one whose slice is a fixed share of the trace; and what came of a value that
went into another one at the end, and of one that went into most. Times are CPU seconds of the process
that asks, its start (interpreter, imports, opening the store) included; memory is its peak.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """\
import sys
table = [1, 2, 3, 4, 5]
first = table[2] * 2
total = 0
for i in range(int(sys.argv[1])):
    k = i % 5
    x = table[k] + i
    if x > 3:
        total = total + x
    y = x * 2 - k
answer = first + table[3]
"""
EACH = 16
"""Evaluations of an iteration."""
QUESTIONS = (("answer",), ("first",), ("y",), ("first", "--forward"), ("total",), ("table", "--forward"))


def trilha(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Run a command; its CPU seconds, wall-clock seconds and peak memory in megabytes."""
    command = [sys.executable, "-c", "from trilha.cli import main; main()", *arguments]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read().decode()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(told)
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - begin, usage.ru_maxrss / 1024


def measure(evaluations: int, again: int) -> None:
    """Record, index and ask a program of so many evaluations."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "loop.py").write_text(PROGRAM)
        cpu, wall, memory = trilha(folder, "run", "--grain", "variable", "loop.py", str(evaluations // EACH))
        size = sum(one.stat().st_size for one in folder.glob(".trilha/journals/*/*"))
        print(f"{evaluations:>12,} evaluations   CPU s   wall s   MB at most")
        print(f"  {'recording':<24} {cpu:>7.2f} {wall:>8.2f} {memory:>8.0f}   {size / 1e6:.1f} MB of journal")
        cpu, wall, memory = trilha(folder, "slice", "answer")
        (index,) = folder.glob(".trilha/traces/*/*")
        each = index.stat().st_size / evaluations
        told = f"{cpu / evaluations * 1e6:.2f} µs and {each:.1f} bytes an evaluation"
        print(f"  {'first question, index':<24} {cpu:>7.2f} {wall:>8.2f} {memory:>8.0f}   {told}")
        for what in QUESTIONS:
            rounds = 1 if what[0] in ("total", "table") and evaluations > 2_000_000 else again
            cpu, wall, memory = sorted(trilha(folder, "slice", *what) for _ in range(rounds))[rounds // 2]
            print(f"  {' '.join(('slice', *what)):<24} {cpu:>7.2f} {wall:>8.2f} {memory:>8.0f}")


def main() -> None:
    """Measure each number of evaluations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--again", type=int, default=5, help="rounds of each question; the median is told")
    arguments = parser.parse_args()
    for evaluations in arguments.evaluations:
        measure(evaluations, arguments.again)


if __name__ == "__main__":
    main()
