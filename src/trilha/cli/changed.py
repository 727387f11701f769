"""``trilha diff --runs``: what is not the same in two runs, and where they part."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from trilha.cli.options import opened, print_json, short_path, waited_traces

if TYPE_CHECKING:
    from trilha.cli.page import Page
    from trilha.query.changes import Changed
    from trilha.trace.diverging import Divergence
    from trilha.trace.slicing import Slice
    from trilha.trace.traced import Traced

__all__ = ["compare_runs"]

_HEADINGS = {
    "command": "Command",
    "script": "Code",
    "file read": "Files read",
    "file written": "Files written",
    "package": "Packages",
    "machine": "Machine",
    "environment": "Environment",
    "hyperparameter": "Hyperparameters",
    "outcome": "Outcome",
}
_MOST_LINES = 20


def compare_runs(first: str, second: str, store: str | None, *, as_json: bool, limit: int) -> int:
    """Tell what is not the same in two runs.

    Args:
        first: a run's name or id.
        second: another's.
        store: folder of the store.
        as_json: for programs.
        limit: how many differences of a kind are told at most; 0 for all.

    Returns:
        The exit status: 0 if all that was recorded is the same.
    """
    from trilha.query.changes import changes
    from trilha.query.runs import find_run
    from trilha.trace.diverging import divergence

    found = opened(store)
    runs = find_run(found, first), find_run(found, second)
    changed = changes(found, *runs)
    process = 0
    traces = [waited_traces(found, run) for run in runs]
    # Forked processes come in the order in which they were forked.
    pairs = list(zip(*traces, strict=False))
    pair, parted = pairs[0] if pairs else None, None
    for at, one in enumerate(pairs):
        parted = divergence(*one)
        if parted is not None:
            pair, process = one, at
            break
    processes = [len(some) for some in traces]
    fewer = bool(pairs) and processes[0] != processes[1]
    if as_json:
        content = {
            "changes": [one._asdict() for one in changed],
            "functions": _functions(pair),
            "traced": bool(pairs),
            "processes": processes,
            "process": process if parted else None,
            "values": bool(pair) and all(one.has_values for one in pair or ()),
            "divergence": _shape(pair, parted) if pair and parted else None,
        }
        print_json("changes", str(found.folder), content)
    else:
        _print(changed, pair, parted, limit, processes)
    return int(bool(changed or parted or fewer))


def _functions(pair: tuple[Traced, Traced] | None) -> dict[str, dict[str, str]]:
    """Which functions of which module's text are not the same."""
    from trilha.query.changes import functions_changed

    if pair is None:
        return {}
    texts = [{os.path.basename(path): text for path, text in one.texts.items()} for one in pair]
    found = {
        name: functions_changed(texts[0].get(name, ""), texts[1].get(name, ""))
        for name in sorted({*texts[0], *texts[1]})
    }
    return {name: some for name, some in found.items() if some}


def _print(
    changed: list[Changed],
    pair: tuple[Traced, Traced] | None,
    parted: Divergence | None,
    limit: int,
    processes: list[int],
) -> None:
    from trilha.cli.page import Page

    page = Page()
    if not changed and parted is None and (pair is None or processes[0] == processes[1]):
        page.line("All that was recorded of them is the same.")
    by_kind: dict[str, list[Changed]] = {}
    for one in changed:
        by_kind.setdefault(one.about, []).append(one)
    for about, some in by_kind.items():
        page.heading(_HEADINGS[about])
        shown = some[:limit] if limit else some
        page.table([("  " + one.name, _short(one.first), "→", _short(one.second)) for one in shown])
        if len(some) > len(shown):
            page.line(f"  … and {len(some) - len(shown):,} more")
    for file, some_functions in _functions(pair).items():
        page.heading(f"Functions of {file}")
        page.table([("  " + name, how) for name, how in some_functions.items()])
    if pair is not None:
        _print_divergence(page, pair, parted)
        if processes[0] != processes[1]:
            page.line(f"  {processes[0]} processes have a trace in the first, {processes[1]} in the second.")
    elif any(processes):
        page.heading("Where they part")
        page.line("  Only one of them has a trace: record both with --grain variable.")
    page.print()


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    digits = text.removeprefix("nih:sha-256;")
    return digits[:8] if len(digits) == 64 and not set(digits) - set("0123456789abcdef") else text


