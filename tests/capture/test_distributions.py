"""Which distribution brought a module, against what `importlib.metadata` says."""

import sys
from importlib import metadata

import pytest

from trilha.capture.distributions import Distribution, Distributions


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The one folder that there is to look in."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def found():
    distributions = Distributions()
    distributions.look()
    return distributions


def told(folder, name, **files):
    """A folder that tells of a distribution, with these files."""
    about = folder / name
    about.mkdir(parents=True)
    for file, text in files.items():
        (about / file.replace("top_level", "top_level.txt").replace("PKG_INFO", "PKG-INFO")).write_text(text)
    return about


def test_what_is_installed_says_the_same_as_with_importlib():
    ours = found()
    seen = 0
    for module, names in metadata.packages_distributions().items():
        mine = ours.of_module(module)
        if mine is not None:
            assert mine.name in names
            assert mine.version == metadata.version(mine.name)
            seen += 1
    assert seen > 20
    for module in ("numpy", "msgspec", "_pytest"):
        assert ours.of_module(module).name in metadata.packages_distributions()[module]
    assert ours.of_module("no_such_module") is None


def test_only_the_head_of_a_description_counts(place):
    told(
        place,
        "Some_Thing-2.dist-info",
        METADATA="Name: Some.Thing \r\nVersion: 2.0\r\n\r\nName: other\nVersion: 3\n",
        RECORD="some/__init__.py,,\nsingle.py,,\n../../bin/x,,\nSome_Thing-2.dist-info/RECORD,,\n",
    )
    mine = found().of_module("some")
    assert (mine.name, mine.version) == ("Some.Thing", "2.0")
    assert mine.modules == {"some", "single"}
    assert found().of_module("single").version == "2.0"


def test_older_ways_to_tell_of_a_distribution(place, monkeypatch):
    head = "Name: {}\nVersion: 1\n"
    told(place, "older-1-py3.11.egg-info", PKG_INFO=head.format("older"), top_level="older_module\n")
    (place / "oldest-1.egg-info").write_text(head.format("oldest"))
    egg = place / "laid-1-py3.11.egg"
    told(egg, "EGG-INFO", PKG_INFO=head.format("laid"), top_level="laid_module")
    monkeypatch.setattr(sys, "path", [str(place), str(egg)])
    ours = found()
    assert [ours.of_module(name).name for name in ("older_module", "oldest", "laid_module")] == [
        *("older", "oldest", "laid")
    ]


def test_the_first_place_goes_before_the_others(tmp_path, monkeypatch):
    for number in (1, 2):
        told(tmp_path / str(number), f"one-{number}.dist-info", METADATA=f"Name: one\nVersion: {number}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "2"), str(tmp_path / "1")])
    assert found().of_module("one").version == "2"


def test_what_is_installed_meanwhile_is_found_at_the_next_look(place):
    ours = found()
    assert ours.of_module("late") is None
    told(place, "lately-1.dist-info", METADATA="Name: lately\nVersion: 1\n", RECORD="late.py,,\n")
    ours.look()
    assert ours.of_module("late").name == "lately"


def test_places_that_are_none_are_passed_over(place, monkeypatch):
    archive = place / "archive.zip"
    archive.write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(archive), str(place / "gone"), None, "a\0b", b"bytes", ""])
    assert found().of_module("x") is None


def test_a_description_that_says_nothing_is_an_error(place):
    with pytest.raises(ValueError, match="nothing-1"):
        print(Distribution(str(told(place, "nothing-1.dist-info", METADATA="\xff\xfe"))).name)
    with pytest.raises(ValueError, match="gone"):
        print(Distribution(str(place / "gone.dist-info")).version)


def test_what_else_a_distribution_brought_is_found_without_reading_the_others(place, monkeypatch):
    told(place, "big-1.dist-info", METADATA="Name: big\nVersion: 1\n", RECORD="big/a.py,,\nbigtools/a.py,,\n")
    told(place, "other-1.dist-info", METADATA="Name: other\nVersion: 1\n", RECORD="more/a.py,,\n")
    read = []
    text = Distribution._text
    monkeypatch.setattr(
        Distribution, "_text", lambda self, name: [read.append(self.path), text(self, name)][1]
    )
    ours = found()
    assert ours.of_module("big").name == ours.of_module("bigtools").name == "big"
    assert read
    assert not any("other-1" in path for path in read)
    assert ours.of_module("more").name == "other"
