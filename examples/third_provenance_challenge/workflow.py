"""The LoadWorkflow of the Third Provenance Challenge, run in parallel by Parsl.

    python sample_data.py SampleData
    trilha run workflow.py J062941 SampleData/J062941

The tables are loaded beside each other, each by a chain of steps; behind each check stands a gate, which
halts what comes after it. ``--in-order`` loads one table after the other, as the challenge's workflow does,
and ``--processes`` runs the steps in worker processes instead of threads. ``--delete TABLE`` deletes the
header of a table's file after the list of files was found to be right, as one of the challenge's queries
has it. The challenge's steps do not look at the checksums; ``--checksums`` adds one that does.
``--database`` with the URL of a database of PostgreSQL loads into a new one beside it.
"""

import argparse
import os
import sys

import databases
import parsl
import steps
from parsl import python_app
from parsl.config import Config
from parsl.dataflow.dependency_resolvers import DEEP_DEPENDENCY_RESOLVER
from parsl.errors import ParslError
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider

import trilha

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = {step: python_app(step) for name, step in vars(steps).items() if name in steps.STEPS}


def main() -> int:
    """Run the workflow; gives the exit status: 1 if it was halted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job")
    parser.add_argument("folder", help="with csv_ready.csv")
    parser.add_argument("--database", default=".", metavar="FOLDER|URL", help="where to make the database")
    parser.add_argument("--in-order", action="store_true")
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--checksums", action="store_true", help="check those too")
    parser.add_argument("--delete", metavar="TABLE")
    arguments = parser.parse_args()
    parsl.load(
        Config(
            executors=[executor(processes=arguments.processes)],
            dependency_resolver=DEEP_DEPENDENCY_RESOLVER,
            initialize_logging=False,
        )
    )
    try:
        with trilha.step("LoadWorkflow", JobID=arguments.job, CSVRootPath=arguments.folder):
            load(arguments)
    except ParslError as error:
        print(f"halted: {reason(error)}", file=sys.stderr)
        return 1
    finally:
        parsl.dfk().wait_for_current_tasks()
        parsl.dfk().cleanup()
        parsl.clear()
    return 0


def executor(*, processes: bool):
    """Where the steps run."""
    if not processes:
        return ThreadPoolExecutor(label="threads", max_threads=4)
    path = [HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)  # the workers import the steps
    here = {"address": "127.0.0.1", "loopback_address": "127.0.0.1", "encrypted": False}
    workers = {"max_workers_per_node": 2, "cores_per_worker": 0.5}
    return HighThroughputExecutor(label="workers", provider=LocalProvider(), **workers, **here)


def load(arguments) -> None:
    """The workflow."""

    def check(step, *inputs, control=None):
        """A check and its gate."""
        return APPS[steps.HaltUnless](step.__name__, APPS[step](*inputs, control=control))

    gate = check(steps.IsCSVReadyFileExists, arguments.folder)
    entries = APPS[steps.ReadCSVReadyFile](arguments.folder, control=gate)
    gate = check(steps.IsMatchCSVFileTables, entries)
    is_served = arguments.database.startswith(databases.SERVED)
    where = arguments.database if is_served else os.path.abspath(arguments.database)
    db = APPS[steps.CreateEmptyLoadDB](arguments.job, where, control=gate)
    db.result()
    if arguments.delete:
        os.remove(next(one.HeaderPath for one in entries.result() if one.TargetTable == arguments.delete))
    gates = []
    for entry in entries.result():
        before = gates[-1] if arguments.in_order and gates else None
        with trilha.step("ForEach", TargetTable=entry.TargetTable):
            gate = check(steps.IsExistsCSVFile, entry, control=before)
            if arguments.checksums:
                gate = check(steps.IsMatchCSVFileChecksum, entry, control=gate)
            named = APPS[steps.ReadCSVFileColumnNames](entry, control=gate)
            gate = check(steps.IsMatchCSVFileColumnNames, named)
            for step in (steps.LoadCSVFileIntoTable, steps.UpdateComputedColumns):
                gate = check(step, db, named, control=gate)
            for step in (steps.IsMatchTableRowCount, steps.IsMatchTableColumnRanges):
                gate = check(step, db, named, control=gate)
        gates.append(gate)
    APPS[steps.CompactDatabase](db, control=gates).result()


def reason(error: BaseException) -> BaseException:
    """What halted the workflow: the first of the errors that led to this one."""
    behind = getattr(error, "dependent_exceptions_tids", None)
    while behind:
        error = behind[0][0]
        behind = getattr(error, "dependent_exceptions_tids", None)
    return error


if __name__ == "__main__":
    sys.exit(main())
