"""The recorder in C bears whatever it is given, and objects that die at the worst moment.

By hand these say more: compiled with `-fsanitize=address,undefined` (see `tests.compiled`).
"""

import os
import subprocess
import sys
import textwrap

STARTED = """
import gc, itertools, os
import trilha_recorder as recorder
from trilha.capture.script.texts import surroundings, text_of
written = []
def start():
    recorder.start(written.append, lambda key, container: 0, lambda array, token: None, text_of, surroundings)
def token(thing):
    return recorder.reference(thing)[0]
"""


def does(recorder_folder, text):
    """What a program says that uses the recorder by itself."""
    env = {"PYTHONMALLOC": "debug", **os.environ, "PYTHONPATH": str(recorder_folder)}
    command = [sys.executable, "-c", STARTED + textwrap.dedent(text)]
    done = subprocess.run(command, env=env, capture_output=True, timeout=300, check=False)
    assert not done.returncode, done.stderr.decode()
    return done.stdout.decode()


def test_wrong_calls_of_it_raise_and_nothing_else(recorder_folder):
    said = does(
        recorder_folder,
        """
        names = {name for name in dir(recorder) if name[0] != "_"} - {"start", "stop"}
        calls = [getattr(recorder, name) for name in sorted(names)]
        odd = [5, -1, 1 << 70, None, "text", [1], {"a": 1}, lambda: 0, 2.5]
        def call_all():
            wrong = 0
            for call, count in itertools.product(calls, range(4)):
                for given in itertools.product(odd, repeat=count):
                    try:
                        call(*given)
                    except (TypeError, OverflowError, RuntimeError, LookupError, AttributeError) as error:
                        assert type(error) is not SystemError, error
                        wrong += 1
            return wrong
        before = call_all()
        start()
        call_all()
        recorder.stop(False)
        print(before > 0, call_all() > 0)
        """,
    )
    assert said == "True True\n"


def test_what_is_gone_through_ahead_of_the_program_leaves_nothing_in_the_log(recorder_folder):
    said = does(
        recorder_folder,
        """
        def log(rehearsed):
            written.clear()
            start()
            kept = [1]
            recorder.through(17, kept)
            if rehearsed:
                recorder.rehearse()
            recorder.outside(18)
            if rehearsed:
                recorder.rehearse()
            recorder.outside(18)
            rows = [[2], [3]]
            recorder.enter(19, None, rows, kept)
            for at in range(2):
                recorder.getitem(20, recorder.getitem(22, rows, at), 0)
            recorder.stop(False)
            return b"".join(written)
        plain = log(False)
        print(plain == log(True), len(plain) > 20)
        recorder.rehearse()
        """,
    )
    assert said == "True True\n"


def test_an_object_that_a_finalizer_meets_while_it_gets_its_token_has_one(recorder_folder):
    said = does(
        recorder_folder,
        """
        class Met:
            pass
        class Asking:
            def __del__(self):
                if wanted:
                    token(wanted[0])
        def array(): pass
        wanted, found = [], set()
        start()
        gc.disable()
        for number in range(60):
            one = (lambda: 0) if number % 2 else Met()
            loop = Asking()
            loop.itself = loop
            del loop
            wanted[:] = [one]
            gc.set_threshold(1)
            gc.enable()
            first = token(one)
            gc.disable()
            found.add(first == token(one))
            wanted.clear()
            del one
            gc.collect()
        live = [Met() for _ in range(100)]
        print(found, len({token(one) for one in live}) == len(live))
        """,
    )
    assert said == "{True} True\n"


def test_what_is_nested_deeper_than_it_may_die_at_once_outlives_its_class(recorder_folder):
    said = does(
        recorder_folder,
        """
        start()
        for _ in range(5):
            kinds = [type("Own", (list,), {}) for _ in range(300)]
            lists = [kind() for kind in kinds]
            for one, inner in zip(lists, lists[1:] + lists[:1]):
                one.append(inner)
            # All of it is one cycle; the classes are cleared first.
            del kinds, lists, one, inner
            gc.collect()
        print(len(gc.garbage))
        """,
    )
    assert said == "0\n"


