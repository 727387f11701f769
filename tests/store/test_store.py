import contextlib
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trilha.store
from trilha.errors import NotFound, StoreError, UsageError
from trilha.prov import PLACEHOLDER, PROV, TRILHA, XSD, Document, Kind, Literal, Name, Record
from trilha.store import schema
from trilha.store.store import Store
from trilha.store.values import escape, exact, plain, to_columns, unescape


def rows(store):
    """All that the index says, without its integer keys, which depend on the order of loading."""
    uuids = [row[0] for row in store.connection.execute("SELECT uuid FROM run ORDER BY uuid")]
    runs = store.connection.execute(
        "SELECT uuid, label, started, ended, status FROM run ORDER BY uuid"
    ).fetchall()
    return runs, [list(store.document(uuid, points="all")) for uuid in uuids], store.damage()


# -- loading
# -----------------------------------------------------------------------------------------------------


def test_a_run_is_loaded_with_its_facts(tmp_path, writing, digits):
    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        row = store.connection.execute("SELECT uuid, label, status, exit_status, command FROM run").fetchone()
        assert row == (uuid, "digits", "finished", 0, "python digits.py")
        assert store.damage() == []


def test_reading_a_journal_twice_changes_nothing(tmp_path, writing, digits):
    digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        before = list(store.connection.iterdump())
        assert store.refresh() == (0, 0, 0, ())
        assert list(store.connection.iterdump()) == before


def test_what_a_live_process_appends_later_is_read_from_where_the_last_reading_ended(tmp_path, writing):
    w = writing(alive=True)
    w.begin("slow")
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert store.connection.execute("SELECT COUNT(*) FROM statement").fetchone() == (1,)
        step = w.step("later")
        assert store.refresh().statements == 2
        w.done(step)
        assert store.refresh().statements == 1
        assert store.damage() == []
    w.close()


def test_a_block_goes_on_with_its_numbers_after_a_second_reading(tmp_path, writing):
    w = writing(alive=True)
    run = w.begin("slow")
    _, block = w.metrics(run, [("loss", "d")])
    w.row(block, 3.0)
    with trilha.store.open(tmp_path / ".trilha") as store:
        w.row(block, 1.0)
        w.row(block, 2.0)
        store.refresh()
        found = store.connection.execute("SELECT point, value FROM metric ORDER BY point").fetchall()
        assert found == [(0, 3.0), (1, 1.0), (2, 2.0)]
        summary = store.connection.execute(
            "SELECT points, first_value, last_value, lowest, highest FROM series"
        )
        assert summary.fetchall() == [(3, 3.0, 2.0, 1.0, 3.0)]
    w.close()


def test_nan_and_infinities_of_metrics_survive(tmp_path, writing):
    w = writing()
    run = w.begin("odd")
    _, block = w.metrics(run, [("loss", "d")])
    for value in (math.nan, math.inf, -math.inf, 0.5):
        w.row(block, value)
    w.end()
    uuid = w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        values = [record.value("value.loss") for record in Points(store.document(uuid, points="all"))]
        assert [repr(value) for value in values] == ["nan", "inf", "-inf", "0.5"]
        summary = next(
            one for one in store.document(uuid).of(Kind.ENTITY) if (TRILHA["count.loss"], 4) in one.attributes
        )
        found = dict(summary.attributes)
        assert math.isnan(found[TRILHA["first.loss"]])
        assert found[TRILHA["minimum.loss"]] == -math.inf
        assert found[TRILHA["maximum.loss"]] == math.inf
        assert found[TRILHA["last.loss"]] == 0.5


class Points:
    """The entities of metric rows in a document."""

    def __init__(self, document):
        self.records = [
            one for one in document.of(Kind.ENTITY) if (PROV["type"], TRILHA["MetricPoint"]) in one.attributes
        ]

    def __iter__(self):
        for record in self.records:
            yield Point(record)


class Point:
    def __init__(self, record):
        self.attributes = dict(record.attributes)

    def value(self, local):
        return self.attributes[TRILHA[local]]


def test_numbers_and_times_can_be_compared_in_sql(tmp_path, writing):
    w = writing()
    run = w.begin("compared")
    for value in (1, 2.5, 10**30, math.nan, "3"):
        w.uses(run, w.entity("lr", "prov:value", str(value) if value == 10**30 else value))
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        sql = (
            "SELECT a.number FROM attribute a JOIN name k ON k.name = a.key"
            " WHERE k.iri = ? AND a.number > 0.5 ORDER BY 1"
        )
        assert store.connection.execute(sql, (PROV["value"],)).fetchall() == [(1.0,), (2.5,)]


