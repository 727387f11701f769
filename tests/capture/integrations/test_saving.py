"""What libraries write to files and read from them: derived exactly, and only where the object is known."""

import copy
import gzip
import inspect
import io
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from matplotlib.figure import Figure
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph, recording
from tests.capture.launching import LAUNCHER

import trilha
from trilha.prov import Kind


@trilha.step
def make(rows=6):
    return np.arange(rows * 2.0).reshape(rows, 2)


@trilha.step
def table():
    return pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "c": ["x", "y"]})


@trilha.step
def settings():
    return {"rate": 0.1, "epochs": 3}


@trilha.step
def draw():
    return Figure()


@trilha.step
def meet(thing):
    return None


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_valid(graph):
    with trilha.open(graph.folder) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    assert not graph.dropped


def sources(graph, path, *, exactly=True):
    """Labels of what the one file that was at `path` was derived from, each with all that it came from.

    Where it is `exactly` known, the derivation names the activity, and the generation and usage by that.
    """
    [entity] = [one for one, facts in graph.about.items() if str(path) in facts["path"]]
    [made] = [record for record in graph.of(Kind.GENERATION) if record[2] == entity]
    found = {}
    for record in graph.of(Kind.DERIVATION):
        if record[2] == entity:
            _, _, _, source, activity, generation, usage, *_ = record
            if exactly:
                [used] = [one for one in graph.of(Kind.USAGE) if one[1] == usage]
                assert (generation, activity) == (made[1], made[3])
                assert (used[2], used[3]) == (activity, source)
            found[graph.label(source)] = origins(graph, source)
    return found


def origins(graph, entity):
    """Labels of what an entity was derived from."""
    return {graph.label(record[3]) for record in graph.of(Kind.DERIVATION) if record[2] == entity}


def opened(write):
    """Writes by a file object that was opened for it."""

    def write_to(thing, path):
        with open(path, "wb") as file:
            write(thing, file)

    return write_to


def text(thing, path):
    with open(path, "w") as file:
        json.dump(thing, fp=file)


def zipped(thing, path):
    with gzip.open(path, "wb") as file:
        pickle.dump(thing, file)


def unpickled(path):
    with path.open("rb") as file:
        return pickle.load(file)


def parsed(path):
    with path.open() as file:
        return json.load(file)


WRITERS = {
    "save": (make, lambda thing, path: np.save(path, thing)),
    "without its suffix": (make, lambda thing, path: np.save(path.removesuffix(".npy"), thing)),
    "save by name": (make, lambda thing, path: np.save(arr=thing, file=path)),
    "save to a file object": (make, opened(lambda thing, file: np.save(file, thing))),
    "savez": (make, lambda thing, path: np.savez(path.removesuffix(".npz"), thing)),
    "savez by name": (make, lambda thing, path: np.savez_compressed(path, x=thing)),
    "savetxt": (make, lambda thing, path: np.savetxt(path, thing)),
    "a slice": (make, lambda thing, path: np.save(path, thing[2:])),
    "pickle": (make, opened(lambda thing, file: pickle.dump(file=file, obj=thing))),
    "pickle into gzip": (make, zipped),
    "pickle in a dict": (make, opened(lambda thing, file: pickle.dump({"x": thing, "y": [1]}, file))),
    "joblib": (make, "joblib.dump"),
    "skops": (make, "skops.io.dump"),
    "json": (settings, text),
    "to_csv": (table, lambda thing, path: thing.to_csv(path)),
    "to_csv by name": (table, lambda thing, path: thing.to_csv(path_or_buf=path, index=False)),
    "to_parquet": (table, lambda thing, path: thing.to_parquet(path)),
    "to_json": (table, lambda thing, path: thing.to_json(path)),
    "to_pickle": (table, lambda thing, path: thing.to_pickle(path)),
    "some columns": (table, lambda thing, path: thing[["a", "b"]].to_csv(path)),
    "one column": (table, lambda thing, path: thing["b"].to_csv(path)),
    "a column's array": (table, lambda thing, path: np.save(path, thing["b"].to_numpy())),
    "savefig": (draw, lambda thing, path: thing.savefig(path.removesuffix(".png"))),
}


