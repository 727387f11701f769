"""A million tasks in a store: how long they take to load, and all tasks upstream of a file to be found.

    python benchmarks/upstream.py [--tasks 1000000] [--chain 100000] [--attempts] [--peers]

Writes the journal of a run directly, loads it, and asks. The graph is layered (a thousand tasks a layer, each
of which uses the results of two of the layer before), and beside it stands a chain. Each answer is that of
`trilha.query.closure`, which reads the arrays that the store keeps; beside it, on the same store, the
recursive query of SQL over the table `upstream`, and NetworkX over links that it is handed (``--peers``).
Times are of the process (user and system) and of the clock: medians of `--rounds` paired rounds, each in a
process of its own that opens the store first.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

import msgspec

import trilha.store
from trilha.capture.journal.frames import EXT_NAME, VERSION, Head
from trilha.capture.journal.writer import encode, open_file
from trilha.capture.machine import boot_id, host, machine_iri
from trilha.store import graph

WIDTH = 1000
DEAD = {
    "host": host(),
    "machine": machine_iri(),
    "boot": boot_id(),
    "pid": 1 << 22,
    "process_start": 1,
    "started": 1,
}
"""A writer on this machine that is no more."""
RECURSIVE = (
    "WITH RECURSIVE a (thing) AS (SELECT ? UNION SELECT u.cause FROM a JOIN upstream u ON u.effect = a.thing"
    " AND u.kind IN (4, 5)) SELECT COUNT(*) FROM a JOIN upstream u ON u.effect = a.thing AND u.kind = 7"
)


def typed(text):
    return msgspec.msgpack.Ext(EXT_NAME, text.encode())


class Run:
    """Writes the journal of a run of tasks."""

    def __init__(self, folder, attempts):
        self.run = str(uuid.uuid4())
        self.prefix = f"urn:uuid:{self.run}#"
        head = Head(version=VERSION, run=self.run, uid=str(uuid.uuid4()), bases=((1, self.prefix),), **DEAD)
        self.file = open_file(os.path.join(folder, "journals", self.run), head, print, way="grouped")
        self.numbers = iter(range(1, 1 << 40))
        self.attempts = attempts
        self.now = 0
        self.task_type, self.attempt_type = typed("trilha:Task"), typed("trilha:Attempt")
        self.say(2, self.prefix + "run", 1, None, ("prov:type", typed("trilha:Run"), "prov:label", "bench"))

    def say(self, *cells):
        self.file.append(encode(cells))

    def task(self, label, used):
        """A task that used the results `used`; gives its own."""
        task, result, generation = (next(self.numbers) for _ in range(3))
        self.now += 1000
        about = (
            "prov:type",
            self.task_type,
            "prov:label",
            label,
            "trilha:engine",
            "bench",
            "trilha:task",
            task,
        )
        self.say(2, task, self.now, None, about)
        self.say(7, None, task, None, self.prefix + "run", self.now, ())
        usages = [next(self.numbers) for _ in used]
        for usage, one in zip(usages, used, strict=True):
            self.say(5, usage, task, one, None, ("prov:role", "x"))
        if self.attempts:
            attempt = next(self.numbers)
            about = ("prov:type", self.attempt_type, "trilha:attempt", 1, "trilha:status", "finished")
            self.say(2, attempt, self.now, self.now, about)
            self.say(7, None, attempt, None, task, self.now, ())
        self.say(1, result, ("prov:label", f"{label}()"))
        self.say(4, generation, result, task, self.now, ())
        for usage, one in zip(usages, used, strict=True):
            self.say(10, None, result, one, task, generation, usage, ())
        self.say(2, task, None, self.now, ("trilha:status", "finished"))
        return result

    def file_of(self, label, used):
        """A file that a last task made of results."""
        made = self.task("write", used)
        self.say(1, made, ("prov:type", typed("trilha:File"), "trilha:path", f"/data/{label}"))

    def end(self):
        self.say(2, self.prefix + "run", None, self.now, ("trilha:status", "finished"))
        self.file.close()


def write(folder, tasks, chain, attempts):
    run, choose = Run(folder, attempts), random.Random(7)
    layer, done = [], 0
    while done < tasks - chain - 2:
        before, layer = layer, []
        for _ in range(min(WIDTH, tasks - chain - 2 - done)):
            layer.append(run.task("layered", choose.sample(before, 2) if len(before) > 1 else ()))
            done += 1
    if layer:
        run.file_of("layered.out", layer)
    last = []
    for _ in range(chain):
        last = [run.task("chained", last)]
    if last:
        run.file_of("chained.out", last)
    run.end()


def key_of(store, file):
    text = "SELECT k.name FROM known_as k WHERE k.text = ?"
    return store.connection.execute(text, (file,)).fetchone()[0]


def ask(way, folder, file):
    """One answer in this process, the store just opened: how many tasks, and what it took."""
    with trilha.store.open(folder) as store:
        key = key_of(store, file)
        if way == "networkx":
            import networkx as nx

            links = nx.DiGraph()
            links.add_edges_from(
                store.connection.execute("SELECT effect, cause FROM upstream WHERE kind IN (4, 5)")
            )
            tasks = {row[0] for row in store.connection.execute("SELECT effect FROM upstream WHERE kind = 7")}
        began, spent = time.perf_counter(), time.process_time()
        if way == "trilha":
            from trilha.query.closure import upstream

            found = upstream(store, [key]).calls
        elif way == "lineage":
            from trilha.query.finding import Found
            from trilha.query.lineage import lineage

            found = len(lineage(store, Found(file, "name", key, (), ())).depths)
        elif way == "sql":
            found = store.connection.execute(RECURSIVE, (key,)).fetchone()[0]
        else:
            found = len(nx.descendants(links, key) & tasks)
        told = {"found": found, "wall": time.perf_counter() - began, "cpu": time.process_time() - spent}
    print(json.dumps(told | {"memory": peak_memory()}))


def peak_memory():
    """Bytes, of this program alone: what getrusage says begins with those of the process that started it."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--chain", type=int, default=100_000)
    parser.add_argument("--attempts", action="store_true", help="give each task an attempt")
    parser.add_argument("--peers", action="store_true", help="ask SQL and NetworkX, too")
    parser.add_argument("--lineage", action="store_true", help="ask `trilha lineage`'s search, too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", help="keep the store in this folder, or ask the one that is there")
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        ask(*given.ask)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(given, given.store or folder)


