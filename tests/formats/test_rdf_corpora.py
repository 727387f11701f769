"""PROV-O as other tools wrote it: read, and compared with their other formats and with the `prov` package.

The documents lie in ``../shared/data`` beside the checkout and are no part of the project; where they are
absent, the tests that need them are skipped, also on a server that only has the checkout.
"""

import re
import warnings
from pathlib import Path

import pytest

from trilha import formats
from trilha.formats import nquads, provn, rdfxml, trig, turtle
from trilha.prov import PLACEHOLDER, PROV, Document, Literal, Record

pytest.importorskip("pyoxigraph", reason="pyoxigraph is not installed: pip install 'trilha[rdf]'")

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "prov-interop"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the documents of others are not beside the checkout"
)

KEYS = "the tool wrote qualified names that are keys as text, with prefixes of its own"
ONE_NODE = "two statements of one identifier are one node, where their times and attributes run together"
DIFFERENT = {
    "test-attr_dict_insert_one_key21": KEYS,
    "test-attr_dict_insert_one_key22": KEYS,
    "test-attr_dict_insert_one_key23": KEYS,
    "test-attr_dict_insert_one_key26": KEYS,
    "test-dictionaryInsertion6-M": KEYS,
    "test-dictionaryInsertion6-S": KEYS,
    "test-dictionaryInsertion7-M": KEYS,
    "test-dictionaryMembership4-M": KEYS,
    "test-dictionaryRemoval5-M": KEYS,
    "test-issues_unification-membership-f1-FAIL-DM": "a hadMember without member is no triple",
    "test-scruffy-end2-M": ONE_NODE,
    "test-scruffy-end4-M": ONE_NODE,
    "test-scruffy-generation2-S": ONE_NODE,
    "test-scruffy-invalidation2-M": ONE_NODE,
    "test-scruffy-start2-M": ONE_NODE,
    "test-scruffy-start2-S": ONE_NODE,
    "test-scruffy-start4-M": ONE_NODE,
}
"""Cases whose RDF does not say what their PROV-N says, and why."""


def comparable(document):
    """A copy without ``-``, which RDF cannot say, and with XML literals as before a tool indented them."""
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


@needs_data
def test_turtle_and_trig_of_one_case_say_what_its_prov_n_says():
    read = 0
    for folder in sorted(path for path in (DATA / "prov-suite").iterdir() if path.is_dir()):
        one = comparable(provn.read(next(folder.glob("*.provn")).read_bytes(), folder.name))
        for path in (*folder.glob("*.ttl"), *folder.glob("*.trig")):
            same = comparable(formats.read(path)) == one
            assert same != (folder.name in DIFFERENT), path.name
            read += 1
    assert read > 540


@needs_data
@pytest.mark.parametrize("pattern", ["cwlprov/**/*.ttl", "cwlprov/**/*.nt", "taverna/*.ttl"])
def test_wild_documents_are_read_and_written_again_without_loss(pattern):
    paths = sorted(DATA.glob(pattern), key=lambda path: path.stat().st_size)[:8]
    assert paths
    for path in paths:
        document = formats.read(path)
        assert len(document) > 10
        for module in (turtle, nquads, rdfxml, trig):
            assert module.read(module.write(document), path.name) == document, (path, module)


def example():
    """A document of all kinds of relation."""
    document = Document({"ex": "http://example.org/"})
    when = "2026-11-21T09:30:00+00:00"
    document.entity("ex:e", {"prov:label": "data", "prov:type": PROV["Plan"]})
    document.was_associated_with("ex:a", "ex:g", "ex:p")
    document.was_generated_by("ex:e", "ex:a", when)
    document.used("ex:a2", "ex:e", when, {"prov:role": PROV["x"]}, id="ex:u")
    document.was_derived_from("ex:b", "ex:e", "ex:a", "ex:g1", "ex:u", {"prov:type": PROV["Revision"]})
    document.acted_on_behalf_of("ex:d", "ex:r", "ex:a")
    document.was_started_by("ex:a", "ex:t", "ex:st", when)
    document.was_influenced_by("ex:i", "ex:j", {"ex:k": 1})
    document.was_informed_by("ex:a", "ex:a2")
    document.was_attributed_to("ex:e", "ex:g")
    document.mention_of("ex:m", "ex:n", "ex:bb")
    document.had_member("ex:c", "ex:e")
    document.specialization_of("ex:e", "ex:f")
    return document


@pytest.fixture
def provmodel():
    pytest.importorskip("rdflib")
    model = pytest.importorskip("prov.model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield model


def test_what_the_prov_package_writes_is_read(provmodel):
    from trilha.formats.provpackage import to_prov

    document = example()
    for syntax, module in (("turtle", turtle), ("nt", turtle), ("trig", trig), ("xml", rdfxml)):
        text = to_prov(document).serialize(format="rdf", rdf_format=syntax)
        assert module.read(text.encode(), "theirs") == document, syntax


def test_the_prov_package_reads_what_we_write_and_takes_some_shortcuts_for_more(provmodel):
    from trilha.formats.provpackage import from_prov

    document = example()
    text = turtle.write(document).decode()
    theirs = from_prov(provmodel.ProvDocument.deserialize(content=text, format="rdf", rdf_format="turtle"))
    said = set(theirs.records)
    assert said >= set(document.records)
    ends = {(record.kind, *record[2:4]) for record in document}
    assert all(
        (record.kind, *record[2:4]) in ends and not record.flat for record in said - set(document.records)
    )