def called(function):
    """A function that is looked up by its name now, as a program does it: it may be wrapped by now."""
    if not isinstance(function, str):
        return function
    module, _, name = function.rpartition(".")
    return getattr({"np": np, "pd": pd, "joblib": joblib, "skops.io": skops.io}[module], name)


def suffix(name):
    return {"savez": ".npz", "savefig": ".png"}.get(name.split()[0], ".npy")


def test_what_is_written_from_a_known_object_is_derived_from_it(here):
    with recording(here / "store") as graph:
        for name, (step, write) in WRITERS.items():
            called(write)(step(), str(here / f"{name}{suffix(name)}"))
    parts = {"a slice": "make()"} | dict.fromkeys(
        ("some columns", "one column", "a column's array"), "table()"
    )
    for name, (step, _) in WRITERS.items():
        found = sources(graph, here / f"{name}{suffix(name)}")
        if name in parts:
            assert list(found.values()) == [{parts[name]}], name
        else:
            assert list(found) == [f"{step.__name__}()"], name
    is_valid(graph)


READERS = {
    "x.npy": (lambda path: np.save(path, np.ones(3)), "np.load"),
    "mapped.npy": (lambda path: np.save(path, np.ones(3)), lambda path: np.load(path, mmap_mode="r")),
    "x.npz": (lambda path: np.savez(path, one=np.ones(3)), lambda path: np.load(path)["one"]),
    "x.txt": (lambda path: np.savetxt(path, np.ones(3)), "np.loadtxt"),
    "y.txt": (lambda path: np.savetxt(path, np.ones(3)), lambda path: np.genfromtxt(fname=path)),
    "x.bin": (lambda path: np.ones(3).tofile(path), "np.fromfile"),
    "x.pkl": (lambda path: path.write_bytes(pickle.dumps([1, 2])), unpickled),
    "x.json": (lambda path: path.write_text('{"rate": 1}'), parsed),
    "x.joblib": (lambda path: joblib.dump(np.ones(3), path), "joblib.load"),
    "x.skops": (lambda path: skops.io.dump(np.ones(3), path), "skops.io.load"),
    "x.csv": (lambda path: path.write_text("a,b\n1,2\n"), "pd.read_csv"),
    "b.csv": (lambda path: path.write_text("a,b\n1,2\n"), lambda path: pd.read_csv(path)["b"]),
    "values.csv": (
        lambda path: path.write_text("a,b\n1,2\n"),
        lambda path: pd.read_csv(filepath_or_buffer=path)["b"].to_numpy(),
    ),
    "x.parquet": (lambda path: pd.DataFrame({"a": [1]}).to_parquet(path), "pd.read_parquet"),
    "table.json": (lambda path: path.write_text('[{"a": 1}]'), "pd.read_json"),
    "table.pkl": (lambda path: pd.DataFrame({"a": [1]}).to_pickle(path), "pd.read_pickle"),
}


def test_what_is_read_is_derived_from_its_file_once_it_is_met(here):
    for name, (write, _) in READERS.items():
        write(here / name)
    things = []
    with recording(here / "store") as graph:
        for name, (_, read) in READERS.items():
            things += [called(read)(here / name), called(read)(here / name)]
            meet(things[-2])
    for name in READERS:
        file = graph.id(name)
        read = [record for record in graph.of(Kind.DERIVATION) if record[3] == file]
        assert len(read) == 1, name  # The second was never met.
        [_, _, made, _, activity, generation, usage, *_] = read[0]
        assert f"of {name}" in graph.label(made)
        assert graph.label(activity) == "run"
        assert [record[2] for record in graph.of(Kind.GENERATION) if record[1] == generation] == [made]
        assert [record[3] for record in graph.of(Kind.USAGE) if record[1] == usage] == [file]
        taken = {one[3] for one in graph.of(Kind.USAGE) if graph.label(one[2]) == "meet"}
        assert taken & {made, *(one[2] for one in graph.of(Kind.DERIVATION) if one[3] == made)}, name
    is_valid(graph)


