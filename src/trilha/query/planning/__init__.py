"""Prospective provenance: what a workflow's text says that it does, and whether a run did it.

`reading` finds steps, ports and channels in the text of a script, which is never executed; `finding` the
script of a run; `comparing` sets a run beside its plan; `stating` says the plan in the words of ProvONE and
P-Plan.
"""

from __future__ import annotations

from trilha.query.planning.comparing import Compared, compared
from trilha.query.planning.finding import plan_of_run
from trilha.query.planning.reading import Channel, Plan, Port, Step, plan_of_text
from trilha.query.planning.stating import PROFILES, state_plan

__all__ = [
    "PROFILES",
    "Channel",
    "Compared",
    "Plan",
    "Port",
    "Step",
    "compared",
    "plan_of_run",
    "plan_of_text",
    "state_plan",
]
