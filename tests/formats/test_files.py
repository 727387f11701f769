import io
import os
import stat
import sys

import pytest

from trilha import formats
from trilha.errors import FormatError, MissingExtra, UsageError
from trilha.formats import files
from trilha.prov import Document


@pytest.fixture
def document():
    made = Document({"ex": "http://example.org/"})
    made.entity("ex:e", {"ex:k": "olá"})
    return made


@pytest.mark.parametrize("name", ["a.json", "A.JSON", "a.provjson", "with space é.json"])
def test_the_suffix_tells_the_format(document, tmp_path, name):
    formats.write(document, tmp_path / name)
    assert formats.read(str(tmp_path / name)) == document


@pytest.mark.parametrize(
    "format", ["provn", "PROV-N", "text/provenance-notation; charset=utf-8", ".provn", "asn"]
)
def test_a_format_is_known_by_name_suffix_and_media_type(document, tmp_path, format):
    formats.write(document, tmp_path / "a.txt", format)
    assert (tmp_path / "a.txt").read_bytes().startswith(b"document\n")


def test_open_files_are_written_and_read_as_text_and_as_bytes(document):
    binary, text = io.BytesIO(), io.StringIO()
    formats.write(document, binary, "json")
    formats.write(document, text, "json")
    assert binary.getvalue().decode() == text.getvalue()
    assert formats.read(io.BytesIO(binary.getvalue()), "json") == document
    assert formats.read(io.StringIO(text.getvalue()), "json") == document


def test_a_message_names_the_file(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(FormatError, match=r"broken\.json:1:2: expected JSON"):
        formats.read(path)
    with pytest.raises(FormatError, match=r"broken\.json:1:2: expected JSON"), open(path, "rb") as file:
        formats.read(file)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda d, p: formats.write(d, p / "a.docx"),
            r"'\.docx' is no format of documents: expected one of PROV-N",
        ),
        (
            lambda d, p: formats.write(d, p / "a"),
            "its name tells no format: give one, such as format='provn'",
        ),
        (
            lambda d, p: formats.read(p / "none.provn"),
            r"none\.provn: cannot be read \(No such file or directory\)",
        ),
        (
            lambda d, p: formats.read(p / "none.json"),
            r"none\.json: cannot be read \(No such file or directory\)",
        ),
        (
            lambda d, p: formats.write(d, p / "no" / "a.json"),
            r"a\.json: cannot be written \(No such file or directory\)",
        ),
        (lambda d, p: formats.write(d, p, "json"), r"cannot be written \(Is a directory\)"),
    ],
)
def test_what_cannot_be_done_says_why(document, tmp_path, call, message):
    with pytest.raises(UsageError, match=message):
        call(document, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_what_was_there(document, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UsageError, match=r"a\.json: cannot be written \(No space left on device\)"):
        formats.write(document, path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_link_and_the_mode_of_a_file_survive(document, tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    formats.write(document, link)
    assert link.is_symlink()
    assert formats.read(real) == document
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there is no /dev/null here")
def test_a_device_is_written_to_directly(document):
    formats.write(document, "/dev/null", "json")
    assert not stat.S_ISREG(os.stat("/dev/null").st_mode)


def test_a_missing_extra_is_named(document, monkeypatch):
    from trilha.formats import provpackage

    monkeypatch.setitem(sys.modules, "prov.model", None)
    with pytest.raises(MissingExtra, match=r'pip install "trilha\[prov\]"'):
        provpackage.to_prov(document)