def test_what_nobody_knows_is_not_said_to_be_in_a_file(here):
    with recording(here / "store") as graph:
        known = make()
        np.save("copied.npy", known + 1)
        np.save("over.npy", known)
        np.save("over.npy", np.ones(2))
        known = None
        with open("text.npy", "w") as file:
            file.write("nothing")
        pickle.dump(make(), io.BytesIO())
        table().to_csv()
        with pytest.raises(TypeError):
            pickle.dump(make(), None)
    assert [one for one in graph.derivations() if one[0].endswith(".npy")] == []
    is_valid(graph)


def test_files_that_stay_open_are_added_to_or_renamed_keep_what_they_hold(here):
    with recording(here / "store") as graph:
        with open("both.pkl", "wb") as file:
            pickle.dump(make(), file)
            pickle.dump(settings(), file)
        table().to_csv("rows.csv")
        settings_ = settings()
        pd.DataFrame({"a": [1]}).to_csv("rows.csv", mode="a")
        np.save("part.npy", make())
        Path("part.npy").replace("whole.npy")
        del settings_
    assert set(sources(graph, here / "both.pkl")) == {"make()", "settings()"}
    assert set(sources(graph, here / "rows.csv")) == {"table()"}
    assert set(sources(graph, here / "whole.npy")) == {"make()"}
    is_valid(graph)


def test_an_object_that_changed_is_written_as_a_new_version(here):
    with recording(here / "store") as graph:
        known = make()
        known[:] = 0
        np.save("zeros.npy", known)
    assert sources(graph, here / "zeros.npy") == {"changed array": {"make()"}}
    is_valid(graph)


def test_a_file_that_another_step_opened_names_no_activity_for_what_a_step_put_in(here):
    with recording(here / "store") as graph:
        known = make()
        with open("x.pkl", "wb") as file, trilha.step("inner"):
            pickle.dump(known, file)
    assert set(sources(graph, here / "x.pkl", exactly=False)) == {"make()"}
    assert ("x.pkl", "run") in graph.generations()
    is_valid(graph)


def test_what_a_step_reads_and_gives_is_its_result_and_comes_from_the_file_too(here):
    np.save("x.npy", np.ones(3))

    @trilha.step
    def load(scale):
        found = np.load("x.npy")
        found *= scale[0, 1]
        return found

    with recording(here / "store") as graph:
        meet(load(make()))
    assert origins(graph, graph.id("load()")) == {"make()", "x.npy"}
    assert not [one for one in graph.labels() if "of x.npy" in one]
    is_valid(graph)


def test_functions_stay_what_they_are_and_are_put_back(here):
    """A table of functions, a class's attribute, a pickle and a signature take no notice."""
    places = [pickle, json, joblib, np, pd, skops.io, pd.DataFrame, pd.Series, Figure, type(pd.DataFrame())]
    before = [dict(vars(one)) for one in places]
    handled = {np.savetxt: "savetxt", np.save: "save", pickle.dump: "dump"}
    signatures = {
        one: inspect.signature(one) for one in (json.dump, pd.read_csv, pd.DataFrame.to_csv, np.save)
    }
    with recording(here / "store"):
        assert pickle.dump is not before[0]["dump"]
        assert [handled[one] for one in (np.savetxt, np.save, pickle.dump)] == ["savetxt", "save", "dump"]
        for one in (pickle.dump, pickle.load, np.savetxt, np.save, np.load, json.dump, pd.read_csv):
            assert pickle.loads(pickle.dumps(one)) is one
            assert copy.deepcopy(one) is one
        for one, signature in signatures.items():
            now = next(
                new
                for new in (json.dump, pd.read_csv, pd.DataFrame.to_csv, np.save)
                if new.__name__ == one.__name__
            )
            assert (inspect.signature(now), now.__doc__) == (signature, one.__doc__)

        class Serializer:
            dump = pickle.dump

        target = io.BytesIO()
        Serializer().dump([1], target)
        assert pickle.loads(target.getvalue()) == [1]
        assert repr(pickle.dump) == repr(before[0]["dump"])
    for one, was in zip(places, before, strict=True):
        assert {name: thing for name, thing in vars(one).items() if was.get(name) is not thing} == {}


