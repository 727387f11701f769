"""The plan that a run's script is, and what the run did of it."""

from __future__ import annotations

from typing import Any

from trilha.errors import NotFound
from trilha.query.planning import Channel, Compared, Step, compared, plan_of_run
from trilha.query.questions.asking import Answer, Asked, question

__all__ = ["plan"]


@question(
    "plan",
    "[SCRIPT]",
    "What a run's script says that it does, by steps and channels, and how often the run did it.",
)
def plan(asked: Asked, script: str | None = None) -> Answer:
    """One row a step and a channel between steps; SCRIPT is a copy of the script, where it has moved."""
    if len(asked.keys) != 1:
        raise NotFound(f"{len(asked.keys)} runs are asked about: say with --run whose plan is meant")
    run = asked.runs[asked.keys[0]]
    told = compared(asked.store, run, plan_of_run(asked.store, run, script))
    rows = [*_steps(told), *_channels(told)]
    steps, channels = ([row for row in rows if row["what"] == what] for what in ("step", "channel"))
    summary: dict[str, Any] = {
        "steps": len(steps),
        "channels": len(channels),
        **{
            f"{what} {verdict}": count
            for what, some in (("steps", steps), ("channels", channels))
            for verdict in ("never ran", "never used", "not planned")
            if (count := sum(row["verdict"] == verdict for row in some))
        },
    }
    notes = []
    if told.unused:
        notes.append(
            "Whether data went on a channel that was never used: between the steps it may have become another"
            " thing, or the step that was to give it failed."
        )
    if not told.done.plain and any(not step.engine for step in told.found.plan.steps.values()):
        notes.append("How often functions ran that no engine was given: this run did not record them.")
    columns = ("what", "name", "from", "line", "times", "ran", "verdict")
    return Answer(columns, rows, summary, notes)


def _steps(told: Compared) -> list[dict[str, Any]]:
    rows = []
    never = set(told.never)
    for name, step in told.found.plan.steps.items():
        ran = told.ran.get(name, 0)
        if step.calls or ran:
            known = ran or name in never
            verdict = "never ran" if name in never else "as planned" if known else "not recorded"
            row = {"name": name, "from": step.engine, "line": step.calls or [step.line]}
            rows.append({"what": "step", **row, "times": _times(step), "ran": ran, "verdict": verdict})
    for name, ran in told.unplanned.items():
        rows.append({"what": "step", "name": name, "ran": ran, "verdict": "not planned"})
    return rows


def _channels(told: Compared) -> list[dict[str, Any]]:
    rows = []
    for channel in (*told.used, *told.unused):
        ran = told.used.get(channel, 0)
        verdict = "as planned" if ran else "never used"
        rows.append({"what": "channel", **_ends(channel), "ran": ran, "verdict": verdict})
    for (source, target, port), ran in told.beside.items():
        name = f"{target}.{port}"
        rows.append({"what": "channel", "name": name, "from": source, "ran": ran, "verdict": "not planned"})
    return rows


def _ends(channel: Channel) -> dict[str, Any]:
    return {
        "name": f"{channel.target.step}.{channel.target.name}",
        "from": f"{channel.source.step}.{channel.source.name}",
    }


def _times(step: Step) -> str:
    """How often the text calls it."""
    if step.repeated:
        return "perhaps often" if step.conditional else "often"
    return "perhaps" if step.conditional else "once" if len(step.calls) == 1 else f"{len(step.calls)} times"
