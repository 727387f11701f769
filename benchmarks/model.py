"""The model in memory, against the `prov` package: building, equality, iteration, memory.

    python benchmarks/model.py [--statements 100000] [--pairs 5]

Each measurement is a fresh process; each pair measures both libraries, in changing order. The mix is ten
statements with six attributes: three entities, an activity, an agent, a generation, a usage, a derivation,
an attribution and an association. Building goes through the public methods, once with names as text
("ex:e1") and once as objects (their making counts). Times are CPU time of the process. Memory is what the
process grew by, for one document built from text. Equality is of two documents that say the same, built in
the same order and in another.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

BASE = "http://example.org/experiment/"
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def build_trilha(units, *, text):
    from trilha.prov import PROV, Document, Namespace

    ex = Namespace("ex", BASE)
    name = "ex:{}".format if text else ex.__getitem__
    document = Document([ex])
    label, kind, value, size = PROV["label"], PROV["type"], PROV["value"], ex["size"]
    dataset = ex["Dataset"]
    for i in range(units):
        when = START + timedelta(seconds=i)
        e1, e2, e3 = name(f"e{i}a"), name(f"e{i}b"), name(f"e{i}c")
        a, g = name(f"a{i}"), name(f"g{i % 50}")
        document.entity(e1, {kind: dataset, label: f"data set {i}"})
        document.entity(e2, {value: i})
        document.entity(e3)
        document.activity(a, when, when, {label: "training"})
        document.agent(g, {label: "somebody"})
        document.used(a, e1, when)
        document.was_generated_by(e2, a, when, {size: 0.5 * i})
        document.was_derived_from(e2, e1)
        document.was_attributed_to(e3, g)
        document.was_associated_with(a, g)
    return document


def build_prov(units, *, text):
    from prov.model import PROV_LABEL, PROV_TYPE, PROV_VALUE, Namespace, ProvDocument

    ex = Namespace("ex", BASE)
    name = "ex:{}".format if text else ex.__getitem__
    document = ProvDocument()
    document.add_namespace(ex)
    size, dataset = ex["size"], ex["Dataset"]
    for i in range(units):
        when = START + timedelta(seconds=i)
        e1, e2, e3 = name(f"e{i}a"), name(f"e{i}b"), name(f"e{i}c")
        a, g = name(f"a{i}"), name(f"g{i % 50}")
        document.entity(e1, {PROV_TYPE: dataset, PROV_LABEL: f"data set {i}"})
        document.entity(e2, {PROV_VALUE: i})
        document.entity(e3)
        document.activity(a, when, when, {PROV_LABEL: "training"})
        document.agent(g, {PROV_LABEL: "somebody"})
        document.used(a, e1, when)
        document.wasGeneratedBy(e2, a, when, other_attributes={size: 0.5 * i})
        document.wasDerivedFrom(e2, e1)
        document.wasAttributedTo(e3, g)
        document.wasAssociatedWith(a, g)
    return document


def iterate_trilha(document):
    """Every identifier, argument, and attribute of every statement."""
    seen = 0
    for record in document:
        seen += record.id is not None
        seen += len(record.arguments)
        for _key, _value in record.attributes:
            seen += 1
    return seen


def iterate_prov(document):
    seen = 0
    for record in document.get_records():
        seen += record.identifier is not None
        seen += len(record.args)
        for _key, _value in record.extra_attributes:
            seen += 1
    return seen


def shuffle(document):
    records = document.records if isinstance(document.records, list) else document._records
    random.Random(1).shuffle(records)


def resident():
    with open("/proc/self/statm", encoding="ascii") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(library, units):
    build = build_trilha if library == "trilha" else build_prov
    iterate = iterate_trilha if library == "trilha" else iterate_prov
    build(20, text=True)  # imports, and what is made once
    build(20, text=False)
    gc.collect()
    found = {}
    before, begin = resident(), time.process_time()
    document = build(units, text=True)
    found["build from text"] = time.process_time() - begin
    gc.collect()
    found["bytes"] = resident() - before
    begin = time.process_time()
    other = build(units, text=False)
    found["build from names"] = time.process_time() - begin
    begin = time.process_time()
    same = document == other
    found["equality"] = time.process_time() - begin
    shuffle(other)
    begin = time.process_time()
    same = same and document == other
    found["other order"] = time.process_time() - begin
    begin = time.process_time()
    found["seen"] = iterate(document)
    found["iteration"] = time.process_time() - begin
    if not same:
        raise SystemExit(f"{library}: two equal documents do not compare equal")
    return found


def table(pairs, statements):
    print(f"{statements:,} statements, {len(pairs)} pairs; median (lowest to highest)\n")
    print(f"{'':18}{'trilha':>26}{'prov':>26}{'prov / trilha':>22}")
    for what in ("build from text", "build from names", "equality", "other order", "iteration", "bytes"):
        unit, scale, digits = ("B", 1, 0) if what == "bytes" else ("µs", 1e6, 2)
        columns = []
        for library in ("trilha", "prov"):
            values = [pair[library][what] * scale / statements for pair in pairs]
            columns.append(
                f"{statistics.median(values):.{digits}f} {unit}"
                f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
            )
        ratios = [pair["prov"][what] / pair["trilha"][what] for pair in pairs]
        ratio = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"{'memory' if what == 'bytes' else what:18}{columns[0]:>26}{columns[1]:>26}{ratio:>22}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--measure", choices=["trilha", "prov"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    units = chosen.statements // 10
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, units)))
        return
    pairs = []
    for number in range(chosen.pairs):
        order = ("trilha", "prov") if number % 2 else ("prov", "trilha")
        pair = {}
        for library in order:
            command = [sys.executable, __file__, "--statements", str(chosen.statements), "--measure", library]
            pair[library] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        pairs.append(pair)
    table(pairs, units * 10)


if __name__ == "__main__":
    main()
