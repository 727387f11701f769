"""How long questions over a campaign take: by default 10,000 runs of 100 epochs each.

    python benchmarks/campaign.py [--runs 10000] [--epochs 100] [--times 5] [--keep FOLDER]

Writes the runs as journals, as training programs would, loads them into a store once, and then asks each
command of it in a process of its own, in turn, so that a noisy machine disturbs all alike. Prints medians of
wall time and process time (user and system), Python's own start included, and how many rows were found.
"""

import argparse
import json
import os
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid

import msgspec

import trilha.store
from trilha.capture.journal.frames import EXT_NAME, ROWS_BYTE, ROWS_HEAD, VERSION, Head
from trilha.capture.journal.writer import encode, open_file
from trilha.capture.machine import boot_id, host, machine_iri

SECOND = 1_000_000_000
BEGIN = 1_790_000_000 * SECOND
MANY = (
    "best(accuracy) > 0.9 and learning_rate < 0.01 and framework = torch"
    " and transformation = Normalize and not status = failed"
)
COMMANDS = {
    "list": ["list", "--json"],
    "list --where (a metric)": ["list", "--json", "--where", "accuracy > 0.9"],
    "list --where (5 conditions)": ["list", "--json", "--limit", "0", "--where", MANY],
    "ask top accuracy": ["ask", "top", "accuracy", "10", "--json"],
    "ask top accuracy --where": ["ask", "top", "accuracy", "10", "--json", "--where", "optimizer = adam"],
    "ask metric loss --where": ["ask", "metric", "loss", "--json", "--where", "accuracy > 0.97"],
}


def named(text):
    return msgspec.msgpack.Ext(EXT_NAME, text.encode())


def write(folder, number, epochs, chance):
    """The journal of one run: a training with hyperparameters, preparation, data, epochs and metrics."""
    run = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    prefix, start = f"urn:uuid:{run}#", BEGIN + number * 60 * SECOND
    head = Head(
        version=VERSION,
        run=run,
        uid=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        bases=((1, prefix),),
        host=host(),
        machine=machine_iri(),
        boot=boot_id(),
        pid=1 << 22,
        process_start=1,
        started=start,
    )
    file = open_file(os.path.join(folder, "journals", run), head, print)
    act, person, data = f"{prefix}run", "acct:ana@node7", f"/data/digits-{chance.randrange(5)}.csv"

    def say(*cells):
        file.append(encode(cells))

    framework = chance.choice(["torch", "keras", "sklearn"])
    about = ("prov:type", named("trilha:Run"), "prov:label", f"run {number}", "trilha:command", "train.py")
    say(2, act, start, None, about)
    say(3, person, ("prov:type", named("prov:Person"), "prov:label", "ana"))
    say(12, None, act, person, None, ())
    say(1, 1, ("prov:type", named("trilha:File"), "prov:label", os.path.basename(data), "trilha:path", data))
    say(5, 2, act, 1, start, ())
    for place, step in enumerate(chance.sample(["Normalize", "Resize", "Flip", "Crop"], 2)):
        about = ("prov:type", named("trilha:Transformation"), "prov:label", step, "trilha:name", step)
        say(2, 3 + place, start, start, (*about, "trilha:order", place + 1))
    about = ("prov:type", named("trilha:Training"), "prov:label", "fit", "trilha:framework", framework)
    say(2, 5, start, None, about)
    say(7, None, 5, None, act, start, ())
    rate = 10 ** chance.uniform(-5, -1)
    chosen = (
        ("lr", "learning_rate", rate),
        ("optimizer", "optimizer", chance.choice(["SGD", "Adam", "RMSprop"])),
        ("batch_size", "batch_size", chance.choice([16, 32, 64])),
        ("dropout", "dropout", chance.choice([0.0, 0.2, 0.5])),
    )
    for place, (own, common, value) in enumerate(chosen, 10):
        about = ("prov:type", named("trilha:Hyperparameter"), "prov:label", own, "trilha:name", own)
        say(1, place, (*about, "trilha:common", common, "prov:value", value))
        say(5, place + 10, 5, place, start, ())
    say(1, 30, ("prov:type", named("trilha:Metrics"), "trilha:name", "loss, accuracy"))
    say(4, 31, 30, 5, None, ())
    columns = [("time", "q"), ("epoch", "q"), ("loss", "d"), ("accuracy", "d")]
    file.append(encode({"block": {"number": 32, "entity": 30, "kind": "metrics", "columns": columns}}))
    best, pack, at = chance.uniform(0.5, 1), struct.Struct("<qqdd").pack, ROWS_HEAD.pack(ROWS_BYTE, 32)
    for epoch in range(1, epochs + 1):
        accuracy = best * (1 - 0.8 / (1 + epoch))
        file.append(at + pack(start + epoch * SECOND, epoch, 2 * (1 - accuracy), accuracy))
    end = start + (epochs + 1) * SECOND
    say(2, 5, None, end, ("trilha:epochs", epochs))
    status = chance.choices(["finished", "failed"], [19, 1])[0]
    say(2, act, None, end, ("trilha:status", status, "trilha:exit_status", int(status == "failed")))
    file.close()


def measured(command, folder):
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--keep", help="write the store here, or use the one that is here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or temporary
        if not os.path.exists(os.path.join(folder, ".trilha")):
            chance, begin = random.Random(4), time.process_time()
            for number in range(given.runs):
                write(os.path.join(folder, ".trilha"), number, given.epochs, chance)
            written = time.process_time() - begin
            begin = time.process_time()
            trilha.store.open(os.path.join(folder, ".trilha")).close()
            loaded = time.process_time() - begin
            size = os.path.getsize(os.path.join(folder, ".trilha", "store.sqlite")) / 1e6
            print(f"{given.runs:,} runs × {given.epochs} epochs × 2 metrics, {size:.0f} MB")
            print(f"journals written in {written:.1f} s, loaded in {loaded:.1f} s (process time)\n")
        ask(folder, given.times)


def ask(folder, times):
    trilha_ = os.path.join(os.path.dirname(sys.executable), "trilha")
    commands = {name: [trilha_, *rest] for name, rest in COMMANDS.items()}
    taken = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            taken[name].append(measured(command, folder))
    print(f"{'trilha …':32} {'wall':>8} {'process':>8}   found")
    for name, values in taken.items():
        wall, process = (statistics.median(value[at] for value in values) for at in (0, 1))
        answer = json.loads(values[-1][2])
        found = answer.get("count", len(answer.get("rows", ())))
        print(f"{name:32} {wall:6.2f} s {process:6.2f} s   {found:,}")


if __name__ == "__main__":
    main()
