"""``trilha slice``: what a value of a script came from, line by line, or what came of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import (
    check_format,
    json_option,
    opened,
    print_json,
    short_path,
    store_option,
    traces_of,
    write_document,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trilha.cli.page import Page
    from trilha.query.rows import Told
    from trilha.store import Store
    from trilha.trace.across import Across
    from trilha.trace.asked import Meant
    from trilha.trace.evaluations import Opened
    from trilha.trace.slicing import Slice
    from trilha.trace.traced import Traced

_MOST_VALUES = 3
"""So many values are shown beside a line."""

__all__ = ["command"]

_MOST_FILES = 40
_MOST_GAPS = 20
_LONGEST = 60
"""Characters of the numbers of rows."""

_EPILOG = """\b
Examples:
  trilha run --grain variable script.py     record which value came from which
  trilha slice total                        the lines that the last value of total came from
  trilha slice 'result[0][2]' --guards      with the conditions under which they ran
  trilha slice 18                           of all that line 18 evaluated the last time
  trilha slice total@12 --forward           what came of the total of line 12
  trilha slice load:total                   the total of the function load
  trilha slice total --program > part.py    a program that gives the same value
  trilha slice total --history              when it changed, and by which line
  trilha slice total -o total.provn         as a PROV document
  trilha slice out.csv                      what went into a file that was written
  trilha slice data.csv --forward           what came of a file that was read
"""


@click.command(name="slice", epilog=_EPILOG)
@click.argument("what", metavar="NAME|EXPRESSION|LINE|FILE")
@click.option("--run", default="last", show_default=True, help="The run: its name or id.")
@click.option("--forward", is_flag=True, help="What came of it, instead of what it came from.")
@click.option("--places", is_flag=True, help="Also how elements were found: collections, keys, loops.")
@click.option("--guards", is_flag=True, help="Also the conditions under which it was evaluated.")
@click.option("--program", "as_program", is_flag=True, help="Print the lines as a program that runs.")
@click.option("--history", "as_history", is_flag=True, help="Each time that it was bound or changed.")
@click.option("--dot", "as_dot", is_flag=True, help="Print the graph of evaluations for Graphviz.")
@click.option("--output", "-o", metavar="FILE", help="Write it as a PROV document; - is the standard output.")
@click.option(
    "--format", "format_", metavar="FORMAT", help="Of --output; by default the suffix of FILE tells."
)
@click.option(
    "--mapping",
    type=click.Choice(["plain", "dictionary", "versioned"]),
    default="versioned",
    show_default=True,
    help="For --output: as PROV, PROV-Dictionary or Versioned-PROV.",
)
@json_option
@store_option
def command(
    what: str,
    run: str,
    forward: bool,
    places: bool,
    guards: bool,
    as_program: bool,
    as_history: bool,
    as_dot: bool,
    output: str | None,
    format_: str | None,
    mapping: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Tell which lines of a script a value came from; the run was recorded with --grain variable."""
    if sum((as_program, as_dot, as_json, output is not None)) > 1:
        raise click.UsageError("--program, --dot, --json and --output: expected one of them")
    if as_program and as_history:
        raise click.UsageError("--program and --history: expected one of them")
    if output is not None:
        check_format(output, format_)
    if forward and (as_program or as_history):
        raise click.UsageError("--forward: not together with --program or --history")
    from trilha.trace import across

    opened_store = opened(store)
    traces = traces_of(opened_store, run)
    if as_history:
        told = _changed(opened_store, traces, what, as_json=as_json, alone=not as_dot and output is None)
        if told is not None:
            _print_graph(told, output, format_, mapping)
        return
    found = _meant(traces, what, forward=forward)
    if as_program:
        _print_program(traces, found)
        return
    if forward:
        over = across.forward(traces, found.traced, found.evaluations, places=places, guards=guards)
    else:
        over = across.backward(
            traces, found.traced, found.evaluations, places=places, guards=guards, until=found.until
        )
    told = over.first
    if as_json:
        shape = _shape(opened_store, what, over, forward=forward)
        if not forward:
            shape["rows"] = [
                one._asdict() for told in over.slices for one in _rows_of(opened_store, run, told)
            ]
        print_json("slice", str(opened_store.folder), shape)
    elif as_dot or output is not None:
        _print_graph(told, output, format_, mapping, over)
    else:
        _print_lines(opened_store, run, what, found, over, forward=forward)


