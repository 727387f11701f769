"""The two kinds of MLflow's tracking stores, read: a database in SQLite, and a folder."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, unquote, urlsplit

from trilha.errors import FormatError
from trilha.importing.account import Report

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Logged", "Store", "opened"]

_STATUS: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MS: Final = 10**6
_FARTHEST_MS: Final = 2**63 // _MS
_DELETED: Final = "runs that were deleted in MLflow"
_OTHERS: Final = {
    "registered_models": "registered models, with their versions and aliases",
    "trace_info": "traces of language models",
    "assessments": "assessments of traces",
    "evaluation_datasets": "evaluation data sets of traces",
    "webhooks": "webhooks",
}
"""Tables that nothing is read from, and what a row of each is."""


class Logged:
    """One run, as MLflow has it. Times are nanoseconds since 1970-01-01 UTC.

    Attributes:
        params: texts by name.
        tags: texts by name.
        metrics: name, time in milliseconds, step and value of each point, in the order of the steps.
        inputs: facts of the data sets that were used, each with its context (``training``).
        used_models: identifiers of the models that were inputs.
        models: facts of the models that were outputs.
        model_metrics: points that were logged for a model: key, time, step, model, dataset, digest.
    """

    def __init__(self, identifier: str, facts: dict[str, Any], experiment: str) -> None:
        self.id = identifier
        self.name = str(facts.get("name") or facts.get("run_name") or "")
        self.experiment = experiment
        self.user = str(facts.get("user_id") or "")
        status = facts.get("status")
        self.status = _STATUS.get(status, "") if isinstance(status, int) else str(status or "")
        self.start = _ns(facts.get("start_time"))
        self.end = _ns(facts.get("end_time"))
        if self.start is not None and self.end is not None and self.end < self.start:
            self.end = None
        self.source = str(facts.get("source_name") or "")
        self.version = str(facts.get("source_version") or "")
        self.artifacts = str(facts.get("artifact_uri") or "")
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.metrics: list[tuple[str, int, int, float]] = []
        self.inputs: list[tuple[dict[str, Any], str]] = []
        self.used_models: list[str] = []
        self.models: list[dict[str, Any]] = []
        self.model_metrics: list[dict[str, Any]] = []


class Store(Protocol):
    """A tracking store of MLflow."""

    def runs(self) -> Iterator[Logged]:
        """Its runs that were not deleted, the oldest first."""

    def dataset(self, name: str, digest: str) -> dict[str, Any] | None:
        """Facts of a data set."""

    def folder(self, uri: str | None) -> str | None:
        """The folder that a URI of artifacts names; None if it is on a server."""

    def close(self) -> None:
        """Let go of it."""


def opened(path: str, report: Report) -> Store:
    """The store at `path`.

    Raises:
        FormatError: it is none of MLflow's.
    """
    return _Folder(path, report) if os.path.isdir(path) else _Database(path, report)


def _ns(milliseconds: Any) -> int | None:
    return milliseconds * _MS if isinstance(milliseconds, int) and 0 < milliseconds < _FARTHEST_MS else None


def _place(uri: str | None, store: str) -> str | None:
    """The path that a URI names, a relative one beside the store; None if it is on a server."""
    parts = urlsplit(uri or "")
    if parts.scheme == "file":
        return unquote(parts.path)
    if parts.scheme or not uri:
        return None
    return os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(store)), uri))


# -- SQLite --------------------------------------------------------------------------------------------------


class _Database:
    """A store in SQLite, opened for reading alone."""

    def __init__(self, path: str, report: Report) -> None:
        import sqlite3

        self._report = report
        self._path = path
        self._open: sqlite3.Connection = sqlite3.connect(
            f"file:{quote(os.path.abspath(path))}?mode=ro", uri=True
        )
        self._open.row_factory = sqlite3.Row
        try:
            names = self._open.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError as error:
            self._open.close()
            raise FormatError(f"{path}: expected a database in SQLite ({error})") from None
        self._tables = {row[0] for row in names}
        missing = {"runs", "params", "metrics", "tags", "experiments"} - self._tables
        if missing:
            self._open.close()
            raise FormatError(
                f"{path}: expected a store of MLflow; its tables {', '.join(sorted(missing))} are missing"
            )
        self._read()
        for table, what in _OTHERS.items():
            count = len(self._rows(table))
            if count:
                report.left[what] += count

    def _rows(self, table: str, order: str = "rowid", run: str | None = None) -> list[dict[str, Any]]:
        """The rows of a table; of one run, if it is given. Nothing where the store has no such table."""
        import sqlite3

        if table not in self._tables:
            return []
        try:
            only = "" if run is None else " WHERE run_uuid = ?"
            text = f"SELECT * FROM {table}{only} ORDER BY {order}"  # noqa: S608 -- names of ours
            rows = self._open.execute(text, () if run is None else (run,))
            return [_texted(dict(row)) for row in rows]
        except sqlite3.DatabaseError as error:
            raise FormatError(f"{self._path}: its table {table} cannot be read ({error})") from None

    def _read(self) -> None:
        self._experiments = {row["experiment_id"]: row["name"] for row in self._rows("experiments")}
        self._datasets = {row["dataset_uuid"]: _dataset(row) for row in self._rows("datasets")}
        self._contexts: dict[str, str] = {
            row["input_uuid"]: row["value"]
            for row in self._rows("input_tags")
            if row["name"] == "mlflow.data.context"
        }
        self._models = {row["model_id"]: row for row in self._rows("logged_models")}
        self._of_run: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for table, key in (
            ("params", "run_uuid"),
            ("tags", "run_uuid"),
            ("logged_model_metrics", "run_id"),
            ("logged_model_params", "model_id"),
        ):
            kept = self._of_run[table] = defaultdict(list)
            for row in self._rows(table):
                kept[row[key]].append(row)
        kept = self._of_run["inputs"] = defaultdict(list)
        for row in self._rows("inputs"):
            of = row["source_id"] if row["source_type"].startswith("RUN") else row["destination_id"]
            kept[of].append(row)

    def runs(self) -> Iterator[Logged]:
        """Its runs that were not deleted, the oldest first."""
        for row in self._rows("runs", "start_time, run_uuid"):
            if row.get("lifecycle_stage") == "deleted":
                self._report.left[_DELETED] += 1
                continue
            identifier = row["run_uuid"]
            run = Logged(identifier, row, self._experiments.get(row["experiment_id"], ""))
            run.params = {one["key"]: one["value"] for one in self._of_run["params"][identifier]}
            run.tags = {one["key"]: one["value"] for one in self._of_run["tags"][identifier]}
            run.name = run.name or run.tags.get("mlflow.runName", "")
            for one in self._rows("metrics", "key, step, timestamp, rowid", identifier):
                value = "nan" if one.get("is_nan") else one["value"]
                try:
                    run.metrics.append(_point(one["key"], one["timestamp"], one.get("step") or 0, value))
                except (TypeError, ValueError, OverflowError):
                    raise FormatError(
                        f"{self._path}: expected the time, the value and the step of a metric in its table"
                        f" metrics, found {tuple(one.values())!r}"
                    ) from None
            self._join(run)
            yield run

    def _join(self, run: Logged) -> None:
        for one in self._of_run["inputs"][run.id]:
            if one["source_type"] == "DATASET" and one["source_id"] in self._datasets:
                context = self._contexts.get(one["input_uuid"], "")
                run.inputs.append((self._datasets[one["source_id"]], context))
            elif one["source_type"] == "RUN_OUTPUT":
                run.models.append(self._model(one["destination_id"]))
            elif one["source_type"] == "RUN_INPUT":
                run.used_models.append(one["destination_id"])
        known = {model["id"] for model in run.models}
        for key, row in self._models.items():
            if row.get("source_run_id") == run.id and key not in known:
                run.models.append(self._model(key))
        run.models += _history(run, known)
        for one in self._of_run["logged_model_metrics"][run.id]:
            run.model_metrics.append(
                {
                    "key": one["metric_name"],
                    "time": one["metric_timestamp_ms"],
                    "step": one["metric_step"],
                    "model": one["model_id"],
                    "dataset": one["dataset_name"],
                    "digest": one["dataset_digest"],
                }
            )

    def _model(self, key: str) -> dict[str, Any]:
        row = self._models.get(key, {})
        return {
            "id": key,
            "name": row.get("name"),
            "type": row.get("model_type"),
            "created": _ns(row.get("creation_timestamp_ms")),
            "place": row.get("artifact_location"),
            "params": {
                one["param_key"]: one["param_value"] for one in self._of_run["logged_model_params"][key]
            },
        }

    def dataset(self, name: str, digest: str) -> dict[str, Any] | None:
        """Facts of a data set."""
        found = (one for one in self._datasets.values() if (one["name"], one["digest"]) == (name, digest))
        return next(found, None)

    def folder(self, uri: str | None) -> str | None:
        """The folder that a URI of artifacts names; None if it is on a server."""
        return _place(uri, self._path)

    def close(self) -> None:
        """Let go of it."""
        self._open.close()


def _dataset(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row.get("name"),
        "digest": row.get("digest"),
        "source_type": row.get("dataset_source_type", row.get("source_type")),
        "source": row.get("dataset_source", row.get("source")),
        "schema": row.get("dataset_schema", row.get("schema")),
        "profile": row.get("dataset_profile", row.get("profile")),
    }


def _history(run: Logged, known: set[Any]) -> list[dict[str, Any]]:
    """The models that MLflow 2 noted in a tag; their files are among the run's artifacts."""
    import json

    try:
        noted = json.loads(run.tags.get("mlflow.log-model.history", "[]"))
    except ValueError:
        return []
    found: list[dict[str, Any]] = []
    for one in noted if isinstance(noted, list) else ():
        key = one.get("model_id") or one.get("model_uuid") if isinstance(one, dict) else None
        if key and key not in known:
            inside = str(one.get("artifact_path") or "")
            place = f"{run.artifacts}/{inside}" if inside and run.artifacts else None
            found.append({"id": str(key), "name": inside or None, "type": None, "params": {}, "place": place})
    return found


