"""The documentation's examples, run: each page in a folder of its own that looks like a fresh checkout.

Console blocks are given to a shell, block by block in one folder. What a command prints must have the shape
that the page shows: the same lines, though every number may differ. `...` stands for any lines. A block that
shows no output is only run; every command must succeed. Python blocks that follow each other are one program
in a fresh interpreter. `% skip: next` above a block leaves it out.

UPDATE_DOCS=1 writes what the commands print now into the pages, with another user's name, host and folder.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.myst import CodeBlockParser, SkipParser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
UPDATE = bool(os.environ.get("UPDATE_DOCS"))

COPIED = ("Makefile", "pyproject.toml", "constraints.txt", "examples/digits.py", "examples/prepare_digits.py")
COPIED += ("examples/demo.sh", "examples/paths.py", "examples/wear.py", "examples/wear.csv")
COPIED += tuple(
    f"examples/third_provenance_challenge/{name}.py"
    for name in ("another_team", "databases", "queries", "sample_data", "schema", "steps", "workflow")
)
"""What of the checkout the examples speak of."""

TRAIN = """\
import sys
from pathlib import Path

Path("model.pt").write_text("weights " * 100)
print("trained", *sys.argv[1:])
"""
"""The `train.py` of the how-to pages."""

PRELUDE = """
set -e
make() { command make --old-file=.venv/.demo --old-file=.venv/bin/python "$@"; }
"""
"""The environment is installed already; whether it installs is seen by those who run make."""


class Command(NamedTuple):
    """One command of a console block, and the lines that the page shows for it."""

    text: str
    shown: list[str]


class Page:
    """A page that is being run, in `folder`."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.program: list[str] = []
        self.environment = _environment(folder)
        self.replaced: list[tuple[str, str]] = []

    def prepare(self) -> None:
        """Have a store with a run, and its document in run.json, as pages of reference suppose."""
        done = self._run(["bash", "-c", "trilha run train.py && trilha export last -o run.json"])
        assert done.returncode == 0, done.stdout

    def python(self, example: Example) -> None:
        """Keep a block until the program is whole; a traceback has the line numbers of the page."""
        missing = example.line - sum(block.count("\n") for block in self.program)
        self.program.append("\n" * max(0, missing) + str(example.parsed))

    def flush(self) -> None:
        """Run the Python blocks that were kept."""
        source, self.program = "".join(self.program), []
        if source.strip():
            script = self.folder / f"{self.path.stem}.py"
            script.write_text(source, "utf-8")
            done = self._run([sys.executable, "-W", "error", str(script)])
            assert done.returncode == 0, f"{self.path}: the Python blocks fail\n{done.stdout}"

    def console(self, example: Example) -> None:
        """Run the commands of a block and compare what they print."""
        self.flush()
        block = str(example.parsed)
        commands = list(_commands(block))
        printed = [self._command(command, example) for command in commands]
        if UPDATE and any(command.shown for command in commands):
            new = "".join(_shown(c, out) for c, out in zip(commands, printed, strict=True))
            self.replaced.append((block, new))

    def _command(self, command: Command, example: Example) -> list[str]:
        place = f"{self.path.relative_to(ROOT)}:{example.line}: $ {command.text}"
        done = self._run(["bash", "-c", PRELUDE + command.text])
        if command.text.startswith("export "):
            name, _, value = command.text.removeprefix("export ").partition("=")
            self.environment[name] = os.path.expandvars(value.replace("~", str(self.folder)))
        printed = self._anonymous(done.stdout).splitlines()
        assert done.returncode == 0, "\n".join([f"{place}: exit status {done.returncode}", *printed])
        if command.shown and not UPDATE:
            wanted, got = _shape(command.shown), _shape(printed)
            assert _matches(wanted, got), "\n".join([f"{place} prints something else:", *printed])
        return printed

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )

    def _anonymous(self, text: str) -> str:
        text = text.replace(f"{getpass.getuser()}@{socket.gethostname()}", "ana@laptop")
        text = text.replace(str(self.folder.resolve()), "/home/ana/trilha")
        text = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "laptop", text)
        text = re.sub(r"(?m)^( +on +laptop, Linux [\d.]*\d)\S*(.*?)(, in \w+)?$", r"\1\2", text)
        return re.sub(rf"\b{re.escape(getpass.getuser())}\b", "ana", text)

    def finish(self) -> None:
        """Run what was kept, and write the page anew if that is wanted."""
        self.flush()
        text = self.path.read_text("utf-8")
        for old, new in self.replaced:
            text = text.replace(old, new, 1)
        if self.replaced:
            self.path.write_text(text, "utf-8")


