"""How Hypothesis looks for examples: patiently, a busy machine is no failure; in CI the same each time."""

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "patient")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has interrupts ignored, by the programs of tests as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
