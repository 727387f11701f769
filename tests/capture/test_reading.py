"""Reading beside a program that closes descriptors which it never opened."""

import os

import pytest

from trilha.capture import reading
from trilha.capture.reading import Opened, content, source_of


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"some bytes")
    return os.fspath(file)


def read(file, size=100, place=0):
    room = memoryview(bytearray(size))
    return bytes(room[: file.read(place, room)])


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_file_is_read_from_any_place_and_closed(path):
    with Opened(path) as file:
        number = file._number
        assert read(file) == b"some bytes"
        assert read(file, 3, 5) == b"byt"
        assert read(file, 3, 10) == b""
        assert file.now().st_size == 10
    assert not is_open(number)


def test_a_number_that_the_program_took_over_is_neither_closed_nor_moved(path, tmp_path):
    (tmp_path / "mine").write_bytes(b"of the program")
    with Opened(path) as file:
        os.close(file._number)
        mine = os.open(tmp_path / "mine", os.O_RDWR)
        assert mine == file._number
        read(file)
        assert file.now() is None
    assert os.read(mine, 100) == b"of the program"
    os.close(mine)


def test_a_descriptor_that_the_program_closed_is_not_closed_again(path):
    with Opened(path) as file:
        os.close(file._number)
        assert file.now() is None


def test_a_descriptor_that_must_stay_open_does(path):
    with Opened(path, lambda: True) as file:
        number = file._number
    assert is_open(number)
    os.close(number)


@pytest.mark.parametrize("size", [0, 1, reading._LEAST, reading._LEAST + 1, 3 * reading._CHUNK + 7])
def test_the_content_of_a_file_is_all_of_it(size, tmp_path):
    expected = os.urandom(size)
    (tmp_path / "file").write_bytes(expected)
    assert content(os.fspath(tmp_path / "file")) == expected


def test_a_file_of_the_kernel_that_has_no_size_is_read_to_its_end():
    assert content("/proc/self/status").startswith(b"Name:")


def test_content_is_read_once_more_when_the_program_closes_the_descriptor(path, monkeypatch):
    plain, closed = reading._preadv, []

    def closing(number, rooms, place):
        if not closed:
            closed.append(number)
            os.close(number)
        return plain(number, rooms, place)

    monkeypatch.setattr(reading, "_preadv", closing)
    assert content(path) == b"some bytes"
    assert closed


def test_a_program_that_always_closes_it_is_an_error_and_no_hang(path, monkeypatch):
    monkeypatch.setattr(reading, "_preadv", lambda number, rooms, place: os.close(number) or 0)
    with pytest.raises(OSError, match="the program closed"):
        content(path)


def test_source_is_decoded_as_python_does(tmp_path):
    path = tmp_path / "old.py"
    path.write_bytes("# coding: latin-1\r\nname = 'é'\n".encode("latin-1"))
    assert source_of(os.fspath(path)) == ["# coding: latin-1\n", "name = 'é'\n"]
    path.write_bytes(b"# coding: of no kind\n")
    assert source_of(os.fspath(path)) == []
    assert source_of(os.fspath(tmp_path / "none.py")) == []
