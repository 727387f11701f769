"""Whether an engine opens a file for itself, told by whose code asked for it."""

from __future__ import annotations

import os
import sysconfig

import pytest

from trilha.capture import openers

PACKAGES = os.path.join(sysconfig.get_path("purelib"), "")
ENGINE, TASKS, HELPER, OTHER = (
    f"{PACKAGES}{name}" for name in ("engine/log.py", "engine/tasks.py", "keys/x.py", "dill/x.py")
)
LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "logging", "__init__.py")
IMPORT = "<frozen importlib._bootstrap>"
USERS = "/home/ana/flow.py"


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    opener = openers.Opener((f"{PACKAGES}engine/",), (TASKS,), (f"{PACKAGES}keys/",))
    monkeypatch.setitem(openers.openers, opener, None)


def opened_by(*files):
    """What is told where code of these files, each called by the one after it, opens a file."""
    called = openers.opened_by_engine
    for file in files:
        names = {"called": called}
        exec(compile("def caller(): return called()", file, "exec"), names)  # noqa: S102 -- frames of our own
        called = names["caller"]
    return called()


@pytest.mark.parametrize("files", [(ENGINE,), (LIBRARY, ENGINE), (HELPER, ENGINE), (ENGINE, USERS)])
def test_what_its_code_has_opened_is_the_engines(files):
    assert opened_by(*files)


@pytest.mark.parametrize(
    "files", [(USERS, ENGINE), (LIBRARY, USERS, ENGINE), (OTHER, ENGINE), (HELPER, USERS)]
)
def test_what_a_task_or_another_package_opens_is_not_the_engines(files):
    assert not opened_by(*files)


def test_what_the_engine_opens_for_a_task_is_not_its_own():
    assert not opened_by(LIBRARY, TASKS, ENGINE)


def test_what_is_imported_on_behalf_of_a_task_is_not_the_engines():
    assert not opened_by(IMPORT, ENGINE)
