"""``trilha run``: how it hands over to the script, and what it says where there is none to run."""

import json
import os
import subprocess
import sys
import zipfile

import click
import pytest

from trilha.cli.main import _status
from trilha.cli.run import _check

TRILHA = [sys.executable, "-c", "from trilha.cli import main; main()"]


@pytest.fixture
def trilha(tmp_path):
    """Runs the command line in a process of its own, in `tmp_path`; gives exit status, output and errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}

    def call(*arguments, **more):
        done = subprocess.run(
            [*TRILHA, *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def shown(trilha, *store):
    return json.loads(trilha("show", "last", "--json", *store)[1])


def test_a_script_runs_with_its_own_options_output_and_status(trilha, tmp_path):
    (tmp_path / "s.py").write_text(
        "import sys\ndef f(x):\n    return x\n"
        "print(sys.argv, f(1))\nprint('to errors', file=sys.stderr)\nsys.exit(5)\n"
    )
    answer = trilha("run", "--name", "first try", "s.py", "--name", "x", "-m", "--", "--help")
    assert answer == (5, "['s.py', '--name', 'x', '-m', '--', '--help'] 1\n", "to errors\n")
    status, output, _ = trilha("list")
    assert status == 0
    assert "first try" in output
    assert "failed (5)" in output
    assert "f" in trilha("show", "last")[1]


def test_the_command_is_a_module_of_python_s_too_and_no_part_of_the_run_that_calls_it(trilha, tmp_path):
    (tmp_path / "inner.py").write_text("print('inner')\n")
    (tmp_path / "outer.py").write_text(
        "import subprocess, sys\n"
        "for words in (['run', 'inner.py'], ['list']):\n"
        "    subprocess.run([sys.executable, '-m', 'trilha', *words], check=True)\n"
    )
    status, output, errors = trilha("run", "outer.py")
    assert (status, errors) == (0, "")
    assert output.startswith("inner\nNAME")
    runs = json.loads(trilha("list", "--json")[1])["runs"]
    assert sorted(run["name"] for run in runs) == ["inner", "outer"]
    assert "trilha list" not in trilha("export", "outer", "-o", "-", "--format", "provn")[1]


def test_a_script_that_raises_prints_its_own_traceback(trilha, tmp_path):
    script = tmp_path / "s.py"
    script.write_text("def f():\n    raise ValueError('x')\nf()\n")
    plain = subprocess.run(
        [sys.executable, "s.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert trilha("run", "s.py") == (1, plain.stdout, plain.stderr)
    assert trilha("run", "--grain", "file", "s.py") == (1, plain.stdout, plain.stderr)
    assert trilha("list")[1].count("failed (1)") == 2


def test_a_module_runs_by_its_name(trilha, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "train.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    assert trilha("run", "-m", "package.train", "-x") == (0, "__main__ ['-x']\n", "")
    status, _, errors = trilha("run", "-m", "package.nowhere")
    assert status == 1
    assert errors.endswith(": No module named package.nowhere\n")


def test_the_store_is_the_one_that_was_named(trilha, tmp_path):
    (tmp_path / "s.py").write_text("import os\nos.chdir('/')\n")
    for words, more, folder in [
        (["run", "--store", "one", "s.py"], {}, "one"),
        (["--store", "two", "run", "s.py"], {}, "two"),
        (["run", "s.py"], {"TRILHA_STORE": "three"}, "three"),
        (["run", "s.py"], {}, ".trilha"),
    ]:
        assert trilha(*words, **more) == (0, "", "")
        assert len(list((tmp_path / folder / "journals").glob("*/*.journal"))) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.py"], "trilha: nowhere.py: no such file; expected a Python script"),
        (
            ["json"],
            "trilha: json: no such file; expected a Python script; to run a module, put -m before its name",
        ),
        (["empty"], "trilha: empty: a folder without __main__.py; expected a Python script in it"),
        (["s.py/x"], "trilha: s.py/x: cannot be read (not a directory)"),
        (["empty.zip"], "trilha: empty.zip: an archive without __main__.py; expected a Python script in it"),
        ([], "trilha: Missing argument 'SCRIPT'"),
        (
            ["--grain", "line", "s.py"],
            "trilha: Invalid value for '--grain': 'line' is not one of 'call', 'file', 'variable'",
        ),
    ],
)
def test_what_cannot_be_run_is_said_with_status_2(trilha, tmp_path, words, message):
    (tmp_path / "s.py").write_text("")
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert trilha("run", *words) == (2, "", f"{message} (trilha run --help)\n")
    assert not (tmp_path / ".trilha").exists()


def test_a_script_that_may_not_be_read_is_said(tmp_path):
    script, folder = tmp_path / "s.py", tmp_path / "folder"
    script.write_text("")
    folder.mkdir()
    script.chmod(0)
    folder.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        for path in (script, folder):
            with pytest.raises(click.UsageError, match=r"cannot be read \(permission denied\)"):
                _check(str(path))
    finally:
        if is_root:
            os.seteuid(0)


def test_a_name_that_is_no_name_of_a_file():
    with pytest.raises(click.UsageError, match="no name of a file"):
        _check("a\0b")


def test_help_shows_examples(trilha):
    status, output, errors = trilha("run", "--help")
    assert (status, errors) == (0, "")
    for part in (
        "trilha run train.py --epochs 10",
        "-m package.train",
        "--grain [call|file|variable]",
        "--store FOLDER",
    ):
        assert part in output


def test_options_of_the_interpreter_are_handed_on(tmp_path):
    (tmp_path / "s.py").write_text(
        "import sys\nprint(sys.warnoptions, sys.flags.optimize, sys.orig_argv[1:])\n"
    )
    words = [sys.executable, "-W", "error", "-O", *TRILHA[1:], "run", "s.py", "-W"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['error'] 1 ['-W', 'error', '-O', 's.py', '-W']\n", "")


def test_a_script_from_a_pipe_is_read_once(trilha, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", "echo 'print(6 * 7)' > pipe"], cwd=tmp_path)
    assert trilha("run", "pipe") == (0, "42\n", "")
    writer.wait(timeout=30)


def test_a_step_that_an_exception_ended_is_shown_as_that(trilha, tmp_path):
    (tmp_path / "s.py").write_text(
        "def f():\n    raise ValueError('x')\ntry:\n    f()\nexcept ValueError:\n    pass\n"
    )
    assert trilha("run", "s.py")[0] == 0
    shown = trilha("show", "last")[1]
    assert "ended by ValueError" in shown
    assert "finished" in shown


def test_a_trace_is_refused_where_threads_run_without_the_global_lock(monkeypatch, capsys, tmp_path):
    launched = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trilha.capture.launch.replace_process", launched.append)
    (tmp_path / "s.py").write_text("pass")
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    for words in (["--grain", "variable"], ["--values"]):
        assert _status(["run", *words, "s.py"]) == 2
        assert "this Python runs threads without the global lock" in capsys.readouterr().err
    assert not launched
    _status(["run", "s.py"])
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    _status(["run", "--values", "s.py"])
    assert [launch.grain for launch in launched] == ["call", "variable"]
