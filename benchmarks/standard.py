"""Reading, writing and validating, side by side with the `prov` package.

    python benchmarks/standard.py [--sizes 1000 10000 100000] [--million] [--pairs 3] [--only …] [--markdown]

The document is that of a long training: epochs, each an activity that is started by the run, uses the model
and the data, generates the next model and a checkpoint, with derivations that name generation and usage,
specializations of contents, attributions and hyperparameters. Trilha writes it in each format; both libraries
read that file, from memory, and write what they read of its PROV-JSON.

Each measurement is a fresh process, in pairs of both libraries in changing order. Times are CPU time of the
process, in µs a statement: the median, and for the ratio of a pair the lowest and the highest, too. Python's
garbage collector runs as it does for users. Memory is what the peak of a process grew by, in MB, with the
file or the document that it begins with. A format that one of the two lacks is named with the reason.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Measured(NamedTuple):
    """One way to do a thing with a document: its words in the table, and what both libraries call it."""

    title: str
    action: str
    name: str
    theirs: dict


FORMATS = {
    "PROV-JSON": ("provjson", {"format": "json"}),
    "PROV-N": ("provn", {"format": "provn"}),
    "PROV-XML": ("provxml", {"format": "xml"}),
    "PROV-JSONLD": ("provjsonld", {"format": "jsonld"}),
    "Turtle": ("turtle", {"format": "rdf", "rdf_format": "turtle"}),
}
MEASURED = [
    *(
        Measured(f"{action} {title}", action, *known)
        for title, known in FORMATS.items()
        for action in ("read", "write")
    ),
    Measured("validate", "validate", "provn", {}),
]  # fmt: skip


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
    """The most memory that this program ever had, in MB. (What `resource` says includes its parent's.)"""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(measured, path):
    """What Trilha does, as a function, after everything that is not to be measured was done."""
    from trilha import formats

    if measured.action == "validate":
        document = formats.read(path, measured.name)
        return document.validate
    if measured.action == "write":
        document = formats.read(f"{path}.source", "provjson")
        module = importlib.import_module(f"trilha.formats.{formats.find(measured.name).name}")
        return lambda: module.write(document)
    module = importlib.import_module(f"trilha.formats.{formats.find(measured.name).name}")
    with open(path, "rb") as file:
        data = file.read()
    return lambda: module.read(data)


def theirs(measured, path):
    """What the `prov` package does."""
    from prov.model import ProvDocument

    if measured.action == "write":
        document = ProvDocument.deserialize(f"{path}.source", format="json")
        return lambda: document.serialize(io.BytesIO(), **measured.theirs)
    with open(path, "rb") as file:
        data = file.read()
    return lambda: ProvDocument.deserialize(content=data, **measured.theirs)


def measure(library, measured, path):
    """CPU seconds of one action (the least of several if it is short), and MB that the process grew by."""
    warnings.simplefilter("ignore")
    importlib.import_module("trilha.formats" if library == "trilha" else "prov.model")
    before = peak()
    action = (ours if library == "trilha" else theirs)(measured, path)
    spent = []
    while not spent or (sum(spent) < 0.3 and len(spent) < 20):
        gc.collect()
        begin = time.process_time()
        result = action()
        spent.append(time.process_time() - begin)
        if len(spent) == 1:
            grown = peak() - before
        del result
    return {"seconds": min(spent), "grown": grown}


def in_a_fresh_process(library, measured, path):
    """The same in a process of its own; a text that says why where it could not be done."""
    done = subprocess.run(
        [sys.executable, os.path.abspath(__file__), "--measure", library, measured.title, path],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1][:100]
    return json.loads(done.stdout)


def prepare(folder, size, wanted):
    """The document of one size in all formats; their paths by name, and why one is missing."""
    from trilha import formats
    from trilha.errors import TrilhaError

    document = build(size)
    paths = {}
    for name in dict.fromkeys(measured.name for measured in wanted):
        path = os.path.join(folder, f"{size}.{name}")
        try:
            formats.write(document, f"{path}.source", "provjson")
            formats.write(document, path, name)
            paths[name] = path
        except TrilhaError as error:
            paths[name] = error
    return len(document), paths


def compare(measured, path, pairs):
    """Several pairs of measurements of both libraries, or the reason why there are none."""
    libraries = ("trilha",) if measured.action == "validate" else ("trilha", "prov")
    found = {library: [] for library in libraries}
    for number in range(pairs):
        for library in libraries if number % 2 else reversed(libraries):
            told = in_a_fresh_process(library, measured, path)
            if isinstance(told, str):
                if library == "trilha":
                    return told
                libraries, found["prov"] = ("trilha",), told
            else:
                found[library].append(told)
    return found


def row(measured, statements, found):
    """The cells of one line of the table."""
    mine, others = found["trilha"], found.get("prov")
    cells = [f"{statements:,}", measured.title, micros(mine, statements)]
    if not isinstance(others, list):
        return [*cells, others or "has none", "", f"{largest(mine):.0f}", "", ""]
    ratios = [his["seconds"] / own["seconds"] for own, his in zip(mine, others, strict=True)]
    share = statistics.median(
        his["grown"] / max(own["grown"], 0.1) for own, his in zip(mine, others, strict=True)
    )
    spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    memory = [f"{largest(mine):.0f}", f"{largest(others):.0f}", f"{share:.1f}"]
    return [*cells, micros(others, statements), spread, *memory]


def micros(measurements, statements):
    return f"{statistics.median(one['seconds'] for one in measurements) / statements * 1e6:.2f}"


def largest(measurements):
    return max(one["grown"] for one in measurements)


HEADS = ["statements", "", "trilha µs", "prov µs", "prov / trilha", "trilha MB", "prov MB", "prov / trilha"]
WIDTHS = [10, 18, 9, 9, 22, 9, 8, 13]


def line(cells, *, markdown):
    if markdown:
        return f"| {' | '.join(cells)} |"
    return "  ".join(
        cell.ljust(width) if number == 1 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )


def closing(spent):
    """How times grow with size, and how validating compares with reading."""
    sizes = sorted(spent)
    for small, large in itertools.pairwise(sizes):
        factor = spent[large]["statements"] / spent[small]["statements"]
        grown = [
            f"{title} {spent[large][title] / spent[small][title]:.1f}"
            for title in spent[large]
            if title != "statements" and title in spent[small]
        ]
        yield f"From {small:,} to {large:,} statements ({factor:.1f} times), time grows: {', '.join(grown)}."
    for size in sizes:
        if {"validate", "read PROV-N"} <= spent[size].keys():
            ratio = spent[size]["validate"] / spent[size]["read PROV-N"]
            yield f"Validating {size:,} statements takes {ratio:.2f} times as long as reading them as PROV-N."


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="1,000,000 statements, too (an hour)")
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each library")
    parser.add_argument("--only", nargs="+", default=[], help="such as 'read PROV-N' validate")
    parser.add_argument("--markdown", action="store_true", help="the table for a page of the documentation")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = {measured.title: measured for measured in MEASURED}
    if given.measure:
        library, title, path = given.measure
        print(json.dumps(measure(library, known[title], path)))
        return
    unknown = [title for title in given.only if title not in known]
    if unknown:
        parser.error(f"{unknown[0]!r} is not measured: expected some of {', '.join(known)}")
    wanted = [known[title] for title in given.only] or MEASURED
    sizes = [*given.sizes, *([1_000_000] if given.million else [])]
    table(sizes, wanted, given.pairs, markdown=given.markdown)


def table(sizes, wanted, pairs, *, markdown):
    print(line(HEADS, markdown=markdown))
    if markdown:
        print(line(["---:" if number != 1 else "---" for number in range(len(HEADS))], markdown=True))
    spent, missing = {}, {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            statements, paths = prepare(folder, size, wanted)
            spent[size] = {"statements": statements}
            for measured in wanted:
                path = paths[measured.name]
                found = compare(measured, path, pairs) if isinstance(path, str) else str(path)
                if isinstance(found, str):
                    missing.setdefault(measured.title, found)
                    continue
                times = [one["seconds"] for one in found["trilha"]]
                spent[size][measured.title] = statistics.median(times)
                print(line(row(measured, statements, found), markdown=markdown), flush=True)
    print()
    for title, reason in missing.items():
        print(f"Not measured: {title}: {reason}")
    print(*closing(spent), sep="\n\n" if markdown else "\n")


if __name__ == "__main__":
    main()
