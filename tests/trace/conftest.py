import importlib
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "packages" / "recorder" / "src" / "trilha_recorder.c"


@pytest.fixture(scope="session")
def recorder_folder(tmp_path_factory):
    """A folder with `trilha_recorder`, compiled from its source."""
    folder = tmp_path_factory.mktemp("recorder")
    target = folder / f"trilha_recorder{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    flags = ["-O1", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}"]
    subprocess.run([*compiler, *flags, str(SOURCE), "-o", str(target)], check=True, timeout=120)
    return folder


@pytest.fixture(scope="session", params=["python", "c"])
def trail(request):
    """Makes the log of traced code, in each of the two ways."""
    if request.param == "python":
        return importlib.import_module("trilha.capture.script.trail").Trail
    sys.path.insert(0, str(request.getfixturevalue("recorder_folder")))
    return importlib.import_module("trilha.capture.script.fast_trail").FastTrail
