"""Runs scripts by Python alone and by the launcher, for the tests that compare the two."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import trilha.capture.launch
from trilha.prov import Kind

LAUNCHER = trilha.capture.launch.__file__
GRAINS = ["call", "file"]
P = "http://www.w3.org/ns/prov#"
T = "https://w3id.org/trilha/ns#"


def environment(folder, more=None):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRILHA_", "PYTHON"))}
    return {**kept, "TRILHA_STORE": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}


def until_it_is_in(wait, pid):
    """Wait until a process waits in that, as the kernel tells: "nanosleep", "do_wait" (for a child)."""
    end = time.monotonic() + 60
    while wait not in Path(f"/proc/{pid}/wchan").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def _settled(text):
    """`text` without what no two processes have in common: addresses of objects, identifiers, durations."""
    return re.sub(rb"0x[0-9a-fA-F]+|started \d+|pid=\d+|in \d+\.\d+s", b"0x", text)


class Twice:
    """Runs one command plainly and recorded, in the same folder.

    Attributes:
        folder: where scripts are written and run.
        store: what was recorded.
    """

    def __init__(self, folder, store):
        self.folder = Path(folder)
        self.store = store

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8", newline="")
        return path

    def plain(self, *words, python=(), **how):
        return self._run([sys.executable, *python, *map(str, words)], **how)

    def recorded(self, *words, python=(), grain="call", **how):
        launcher = [LAUNCHER, f"--store={self.store.folder}", f"--grain={grain}", "--"]
        return self._run([sys.executable, *python, *launcher, *map(str, words)], **how)

    def _run(self, words, *, cwd=None, more=None, stdin=b"", shell_pipe=None, timeout=60, **how):
        env = environment(self.store.folder, more)
        cwd = cwd or self.folder
        done = subprocess.run(
            words, cwd=cwd, env=env, input=stdin, capture_output=True, timeout=timeout, **how
        )
        return done.returncode, _settled(done.stdout), _settled(done.stderr)

    def same(self, *words, grain="call", **how):
        """Run both ways; gives exit status, output and errors, which must be the same to the byte."""
        plain = self.plain(*words, **how)
        recorded = self.recorded(*words, grain=grain, **how)
        for name, one, other in zip(("status", "output", "errors"), recorded, plain, strict=True):
            shown = [
                f"{way}:\n{text.decode(errors='replace') if isinstance(text, bytes) else text}"
                for way, text in (("recorded", one), ("plain", other))
            ]
            assert one == other, f"{name} of {words} differ\n" + "\n".join(shown)
        return plain


def steps(store):
    """Labels of the steps, in the order in which they began."""
    return [
        record.value(P + "label")
        for record in store.records(Kind.ACTIVITY)
        if (P + "type", T + "Step") in record.attributes
    ]
