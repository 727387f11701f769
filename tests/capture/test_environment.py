"""Which variables of the environment a run keeps, and what of them."""

import pytest

from trilha.capture.environment import facts, kept


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_CBWR", "LC_ALL", "TZ"])
def test_what_matters_for_results_is_kept(name):
    assert facts({name: "1"}) == ["trilha:env", 1, f"trilha:env.{name}", "1"]


@pytest.mark.parametrize(
    "name", ["HOME", "MKL_LICENSE_FILE", "OMP_API_KEY", "LC_PASSWORD", "AWS_SECRET", "OMP_A B"]
)
def test_what_may_be_a_secret_and_what_is_not_known_to_matter_is_not(name):
    assert not kept(name)
    assert facts({name: "1"}) == ["trilha:env", 0]


def test_a_password_in_an_address_is_cut_out_and_long_values_are_cut():
    told = facts({"PYTHONPATH": "https://me:secret@host/a", "LD_LIBRARY_PATH": "x" * 5000})
    assert told[3] == "x" * 2000
    assert told[5] == "https://host/a"
