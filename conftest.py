"""How Hypothesis looks for examples, which tests one worker runs, and which may be skipped.

It looks patiently, a busy machine is no failure. In CI it looks at the same 50 each time, where a test does
not say how many: whoever works on the code looks at 100 others each time. Tests that share what is dear to
make are run by the same worker, ahead of the others; in CI a test is skipped for the reasons that are listed
here alone.
"""

import importlib
import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", settings.get_profile("patient"), max_examples=50, derandomize=True, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "patient")

if os.environ.get("CI"):
    # There, a library that is missing is a failure.
    pytest.importorskip = lambda name, **_: importlib.import_module(name)

MAY_BE_MISSING = (
    # Documents, schemas and test suites of others, which lie beside the checkout and are not ours to hand on.
    "beside",
    "the corpora are not in",
    "the cases of the test suite are not in",
    "got empty parameter set",
    # Cases of theirs for what they alone have.
    "this version does not read",
    "this case is not in PROV-N",
    # What a container may forbid to its root.
    "needs the rights of root",
    "may not make a network namespace",
    "only root may",
    "there is no second file system",
    # There is none yet.
    "TensorFlow is not to be had",
)
"""Parts of the reasons for which a test may be skipped in CI: a missing library or program is none."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has interrupts ignored, by the tests' programs as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = ("tests/trace/test_cells.py", "tests/trace/test_behaviour.py", "tests/trace/test_joins.py")
"""Files with tests that take so long that no worker may begin one when the others have nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those first; the other long ones are ahead by their names."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@cache
def _shares(file: str) -> bool:
    return 'scope="module"' in (Path(__file__).parent / file).read_text("utf-8")


class _Scheduling(LoadScopeScheduling):
    """Tests one by one to whichever worker is free; files whose tests share a fixture whole, and first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares(file) else nodeid


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a test that is skipped for a reason that is not listed has failed."""
    report = yield
    why = str(report.longrepr)
    if report.skipped and os.environ.get("CI") and not any(one in why for one in MAY_BE_MISSING):
        report.outcome, report.longrepr = "failed", f"skipped, which it may not be: {why}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """A fixture of a module is made by one worker, not by each."""
    return _Scheduling(config, log)