def _print_divergence(page: Page, pair: tuple[Traced, Traced], parted: Divergence | None) -> None:
    page.heading("Where they part")
    if parted is None:
        page.line("  They evaluated the same, in the same order, to the end.")
    else:
        forked = ", in a process that was forked" if pair[0].forked else ""
        page.line(f"  {_worded(pair[0], parted, forked)}")
        for which, one, part in zip(("first", "second"), pair, (parted.first, parted.second), strict=True):
            where = _instead(one, parted.number) if part is None else f"{_where(part)}  {_line(part)}"
            value = one.value(parted.number) if part is not None else None
            page.line(f"  the {which}: {where}{f'  = {value}' if value is not None else ''}")
        _print_reason(page, pair[0], parted)
    if not all(one.has_values for one in pair):
        page.line(
            ("  Values were not recorded (--values): those that decided nothing so far may differ.", "faint")
        )


def _instead(traced: Traced, number: int) -> str:
    """What is told of a run that evaluated nothing where the other did."""
    from trilha.trace.diverging import instead

    called, then = instead(traced, number)
    if then is None:
        return f"a call of {called}" if called else "its end"
    return f"{'' if called else 'a change, then '}{_where(then)}  {_line(then)}"


def _print_reason(page: Page, traced: Traced, parted: Divergence) -> None:
    from trilha.trace.compiling import Lines
    from trilha.trace.diverging import from_outside, reason
    from trilha.trace.files import read_by

    told = reason(traced, parted)
    if not told.lines():
        return
    page.heading("It came from", "  (in the first)")
    lines = list(told.lines().items())
    texts = {file: Lines(traced.texts.get(file, "")) for (file, _), _ in lines}
    rows = []
    for (file, line), count in lines[-_MOST_LINES:]:
        shown = texts[file][line].strip()
        rows.append((f"  {short_path(file)}:{line}", shown, f"×{count:,}" if count > 1 else ""))
    page.table(rows)
    files = [short_path(one.opened.path) for one in read_by(told)]
    if files:
        page.line(f"  read from {', '.join(files)}")
    calls = _calls(told, from_outside(told))
    if calls:
        page.line(f"  from outside: {', '.join(calls)}")


def _calls(told: Slice, numbers: list[int]) -> list[str]:
    found: dict[str, int] = {}
    for number in numbers:
        part = told.traced.component(number)
        name = f"{_line(part)} (line {part.line})"
        found[name] = found.get(name, 0) + 1
    return [
        f"{name}{f' ×{count:,}' if count > 1 else ''}" for name, count in list(found.items())[:_MOST_LINES]
    ]


def _worded(traced: Traced, parted: Divergence, forked: str) -> str:
    times = traced.activation(parted.last).name if parted.last is not None else "<module>"
    how = {
        "text": "The text is another",
        "flow": "The control goes another way",
        "data": "The same part of the text finds its value elsewhere",
        "value": "The same part of the text gives another value",
    }[parted.how]
    return f"{how}, in {times}{forked}, at evaluation {parted.number:,}:"


def _where(part: Any) -> str:
    return f"{short_path(part.file)}:{part.line}"


def _line(part: Any) -> str:
    text: str = part.text.partition("\n")[0]
    return text[:80]


def _shape(pair: tuple[Traced, Traced], parted: Divergence) -> dict[str, Any]:
    from trilha.trace.diverging import from_outside, reason
    from trilha.trace.files import read_by

    told = [reason(one, parted) for one in pair]
    return {
        "how": str(parted.how),
        "evaluation": parted.number,
        "last_common": parted.last,
        "first": _part(pair[0], parted.number, parted.first),
        "second": _part(pair[1], parted.number, parted.second),
        "came_from": [
            {
                "lines": [
                    {"file": file, "line": line, "count": count}
                    for (file, line), count in one.lines().items()
                ],
                "files": [read.opened.path for read in read_by(one)],
                "from_outside": _calls(one, from_outside(one)),
            }
            for one in told
        ],
    }


def _part(traced: Traced, number: int, part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    place = {"file": part.file, "line": part.line, "column": part.column, "text": part.text}
    return {**place, "value": traced.value(number), "in": traced.activation(number).name}
