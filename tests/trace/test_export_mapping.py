"""`trilha export --mapping` of a script as it was captured: the program of the paper gives its counts."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from trilha import formats

PAPER = Path(__file__).with_name("floyd_warshall.txt")


def trilha(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", "from trilha.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_of_the_paper_as_it_was_captured(tmp_path: Path) -> None:
    (tmp_path / "fw.py").write_bytes(PAPER.read_bytes())
    assert trilha(tmp_path, "run", "--grain", "variable", "fw.py") == "3\n"
    found = {}
    for mapping in ("plain", "dictionary", "versioned"):
        trilha(tmp_path, "export", "last", "--mapping", mapping, "-o", f"{mapping}.provn")
        document = formats.read(tmp_path / f"{mapping}.provn")
        assert document.validate().valid
        found[mapping] = Counter(record.kind.provn for record in document.records)
    assert {mapping: sum(some.values()) for mapping, some in found.items()} == {
        "plain": 547,
        "dictionary": 476,
        "versioned": 413,
    }
    assert found["versioned"] == {
        "entity": 102,
        "activity": 91,
        "used": 103,
        "wasDerivedFrom": 94,
        "wasGeneratedBy": 5,
        "hadMember": 18,
    }
