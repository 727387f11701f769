"""What goes from one process to another by queues, pipes and managers of `multiprocessing`."""

import subprocess
import sys

import pytest
from tests.capture.integrations.programs import run_twice

from trilha.prov import Kind

BEGIN = """
import multiprocessing, queue, sys
import numpy as np
import trilha

@trilha.step
def make(n):
    return np.arange(n)

@trilha.step
def double(values):
    return values * 2

@trilha.step
def total(values):
    return values.sum(keepdims=True)

def answers(inbox, outbox):
    put = getattr(outbox, "put_nowait", outbox.put)
    while (one := inbox.get()) is not None:
        put((one[0], double(one[1])))

def replies(end):
    while (one := end.recv()) is not None:
        end.send(double(one))
"""


@pytest.fixture
def run(tmp_path):
    def run_program(source, *arguments, more="", **how):
        return run_twice(tmp_path, BEGIN + more, source, *arguments, **how)

    return run_program


def made_of(graph):
    """Pairs of what was derived, and of what."""
    return [(record[2], record[3]) for record in graph.of(Kind.DERIVATION)]


def upstream(graph, label):
    """The labels of all that something was derived from, by whatever way, but for messages."""
    waiting, found = graph.all(label), set()
    while waiting:
        one = waiting.pop()
        new = {source for made, source in made_of(graph) if made == one} - found
        found |= new
        waiting += new
    return {graph.label(one) for one in found} - {"message", "received"}


def sources_of_messages(graph):
    """What each message was made of."""
    return sorted(source for made, source in graph.derivations() if made == "message")


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue", "JoinableQueue"])
def test_what_a_queue_brings_comes_of_what_was_put_there(run, how, kind):
    graph = run(
        f"""
        context = multiprocessing.get_context({how!r})
        inbox, outbox = context.{kind}(), context.{kind}()
        process = context.Process(target=answers, args=(inbox, outbox))
        process.start()
        for number in (3, 4):
            inbox.put((number, make(number)))
        inbox.put(None)
        print([total(outbox.get()[1]) for _ in range(2)])
        process.join()
        """
    )
    assert sources_of_messages(graph) == ["double()", "double()", "make()", "make()"]
    received = [pair for pair in graph.derivations() if pair[0] == "received"]
    assert received == [("received", "message")] * 4
    assert {("total()", "received"), ("double()", "received")} <= set(graph.derivations())
    messages = {
        record[2]: record[3] for record in graph.of(Kind.DERIVATION) if graph.label(record[3]) == "message"
    }
    # Each came of the one message that it was in, and each message of one array.
    assert len(set(messages.values())) == 4
    shapes = {
        graph.about[made]["shape"][0]: graph.about[source]["shape"][0]
        for made, message in messages.items()
        for _, source in [pair for pair in made_of(graph) if pair[0] == message]
    }
    assert shapes == {"3": "3", "4": "4"}


@pytest.mark.parametrize("duplex", [True, False])
def test_what_a_pipe_brings_comes_of_what_was_sent(run, duplex):
    graph = run(
        f"""
        here, there = multiprocessing.Pipe({duplex})
        if {duplex}:
            process = multiprocessing.Process(target=replies, args=(there,))
            process.start()
            here.send(make(3))
            print(total(here.recv()))
            here.send(None)
            process.join()
        else:
            there.send(make(3))
            print(total(here.recv()))
        """
    )
    assert sources_of_messages(graph) == (["double()", "make()"] if duplex else ["make()"])
    assert {"make()"} <= upstream(graph, "total()")


def test_what_a_manager_keeps_comes_of_who_put_it_there(run):
    graph = run(
        """
        with multiprocessing.get_context("fork").Manager() as manager:
            known, inbox, outbox = manager.dict(), manager.Queue(), manager.Queue()
            known["one"] = make(3)
            process = multiprocessing.get_context("fork").Process(target=answers, args=(inbox, outbox))
            process.start()
            inbox.put((1, known["one"]))
            inbox.put(None)
            print(total(outbox.get()[1]))
            process.join()
        """
    )
    assert {"double()", "make()"} <= upstream(graph, "total()")


