"""``--campaign``: runs that belong together, of independent processes."""

import json
import os
import subprocess
import sys

import pytest

TRILHA = [sys.executable, "-c", "from trilha.cli import main; main()"]


@pytest.fixture
def trilha(tmp_path):
    """Runs the command line in a process of its own, in `tmp_path`; gives exit status, output and errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRILHA", "SLURM"))}
    (tmp_path / "s.py").write_text("print(1)\n")

    def call(*arguments, **more):
        how = {"cwd": tmp_path, "env": {**clean, **more}, "capture_output": True, "text": True}
        done = subprocess.run([*TRILHA, *arguments], timeout=60, check=False, **how)
        return done.returncode, done.stdout, done.stderr

    return call


def test_the_runs_of_a_campaign_are_listed_by_its_name(trilha):
    trilha("run", "--campaign", "rates", "--name", "one", "s.py")
    trilha("run", "--name", "two", "s.py", TRILHA_CAMPAIGN="rates")
    trilha("run", "--name", "three", "s.py")
    status, output, _ = trilha("list", "--campaign", "rates", "--json")
    found = json.loads(output)
    assert (status, found["count"]) == (0, 2)
    assert [run["name"] for run in found["runs"]] == ["two", "one"]
    assert trilha("list", "--campaign", "rates", "--limit", "1")[1].count("python s.py") == 1
    chosen = trilha("list", "--campaign", "rates", "--where", "name != two", "--json")[1]
    assert [run["name"] for run in json.loads(chosen)["runs"]] == ["one"]
    assert "campaign  rates" in trilha("show", "one")[1]


def test_a_campaign_that_is_not_there_is_not_found(trilha):
    trilha("run", "s.py")
    status, _, errors = trilha("list", "--campaign", "rates")
    assert (status, errors.count("\n")) == (1, 1)
    assert "`trilha run --campaign NAME`" in errors
    trilha("run", "--campaign", "rates", "s.py")
    assert "Did you mean 'rates'?" in trilha("list", "--campaign", "rats")[2]


def test_the_job_of_a_cluster_is_shown(trilha):
    job = {"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "10", "SLURM_ARRAY_TASK_ID": "2"}
    trilha("run", "s.py", **job, SLURM_JOB_PARTITION="gpu")
    shown = trilha("show", "last")[1]
    assert "slurm job 12, task 2 of its array, queue gpu" in shown
    assert "campaign  slurm array 10" in shown
