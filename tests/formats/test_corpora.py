"""One document in several formats, as other tools wrote them: the readings must be equal.

The documents lie in ``../shared/data`` beside the checkout and are no part of the project; where they are
absent, these tests are skipped, also on a server that only has the checkout.
"""

import importlib
import re
import warnings
from pathlib import Path

import pytest

from trilha.errors import FormatError
from trilha.formats import provjson, provn, provxml
from trilha.prov import DICTIONARY, PLACEHOLDER, Document, Literal, Record

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SUITE, CWL, CASES = DATA / "prov-interop/prov-suite", DATA / "prov-interop/cwlprov", DATA / "prov-constraints"

needs_data = pytest.mark.skipif(
    not SUITE.is_dir(), reason="the documents of others are not beside the checkout"
)

WITHOUT_XML = "test-entity101"
"""Its attributes have names that no element of XML may have."""
DIFFERENT = {
    WITHOUT_XML: "the tool left the escapes of PROV-N in the names in JSON",
    "test-alternate1": "the tool of its time wrote the arguments of alternateOf in JSON in reversed order",
    "bundle-success2": "its PROV-N is damaged: the bundles are missing in it",
}
"""Cases whose formats do not say the same, and why."""


def comparable(document):
    """A copy without ``-``, which other formats cannot say, and with XML literals as they were before a tool
    indented them.
    """
    made = Document()
    made.update(map(_comparable, document))
    for name, bundle in document.bundles.items():
        made.bundle(name).update(map(_comparable, bundle))
    return made


def _comparable(record):
    cells = [None if cell is PLACEHOLDER else cell for cell in record]
    cells[-1] = tuple(map(_dense, record.flat))
    return Record.new(tuple(cells))


def _dense(cell):
    if type(cell) is Literal and cell.datatype.endswith("#XMLLiteral"):
        return cell._replace(value=re.sub(r">\s+<", "><", cell.value.strip()))
    return cell


def reading(path, read, **options):
    """What is read, so that it can be compared."""
    return comparable(read(path.read_bytes(), path.name, **options))


@needs_data
def test_prov_n_prov_xml_and_prov_json_of_one_case_say_the_same():
    dictionaries = 0
    for folder in sorted(path for path in SUITE.iterdir() if path.is_dir()):
        one = reading(next(folder.glob("*.provn")), provn.read)
        json = reading(next(folder.glob("*.json")), provjson.read)
        assert (one == json) != (folder.name in DIFFERENT), folder.name
        for path in folder.glob("*.provx"):
            assert one == reading(path, provxml.read, toolbox=True), folder.name
        assert (folder.name == WITHOUT_XML) == (not list(folder.glob("*.provx")))
        dictionaries += any(record.kind in DICTIONARY for record in one)
    assert dictionaries > 40


@needs_data
def test_the_runs_of_a_workflow_say_the_same_in_three_formats():
    paths = sorted(CWL.rglob("*.provn"))
    assert paths
    for path in paths:
        one = reading(path, provn.read)
        assert one == reading(path.with_suffix(".json"), provjson.read)
        assert one == reading(path.with_suffix(".xml"), provxml.read)


@needs_data
def test_the_cases_of_the_constraints_say_the_same_in_prov_n_and_prov_xml():
    for path in sorted(CASES.rglob("*.provn")):
        same = reading(path, provn.read) == reading(path.with_suffix(".xml"), provxml.read)
        assert same != (path.stem in DIFFERENT), path.name


@needs_data
def test_each_statement_stands_where_its_place_says():
    paths = [*SUITE.rglob("*.provn"), *SUITE.rglob("*.provx"), *CASES.rglob("*.xml"), *CWL.rglob("*.xml")]
    for path in paths:
        text = path.read_text("utf-8")
        module = provn if path.suffix == ".provn" else provxml
        try:
            document = module.read(text, path.name)
        except FormatError:
            continue
        lines = text.splitlines()
        for scope in (document, *document.bundles.values()):
            for record, (line, column) in zip(scope, scope.places, strict=True):
                begins = lines[line - 1][column - 1 :]
                begins = begins.removeprefix("prov:")
                assert begins.startswith(record.kind.provn if module is provn else "<prov:"), path


@needs_data
def test_what_is_read_is_written_and_read_again():
    for path in sorted([*SUITE.rglob("*.provn"), *CWL.rglob("*.provn"), *CASES.rglob("*.provn")]):
        document = reading(path, provn.read)
        if isinstance(document, Document) and path.parent.name != WITHOUT_XML:
            assert comparable(provn.read(provn.write(document))) == document, path
            assert provxml.read(provxml.write(document)) == document, path


@needs_data
def test_prov_n_is_read_as_the_prov_package_reads_it():
    compared = 0
    for path in sorted([*SUITE.rglob("*.provn"), *CWL.rglob("*.provn"), *CASES.rglob("*.provn")]):
        ours, others = reading(path, provn.read), theirs(path, "provn")
        if isinstance(ours, Document) and others is not None:
            assert ours == others, path
            compared += 1
    assert compared > 320


@needs_data
def test_prov_xml_is_read_as_the_prov_package_reads_it():
    """But for what it drops: the language of text that also has a type, and elements within a value."""
    importlib.import_module("lxml")  # the prov package needs it to read PROV-XML
    compared = 0
    for path in sorted([*SUITE.rglob("*.provx"), *CWL.rglob("*.xml"), *CASES.rglob("*.xml")]):
        text = path.read_text("utf-8")
        if re.search("xml:lang=[^>]*xsi:type|XMLLiteral", text):
            continue
        ours, others = reading(path, provxml.read), theirs(path, "xml")
        if isinstance(ours, Document) and others is not None:
            assert ours == others, path
            compared += 1
    assert compared > 300


def theirs(path, format):
    """The reading of the prov package, or None where it refuses."""
    model = pytest.importorskip("prov.model")
    from trilha.formats.provpackage import from_prov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return comparable(from_prov(model.ProvDocument.deserialize(source=path, format=format)))
        except Exception:
            return None
