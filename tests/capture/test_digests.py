"""What tells one content of a file from the next, and whose locks are on it. Hashes: see test_files."""

import fcntl
import os
import subprocess
import sys

from trilha.capture.digests import locked_by_us, stamp


def test_a_stamp_tells_size_time_and_file(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_text("x")
        os.utime(path, ns=(1, 1))
    assert stamp(one.stat()) == stamp(one.stat()) != stamp(other.stat())
    before = stamp(one.stat())
    os.utime(one, ns=(2, 2))
    assert stamp(one.stat()) != before


def test_a_lock_of_ours_is_seen_and_no_other(tmp_path):
    path = tmp_path / "locked"
    path.write_text("x")
    inode = path.stat().st_ino
    assert not locked_by_us(inode)
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of another kind
        assert not locked_by_us(inode)
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert locked_by_us(inode)
    assert not locked_by_us(inode)
    code = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, 2); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        assert not locked_by_us(inode)
        other.communicate(b"\n")
