"""The cases of the PROV-CONSTRAINTS test suite, in PROV-N and PROV-XML, against what their index expects."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trilha import formats
from trilha.errors import FormatError
from trilha.prov.constraints import validate

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "prov-constraints"
INDEX = CASES / "index.csv"
ROWS = list(csv.DictReader(INDEX.read_text("utf-8").splitlines())) if INDEX.exists() else []
INVALID = [row for row in ROWS if row["expected"] == "invalid"]
FILES = [(row[form], row["expected"]) for row in ROWS for form in ("provn", "xml") if row[form]]
needs_cases = pytest.mark.skipif(not ROWS, reason=f"the cases of the test suite are not in {CASES}")


def _readable(file: str) -> bool:
    return any(Path(file).suffix in known.suffixes and known.reads for known in formats.FORMATS)


@needs_cases
@pytest.mark.parametrize(("file", "expected"), FILES)
def test_a_case_comes_out_as_its_index_says(file, expected):
    if not _readable(file):
        pytest.skip(f"this version does not read {Path(file).suffix}")
    try:
        found = validate(formats.read(CASES / file)).valid
    except FormatError:  # some invalid cases are not even grammatical
        found = False
    assert ("valid" if found else "invalid") == expected


@needs_cases
@pytest.mark.parametrize("row", INVALID, ids=lambda row: row["case"])
def test_an_invalid_case_is_told_with_its_constraint_and_places(row):
    file = row["provn"]
    if not file:
        pytest.skip("this case is not in PROV-N")
    verdict = validate(formats.read(CASES / file))
    wanted = {int(one[1:]) for one in row["constraints"].split("-") if one[1:].isdigit()}
    assert not wanted or wanted & {rule.number for one in verdict.violations for rule in one.rules}
    for violation in verdict.violations:
        assert violation.statements
        assert violation.reasons
        assert all(statement.place for statement in violation.statements)
