"""What is installed is what the files say."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import trilha

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line[:1] != "#"
)


def test_the_version_is_said_once_in_effect() -> None:
    assert trilha.__version__ == PROJECT["version"] == version("trilha")


def test_the_command_is_installed() -> None:
    [command] = entry_points(group="console_scripts", name="trilha")
    assert callable(command.load())


def test_the_package_is_typed() -> None:
    assert (Path(trilha.__file__).parent / "py.typed").exists()


def test_ci_installs_exact_versions_of_all_that_is_asked_for() -> None:
    asked = [
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    ]
    names = {re.split(r"[\[<>=~!; ]", one)[0].lower() for one in asked} - {"trilha"}
    assert names <= {name.lower() for name in PINNED}


def test_pytorch_is_pinned_so_that_a_cpu_build_is_taken_where_one_is_offered() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PINNED["torch"])
