"""What Python runs first in a process that a recorded one started: it joins the run, and is gone.

The folder of this file stands first in the PYTHONPATH of the processes that a recorded one starts, and Python
imports a module of this name when it starts (module `site` of the standard library). It may be any Python,
of any version, with or without Trilha: so nothing here is newer than Python 2.7, what goes wrong is kept to
itself, and afterwards the module of this name that would have been found without us is imported in its place.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))
_BEFORE = frozenset(sys.modules)
sys.path[:] = [_one for _one in sys.path if os.path.abspath(_one) != _HERE]
if (
    os.environ.get("TRILHA_RUN")
    and sys.version_info >= (3, 11)
    # Another interpreter in a process that has joined: nothing is recorded of it. (3.11 does not tell.)
    and getattr(__import__("_thread"), "_is_main_interpreter", lambda: True)()
    # The interpreter's own servants (multiprocessing's and loky's), and a run of its own.
    and not any("resource_tracker import main" in _one for _one in sys.orig_argv)
    and "trilha" not in sys._xoptions
    and _ROOT in sys.path
):
    try:
        from trilha.capture import arriving

        arriving.begin(_BEFORE)
    except Exception:
        if os.environ.get("TRILHA_DEBUG"):
            sys.stderr.write("trilha: this process is not recorded: " + repr(sys.exc_info()[1]) + "\n")
del sys.modules[__name__]
# If there is none, the error tells `site` just that.
__import__(__name__)
