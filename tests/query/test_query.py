import os
from datetime import UTC, datetime

import pytest
from tests.conftest import name

import trilha.store
from trilha.errors import NotFound, UsageError
from trilha.query import finding, runs, trail, unknown
from trilha.query.account import account
from trilha.query.lineage import lineage
from trilha.query.wording import duration, number, size, visible


@pytest.fixture
def opened(tmp_path):
    """Opens the store, brought up to date; closed at the end."""
    stores = []

    def open_store():
        stores.append(trilha.store.open(tmp_path / ".trilha"))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def told(store, what, run=None, **more):
    return lineage(store, finding.find(store, what, run), **more)


def labels(found):
    return [found.things[iri].label for iri in found.depths]


def depths(found):
    return {found.things[iri].label: depth for iri, depth in found.depths.items()}


def links(found, *via):
    return {
        (found.things[link.effect].label, link.via, found.things[link.cause].label)
        for link in found.links
        if not via or link.via in via
    }


# -- runs
# --------------------------------------------------------------------------------------------------------


def test_runs_are_listed_with_the_newest_first(opened, writing, digits):
    for number_, start in (("old", 0), ("new", 500), ("middle", 200)):
        digits(writing(number_, start=start), label=number_)
    store = opened()
    assert [run.name for run in runs.runs(store)] == ["new", "middle", "old"]
    assert [run.name for run in runs.runs(store, 1)] == ["new"]
    assert runs.count(store) == 3


def test_a_run_is_found_by_name_id_prefix_and_last(opened, writing, digits):
    digits(writing("one"), label="one")
    uuid = digits(writing("two", start=100), label="two")
    store = opened()
    for text in ("two", uuid, uuid[:6], uuid[:6].upper(), "last", f"urn:uuid:{uuid}#run"):
        assert runs.find_run(store, text).uuid == uuid


def test_a_name_of_several_runs_is_refused_with_the_candidates(opened, writing, digits):
    uuids = [digits(writing(seed, start=start)) for seed, start in (("one", 0), ("two", 99))]
    with pytest.raises(NotFound, match="2 runs are called 'digits'") as caught:
        runs.find_run(opened(), "digits")
    assert all(uuid[:8] in str(caught.value) for uuid in uuids)


def test_an_unknown_run_suggests_close_names(opened, writing, digits):
    digits(writing())
    store = opened()
    with pytest.raises(NotFound, match="Did you mean 'digits'"):
        runs.find_run(store, "digit")
    with pytest.raises(NotFound, match="trilha list"):
        runs.find_run(store, "")


def test_the_status_of_a_run_without_an_end_depends_on_its_process(opened, writing):
    killed, alive, far = writing("killed"), writing("alive", alive=True), writing("far")
    for w in (killed, alive, far):
        w.begin("open")
    content = far.path.read_bytes()
    for w in (killed, far):
        w.close()
    import re

    boot = re.search(rb"\xa4boot.\x24?([0-9a-f-]{36})", content)
    assert boot is not None
    from trilha.capture.journal import read

    assert read(str(far.path)).alive() is False
    store = opened()
    statuses = {run.uuid: run.status for run in runs.runs(store)}
    assert statuses[killed.run] == "lost"
    assert statuses[alive.run] == "running"
    alive.close()


def test_a_lost_run_is_named_among_what_is_not_known(opened, writing, digits):
    digits(writing(), end=False)
    (said,) = unknown.of_runs(runs.runs(opened()))
    assert said.startswith("How digits ")
    assert "killed" in said


def test_of_a_run_whose_journal_is_no_more_only_that_is_known(opened, writing, digits):
    digits(w := writing())
    w.path.write_bytes(b"something else")
    (said, where) = unknown.of_runs(runs.runs(opened()))
    assert said == f"What the run {w.run[:8]} was: its beginning cannot be read."
    assert "1 damaged part" in where


# -- finding
# -----------------------------------------------------------------------------------------------------


def test_a_copied_and_renamed_file_is_found_by_its_content(opened, writing, digits, tmp_path):
    digits(writing())
    (tmp_path / "copy of a model.bin").write_text("weights")
    store = opened()
    found = finding.find(store, str(tmp_path / "copy of a model.bin"))
    assert found.how == "content"
    assert lineage(store, found).things[lineage(store, found).starts[0]].label == "model.pt"
    assert any("/data/model.pt when it was recorded" in note for note in found.notes)


