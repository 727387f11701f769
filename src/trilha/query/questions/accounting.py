"""Who, when, where and with which software; what failed; whether a file is the one of this document."""

from __future__ import annotations

from typing import Any

from trilha.query.finding import digest
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import PREFIXES, SHA256, describe
from trilha.query.wording import foremost
from trilha.store import sql
from trilha.store.values import from_ns

__all__ = ["failed", "verify", "who"]

_MACHINE = ("cores", "memory", "accelerator", "driver", "container", "system")


@question(
    "who",
    "",
    "Who ran it, when, where, on what machine, with which code and software.",
    papers=("K8", "D3"),
    acceptance=(3, 12),
)
def who(asked: Asked) -> Answer:
    """One row a run."""
    machines, commits, packages, runs = (asked.things(one) for one in ("Machine", "Commit", "Package", "Run"))
    users = asked.fields.facts("user")
    dirty = dict(asked.store.connection.execute(sql.DIRTY_OF_RUNS, (PREFIXES["trilha"] + "dirty",)))
    rows = []
    for run in asked.runs.values():
        machine = next((thing for _, thing in machines.get(run.key, ())), None)
        commit = next((thing for _, thing in commits.get(run.key, ())), None)
        software = [thing for _, thing in packages.get(run.key, ())]
        software.sort(key=lambda one: foremost(one.label))
        facts = next((thing.facts for _, thing in runs.get(run.key, ())), {})
        about = machine.facts if machine is not None else {}
        row: dict[str, Any] = {
            **asked.named(run.key),
            "by": _several(list(dict.fromkeys(users.get(run.key, [])))),
            "on": machine.label if machine is not None else None,
            "started": None if run.start is None else from_ns(run.start),
            "took": None if run.start is None or run.end is None else (run.end - run.start) / 1e9,
            "status": run.status,
            **{key: _several(about.get(f"trilha:{key}", [])) for key in _MACHINE},
            "job": _job(facts) or None,
            "commit": commit.label if commit is not None else None,
            "uncommitted": bool(dirty[run.key]) if commit is not None and run.key in dirty else None,
            "command": run.command,
            "software": [package.label for package in software],
        }
        rows.append(row)
    columns = (
        "run",
        "id",
        "by",
        "on",
        "started",
        "took",
        "status",
        *_MACHINE,
        "job",
        "commit",
        "uncommitted",
    )
    return Answer((*columns, "command", "software"), rows)


def _several(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None


def _job(facts: dict[str, list[Any]]) -> dict[str, Any]:
    """What the cluster's variables said."""
    begin = ("trilha:job", "trilha:cluster", "trilha:slurm", "trilha:pbs", "trilha:oar", "trilha:kubernetes")
    return {key.removeprefix("trilha:"): values[-1] for key, values in facts.items() if key.startswith(begin)}


@question(
    "failed",
    "",
    "What failed, was interrupted or lost: runs, steps that raised, epochs that did not end.",
    acceptance=(14,),
)
def failed(asked: Asked) -> Answer:
    """Runs that did not finish, and in all runs the steps that raised an exception."""
    rows: list[dict[str, Any]] = []
    for run in asked.runs.values():
        if run.status in ("failed", "interrupted", "lost"):
            at = run.end if run.end is not None else run.start
            when = None if at is None else from_ns(at)
            rows.append(
                {**asked.named(run.key), "what": "run", "how": run.status, "exception": run.exception or None}
                | {"when": when}
            )
        keys = [row[0] for row in asked.store.connection.execute(sql.BROKEN_IN_RUN, (run.key, *_BROKEN))]
        for thing in describe(asked.store, keys).values():
            exception = thing.fact("trilha:exception")
            if thing.iri.endswith("#run") or exception == "Stop":
                # A policy stopped it (`trilha.Stop`): an adaptation, no failure.
                continue
            how = "raised" if exception else "unfinished"
            when = None if thing.start is None else from_ns(thing.start)
            rows.append(
                {
                    **asked.named(run.key),
                    "what": thing.label,
                    "how": how,
                    "exception": exception,
                    "when": when,
                }
            )
    return Answer(("run", "id", "what", "how", "exception", "when"), rows)


_BROKEN = ("https://w3id.org/trilha/ns#exception", "https://w3id.org/trilha/ns#unfinished")


@question(
    "verify",
    "FILE",
    "Is this file the one that the run or the document speaks of? By the hash of its content.",
    acceptance=(13,),
)
def verify(asked: Asked, file: str) -> Answer:
    """Where in the runs the very bytes of the file were met; none if they were not."""
    mine = digest(file)
    execute = asked.store.connection.execute
    row = execute(sql.KEY_OF_IRI, (SHA256 + mine,)).fetchone()
    met = {one[0] for one in execute(sql.OCCURRENCES, (row[0],))} if row else set()
    written = {one[0] for one in sql.among(execute, sql.GENERATED_AT, sorted(met))}
    rows = []
    for key, thing in describe(asked.store, met).items():
        run = next((one for one in asked.runs.values() if one.uuid == thing.run), None)
        if run is None:
            continue
        types = [
            one.removeprefix("trilha:") for one in thing.types if one in ("trilha:Checkpoint", "trilha:Model")
        ]
        rows.append(
            {
                **asked.named(run.key),
                "path": thing.fact("trilha:path", thing.label),
                "type": ", ".join(types) or "File",
                "how": "written" if key in written else "read",
                "best": thing.fact("trilha:best"),
                "sha256": mine,
            }
        )
    rows.sort(key=lambda one: (one["how"] != "written", one["run"], one["path"]))
    unknown = [] if rows else [_other_content(asked, file)]
    return Answer(
        ("run", "id", "path", "type", "how", "best", "sha256"),
        rows,
        {"sha256": mine},
        unknown,
        yes=bool(rows),
    )


def _other_content(asked: Asked, file: str) -> str:
    import os

    name = os.path.basename(file)
    called = [row[0] for row in asked.store.connection.execute(sql.KNOWN_AS, (name,))]
    digests = {str(thing.fact("trilha:sha256")) for thing in describe(asked.store, called).values()} - {
        "None"
    }
    if digests:
        shown = ", ".join(sorted(one[:16] + "…" for one in digests)[:3])
        return f"{file} is not what was recorded: files called {name} had other content ({shown})."
    return f"{file} was neither read nor written by what is asked about."
