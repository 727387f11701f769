import importlib
import sys

import pytest
from tests.compiled import compiled


@pytest.fixture(scope="session")
def recorder_folder(tmp_path_factory):
    """A folder with `trilha_recorder`, compiled from its source."""
    folder = tmp_path_factory.mktemp("recorder")
    compiled("trilha_recorder", folder)
    return folder


@pytest.fixture(scope="session", params=["python", "c"])
def trail(request):
    """Makes the log of traced code, in each of the two ways."""
    if request.param == "python":
        return importlib.import_module("trilha.capture.script.trail").Trail
    sys.path.insert(0, str(request.getfixturevalue("recorder_folder")))
    return importlib.import_module("trilha.capture.script.fast_trail").FastTrail
