"""Jobs of clusters, containers and campaigns, as their variables and files tell them."""

import pytest
from tests.capture.graph import Graph

from trilha.capture import cluster, machine
from trilha.prov import Kind

SCHEDULERS = ("SLURM", "PBS", "OAR", "LSB", "SGE", "JOB", "KUBERNETES", "TRILHA", "APPTAINER", "SINGULARITY")


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith(SCHEDULERS):
            monkeypatch.delenv(name)


def variables(monkeypatch, **given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def test_without_a_scheduler_there_is_no_job_and_no_campaign():
    assert cluster.job_facts() == {}
    assert cluster.campaign() == ""


def test_a_job_of_slurm(monkeypatch):
    variables(
        monkeypatch,
        SLURM_JOB_ID="4713",
        SLURM_JOB_NAME="train",
        SLURM_ARRAY_JOB_ID="4711",
        SLURM_ARRAY_TASK_ID="2",
        SLURM_JOB_PARTITION="gpu",
        SLURM_JOB_NODELIST="n[1-2]",
        SLURM_JOB_NUM_NODES="2",
        SLURM_NTASKS="8",
        SLURM_PROCID="3",
        SLURM_CPUS_PER_TASK="4",
        SLURM_CLUSTER_NAME="big",
    )
    assert cluster.job_facts() == {
        "job_system": "slurm",
        "job": "4713",
        "job_name": "train",
        "job_array": "4711",
        "job_task": "2",
        "job_queue": "gpu",
        "job_nodes": "n[1-2]",
        "job_node_count": "2",
        "job_processes": "8",
        "job_rank": "3",
        "job_cores": "4",
        "job_cluster": "big",
    }
    assert cluster.campaign() == "slurm array 4711 on big"


@pytest.mark.parametrize(
    ("given", "task", "campaign"),
    [
        (
            {"PBS_JOBID": "5[1].host", "PBS_ARRAY_ID": "5[].host", "PBS_ARRAY_INDEX": "1"},
            "1",
            "pbs array 5[].host",
        ),
        ({"PBS_JOBID": "5[7].host", "PBS_ARRAYID": "7"}, "7", "pbs array 5"),
        ({"PBS_JOBID": "5.host"}, None, ""),
        ({"OAR_JOB_ID": "9", "OAR_ARRAY_ID": "8", "OAR_ARRAY_INDEX": "2"}, "2", "oar array 8"),
        ({"LSB_JOBID": "3", "LSB_JOBINDEX": "0"}, None, ""),
        ({"LSB_JOBID": "3", "LSB_JOBINDEX": "4"}, "4", ""),
        ({"JOB_ID": "3", "SGE_TASK_ID": "undefined"}, None, ""),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "train-0-x7", "JOB_COMPLETION_INDEX": "0"},
            "0",
            "",
        ),
    ],
)
def test_jobs_of_others_and_their_arrays(given, task, campaign, monkeypatch):
    variables(monkeypatch, **given)
    assert cluster.job_facts().get("job_task") == task
    assert cluster.campaign() == campaign


@pytest.mark.parametrize("system", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "OAR_JOB_ID"])
def test_a_job_is_a_fact_of_the_run_and_none_of_the_machine_which_has_many(system, monkeypatch):
    variables(monkeypatch, **{system: "4711"})
    assert cluster.job_facts()["job"] == "4711"
    assert "4711" not in machine.machine_facts().values()


def test_processes_that_srun_starts_each_as_a_run_are_a_campaign(monkeypatch):
    # As a Slurm 22.05 set them: `srun` of two tasks in a job of its own.
    variables(monkeypatch, SLURM_JOB_ID="6", SLURM_CLUSTER_NAME="little", SLURM_NTASKS="2", SLURM_PROCID="1")
    assert cluster.campaign() == ""  # the script of the job itself
    variables(monkeypatch, SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="2")
    assert cluster.job_facts()["job_step"] == "0"
    assert cluster.campaign() == "slurm job 6 step 0 on little"
    variables(monkeypatch, SLURM_STEP_NUM_TASKS="1")
    assert cluster.campaign() == ""


