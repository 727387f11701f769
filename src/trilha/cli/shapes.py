"""The parts that JSON answers are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.cli.options import moment

if TYPE_CHECKING:
    from trilha.query.runs import Run
    from trilha.query.things import Thing

__all__ = ["run_shape", "seconds", "thing_shape"]


def seconds(start: int | None, end: int | None) -> float | None:
    """From `start` to `end`, both in nanoseconds, in seconds."""
    return None if start is None or end is None else (end - start) / 1e9


def run_shape(run: Run) -> dict[str, Any]:
    """A run."""
    return {
        "id": run.uuid,
        "name": run.name,
        "status": run.status,
        "start": moment(run.start),
        "end": moment(run.end),
        "seconds": seconds(run.start, run.end),
        "exit_status": run.exit_status,
        "exception": run.exception or None,
        "command": run.command,
        "dropped": run.dropped,
        "damaged_parts": run.damage,
    }


def thing_shape(thing: Thing) -> dict[str, Any]:
    """An entity, activity or agent."""
    shape: dict[str, Any] = {
        "id": thing.iri,
        "kind": thing.kind,
        "label": thing.label,
        "types": list(thing.types),
        "run": thing.run,
        "attributes": thing.facts,
    }
    if thing.kind == "activity":
        shape |= {
            "start": moment(thing.start),
            "end": moment(thing.end),
            "seconds": seconds(thing.start, thing.end),
        }
    return shape