# -- damage --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory):
    """A journal of a run that uses every feature, as bytes, with its run and uid."""
    folder = tmp_path_factory.mktemp("journal")
    script = """
import trilha
with trilha.run("cut"):
    with trilha.step("a", text="é" * 300):
        for epoch in range(20):
            trilha.log(loss=epoch / 3, epoch=epoch)
    with open("out.txt", "w") as file:
        file.write("x")
"""
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    path = next(folder.glob(".trilha/journals/*/*.journal"))
    return path.parent.name, path.name, path.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_journal_cut_anywhere_loads_up_to_the_cut(tmp_path_factory, whole_journal, data):
    run, file, content = whole_journal
    cut = data.draw(st.integers(0, len(content)))
    folder = tmp_path_factory.mktemp("cut") / ".trilha"
    path = folder / "journals" / run / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:cut])
    with trilha.store.open(folder) as store:
        loaded = store.connection.execute(
            "SELECT COUNT(*), COALESCE(MAX(place), 0) FROM statement"
        ).fetchone()
        assert loaded[1] <= cut
        whole = {end for end, _ in frames(content)}
        assert store.damage() or cut in whole
        if loaded[0]:
            assert list(store.document(run))
    shutil.rmtree(folder.parent)


def frames(content):
    """Where each frame ends, by the format's own definition."""
    offset = 8
    while offset < len(content):
        length = int.from_bytes(content[offset : offset + 4], "little")
        if not length:
            return
        offset += 8 + length
        yield offset, length


def test_damage_in_the_middle_is_reported_and_the_rest_is_loaded(tmp_path, writing, digits):
    uuid = digits(w := writing())
    content = bytearray(w.path.read_bytes())
    end, length = list(frames(content))[5]
    content[end - length : end - length + 4] = b"\xff\xff\xff\xff"
    w.path.write_bytes(content)
    with trilha.store.open(tmp_path / ".trilha") as store:
        (damage,) = store.damage()
        assert (damage.run, damage.journal, damage.offset) == (uuid, w.uid, end - length - 8)
        assert store.connection.execute("SELECT status FROM run").fetchone() == ("finished",)


def test_a_file_that_is_no_journal_is_reported_and_not_tried_again(tmp_path, writing, digits):
    digits(writing())
    folder = tmp_path / ".trilha" / "journals" / "00000000-0000-4000-8000-000000000000"
    folder.mkdir()
    path = folder / "11111111-0000-4000-8000-000000000000.journal"
    path.write_bytes(b"no journal at all")
    os.utime(path, (1, 1))
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert [path for path, _ in store.unreadable] == [str(path)]
        (damage,) = store.damage()
        assert "begins with" in damage.reason
        assert store.refresh().journals == 0


def test_a_journal_that_was_just_being_made_is_read_when_it_has_a_head(tmp_path, writing, digits):
    digits(w := writing())
    content = w.path.read_bytes()
    w.path.write_bytes(b"")
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert "empty" in store.damage()[0].reason
        w.path.write_bytes(content)
        assert store.refresh().journals == 1
        assert store.damage() == []
        assert store.connection.execute("SELECT host, state FROM journal").fetchone() == ("node7", 0)


def test_a_journal_in_the_folder_of_another_run_says_where_it_belongs(tmp_path, writing, digits):
    digits(w := writing())
    other = w.path.parent.with_name("00000000-0000-4000-8000-000000000000")
    w.path.parent.rename(other)
    with trilha.store.open(tmp_path / ".trilha") as store:
        (damage,) = store.damage()
        assert w.run in damage.reason


def test_rows_of_a_block_that_was_not_read_are_reported(tmp_path, writing):
    import struct

    w = writing()
    w.begin("lost")
    w.blocks[99] = struct.Struct("<qd")
    w.row(99, 1.0)
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert [one.reason for one in store.damage()] == ["rows of block 99, whose definition was not read"]


# -- values --------------------------------------------------------------------------------------------------

texts = st.text(st.characters(), max_size=30) | st.text("\x00\x10a\ud800\udfff", max_size=10)
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(),
    st.floats(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.timezones(), allow_imaginary=False),
    texts.map(Name),
    st.builds(Literal, texts, st.just(XSD["anyURI"])),
    st.builds(Literal, texts, st.just(PROV["InternationalizedString"]), st.just("pt-BR")),
)


