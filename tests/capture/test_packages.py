"""The packages that a program imported, as entities that its run used."""

import sys
from types import ModuleType

import msgspec
import numpy as np
import pytest
from tests.capture.graph import recording

from trilha.prov import Kind

__all__ = ["msgspec", "np"]


def packages(graph):
    return {one[3] for one in graph.of(Kind.USAGE) if str(one[3]).startswith("pkg:")}


def test_imported_packages_and_the_interpreter_are_used_by_the_run(tmp_path):
    with recording(tmp_path) as graph:
        pass
    version = ".".join(map(str, sys.version_info[:3]))
    used = packages(graph)
    assert f"pkg:generic/cpython@{version}" in used
    assert f"pkg:pypi/numpy@{np.__version__}" in used
    assert f"pkg:pypi/msgspec@{msgspec.__version__}" in used
    assert not any("trilha" in name for name in used)
    about = graph.about[f"pkg:pypi/numpy@{np.__version__}"]
    assert about["label"] == [f"numpy {np.__version__}"]
    assert (about["name"], about["version"]) == (["numpy"], [np.__version__])


def test_whoever_asks_first_finds_the_packages(tmp_path, monkeypatch):
    import concurrent.futures.thread  # noqa: F401 -- an integration that begins with the run, and looks

    from trilha.capture.background import Worker

    # As where the background thread is quicker than the one that begins the run.
    monkeypatch.setattr(Worker, "add", lambda self, piece, whole=True: piece(lambda: False))
    with recording(tmp_path) as graph:
        pass
    assert f"pkg:pypi/numpy@{np.__version__}" in packages(graph)


def test_a_package_that_is_installed_during_the_run_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    from trilha.capture.context import process

    with recording(tmp_path / "store") as graph:
        (folder / "latelib.py").write_text("")
        about = folder / "late_lib-2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Name: late-lib\nVersion: 2\n")
        (about / "RECORD").write_text("latelib.py,,\n")
        import latelib  # noqa: F401

        # As the background thread does when a library is imported that an integration knows.
        process.recorder.packages.look()
    del sys.modules["latelib"]
    assert "pkg:pypi/late-lib@2" in packages(graph)


def test_a_package_is_stated_once(tmp_path):
    from trilha.capture.context import process

    with recording(tmp_path) as graph:
        for _ in range(3):
            process.recorder.packages.look()
    names = [one[3] for one in graph.of(Kind.USAGE) if "numpy" in str(one[3])]
    assert len(names) == 1


def test_a_distribution_called_otherwise_than_its_module_is_found(tmp_path):
    import dateutil  # noqa: F401

    with recording(tmp_path) as graph:
        pass
    assert any(str(name).startswith("pkg:pypi/python-dateutil@") for name in packages(graph))


@pytest.mark.parametrize("kind", ["lazy", "hostile", "none", "object", "odd"])
def test_odd_modules_are_left_alone(kind, tmp_path, monkeypatch):
    asked = []

    class Lazy(ModuleType):
        def __getattribute__(self, name):
            asked.append(name)
            raise RuntimeError("loads now")

    class Hostile:
        __slots__ = ()

        def __getattr__(self, name):
            asked.append(name)
            raise RuntimeError("no")

    odd = ModuleType("odd_module")
    odd.__file__ = 3
    modules = {"lazy": Lazy("odd_module"), "hostile": Hostile(), "none": None, "object": object(), "odd": odd}
    monkeypatch.setitem(sys.modules, "odd_module", modules[kind])
    with recording(tmp_path) as graph:
        pass
    assert graph.dropped == 0
    assert [name for name in asked if name != "__spec__"] == []


def test_a_broken_distribution_disturbs_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    about = folder / "brokenpkg-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_bytes(b"\xff\xfe nothing\n")
    (about / "RECORD").write_text("brokenpkg.py,,\n")
    (folder / "brokenpkg.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    with recording(tmp_path / "store") as graph:
        import brokenpkg  # noqa: F401
    del sys.modules["brokenpkg"]
    assert any("numpy" in str(name) for name in packages(graph))
    assert graph.run["status"] == ["finished"]
