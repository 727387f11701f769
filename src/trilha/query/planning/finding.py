"""The plan of a recorded run: the text of its script, if it is still here with the content that ran."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from trilha.errors import NotFound, UsageError
from trilha.query.finding import digest, occurrences
from trilha.query.planning.reading import Plan, plan_of_text
from trilha.query.things import SHA256, describe
from trilha.store import sql

if TYPE_CHECKING:
    from trilha.query.runs import Run
    from trilha.store import Store

__all__ = ["Found", "plan_of_run"]


class Found(NamedTuple):
    """The plan of a run.

    Attributes:
        plan: as its script says.
        script: IRI of the script's content, the plan that the run is associated with.
        paths: where the run had it.
    """

    plan: Plan
    script: str
    paths: tuple[str, ...]


def plan_of_run(store: Store, run: Run, script: str | None = None) -> Found:
    """The plan that a run followed, read from its script.

    Args:
        store: to look in.
        run: whose plan is meant.
        script: a file with the script's content; by default where the run had it.

    Raises:
        NotFound: no script was recorded, or none with its content is here.
        UsageError: `script` has another content, or is no Python.
    """
    execute = store.connection.execute
    name = run.name or run.short
    (key,) = execute(sql.KEY_OF_IRI, (f"urn:uuid:{run.uuid}#run",)).fetchone() or (0,)
    plans = [row[1] for row in execute(sql.ASSOCIATIONS_OF, (key, run.key)) if row[1]]
    if not plans:
        raise NotFound(
            f"{name}: no script was recorded that the run followed, so that there is no plan to read"
        )
    content = describe(store, plans[:1])[plans[0]]
    met = describe(store, occurrences(store, plans[0])).values()
    paths = tuple(dict.fromkeys(str(one.fact("trilha:path")) for one in met if one.fact("trilha:path")))
    wanted = content.iri.removeprefix(SHA256)
    for path in (script,) if script is not None else paths:
        if os.path.isfile(path) and digest(path) == wanted:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return Found(plan_of_text(file.read(), content.label), content.iri, paths)
    if script is not None:
        raise UsageError(
            f"{script}: is not the script that {name} ran: expected a file whose sha256 is {wanted[:16]}…"
        )
    where = f" at {', '.join(paths)}" if paths else ""
    raise NotFound(
        f"{name}: its script {content.label} is not here any more with the content that ran{where}"
        f" (sha256 {wanted[:16]}…); give a file that has it with --script FILE"
    )
