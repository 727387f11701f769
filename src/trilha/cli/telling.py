"""What a thing is, in a few words of one line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from trilha.query.wording import duration, moment, number, size, visible

if TYPE_CHECKING:
    from trilha.cli.page import Line, Span
    from trilha.query.lineage import Lineage
    from trilha.query.runs import Run
    from trilha.query.things import Thing
    from trilha.query.trail import Branch

__all__ = [
    "activities",
    "activity",
    "hash_of",
    "hyperparameter",
    "near",
    "run_line",
    "several",
    "status",
    "tell",
    "words_of",
]

_STATUS_STYLES = {"finished": "good", "failed": "bad", "running": "name"}
_MOST = 20
"""Hyperparameters on a line."""
_WORDS = {
    "trilha:Checkpoint": "model file",
    "trilha:Model": "model",
    "trilha:Optimizer": "optimiser",
    "trilha:Scheduler": "scheduler",
    "trilha:DataLoader": "data loader",
    "trilha:Subset": "part of a data set",
    "trilha:Dataset": "data set",
    "trilha:Layer": "layer",
    "trilha:Metrics": "metrics",
    "trilha:Commit": "commit",
    "trilha:Diff": "uncommitted changes",
    "trilha:Package": "package",
    "trilha:Content": "content",
    "prov:Plan": "code",
    "prov:Person": "person",
    "trilha:Machine": "machine",
}


def tell(thing: Thing) -> list[Span | str]:
    """A thing's name and what it is, where the name does not say that."""
    if thing.is_a("trilha:Hyperparameter"):
        return [(hyperparameter(thing), "name")]
    facts = _facts(thing)
    if facts[:1] == [thing.label]:
        facts = facts[1:]
    return [(visible(thing.label), "name"), *([("  " + ", ".join(facts), "faint")] if facts else [])]


def several(things: list[Thing]) -> list[Span | str]:
    """Several things on one line."""
    if all(thing.is_a("trilha:Hyperparameter") for thing in things):
        return [(_hyperparameters(things), "name")]
    if len({(thing.fact("trilha:sha256") or thing.iri, thing.fact("trilha:path")) for thing in things}) == 1:
        return tell(things[0])
    shown = ", ".join(visible(name, 40) for name in _names(things)[:3])
    rest = f" and {len(things) - 3} more" if len(things) > 3 else ""
    words = {"".join(_facts(thing)[:1]) for thing in things}
    what = f"  {words.pop()}" if len(words) == 1 else ""
    return [(shown + rest, "name"), (what, "faint")]


def _names(things: list[Thing]) -> list[str]:
    """What to call each thing: of files of one name, each with its folder."""
    labels = [thing.label for thing in things]
    return [
        near(str(thing.fact("trilha:path", label)))
        if thing.is_a("trilha:File") and labels.count(label) > 1
        else label
        for thing, label in zip(things, labels, strict=True)
    ]


def words_of(branch: Branch, told: Lineage) -> list[Span | str]:
    """What the things of one branch of a trail are."""
    things = [told.things[iri] for iri in branch.things]
    if len(things) > 1 and things[0].kind == "activity" and not things[0].is_a("trilha:Epoch"):
        return activities(things)
    if things[0].kind == "activity":
        # A step's date is told where another day or another run may begin: at the top and after a change of
        # runs.
        dated = branch.link is None or branch.link.depth <= 1 or len(told.runs) > 1
        return activity(things, told.runs, with_date=dated)
    return tell(things[0]) if len(things) == 1 else several(things)


def activity(things: list[Thing], runs: dict[str, Run], *, with_date: bool) -> list[Span | str]:
    """A step, or epochs that followed each other: when, and how long."""
    first, last = things[-1], things[0]
    start = first.start
    when = moment(start) if with_date else moment(start)[11:]
    took = _took(things)
    words = [when if start is not None else "time unknown"]
    if took is not None:
        words.append(duration(took))
    if len(things) > 1:
        name: Span = (f"{visible(first.label)} to {visible(last.label)}", "name")
        words.insert(0, f"{len(things)} epochs")
    elif last.is_a("trilha:Run"):
        name = (f"the run {visible(last.label)}", "name")
    else:
        name = (visible(last.label), "name")
        words += _arguments(last)
        if last.is_a("trilha:Process") and (given := _given(last)):
            words.append(given)
    run = runs.get(last.run or "")
    if with_date and run is not None and not last.is_a("trilha:Run"):
        words.append(f"in run {visible(run.name)} {run.short}")
    elif with_date and run is not None:
        words.append(run.short)
    return [name, ("  " + ", ".join(words), "faint")]


