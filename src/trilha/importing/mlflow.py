"""MLflow: what its tracking stores hold, without MLflow.

A store is a database in SQLite (``mlflow.db``; the tables are read by name, so that older schemas with fewer
of them are read, too) or a folder (``mlruns``). Source: MLflow's own ``store/tracking/dbmodels/models.py``
and ``file_store.py``, version 3.17.

Each MLflow run becomes a run. Its parameters are hyperparameters, its inputs data sets that it used, its
logged models what it generated; a metric that was logged for a model and a data set is an evaluation. A data
set and a model have names that are the same in all runs, so that what one run made and another used is one.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from trilha.capture.learning import dataflow
from trilha.capture.learning.terms import TYPES
from trilha.importing.account import Account, Report, plain, typed
from trilha.importing.mlflow_stores import Logged, Store, opened
from trilha.prov import Kind

__all__ = ["read"]

_STATUS: Final = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}
_ROLES: Final = {"training": "training data", "train": "training data", "validation": "validation data"}
_LARGEST: Final = 1.7976931348623157e308
_MOST_FILES: Final = 1000
_INFINITE: Final = "infinities, which the database had as the largest numbers"
_PLACES: Final = {
    "missing": "artifacts that do not lie here: recorded by path, without a hash",
    "changed": "artifacts that have changed since: recorded by path, without a hash",
}


def read(paths: list[str], report: Report) -> list[Account]:
    """The runs of one or several stores.

    Raises:
        FormatError: a file is no store of MLflow.
    """
    accounts = []
    for path in paths:
        store = opened(path, report)
        try:
            accounts += [_Telling(store, run, report).account() for run in store.runs()]
        finally:
            store.close()
    return accounts


class _Telling:
    """One run, told."""

    def __init__(self, store: Store, run: Logged, report: Report) -> None:
        self._store = store
        self._run = run
        self._report = report
        self._account = Account("MLflow", run.id, run.name or run.id[:8])
        self._datasets: dict[tuple[str, str], int] = {}
        self._used: list[tuple[Any, int]] = []
        self._by_path: dict[str, int] = {}

    def account(self) -> Account:
        """The account of the run."""
        run, account = self._run, self._account
        about: list[Any] = ["trilha:experiment", run.experiment] if run.experiment else []
        if run.models:
            about += ["prov:type", TYPES["Training"]]
        for key, value in sorted(run.tags.items()):
            if not key.startswith("mlflow."):
                about += [f"trilha:tag.{quote(key, safe='')}", value]
        source = run.tags.get("mlflow.source.name") or run.source
        if source:
            about += ["trilha:command", source]
        account.begin(run.start, run.end, *about)
        self._person()
        self._parent()
        self._commit()
        for name, text in run.params.items():
            account.hyperparameter(account.run, dataflow.hyperparameter(name, plain(text)))
        for dataset, context in run.inputs:
            entity = self._dataset(dataset)
            role = _ROLES.get(context.lower(), "evaluation data" if context else "")
            usage = account.used(account.run, entity, None, *(("prov:role", role) if role else ()))
            if role != "evaluation data":
                self._used.append((entity, usage))
        own = {facts["id"] for facts in run.models}
        for model in (one for one in run.used_models if one not in own):
            name = _model(model)
            account.entity(name, "prov:type", TYPES["Model"], "prov:label", model)
            self._used.append((name, account.used(account.run, name)))
        self._files()
        for facts in run.models:
            self._model(facts)
        self._metrics()
        account.end(_STATUS.get(run.status, ""))
        return account

    def _person(self) -> None:
        user = self._run.tags.get("mlflow.user") or self._run.user
        agent = None
        if user:
            agent = f"urn:mlflow:user:{quote(user, safe='')}"
            self._account.agent(agent, "prov:type", typed("prov:Person"), "prov:label", user)
            self._account.associated(self._account.run, agent)

    def _parent(self) -> None:
        parent = self._run.tags.get("mlflow.parentRunId")
        if parent:
            above = Account("MLflow", parent, "").run
            self._account.say(Kind.START, None, self._account.run, None, above, self._run.start, ())

    def _commit(self) -> None:
        sha = self._run.tags.get("mlflow.source.git.commit") or self._run.version
        if not sha:
            return
        about = ["prov:type", typed("trilha:Commit"), "prov:label", sha[:12]]
        for tag, key in (("mlflow.source.git.branch", "branch"), ("mlflow.source.git.repoURL", "origin")):
            if self._run.tags.get(tag):
                about += [f"trilha:{key}", self._run.tags[tag]]
        commit = self._account.entity(f"commit:{sha}", *about)
        self._account.used(self._account.run, commit)

    def _dataset(self, facts: dict[str, Any]) -> int:
        name, digest = str(facts.get("name") or "data set"), str(facts.get("digest") or "")
        known = self._datasets.get((name, digest))
        if known is not None:
            return known
        about: list[Any] = ["prov:type", TYPES["Object"], "prov:type", TYPES["Dataset"], "prov:label", name]
        about += ["trilha:name", name]
        for key, own in (("digest", "digest"), ("source_type", "sourceType"), ("source", "source")):
            if facts.get(key):
                about += [f"trilha:{own}", str(facts[key])]
        profile = _json(facts.get("profile"))
        shape = profile.get("features_shape")
        rows = profile.get("num_rows") or (shape[0] if isinstance(shape, list) and shape else None)
        if isinstance(rows, int):
            about += ["trilha:length", rows]
        if isinstance(shape, list):
            about += ["trilha:shape", "×".join(map(str, shape))]
        if facts.get("schema"):
            about += ["trilha:schema", str(facts["schema"])]
        entity = self._datasets[name, digest] = int(self._account.entity(None, *about))
        if digest:
            same = f"urn:mlflow:dataset:{quote(name, safe='')}:{quote(digest, safe='')}"
            self._account.entity(same, "prov:type", TYPES["Dataset"], "prov:label", name)
            self._account.say(Kind.SPECIALIZATION, None, entity, same, ())
        return entity

    # -- models and files ------------------------------------------------------------------------------------

    def _model(self, facts: dict[str, Any]) -> None:
        account, identifier = self._account, str(facts["id"])
        about: list[Any] = ["prov:type", TYPES["Model"], "prov:label", facts.get("name") or identifier]
        if facts.get("type"):
            about += ["trilha:class", facts["type"]]
        for name, text in sorted(facts.get("params", {}).items()):
            about += [f"trilha:setting.{quote(name, safe='')}", plain(text)]
        model = account.entity(_model(identifier), *about)
        at = facts.get("created")
        inside = (
            at is not None
            and (self._run.start is None or self._run.start <= at)
            and (self._run.end is None or at <= self._run.end)
        )
        account.generated(model, account.run, at if inside else None)
        made = [model]
        files = list(self._lying(facts.get("place")))
        if files:
            account.entity(model, "prov:type", typed("prov:Collection"))
        for path, name in files:
            entity = self._file(path, name)
            account.member(model, entity)
            account.generated(entity, account.run)
            made.append(entity)
        account.derive_all(made, account.run, self._used)

    def _files(self) -> None:
        """Artifacts are made by the run; out of which of its inputs is not known."""
        for path, name in self._lying(self._run.artifacts):
            self._account.generated(self._file(path, name), self._account.run)

    def _file(self, path: str, name: str) -> int:
        """The entity of a file, which may be an artifact of the run and belong to a model."""
        known = self._by_path.get(path)
        if known is not None:
            return known
        entity, wrong = self._account.file(path, "trilha:artifact", name, until=self._run.end)
        if wrong in _PLACES:
            self._report.left[_PLACES[wrong]] += 1
        self._by_path[path] = entity
        return entity

    def _lying(self, uri: str | None) -> Iterator[tuple[str, str]]:
        """The files of a folder of artifacts: path, and name in the folder."""
        folder = self._store.folder(uri)
        if folder is None:
            if uri:
                self._report.left["folders of artifacts that are on a server"] += 1
            return
        count = 0
        for where, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                count += 1
                if count > _MOST_FILES:
                    self._report.left[f"files beyond the first {_MOST_FILES} of a folder of artifacts"] += 1
                    continue
                path = os.path.join(where, name)
                yield path, os.path.relpath(path, folder)

    # -- metrics ---------------------------------------------------------------------------------------------

    def _metrics(self) -> None:
        for (model, dataset), series in self._by_subject().items():
            of = self._account.run if dataset is None else self._evaluation(model, dataset)
            self._blocks(of, series)

    def _by_subject(self) -> dict[tuple[str, tuple[str, str] | None], dict[str, list[Any]]]:
        """The metrics by what they are of: a model and a data set or, with empty names, the run."""
        found: dict[tuple[str, tuple[str, str] | None], dict[str, list[Any]]] = defaultdict(
            lambda: defaultdict(list)
        )
        of_data = {
            (one["key"], one["time"], one["step"]): (one["model"], (one["dataset"], one["digest"] or ""))
            for one in self._run.model_metrics
            if one["dataset"]
        }
        for key, time, step, value in self._run.metrics:
            found[of_data.get((key, time, step), ("", None))][key].append((time, step, self._number(value)))
        return found

    def _number(self, value: float) -> float:
        if abs(value) == _LARGEST:
            self._report.repaired[_INFINITE] += 1
            return math.copysign(math.inf, value)
        return value

    def _evaluation(self, model: str, dataset: tuple[str, str]) -> int:
        account = self._account
        about = ("prov:type", TYPES["Evaluation"])
        activity = account.step(f"evaluation on {dataset[0]}", None, None, *about)
        if model:
            account.used(activity, _model(model), None, "prov:role", "model")
        facts = self._store.dataset(*dataset) or {"name": dataset[0], "digest": dataset[1]}
        account.used(activity, self._dataset(facts), None, "prov:role", "evaluation data")
        return int(activity)

    def _blocks(self, activity: Any, series: dict[str, list[Any]]) -> None:
        """Metrics that were logged together, at the same times and steps, share a block."""
        alike: dict[Any, list[str]] = defaultdict(list)
        for key, points in series.items():
            alike[tuple((time, step) for time, step, _ in points)].append(key)
        for places, keys in alike.items():
            columns = [("time", "q"), ("step", "q"), *((key, "d") for key in keys)]
            rows = [
                (time * 10**6, step, *(series[key][at][2] for key in keys))
                for at, (time, step) in enumerate(places)
            ]
            self._account.metrics(activity, columns, rows)


def _model(identifier: str) -> str:
    return f"urn:mlflow:model:{quote(identifier, safe='')}"


def _json(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