# -- folder --------------------------------------------------------------------------------------------------


class _Folder:
    """A store in a folder: ``<experiment>/<run>/meta.yaml``, ``params/``, ``metrics/``, ``tags/``."""

    def __init__(self, path: str, report: Report) -> None:
        self._path = path
        self._report = report
        self._found: list[Logged] = []
        self._datasets: list[dict[str, Any]] = []
        experiments = [name for name in sorted(os.listdir(path)) if name != ".trash"]
        metas = [os.path.join(path, name, "meta.yaml") for name in experiments]
        if not any(map(os.path.isfile, metas)):
            raise FormatError(
                f"{path}: expected a store of MLflow, with a folder for each experiment that holds meta.yaml"
            )
        for name, meta in zip(experiments, metas, strict=True):
            if os.path.isfile(meta):
                self._experiment(os.path.join(path, name), _yaml(meta))
        self._found.sort(key=lambda run: (run.start or 0, run.id))

    def _experiment(self, folder: str, facts: dict[str, Any]) -> None:
        datasets = {key: _dataset(meta) for key, meta in _metas(os.path.join(folder, "datasets"))}
        self._datasets += datasets.values()
        models = {
            key: (meta, os.path.join(folder, "models", key))
            for key, meta in _metas(os.path.join(folder, "models"))
        }
        for name in sorted(os.listdir(folder)):
            meta = os.path.join(folder, name, "meta.yaml")
            if name in ("models", "datasets", "traces") or not os.path.isfile(meta):
                continue
            about = _yaml(meta)
            if "run_id" not in about and "run_uuid" not in about:
                continue
            if about.get("lifecycle_stage") == "deleted":
                self._report.left[_DELETED] += 1
                continue
            run = Logged(str(about.get("run_id") or about["run_uuid"]), about, str(facts.get("name") or ""))
            self._fill(run, os.path.join(folder, name), datasets, models)
            self._found.append(run)

    def _fill(
        self,
        run: Logged,
        folder: str,
        datasets: dict[str, dict[str, Any]],
        models: dict[str, tuple[dict[str, Any], str]],
    ) -> None:
        run.params = dict(_texts(os.path.join(folder, "params")))
        run.tags = dict(_texts(os.path.join(folder, "tags")))
        run.name = run.name or run.tags.get("mlflow.runName", "")
        run.artifacts = run.artifacts or os.path.join(os.path.abspath(folder), "artifacts")
        for key, text in _texts(os.path.join(folder, "metrics")):
            run.metrics += _points(os.path.join(folder, "metrics", key), key, text)
        for _, meta in _metas(os.path.join(folder, "inputs")):
            tags = meta.get("tags")
            context = tags.get("mlflow.data.context", "") if isinstance(tags, dict) else ""
            source = str(meta.get("source_id") or "")
            if source in datasets:
                run.inputs.append((datasets[source], context))
            elif "MODEL" in str(meta.get("source_type")):
                run.used_models.append(source)
        for key, (meta, place) in models.items():
            if meta.get("source_run_id") == run.id:
                run.models.append(
                    {
                        "id": key,
                        "name": meta.get("name"),
                        "type": meta.get("model_type"),
                        "created": _ns(meta.get("creation_timestamp")),
                        "place": meta.get("artifact_location")
                        or os.path.join(os.path.abspath(place), "artifacts"),
                        "params": dict(_texts(os.path.join(place, "params"))),
                    }
                )
                for name, text in _texts(os.path.join(place, "metrics")):
                    run.model_metrics += _on_data(key, name, text)
        run.models += _history(run, {model["id"] for model in run.models})

    def runs(self) -> Iterator[Logged]:
        """Its runs that were not deleted, the oldest first."""
        return iter(self._found)

    def dataset(self, name: str, digest: str) -> dict[str, Any] | None:
        """Facts of a data set."""
        return next((one for one in self._datasets if (one["name"], one["digest"]) == (name, digest)), None)

    def folder(self, uri: str | None) -> str | None:
        """The folder that a URI of artifacts names; one that was moved with the store is found in it."""
        place = _place(uri, self._path)
        if place is not None and not os.path.isdir(place):
            moved = os.path.join(os.path.abspath(self._path), *place.rstrip("/").split("/")[-3:])
            return moved if os.path.isdir(moved) else place
        return place

    def close(self) -> None:
        """Let go of it."""


