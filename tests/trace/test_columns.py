"""Columns in a file: what was put in comes out, in pieces or not; what is cut is told."""

import contextlib
import io
import random
import sys
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilha.trace import columns
from trilha.trace.columns import Columns, Damaged, Writing, found_in, pairs_of


def written(make):
    writing = Writing()
    with contextlib.closing(writing), tempfile.TemporaryFile() as file:
        make(writing)
        writing.write(file, {"said": 1})
        return Columns(file)


@pytest.fixture(params=[2, 1 << 16])
def pieces(request, monkeypatch):
    monkeypatch.setattr(columns, "_PIECE", request.param)
    monkeypatch.setattr(columns, "_RUN", request.param)
    monkeypatch.setattr(columns, "_KNOWN", request.param)


@pytest.mark.usefixtures("pieces")
def test_numbers_texts_and_pairs_come_out_as_they_were_put_in():
    numbers = [5, 2**32 - 1, 0, 7, 7, 8]
    words = ["a", "", "é\ud800", "a", "b", "c", "a"]
    pairs = [random.Random(1).randrange(2**64) for _ in range(50)]
    places = []

    def make(writing):
        narrow, wide = writing.column("narrow", "B"), writing.column("wide")
        texts, sorted_ = writing.texts("texts"), writing.pairs("pairs")
        for number in numbers:
            narrow.append(number & 255)
            wide.append(number)
            writing.spill()
        places.extend(texts.number(word) for word in words)
        for pair in pairs:
            sorted_.append(pair)
            writing.spill()

    found = written(make)
    assert found.about == {"said": 1}
    assert list(found.column("wide")) == numbers
    assert list(found.column("narrow")) == [number & 255 for number in numbers]
    assert [found.text("texts", place) for place in places] == words
    assert list(found.column("pairs")) == sorted(pairs)


@given(st.lists(st.sampled_from([0, 1, 5, 256, 257, 65536, 2**24, 2**24 + 1])))
def test_a_number_is_found_where_it_is_and_nowhere_between(numbers):
    found = written(lambda writing: writing.column("one").extend(numbers))
    for number in {*numbers, 1, 256}:
        places = [at for at, one in enumerate(numbers) if one == number]
        assert list(found.places("one", number)) == places
        assert list(found.places_backward("one", number)) == places[::-1]


@given(st.sets(st.integers(0, 20)), st.integers(0, 20))
def test_sorted_numbers_and_pairs_are_found(numbers, number):
    ordered = sorted(numbers)
    found = written(lambda writing: writing.column("one").extend(ordered))
    assert found_in(found.column("one"), number) == (ordered.index(number) if number in numbers else -1)
    pairs = sorted((one % 3) << 32 | one for one in numbers)
    found = written(lambda writing: writing.pairs("some").extend(pairs))
    begin, end = pairs_of(found.column("some"), 1)
    assert [pair & 0xFFFFFFFF for pair in found.column("some")[begin:end]] == [
        one for one in ordered if one % 3 == 1
    ]


def test_what_is_cut_or_of_another_kind_is_told():
    writing = Writing()
    writing.column("one").extend(range(100))
    made = io.BytesIO()
    writing.write(made, {})
    whole = made.getvalue()
    other = "big" if sys.byteorder == "little" else "little"
    for damaged in (
        b"",
        whole[:-1],
        whole[8:],
        whole[: len(whole) // 2],
        whole.replace(b"TRLHCOL1", b"TRLHCOL9"),
        whole.replace(f'"{sys.byteorder}"'.encode(), f'"{other}"'.ljust(len(sys.byteorder) + 2).encode()),
    ):
        with tempfile.TemporaryFile() as file, pytest.raises(Damaged, match="made again"):
            file.write(damaged)
            file.flush()
            Columns(file)
