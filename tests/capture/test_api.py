"""The public names: what users write, right or wrong, inside a run and outside."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from tests.capture.graph import Graph, recording

import trilha
from trilha.capture.context import process
from trilha.errors import UsageError
from trilha.prov import Kind


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def record(place):
    return lambda **how: recording(place.parent / "store", **how)


def run_script(folder, source, *, words=(), environment=None):
    script = folder / "script.py"
    script.write_text(textwrap.dedent(source))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
    done = subprocess.run(
        [sys.executable, *words, str(script)],
        cwd=folder,
        env={**kept, "TRILHA_STORE": str(folder.parent / "store"), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, Graph(folder.parent / "store")


def test_outside_a_run_everything_does_nothing(place):
    @trilha.step
    def function(x):
        return x

    thing = object()
    assert process.recorder is None
    assert trilha.use(thing) is thing
    assert trilha.use("no such file") == "no such file"
    assert trilha.produce(thing, "name") is thing
    assert trilha.log(loss=1, note="text") is None
    assert trilha.log() is None
    assert trilha.hyperparameters(a=object()) is None
    with trilha.step("step", thing=thing) as step:
        assert step is None
    assert function(thing) is thing
    assert not list(place.parent.rglob("*.journal"))


def test_what_is_used(place, record, capfd):
    Path("a.csv").write_text("1")
    Path("b.csv").write_text("2")
    array = np.zeros(2)
    with record() as graph, trilha.step("step"):
        assert trilha.use("a.csv") == "a.csv"
        assert trilha.use(Path("b.csv")) == Path("b.csv")
        assert trilha.use(array) is array
        assert trilha.use(array) is array
        assert trilha.use(3.5) == 3.5
        assert trilha.use(None) is None
        for _ in range(3):
            assert trilha.use("missing.csv") == "missing.csv"
        trilha.use(".")
        trilha.use("nul\0")
    assert graph.usages() == [
        ("step", "a.csv"),
        ("step", "b.csv"),
        ("step", "ndarray"),
        ("step", "3.5"),
        ("step", "None"),
    ]
    said = capfd.readouterr().err.splitlines()
    assert ["missing.csv" in line for line in said] == [True, False, False]
    assert ["there is no such file" in line for line in said] == [True, False, True]
    assert ["folder" in line for line in said] == [False, True, False]
    assert graph.dropped == 0


def test_a_folder_is_no_file(place, record, capfd):
    with record():
        trilha.use(".")
    assert "it is a folder; name the files in it" in capfd.readouterr().err


def test_what_is_produced_is_derived_from_what_the_step_used(place, record, capfd):
    Path("in.csv").write_text("1")
    array = np.zeros(2)
    with record() as graph, trilha.step("step"):
        trilha.use("in.csv")
        trilha.use(array)
        Path("out.csv").write_text("2")
        assert trilha.produce("out.csv") == "out.csv"
        result = trilha.produce([1], "result")
        assert result == [1]
        trilha.produce(0.75, "accuracy")
        trilha.produce("never written")
    assert sorted(graph.derivations()) == sorted(
        (made, source) for made in ("out.csv", "result", "accuracy") for source in ("in.csv", "ndarray")
    )
    assert graph.one("accuracy")["value"] == [0.75]
    assert "never written" in capfd.readouterr().err


def test_what_was_written_is_not_generated_twice_when_it_is_produced(place, record):
    with record() as graph, trilha.step("step"):
        Path("out").write_text("2")
        trilha.produce("out")
        trilha.produce("out", "the result")
    assert graph.generations() == [("out", "step")]
    assert graph.one("out")["name"] == ["the result"]


def test_a_known_object_that_is_produced_is_a_new_version(place, record):
    array = np.zeros(2)
    with record() as graph:
        trilha.use(array)
        with trilha.step("step"):
            array += 1
            trilha.produce(array, "better")
        trilha.use(array)
    assert graph.derivations() == [("better", "ndarray")]
    assert graph.usages()[-1] == ("run", "better")


def test_hyperparameters_of_every_kind(place, record):
    class Thing:
        def __repr__(self):
            return "<a thing>"

    loop = {}
    loop["again"] = loop
    with record() as graph:
        trilha.hyperparameters(
            lr=np.float32(0.5),
            layers=[64, 64],
            none=None,
            flag=True,
            name="größe",
            long="x" * 1_000_000,
            huge=2**70,
            gigantic=10**6000,
            thing=Thing(),
            optimizer={"name": "Adam", "betas": (0.9, 0.999), 3: {"deep": 1}, "empty": {}},
            loop=loop,
            odd="nul\0 \ud800",
            many=list(range(100_000)),
            array=np.zeros((1000, 1000)),
            **{"a b": 1},
        )
    values = {
        facts["name"][0]: (facts["value"] or [None])[0]
        for facts in graph.about.values()
        if facts["type"] and facts["type"][0].endswith("Hyperparameter")
    }
    assert values["lr"] == 0.5
    assert values["layers"] == "[64, 64]"
    assert values["none"] is None
    assert values["flag"] is True
    assert values["name"] == "größe"
    assert len(values["long"]) == 1_000_000
    assert values["thing"] == "<a thing>"
    assert values["optimizer.name"] == "Adam"
    assert values["optimizer.betas"] == "(0.9, 0.999)"
    assert values["optimizer.3.deep"] == 1
    assert values["optimizer.empty"] == "{}"
    assert values["gigantic"] == "a whole number of 19932 bits"
    assert values["a b"] == 1
    assert len(values["many"]) < 1000
    assert len(values["array"]) <= 1000
    assert "loop" + ".again" * 8 in values
    assert graph.dropped == 0
    assert len(graph.usages()) == len(values)


def test_a_run_with_attributes_and_objects(place, record):
    array = np.zeros(2)
    with record(ratio=0.2, data=array, path=Path("x")) as graph:
        pass
    assert graph.run["arg.ratio"] == [0.2]
    assert graph.run["arg.path"] == ["x"]
    assert graph.usages() == [("run", "data")]
    assert graph.run["status"] == ["finished"]


def test_a_run_in_a_run_is_a_step(place, record):
    with record() as graph, trilha.step("outer"), trilha.run("inner", depth=1) as inner:
        assert inner.id == process.recorder.uuid
        with trilha.step("deep"):
            pass
    assert graph.starters() == {"outer": "run", "inner": "outer", "deep": "inner"}
    assert graph.one("inner")["arg.depth"] == [1]
    assert len(list(graph.folder.glob("journals/*"))) == 1


def test_a_run_in_a_run_that_fails_ends_as_a_step(place, record):
    with record() as graph:
        with pytest.raises(KeyError), trilha.run("inner"):
            raise KeyError
        assert process.recorder is not None
    assert graph.one("inner")["exception"] == ["KeyError"]
    assert graph.run["status"] == ["finished"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(0), "finished"),
        (SystemExit(3), "failed"),
    ],
    ids=range(4),
)
def test_a_run_whose_body_raises(error, status, place, record):
    with pytest.raises(type(error)), record() as graph:
        raise error
    assert graph.run["status"] == [status]
    assert process.recorder is None


def test_two_runs_in_one_process_and_one_entered_twice(place):
    again = trilha.run("again", store=place / "store")
    ids = []
    for _ in range(2):
        with again as run:
            ids.append(run.id)
            with trilha.step("step"):
                trilha.log(loss=1.0)
    with again as outer, again as inner:
        ids.append(inner.id)
    assert outer is again
    assert len(set(ids)) == 3
    assert process.recorder is None
    graph = Graph(place / "store")
    assert len(list(graph.folder.glob("journals/*"))) == 3
    assert graph.labels("Step") == ["step"] * 2 + ["again"] or sorted(graph.labels("Step")) == [
        "again",
        "step",
        "step",
    ]


def test_objects_of_one_run_are_new_in_the_next(place):
    array = np.zeros(2)
    for number in range(2):
        with recording(place / str(number)) as graph, trilha.step("step", data=array):
            pass
        assert graph.usages() == [("step", "data")]
        assert graph.generations() == [("data", "run")]


@pytest.mark.parametrize("wrong", [{"name": 3}, {"name": "x", "store": 3}])
def test_a_wrong_call_of_run_says_so(wrong):
    with pytest.raises(UsageError, match=r"trilha\.run"):
        trilha.run(**wrong)


def test_a_store_that_cannot_be_made_is_one_warning(place, capfd):
    Path("file").write_text("")
    with trilha.run("x", store="file/store") as run:
        assert run.id == ""
        trilha.log(loss=1)
        with trilha.step("step"):
            trilha.hyperparameters(a=1)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert "not recorded" in said[0]


def test_a_wrong_durability_is_a_warning_and_no_exception(place):
    done, _ = run_script(
        place,
        """
        import trilha
        with trilha.run("x"):
            trilha.log(loss=1)
        print("done")
        """,
        environment={"TRILHA_DURABILITY": "sometimes"},
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("trilha:") == 1
    assert "durability 'sometimes'" in done.stderr


def test_under_the_launcher_a_run_is_a_step(place):
    launcher = Path(trilha.__file__).parent / "capture" / "launch.py"
    script = place / "script.py"
    script.write_text("import trilha\nwith trilha.run('inner'):\n    trilha.log(loss=1)\n")
    done = subprocess.run(
        [
            sys.executable,
            str(launcher),
            "--name=outer",
            f"--store={place.parent / 'store'}",
            "--",
            str(script),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    graph = Graph(place.parent / "store")
    assert graph.starters() == {"inner": "run"}
    assert graph.run["label"] == ["outer"]


def test_threads_and_tasks_have_their_own_current_step(place, record):
    import threading

    async def task(number):
        with trilha.step(f"task {number}"):
            await asyncio.sleep(0)
            trilha.hyperparameters(number=number)

    async def main():
        await asyncio.gather(*map(task, range(3)))

    def thread():
        with trilha.step("in thread"):
            pass

    with record() as graph, trilha.step("outer"):
        asyncio.run(main())
        one = threading.Thread(target=thread)
        one.start()
        one.join()
    starters = graph.starters()
    assert {starters[f"task {number}"] for number in range(3)} == {"outer"}
    assert starters["in thread"] == ("run" if sys.version_info < (3, 14) else starters["in thread"])
    used = [(graph.label(one[2]), graph.about[one[3]]["value"]) for one in graph.of(Kind.USAGE)]
    assert [(f"task {number}", [number]) in used for number in range(3)] == [True] * 3


def test_importing_trilha_brings_nothing_heavy():
    code = '''
    import sys
    before = set(sys.modules)
    import trilha
    trilha.log(loss=1)
    trilha.step("x")
    heavy = """
        click rich sqlite3 torch numpy pandas
        inspect asyncio logging importlib.metadata urllib.request http
        email subprocess msgspec trilha.store trilha.query trilha.formats
        trilha.prov trilha.capture.steps trilha.capture.recorder trilha.capture.files
    """.split()
    print(sorted(set(heavy) & (set(sys.modules) - before)))
    '''
    done = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_public_names():
    assert set(trilha.__all__) == {
        *(
            "Stop",
            "__version__",
            "annotate",
            "ask",
            "autolog",
            "finish",
            "hyperparameters",
            "log",
            "open",
            "produce",
        ),
        *("read", "run", "step", "trace", "use", "watch", "write"),
    }
    for name in trilha.__all__:
        assert getattr(trilha, name) is not None
    assert "open" in dir(trilha)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        trilha.nothing  # noqa: B018


def test_what_another_step_has_written_is_not_said_to_be_made_by_this_one(tmp_path):
    path = tmp_path / "out.txt"
    with recording(tmp_path / "store") as graph:
        with trilha.step("write"), open(path, "w") as file:
            file.write("1")
        with trilha.step("declare"):
            trilha.use([1])
            trilha.produce(path)
    assert ("out.txt", "write") in graph.generations()
    assert [record[4:7] for record in graph.of(Kind.DERIVATION)] == [(None, None, None)]