def measure(given, folder):
    if not os.path.exists(os.path.join(folder, "store.sqlite")):
        write(folder, given.tasks, given.chain, given.attempts)
        load(given, folder)
    ways = ["trilha", *(["sql", "networkx"] if given.peers else []), *(["lineage"] if given.lineage else [])]
    for file in ("layered.out", "chained.out"):
        told = {way: [] for way in ways}
        for _ in range(given.rounds):
            for way in ways:
                command = [sys.executable, __file__, "--ask", way, folder, file]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                told[way].append(json.loads(done.stdout))
        base = statistics.median(one["cpu"] for one in told["trilha"])
        for way, rows in told.items():
            wall, cpu = (statistics.median(one[key] for one in rows) for key in ("wall", "cpu"))
            memory = max(one["memory"] for one in rows) / 2**20
            what = "things" if way == "lineage" else "tasks"
            print(
                f"{file}: {way:9}{rows[0]['found']:>10,} {what} upstream: {wall:7.3f} s, process {cpu:7.3f} s"
                f" ({cpu / base:5.1f} times trilha's), {memory:,.0f} MiB"
            )


def load(given, folder):
    journal = sum(
        os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names
    )
    spent = time.process_time()
    with trilha.store.open(folder) as store:
        spent = time.process_time() - spent
        statements = store.connection.execute("SELECT COUNT(*) FROM statement").fetchone()[0]
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = store.connection.execute("SELECT COALESCE(SUM(LENGTH(numbers)), 0) FROM graph").fetchone()[0]
        began = time.process_time()
        graph.build(store.connection)
        built = time.process_time() - began
    size = os.path.getsize(os.path.join(folder, "store.sqlite"))
    print(f"{given.tasks:,} tasks, {statements:,} statements: loaded in {spent:.0f} s of process time,")
    print(f"  {spent / given.tasks * 1e6:.0f} us a task, of which the graph {built / given.tasks * 1e6:.1f};")
    print(
        f"  {journal / given.tasks:.0f} bytes a task in the journal, {size / given.tasks:.0f} in the store,"
    )
    print(f"  of which the graph {kept / given.tasks:.1f}")


if __name__ == "__main__":
    main()