def _changed(store: Store, traces: list[Traced], what: str, *, as_json: bool, alone: bool) -> Slice | None:
    """The history of what is meant, as a slice; None where it was printed."""
    from trilha.cli.histories import changes_of, print_history
    from trilha.trace.histories import Changed, elsewhere

    traced, numbers = changes_of(traces, what)
    told = Changed(traced, numbers)
    if as_json:
        shape = {
            "asked": what,
            "changes": numbers,
            "evaluations": _evaluations(told),
            "links": _links(told, bytearray(traced.end)),
            "functions": elsewhere(traced, what),
            "gaps": [gap._asdict() for gap in traced.gaps],
        }
        print_json("history", str(store.folder), shape)
    elif alone:
        print_history(traced, what, numbers)
    return None if as_json or alone else told


def _print_graph(
    told: Slice, output: str | None, format_: str | None, mapping: str, over: Across | None = None
) -> None:
    """Write a slice as a PROV document or, without an output, print it for Graphviz."""
    if output is None:
        sys.stdout.writelines(_dot(told, over))
        return
    from trilha.trace.excerpts import excerpt
    from trilha.trace.mapping import document_of

    write_document(document_of(*excerpt(told), mapping=mapping), output, format_)
    if over is not None and over.others:
        others = "another process" if len(over.others) == 1 else f"{len(over.others):,} other processes"
        sys.stderr.write(f"trilha: what belongs to it in {others} is not in this document; --json has it\n")


def _meant(traces: list[Traced], what: str, *, forward: bool) -> Meant:
    """What is meant in the text; else the file of this name."""
    from trilha.errors import NotFound
    from trilha.trace import asked

    try:
        return asked.meant(traces, what)
    except NotFound:
        found = asked.file_meant(traces, what, written=not forward)
        if found is not None:
            return found
        if asked.file_meant(traces, what, written=forward) is not None:
            did, hint = ("written", "without --forward") if forward else ("read", "with --forward")
            raise NotFound(f"{what}: the script has only {did} this file; ask {hint}") from None
        raise


def _print_lines(store: Store, run: str, what: str, found: Meant, over: Across, *, forward: bool) -> None:
    from trilha.cli.page import Page
    from trilha.trace.compiling import Lines

    page = Page()
    how = "went into" if forward else "came from"
    often = f", the last of {found.times:,} times" if found.times > len(found.evaluations) else ""
    where = f"line {found.component.line} of {short_path(found.component.file)}{often}"
    processes = f" (in {len(over.slices):,} processes)" if over.others else ""
    page.line(f"{what}, {where}, {how}{processes}")
    by_file: dict[str, list[tuple[int, int]]] = {}
    for (file, line), count in over.lines().items():
        by_file.setdefault(file, []).append((line, count))
    texts = {file: text for one in over.slices for file, text in one.traced.texts.items()}
    for file, lines in by_file.items():
        text = Lines(texts.get(file, ""))
        page.heading(short_path(file), f"  {len(lines)} of {len(text)} lines")
        values = _values(over, file)
        rows = [
            (
                str(line),
                text[line],
                f"×{count:,}" if count > 1 else "",
                *([values.get(line, "")] if values else []),
            )
            for line, count in lines
        ]
        page.table(rows, right=(0,))
    if forward:
        _written(page, over)
    else:
        _read(page, over)
        _rows(page, store, run, over)
    _recorded(page, store, over)
    _untraced(page, over)
    page.print()


def _untraced(page: Page, over: Across) -> None:
    """What was not traced, in the lines of the slice and of no line; how much there is in others."""
    lines, gaps = over.lines(), over.untraced()
    here = [gap for gap in gaps if not gap.line or (gap.file, gap.line) in lines]
    if gaps:
        page.heading("Not traced")
        page.table([(f"{short_path(gap.file)}:{gap.line}", gap.why) for gap in here[:_MOST_GAPS]])
    others = len(gaps) - len(here[:_MOST_GAPS])
    if others:
        where = "in lines that are not shown here" if len(here) <= _MOST_GAPS else "more"
        page.line(f"{others:,} {where}; --json has all")


