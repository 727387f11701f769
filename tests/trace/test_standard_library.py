"""The standard library's own tests, each run as a script of the user's, say traced what they say without.

Compared are output, errors (what each test did, and tracebacks) and exit status; and the trace is followed to
its end. A few modules are run by
default; `TRILHA_CORPUS=whole` runs all of `WHOLE`.
"""

import os
import sys
from pathlib import Path

import pytest
import test
from tests.capture.launching import Twice

from trilha.trace.evaluations import Gap
from trilha.trace.reading import events

FOLDER = Path(test.__file__).parent
FEW = [
    *("test_grammar", "test_scope", "test_with", "test_listcomps", "test_genexps", "test_decorators"),
    *("test_raise", "test_augassign", "test_yield_from", "test_asyncgen", "test_named_expressions"),
    *("test_keywordonlyarg", "test_property", "test_super", "test_copy"),
]
WHOLE = [
    *FEW,
    *("test_list", "test_dict", "test_set", "test_tuple", "test_deque", "test_collections", "test_range"),
    *("test_string", "test_fstring", "test_format", "test_float", "test_bool", "test_slice"),
    *("test_generators", "test_coroutines", "test_contextlib", "test_functools", "test_itertools"),
    *("test_iter", "test_enumerate", "test_operator", "test_heapq", "test_bisect", "test_textwrap"),
    *("test_descr", "test_abc", "test_types", "test_enum", "test_dictviews", "test_weakref", "test_weakset"),
    *("test_unpack", "test_extcall", "test_positional_only_arg", "test_compare"),
    *("test_exception_group", "test_except_star", "test_traceback", "test_code", "test_gc"),
]
LEFT_OUT = {
    "test_exceptions": (
        "It looks at `f_lineno` of frames that an exception has left: that is the line of the hook that told"
        " of the exception. Tracebacks, which have lines of their own, are the same."
    ),
    "test_int": "It prints how long it took.",
    "test_patma": "As a script it runs no tests, but measures, by a library that is not among the tests'.",
    "test_sys_settrace": "A tracer of its own sees the hooks.",
    "test_frame": "It looks at `f_lineno` as test_exceptions does.",
    "test_dis": "It compares the bytecode of its own functions.",
    "test_sys": "It measures objects: the frame of its own test is larger.",
}
"""Modules whose tests see that they are traced, and by what."""
if sys.version_info >= (3, 14):
    WHOLE.remove("test_code")
    LEFT_OUT["test_code"] = "It looks for the branches of its own functions."
NOT_FOLLOWED = {
    "test_scope": "It sets a tracer that is traced itself.",
    "test_coroutines": "An asynchronous comprehension binds a subscript.",
}
"""Modules whose trace is lost on the way."""


@pytest.mark.parametrize("name", WHOLE if os.environ.get("TRILHA_CORPUS") == "whole" else FEW)
def test_a_module_of_the_standard_librarys_tests_does_traced_what_it_does(name, recorder_folder, tmp_path):
    assert name not in LEFT_OUT
    twice = Twice(tmp_path / "work", type("Store", (), {"folder": tmp_path / "store"}))
    if not (FOLDER / f"{name}.py").exists():
        pytest.skip("this Python was installed without its own tests")
    source = (FOLDER / f"{name}.py").read_bytes()
    path = twice.write(f"{name}.py", source)
    more = {"PYTHONPATH": str(recorder_folder), "PYTHONHASHSEED": "0"}
    _, _, errors = twice.same(path.name, "-v", grain="variable", more=more, timeout=300)
    assert b"Ran " in errors
    assert list((tmp_path / "store").rglob("*.journal"))
    (run,) = os.listdir(tmp_path / "store" / "journals")
    lost = []
    assert events(str(tmp_path / "store"), run, lambda one: lost.append(one) if _is_lost(one) else None, id)
    assert bool(lost) == (name in NOT_FOLLOWED), lost


def _is_lost(event):
    return isinstance(event, Gap) and "cannot be followed" in event.why