def _metas(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and ``meta.yaml`` of each folder in `folder`."""
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            meta = os.path.join(folder, name, "meta.yaml")
            if os.path.isfile(meta):
                yield name, _yaml(meta)


def _texts(folder: str) -> Iterator[tuple[str, str]]:
    """Name, in the folder, and text of each file in `folder`: a name with a slash is a file in a folder."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            yield os.path.relpath(path, folder).replace(os.sep, "/"), _text(path)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected UTF-8; byte {error.start} is none") from None


def _point(key: str, time: Any, step: Any, value: Any) -> tuple[str, int, int, float]:
    """A point of a metric: name, time in milliseconds, step and value.

    Raises:
        TypeError: one of them is no number.
        ValueError: one of them is none, or too large.
        OverflowError: one of them is infinite.
    """
    time, step = int(time), int(step)
    if abs(time) >= _FARTHEST_MS or abs(step) >= 2**63:
        raise ValueError
    return key, time, step, float(value)


def _texted(row: dict[str, Any]) -> dict[str, Any]:
    """A row without bytes, which no column of MLflow's has, but any column of SQLite may."""
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _points(path: str, key: str, text: str) -> list[tuple[str, int, int, float]]:
    """The points in a file of a metric: time in milliseconds, value and step in a line."""
    points = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        try:
            step = int(words[2]) if len(words) > 2 else 0
            points.append(_point(key, words[0], step, words[1]))
        except (IndexError, ValueError):
            raise FormatError(
                f"{path}:{number}: expected the time, the value and the step of a metric, found {line[:60]!r}"
            ) from None
    points.sort(key=lambda point: (point[2], point[1]))
    return points


