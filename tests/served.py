"""A server of PostgreSQL for the tests, which nobody else sees."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def programs():
    """The folder of the server's programs, which Debian keeps out of the PATH."""
    known = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/pgsql").glob("*/bin")]
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else sorted(known, key=lambda path: float(path.parent.name))
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return found[-1]


@contextlib.contextmanager
def cluster():
    """A cluster in a temporary folder, of an unprivileged user; gives the URL of its databases."""
    bin_ = programs()
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:  # noqa: S108 -- a socket's path is short
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        data = os.path.join(folder, "data")

        def told(*words):
            as_user = {"user": user} if os.geteuid() == 0 else {}
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user)

        told(bin_ / "initdb", "-D", data, "-U", "trilha", "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
        quick = (
            f"-c listen_addresses='' -k {folder} -c fsync=off -c full_page_writes=off -c max_connections=40"
        )
        told(bin_ / "pg_ctl", "-D", data, "-w", "-t", "120", "-l", f"{data}/log", "-o", quick, "start")
        try:
            yield f"postgresql://trilha@/{{}}?host={folder}"
        finally:
            told(bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")
