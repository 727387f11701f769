"""Reading and validating documents of a realistic run: time per statement, and whether it stays linear.

    python benchmarks/standard.py [--sizes 1000 10000 100000] [--repeat 3]

The document is that of a long training: epochs, each an activity that is started by the run, uses the model
and the data, generates the next model and a checkpoint, with derivations that name generation and usage,
specializations of contents, attributions and hyperparameters. It is written as PROV-N and PROV-JSON once.
Each size is a fresh process; times are CPU time of the process, the least of the repetitions, without the
garbage collector's. Memory is what the peak of a process grew by: for one document that was built, and beyond
that for its validation.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def build(statements):
    """A run of about so many statements."""
    from trilha.prov import PROV, TRILHA, Document

    document = Document({"run": "urn:uuid:0b0a4cf4-6f1e-4b5c-9f0c-1d6f6c1f8a11#", "trilha": TRILHA.iri})
    kind, label = PROV["type"], PROV["label"]
    document.activity("run:run", START, None, {kind: TRILHA["Run"], label: "digits"})
    document.agent("run:ana", {kind: PROV["Person"]})
    document.entity("run:data", {kind: TRILHA["File"], label: "digits.csv"})
    document.entity("run:m0", {kind: TRILHA["Model"]})
    document.was_generated_by("run:m0", "run:run", START)
    epoch = 0
    while len(document) < statements:
        epoch += 1
        when, end = START + timedelta(seconds=epoch), START + timedelta(seconds=epoch, milliseconds=900)
        act, old, new = f"run:a{epoch}", f"run:m{epoch - 1}", f"run:m{epoch}"
        file, content, rate = f"run:f{epoch}", f"nih:sha-256;{epoch:064x}", f"run:lr{epoch}"
        document.activity(act, when, end, {kind: TRILHA["Epoch"], TRILHA["epoch"]: epoch})
        document.was_started_by(act, None, "run:run", when)
        document.was_associated_with(act, "run:ana")
        document.used(act, "run:data", when)
        document.used(act, old, when, id=f"run:u{epoch}")
        document.entity(rate, {kind: TRILHA["Hyperparameter"], PROV["value"]: 0.1 / epoch})
        document.used(act, rate, when)
        document.entity(new, {kind: TRILHA["Model"], label: "model"})
        document.was_generated_by(new, act, end, id=f"run:g{epoch}")
        document.was_derived_from(new, old, act, f"run:g{epoch}", f"run:u{epoch}")
        document.entity(file, {kind: TRILHA["File"], TRILHA["size"]: 4096 + epoch})
        document.was_generated_by(file, act, end)
        document.was_derived_from(file, new)
        document.was_attributed_to(file, "run:ana")
        document.entity(content, {kind: TRILHA["Content"]})
        document.specialization_of(file, content)
    return document


def peak():
    """The most memory that the process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def least(repeat, action):
    """The least CPU seconds of an action, and its last result."""
    best, result = float("inf"), None
    for _ in range(repeat):
        result = None
        gc.collect()
        gc.disable()
        begin = time.process_time()
        result = action()
        best = min(best, time.process_time() - begin)
        gc.enable()
    return best, result


def measure(size, repeat):
    """One size, in this process."""
    from trilha import formats
    from trilha.prov.constraints import validate

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        formats.write(build(size), os.path.join(folder, "run.provn"))
        formats.write(build(size), os.path.join(folder, "run.json"))
        found["json"], _ = least(repeat, lambda: formats.read(os.path.join(folder, "run.json")))
        found["provn"], document = least(repeat, lambda: formats.read(os.path.join(folder, "run.provn")))
    found["statements"] = len(document)
    found["validate"], verdict = least(repeat, lambda: validate(document))
    assert verdict.valid, str(verdict)
    return found


def measure_memory(size):
    """Memory of one size, in this process: building, then validating."""
    from trilha.prov.constraints import validate

    before = peak()
    document = build(size)
    built = peak()
    validate(document)
    return {"document": built - before, "validating": peak() - built}


def in_a_fresh_process(*arguments):
    done = subprocess.run(
        [sys.executable, os.path.abspath(__file__), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.repeat)))
        return
    if given.memory:
        print(json.dumps(measure_memory(given.memory)))
        return
    print("CPU µs a statement (least of several)                              MB")
    print("statements  read PROV-N  read JSON  validate  validate/read PROV-N  document  validating")
    for size in given.sizes:
        found = in_a_fresh_process("--measure", size, "--repeat", given.repeat)
        found |= in_a_fresh_process("--memory", size)
        per = {key: found[key] / found["statements"] * 1e6 for key in ("provn", "json", "validate")}
        times = f"{per['provn']:11.2f}  {per['json']:9.2f}  {per['validate']:8.2f}"
        memory = f"{found['document']:8.0f}  {found['validating']:10.0f}"
        ratio = found["validate"] / found["provn"]
        print(f"{found['statements']:10,}  {times}  {ratio:20.2f}  {memory}", flush=True)


if __name__ == "__main__":
    main()