def _environment(folder: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRILHA_", "MAKE", "PYTEST"))
    }
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**kept, "PATH": path, "HOME": str(folder), "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1"}


def _commands(block: str) -> list[Command]:
    """The commands of a console block: each begins with `$ ` and may go on after a backslash."""
    found: list[Command] = []
    goes_on = False
    for line in block.splitlines():
        if goes_on:
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line}")
        elif line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            found[-1].shown.append(line)
            continue
        goes_on = line.endswith("\\")
    return found


def _shown(command: Command, printed: list[str]) -> str:
    text = "$ " + command.text + "\n"
    if not command.shown:
        return text
    if "..." in command.shown:  # a part that the page leaves out stays left out
        cut = command.shown.index("...")
        printed = [*printed[:cut], "...", *_from(printed, command.shown[cut + 1 :])]
    return text + "".join(f"{line}".rstrip() + "\n" for line in printed)


def _from(printed: list[str], shown: list[str]) -> list[str]:
    """The end of what was printed, from the line that the page shows first of it."""
    for number, line in enumerate(printed):
        if shown and _shape([line]) == _shape(shown[:1]):
            return printed[number:]
    return printed[len(printed) - len(shown) :]


def _shape(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run and machine to machine: numbers, hashes, units, columns."""
    text = "\n".join(line.strip() for line in lines).strip("\n")
    text = re.sub(r"(?m)^(on laptop|packages).*$", r"\1", re.sub(r"(?m)^on +laptop", "on laptop", text))
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "0", text)
    text = re.sub(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{6,}\b", "0", text)
    text = re.sub(r"\b[a-f]{8,}\b", "0", text)  # one identifier in 2,600 has no digit; no word is that long
    text = re.sub(r"\d+", "0", text)
    text = re.sub(r"0([.:\-]0)*( ?(ns|µs|ms|s|min|h|kB|MB|KiB|MiB))?\b", "0", text)
    text = re.sub(r"\b0( 0)+\b", "0", text)
    return [re.sub(r"[ ─━-]{2,}", " ", line) for line in text.split("\n")]


def _matches(wanted: list[str], got: list[str]) -> bool:
    """Whether `got` is `wanted`, in which a line `...` stands for any lines."""
    if not wanted:
        return not got
    if wanted[0] == "...":
        return any(_matches(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    return bool(got) and wanted[0] == got[0] and _matches(wanted[1:], got[1:])


def _checkout(folder: Path) -> None:
    for name in COPIED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "train.py").write_text(TRAIN)
    (folder / "package").mkdir()
    (folder / "package" / "train.py").write_text(TRAIN)


def _parse(path: Path, page: Page) -> Document:
    parsers = [
        SkipParser(),
        CodeBlockParser("console", page.console),
        CodeBlockParser("python", page.python),
    ]
    return Sybil(parsers=parsers, path=str(ROOT), pattern="*.md").parse(path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    page = Page(path, tmp_path)
    examples = list(_parse(path, page).examples())
    if not examples:
        return
    _checkout(tmp_path)
    if path.parent.name == "reference":
        page.prepare()
    for example in examples:
        example.evaluate()
    page.finish()


def test_a_shape_forgets_numbers_and_keeps_words() -> None:
    assert _shape(["run 3f2a81c9  12.5 s", "loss 0.31"]) == _shape(["run 77aa0be1   812 ms", "loss 1.0"])
    assert _shape(["loss 1"]) != _shape(["accuracy 1"])


def test_dots_in_a_page_stand_for_any_lines() -> None:
    assert _matches(["a", "...", "d"], ["a", "b", "c", "d"])
    assert not _matches(["a", "...", "d"], ["a", "b", "c"])
    assert not _matches(["a"], ["a", "b"])
