"""The recorder: what cannot be said is mended or counted, and never reaches the program."""

import signal
import threading

import pytest

from trilha.capture.journal import read
from trilha.capture.recorder import Recorder, durability_of, say
from trilha.errors import UsageError
from trilha.prov import Kind, Name


@pytest.fixture
def recorder(tmp_path):
    made = Recorder(str(tmp_path / "store"), "a run")
    yield made
    made.close()


def events(recorder):
    journal = read(recorder.file.path)
    found = [event for _, event in journal.events()]
    assert not journal.damage
    return found


def value(recorder, given):
    recorder.entity(1, "k", given)
    return events(recorder)[-1].value("k")


class Odd:
    def __repr__(self):
        raise RuntimeError("odd")


class OddText(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("odd")

    __repr__ = encode = __str__


class OddFloat(float):
    def __float__(self):
        raise RuntimeError("odd")


class OddInt(int):
    def __int__(self):
        raise RuntimeError("odd")

    __index__ = __pos__ = __int__


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("\ud800 alone", "\ud800 alone"),
        (1 << 80, 1 << 80),
        (-(1 << 80), -(1 << 80)),
        pytest.param(OddText("text"), "text", id="odd text"),
        (OddFloat(1.5), 1.5),
        (OddInt(7), 7),
        (OddInt(1 << 70), 1 << 70),
        (True, True),
        ("nul \0 in it", "nul \0 in it"),
        (Name("https://example.org/x"), Name("https://example.org/x")),
    ],
)
def test_a_value_is_kept_as_what_it_is(given, kept, recorder):
    found = value(recorder, given)
    assert found == kept
    assert type(found) in (type(kept), str)
    assert recorder.dropped == 0


def test_a_value_of_no_kind_is_kept_as_the_name_of_its_type(recorder):
    assert value(recorder, Odd()).endswith(".Odd>")
    assert recorder.dropped == 0


def test_every_statement_comes_back_as_its_record(recorder):
    number = next(recorder.numbers)
    recorder.entity(number, "prov:label", "a thing")
    recorder.activity(2, 1_000, 2_000)
    recorder.agent("acct:ana@laptop")
    recorder.used(2, number, 5)
    recorder.generated(number, 2, None)
    recorder.invalidated(number, 2, 7)
    recorder.derived(number, 2)
    recorder.specialized(number, "sha256:00")
    recorder.member(2, number)
    recorder.associated(2, None)
    step = recorder.begin("step", recorder.run, 9)
    recorder.end(step, 10)
    found = events(recorder)
    assert [record.kind for record in found] == [
        *(Kind.ENTITY, Kind.ACTIVITY, Kind.AGENT, Kind.USAGE, Kind.GENERATION, Kind.INVALIDATION),
        *(Kind.DERIVATION, Kind.SPECIALIZATION, Kind.MEMBERSHIP, Kind.ASSOCIATION),
        *(Kind.ACTIVITY, Kind.START, Kind.ACTIVITY),
    ]
    assert found[0].id == f"urn:uuid:{recorder.uuid}#{number}"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("", ("group", 0.05)),
        ("group", ("group", 0.05)),
        ("event", ("event", 0.0)),
        ("none", ("none", 0.0)),
        ("1", ("group", 0.001)),
        ("250", ("group", 0.25)),
    ],
)
def test_a_durability_means_how_often_the_disk_is_waited_for(text, means):
    assert durability_of(text) == means


@pytest.mark.parametrize("text", ["often", "0", "-1", "nan", "inf", "3600001"])
def test_a_durability_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="durability"):
        durability_of(text)


def test_an_error_of_our_own_is_counted_and_kept_from_the_program(recorder):
    try:
        raise ValueError("ours")
    except ValueError:
        recorder.failed()
    assert recorder.dropped == 1


def test_an_error_of_a_signal_handler_of_the_program_is_the_programs(recorder):
    def handler(*_):
        raise TimeoutError("the program's own")

    old = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(TimeoutError, match="own"):
            try:
                signal.raise_signal(signal.SIGUSR1)
            except Exception:
                recorder.failed()
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert recorder.dropped == 0


def test_a_time_out_of_the_program_is_never_swallowed(run_program):
    program = """
    import signal, trilha
    class TooLate(Exception):
        pass
    def handler(*_):
        raise TooLate
    signal.signal(signal.SIGALRM, handler)
    came = 0
    with trilha.run("time-outs"):
        for _ in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0015)
                while True:
                    with trilha.step("s", a=[1]):
                        trilha.log(loss=1.0)
                        trilha.hyperparameters(x={"y": object()})
            except TooLate:
                came += 1
    print(came)
    """
    assert run_program(program).stdout == "150\n"


def test_threads_that_begin_steps_at_once_get_identifiers_of_their_own(recorder):
    def work():
        for _ in range(300):
            recorder.end(recorder.begin("s", recorder.run, 1), 2)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = [record.id for record in events(recorder) if record.kind is Kind.ACTIVITY and record.start]
    assert len(started) == len(set(started)) == 1800


def test_a_sentence_for_nobody_is_no_error(monkeypatch):
    class Closed:
        def write(self, text):
            raise ValueError("closed")

    for stream in (None, Closed()):
        monkeypatch.setattr("sys.__stderr__", stream)
        monkeypatch.setattr("sys.stderr", stream)
        say("nobody hears this")


def test_what_cannot_be_recorded_is_said_once_a_run_each_thing_by_whoever_finds_it_first(recorder, capfd):
    other = Recorder(recorder.folder, "rank 1", run=recorder.uuid)
    for one in (recorder, other):
        for sentence in ("one thing", "one thing", "another thing"):
            one.complain(sentence)
    other.complain("a third thing")
    other.close()
    assert capfd.readouterr().err.splitlines() == [
        f"trilha: {what} thing" for what in ("one", "another", "a third")
    ]


def test_a_process_does_not_go_on_complaining(recorder, capfd):
    for number in range(100):
        recorder.complain(f"thing {number}")
    assert len(capfd.readouterr().err.splitlines()) == 8