def _values(over: Across, file: str) -> dict[int, str]:
    """What was bound last in the lines of a file, as far as it belongs to the slice and was recorded."""
    from trilha.trace.evaluations import Kind

    found: dict[int, dict[str, str]] = {}
    valued = [
        (told.traced, number) for told in over.slices if told.traced.has_values for number in told.evaluations
    ]
    for traced, number in valued:
        one, value = traced.component(number), traced.value(number)
        if value is not None and one.file == file:
            name = traced.name(number) or "" if one.kind is Kind.ASSIGN else one.text
            line = found.setdefault(one.line, {})
            line["return" if one.kind is Kind.RETURN else name] = value
    return {
        line: ", ".join(f"{name} = {value}" for name, value in [*names.items()][-_MOST_VALUES:])
        for line, names in found.items()
    }


def _written(page: Page, over: Across) -> None:
    from trilha.trace.files import written_from

    rows = [(short_path(one.path), _where(one)) for told in over.slices for one in written_from(told)]
    rows = list(dict.fromkeys(rows))
    if rows:
        page.heading("Written to")
        page.table(rows[:_MOST_FILES])


def _read(page: Page, over: Across) -> None:
    from trilha.trace.files import read_by, unclaimed

    rows = []
    for one in {
        (one.opened.path, one.opened.line): one for told in over.slices for one in read_by(told)
    }.values():
        often = f"×{one.times:,}" if one.times > 1 else ""
        note = "" if one.named is not False else "no literal that went into this has its name"
        rows.append((short_path(one.opened.path), _where(one.opened), often, note))
    if rows:
        page.heading("Read from")
        page.table(rows[:_MOST_FILES])
    others = sorted({(short_path(one.path), _where(one)) for one in unclaimed(over.first.traced)})
    if others:
        page.heading("Also read, into what is not known")
        page.table(others[:_MOST_FILES])


def _rows_of(store: Store, run: str, told: Slice) -> list[Told]:
    from trilha.query.rows import told_rows

    return told_rows(store, run, told)


def _rows(page: Page, store: Store, run: str, over: Across) -> None:
    """Which rows of which frames went in, and which lines of the files these are."""
    from trilha.query.rows import ranges

    rows = []
    for one in [one for told in over.slices for one in _rows_of(store, run, told)]:
        which = f"row{'s' * (len(one.rows) != 1)} {_cut(ranges(one.rows))}"
        if one.of is None:
            which = "not known which"
        elif not one.exact:
            which = f"some of {len(one.rows):,}, not known which"
        elif len(one.rows) == one.of and one.of > 1:
            which = f"all {one.of:,}"
        lines = f"line{'s' * (len(one.lines) != 1)} {_cut(ranges(one.lines))}" if one.lines else ""
        name = short_path(one.path) if one.path else one.text
        rows.append((name, f"{short_path(one.file)}:{one.line}", which, lines))
    if rows:
        page.heading("Rows")
        page.table(rows[:_MOST_FILES])


def _cut(numbers: str) -> str:
    """Numbers that fit beside others."""
    return numbers if len(numbers) <= _LONGEST else f"{numbers[:_LONGEST].rpartition(',')[0]}, …"


def _recorded(page: Page, store: Store, over: Across) -> None:
    """What the run's record knows of it: models, data, tasks."""
    from trilha.query.joined import met

    rows = []
    for one in [one for told in over.slices for one in met(store, told)]:
        if one.line:
            rows.append((f"{short_path(one.file)}:{one.line}", f"task {one.thing.label}"))
        else:
            makers = ", ".join(maker.label for maker in one.makers if not maker.iri.endswith("#run"))
            rows.append((one.name, f"{one.thing.label}{makers and f', made by {makers}'}"))
    rows = list(dict.fromkeys(rows))
    if rows:
        page.heading("In the run's record")
        page.table(rows[:_MOST_FILES])
        if len(rows) > _MOST_FILES:
            page.line(f"and {len(rows) - _MOST_FILES:,} more")


def _where(opened: Opened) -> str:
    return f"{short_path(opened.file)}:{opened.line}" if opened.file else "by no line of the script"


def _print_program(traces: list[Traced], found: Meant) -> None:
    from trilha.trace import across
    from trilha.trace.programs import program

    others: list[Slice] = []
    if len(traces) > 1:
        over = across.backward(traces, found.traced, found.evaluations, guards=True, until=found.until)
        others = over.others
    elsewhere = {told.traced.component(number) for told in others for number in told.evaluations}
    texts = program(found.traced, found.evaluations, found.until, elsewhere)
    for at, (path, text) in enumerate(texts.items()):
        if len(texts) > 1:
            sys.stdout.write(f"{'' if at == 0 else chr(10)}# --- {short_path(path)}\n")
        sys.stdout.write(text)


