"""``trilha show``: all about one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trilha.cli.options import asked, document_option, json_option, print_json, store_option

if TYPE_CHECKING:
    from trilha.cli.page import Page, Span, Tree
    from trilha.query.account import Account, Step
    from trilha.query.things import Thing

__all__ = ["command"]

_MOST_NUMBERS = 4
_EPILOG = """\b
Examples:
  trilha show last
  trilha show digits           by name
  trilha show 3f2a             by the beginning of its id
  trilha show last --json      for programs
  trilha show --document model.provn
"""


@click.command(name="show", epilog=_EPILOG)
@click.argument("run", required=False)
@document_option
@json_option
@store_option
def command(run: str | None, document: str | None, as_json: bool, store: str | None) -> None:
    """Show all about RUN: a name, an id or its beginning, or last.

    Of a document, the run that it is about; the last one, if it is about several.
    """
    from trilha.query.account import account
    from trilha.query.runs import find_run

    if run is None and document is None:
        raise click.UsageError("Missing argument 'RUN'.")
    found = asked(store, document)
    told = account(found, find_run(found, run or "last"))
    if as_json:
        print_json("run", found.folder, _shape(told))
        return
    _page(told).print()


# -- for people
# --------------------------------------------------------------------------------------------------


def _page(told: Account) -> Page:
    from trilha.cli.page import Page
    from trilha.cli.telling import status
    from trilha.query.unknown import of_account

    page = Page()
    run = told.run
    page.line((run.name or "(no name)", "head"), f"  {run.uuid}  ", status(run))
    if run.exception:
        page.line("  ", (run.exception, "bad"))
    page.table([[("  " + name, "faint"), text] for name, text in _about(told) if text])
    _steps(page, told)
    _files(page, told)
    _hyperparameters(page, told)
    _objects(page, told)
    _metrics(page, told)
    _annotations(page, told)
    said = of_account(told)
    if said:
        page.heading("Not known")
        for sentence in said:
            page.line("  ", (sentence, "odd"))
    return page


def _about(told: Account) -> list[tuple[str, str]]:
    from trilha.cli.telling import near
    from trilha.query.wording import duration, moment

    run = told.run
    took = f", took {duration(run.end - run.start)}" if run.start is not None and run.end is not None else ""
    folder = str(told.activity.fact("trilha:cwd", "")) if told.activity else ""
    return [
        ("command", run.command),
        ("in", folder),
        ("campaign", str(told.activity.fact("trilha:campaign", "")) if told.activity else ""),
        ("started", moment(run.start) + took),
        ("by", _who(told)),
        ("on", _machine(told)),
        ("as", _job(told)),
        ("code", _code(told)),
        ("packages", _packages(told)),
        ("processes", str(told.processes) if told.processes > 1 else ""),
        ("script", near(str(told.script.fact("trilha:path", told.script.label))) if told.script else ""),
    ]


def _who(told: Account) -> str:
    if told.person is None:
        return ""
    return told.person.label + (f" ({told.person.iri.removeprefix('acct:')})" if told.person.iri else "")


def _job(told: Account) -> str:
    """The job of a cluster that it was."""
    if told.activity is None or not told.activity.fact("trilha:job"):
        return ""
    names = ("system", "task", "step", "rank", "processes", "queue", "nodes")
    fact = {key: str(told.activity.fact(f"trilha:job_{key}", "")) for key in names}
    words = [f"{fact['system']} job {told.activity.fact('trilha:job')}".strip()]
    words += [f"task {fact['task']} of its array"] if fact["task"] else []
    if fact["step"] and fact["processes"] not in ("", "1"):
        words.append(f"process {fact['rank']} of {fact['processes']} in step {fact['step']}")
    words += [f"queue {fact['queue']}"] if fact["queue"] else []
    words += [f"nodes {fact['nodes']}"] if fact["nodes"] else []
    return ", ".join(words)


def _machine(told: Account) -> str:
    from trilha.query.wording import size

    machine = told.machine
    if machine is None:
        return ""
    words = [machine.label]
    system = " ".join(
        str(machine.fact(f"trilha:{key}", "")) for key in ("system", "release", "architecture")
    ).strip()
    words += [system] if system else []
    cores, memory = machine.fact("trilha:cores"), machine.fact("trilha:memory")
    cpu = machine.fact("trilha:cpu")
    if cores:
        words.append(f"{cores} core{'s' if cores != 1 else ''}" + (f" of {cpu}" if cpu else ""))
    words += [f"{size(memory)} of memory"] if isinstance(memory, int) else []
    accelerators = machine.facts.get("trilha:accelerator", [])
    words += [str(one) for one in accelerators] or ["no accelerator seen"]
    container = machine.fact("trilha:container")
    return ", ".join([*words, *([f"in {container}"] if container else [])])


def _code(told: Account) -> str:
    if told.commit is None:
        return "in no Git repository that is known"
    branch = told.commit.fact("trilha:branch")
    state = {True: ", with uncommitted changes", False: ", nothing uncommitted", None: ""}[told.dirty]
    return f"commit {told.commit.label}" + (f" on {branch}" if branch else "") + state


def _packages(told: Account) -> str:
    from trilha.query.wording import foremost

    labels = sorted((package.label for package in told.packages), key=foremost)
    rest = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
    return ", ".join(labels[:12]) + rest


def _times(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _steps(page: Page, told: Account) -> None:
    from trilha.cli.page import Tree

    if not told.steps:
        return
    page.line()
    page.tree(Tree([[("Steps", "head")]], [_indented(step) for step in told.steps]))


def _indented(step: Step) -> Tree:
    from trilha.cli.page import Tree

    root = Tree([_step_line(step)])
    waiting = [(root, step)]
    while waiting:
        tree, one = waiting.pop()
        for below in one.steps:
            made = Tree([_step_line(below)])
            tree.branches.append(made)
            waiting.append((made, below))
    return root


def _step_line(step: Step) -> list[Any]:
    from trilha.query.wording import duration, visible

    name = step.thing.label
    if step.times > 1 and "trilha:Epoch" in step.thing.types:
        name = "epochs"
    elif step.times > 1 and "trilha:Adaptation" in step.thing.types:
        name = "changes of the learning rate"
    ended = step.ended or step.raised == step.times
    words = f"  {duration(step.took)}" if step.took else "" if ended else "  its end is not known"
    returned, exception = _returned(step), visible(step.exception, 80)
    by = f"  ended by {exception}"
    if step.times > 1:
        each = f", {duration(step.took // step.times)} each" if step.took and _alike(step) else ""
        by = by if step.raised == 1 else f"  ended by exceptions, first {exception}"
        some = [(f"  {step.raised} of them{by[1:]}", "bad")] if step.raised else []
        return [(name, "name"), f" ×{step.times}", (f"{words}{each}", "faint"), returned, *some]
    return [(name, "name"), (words, "faint"), (by, "bad") if step.raised else returned]


def _alike(step: Step) -> bool:
    """Whether a mean says something: not of tasks of which some were not executed, or more than once."""
    if not step.thing.is_a("trilha:Task"):
        return True
    return sum(one.times for one in step.steps if one.thing.is_a("trilha:Attempt")) == step.times


def _returned(step: Step) -> str:
    """The numbers that a step returned; of several steps, those of the first and the last."""
    first, last = _numbers(step.thing), _numbers(step.last)
    if not first or not last or len(first) > _MOST_NUMBERS:
        return ""
    return f"  returned {', '.join(first)}" + (f" … {', '.join(last)}" if step.times > 1 else "")


def _numbers(thing: Thing) -> list[str]:
    from trilha.query.wording import number

    numbers = []
    for key in thing.facts:
        value = thing.fact(key)
        if key.startswith("trilha:returned") and isinstance(value, (int, float)):
            name = key[len("trilha:returned.") :]
            numbers.append(number(value) if not name or name.isdigit() else f"{name}={number(value)}")
    return numbers


def _files(page: Page, told: Account) -> None:
    from trilha.cli.telling import hash_of, near
    from trilha.query.wording import size

    for title, some in (
        ("Read", [file for file in told.files if file.read and not file.written]),
        ("Written", [file for file in told.files if file.written]),
    ):
        rows: dict[str, list[Any]] = {}
        versions: dict[str, set[str]] = {}
        for file in some:
            path = near(str(file.thing.fact("trilha:path", file.thing.label)))
            length = file.thing.fact("trilha:size")
            # Each process of a run meets a file anew.
            contents = versions.setdefault(path, set())
            contents.add(str(file.thing.fact("trilha:sha256", file.thing.iri)))
            again = f"the last of {len(contents)} versions" if len(contents) > 1 else ""
            read = "read again" if file.read and file.written else ""
            note = ", ".join(word for word in (again, read) if word)
            hexadecimal = hash_of(file.thing)
            rows[path] = [
                "  " + path,
                size(length) if isinstance(length, int) else "",
                hexadecimal,
                (note, "faint"),
            ]
        if rows:
            page.heading(title)
            page.table(_some(list(rows.values())), right=(1,))


def _some(rows: list[list[Any]]) -> list[list[Any]]:
    return rows if len(rows) <= 40 else [*rows[:40], [f"  … and {len(rows) - 40} more (--json)"]]


def _hyperparameters(page: Page, told: Account) -> None:
    from trilha.query.wording import number

    rows = []
    for one in told.hyperparameters:
        changes = f"{_times(one.changes, 'change')}, last {number(one.last)}" if one.changes else ""
        rows.append(["  " + one.name, number("" if one.value is None else one.value), (changes, "faint")])
    if rows:
        page.heading("Hyperparameters")
        page.table(_some(rows))


def _objects(page: Page, told: Account) -> None:
    from trilha.cli.telling import tell

    if told.objects:
        page.heading("Models, optimisers, data")
        for thing in told.objects[:40]:
            page.line("  ", *tell(thing))
        if len(told.objects) > 40:
            page.line(f"  … and {len(told.objects) - 40} more (--json)")


def _metrics(page: Page, told: Account) -> None:
    from trilha.query.wording import number

    rows: list[list[Span | str]] = []
    for one in told.metrics:
        nans = f"{one.nans} not a number" if one.nans else ""
        numbers = [number(value) for value in (one.last, one.lowest, one.highest)]
        rows.append(["  " + one.name, *numbers, str(one.values), (nans, "odd")])
    if rows:
        page.heading("Metrics")
        page.table(rows, ("  name", "last", "lowest", "highest", "values", ""), right=(1, 2, 3, 4))


def _annotations(page: Page, told: Account) -> None:
    from trilha.cli.annotate import annotation_row

    rows = []
    for thing, one in told.annotations:
        name, *rest = annotation_row(one)
        rows.append([("  the run" if thing.is_a("trilha:Run") else "  " + thing.label), name.strip(), *rest])
    if rows:
        page.heading("Annotations")
        page.table(_some(rows))


# -- for programs
# ------------------------------------------------------------------------------------------------


def _shape(told: Account) -> dict[str, Any]:
    from trilha.cli.annotate import annotation_shape
    from trilha.cli.shapes import run_shape, thing_shape
    from trilha.query.unknown import of_account

    def maybe(thing: Any) -> Any:
        return thing_shape(thing) if thing is not None else None

    return {
        "run": run_shape(told.run),
        "activity": maybe(told.activity),
        "person": maybe(told.person),
        "machine": maybe(told.machine),
        "packages": [thing.iri for thing in told.packages],
        "commit": maybe(told.commit),
        "uncommitted_changes": told.dirty,
        "script": maybe(told.script),
        "steps": [_step_shape(step) for step in told.steps],
        "files": [
            {**thing_shape(file.thing), "read": file.read, "written": file.written} for file in told.files
        ],
        "hyperparameters": {
            one.name: {"value": one.value, "last": one.last, "changes": one.changes}
            for one in told.hyperparameters
        },
        "objects": [thing_shape(thing) for thing in told.objects],
        "metrics": [one._asdict() for one in told.metrics],
        "annotations": [{**annotation_shape(one), "about": thing.iri} for thing, one in told.annotations],
        "processes": told.processes,
        "not_known": of_account(told),
    }


def _step_shape(root: Step) -> dict[str, Any]:
    shape = _one_step(root)
    waiting = [(shape, root)]
    while waiting:
        made, step = waiting.pop()
        for one in step.steps:
            below = _one_step(one)
            made["steps"].append(below)
            waiting.append((below, one))
    return shape


def _one_step(step: Step) -> dict[str, Any]:
    took = None if step.took is None else step.took / 1e9
    return {
        "id": step.thing.iri,
        "label": step.thing.label,
        "count": step.times,
        "seconds": took,
        "steps": [],
    }
