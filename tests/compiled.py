"""The modules in C of `packages/recorder`, compiled from their source for the tests.

With what `CFLAGS` says, too: by `-fsanitize=address,undefined`, with the compiler's libraries for that in
`LD_PRELOAD` and `PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0`, each wrong access to memory ends the test.
"""

import importlib.util
import os
import shlex
import subprocess
import sysconfig
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "packages" / "recorder"
_TOLD = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["ext-modules"]
MODULES = {one["name"]: [str(PACKAGE / source) for source in one["sources"]] for one in _TOLD}
"""The files that each module is made of, as the package says."""


def compiled(name, folder):
    """Compile the module `name` into `folder`; gives the path of the library."""
    target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    flags = ["-O1", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}"]
    flags += shlex.split(os.environ.get("CFLAGS", ""))
    subprocess.run([*compiler, *flags, *MODULES[name], "-o", str(target)], check=True, timeout=120)
    return target


def loaded(path):
    """The module in a library, which is not put where imports find it."""
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
