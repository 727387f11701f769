"""How fast journals become rows, how large the rows are, and how long the look for news takes.

    python benchmarks/store.py [--runs 2000] [--statements 100000] [--values 500000]

Prints process time (user and system), one measurement each: enough to see a factor, not a percentage.
"""

import argparse
import os
import struct
import tempfile
import time
import uuid

import trilha.store
from trilha.capture.journal.frames import ROWS_BYTE, ROWS_HEAD, VERSION, Head
from trilha.capture.journal.writer import encode, open_file
from trilha.capture.machine import boot_id, host, machine_iri
from trilha.query.finding import find
from trilha.query.lineage import lineage
from trilha.query.runs import runs
from trilha.store.refreshing import news

DEAD = {
    "host": host(),
    "machine": machine_iri(),
    "boot": boot_id(),
    "pid": 1 << 22,
    "process_start": 1,
    "started": 1,
}
"""A writer on this machine that is no more."""


def write(folder, statements, values):
    """A journal of a chain of steps, each of which used what the one before had made."""
    run = str(uuid.uuid4())
    prefix = f"urn:uuid:{run}#"
    head = Head(version=VERSION, run=run, uid=str(uuid.uuid4()), bases=((1, prefix),), **DEAD)
    file = open_file(os.path.join(folder, "journals", run), head, print)
    file.append(encode((2, prefix + "run", 1, None, ("prov:label", "bench"))))
    for number in range(1, statements // 4 * 4, 4):
        file.append(encode((2, number, number, None, ("prov:label", "step", "trilha:arg.x", 0.5))))
        file.append(encode((5, None, number, number - 2 if number > 1 else 2, number, ())))
        file.append(encode((1, number + 2, ("prov:label", f"thing {number}"))))
        file.append(encode((4, number + 3, number + 2, number, number, ())))
    if values:
        columns = [("time", "q"), ("loss", "d")]
        block = {"number": 1 << 30, "entity": 1 << 30, "kind": "metrics", "columns": columns}
        file.append(encode({"block": block}))
        for value in range(values):
            file.append(ROWS_HEAD.pack(ROWS_BYTE, 1 << 30) + struct.pack("<qd", value, value / 3))
    file.append(encode((2, prefix + "run", None, 2, ("trilha:status", "finished"))))
    file.close()
    return run


def timed(call):
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--values", type=int, default=500_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one = os.path.join(folder, "one")
        write(one, given.statements, 0)
        seconds, store = timed(lambda: trilha.store.open(one))
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = os.path.getsize(os.path.join(one, "store.sqlite"))
        each, rate = size / given.statements, given.statements / seconds
        print(f"{given.statements:,} statements: {rate:,.0f}/s, {each:.0f} B each")
        last = f"#{given.statements // 4 * 4 - 1}"
        seconds, told = timed(lambda: lineage(store, find(store, last), depth=20))
        print(f"lineage of {len(told.depths)} things out of them: {seconds * 1000:.1f} ms")
        seconds, told = timed(lambda: lineage(store, find(store, last)))
        print(f"lineage of {len(told.depths):,} things: {seconds:.1f} s")
        store.close()

        two = os.path.join(folder, "two")
        write(two, 0, given.values)
        seconds, store = timed(lambda: trilha.store.open(two))
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = os.path.getsize(os.path.join(two, "store.sqlite"))
        each, rate = size / given.values, given.values / seconds
        print(f"{given.values:,} metric values: {rate:,.0f}/s, {each:.0f} B each")
        store.close()

        many = os.path.join(folder, "many")
        for _ in range(given.runs):
            write(many, 8, 0)
        seconds, store = timed(lambda: trilha.store.open(many))
        print(f"{given.runs:,} small runs: {seconds / given.runs * 1000:.2f} ms each")
        seconds, _ = timed(lambda: news(store.connection, store.journals))
        print(f"looking for news among {given.runs:,} runs that are over: {seconds * 1000:.1f} ms")
        seconds, _ = timed(lambda: runs(store, 20))
        print(f"the last 20 of them: {seconds * 1000:.1f} ms")
        store.close()


if __name__ == "__main__":
    main()
