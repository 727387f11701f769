"""How Hypothesis looks for examples, and which tests one worker runs.

It looks patiently, a busy machine is no failure; in CI at the same each time. Tests that share what is dear
to make are run by the same worker.
"""

import importlib
import os
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "patient")

if os.environ.get("CI"):
    # There, a library that is missing is a failure.
    pytest.importorskip = lambda name, **_: importlib.import_module(name)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has interrupts ignored, by the tests' programs as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def _shares(file: str) -> bool:
    return 'scope="module"' in (Path(__file__).parent / file).read_text("utf-8")


class _Scheduling(LoadScopeScheduling):
    """Tests one by one to whichever worker is free; files whose tests share a fixture whole, and first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares(file) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """A fixture of a module is made by one worker, not by each."""
    return _Scheduling(config, log)