def test_of_what_has_died_nothing_is_kept(recorder_folder):
    said = does(
        recorder_folder,
        """
        import collections, csv, io, sys, types
        class Own:
            pass
        class Ending:
            def __del__(self):
                pass
        def counting():
            yield from range(3)
        start()
        def use():
            kinds = [list, dict, set, bytearray, collections.deque, Own, Ending, counting]
            kinds.append(types.SimpleNamespace)
            kinds.append(lambda: csv.writer(io.StringIO()))
            for one in [lambda: 0, *[kind() for kind in kinds]]:
                recorder.block(16)
                recorder.through(16, one)
                recorder.place(16, one, 3)
                recorder.item(16, one, one)
                recorder.getattr(16, one, "__class__")
                recorder.value(16, one, 2)
                recorder.enter(16, lambda: one, one)
                recorder.outside(16, one)
                list(recorder.each(16, [one]))
                try:
                    recorder.getitem(16, one, "a")
                    recorder.getattr(16, one, "missing")
                except (AttributeError, LookupError, TypeError):
                    recorder.raised(16)
                recorder.release(one)
                recorder.through(16, one)
        def blocks(rounds):
            for _ in range(rounds):
                use()
                recorder.flush()
                written.clear()
            gc.collect()
            return sys.getallocatedblocks()
        blocks(50)
        before = blocks(50)
        print(blocks(1000) - before < 100)
        """,
    )
    assert said == "True\n"


def test_what_cannot_be_weakly_referenced_has_a_token_while_it_lives_and_no_longer(recorder_folder):
    said = does(
        recorder_folder,
        """
        import csv, re, weakref
        class Sink:
            write = print
        start()
        for make in (csv.writer, lambda sink: csv.reader([sink]), lambda sink: re.match("a", "a")):
            sink = Sink()
            kept = weakref.ref(sink)
            one, other = make(sink), make(sink)
            first = token(one)
            again = first > 1 and first == token(one) != token(other) > 1
            del one, sink, other
            print(again, kept() is None, len({token(make(Sink())) for _ in range(9)}))
        """,
    )
    assert said == "True True 1\n" * 3


def test_those_that_hold_each_other_die_however_many_there_are(recorder_folder):
    said = does(
        recorder_folder,
        """
        import csv
        start()
        last = [0]
        for _ in range(100_000):
            last = csv.reader([last])
            token(last)
            last = iter([last])
            token(last)
        del last
        print(recorder.reference([])[0] > 1)
        """,
    )
    assert said == "True\n"


def test_each_thread_has_a_number_of_its_own_in_each_log(recorder_folder):
    said = does(
        recorder_folder,
        """
        import threading
        def in_turns(count):
            # The memory of one that is gone may be the next one's; nobody else logs between them.
            for _ in range(count):
                thread = threading.Thread(target=recorder.block, args=(20,))
                thread.start()
                thread.join()
        def logged(work):
            written.clear()
            start()
            work()
            recorder.stop(False)
            return list(b"".join(written).rstrip(bytes(1)))
        def both():
            go, gone = threading.Event(), threading.Event()
            def other():
                recorder.block(20)
                gone.set()
                go.wait()
                recorder.block(21)
            thread = threading.Thread(target=other)
            recorder.block(22)
            thread.start()
            gone.wait()
            recorder.block(23)
            go.set()
            thread.join()
            recorder.block(24)
        print(logged(lambda: in_turns(3)), logged(both), logged(lambda: recorder.block(20)))
        """,
    )
    switch = 2
    turns = [switch, 1, 20, switch, 2, 20, switch, 3, 20]
    both = [22, switch, 1, 20, switch, 0, 23, switch, 1, 21, switch, 0, 24]
    assert said == f"{turns} {both} {[20]}\n"


def test_what_a_signal_handler_raises_while_the_log_is_written_is_raised_in_the_program(recorder_folder):
    said = does(
        recorder_folder,
        """
        import signal
        class Late(Exception): pass
        def handler(*_):
            raise Late
        signal.signal(signal.SIGUSR1, handler)
        def within():
            signal.raise_signal(signal.SIGUSR1)
        def interrupted(data):
            within()
        def broken(data):
            raise ValueError("our own")
        def told(write):
            recorder.start(write, lambda key, container: 0, lambda array, token: None, text_of, surroundings)
            try:
                recorder.put(1, 2)
                recorder.flush()
                for _ in range(1000):
                    pass
            except Exception as error:
                return type(error).__name__
        print(told(interrupted), told(broken), told(interrupted))
        """,
    )
    assert said == "Late None Late\n"
