"""OPM on the command line: converted both ways, and validated by both standards."""

import json

from trilha.cli.main import main
from trilha.formats import opmxml
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
