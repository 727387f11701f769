"""A document through any chain of formats says the same at its end, or a writer says what it cannot carry."""

import importlib
import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ODD, documents

from trilha.errors import FormatError
from trilha.formats import FORMATS

RDF = {"turtle", "trig", "ntriples", "nquads", "rdfxml"}
"""What is read by a library that is an extra."""
WITHOUT = set() if importlib.util.find_spec("pyoxigraph") else RDF
BOTH = [known.name for known in FORMATS if known.reads and known.writes and known.name not in WITHOUT]


@pytest.mark.parametrize("alphabet", ["abcé", ODD], ids=["letters", "signs"])
@settings(max_examples=60)
@given(data=st.data(), chain=st.lists(st.sampled_from(BOTH), min_size=2, max_size=5))
def test_a_document_comes_back_equal_through_any_chain_of_formats(alphabet, data, chain):
    carried = document = data.draw(documents(alphabet, plain=True, placeholders=True, dictionaries=True))
    for name in chain:
        module = importlib.import_module(f"trilha.formats.{name}")
        try:
            written = module.write(carried)
        except FormatError:
            return
        carried = module.read(written)
        assert carried == document, (name, written)


@settings(max_examples=30)
@given(documents(ODD, plain=True, extensions=True))
def test_what_a_format_cannot_carry_is_named_and_else_it_comes_back(document):
    for name in BOTH:
        module = importlib.import_module(f"trilha.formats.{name}")
        try:
            data = module.write(document)
        except FormatError:
            continue
        assert module.read(data) == document, (name, data)
