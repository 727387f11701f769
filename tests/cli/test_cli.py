import json
import os
import pty
import re
import subprocess
import sys

import pytest
from tests.conftest import name as qualified

import trilha
import trilha.store

HERE = os.path.dirname(os.path.abspath(trilha.__file__))


def masked(text, tmp_path):
    return text.replace(str(tmp_path), "/here")


# -- golden
# ------------------------------------------------------------------------------------------------------

GOLDEN = {
    "list": ["list"],
    "show": ["show", "last"],
    "lineage": ["lineage", "copy.pt"],
    "lineage-downstream": ["lineage", "digits.csv", "--downstream"],
    "lineage-depth": ["lineage", "model.pt", "--depth", "1"],
    "list-json": ["list", "--json"],
    "show-json": ["show", "last", "--json"],
    "lineage-json": ["lineage", "copy.pt", "--json"],
    "export-provn": ["export", "last", "-o", "-", "--format", "provn"],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_output_is_as_it_was_agreed(run, golden, writing, digits, tmp_path, name):
    digits(writing(), folder=str(tmp_path))
    (tmp_path / "copy.pt").write_text("weights")
    status, out, err = run(*GOLDEN[name])
    assert (status, err) == (0, "")
    golden(f"{name}.txt", masked(out, tmp_path))


def test_values_that_differ_did_not_change_on_the_way_unless_that_was_recorded(run, writing):
    w = writing()
    act = w.begin("gan")
    for value in (0.004, 0.001):
        w.uses(act, w.entity("lr", "prov:value", value, type="trilha:Hyperparameter"))
    w.uses(act, w.entity("noise", "prov:value", 0.5, type="trilha:Hyperparameter"))
    w.makes(act, w.entity("samples"), w.tick())
    changed = w.entity("noise", "prov:value", 0.2, "trilha:before", 0.5, type="trilha:Hyperparameter")
    w.uses(act, changed)
    w.makes(act, w.entity("model"), w.tick())
    w.close()
    _, out, _ = run("lineage", "model")
    assert "lr = 0.004 and 0.001, noise = 0.5 (changed on the way, 2 values)" in out


def test_a_file_that_a_run_wrote_and_read_again_is_told(run, writing, tmp_path):
    w = writing()
    act = w.begin("steps")
    for name in ("a/part.txt", "b/part.txt"):
        part = w.met_file(tmp_path / name, name)
        w.makes(act, part, w.tick())
        w.uses(act, part, w.tick())
    w.makes(act, w.met_file(tmp_path / "whole.txt", "whole"), w.tick())
    w.close()
    _, out, _ = run("lineage", "whole.txt")
    assert "used a/part.txt, b/part.txt\n" in out


def test_a_script_that_each_process_of_a_run_read_is_told_once(run, writing, tmp_path):
    w = writing()
    act = w.begin("many")
    for rate in ("0.1", "0.2"):
        command = ("trilha:command", f"python {tmp_path}/many.py {rate}")
        process = w.step("many", None, "prov:type", qualified("trilha:Process"), *command)
        w.uses(process, w.met_file(tmp_path / "many.py", "code"))
        part = w.met_file(tmp_path / f"{rate}.txt", rate)
        w.makes(process, part, w.tick())
        w.uses(act, w.met_file(tmp_path / f"{rate}.txt", rate), w.tick())
    w.makes(act, w.met_file(tmp_path / "best.txt", "best"), w.tick())
    w.close()
    _, out, _ = run("lineage", "best.txt")
    assert out.partition("It begins with")[2].count("many.py") == 1
    assert "written by many" in out
    assert ", 0.1\n" in out
    assert ", 0.2\n" in out
    assert "same bytes as" not in out, "as it lay there in this very run"


@pytest.mark.parametrize("command", ["", "run", "list", "show", "lineage", "export", "import", "reindex"])
def test_help_is_as_it_was_agreed_and_shows_examples(run, golden, command):
    status, out, _ = run(*([command] if command else []), "--help")
    assert status == 0
    assert "Examples:" in out
    golden(f"help-{command or 'trilha'}.txt", out)


def test_a_lost_and_odd_run_is_shown_as_it_was_agreed(run, golden, writing, tmp_path):
    w = writing()
    act = w.begin("evil\x1b]0;title\x07 name", "trilha:cwd", "/a b/ç\u202e")
    step = w.step("split 'x' \"y\"\n")
    w.uses(step, w.met_file("/a b/naïve 名前.csv", "raw", hashed=False))
    _, block = w.metrics(act, [("loss", "d")])
    for value in (float("nan"), float("inf"), 0.25):
        w.row(block, value)
    huge = w.entity("x" * 5000, "trilha:note", "y" * 1_000_000)
    w.makes(step, huge, w.tick())
    w.close()
    for name, arguments in (
        ("odd-list", ["list"]),
        ("odd-show", ["show", "last"]),
        ("odd-lineage", ["lineage", f"#{huge}"]),
    ):
        status, out, err = run(*arguments)
        assert (status, err) == (0, "")
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\u202e" not in out
        golden(f"{name}.txt", masked(out, tmp_path))


# -- exit statuses and messages
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["show", "nothing"], 1, "no run called 'nothing'"),
        (["lineage", "nothing"], 1, "nothing is known of 'nothing'"),
        (["lineage", "alien.pt"], 1, "no recorded run read or wrote this content"),
        (["lineage", "."], 2, "is a folder"),
        (["export", "nothing", "-o", "x.json"], 1, "no run called"),
        (["export", "last", "-o", "x.docx"], 2, "x.docx: '.docx' is no format of documents"),
        (["export", "last", "-o", "-"], 2, "--format provn"),
        (["export", "last"], 2, "Missing option '--output'"),
        (["list", "--store", "nowhere"], 2, "there is no store here"),
        (["--store", "nowhere", "list"], 2, "there is no store here"),
        (["list", "--limit", "-1"], 2, "--limit"),
        (["show"], 2, "Missing argument 'RUN'"),
        (["lits"], 2, "Did you mean 'list'?"),
        (["zzz"], 2, "trilha: no command 'zzz' (trilha --help)\n"),
        (["list", "--what"], 2, "No such option"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_exit_status(
    run, writing, digits, tmp_path, arguments, status, says
):
    digits(writing())
    (tmp_path / "alien.pt").write_text("?")
    found, out, err = run(*arguments)
    assert (found, out) == (status, "")
    assert err.startswith("trilha: ")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x.json").exists()


def test_the_store_may_be_named_before_and_after_the_command(run, writing, digits, tmp_path):
    digits(writing(store=tmp_path / "other"))
    before = run("--store", "other", "list")
    assert before == run("list", "--store", "other")
    assert before[0] == 0
    os.environ["TRILHA_STORE"] = "other"
    try:
        assert run("list") == before
    finally:
        del os.environ["TRILHA_STORE"]


def test_an_error_of_our_own_is_no_traceback(run, writing, digits, monkeypatch):
    digits(writing())
    monkeypatch.delenv("TRILHA_DEBUG", raising=False)
    monkeypatch.setattr("trilha.query.runs.runs", lambda *_: 1 / 0)
    status, _, err = run("list")
    assert status == 2
    assert "an error of Trilha itself: ZeroDivisionError" in err
    assert "Traceback" not in err
    monkeypatch.setenv("TRILHA_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("list")


def test_a_store_without_runs_says_how_to_record_one(run, tmp_path):
    (tmp_path / ".trilha" / "journals").mkdir(parents=True)
    status, out, _ = run("list")
    assert status == 0
    assert "trilha run SCRIPT" in out
    status, _, err = run("show", "last")
    assert status == 1
    assert "no runs" in err


def test_the_version_is_told(run):
    assert run("--version") == (0, f"trilha {trilha.__version__}\n", "")


# -- export and reindex
# ------------------------------------------------------------------------------------------


def test_export_writes_files_that_say_the_same_each_time(run, writing, digits, tmp_path):
    uuid = digits(writing())
    for name in ("a.json", "b.json", "a.provn"):
        status, out, err = run("export", "last", "-o", name)
        assert (status, out) == (0, "")
        assert name in err
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert f"urn:uuid:{uuid}#" in (tmp_path / "a.provn").read_text()
    from trilha import formats

    with trilha.store.open(tmp_path / ".trilha") as store:
        assert formats.read(tmp_path / "a.json") == store.document(uuid)


def test_reindex_tells_what_it_read(run, writing, digits):
    digits(writing())
    assert run("reindex")[1].startswith("Read 1 journal: ")
    answer = json.loads(run("reindex", "--json")[1])
    assert (answer["version"], answer["kind"], answer["journals"], answer["values"]) == (1, "reindexed", 1, 6)


def test_json_has_no_words_that_json_does_not_know(run, writing):
    w = writing()
    act = w.begin("odd")
    _, block = w.metrics(act, [("loss", "d")])
    w.row(block, float("nan"))
    w.row(block, float("-inf"))
    w.close()
    text = run("show", "last", "--json")[1]
    answer = json.loads(text, parse_constant=pytest.fail)
    assert answer["metrics"][0]["first"] == "NaN"
    assert answer["metrics"][0]["lowest"] == "-INF"


# -- as a process
# ------------------------------------------------------------------------------------------------


def command(*arguments):
    return [sys.executable, "-c", "from trilha.cli import main; main()", *arguments]


def test_a_closed_pipe_is_silent(writing, digits, tmp_path):
    for at in range(60):
        digits(writing(str(at), start=at))
    process = subprocess.Popen(
        command("list", "--json", "--limit", "0"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.parametrize(
    "arguments", [["lineage", "model.pt"], ["show", "last"], ["list"], ["lineage", "--help"]]
)
def test_a_pipe_that_nobody_reads_is_no_failure(writing, digits, tmp_path, arguments):
    digits(writing())
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(command(*arguments), cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


def test_an_answer_that_cannot_be_written_says_where(writing, digits, tmp_path):
    digits(writing())
    for arguments in (["lineage", "model.pt"], ["list", "--json"]):
        with open("/dev/full", "wb") as full:
            process = subprocess.run(command(*arguments), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        assert process.returncode == 2
        assert process.stderr == b"trilha: standard output: cannot be written (No space left on device)\n"


def test_other_encodings_lose_signs_but_not_the_answer(writing, digits, tmp_path):
    digits(writing(), label="名前")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command("lineage", "model.pt"), cwd=tmp_path, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"`- " in done.stdout
    assert b"\\u540d" in done.stdout


def on_a_terminal(arguments, cwd, columns, **more):
    """What a command prints to a terminal of so many columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **more}
    if "NO_COLOR" not in more:
        environment.pop("NO_COLOR", None)
    process = subprocess.Popen(arguments, cwd=cwd, stdout=follower, stderr=subprocess.STDOUT, env=environment)
    os.close(follower)
    output = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(leader)
    assert process.wait() == 0
    return output.decode()


def test_a_terminal_gets_colours_within_its_width_unless_it_wants_none(writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    for columns in (80, 120):
        text = on_a_terminal(command("lineage", "model.pt"), tmp_path, columns, NO_COLOR="1")
        assert "\x1b[3" not in text
        lines = re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()
        assert max(map(len, lines)) <= columns
        begins = next(at for at, line in enumerate(lines) if line.startswith("It begins with"))
        assert not lines[begins - 1].strip()
    asked = on_a_terminal(command("ask", "who"), tmp_path, 40, NO_COLOR="1")
    assert max(map(len, re.sub("\x1b\\[[0-9;]*m", "", asked).splitlines())) <= 40
    assert "…" not in asked
    assert "\x1b[" in on_a_terminal(command("list"), tmp_path, 80)


def test_listing_imports_neither_rich_nor_what_it_does_not_need(writing, digits, tmp_path):
    digits(writing())
    trilha.store.open(tmp_path / ".trilha").close()
    code = (
        "import sys; from trilha.cli.main import _status; _status(['list']);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} &"
        " {'rich', 'asyncio', 'dataclasses', 'json'}),"
        " 'trilha.prov' in sys.modules and 'prov', 'trilha.store.loading' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "rich" not in done.stderr
    assert "asyncio" not in done.stderr
    assert done.stderr.endswith("False\n"), done.stderr
