"""Provenance that other systems recorded, as runs in the store like any other.

Each system has a module that reads its files and tells of each run in an `Account`, in the words that capture
uses (`trilha.capture.learning`). An account becomes a journal. Nothing of a source is executed, nothing is
asked of a network, and a source is never written to. What was repaired on the way, and what could not be
carried, is counted in a `Report`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from trilha.errors import UsageError
from trilha.importing.account import Account, Imported, Report

__all__ = ["KINDS", "Account", "Imported", "Report", "bring"]

KINDS: Final = {
    "dlprov": "DLProv: documents (PROV-JSON, PROV-N) and dumps of MonetDB (SQL)",
    "mlflow": "MLflow: a store in SQLite (mlflow.db), or in files (mlruns)",
    "yprov4ml": "yProv4ML: the PROV-JSON of a run with the metrics beside it, or the folder that holds them",
    "swift": "Swift: the logs of its runs (provenance.log=true), and the wrapper's records (-info)",
    "flowcept": "Flowcept: its buffer as lines of JSON (flowcept_buffer.jsonl)",
}
"""The systems that runs can be imported from."""


def bring(kind: str, paths: Sequence[str], store: str) -> Report:
    """Import the runs that files of another system tell of.

    Args:
        kind: of `KINDS`.
        paths: files or folders; those that belong together (the dumps of one database) in one call.
        store: folder of the store; made if it is not there.

    Returns:
        What was imported, repaired and left out. A run that is there already is left as it is.

    Raises:
        UsageError: there is no such kind, or no such file.
        FormatError: a file is not what it should be; the message begins with the place. Then nothing was
            written, of none of the files.
    """
    if kind not in KINDS:
        raise UsageError(f"import {kind}: expected one of {', '.join(KINDS)}")
    for path in paths:
        if not os.path.exists(path):
            raise UsageError(f"{path}: no such file or folder; expected {KINDS[kind]}")
    report = Report(KINDS[kind].partition(":")[0])
    reader = import_module(f"trilha.importing.{kind}")
    accounts: list[Account] = reader.read(list(paths), report)
    report.write(accounts, store)
    return report
