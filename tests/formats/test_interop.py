"""Documents that other tools wrote, read as the `prov` package reads them.

They lie in ``../shared/data`` beside the checkout. They are no part of the project, so where they are absent
these tests are skipped, also on a server that only has the checkout; our own documents stand for them there.
"""

import warnings
from pathlib import Path

import pytest

from trilha import formats
from trilha.formats import provjson
from trilha.prov import DICTIONARY

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "prov-interop"
FILES = sorted(DATA.rglob("*.json")) if DATA.is_dir() else []

needs_data = pytest.mark.skipif(
    not FILES, reason="the interoperability documents are not beside the checkout"
)


def theirs(path):
    from trilha.formats.provpackage import from_prov

    model = pytest.importorskip("prov.model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_prov(model.ProvDocument.deserialize(path, format="json"))


@needs_data
def test_prov_json_of_other_tools_is_read_as_the_prov_package_reads_it():
    compared = 0
    for path in FILES:
        document = formats.read(path)
        assert provjson.read(provjson.write(document)) == document, path
        if not any(record.kind in DICTIONARY for record in document):  # which that package does not know
            assert document == theirs(path), path
            compared += 1
    assert compared > len(FILES) * 0.75
