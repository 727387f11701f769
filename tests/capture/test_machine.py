"""Facts of the machine and of the code version, from real commands and real repositories."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from trilha.capture import machine


def git(folder, *words, **environment):
    identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **environment}
    for role in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{role}_NAME": "Ana", f"GIT_{role}_EMAIL": "ana@example.org"}
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *words],
        env={**os.environ, **identity}, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("print(1)\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_tree_is_its_commit_and_branch(repository):
    found = machine.commit(str(repository))
    assert found == {
        "sha": git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "origin": "",
        "dirty": False,
    }
    inner = repository / "a" / "b"
    inner.mkdir(parents=True)
    assert machine.commit(str(inner)) == found


def test_a_changed_tree_has_its_difference_kept(repository):
    (repository / "train.py").write_text("print(2)\n")
    found = machine.commit(str(repository))
    assert found["dirty"]
    assert "-print(1)\n+print(2)\n" in found["diff"]
    assert not found["diff_cut"]
    git(repository, "add", ".")
    assert machine.commit(str(repository)) == found


def test_files_that_git_does_not_know_leave_a_tree_clean(repository):
    (repository / "notes.txt").write_text("mine")
    assert not machine.commit(str(repository))["dirty"]


def test_a_repository_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "-q")
    assert machine.commit(str(tmp_path)) is None


def test_a_bare_repository_and_no_repository_have_none(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "bare")
    assert machine.commit(str(tmp_path / "bare")) is None
    assert machine.commit("/") is None
    (tmp_path / ".git").mkdir()
    assert machine.commit(str(tmp_path)) is None


def test_a_detached_head_has_no_branch(repository):
    git(repository, "checkout", "-q", "--detach")
    found = machine.commit(str(repository))
    assert found["branch"] == ""
    assert len(found["sha"]) == 40


def test_without_git_there_is_no_commit(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert machine.commit(str(repository)) is None


def test_a_submodule_that_moved_on_is_a_difference(repository, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(repository), str(other))
    git(repository, "submodule", "--quiet", "add", str(other), "part")
    git(repository, "commit", "-q", "-m", "part")
    assert not machine.commit(str(repository))["dirty"]
    (repository / "part" / "train.py").write_text("print(3)\n")
    found = machine.commit(str(repository))
    assert found["dirty"]
    assert "part" in found["diff"]
    assert machine.commit(str(repository / "part"))["dirty"]


def test_a_linked_worktree_is_found(repository, tmp_path):
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    assert machine.commit(str(tmp_path / "side"))["branch"] == "side"


def test_a_huge_difference_is_cut(repository, monkeypatch):
    monkeypatch.setattr(machine, "_DIFF_LIMIT", 1000)
    (repository / "train.py").write_text("print('long')\n" * 100_000)
    found = machine.commit(str(repository))
    assert found["diff_cut"]
    assert len(found["diff"]) == 1000


def test_a_difference_that_is_no_utf_8_can_be_made_out(repository):
    (repository / "train.py").write_bytes(b"print('caf\xe9')\n")
    assert "caf\\xe9" in machine.commit(str(repository))["diff"]


def test_settings_of_the_users_own_git_change_nothing(repository, monkeypatch):
    (repository / "train.py").write_text("print(2)\n")
    plain = machine.commit(str(repository))
    git(repository, "config", "color.ui", "always")
    git(repository, "config", "diff.external", "/bin/false")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    assert machine.commit(str(repository)) == plain


def test_a_git_that_takes_too_long_is_given_up(repository, tmp_path, monkeypatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 3 &\nsleep 3\n")
    slow.chmod(0o755)
    monkeypatch.setattr(machine, "_GIT_SECONDS", 0.1)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    assert machine.commit(str(repository)) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ana:s3cret@host/team/code.git", "https://host/team/code.git"),
        ("https://s3cret@host/code", "https://host/code"),
        ("https://ana:s3/cret@host/code", "https://host/code"),
        ("https://host/code?token=s3cret", "https://host/code"),
        ("ssh://git@host:22/code", "ssh://host:22/code"),
        ("https://host/~ana@team/code", "https://host/~ana@team/code"),
        ("git@host:team/code.git", "git@host:team/code.git"),
        ("/a/folder", "/a/folder"),
    ],
)
def test_a_remotes_address_is_kept_without_what_is_secret(url, shown, repository):
    git(repository, "remote", "add", "origin", url)
    assert machine.commit(str(repository))["origin"] == shown


def test_no_secret_of_the_environment_or_the_remote_reaches_the_journal(
    repository, run_program, store, tmp_path
):
    shutil.copytree(repository / ".git", tmp_path / ".git")
    git(tmp_path, "remote", "add", "origin", "https://ana:PLANTED-1@host/code")
    program = "import trilha\nwith trilha.run('secrets'):\n    with trilha.step('s'):\n        pass\n"
    run_program(program, environment={"API_TOKEN": "PLANTED-2", "AWS_SECRET_ACCESS_KEY": "PLANTED-3"})
    [path] = store.paths()
    content = path.read_bytes()
    assert b"PLANTED" not in content
    assert b"https://host/code" in content


def test_the_facts_are_those_of_this_machine():
    facts = machine.machine_facts()
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert facts["memory"] > 1 << 20
    assert facts["system"] == "Linux"
    assert machine.machine_iri() == machine.machine_iri()
    assert machine.machine_iri().startswith("urn:uuid:")
    iri, name = machine.person()
    assert iri.startswith(f"acct:{name}@")


def test_the_machines_own_secret_id_is_not_shown():
    with (
        open("/etc/machine-id", encoding="ascii")
        if os.path.exists("/etc/machine-id")
        else open(os.devnull) as f
    ):
        secret = f.read().strip()
    assert not secret or secret not in machine.machine_iri().replace("-", "")


def alive(pid, started, *, host=None, iri=None, boot=None):
    here = machine.host(), machine.machine_iri(), machine.boot_id()
    given = (host, iri, boot)
    return machine.is_alive(
        *(g if g is not None else h for g, h in zip(given, here, strict=True)), pid, started
    )


def test_a_process_that_runs_is_alive_and_one_that_ended_is_not():
    me = os.getpid()
    assert alive(me, machine.process_start(me)) is True
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = machine.process_start(child.pid)
    assert alive(child.pid, started) is True
    child.kill()
    while machine.process_start(child.pid):
        time.sleep(0.001)
    assert alive(child.pid, started) is False  # a zombie: nobody waited for it yet
    child.wait()
    assert alive(child.pid, started) is False
    child.stdin.close()


def test_a_number_given_to_another_process_is_not_the_writer():
    me = os.getpid()
    assert alive(me, machine.process_start(me) - 1) is False


def test_what_cannot_be_known_from_here_is_unknown():
    me = os.getpid()
    started = machine.process_start(me)
    boot, _, space = machine.boot_id().partition(" ")
    other = f"00000000-0000-0000-0000-000000000000 {space}"
    assert alive(me, started, boot=other) is False  # this machine, before it was started anew
    assert alive(me, started, boot=other, host="elsewhere") is None
    assert alive(me, started, boot=other, iri="urn:uuid:another") is None
    assert alive(me, started, boot=f"{boot} pid:[1]") is None  # another container of this machine
    assert alive(me, started, boot="") is None
    assert alive(me, 0) is None


def test_a_process_of_an_odd_name_is_found(tmp_path):
    odd = tmp_path / "a) Z (b"
    shutil.copy(shutil.which("sleep"), odd)
    child = subprocess.Popen([odd, "60"])
    try:
        assert alive(child.pid, machine.process_start(child.pid)) is True
    finally:
        child.kill()
        child.wait()
