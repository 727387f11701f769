"""How long the command line takes beyond Python's own start: process time (user and system), medians.

    python benchmarks/cli.py [--times 15]

Records a small run, then asks `trilha list`, `trilha show last` and `trilha lineage model.txt` of its store,
in turn with ``python -c pass``, so that a noisy machine disturbs all alike.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

SCRIPT = """
import trilha
with trilha.run("small"):
    with trilha.step("read"):
        rows = open("data.csv").read()
    with trilha.step("train", lr=0.1):
        for epoch in range(10):
            trilha.log(loss=1 / (epoch + 1), epoch=epoch)
        with open("model.txt", "w") as file:
            file.write(rows[::-1])
"""


def cpu_ms(command, folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    trilha = [sys.executable, "-m", "trilha"] if not _script() else [_script()]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "trilha list": [*trilha, "list"],
        "trilha show last": [*trilha, "show", "last"],
        "trilha lineage model.txt": [*trilha, "lineage", "model.txt"],
        "trilha lineage data.csv --downstream": [*trilha, "lineage", "data.csv", "--downstream"],
    }
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "data.csv"), "w") as file:
            file.write("1,2\n" * 100)
        subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, check=True)
        subprocess.run([*trilha, "list"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        taken = {name: [] for name in commands}
        for _ in range(times):
            for name, command in commands.items():
                taken[name].append(cpu_ms(command, folder))
    bare = statistics.median(taken["python -c pass"])
    print(f"{'':40} {'median':>8} {'spread':>15} {'beyond Python':>14}   ms of process time")
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:40} {median:8.1f} {min(values):7.1f}-{max(values):<7.1f} {median - bare:14.1f}")


def _script():
    path = os.path.join(os.path.dirname(sys.executable), "trilha")
    return path if os.path.exists(path) else ""


if __name__ == "__main__":
    main()