@given(values)
def test_every_value_comes_back_as_it_was(value):
    names = ["-"]

    def key(name):
        names.append(escape(name))
        return len(names) - 1

    columns = to_columns(value, key)
    connection = sqlite3.connect(":memory:")
    connection.execute(next(one for one in schema.MIGRATIONS[0] if one.startswith("CREATE TABLE attribute")))
    connection.execute("INSERT INTO attribute VALUES (1, 0, 1, ?, ?, ?, ?, ?, ?)", columns)
    stored = connection.execute(
        "SELECT type, whole, number, datatype, language, text FROM attribute"
    ).fetchone()
    connection.close()
    back = exact(stored, lambda one: Name(unescape(names[one])), Literal)
    assert type(back) is type(value)
    assert back == value or (value != value and back != back)
    if isinstance(value, float) and value == 0:
        assert math.copysign(1, back) == math.copysign(1, value)
    if isinstance(value, datetime):
        assert back.utcoffset() == value.utcoffset()
    plain(*stored[:3], stored[5], names[stored[1]] if stored[0] == 6 else None)


@given(texts)
def test_escaping_is_undone_and_leaves_nothing_that_a_database_refuses(text):
    escaped = escape(text)
    assert unescape(escaped) == text
    assert "\x00" not in escaped
    escaped.encode("utf-8")


def test_huge_and_unprintable_values_are_kept(tmp_path, writing):
    w = writing()
    run = w.begin("huge\x00\x1b[31m", "trilha:note", "x" * 1_000_000, "trilha:nul", "a\x00b")
    w.uses(run, w.entity("\u202eevil\n"))
    w.end()
    uuid = w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        (activity,) = store.document(uuid).get(run)
        found = dict(activity.attributes)
        assert found[TRILHA["note"]] == "x" * 1_000_000
        assert found[TRILHA["nul"]] == "a\x00b"
        assert found[PROV["label"]] == "huge\x00\x1b[31m"


# -- several processes ---------------------------------------------------------------------------------------


def test_several_processes_that_refresh_at_once_load_each_statement_once(tmp_path, writing, digits):
    for number in range(8):
        digits(writing(f"run {number}", start=number))
    code = "import trilha.store, sys; trilha.store.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, str(tmp_path / ".trilha")]
    processes = [subprocess.Popen(command) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    with trilha.store.open(tmp_path / ".trilha") as store, Store(str(tmp_path / ".trilha")) as other:
        assert store.connection.execute("SELECT COUNT(*) FROM run").fetchone() == (8,)
        double = (
            "SELECT COUNT(*) FROM (SELECT journal, place FROM statement GROUP BY 1, 2 HAVING COUNT(*) > 1)"
        )
        assert other.connection.execute(double).fetchone() == (0,)


def test_readers_see_the_old_index_until_a_reindex_is_done(tmp_path, writing, digits):
    digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as reader, trilha.store.open(tmp_path / ".trilha") as store:
        cursor = reader.connection.execute("SELECT uuid FROM run")
        before = rows(reader)
        assert store.reindex().journals == 1
        cursor.close()
        assert rows(reader) == rows(store) == before


# -- reindex -------------------------------------------------------------------------------------------------


def test_reindex_gives_the_same_answers_and_identifiers(tmp_path, writing, digits):
    digits(writing("b", start=50), content="same")
    with trilha.store.open(tmp_path / ".trilha") as store:
        digits(writing("a"), content="same")
        store.refresh()
        before = rows(store)
    (tmp_path / ".trilha" / "store.sqlite.new-4194304").write_bytes(b"left by a process that was killed")
    done = trilha.store.reindex(tmp_path / ".trilha")
    assert done.journals == 2
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert rows(store) == before
    left = sorted(path.name for path in (tmp_path / ".trilha").iterdir())
    assert left == ["journals", "store.lock", "store.sqlite"]


@pytest.mark.parametrize(
    "content", [b"garbage " * 100, b"SQLite format 3\0" + b"\1" * 52 + b"TRLH" + b"\2" * 5000]
)
def test_a_damaged_index_is_refused_with_the_way_out_and_reindex_makes_it_anew(
    tmp_path, writing, digits, content
):
    digits(writing())
    folder = tmp_path / ".trilha"
    if content.startswith(b"SQLite"):
        content = content[:60] + (1).to_bytes(4, "big") + content[64:68] + b"TRLH" + content[72:]
    (folder / "store.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match="trilha reindex"):
        trilha.store.open(folder)
    assert (folder / "store.sqlite").read_bytes() == content
    assert trilha.store.reindex(folder).journals == 1
    assert (folder / "store.sqlite.damaged-1").read_bytes() == content
    with trilha.store.open(folder) as store:
        assert store.connection.execute("SELECT label FROM run").fetchone() == ("digits",)


def test_an_index_that_the_disk_has_no_room_for_is_not_called_damaged(writing, digits, small_disk):
    store = small_disk / "store"
    digits(writing(store=store))
    free = os.statvfs(small_disk)
    for room in range(0, free.f_bavail * free.f_frsize, 32768):
        (small_disk / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - room))
        with pytest.raises(StoreError, match="free some space") as raised:
            trilha.store.open(store)
        assert "damaged" not in str(raised.value)
        (small_disk / "ballast").unlink()
        for path in store.glob("store.*"):
            path.unlink()


# -- what is no store ----------------------------------------------------------------------------------------


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"no store here.*trilha run"):
        trilha.store.open(tmp_path / "nowhere")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file; a store is a folder"):
        trilha.store.open(tmp_path / "file")


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StoreError, match="holds neither"):
        trilha.store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = (tmp_path / "store.sqlite").read_bytes()
    for attempt in (trilha.store.open, trilha.store.reindex):
        with pytest.raises(StoreError, match="another program"):
            attempt(tmp_path)
    assert (tmp_path / "store.sqlite").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite"]


