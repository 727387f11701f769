"""The same source tells the same, in whatever process it is read."""

import json
import os
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[1] / "corpus"


@pytest.mark.parametrize(
    ("kind", "path"),
    [("yprov4ml", "yprov4ml/digits_0"), ("flowcept", "flowcept/flowcept_buffer.jsonl")],
)
@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_finds_the_run_unchanged(store, monkeypatch, kind, path, seed):
    store.bring(kind, CORPUS / path)
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    done = store.cli("import", "--json", kind, str(CORPUS / path))
    assert {one["state"] for one in json.loads(done.stdout)["runs"]} == {"there"}
    assert os.listdir(store.folder / "journals")


def test_what_cannot_be_written_leaves_nothing_half_written(store, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "store").write_text("a file where the store should be")
    else:
        tmp_path.chmod(0o500)
    done = store.cli("import", "flowcept", str(CORPUS / "flowcept" / "flowcept_buffer.jsonl"), check=False)
    tmp_path.chmod(0o700)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.journal"))
