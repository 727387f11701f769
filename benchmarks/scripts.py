"""What tracing a script down to the variable costs, beside Python alone in the same run.

For each script: the processor time of its work, all threads included, traced over plain, as the median of
pairs that take turns in new processes, with the lowest and highest; how much more that is, since what is done
once, when a function is first called, is most of the ratio where the work takes microseconds; by how much the
peak of memory is higher; bytes of the log; evaluations, and bytes for each. What of the log says which rows
frames of pandas have is of no evaluation: it is told beside them, with how many rows these are. By
``--peer COMMAND`` a command that runs a script is timed, too (noWorkflow's ``now run``, from an environment
of its own with the same Python).

    python benchmarks/scripts.py [--rounds 5] [--grain "variable --values"]
        [--peer "COMMAND" [--peers 3]] [NAME…]

What callbacks cost that are not traced: `--grain "variable --trace script:chosen" callbacks`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORK = """
nodes = len(dist)
indexes = range(nodes)
for k in indexes:
    distk = dist[k]
    for i in indexes:
        if i == k: continue
        disti = dist[i]
        for j in indexes:
            if j == i or j == k: continue
            ikj = disti[k] + distk[j]
            if disti[j] > ikj:
                disti[j] = ikj
"""


def floyd_warshall(size: int, *, function: bool) -> tuple[str, str]:
    """What comes before the work, and the work."""
    before = f"""
import random
random.seed(1)
dist = [[random.randrange(1, 100) for _ in range({size})] for _ in range({size})]
"""
    if not function:
        return before, WORK
    inside = WORK.replace("\n", "\n    ")
    return f"{before}\ndef solve(dist):{inside}\n    return dist\n", "solve(dist)\n"


SCRIPTS = {
    **{f"floyd-warshall {n}, module": floyd_warshall(n, function=False) for n in (3, 20, 50, 100)},
    **{f"floyd-warshall {n}, function": floyd_warshall(n, function=True) for n in (3, 20, 50, 100)},
    "text": (
        (
            "import random\nrandom.seed(2)\nwords = ['w%d' % random.randrange(500) for _ in range(60000)]\n"
            "text = [' '.join(words[i:i + 12]) for i in range(0, len(words), 12)]\n"
        ),
        """
def count(lines):
    found = {}
    for line in lines:
        for word in line.split():
            key = word.strip('.,').lower()
            found[key] = found.get(key, 0) + 1
    return sorted(found.items(), key=lambda pair: -pair[1])[:10]
print(count(text))
""",
    ),
    "solver": (
        (
            "def place(n, row, columns, left, right):\n"
            "    if row == n:\n        return 1\n    found = 0\n"
            "    for c in range(n):\n"
            "        if not columns[c] and not left[row + c] and not right[row - c]:\n"
            "            columns[c] = left[row + c] = right[row - c] = True\n"
            "            found += place(n, row + 1, columns, left, right)\n"
            "            columns[c] = left[row + c] = right[row - c] = False\n"
            "    return found\n"
        ),
        "n = 9\nprint(place(n, 0, [False] * n, [False] * (2 * n), [False] * (2 * n)))\n",
    ),
    "callbacks": (
        (
            "import random\nrandom.seed(3)\nrows = [random.random() for _ in range(20000)]\n"
            "def key(x):\n    return -x\n"
            "def doubled(rows):\n    for x in rows:\n        yield 2 * x\n"
            "def chosen(rows):\n    return sum(rows[:10])\n"
        ),
        """
print(len(sorted(rows, key=key)), len(list(map(lambda x: x + 1, rows))), round(sum(doubled(rows)), 3))
print(round(chosen(rows), 3))
""",
    ),
    "numpy": (
        (
            "import numpy as np\nrng = np.random.default_rng(0)\nX = rng.normal(size=(20000, 20))\n"
            "y = X @ np.arange(20) + rng.normal(size=20000)\n"
        ),
        """
w = np.zeros(20)
history = []
for step in range(300):
    error = X @ w - y
    gradient = X.T @ error / len(y)
    w -= 0.1 * gradient
    history.append(float((error ** 2).mean()))
