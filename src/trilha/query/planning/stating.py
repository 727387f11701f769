"""A plan in the words of ProvONE and of P-Plan, and the run that followed it, as PROV statements.

What these vocabularies say by properties of their own, which PROV has no relation for, is said by attributes
whose value is the other's name. The step that a call followed is the plan of an association, too, so that a
reader that knows PROV alone finds it.

Sources: ProvONE (https://purl.dataone.org/provone-v1-dev), P-Plan (http://purl.org/net/p-plan, version 1.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from trilha.errors import UsageError
from trilha.prov import PROV, TRILHA, Document, Kind, Name, Namespace, Record
from trilha.query.planning.comparing import Compared
from trilha.query.planning.reading import OUTPUTS, RESULT, Port, Step
from trilha.store import sql
from trilha.store.values import unescape

if TYPE_CHECKING:
    from trilha.query.runs import Run
    from trilha.store import Store

__all__ = ["PROFILES", "state_plan"]

PROVONE: Final = Namespace("provone", "http://purl.dataone.org/provone/2015/01/15/ontology#")
P_PLAN: Final = Namespace("p-plan", "http://purl.org/net/p-plan#")
PROFILES: Final = ("provone", "p-plan")
_ROLE: Final = PROV["role"]


def state_plan(document: Document, store: Store, run: Run, told: Compared, profile: str) -> None:
    """Say in a run's document what its plan is, and which step each call followed.

    Args:
        document: of the run, which is added to.
        store: that the run is in.
        run: that followed the plan.
        told: the run beside its plan.
        profile: one of `PROFILES`.

    Raises:
        UsageError: there is no such profile.
    """
    if profile not in PROFILES:
        raise UsageError(f"{profile!r}: expected a profile, one of {', '.join(PROFILES)}")
    kind = _ProvOne if profile == "provone" else _PPlan
    kind(document, store, run, told).state()


class _Stating:
    """What the two vocabularies have in common: the names of things, and what is added to which statement."""

    namespace: Namespace

    def __init__(self, document: Document, store: Store, run: Run, told: Compared) -> None:
        self._document = document
        self._told = told
        self._plan = told.found.plan
        self._script = Name(told.found.script)
        self._run = Name(f"urn:uuid:{run.uuid}#run")
        keys = sorted(set(told.done.step_of) | set(told.done.plan_of.values()))
        iris = dict(sql.among(store.connection.execute, sql.NAMES, keys))
        self._step_of = {Name(unescape(iris[key])): step for key, step in told.done.step_of.items()}
        self._source_of = {step: Name(unescape(iris[key])) for step, key in told.done.plan_of.items()}
        self._files = {
            record[1] for record in document.records if TRILHA["File"] in record.values(PROV["type"])
        }
        self._tried = self._attempts()
        self._more: dict[Name, list[Any]] = {}
        document.namespaces.add(self.namespace)

    def state(self) -> None:
        """Add all statements."""
        self._describe()
        for activity, step in self._step_of.items():
            self._follow(activity, step)
        self._relations()
        records = self._document.records
        records[:] = [self._with_more(record) for record in records]
        for name, flat in self._more.items():
            self._document.entity(name, zip(flat[::2], flat[1::2], strict=True))
        for activity, step in self._step_of.items():
            self._document.was_associated_with(activity, None, self._step(step))

    def _attempts(self) -> dict[Name, str]:
        """The step of each attempt: that of the call that it is an attempt of."""
        records, type_ = self._document.records, PROV["type"]
        tried = {
            one.id for one in records if one.kind == Kind.ACTIVITY and TRILHA["Attempt"] in one.values(type_)
        }
        starts = [one.arguments for one in records if one.kind == Kind.START]
        return {
            one: self._step_of[call] for one, _, call, *_ in starts if one in tried and call in self._step_of
        }

    def _port_of(self, record: Record) -> Port | None:
        """The port by which a call or an attempt of it used or made something; None where it is not known.

        A file is no result: it is of the port of the parameter that named it, or of none. What an attempt
        made is no result, either: its call made that.
        """
        if record.kind not in (Kind.USAGE, Kind.GENERATION):
            return None
        incoming = record.kind == Kind.USAGE
        activity, entity = record.arguments[:2] if incoming else record.arguments[1::-1]
        if not isinstance(activity, Name) or not isinstance(entity, Name):
            return None
        result = not incoming and activity in self._step_of and entity not in self._files
        step = self._step_of.get(activity) or self._tried.get(activity)
        role = record.value(_ROLE, RESULT if result else None)
        if step is None or not isinstance(role, str):
            return None
        name = role.partition("[")[0]
        known = self._plan.steps[step].inputs if incoming or name == OUTPUTS else (RESULT,)
        return Port(step, name, incoming) if name in known else None

    def _describe(self) -> None:
        raise NotImplementedError

    def _follow(self, activity: Name, step: str, /) -> None:
        raise NotImplementedError

    def _relations(self) -> None:
        raise NotImplementedError

    def _with_more(self, record: Record) -> Record:
        if record.kind <= Kind.AGENT and record.id in self._more:
            return record.replace(flat=(*record.flat, *self._more.pop(record.id)))
        return record

    def _add(self, name: Name, *facts: Any) -> None:
        self._more.setdefault(name, []).extend(facts)

    # -- names

    def _step(self, name: str) -> Name:
        return Name(f"{self._script}#{quote(name)}")

    def _port(self, port: Port) -> Name:
        way = "in" if port.incoming else "out"
        return Name(f"{self._script}#{quote(port.step)}/{way}/{quote(port.name)}")

    def _steps(self) -> Iterable[Step]:
        return (step for step in self._plan.steps.values() if step.calls or step.name in self._told.ran)

    def _ports(self, step: Step) -> list[Port]:
        """The ports of a step: files to be written are what comes out of it, not what goes in."""
        found = [Port(step.name, one, True) for one in step.inputs if one != OUTPUTS]
        found.append(Port(step.name, RESULT))
        return [*found, Port(step.name, OUTPUTS)] if OUTPUTS in step.inputs else found

    def _about(self, step: Step) -> list[Any]:
        about: list[Any] = [PROV["label"], step.name, TRILHA["line"], step.line]
        about += [TRILHA["repeated"], step.repeated, TRILHA["conditional"], step.conditional]
        about += [TRILHA["engine"], step.engine] if step.engine else []
        if step.name in self._source_of:
            about += [TRILHA["followed_as"], self._source_of[step.name]]
        return about


class _ProvOne(_Stating):
    """Workflow, Program, Port, Channel; Execution, Data."""

    namespace = PROVONE

    def _describe(self) -> None:
        type_ = PROV["type"]
        self._add(self._script, type_, PROVONE["Workflow"])
        for step in self._steps():
            name = self._step(step.name)
            self._add(name, type_, PROV["Plan"], type_, PROVONE["Program"], *self._about(step))
            self._add(self._script, PROVONE["hasSubProgram"], name)
            for port in self._ports(step):
                self._add(name, PROVONE["hasInPort" if port.incoming else "hasOutPort"], self._port(port))
                self._add(self._port(port), type_, PROVONE["Port"], PROV["label"], f"{step.name}.{port.name}")
        known = {step.name for step in self._steps()}
        for number, channel in enumerate(self._plan.channels, 1):
            if channel.source.step in known and channel.target.step in known:
                name = Name(f"{self._script}#channel/{number}")
                self._add(name, type_, PROVONE["Channel"])
                for port in channel:
                    self._add(self._port(port), PROVONE["connectsTo"], name)

    def _follow(self, activity: Name, _step: str, /) -> None:
        self._add(activity, PROV["type"], PROVONE["Execution"], PROVONE["wasPartOf"], self._run)

    def _relations(self) -> None:
        self._add(self._run, PROV["type"], PROVONE["Execution"])
        for place, record in enumerate(self._document.records):
            port = self._port_of(record)
            if port is not None:
                key = PROVONE["hadInPort" if port.incoming else "hadOutPort"]
                self._document.records[place] = record.replace(flat=(*record.flat, key, self._port(port)))
                entity = record.arguments[1 if port.incoming else 0]
                if PROVONE["Data"] not in self._more.get(entity, ()):
                    self._add(entity, PROV["type"], PROVONE["Data"])


class _PPlan(_Stating):
    """Plan, Step, Variable; Activity, Entity."""

    namespace = P_PLAN

    def _describe(self) -> None:
        type_ = PROV["type"]
        self._add(self._script, type_, P_PLAN["Plan"])
        fed: dict[Port, list[Port]] = {}
        for channel in self._plan.channels:
            if not channel.source.incoming and channel.target.incoming:
                fed.setdefault(channel.target, []).append(channel.source)
        for step in self._steps():
            name = self._step(step.name)
            self._add(name, type_, PROV["Plan"], type_, P_PLAN["Step"], *self._about(step))
            self._add(name, P_PLAN["isStepOfPlan"], self._script)
            for port in self._ports(step):
                if port.incoming:
                    self._add(name, P_PLAN["hasInputVar"], self._port(port))
                    for source in fed.get(port, ()):
                        self._add(name, P_PLAN["hasInputVar"], self._port(source))
                        self._add(name, P_PLAN["isPrecededBy"], self._step(source.step))
                else:
                    self._add(self._port(port), P_PLAN["isOutputVarOf"], name)
                label = f"{step.name}.{port.name}"
                self._add(self._port(port), type_, P_PLAN["Variable"], PROV["label"], label)
                self._add(self._port(port), P_PLAN["isVariableOfPlan"], self._script)

    def _follow(self, activity: Name, step: str, /) -> None:
        self._add(activity, PROV["type"], P_PLAN["Activity"], P_PLAN["correspondsToStep"], self._step(step))

    def _relations(self) -> None:
        told: set[tuple[Name, Port]] = set()
        for record in list(self._document.records):
            port = self._port_of(record)
            entity = record.arguments[1 if port.incoming else 0] if port is not None else None
            if port is not None and isinstance(entity, Name) and (entity, port) not in told:
                told.add((entity, port))
                if P_PLAN["Entity"] not in self._more.get(entity, ()):
                    self._add(entity, PROV["type"], P_PLAN["Entity"])
                self._add(entity, P_PLAN["correspondsToVariable"], self._port(port))