def test_lists_and_dicts_of_numbers_are_followed_inside_of_messages_too(run):
    graph = run(
        """
        context = multiprocessing.get_context("fork")
        inbox, outbox = context.Queue(), context.Queue()
        process = context.Process(target=answers, args=(inbox, outbox))
        process.start()
        inbox.put((1, rows(3)))
        inbox.put(None)
        print(count(outbox.get()[1]))
        process.join()
        with context.Manager() as manager:
            known, kept = manager.dict(), manager.list()
            known["one"] = settings(2)
            print(adapted(known["one"]))
            kept.append([5, 6])
            print(unknown(kept[0]))
        """,
        more="""
@trilha.step
def rows(n):
    return list(range(n))

@trilha.step
def settings(n):
    return {"n": n}

@trilha.step
def count(rows):
    return [len(rows)]

@trilha.step
def adapted(settings):
    return [settings["n"]]

@trilha.step
def unknown(rows):
    return [len(rows)]
""",
    )
    assert {"double()", "rows()"} <= upstream(graph, "count()")
    assert "settings()" in upstream(graph, "adapted()")
    assert not {"rows()", "settings()"} & upstream(graph, "unknown()")


def test_of_what_only_the_sender_could_know_nothing_is_guessed(run):
    # The program does not say how its arrays came to be, and numbers are nothing of their own.
    graph = run(
        """
        channel = multiprocessing.SimpleQueue()
        channel.put(np.arange(3))
        channel.put(5)
        channel.put("text")
        print(total(channel.get()), channel.get(), channel.get())
        """
    )
    assert sources_of_messages(graph) == []
    assert ("received", "message") in graph.derivations()


def test_the_same_bytes_by_two_queues_are_two_messages(run):
    graph = run(
        """
        one, other = multiprocessing.SimpleQueue(), multiprocessing.SimpleQueue()
        one.put(make(3))
        other.put(double(np.array([0.0, 0.5, 1.0])).astype(int))
        first = one.get()
        print(total(first))
        """
    )
    assert upstream(graph, "total()") == {"make()"}


def test_the_bytes_are_those_that_anybody_would_send(run):
    run(
        """
        import pickle
        from multiprocessing.reduction import ForkingPickler
        channel, pipe = multiprocessing.Queue(), multiprocessing.Pipe()
        array = make(3)
        channel.put(array)
        pipe[0].send(array)
        plain = bytes(ForkingPickler.dumps(array))
        print(channel._reader.recv_bytes() == plain, pipe[1].recv_bytes() == plain)
        print(ForkingPickler.loads(plain), type(pickle.loads(plain)))
        """
    )


def test_a_receiver_that_is_not_recorded_gets_what_was_sent(run):
    graph = run(
        """
        import os
        context = multiprocessing.get_context("spawn")
        inbox, outbox = context.Queue(), context.Queue()
        os.environ["TRILHA_CHILDREN"] = "no"
        process = context.Process(target=answers, args=(inbox, outbox))
        process.start()
        inbox.put((1, make(3)))
        inbox.put(None)
        print(total(outbox.get()[1]))
        process.join()
        """
    )
    assert sources_of_messages(graph) == ["make()"]
    assert "make()" not in upstream(graph, "total()")


def test_errors_are_the_program_s_own(run):
    run(
        """
        channel = multiprocessing.SimpleQueue()
        for what in (lambda: 1, [make(2), lambda: 1]):
            try:
                channel.put(what)
            except Exception as error:
                print(type(error).__name__)
        end, _ = multiprocessing.Pipe()
        end.close()
        try:
            end.send(make(2))
        except OSError as error:
            print(error)
        late = multiprocessing.Queue()
        try:
            late.get(timeout=0.01)
        except queue.Empty:
            print("empty")
        late.close()
        late.put(make(2))
        """,
        status=1,
    )


AS_IT_WAS = """
import sys, trilha
from multiprocessing import connection, queues, reduction

pickler = reduction.ForkingPickler
kinds = queues.Queue, queues.SimpleQueue, queues.JoinableQueue, connection._ConnectionBase, pickler
before = [dict(vars(kind)) for kind in kinds]
with trilha.run("any", store=sys.argv[1]):
    assert all(vars(kind) != kept for kind, kept in zip(kinds, before))
assert all(vars(kind) == kept for kind, kept in zip(kinds, before))
"""


def test_multiprocessing_is_as_it_was_after_the_run(tmp_path):
    subprocess.run([sys.executable, "-c", AS_IT_WAS, str(tmp_path)], check=True, cwd=tmp_path)
