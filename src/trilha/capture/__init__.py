"""What runs inside the user's program.

Capture behaves like a guest: it does nothing when off, never raises into the program, never waits for a
network, counts what it drops, and does not record itself. It knows the PROV model and the journal; it
never imports the store, the queries or the pages, so that importing Trilha stays cheap.
"""

from __future__ import annotations

import sys

from trilha.capture.pristine import keep

# Ahead of every other module of ours: `trilha` imports this one first.
keep([*sys.modules["trilha"].__path__, *__path__])