def test_a_file_no_run_ever_met_says_what_was_looked_for(opened, writing, digits, tmp_path):
    digits(writing())
    (tmp_path / "alien.pt").write_text("not ours")
    with pytest.raises(
        NotFound, match=r"no recorded run read or wrote this content \(8 B, sha256 [0-9a-f]{16}…\)"
    ):
        finding.find(opened(), str(tmp_path / "alien.pt"))


def test_a_file_that_was_changed_since_says_so(opened, writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    (tmp_path / "model.pt").write_text("changed")
    with pytest.raises(NotFound, match=r"met by digits .* with other content .*: it was changed since"):
        finding.find(opened(), str(tmp_path / "model.pt"))


def test_a_file_that_was_only_read_did_not_come_of_what_was_written_of_it(opened, writing, tmp_path):
    here, later = tmp_path / "here.txt", tmp_path / "later.txt"
    here.write_text("same")
    w = writing()
    run = w.begin("copies")
    w.uses(run, w.met_file(here, "same"), w.tick())
    w.makes(run, w.met_file(later, "same"), w.tick())
    w.close()
    found = told(opened(), str(here))
    assert labels(found) == ["here.txt"]
    assert found.found.notes == ("The same bytes were written 1 time, after this file had been read.",)
    later.write_text("same")
    assert set(labels(told(opened(), str(later)))) == {"later.txt", "copies", "here.txt"}


def test_an_unhashed_file_is_found_by_path_size_and_time(opened, writing, tmp_path):
    (tmp_path / "big.bin").write_text("data")
    modified = os.stat(tmp_path / "big.bin").st_mtime
    from datetime import UTC, datetime

    w = writing()
    run = w.begin("killed early")
    file = w.met_file(tmp_path / "big.bin", "data", hashed=False)
    w.say(1, file, ("trilha:modified", datetime.fromtimestamp(modified, UTC)))
    w.makes(run, file)
    w.close()
    found = finding.find(opened(), str(tmp_path / "big.bin"))
    assert found.how == "file"
    assert "not hashed" in found.notes[0]


@pytest.fixture
def unhashed(writing, tmp_path):
    """A file that a worker wrote and could not hash; another step reads it, and one writes the same bytes."""
    (tmp_path / "big.bin").write_text("data")
    at = datetime.fromtimestamp(os.stat(tmp_path / "big.bin").st_mtime, UTC)
    w = writing()
    w.begin("pool")

    def met(path, *, hashed):
        file = w.met_file(path, "data", hashed=hashed)
        w.say(1, file, ("trilha:modified", at))
        return file

    w.makes(w.step("worker"), met(tmp_path / "big.bin", hashed=False))
    w.tick()
    reading = w.step("reading")
    w.uses(reading, met(tmp_path / "big.bin", hashed=True))
    w.makes(reading, w.met_file("/data/result.bin", "result"))
    w.makes(w.step("elsewhere"), met("/data/other.bin", hashed=True))
    w.end()
    w.close()
    return str(tmp_path / "big.bin")


def test_a_file_comes_of_what_wrote_it_though_the_same_bytes_were_written_elsewhere(opened, unhashed):
    found = told(opened(), unhashed)
    assert found.found.how == "file"
    assert "worker" in labels(found)
    assert "elsewhere" not in labels(found)


def test_downstream_goes_on_where_a_file_was_read_whose_writer_could_not_hash_it(opened, unhashed):
    store = opened()
    (worker,) = (found for found in told(store, unhashed).starts)
    below = told(store, worker, downstream=True)
    assert ("big.bin", "sameContent", "big.bin") in links(below)
    assert "result.bin" in labels(below)


@pytest.mark.parametrize("what", ["model.pt", "data/model.pt", "/data/model.pt", "#18", "#run"])
def test_a_thing_is_found_by_name_path_and_number(opened, writing, digits, what):
    digits(writing())
    store = opened()
    if what == "#18":
        key = next(k for k in range(1, 99) if _label(store, f"#{k}") == "model.pt")
        what = f"#{key}"
    found = finding.find(store, what)
    expected = "digits" if what == "#run" else "model.pt"
    assert trilha.query.things.describe(store, [found.key])[found.key].label == expected


def _label(store, what):
    try:
        found = finding.find(store, what)
    except NotFound:
        return None
    return trilha.query.things.describe(store, [found.key])[found.key].label


def test_a_digest_may_be_shortened(opened, writing, digits):
    import hashlib

    digits(writing())
    digest = hashlib.sha256(b"weights").hexdigest()
    store = opened()
    assert finding.find(store, f"sha256:{digest[:8]}") == finding.find(store, f"sha256:{digest}")._replace(
        asked=f"sha256:{digest[:8]}"
    )


def test_a_name_that_means_different_things_in_two_runs_is_refused(opened, writing, digits):
    one = digits(writing("one"), model="a")
    digits(writing("two", start=100), model="b")
    store = opened()
    with pytest.raises(NotFound, match=r"'model\.pt' was met in 2 runs, each time another thing"):
        finding.find(store, "model.pt")
    found = finding.find(store, "model.pt", one[:8])
    assert trilha.query.things.describe(store, [found.key])[found.key].run == one


def test_a_name_that_means_the_same_bytes_everywhere_is_no_question(opened, writing, digits):
    digits(writing("one"))
    digits(writing("two", start=100))
    assert finding.find(opened(), "digits.csv").how == "content"


def test_what_is_nowhere_suggests_close_names(opened, writing, digits, tmp_path):
    digits(writing())
    store = opened()
    with pytest.raises(NotFound, match=r"Did you mean 'model\.pt'"):
        finding.find(store, "mode.pt")
    with pytest.raises(UsageError, match="is a folder"):
        finding.find(store, str(tmp_path))
    with pytest.raises(UsageError, match="empty text"):
        finding.find(store, "")


# -- lineage
# -----------------------------------------------------------------------------------------------------


def test_the_trail_of_a_model_goes_down_to_the_raw_data_with_every_step_between(opened, writing, digits):
    digits(writing())
    found = told(opened(), "model.pt")
    assert labels(found) == ["model.pt", "save", "net", "train", "table", "lr", "load", "digits.csv"]
    assert [thing.label for thing in trail.raw(found)] == ["digits.csv"]
    assert ("model.pt", "wasDerivedFrom", "net") in links(found)
    assert {link.depth for link in found.links if link.via == "used"} == {1, 2, 3}


def test_downstream_is_the_mirror_image(opened, writing, digits):
    digits(writing())
    store = opened()
    up, down = told(store, "model.pt"), told(store, "digits.csv", downstream=True)
    relations = ("wasGeneratedBy", "wasDerivedFrom", "used")
    on_the_way = {link for link in links(up, *relations) if "lr" not in link}
    assert on_the_way <= links(down, *relations)
    assert [thing.label for thing, _ in trail.results(down)] == ["model.pt"]


def test_what_was_used_after_an_entity_was_made_did_not_go_into_it(opened, writing):
    w = writing()
    run = w.begin("order")
    early, late, out = w.entity("early"), w.entity("late"), w.entity("out")
    w.uses(run, early, w.tick())
    w.makes(run, out, w.tick())
    w.uses(run, late, w.tick())
    w.close()
    store = opened()
    assert "late" not in labels(told(store, "out"))
    assert "early" in labels(told(store, "out"))
    assert "out" not in labels(told(store, "late", downstream=True))
    assert "out" in labels(told(store, "early", downstream=True))


def test_what_the_steps_of_a_run_used_counts_for_what_the_run_made(opened, writing):
    w = writing()
    run = w.begin("script")
    step = w.step("outer")
    inner = w.step("inner", step)
    raw, out = w.entity("raw"), w.entity("out")
    w.uses(inner, raw)
    w.makes(run, out, w.tick())
    later = w.step("later")
    w.uses(later, w.entity("too late"))
    w.close()
    store = opened()
    assert labels(told(store, "out")) == ["out", "script", "outer", "inner", "raw"] or set(
        labels(told(store, "out"))
    ) == {"out", "script", "outer", "inner", "raw"}
    assert "out" in labels(told(store, "raw", downstream=True))


def test_an_unknown_time_of_generation_is_bounded_by_the_first_use(opened, writing):
    w = writing()
    run = w.begin("script")
    before, thing, after = w.entity("before"), w.entity("thing"), w.entity("after")
    w.uses(run, before, w.tick())
    w.makes(run, thing, None)
    step = w.step("user")
    w.uses(step, thing)
    w.uses(run, after, w.tick())
    w.close()
    found = labels(told(opened(), "thing"))
    assert "before" in found
    assert "after" not in found


def test_usages_beside_derivations_are_marked_weaker(opened, writing, digits):
    digits(writing())
    found = told(opened(), "model.pt")
    weaker = {found.things[link.effect].label for link in found.links if link.weaker}
    assert weaker == {"model.pt", "net"}


def test_a_model_that_one_run_wrote_and_another_read_has_one_trail(opened, writing, digits):
    first = digits(writing("train"), label="train")
    w = writing("predict", start=1000)
    run = w.begin("predict")
    model = w.met_file("/other/place/renamed.pt", "weights")
    w.uses(run, model, w.tick())
    out = w.met_file("/other/place/prediction.csv", "42")
    w.makes(run, out, w.tick())
    w.end()
    second = w.close()
    store = opened()
    found = told(store, "prediction.csv")
    assert "digits.csv" in labels(found)
    assert set(found.runs) == {first, second}
    assert ("renamed.pt", "sameContent", "model.pt") in links(found)
    down = told(store, "digits.csv", downstream=True)
    assert "prediction.csv" in labels(down)


def test_of_several_writers_the_same_path_and_then_the_latest_before_is_taken(opened, writing, digits):
    runs_ = [digits(writing(str(at), folder), folder_) for at, folder, folder_ in ()]
    assert runs_ == []
    early = digits(writing("early", start=0), folder="/elsewhere")
    digits(writing("earlier", start=-500), folder="/elsewhere")
    after = digits(writing("after", start=9000), folder="/elsewhere")
    w = writing("reader", start=1000)
    run = w.begin("reader")
    w.uses(run, w.met_file("/here/model.pt", "weights"), w.tick())
    out = w.entity("out")
    w.makes(run, out, w.tick())
    w.close()
    found = told(opened(), "out")
    (link,) = (
        link
        for link in found.links
        if link.via == "sameContent" and "model" in found.things[link.cause].label
    )
    assert found.things[link.cause].run == early
    assert link.others == 1
    assert after not in found.runs


@pytest.mark.parametrize("later", [0, 1])
def test_what_a_worker_wrote_that_was_ended_before_it_could_hash_is_known_by_size_and_time(
    opened, writing, later
):
    w = writing()
    run = w.begin("pool")
    work = w.step("work")
    for time, hashed in enumerate((False, True)):
        file = w.met_file("/here/part.txt", "part", hashed=hashed)
        moment = datetime.fromtimestamp(1_700_000_000 + later * time, UTC)
        w.say(1, file, ("trilha:modified", moment))
        if hashed:
            w.uses(run, file, w.tick())
        else:
            w.makes(work, file, w.tick())
    w.makes(run, w.entity("whole"), w.tick())
    w.close()
    found = told(opened(), "whole")
    assert links(found, "sameContent") == (set() if later else {("part.txt", "sameContent", "part.txt")})
    assert [thing.label for thing in trail.raw(found)] == (["part.txt"] if later else [])


def test_empty_files_do_not_link_runs(opened, writing):
    for seed, start in (("writer", 0), ("reader", 100)):
        w = writing(seed, start=start)
        run = w.begin(seed)
        file = w.met_file(f"/{seed}/empty.txt", "")
        if seed == "writer":
            w.makes(run, file, w.tick())
        else:
            w.uses(run, file, w.tick())
            w.makes(run, w.entity("out"), w.tick())
        w.close()
    found = told(opened(), "out")
    assert not [link for link in found.links if link.via == "sameContent"]


def test_depth_cuts_the_trail_and_says_where(opened, writing, digits):
    digits(writing())
    store = opened()
    found = told(store, "model.pt", depth=1)
    assert labels(found) == ["model.pt", "save", "net"]
    assert [found.things[iri].label for iri in found.cut] == ["net"]
    assert any("--depth" in said for said in unknown.of_lineage(found))
    assert told(store, "model.pt", depth=0).links == []
    assert told(store, "model.pt", depth=99).cut == ()


def test_a_circle_of_derivations_ends(opened, writing):
    w = writing()
    w.begin("circle")
    one, two = w.entity("one"), w.entity("two")
    w.derives(one, two)
    w.derives(two, one)
    w.derives(one, one)
    w.close()
    store = opened()
    for downstream in (False, True):
        found = told(store, "one", downstream=downstream)
        assert set(labels(found)) == {"one", "two"}
        assert trail.trail(found)


def test_a_chain_of_thousands_is_no_problem(opened, writing):
    w = writing()
    w.begin("chain")
    things = [w.entity(f"thing {number_}") for number_ in range(3000)]
    for later, earlier in zip(things[1:], things, strict=False):
        w.derives(later, earlier)
    w.close()
    found = told(opened(), "thing 2999")
    assert found.depths[found.starts[0]] == 0
    assert max(found.depths.values()) == 2999
    branch, length = trail.trail(found)[0], 0
    while branch.branches:
        branch, length = branch.branches[0], length + 1
    assert length == 2999


def test_the_predictions_of_many_batches_are_told_as_one_and_how_many_more(opened, writing):
    w = writing()
    run = w.begin("predicting")
    prediction = w.step("prediction", None, "prov:type", name("trilha:Inference"))
    model = w.entity("net", type="trilha:Model")
    usage = w.uses(prediction, model)
    for number_ in range(12):
        made = w.entity(f"predictions[{number_}]")
        w.derives(made, model, prediction, w.makes(prediction, made, w.tick()), usage)
        w.uses(run, made)
    out = w.met_file("/data/all.pt", "all")
    w.makes(run, out, w.tick())
    w.close()
    found = told(opened(), "all.pt")
    (root,) = trail.trail(found)
    used = [(found.things[one.things[0]].label, one.more) for one in root.branches[0].branches]
    assert used[:2] == [("predictions[0]", 0), ("predictions[1]", 11)]
    assert len(used) == 3  # and the model


def test_members_and_informants_are_followed(opened, writing):
    w = writing()
    run = w.begin("members")
    collection, member = w.entity("collection"), w.entity("member")
    w.say(18, None, collection, member, ())
    w.derives(w.entity("made of all"), collection)
    first, second = w.step("first"), w.step("second")
    w.say(6, None, second, first, ())
    w.uses(first, w.entity("told"))
    out = w.entity("out")
    w.makes(second, out, w.tick())
    w.close()
    store = opened()
    assert labels(told(store, "collection")) == ["collection", "member"]
    assert labels(told(store, "member", downstream=True)) == ["member", "collection", "made of all"]
    # The activities between two entities, however many, are one step from each of them.
    down, up = told(store, "told", downstream=True), told(store, "out")
    assert depths(down) == {"told": 0, "first": 1, "second": 1, "members": 1, "out": 1}
    assert depths(up) == {"out": 0, "second": 1, "first": 1, "told": 1}
    assert run


def test_who_and_the_plan_are_told(opened, writing, digits):
    digits(writing())
    found = told(opened(), "#run")
    assert ("digits", "wasAssociatedWith", "ana") in links(found)
    assert ("digits", "hadPlan", "digits.py") in links(found)


def test_a_thing_named_but_never_described_is_still_told(opened, writing):
    w = writing()
    run = w.begin("torn")
    out = w.entity("out")
    w.uses(run, 77, w.tick())
    w.makes(run, out, w.tick())
    w.close()
    found = told(opened(), "out")
    assert "#77" in labels(found)
    assert {thing.kind for thing in found.things.values()} >= {"unknown"}


# -- the account of a run
# ----------------------------------------------------------------------------------------


def test_an_account_tells_all_about_a_run(opened, writing, digits):
    digits(writing())
    store = opened()
    found = account(store, runs.find_run(store, "last"))
    assert found.person.label == "ana"
    assert found.machine.fact("trilha:accelerator") == "H200"
    assert [package.label for package in found.packages] == ["CPython 3.11.7", "torch 2.13.0"]
    assert found.commit.label == "121212121212"
    assert found.dirty is True
    assert found.script.label == "digits.py"
    assert [step.thing.label for step in found.steps] == ["load", "train", "save"]
    assert [(file.thing.label, file.read, file.written) for file in found.files] == [
        ("digits.csv", True, False),
        ("model.pt", False, True),
    ]
    assert [(one.name, one.values, one.last) for one in found.metrics] == [
        ("loss", 3, 1 / 3),
        ("accuracy", 3, 0.7),
    ]
    assert [thing.label for thing in found.objects] == ["net"]
    assert unknown.of_account(found) == []


def test_steps_of_one_name_are_told_together(opened, writing):
    w = writing()
    w.begin("loop")
    for _ in range(5):
        outer = w.step("fold")
        w.done(w.step("fit", outer))
        w.done(outer)
    w.end()
    w.close()
    store = opened()
    (fold,) = account(store, runs.find_run(store, "last")).steps
    assert (fold.thing.label, fold.times, fold.took) == ("fold", 5, 15_000_000_000)
    assert [(step.thing.label, step.times) for step in fold.steps] == [("fit", 5)]


def test_an_account_of_a_damaged_run_says_what_is_missing(opened, writing):
    w = writing()
    w.say(1, 5, ("prov:label", "torn"))
    w.close()
    store = opened()
    said = unknown.of_account(account(store, runs.find_run(store, "last")))
    assert any("killed" in sentence for sentence in said)
    assert any("first statement is not in the journals" in sentence for sentence in said)


# -- words
# -------------------------------------------------------------------------------------------------------


def test_sizes_durations_and_numbers_are_written_for_people():
    assert [size(count) for count in (0, 999, 1000, 48_200, 10**7, 999_960)] == [
        "0 B", "999 B", "1.0 kB", "48.2 kB", "10.0 MB", "1.0 MB",
    ]  # fmt: skip
    times = (None, 1500, 20_000_000, 8_100_000_000, 65 * 10**9, 3700 * 10**9, 200_000 * 10**9)
    assert [duration(ns) for ns in times] == [
        "unknown", "2 µs", "20 ms", "8.1 s", "1 min 5 s", "1 h 1 min", "2 d 7 h",
    ]  # fmt: skip
    assert [number(value) for value in (True, 12345, 0.123456789, float("nan"), 10**400, "adam")] == [
        "yes", "12,345", "0.12346", "nan", "huge", "adam",
    ]  # fmt: skip


def test_nothing_that_a_terminal_obeys_is_visible():
    text = visible("a\x1b[31m\n\u202eb\udc80\x9b\x00ç 名")
    assert text == "a\\x1b[31m\\n\\u202eb\\udc80\\x9b\\x00ç 名"
    assert len(visible("x" * 10**6)) == 200


def test_epochs_whose_models_were_only_there_too_are_told_together(opened, writing):
    w = writing()
    run = w.begin("one")
    models = [w.entity("Net", type="trilha:Model")]
    for number_ in range(1, 9):
        epoch = w.step(f"epoch {number_}", None, "prov:type", name("trilha:Epoch"))
        usage = w.uses(epoch, models[-1])
        models.append(w.entity(f"Net after epoch {number_}", type="trilha:Model"))
        w.derives(models[-1], models[-2], epoch, w.makes(epoch, models[-1]), usage)
        w.done(epoch)
    taken, final = w.entity("taken", type="trilha:Model"), w.met_file("final.pt", "weights")
    w.derives(taken, models[3], run, w.makes(run, taken), w.uses(run, models[3]))
    w.derives(final, taken, run, w.makes(run, final), w.uses(run, taken))
    w.end()
    found = told(opened(), "final.pt")
    (tree,) = trail.trail(found)
    lines, waiting = [], [tree]
    for branch in waiting:
        lines.append((branch.role, [found.things[iri].label for iri in branch.things]))
        waiting += branch.branches
    assert [things for role, things in lines if role == "also used"] == [["Net after epoch 7"]]
    assert ("made by", ["epoch 7", "epoch 6", "epoch 5", "epoch 4"]) in lines
    assert ("made by", ["epoch 3", "epoch 2", "epoch 1"]) in lines
