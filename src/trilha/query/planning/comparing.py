"""A run beside its plan: what was planned and never run, what ran and was not planned, how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from trilha.query.planning.finding import Found
from trilha.query.planning.reading import OUTPUTS, RESULT, Channel
from trilha.query.things import Thing, describe
from trilha.store import call_sql, sql

if TYPE_CHECKING:
    from trilha.query.runs import Run
    from trilha.store import Store

__all__ = ["Compared", "Done", "compared", "done"]

_JOINED: Final = "joined"
"""The parameter as which a join app uses the results of the tasks that it started."""


@dataclass
class Done:
    """What a run did of the functions of its script.

    Attributes:
        step_of: the function that each call followed, by the call's key.
        others: how often calls ran whose function the script does not define, by its full name.
        plan_of: the entity that stands for each function, by its name: key of one that calls followed.
        flows: how often data went from function to function, as which parameter.
        plain: whether functions that no engine ran were recorded.
    """

    step_of: dict[int, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    plan_of: dict[str, int] = field(default_factory=dict)
    flows: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    plain: bool = False


@dataclass
class Compared:
    """A run beside its plan.

    Attributes:
        found: the plan.
        done: what the run did.
        ran: how often each step of the plan ran.
        never: steps that are called in the text and never ran.
        unplanned: how often calls ran whose function the script does not define.
        used: how often each channel from step to step was.
        unused: channels between steps that never were, though both steps ran.
        beside: how often data went from step to step on a way that the text does not tell.
    """

    found: Found
    done: Done
    ran: dict[str, int]
    never: list[str]
    unplanned: dict[str, int]
    used: dict[Channel, int]
    unused: list[Channel]
    beside: dict[tuple[str, str, str], int]


def compared(store: Store, run: Run, found: Found) -> Compared:
    """A run beside its plan."""
    plan, told = found.plan, done(store, run, found)
    ran = Counter(told.step_of.values())
    called = [
        name for name, step in plan.steps.items() if step.calls and (step.engine or told.plain or ran[name])
    ]
    used: dict[Channel, int] = {}
    unused: list[Channel] = []
    planned: set[tuple[str, str, str]] = set()
    for channel in plan.channels:
        source, target = channel
        if target.name == RESULT and not (source.incoming or target.incoming):
            # What a join app returns are tasks, whose results it used to give its own.
            joined = source.step, target.step, _JOINED
            if told.flows[joined]:
                planned.add(joined)
                used[channel] = told.flows[joined]
            continue
        if source.incoming or not target.incoming or target.name == OUTPUTS:
            continue
        flow = source.step, target.step, target.name
        planned.add(flow)
        if told.flows[flow]:
            used[channel] = told.flows[flow]
        elif ran[source.step] and ran[target.step]:
            unused.append(channel)
    beside = {flow: count for flow, count in sorted(told.flows.items()) if flow not in planned}
    return Compared(
        found,
        told,
        {name: ran[name] for name in plan.steps if ran[name]},
        [name for name in called if not ran[name]],
        dict(told.others),
        used,
        unused,
        beside,
    )


def done(store: Store, run: Run, found: Found) -> Done:
    """What a run did of the functions of its script."""
    execute = store.connection.execute
    told = Done()
    followed = dict(execute(call_sql.FOLLOWED, (run.key,)))
    plans = describe(store, set(followed.values()))
    names = {key: _step_of(plan, found) for key, plan in plans.items()}
    activities = [key for (key,) in execute(call_sql.ACTIVITIES, (run.key,))]
    calls = {key for (key,) in sql.among(execute, call_sql.TYPED, activities)}
    parts = {key for (key,) in sql.among(execute, call_sql.ATTEMPTS_AMONG, activities)}
    engines = {names[plan] for call, plan in followed.items() if call in calls}
    for activity, plan in followed.items():
        name = names[plan]
        if activity in parts or plans[plan].iri == found.script:
            continue
        if activity in calls:
            if name is None:
                told.others[plans[plan].label] += 1
                continue
        elif name is None or name in engines:
            continue
        else:
            told.plain = True
        told.step_of[activity] = name
        told.plan_of.setdefault(name, plan)
    told.flows = _flows(execute, activities, told.step_of)
    return told


def _step_of(plan: Thing, found: Found) -> str | None:
    """The function of the script that a plan is the source of; None if it is none of the script's."""
    path = plan.fact("trilha:path")
    if path not in found.paths and not plan.label.startswith("__main__."):
        return None
    parts = plan.label.split(".")
    names = (".".join(parts[at:]) for at in range(len(parts)))
    return next((name for name in names if name in found.plan.steps), None)


def _flows(execute: Any, activities: list[int], step_of: dict[int, str]) -> Counter[tuple[str, str, str]]:
    makers: dict[int, set[int]] = {}
    taken: dict[tuple[int, int, str], None] = {}
    for call, data, direction, parameter in sql.among(execute, call_sql.IO_OF, activities):
        if call not in step_of:
            continue
        if direction == "out":
            makers.setdefault(data, set()).add(call)
        elif parameter:
            taken[call, data, parameter.partition("[")[0]] = None
    asked = sorted({data for _, data, _ in taken} - makers.keys())
    same = dict(sql.among(execute, call_sql.SAME_CONTENT, asked))
    met = {
        (maker, call, parameter)
        for call, data, parameter in taken
        for maker in makers.get(same.get(data, data), ())
        if maker != call  # What a call made and used itself goes from no step to another.
    }
    return Counter((step_of[maker], step_of[call], parameter) for maker, call, parameter in met)
