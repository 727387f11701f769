"""What the begin and the end of a run cost, beyond what the script's own imports take.

    python benchmarks/startup.py [--pairs 20] [--libraries none,torch]

A script that imports one library (or ``none``) and says when it has done so is run plainly and recorded, in
turns: by `trilha run`, and by `trilha.autolog()` in its second line. The begin is all until that moment, the
command itself included; the end is the rest. Each pair gives two differences by the clock and two of CPU time
(of all processes and threads). The marks are 150 ms each.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAY = "import os, time\nos.write(1, b'%f %f' % (time.monotonic(), time.process_time()))\n"
WAYS = ("trilha run", "trilha.autolog()")
PHASES = ("begin", "begin, CPU", "end", "end, CPU")
COMMAND = [sys.executable, "-c", "from trilha.cli import main; main()", "run"]


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--libraries", default="none,torch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        for library in options.libraries.split(","):
            for way in WAYS:
                report(library, way, options.pairs, Path(name))


def report(library: str, way: str, count: int, folder: Path) -> None:
    """Print the differences of one library and way."""
    first = "" if library == "none" else f"import {library}\n"
    plain, recorded = folder / "plain.py", folder / "recorded.py"
    plain.write_text(first + SAY)
    recorded.write_text(first + ("" if way == "trilha run" else "import trilha\ntrilha.autolog()\n") + SAY)
    command = [*COMMAND, str(recorded)] if way == "trilha run" else [sys.executable, str(recorded)]
    found = []
    for number in range(count + 1):
        without, with_ = timed([sys.executable, str(plain)], folder), timed(command, folder)
        if number:  # the first is for the caches
            found.append([after - before for before, after in zip(without, with_, strict=True)])
    print(f"\n{way}, {'no library' if library == '-' else library}: {count} pairs, ms")
    for phase, times in zip(PHASES, zip(*found, strict=True), strict=True):
        low, middle, high = statistics.quantiles(times, n=4)
        print(
            f"  {phase:<12} {1e3 * middle:5.0f} (middle half {1e3 * low:.0f} to {1e3 * high:.0f})", flush=True
        )


def timed(command: list[str], folder: Path) -> tuple[float, float, float, float]:
    """Seconds by the clock and of CPU time: until the script says so, and from there on."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "TRILHA_STORE": str(folder / "store"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    over, after = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    said, own = map(float, done.stdout.split())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return said - clock, own, over - said, cpu - own


if __name__ == "__main__":
    main()
