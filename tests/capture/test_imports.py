"""Integrations: begun when their library is imported, ended with the run, ours or of other packages."""

import importlib
import subprocess
import sys
import textwrap
import traceback

import pytest
from tests.capture.graph import recording

import trilha
from trilha.capture import imports

INTEGRATION = """
events = []


def begin(recorder, library):
    events.append(("begin", library.__name__, library.VALUE))
    open("config of the integration", "a").close()


def end(recorder):
    events.append(("end",))
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages; gives a function that puts one there."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)

    def install(name, modules, entries=""):
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        if entries:
            (about / "entry_points.txt").write_text(entries)
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()

    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def library(name):
    return {name: "VALUE = 1\n", f"{name}_trail": INTEGRATION}


ENTRY = (
    "[console_scripts]\nx = y:z\n\n[trilha.integrations]\n# ours\n{0} = {0}_trail\n\n[other]\n{0} = wrong\n"
)


def test_an_integration_of_another_package_begins_when_its_library_is_imported(site, tmp_path):
    site("one", library("liba"), ENTRY.format("liba"))
    with recording(tmp_path / "store") as graph:
        assert "liba_trail" not in sys.modules
        import liba

        assert liba.__spec__.loader.__dict__.keys() <= {"name", "path"}
        trail = sys.modules["liba_trail"]
        assert trail.events == [("begin", "liba", 1)]
    assert trail.events == [("begin", "liba", 1), ("end",)]
    # What an integration opens is not the program's doing.
    assert graph.files() == []
    assert imports._finder not in sys.meta_path


def test_an_integration_of_another_package_begins_when_its_library_is_there(site, tmp_path):
    site("one", library("libb"), ENTRY.format("libb"))
    import libb  # noqa: F401

    for number in range(2):
        with recording(tmp_path / str(number)):
            pass
    assert sys.modules["libb_trail"].events == [("begin", "libb", 1), ("end",)] * 2


def test_several_packages_may_know_one_library_and_name_an_object(site, tmp_path):
    site("one", library("libc"), ENTRY.format("libc"))
    source = (
        "from types import SimpleNamespace\nimport libc_trail\nhere = SimpleNamespace(there=libc_trail)\n"
    )
    site("two", {"other_trail": source}, "[trilha.integrations]\nlibc = other_trail:here.there [extra]\n")
    with recording(tmp_path / "store"):
        import libc  # noqa: F401
    assert sorted(sys.modules["libc_trail"].events) == [("begin", "libc", 1)] * 2 + [("end",)] * 2


@pytest.mark.parametrize(
    "integration",
    ["1 / 0", "def begin(recorder, library): raise ValueError", "x = 1", "import nothing_like_that"],
    ids=range(4),
)
def test_an_integration_that_fails_is_one_warning(integration, site, tmp_path, capfd):
    site("one", {"libd": "VALUE = 1", "libd_trail": integration}, ENTRY.format("libd"))
    with recording(tmp_path / "store") as graph:
        import libd

        assert libd.VALUE == 1
        trilha.log(loss=1.0)
    warning, *lost = [line for line in capfd.readouterr().err.splitlines() if "libd" in line]
    assert "its integration libd_trail failed" in warning
    # That an event is missing is told once, at the end, with where it was lost.
    assert lost in (
        [],
        [one for one in lost[:1] if "1 event of this run was not recorded (the first: " in one],
    )
    assert graph.metrics() == [{"loss": 1.0}]


def test_an_integration_that_fails_in_the_end_disturbs_nothing(site, tmp_path):
    failing = INTEGRATION.replace('events.append(("end",))', "raise ValueError")
    site("one", {"libe": "VALUE = 1", "libe_trail": failing}, ENTRY.format("libe"))
    with recording(tmp_path / "store") as graph:
        import libe  # noqa: F401
    assert graph.run["status"] == ["finished"]


def test_a_library_that_cannot_be_imported_fails_as_ever(site, tmp_path):
    site(
        "one", {"libf": "def inner():\n    1 / 0\ninner()\n", "libf_trail": INTEGRATION}, ENTRY.format("libf")
    )

    def trace():
        try:
            import libf  # noqa: F401
        except ZeroDivisionError:
            return traceback.format_exc()

    plain = trace()
    with recording(tmp_path / "store"):
        assert trace() == plain
        assert trace() == plain
    assert "libf_trail" not in sys.modules


def test_broken_descriptions_of_packages_are_passed_over(site, tmp_path):
    site("one", library("libg"), ENTRY.format("libg"))
    site("two", {}, "trilha.integrations [[[\n= \n[trilha.integrations]\nnonsense\n = \n")
    broken = tmp_path / "site-packages" / "two-1.0.dist-info" / "entry_points.txt"
    broken.write_bytes(b"\xff\xfe\n" + broken.read_bytes())
    with recording(tmp_path / "store"):
        import libg  # noqa: F401
    assert sys.modules["libg_trail"].events


def test_torch_is_watched_without_being_imported():
    code = """
    import sys, tempfile, trilha
    with trilha.run("x", store=tempfile.mkdtemp()):
        import json, colorsys
        print(sorted({"torch", "numpy", "trilha.capture.integrations.torch"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
