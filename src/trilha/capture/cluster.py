"""The job of a cluster that a process is, the container that it is in, and the campaign of its run.

Schedulers and containers say by environment variables what they are; those that are read here are named one
by one, and none holds a secret. Sources: Slurm, "Output environment variables" of sbatch(1); PBS, qsub(1)
"Environment variables"; OAR, "User documentation"; Kubernetes, "Expose Pod Information to Containers" and
"Indexed Job"; cgroups(7).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["CAMPAIGN", "campaign", "campaign_iri", "container_facts", "job_facts", "state_campaign"]

CAMPAIGN: Final = "TRILHA_CAMPAIGN"
"""Environment variable with the name of the campaign that a run belongs to."""

_JOBS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "slurm": {
        "job": ("SLURM_JOB_ID",),
        "job_name": ("SLURM_JOB_NAME",),
        "job_array": ("SLURM_ARRAY_JOB_ID",),
        "job_task": ("SLURM_ARRAY_TASK_ID",),
        "job_queue": ("SLURM_JOB_PARTITION",),
        "job_nodes": ("SLURM_JOB_NODELIST",),
        "job_node_count": ("SLURM_JOB_NUM_NODES",),
        "job_step": ("SLURM_STEP_ID",),
        "job_processes": ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
        "job_rank": ("SLURM_PROCID",),
        "job_cores": ("SLURM_CPUS_PER_TASK",),
        "job_cluster": ("SLURM_CLUSTER_NAME",),
    },
    "pbs": {
        "job": ("PBS_JOBID",),
        "job_name": ("PBS_JOBNAME",),
        "job_array": ("PBS_ARRAY_ID",),
        "job_task": ("PBS_ARRAY_INDEX", "PBS_ARRAYID"),
        "job_queue": ("PBS_QUEUE",),
        "job_node_count": ("PBS_NUM_NODES",),
        "job_cluster": ("PBS_SERVER",),
    },
    "oar": {
        "job": ("OAR_JOB_ID", "OAR_JOBID"),
        "job_name": ("OAR_JOB_NAME",),
        "job_array": ("OAR_ARRAY_ID", "OAR_ARRAYID"),
        "job_task": ("OAR_ARRAY_INDEX", "OAR_ARRAYINDEX"),
    },
    "lsf": {
        "job": ("LSB_JOBID",),
        "job_name": ("LSB_JOBNAME",),
        "job_task": ("LSB_JOBINDEX",),
        "job_queue": ("LSB_QUEUE",),
    },
    "sge": {
        "job": ("JOB_ID",),
        "job_name": ("JOB_NAME",),
        "job_task": ("SGE_TASK_ID",),
        "job_queue": ("QUEUE",),
    },
}
"""By scheduler: the facts, and the variables of which the first that is set tells each."""
_NO_TASK: Final = frozenset(["", "undefined", "0"])
_PODS: Final = "KUBERNETES_SERVICE_HOST"
_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
"""Of the pod; the secret is in another file."""


def job_facts() -> dict[str, str]:
    """What the scheduler says of the job: attribute names without prefix (``job_…``), and values.

    Returns:
        ``job_system`` (``slurm``, ``pbs``, ``oar``, ``lsf``, ``sge`` or ``kubernetes``) and ``job``, its
        number; as far as they are known ``job_name``, ``job_array``, ``job_task`` (in the array),
        ``job_queue``, ``job_nodes``, ``job_node_count``, ``job_step`` (what `srun` started in it),
        ``job_processes``, ``job_rank``, ``job_cores`` and ``job_cluster``. Nothing where there
        is no scheduler.
    """
    for system, facts in _JOBS.items():
        if not _first(facts["job"]):
            continue
        found = {"job_system": system}
        for name, variables in facts.items():
            value = _first(variables)
            if value and not (name == "job_task" and system in ("lsf", "sge") and value in _NO_TASK):
                found[name] = value
        if system == "pbs" and "job_task" in found and "job_array" not in found:
            found["job_array"] = found["job"].partition("[")[0]  # Torque: 4711[3].server
        return found
    if os.environ.get(_PODS) and os.environ.get("HOSTNAME"):
        found = {"job_system": "kubernetes", "job": os.environ["HOSTNAME"]}
        index = os.environ.get("JOB_COMPLETION_INDEX", "")
        return found | ({"job_task": index} if index else {})
    return {}


def _first(variables: tuple[str, ...]) -> str:
    return next((value for name in variables if (value := os.environ.get(name, "").strip())), "")


# -- containers ----------------------------------------------------------------------------------------------


def container_facts(root: str = "/") -> dict[str, Any]:
    """What is known of the container: ``container``, ``image``, ``namespace``, and the limits set to it.

    Args:
        root: of the file system, for tests.

    Returns:
        ``container`` is its kind or name, ``image`` what it was made from, ``namespace`` that of a pod;
        ``memory_limit`` is in bytes, ``cores_limit`` may be a fraction. What is not known is not there.
    """
    found: dict[str, Any] = {}
    kind = ""
    if os.path.exists(os.path.join(root, ".dockerenv")):
        kind = "docker"
    elif os.path.exists(os.path.join(root, "run/.containerenv")):
        kind = "podman"
    name = _first(("APPTAINER_NAME", "SINGULARITY_NAME"))
    if name or kind:
        found["container"] = kind or name
    image = _first(("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"))
    if image:
        found["image"] = os.path.basename(image)
    if os.environ.get(_PODS):
        found.setdefault("container", "kubernetes")
        namespace = _text(root, _NAMESPACE)
        if namespace:
            found["namespace"] = namespace
    return found | _limits(root)


def _limits(root: str) -> dict[str, Any]:
    """What the control group allows (cgroups(7), version 2; of version 1 the memory)."""
    found: dict[str, Any] = {}
    own = next(
        (line[3:] for line in _text(root, "proc/self/cgroup").splitlines() if line.startswith("0::")), "/"
    )
    for group in dict.fromkeys((own, "/")):
        place = f"sys/fs/cgroup{group.rstrip('/')}"
        memory = _text(root, f"{place}/memory.max")
        quota, _, period = _text(root, f"{place}/cpu.max").partition(" ")
        if memory.isdigit():
            found.setdefault("memory_limit", int(memory))
        if quota.isdigit() and period.isdigit() and int(period):
            found.setdefault("cores_limit", int(quota) / int(period))
    memory = _text(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")
    if memory.isdigit() and int(memory) < 1 << 60:
        found.setdefault("memory_limit", int(memory))
    return found


def _text(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        pass_on()
        return ""


# -- campaigns -----------------------------------------------------------------------------------------------


def campaign() -> str:
    """Name of the campaign that runs of this process belong to; empty if to none.

    It is what TRILHA_CAMPAIGN says, else the job array that the scheduler says this is a task of, else the
    step of a job of Slurm that several processes are started in (each is a run, if each is recorded).
    """
    name = os.environ.get(CAMPAIGN, "").strip()
    if name:
        return name
    facts = job_facts()
    array, step = facts.get("job_array", ""), facts.get("job_step", "")
    if array:
        what = f"array {array}"
    elif step.isdigit() and facts.get("job_processes", "1") != "1":
        what = f"job {facts['job']} step {step}"
    else:
        return ""
    cluster = facts.get("job_cluster", "")
    return f"{facts['job_system']} {what}" + (f" on {cluster}" if cluster else "")


def campaign_iri(name: str, login: str) -> str:
    """IRI of a campaign: the same for each process of one user, on whichever host (UUID version 5).

    Args:
        name: of the campaign.
        login: of the user.
    """
    import uuid

    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'https://w3id.org/trilha/campaign/{login}/{name}')}"


def state_campaign(recorder: Recorder) -> tuple[Any, ...]:
    """State the campaign of the run, if it belongs to one; gives what its activity says of that.

    A collection's members are entities (PROV-DM section 5.6), so the member is what is recorded of the run,
    its bundle.
    """
    from trilha.capture.journal.writer import literal_name

    name = campaign()
    if not name:
        return ()
    iri, record = campaign_iri(name, recorder.login), f"urn:uuid:{recorder.uuid}"
    types = ("prov:type", literal_name("trilha:Campaign"), "prov:type", literal_name("prov:Collection"))
    recorder.entity(iri, *types, "prov:label", name)
    bundle = ("prov:type", literal_name("prov:Bundle"), "prov:label", recorder.run.label)
    recorder.entity(record, *bundle, "trilha:run", literal_name(str(recorder.run.identifier)))
    recorder.member(iri, record)
    return "trilha:campaign", name
