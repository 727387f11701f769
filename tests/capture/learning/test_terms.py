"""Common names of hyperparameters, and that the page that lists them is true."""

from pathlib import Path

import pytest

from trilha.capture.learning.terms import COMMON, TYPES, common_name

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "learning.md"


@pytest.mark.parametrize(
    ("own", "common"),
    [
        ("lr", "learning_rate"),
        ("LEARNING_RATE", "learning_rate"),
        ("batch-size", "batch_size"),
        ("optimizer.lr", "learning_rate"),
        ("max_iter", None),
        ("lr.1", None),
        ("", None),
    ],
)
def test_an_own_name_has_a_common_one_or_none(own, common):
    assert common_name(own) == common


def test_the_page_lists_all_common_names():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") and line.count("|") == 3]
    told = {
        own.strip(" `"): row.split("|")[1].strip(" `") for row in rows for own in row.split("|")[2].split(",")
    }
    assert told == COMMON


def test_the_page_lists_the_types_of_learning():
    text = PAGE.read_text()
    physics = {"Geometry", "Equation", "Condition", "Points", "LossTerm"}
    generic = {"Object", "DataLoader"}
    assert [name for name in TYPES if f"`{name}`" not in text and name not in physics | generic] == []