def test_warnings_and_errors_name_the_caller_as_ever(here):
    Path("empty.txt").write_text("")
    with recording(here / "store"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.loadtxt("empty.txt")
        with pytest.raises(FileNotFoundError) as error:
            pd.read_csv("missing.csv")
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]
    assert not [one for one in error.traceback if "trilha" in str(one.path) and "tests" not in str(one.path)]


SCRIPTS = {
    "prepare.py": """
        import numpy as np
        import pandas as pd

        def features(table):
            return (table[["a", "b"]] - table[["a", "b"]].mean()).to_numpy()

        table = pd.read_csv("raw.csv")
        np.save("X", features(table))
        np.savez("y.npz", y=table["y"].to_numpy())
        """,
    "train.py": """
        import joblib
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        X = np.load("X.npy")
        with np.load("y.npz") as archive:
            y = archive["y"]
        model = LogisticRegression().fit(X[:30], y[:30])
        joblib.dump({"model": model, "classes": [0, 1]}, "model.joblib")
        """,
    "predict.py": """
        import joblib
        import numpy as np
        import pandas as pd

        def report(predicted):
            return pd.DataFrame({"y": predicted})

        model = joblib.load("model.joblib")["model"]
        table = report(model.predict(np.load(open("X.npy", "rb"))))
        table.to_csv("predictions.csv", index=False)
        """,
}


def test_a_lineage_goes_through_three_programs_by_their_objects(here):
    rows = "".join(f"{number},{number % 7},{int(number > 20)}\n" for number in range(40))
    Path("raw.csv").write_text("a,b,y\n" + rows)
    environment = program_environment(here / "store", {"OMP_NUM_THREADS": "1"})
    for name, source in SCRIPTS.items():
        Path(name).write_text(dedent(source))
        words = [sys.executable, LAUNCHER, "--grain=call", "--", name]
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    runs = [folder.name for folder in (here / "store" / "journals").iterdir()]
    with trilha.open(here / "store") as opened:
        verdicts = [opened.document(run).validate() for run in runs]
    assert [(verdict.valid, verdict.violations) for verdict in verdicts] == [(True, ())] * 3
    written = {"predictions.csv", "model.joblib", "X.npy", "y.npz", "raw.csv"}
    made = {"report()", "predictions", "LogisticRegression after fit", "features()"}
    read = {"LogisticRegression of model.joblib['model']", "ndarray of X.npy", "ndarray of y.npz[y]"}
    assert lineage(Graph(here / "store"), "predictions.csv") >= {
        *written,
        *made,
        *read,
        "DataFrame of raw.csv",
    }


def lineage(graph, label):
    """Labels of all that a file was derived from; what a program read is what another one wrote there."""
    found, waiting = set(), graph.all(label)
    while waiting:
        one = waiting.pop()
        found.add(one)
        more = [record[3] for record in graph.of(Kind.DERIVATION) if record[2] == one]
        if "path" in graph.about[one]:
            more += [other for path in graph.about[one]["path"] for other in by_path(graph, path)]
        waiting += [other for other in more if other not in found]
    return {graph.label(one) for one in found}


def by_path(graph, path):
    return [one for one, facts in graph.about.items() if path in facts["path"]]
