"""The log of several threads is one: in the order in which things happened, objects told of by the first."""

import threading

from trilha.trace.log import FIRST_TOKEN, JOINED, MEETS, PAD, Log


def told(pieces):
    """Of records that have one object each: their numbers, the object's token, kind and length."""
    log, known, found = Log(pieces), {}, []
    while True:
        try:
            head = log.number()
        except EOFError:
            return found
        if head == PAD:
            continue
        if head == JOINED:
            assert log.number() == MEETS
            token = log.number() + FIRST_TOKEN
            known[token] = log.number(), log.number()
            continue
        token = log.number()
        if token not in known:
            known[token] = log.number(), log.number()
        found.append((head, token, *known[token]))


def test_an_object_is_told_of_where_it_is_logged_first_whichever_thread_met_it_first(trail):
    written = []
    log = trail(written.append)
    box = [1, 2]
    # One thread has looked at it, and is about to log that; another one logs that it looks at it, and more.
    first = log.reference(box)
    log.put(20, *log.reference(box))
    log.put(21, *log.reference(box))
    log.put(22, *first)
    log.put(23, *log.reference(box))
    log.stop()
    assert told(written) == [(head, FIRST_TOKEN, 1, 3) for head in (20, 21, 22, 23)]


def test_pieces_of_the_log_come_in_the_order_in_which_they_were_filled(trail):
    written, begun, full = [], threading.Event(), threading.Event()

    def write(data):
        if not begun.is_set():
            begun.set()
            assert full.wait(60)
        written.append(data)

    log = trail(write)

    def fill(number):
        for _ in range(100_000):
            log.put(number)

    def other():
        assert begun.wait(60)
        fill(21)
        full.set()

    thread = threading.Thread(target=other)
    thread.start()
    fill(20)
    thread.join()
    log.stop()
    data = b"".join(written)
    assert data[0] == 20
    assert [data.count(number) for number in (20, 21)] == [100_000, 100_000]
