"""What several processes of one run tell alike, as the ranks of a training do, is answered once.

With real ranks: `tests/capture/integrations/test_sharding.py`.
"""

from trilha.query.questions.asking import told_once
from trilha.query.things import Thing


def row(by, **columns):
    """What a process of a run, the first one if `by` is empty, tells of something."""
    iri = f"urn:uuid:0b6a#{by}-7" if by else "urn:uuid:0b6a#7"
    return Thing(iri, "entity", "0b6a", "a thing", (), None, None, {}), columns


def test_what_several_processes_tell_is_there_once():
    told = [row(by, name=name) for by in ("aa", "bb") for name in ("first", "second")]
    assert told_once(told) == [{"name": "first"}, {"name": "second"}]


def test_what_one_process_tells_twice_is_there_twice():
    told = [row(by, name="same") for by in ("", "aa", "aa", "bb", "bb")]
    assert told_once(told) == [{"name": "same"}] * 2


def test_what_they_tell_differently_is_all_there_but_for_columns_that_may_differ():
    told = [row("aa", name="one", when=1), row("bb", name="one", when=2), row("bb", name="two", when=3)]
    assert told_once(told) == [columns for _, columns in told]
    assert told_once(told, ("when",)) == [{"name": "one", "when": 1}, {"name": "two", "when": 3}]