def test_a_store_of_a_newer_version_says_which_trilha_it_needs_and_is_left_alone(tmp_path, writing, digits):
    digits(writing())
    folder = tmp_path / ".trilha"
    with trilha.store.open(folder) as store:
        store.connection.execute("INSERT INTO schema_version VALUES (99, '7.5.0', 0)")
        store.connection.execute("PRAGMA user_version = 99")
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for attempt in (trilha.store.open, trilha.store.reindex):
        with pytest.raises(StoreError, match=r"version 99;.*Trilha 7\.5\.0 or later: pip install"):
            attempt(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_url_of_something_else_is_refused():
    with pytest.raises(StoreError, match="knows no postgresql:// ones"):
        trilha.store.open("postgresql://server/db")


def test_the_environment_says_where_the_store_is(tmp_path, writing, digits, monkeypatch):
    digits(writing())
    monkeypatch.setenv("TRILHA_STORE", str(tmp_path / ".trilha"))
    with trilha.store.open() as store:
        assert store.folder == str(tmp_path / ".trilha")


# -- read-only -----------------------------------------------------------------------------------------------

READ = """
import os, sys
import trilha.capture.machine, trilha.store, trilha.store.loading, trilha.store.refreshing
from trilha.store.version import own_version
own_version()
if os.getuid() == 0:
    # Root may write anywhere; what is imported after this may not be readable to others.
    os.setgid(65534); os.setuid(65534)
with trilha.store.open(sys.argv[1]) as store:
    rows = store.connection.execute("SELECT label FROM run ORDER BY label")
    print(store.read_only, [row[0] for row in rows])
"""


@pytest.mark.parametrize("indexed", [False, True])
def test_a_read_only_store_is_read_with_what_is_new(tmp_path_factory, writing, digits, indexed):
    import tempfile

    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        folder = os.path.join(top, "store")
        digits(writing("one", folder), label="old")
        if indexed:
            trilha.store.open(folder).close()
        digits(writing("two", folder, start=9), label="new")
        for place, _, files in os.walk(folder):
            os.chmod(place, 0o555)
            for file in files:
                os.chmod(os.path.join(place, file), 0o444)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", READ, folder], capture_output=True, text=True, env=environment
        )
        for place, _, _ in os.walk(folder):
            os.chmod(place, 0o755)
        assert done.stdout == "True ['new', 'old']\n", done.stderr


# -- documents -----------------------------------------------------------------------------------------------


def test_a_document_says_each_thing_once_and_the_same_each_time(tmp_path, writing, digits):
    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        document = store.document(uuid)
        assert list(document) == list(store.document(uuid))
        elements = [(record[0], record[1]) for record in document if record[0] <= 3]
        assert len(elements) == len(set(elements))
        (run,) = document.get(f"urn:uuid:{uuid}#run")
        assert run.start < run.end
        assert (TRILHA["status"], "finished") in run.attributes
        assert dict(document.namespaces.items())["run"] == f"urn:uuid:{uuid}#"