print(round(history[-1], 6))
""",
    ),
    "pandas": (
        (
            "import numpy as np\nimport pandas as pd\nrng = np.random.default_rng(0)\n"
            "sales = pd.DataFrame({'shop': rng.integers(0, 50, 200000), 'price': rng.random(200000),"
            " 'count': rng.integers(1, 9, 200000)})\n"
            "shops = pd.DataFrame({'shop': range(50), 'city': ['a', 'b'] * 25})\n"
        ),
        """
for _ in range(5):
    clean = sales[sales['price'] > 0.1].copy()
    clean['total'] = clean['price'] * clean['count']
    merged = clean.merge(shops, on='shop')
    report = merged.groupby('city')['total'].agg(['sum', 'mean'])
print(report.round(3).to_dict())
""",
    ),
}
CLOCK = "import os as _os, resource as _resource, time as _time\n_began = _time.process_time()\n"
TOLD = """
_took = _time.process_time() - _began, _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss / 1024
open(_os.environ['TOOK'], 'w').write(' '.join(map(repr, _took)))
"""


def took(command: list[str], script: Path, folder: Path) -> tuple[float, float]:
    """Seconds of processor time that a script's work took, run by a command; its peak of memory in MiB."""
    place = folder / "took"
    place.unlink(missing_ok=True)
    env = {**os.environ, "TOOK": str(place), "OMP_NUM_THREADS": "1", "TRILHA_STORE": str(folder / "store")}
    done = subprocess.run(
        [*command, str(script)], env=env, cwd=folder, capture_output=True, timeout=900, check=False
    )
    if not place.exists():
        raise SystemExit(f"{shlex.join(command)} {script.name}: {done.stderr.decode()[-500:]}")
    seconds, memory = place.read_text().split()
    return float(seconds), float(memory)


def log_size(folder: Path) -> tuple[int, int, int, int]:
    """Bytes of the log of the last run, and its evaluations; bytes of sets of rows, and rows in them."""
    from trilha.trace.evaluations import Evaluation, Labelled
    from trilha.trace.reading import chunks
    from trilha.trace.replay import replay

    journal = max((folder / "store").rglob("*.journal"), key=os.path.getmtime)
    size = sum(len(chunk) for chunk in chunks(str(journal)))
    found = [0, 0, 0]

    def count(event: object) -> None:
        if type(event) is Evaluation:
            found[0] += 1
        elif type(event) is Labelled and event.packed:
            found[1] += len(event.packed)
            found[2] += event.length

    if size:
        replay(chunks(str(journal)), count)
    return size, *found


def _spread(ratios: list[float]) -> str:
    return f"x{statistics.median(ratios):7.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def measure(name: str, grain: str, rounds: int, peer: str, peers: int) -> None:
    """Print one line of the table."""
    before, work = SCRIPTS[name]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        script = folder / "script.py"
        script.write_text(before + CLOCK + work + TOLD)
        plain = [sys.executable]
        traced = [str(Path(sys.executable).with_name("trilha")), "run", "--grain", *shlex.split(grain)]
        pairs = [(took(plain, script, folder), took(traced, script, folder)) for _ in range(rounds)]
        ratios = sorted(other[0] / one[0] for one, other in pairs)
        usual = statistics.median(one[0] for one, _ in pairs)
        more = statistics.median(other[0] - one[0] for one, other in pairs)
        memory = statistics.median(other[1] - one[1] for one, other in pairs)
        size, evaluations, of_rows, rows = log_size(folder)
        line = f"{name:28} {usual * 1e3:9.3f} ms {more * 1e3:+8.3f} ms  {_spread(ratios)}  {memory:+5.0f} MiB"
        if evaluations:
            each = (size - of_rows) / evaluations
            line += f"  {size:>10} bytes {evaluations:>9} evaluations {each:5.2f} each"
        if rows:
            line += f", and {of_rows} bytes for {rows} rows"
        if peer:
            command = shlex.split(peer)
            line += (
                f"  peer {_spread(sorted(took(command, script, folder)[0] / usual for _ in range(peers)))}"
            )
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SCRIPTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--grain", default="variable")
    parser.add_argument("--peer", default="")
    parser.add_argument("--peers", type=int, default=3, help="rounds of the peer")
    asked = parser.parse_args()
    for name in asked.names:
        if name not in SCRIPTS:
            parser.error(f"no script {name!r}; there are {', '.join(SCRIPTS)}")
        measure(name, asked.grain, asked.rounds, asked.peer, asked.peers)


if __name__ == "__main__":
    main()
