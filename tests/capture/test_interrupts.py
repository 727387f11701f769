"""What a signal handler of the program raises comes out of our code, wherever it came up there.

A time-out that is swallowed is a program that hangs: it rings once.
"""

from __future__ import annotations

PROGRAM = """
import linecache, os, signal, sys
from concurrent.futures import ThreadPoolExecutor

import trilha
from trilha.capture import auditing
from trilha.capture.context import process

OURS = os.path.dirname(trilha.__file__)


class TooLate(TimeoutError):  # an OSError, which much of our code expects
    pass


def handler(*_):
    global rung
    rung = True
    raise TooLate


def traced(frame, event, _):
    global lines, waiting, where
    # The interpreter runs no handler where a block ends, before its lock is free; a trace function it does.
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    if event == "line" and waiting and not text.lstrip().startswith("with "):
        lines += 1
        if lines == ring_at:
            waiting = False
            where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            signal.raise_signal(signal.SIGUSR1)
    return traced


def enters(frame, _event, _argument):
    if not waiting or not frame.f_code.co_filename.startswith(OURS):
        return None
    # What imports a module takes an OSError for a file that is not there, with and without us.
    while frame is not None:
        if "importlib" in frame.f_code.co_filename:
            return None
        frame = frame.f_back
    return traced


def step():
    with trilha.step("s", a=[1]):
        trilha.log(loss=1.0)
        trilha.hyperparameters(x={"y": object()})


def files():
    with open("a.txt", "w") as file:
        file.write("text")
    with open("a.txt") as file:
        file.read()
    os.remove("a.txt")


def grow():
    file = process.recorder.file
    file._limit = file._top = file._at  # as if the pages were full
    trilha.log(loss=1.0)


def task():
    pool.submit(sorted, pool.submit(list, [2, 1]).result()).result()


auditing._hook.__cantrace__ = True
signal.signal(signal.SIGUSR1, handler)
waiting = False
with trilha.run("time-outs"), ThreadPoolExecutor(1) as pool:
    rings = 0
    for work in step, files, grow, task:
        ring_at, lines = 0, 0
        while lines >= ring_at:
            ring_at, lines, rung, came, where = ring_at + 1, 0, False, False, ""
            waiting = True
            sys.settrace(enters)
            try:
                work()
            except TooLate:
                came = True
            waiting = False
            sys.settrace(None)
            if rung and not came:
                print("swallowed at", where)
        rings += ring_at
    print(rings > 500)
"""


def test_what_a_signal_handler_raises_is_swallowed_by_no_line_of_ours(run_program):
    done = run_program(PROGRAM)
    assert (done.stdout, done.stderr) == ("True\n", "")
