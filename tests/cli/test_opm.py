"""OPM on the command line: converted both ways, and validated by both standards."""

import json
import subprocess
import sys

import pytest

import trilha
from trilha.cli.main import main
from trilha.formats import opmo, opmxml
from trilha.prov.opm import Graph


def graph(*generators):
    made = Graph()
    made.artifact("a")
    for process in generators:
        made.process(process)
        made.depends("wasGeneratedBy", "a", process, "out")
    return made


def run(*arguments):
    try:
        return main([str(argument) for argument in arguments]) or 0
    except SystemExit as ended:
        return ended.code or 0


def test_a_graph_becomes_prov_n_and_comes_back(tmp_path):
    source, between, back = (tmp_path / name for name in ("in.opm.xml", "out.provn", "back.opm.xml"))
    source.write_bytes(opmxml.written(graph("p")))
    assert run("convert", source, between) == 0
    assert "wasGeneratedBy" in between.read_text("utf-8")
    assert run("convert", between, back) == 0
    assert opmxml.graph(back.read_bytes()) == graph("p")


def test_validate_says_whether_a_graph_is_legal_and_its_document_valid(tmp_path, capsys):
    (tmp_path / "good.opm").write_bytes(opmxml.written(graph("p")))
    (tmp_path / "bad.xml").write_bytes(opmxml.written(graph("p", "q")))
    assert run("validate", tmp_path / "good.opm") == 0
    out = capsys.readouterr().out
    assert ": valid, " in out
    assert "OPM: legal" in out
    assert run("validate", tmp_path / "bad.xml") == 1
    out = capsys.readouterr().out
    assert "OPM: not legal" in out
    assert "the artifact a is generated 2 times, by p, q; expected once" in out
    assert run("validate", tmp_path / "bad.xml", "--json") == 1
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["opm"]["legal"] is False
    assert [fault["rule"] for fault in file["opm"]["faults"]] == ["generation"]


def test_validate_judges_a_graph_in_rdf_as_it_stands_there(tmp_path, capsys):
    (tmp_path / "good.opmo").write_bytes(opmo.written(graph("urn:p")))
    (tmp_path / "bad.ttl").write_bytes(opmo.written(graph("urn:p", "urn:q")))
    assert run("validate", tmp_path / "good.opmo") == 0
    assert "OPM: legal" in capsys.readouterr().out
    assert run("validate", tmp_path / "bad.ttl") == 1
    assert "OPM: not legal" in capsys.readouterr().out


def whole_run(*words):
    command = [sys.executable, "-c", "from trilha.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


REWRITING = """\
from pathlib import Path
def more(path):
    path.write_text(path.read_text() + "1")
path = Path(__file__).with_name("number.txt")
path.write_text("1")
for _ in range(3):
    more(path)
print(path.read_text())
"""
PARSL = """\
import parsl
from pathlib import Path
from parsl import File, python_app
@python_app
def count(inputs=(), outputs=()):
    text = open(inputs[0].filepath).read()
    with open(outputs[0].filepath, "w") as file:
        file.write(text + "1")
here = Path(__file__).parent
(here / "begin.txt").write_text("1")
with parsl.load(parsl.Config([parsl.ThreadPoolExecutor(max_threads=2)], run_dir=str(here / "runinfo"))):
    one = count(inputs=[File(str(here / "begin.txt"))], outputs=[File(str(here / "middle.txt"))])
    two = count(inputs=[one.outputs[0]], outputs=[File(str(here / "end.txt"))])
    two.result()
    print((here / "end.txt").read_text())
"""


@pytest.mark.parametrize(
    ("script", "grain"),
    [(REWRITING, "file"), (REWRITING, "call"), (REWRITING, "variable"), (PARSL, "call")],
)
def test_a_run_that_reads_what_it_led_to_is_exported_as_a_legal_graph_and_read_back(tmp_path, script, grain):
    (tmp_path / "script.py").write_text(script)
    store = ("--store", tmp_path / "store")
    out = whole_run("run", *store, "--grain", grain, tmp_path / "script.py")
    assert out.strip() in {"1111", "111"}
    files = [tmp_path / f"run.{suffix}" for suffix in ("provn", "opm.xml", "opmo")]
    for file in files:
        whole_run("export", *store, "last", "-o", file)
    for file in files[1:]:
        assert "OPM: legal" in whole_run("validate", file)
        assert opmxml.graph(files[1].read_bytes()).accounts, "the run had no cycle"
        whole_run("convert", file, tmp_path / "again.provn")
        assert trilha.read(tmp_path / "again.provn") == trilha.read(files[0])