def _on_data(model: str, key: str, text: str) -> Iterator[dict[str, Any]]:
    """The points of a model's metric that were logged for a data set: its name and digest end the line."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 5:
            about = {"dataset": " ".join(words[4:-1]), "digest": words[-1]}
            yield {"key": key, "time": int(words[0]), "step": int(words[2]), "model": model, **about}


_KEY: Final = re.compile(r"([\w.\-/]+):(?: (.*))?\Z")


def _yaml(path: str) -> dict[str, Any]:
    """A ``meta.yaml``: names with plain or quoted values, and one level of names inside a name.

    It is all of YAML that MLflow's own files need (they are written by PyYAML's ``safe_dump``).
    """
    found: dict[str, Any] = {}
    key, inner = "", ""
    for number, line in enumerate(_text(path).splitlines(), 1):
        match = (
            _KEY.match(line.strip()) if not line.startswith("  ") or inner or found.get(key) == {} else None
        )
        if not line.strip() or line.strip() == "---":
            continue
        if match and not line.startswith(" "):
            key, inner = match[1], ""
            found[key] = match[2] or {}
        elif match and isinstance(found.get(key), dict):
            inner = match[1]
            found[key][inner] = match[2] or ""
        elif line.startswith((" ", "-")) and key:
            if isinstance(found[key], str):
                found[key] += " " + line.strip()
        else:
            raise FormatError(f"{path}:{number}: expected a name and a value, found {line[:60]!r}")
    return {name: _scalar(value) for name, value in found.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _scalar(one) for name, one in value.items()}
    text = str(value).strip()
    if text[:1] == text[-1:] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1].replace("\\ ", ""))
    if text in ("null", "~", ""):
        return None
    if text in ("{}", "[]"):
        return {}
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text