def _shape(store: Store, what: str, over: Across, *, forward: bool) -> dict[str, Any]:
    return {
        "asked": what,
        "direction": "forward" if forward else "backward",
        "start": list(over.first.start),
        **_slice_shape(store, over.first, forward=forward),
        "gaps": [gap._asdict() for gap in over.untraced()],
        "processes": [
            {"journal": told.traced.journal, **_slice_shape(store, told, forward=forward)}
            for told in over.others
        ],
        "crossings": [
            {
                **one._asdict(),
                "journal": None if one.journal == over.first.traced.journal else one.journal,
                "origin": None if one.origin == over.first.traced.journal else one.origin,
            }
            for one in over.crossings
        ],
    }


def _slice_shape(store: Store, told: Slice, *, forward: bool) -> dict[str, Any]:
    """What belongs to a slice in one process; what may be much as iterators, in the order of their use."""
    from trilha.query.joined import met
    from trilha.trace.files import unclaimed

    linked = bytearray(told.traced.end)
    return {
        "evaluations": _evaluations(told),
        "links": _links(told, linked),
        "inputs": (number for number in told.evaluations if not linked[number]),
        "files": _files_shape(told, forward=forward),
        "recorded": [
            {
                "name": one.name,
                "line": one.line or None,
                "iri": one.thing.iri,
                "label": one.thing.label,
                "made_by": [maker.iri for maker in one.makers],
            }
            for one in met(store, told)
        ],
        "files_read_elsewhere": [
            {"evaluation": 0, "path": one.path, "written": False, "file": one.file, "line": one.line}
            for one in unclaimed(told.traced)
        ],
    }


def _evaluations(told: Slice) -> Iterator[dict[str, Any]]:
    traced, inside, function = told.traced, 0, ""
    for number in told.evaluations:
        one, activation = traced.component(number), traced.activation_number(number)
        if activation != inside or not function:
            inside, function = activation, traced.activation(number).name
        place = {"file": one.file, "line": one.line, "column": one.column, "text": one.text}
        shown = {"evaluation": number, "kind": str(one.kind), **place, "in": function}
        value = traced.value(number) if traced.has_values else None
        yield shown if value is None else {**shown, "name": traced.name(number), "value": value}


def _links(told: Slice, linked: bytearray) -> Iterator[dict[str, Any]]:
    """The links of a slice; marks the evaluations that came from others of it."""
    for link in told.links:
        linked[link.evaluation] = 1
        yield {"evaluation": link.evaluation, "source": link.source, "role": str(link.role)}


def _files_shape(told: Slice, *, forward: bool) -> list[dict[str, Any]]:
    from trilha.trace.files import read_by, written_from

    if forward:
        return [{"path": one.path, "evaluation": one.evaluation} for one in written_from(told)]
    return [
        {"path": one.opened.path, "evaluation": one.opened.evaluation, "times": one.times, "named": one.named}
        for one in read_by(told)
    ]


def _dot(first: Slice, over: Across | None) -> Iterator[str]:
    """A slice for Graphviz; what belongs to it in other processes stands in a box for each."""

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'

    def inside(told: Slice, process: str) -> Iterator[str]:
        own = frozenset(told.evaluations) if process else told  # What was before a fork is told elsewhere.
        for number in told.evaluations:
            one = told.traced.component(number)
            yield f"  {process}e{number} [label={quoted(f'{one.line}: {one.text[:60]}')}];\n"
        for link in told.links:
            ends = f"{process}e{link.evaluation} -> {process}e{link.source}"
            if link.source in own:
                yield f"  {ends} [label={quoted(str(link.role))}];\n"

    yield "digraph slice {\n  rankdir=BT;\n  node [shape=box, fontname=monospace];\n"
    yield from inside(first, "")
    names = {first.traced.journal: ""}
    for place, told in enumerate(over.others if over is not None else (), 2):
        process = names[told.traced.journal] = f"p{place}"
        yield f"  subgraph cluster_{process} {{\n  label={quoted(f'process {place}')};\n"
        yield from inside(told, process)
        yield "  }\n"
    for one in over.crossings if over is not None else ():
        ends = f"{names[one.journal]}e{one.evaluation} -> {names[one.origin]}e{one.source}"
        yield f"  {ends} [label=passed, style=dashed];\n"
    yield "}\n"
