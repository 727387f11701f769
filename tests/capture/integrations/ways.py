"""A script recorded in each of the three ways in, and what of its graph must be the same in all of them."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER
from tests.capture.preloaded import Preloaded

import trilha
from trilha.formats import opmxml
from trilha.prov.opm import legality
from trilha.query.runs import runs

ROOT = Path(__file__).resolve().parents[3]
BEGINNINGS = {
    "trilha run": "",
    "autolog": "import trilha\ntrilha.autolog()\n",
    "callback": "from trilha.{framework} import Callback\nmine.append(Callback())\n",
}


def recorded(folder, framework, library, script):
    """The graphs by the way in. The script has a line ``# HERE``, and gives its callbacks as ``mine``.

    `library` is the module that makes its import take long.
    """
    environment = program_environment(folder / "store", {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
    libraries = Preloaded("torch", "torch._dynamo", library, environment=environment)
    for way, beginning in BEGINNINGS.items():
        place = folder / way.replace(" ", "-")
        place.mkdir()
        source = script.replace("# HERE", "mine = []\n" + beginning.format(framework=framework))
        (place / "train.py").write_text(source)
        launcher = [LAUNCHER, "--grain=call", "--"] if way == "trilha run" else []
        more = {"TRILHA_STORE": str(place / "store")}
        done = libraries.run(*launcher, "train.py", cwd=place, more=more)
        assert done.returncode == 0, done.stderr
    libraries.close()
    return {way: Graph(folder / way.replace(" ", "-") / "store") for way in BEGINNINGS}


def shape(graph):
    """What a graph says of the learning: its things by label, and what is derived, made and used."""
    about = Counter(graph.labels("Hyperparameter")) + Counter(graph.labels("Model"))
    for kind in ("Training", "Epoch", "Evaluation", "Adaptation", "Layer", "Checkpoint", "Dataset"):
        about += Counter(graph.labels(kind))
    activities = {"run", *graph.labels("Training"), *graph.labels("Epoch"), *graph.labels("Evaluation")}
    used = Counter(pair for pair in graph.usages() if pair[0] in activities - {"run"})
    made = Counter(pair for pair in graph.generations() if pair[1] in activities)
    rows = [
        {k: v for k, v in row.items() if not k.endswith(("_runtime", "_second"))} for row in graph.metrics()
    ]
    return about, used, made, Counter(graph.derivations()), rows


def example(folder, name, *options):
    """The graph of one of the examples, recorded in a process of its own."""
    words = [sys.executable, "-c", "from trilha.cli import main; main()", "run"]
    environment = program_environment(folder / "store", {"OMP_NUM_THREADS": "1"})
    how = {"capture_output": True, "text": True, "timeout": 120}
    place = ROOT / "examples" / name
    done = subprocess.run([*words, str(place), *options], cwd=folder, env=environment, **how)
    assert done.returncode == 0, done.stderr
    check_documents(folder / "store")
    return Graph(folder / "store")


def check_documents(store):
    """Each run as a document is valid, and as a graph of OPM legal; read from that, it is the same."""
    with trilha.open(store) as opened:
        for run in runs(opened):
            document = opened.document(run.uuid)
            assert document.validate().valid, run.name
            written = opmxml.write(document)
            assert legality(opmxml.graph(written)), run.name
            assert opmxml.read(written) == document, run.name