def test_generations_starts_and_identifiers_are_merged_as_prov_constraints_asks(tmp_path, writing):
    w = writing()
    run = w.begin("merge")
    step = w.step("step")
    first, out = w.entity("first"), w.entity("out")
    usage = w.uses(step, first)
    one, two = w.makes(step, out), w.makes(step, out, w.tick())
    w.derives(out, first, step, two, usage)
    w.say(7, None, step, None, run, w.tick(), ())
    w.say(5, usage, step, first, None, ("prov:role", "input"))
    w.end()
    uuid = w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        document = store.document(uuid)
    (generation,) = document.of(Kind.GENERATION)
    (derivation,) = document.of(Kind.DERIVATION)
    (start,) = document.of(Kind.START)
    (used,) = document.of(Kind.USAGE)
    assert generation.id == derivation.generation == w.prefix + str(one)
    (activity,) = document.get(w.prefix + str(step))
    assert start.time == activity.start
    assert dict(used.attributes)[PROV["role"]] == "input"


def test_points_are_members_of_their_collection(tmp_path, writing, digits):
    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        document = store.document(uuid, points="all")
        points = Points(document)
        assert [point.value("epoch") for point in points] == [0, 1, 2]
        members = {record.entity for record in document.of(Kind.MEMBERSHIP)}
        assert {record.id for record in points.records} <= members
        with pytest.raises(UsageError, match="'summary' or 'all'"):
            store.document(uuid, points="some")
        with pytest.raises(NotFound, match="trilha list"):
            store.document("00000000-0000-4000-8000-000000000000")


def test_placeholders_and_times_that_are_texts_come_back(tmp_path, writing):
    from trilha.store.loading import _times

    assert _times([PLACEHOLDER, "2026"])[1] == '["-", "2026"]'
    aware = datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert _times([aware, None]) == ([1795230000000000000, None], None)
    assert isinstance(Document(), Document)
    assert Record.new((Kind.ENTITY, Name("a:b"), ()))[1] == "a:b"


def test_documents_are_accepted_by_the_prov_package(tmp_path, writing, digits):
    prov = pytest.importorskip("prov.model")
    from trilha import formats

    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        formats.write(store.document(uuid, points="all"), tmp_path / "out.json")
    document = prov.ProvDocument.deserialize(str(tmp_path / "out.json"))
    unified = document.unified()
    assert len(unified.get_records()) == len(document.get_records())


# -- the schema ----------------------------------------------------------------------------------------------


def test_the_schema_is_portable_but_for_the_words_that_are_named():
    text = "\n".join(statement for migration in schema.MIGRATIONS for statement in migration)
    for foreign in ("AUTOINCREMENT", "INSERT OR", "STRICT", "datetime(", "json"):
        assert foreign not in text
    for word, other in schema.POSTGRESQL.items():
        assert word in text
        text = text.replace(word, other)
    assert "ROWID" not in text


def test_a_store_of_the_fourth_version_gets_the_views_of_today(tmp_path, writing, digits):
    digits(writing())
    folder = tmp_path / ".trilha"
    views = "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY name"
    with trilha.store.open(folder) as store:
        expected = store.connection.execute(views).fetchall()
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as old:
        old.execute("DROP VIEW attempt")
        old.execute("CREATE VIEW attempt AS SELECT 1 AS attempt")
        old.execute("DELETE FROM schema_version WHERE version = 5")
        old.execute("PRAGMA user_version = 4")
        old.commit()
    with trilha.store.open(folder) as store:
        assert store.connection.execute(views).fetchall() == expected


def test_a_store_of_the_first_version_is_migrated_by_reading_its_journals_anew(tmp_path, writing, digits):
    uuid = digits(writing())
    folder = tmp_path / ".trilha"
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as old:
        old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        for statement in schema.MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO schema_version VALUES (1, '0.1.0', 0)")
        old.execute("INSERT INTO run (run, uuid, label, settled) VALUES (1, ?, 'stale', 1)", (uuid,))
        old.execute("PRAGMA user_version = 1")
        old.commit()
    with trilha.store.open(folder) as store:
        assert store.connection.execute("SELECT uuid, label FROM run").fetchall() == [(uuid, "digits")]
        rows = store.connection.execute(
            "SELECT about, name, number, text FROM fact ORDER BY about"
        ).fetchall()
    assert ("hyperparameter", "lr", 0.01, "0.01") in rows
    assert ("host", "", None, "node7") in rows
    assert ("user", "", None, "ana") in rows
    assert {row[3] for row in rows if row[0] == "file"} == {"digits.csv", "model.pt"}
