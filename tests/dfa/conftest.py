"""Scripts as users of DLProv wrote them, run by Python alone and by ``trilha run``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.importing.conftest import Imported

SCRIPTS = Path(__file__).parent / "scripts"
_MAIN = "from trilha.cli import main; main()"


class Ran(Imported):
    """The store that scripts recorded into."""

    def run(self, name, way, *arguments, check=True, quiet=True):
        """Run one of the scripts, in the folder beside the store."""
        words = [sys.executable, *(("-c", _MAIN, "run") if way == "trilha run" else ())]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TRILHA_")}
        done = subprocess.run(
            [*words, str(SCRIPTS / name), *arguments],
            cwd=self.folder.parent,
            env={
                **kept,
                "TRILHA_STORE": str(self.folder),
                "TRILHA_DEBUG": "1",
                "DFA_URL": "http://127.0.0.1:1/",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stderr
        assert not (check and quiet) or not done.stderr, done.stderr
        return done

    def only(self, points="summary"):
        """The document of the one run that was recorded."""
        (run,) = self.runs()
        return self.document(run.uuid, points)


@pytest.fixture
def ran(tmp_path):
    return Ran(tmp_path / "store")


@pytest.fixture(params=["python", "trilha run"])
def way(request):
    """How a script is run."""
    return request.param
