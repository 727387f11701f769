"""Imported runs answer the published questions; the answers are worked out from the text of the dump."""

import json
import re
from pathlib import Path

import pytest

DUMPS = Path(__file__).parents[2].parent / "shared" / "data" / "dlprov"

pytestmark = pytest.mark.skipif(
    not DUMPS.is_dir(), reason="the documents of others are not beside the checkout"
)


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    from tests.importing.conftest import Imported

    store = Imported(tmp_path_factory.mktemp("asked") / "store")
    store.bring("dlprov", DUMPS / "dump_public.sql", DUMPS / "dump_framingham.sql")
    return store


def rows(columns):
    """The rows with so many columns in the dump of the Framingham runs, as words."""
    lines = (DUMPS / "dump_framingham.sql").read_text().splitlines()
    words = [re.findall(r'"[^"]*"|\S+', line) for line in lines if line[:1].isdigit()]
    return [one for one in words if len(one) == columns]


def test_the_best_runs_by_a_metric(dumped):
    epochs, tests = rows(11), rows(4)
    best = max(float(one) for one in [*(row[7] for row in epochs), *(row[3] for row in tests)])
    answer = json.loads(dumped.cli("ask", "top", "accuracy", "3", "--json").stdout)
    assert answer["rows"][0]["best(accuracy)"] == best


def test_epochs_filtered_by_a_hyperparameter(dumped):
    stated = [row for row in rows(6) if row[2] == '"Adam"']
    long = [row for row in stated if row[4] == "200"]
    done = dumped.cli("ask", "hyperparameters", "--where", "epochs = 200", "--limit", "0", "--json")
    answered = [one for one in json.loads(done.stdout)["rows"] if "num_epochs" in one.values()]
    assert len(answered) == len(long)


def test_the_way_from_the_test_to_the_training(dumped):
    run = next(one for one in dumped.runs() if one.start == 1675425610000000000)
    done = dumped.cli("ask", "path", "otestingmodel", "trainingmodel", "--run", run.uuid)
    assert "testingmodel" in done.stdout
    assert "trainingmodel" in done.stdout