def activities(things: list[Thing]) -> list[Span | str]:
    """Several steps of which only the names matter."""
    counts: dict[str, int] = {}
    for thing in things:
        counts[thing.label] = counts.get(thing.label, 0) + 1
    names = [visible(name, 40) + (f" ×{count}" if count > 1 else "") for name, count in counts.items()]
    return [(", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""), "name")]


def hyperparameter(thing: Thing) -> str:
    """``lr = 0.01``."""
    value = thing.fact("prov:value")
    return visible(f"{thing.label} = {number(value)}", 120) if value is not None else visible(thing.label)


def _hyperparameters(things: list[Thing]) -> str:
    """Each name once: with its nearest value where it changed on the way, else with all that there are.

    Two optimisers have a learning rate each, and a search tries several: nothing changed there.
    """
    by_name: dict[str, list[Thing]] = {}
    for thing in things:
        by_name.setdefault(thing.label, []).append(thing)
    told = []
    for name, versions in by_name.items():
        values = list(dict.fromkeys(number(one.fact("prov:value")) for one in versions))
        if len(values) == 1:
            told.append(hyperparameter(versions[0]))
        elif any(one.fact("trilha:before") is not None for one in versions):
            told.append(visible(f"{name} = {values[0]} (changed on the way, {len(values)} values)", 120))
        else:
            rest = f" and {len(values) - 5} more" if len(values) > 6 else f" and {values[-1]}"
            shown = values[:5] if len(values) > 6 else values[:-1]
            told.append(visible(f"{name} = {', '.join(shown)}{rest}", 120))
    more = len(told) - _MOST
    return ", ".join(told[:_MOST]) + (f" and {more} more" if more > 0 else "")


def status(run: Run) -> Span:
    """A run's status, with exit status and exception."""
    words = run.status
    if run.exit_status:
        words += f" ({run.exit_status})"
    return words, _STATUS_STYLES.get(run.status, "odd")


def run_line(run: Run) -> Line:
    """A run on one line."""
    took = f", took {duration(run.end - run.start)}" if run.start is not None and run.end is not None else ""
    return [
        (visible(run.name) or "(no name)", "name"),
        f"  {run.short}  ",
        status(run),
        f", {moment(run.start)}{took}",
    ]


def near(path: str) -> str:
    """`path` relative to the current folder where it lies in it."""
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) and len(path) > len(here) else path


def hash_of(thing: Thing) -> str:
    """The first eight digits of a file's hash."""
    value = thing.fact("trilha:sha256")
    return str(value)[:8] if value else "not hashed"


def _took(things: Iterable[Thing]) -> int | None:
    total = 0
    for thing in things:
        if thing.took is None:
            return None
        total += thing.took
    return total


def _given(process: Thing) -> str:
    """What a process of a script was given on its command line."""
    return visible(str(process.fact("trilha:command", "")).partition(".py ")[2], 60)


def _arguments(thing: Thing) -> list[str]:
    """The plain arguments of a call, the short ones."""
    from urllib.parse import unquote

    told: list[str] = []
    for key, values in thing.facts.items():
        if key.startswith("trilha:arg.") and len(told) < 4:
            value = values[-1]
            text = near(value) if isinstance(value, str) else number(value)
            if len(text) <= 40:
                told.append(visible(f"{unquote(key[11:])}={text}", 60))
    return told


def _facts(thing: Thing) -> list[str]:
    if thing.is_a("trilha:File"):
        path = near(str(thing.fact("trilha:path", "")))
        told = [f"in {visible(os.path.dirname(path), 60)}"] if os.path.dirname(path) else []
        told += [size(thing.fact("trilha:size"))] if isinstance(thing.fact("trilha:size"), int) else []
        return [*told, hash_of(thing)]
    word = next((word for one, word in _WORDS.items() if one in thing.types), "")
    told = [word] if word and word not in ("package", "code") else []
    python_type = str(thing.fact("trilha:python_type", "")).rpartition(".")[2]
    if python_type and python_type != thing.label and not told:
        told.append(visible(python_type, 40))
    for key, form in (
        ("trilha:shape", "{}"),
        ("trilha:dtype", "{}"),
        ("trilha:length", "{} item"),
        ("trilha:layers", "{} layer"),
        ("trilha:parameters", "{} parameter"),
        ("trilha:shards", "shared out over {} rank"),
        ("trilha:batch_size", "batches of {}"),
        ("trilha:branch", "branch {}"),
    ):
        value = thing.fact(key)
        if value is not None:
            several = "s" if form[-1].isalpha() and value != 1 else ""
            told.append(form.format(visible(number(value).removeprefix("torch."), 60)) + several)
    if thing.fact("trilha:shuffle") is True:
        told.append("shuffled")
    if thing.is_a("prov:Plan"):
        told.append("code")
    return told
