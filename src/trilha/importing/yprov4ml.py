"""yProv4ML: the PROV-JSON of a run, and the metrics in CSV beside it.

What is read is what version 3.2.8 writes (its ``datamodel/prov4ml_data.py``): a folder ``<experiment>_<run>``
with ``prov_<experiment>_GR<rank>_<run>.json``, ``metrics_GR<rank>/`` and ``artifacts_GR<rank>/``. Its
documents give times as attributes, name things without a namespace, and say of a hyperparameter, unless told
otherwise, that the run generated it; these are repaired and counted.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections import defaultdict
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from trilha.capture.learning import dataflow
from trilha.capture.learning.terms import TYPES
from trilha.errors import FormatError
from trilha.importing.account import Account, Report, plain, typed

__all__ = ["read"]

_ZONE: Final = re.compile(r"UTC([+-]\d\d)(\d\d)\Z")
_ABOUT: Final = {
    "yprov:host_name": "trilha:host",
    "yprov:python_version": "trilha:python",
    "yprov:operating_system": "trilha:system",
    "yprov:release": "trilha:release",
    "yprov:machine": "trilha:architecture",
    "yprov:global_rank": "trilha:rank",
    "yprov:job_id": "trilha:job",
}
_CONTEXTS: Final = {
    "training": ("Training", ""),
    "train": ("Training", ""),
    "validation": ("Evaluation", "validation"),
    "testing": ("Evaluation", "test"),
    "test": ("Evaluation", "test"),
    "evaluation": ("Evaluation", ""),
}
_GENERATED: Final = "hyperparameters that the run was said to generate, read as used"
_TIMES: Final = "times that were given as attributes"
_LATE: Final = "starts of contexts that were noted only after the run's end"
_ELSEWHERE: Final = "files that do not lie here: recorded by path, without a hash"
_CHANGED: Final = "files that have changed since: recorded by path, without a hash"


def read(paths: list[str], report: Report) -> list[Account]:
    """The runs that documents of yProv4ML tell of.

    Raises:
        FormatError: a file is none.
    """
    return [_Telling(path, report).account() for given in paths for path in _documents(given)]


def _documents(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path)
        for name in sorted(names)
        if name.startswith("prov_") and name.endswith(".json")
    ]
    if not found:
        raise FormatError(
            f"{path}: expected the folder of a run, with prov_<experiment>_GR<rank>_<run>.json in it"
        )
    return sorted(found)


class _Telling:
    """One document, told as a run."""

    def __init__(self, path: str, report: Report) -> None:
        self._path = path
        self._report = report
        self._said: dict[str, dict[str, dict[str, Any]]] = _loaded(path)
        activities = self._said.get("activity", {})
        self._root = next((name for name, facts in activities.items() if "yprov:run_id" in facts), "")
        if not self._root:
            raise FormatError(
                f"{path}: expected a document of yProv4ML, with an activity that has the attribute"
                " yprov:run_id. Other documents: trilha convert"
            )
        self._facts = activities[self._root]
        zone = _ZONE.match(str(self._facts.get("yprov:time_zone", "")))
        self._zone = f"{zone[1]}:{zone[2]}" if zone else ""
        original = str(self._facts.get("yprov:PID") or "")
        original = original or f"{self._root}\n{self._facts.get('prov:startedAtTime')}"
        label = re.sub(r"_GR\d+_\d+\Z", "", str(self._facts.get("yprov:experiment_name") or self._root))
        self._account = Account("yProv4ML", original, label)
        self._activities: dict[str, Any] = {self._root: self._account.run}
        self._entities: dict[str, Any] = {}

    def account(self) -> Account:
        """The account of the run."""
        account, facts = self._account, self._facts
        about: list[Any] = []
        for own, ours in _ABOUT.items():
            if facts.get(own):
                about += [ours, plain(facts[own]) if ours == "trilha:rank" else str(facts[own])]
        self._start, self._end = (
            self._time(facts.get(f"prov:{name}AtTime")) for name in ("started", "ended")
        )
        account.host = str(facts.get("yprov:host_name") or "")
        account.begin(self._start, self._end, "trilha:framework", "yprov4ml", *about)
        self._people()
        self._contexts()
        used = [(one.get("prov:entity"), one.get("prov:activity")) for one in self._relations("used")]
        generated = [
            (one.get("prov:entity"), one.get("prov:activity")) for one in self._relations("wasGeneratedBy")
        ]
        series: dict[Any, list[tuple[str, list[Any]]]] = defaultdict(list)
        for name, about_it in self._said.get("entity", {}).items():
            kind = str(about_it.get("prov:type", ""))
            places = [self._activities.get(str(at)) for entity, at in (*used, *generated) if entity == name]
            place = next((at for at in places if at is not None), account.run)
            if kind.endswith(":HyperParameter"):
                self._hyperparameter(
                    place, about_it, said=(name, "generated") if (name, self._root) in generated else ()
                )
            elif kind.endswith(":Metric"):
                rows = self._metric(about_it)
                if rows:
                    series[place].append((str(about_it.get("prov:label")), rows))
            else:
                self._file(name, about_it, place, made=any(entity == name for entity, _ in generated))
        for one in self._relations("wasDerivedFrom"):
            made, source = (
                self._entities.get(str(one.get(f"prov:{end}Entity"))) for end in ("generated", "used")
            )
            if made is not None and source is not None:
                account.derived(made, source)
        for place, found in series.items():
            for label, rows in found:
                account.metrics(place, [("time", "q"), ("epoch", "q"), (label, "d")], rows)
        # The document is written when the run ends; a run that was killed leaves none.
        account.end("finished" if self._end else "")
        return account

    def _relations(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self._said.get(kind, {}).values() if isinstance(one, dict)]

    def _time(self, text: Any) -> str | None:
        """A time that was given as an attribute, with the zone that the run was said to be in."""
        if not text:
            return None
        try:
            found = datetime.fromisoformat(str(text))
        except ValueError:
            self._report.left["times that are none"] += 1
            return None
        self._report.repaired[_TIMES] += 1
        return found.isoformat() + ("" if found.tzinfo else self._zone)

    def _people(self) -> None:
        host = quote(self._account.host or "unknown", safe="")
        for name in self._said.get("agent", {}):
            agent = f"acct:{quote(name, safe='')}@{host}"
            self._account.agent(agent, "prov:type", typed("prov:Person"), "prov:label", name)
            self._account.associated(self._account.run, agent)

    def _contexts(self) -> None:
        for name, facts in self._said.get("activity", {}).items():
            if name == self._root:
                continue
            start = self._time(facts.get("prov:startedAtTime"))
            if start and self._end and start > self._end:
                self._report.left[_LATE] += 1
                start = None
            kind, part = _CONTEXTS.get(name.rpartition("//")[2].lower(), ("", ""))
            about = ["prov:type", TYPES[kind]] if kind else []
            about += ["trilha:framework", "yprov4ml"] if kind == "Training" else []
            about += ["trilha:part", part] if part else []
            self._activities[name] = self._account.step(name, start, None, *about)

    def _hyperparameter(self, place: Any, facts: dict[str, Any], said: tuple[str, ...]) -> None:
        if said:
            self._report.repaired[_GENERATED] += 1
        name = str(facts.get("prov:label") or "")
        value = plain(_bare(facts.get("prov:value")))
        self._account.hyperparameter(place, dataflow.hyperparameter(name, value))

    def _file(self, name: str, facts: dict[str, Any], place: Any, *, made: bool) -> None:
        account = self._account
        path = str(facts.get("dcterms:identifier") or "")
        label = str(facts.get("prov:label") or name)
        kind = "Model" if str(facts.get("prov:type", "")).endswith(":Model") else "Object"
        about: list[Any] = ["prov:type", TYPES[kind]]
        for key, value in facts.items():
            if key.endswith("_total_params"):
                about += ["trilha:parameters", plain(_bare(value))]
        if not path:
            entity: Any = account.entity(None, *about, "prov:label", label)
        else:
            entity, wrong = account.file(self._place(path), *about, until=_ns(self._end), name=label)
            if wrong:
                self._report.left[_CHANGED if wrong == "changed" else _ELSEWHERE] += 1
        self._entities[name] = entity
        if made:
            account.generated(entity, place)
        else:
            account.used(place, entity)

    def _place(self, path: str) -> str:
        """Where a file lies now: as it was named, or beside the document."""
        here = os.path.dirname(os.path.abspath(self._path))
        moved = os.path.join(here, *os.path.normpath(path).split(os.sep)[-2:])
        deeper = os.path.join(here, *os.path.normpath(path).split(os.sep)[-3:])
        return next((one for one in (moved, deeper) if os.path.isfile(one)), path)

    def _metric(self, facts: dict[str, Any]) -> list[tuple[int, int, float]]:
        """The points of a metric: time in nanoseconds, epoch and value."""
        path = self._place(str(facts.get("dcterms:identifier") or ""))
        if not path.endswith(".csv"):
            self._report.left["metrics that are in no CSV file (start_run(metrics_file_type=...))"] += 1
            return []
        if not os.path.isfile(path):
            self._report.left["metrics whose file does not lie here"] += 1
            return []
        rows = []
        with open(path, encoding="utf-8", newline="") as file:
            for number, cells in enumerate(csv.reader(file), 1):
                if not cells or (number == 1 and cells[0] == "epoch"):
                    continue
                try:
                    time, epoch = int(cells[2]) * 10**6, int(cells[0])
                    if max(abs(time), abs(epoch)) >= 2**63:
                        raise ValueError
                    rows.append((time, epoch, float(cells[1])))
                except (IndexError, ValueError):
                    raise FormatError(
                        f"{path}:{number}: expected the epoch, the value and the time of a metric, found"
                        f" {cells!r}"
                    ) from None
        return rows


def _bare(value: Any) -> Any:
    return value.get("$") if isinstance(value, dict) else value


def _ns(text: str | None) -> int | None:
    """A time with a zone as nanoseconds since 1970-01-01 UTC."""
    found = datetime.fromisoformat(text) if text else None
    return None if found is None or found.tzinfo is None else int(found.timestamp() * 10**9)


def _loaded(path: str) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected UTF-8; byte {error.start} is none") from None
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path}:{error.lineno}:{error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
        ) from None
    except RecursionError:
        raise FormatError(f"{path}: expected a document, found brackets in brackets without end") from None
    if not isinstance(found, dict) or not all(
        isinstance(kind, dict) and all(isinstance(one, (dict, str)) for one in kind.values())
        for kind in found.values()
    ):
        raise FormatError(f"{path}: expected a document in PROV-JSON, an object of objects")
    return {
        key: {name: one for name, one in kind.items() if isinstance(one, dict)} for key, kind in found.items()
    }
