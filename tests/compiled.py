"""The modules in C of `packages/recorder`, compiled from their source for the tests."""

import importlib.util
import shlex
import subprocess
import sysconfig
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "packages" / "recorder" / "src"


def compiled(name, folder):
    """Compile the module `name` into `folder`; gives the path of the library."""
    target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    flags = ["-O1", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}"]
    subprocess.run(
        [*compiler, *flags, str(SOURCES / f"{name}.c"), "-o", str(target)], check=True, timeout=120
    )
    return target


def loaded(path):
    """The module in a library, which is not put where imports find it."""
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
