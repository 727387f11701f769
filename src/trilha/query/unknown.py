"""What an answer cannot know, in sentences. An honest trail ends with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trilha.query.account import Account
    from trilha.query.lineage import Lineage, Link
    from trilha.query.runs import Run

__all__ = ["left_out", "of_account", "of_lineage", "of_runs"]


def of_runs(runs: Iterable[Run]) -> list[str]:
    """What is not known of each of these runs."""
    said = []
    for run in runs:
        who = f"{run.name or 'the run'} {run.short}"
        if run.status == "lost":
            said.append(
                f"How {who} ended: it was killed, or the machine went down; what it had done by then is here."
            )
        elif run.status == "running":
            said.append(f"What {who} will still do: it is running.")
        elif run.status == "unknown" and run.start is None and run.damage:
            said.append(f"What {who} was: its beginning cannot be read.")
        elif run.status == "unknown":
            said.append(f"Whether {who} still runs: it was recorded elsewhere, and no end of it is here.")
        if run.dropped:
            said.append(f"{_count(run.dropped, 'event')} of {who} that could not be recorded.")
        if run.damage:
            parts = _count(run.damage, "damaged part")
            said.append(
                f"What stood in {parts} of the journals of {who} (trilha show {run.short} says where)."
            )
    return said


def left_out(unknown: int) -> str:
    """That of so many runs it cannot be told whether they are what was asked for."""
    end = "does not know what the expression asks for, and is left out."
    if unknown > 1:
        end = "do not know what the expression asks for, and are left out."
    return f"{_count(unknown, 'run')} {end}"


def of_lineage(lineage: Lineage) -> list[str]:
    """What is not known of a trail."""
    said = list(lineage.found.notes)
    said += of_runs(lineage.runs.values())
    if lineage.cut:
        more = (
            "what lies behind it" if len(lineage.cut) == 1 else f"what lies behind {len(lineage.cut)} things"
        )
        said.append(f"The trail was cut at the depth asked for: {more} is left out (--depth).")
    unhashed = [thing.label for thing in lineage.things.unhashed()]
    if unhashed:
        names = ", ".join(sorted(set(unhashed))[:3]) + (" …" if len(set(unhashed)) > 3 else "")
        said.append(f"The content of {_count(len(unhashed), 'file')} that could not be hashed ({names}).")
    others = sum(link.others for link in lineage.links if link.via == "sameContent")
    if others:
        said.append(
            f"The same bytes had been written {_count(others, 'other time')} too; the likeliest is shown."
        )
    if lineage.direction == "upstream" and any(
        _also_used(lineage, link) for link in lineage.links if link.weaker
    ):
        said.append("Whether what a step “also used” went into its result: it was only there in time.")
    return said


def _also_used(lineage: Lineage, generation: Link) -> bool:
    """Whether the activity of a generation used more than what the entity says it was derived from."""
    derived = {
        link.cause for link in lineage.links_by_effect[generation.effect] if link.via == "wasDerivedFrom"
    }
    used = lineage.links_by_effect.get(generation.cause, ())
    return any(link.via == "used" and link.cause not in derived for link in used)


def of_account(account: Account) -> list[str]:
    """What is not known of a run."""
    said = of_runs([account.run])
    for journal, offset, length, reason in account.damage:
        size = f", {length} bytes" if length else ""
        said.append(f"Journal {journal[:8]} at byte {offset}{size}: {reason}.")
    if account.activity is None:
        said.append("What was run: its first statement is not in the journals.")
    if account.unhashed:
        said.append(f"The content of {_count(account.unhashed, 'file')}: not hashed.")
    if account.trainings and not account.metrics:
        what = "the training" if account.trainings == 1 else f"{account.trainings} trainings"
        said.append(f"How well {what} went: no metric was recorded. What is only printed is not recorded.")
    return said


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
