"""Executors of the standard library: threads and processes of `concurrent.futures`, and `multiprocessing`.

Calls are tasks if they are the user's (`trilha.capture.whose`); what libraries hand over for purposes of
their own is left alone.
"""

import trilha.capture.compiled_tasks  # noqa: F401 -- what each task calls is in C from here on, where it is installed