def test_a_campaign_that_is_named_goes_before_the_array(monkeypatch):
    variables(monkeypatch, SLURM_JOB_ID="1", SLURM_ARRAY_JOB_ID="1", TRILHA_CAMPAIGN=" rates ")
    assert cluster.campaign() == "rates"


def test_one_name_of_one_user_is_one_campaign_anywhere():
    assert cluster.campaign_iri("rates", "ana") == "urn:uuid:167327cd-0201-5542-aa4c-729dbbe040a8"
    assert len({cluster.campaign_iri(*one) for one in (("a", "b"), ("b", "a"), ("a", "a"))}) == 3


def test_nothing_else_of_the_environment_is_kept(monkeypatch, run_program, store):
    variables(monkeypatch, SLURM_JOB_ID="1", SLURM_JWT="a secret token", KUBERNETES_TOKEN="a secret token")
    run_program("import trilha\nwith trilha.run('x'):\n    pass\n")
    assert store.run()["job"] == "1"
    assert all(b"secret" not in path.read_bytes() for path in store.paths())


def test_what_a_container_is_and_may_use(tmp_path, monkeypatch):
    for path, text in {
        "proc/self/cgroup": "0::/job/step\n",
        "sys/fs/cgroup/job/step/memory.max": "max\n",
        "sys/fs/cgroup/memory.max": "1073741824\n",
        "sys/fs/cgroup/job/step/cpu.max": "150000 100000\n",
        "run/.containerenv": "",
        "var/run/secrets/kubernetes.io/serviceaccount/namespace": "lab",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = {"container": "podman", "memory_limit": 1 << 30, "cores_limit": 1.5}
    assert cluster.container_facts(str(tmp_path)) == found
    variables(monkeypatch, KUBERNETES_SERVICE_HOST="10.0.0.1", APPTAINER_CONTAINER="/images/torch.sif")
    assert cluster.container_facts(str(tmp_path)) == found | {"namespace": "lab", "image": "torch.sif"}
    (tmp_path / "run/.containerenv").unlink()
    assert cluster.container_facts(str(tmp_path))["container"] == "kubernetes"


def test_accelerators_and_their_drivers_are_read_from_the_kernels_files(tmp_path):
    card = tmp_path / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t NVIDIA H200\nIRQ: 5\n")
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Mon\nGCC\n")
    assert machine._nvidia(str(tmp_path)) == (["NVIDIA H200 (driver 570.86.15)"], ["nvidia 570.86.15"])
    drm = tmp_path / "drm" / "card0" / "device"
    drm.mkdir(parents=True)
    (drm / "vendor").write_text("0x1002\n")
    (drm / "product_name").write_text("Instinct MI300X\n")
    assert machine._amd(str(tmp_path / "drm")) == ["AMD Instinct MI300X"]
    assert machine._nvidia(str(tmp_path / "none")) == ([], [])


def test_processes_of_a_job_array_are_runs_of_one_campaign(run_program, store):
    for task in ("1", "2"):
        environment = {"SLURM_JOB_ID": f"10{task}", "SLURM_ARRAY_JOB_ID": "100", "SLURM_ARRAY_TASK_ID": task}
        run_program("import trilha\nwith trilha.run('x'):\n    pass\n", environment=environment)
    graph = Graph(store.folder)
    assert graph.labels("Campaign") == ["slurm array 100"]
    members = {
        record[3] for record in graph.of(Kind.MEMBERSHIP) if graph.label(record[2]) == "slurm array 100"
    }
    assert members == {f"urn:uuid:{journal.head.run}" for journal in store.journals()}
    assert len(members) == 2
    runs = [facts for name, facts in graph.about.items() if name.endswith("#run")]
    assert sorted(facts["job_task"][0] for facts in runs) == ["1", "2"]
    assert all(facts["campaign"] == ["slurm array 100"] for facts in runs)
