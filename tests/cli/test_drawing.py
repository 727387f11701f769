"""``trilha lineage --draw``: the picture shows what the tree tells, and nothing else."""

import re
import subprocess

import pytest


def read(path):
    """The labels of the nodes by name, the frames, and the arrows between labels' first lines."""
    text = path.read_text("utf-8")
    labels = dict(re.findall(r'(n\d+) \[label="([^"]*)"', text))
    first = {name: label.partition("\\n")[0] for name, label in labels.items()}
    arrows = {(first[a], first[b], style) for a, b, style in re.findall(r"(n\d+) -> (n\d+) \[(.*)\]", text)}
    return first, re.findall(r'label="([^"]*)"; style="rounded"', text), arrows


def test_arrows_go_from_the_raw_data_to_the_model(run, writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    (tmp_path / "copy.pt").write_text("weights")
    assert run("lineage", "copy.pt", "--draw", "trail.dot")[:2] == (0, "")
    names, frames, arrows = read(tmp_path / "trail.dot")
    ways = {(a, b) for a, b, _ in arrows}
    reached, waiting = set(), ["digits.csv"]
    while waiting:
        one = waiting.pop()
        reached.add(one)
        waiting += [b for a, b in ways if a == one and b not in reached]
    assert "model.pt" in reached
    assert not [a for a, b in ways if a == "model.pt"], "nothing came of it"
    assert not frames, "there is one run"
    assert not [name for name in names.values() if "torch" in name], "packages are left out"


def test_what_came_of_it_is_drawn_the_same_way_round(run, writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    (tmp_path / "digits.csv").write_text("raw")
    assert run("lineage", "digits.csv", "--downstream", "--draw", "down.dot")[0] == 0
    _, _, arrows = read(tmp_path / "down.dot")
    assert any(a == "digits.csv" for a, _, _ in arrows)
    assert not [b for _, b, _ in arrows if b == "digits.csv"]


def test_runs_have_frames_and_the_same_bytes_join_them(run, writing, tmp_path):
    first = writing("first")
    act = first.begin("make")
    first.makes(act, first.met_file("raw.csv", "1,2,3"))
    first.end()
    first.close()
    second = writing("second")
    act = second.begin("use")
    second.tick(100)
    second.uses(act, second.met_file("raw.csv", "1,2,3"))
    second.tick()
    second.makes(act, second.met_file("sum.txt", "6"))
    second.end()
    second.close()
    assert run("lineage", "sum.txt", "--draw", "trail.dot")[0] == 0
    _, frames, arrows = read(tmp_path / "trail.dot")
    assert sorted(frames) == sorted([f"make {first.run[:8]}", f"use {second.run[:8]}"])
    (joined,) = [(a, b) for a, b, style in arrows if "same bytes" in style]
    assert joined == ("raw.csv", "raw.csv")
    ways = {(a, b) for a, b, _ in arrows}
    assert {("the run make", "raw.csv"), ("raw.csv", "the run use"), ("the run use", "sum.txt")} <= ways


@pytest.mark.parametrize("kind", ["svg", "png", "SVG"])
def test_graphviz_draws_it(kind, run, writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    status, out, err = run("lineage", "model.pt", "--draw", f"trail.{kind}")
    assert (status, out) == (0, "")
    assert re.fullmatch(rf"trilha: drew \d+ things in trail\.{kind}\n", err)
    drawn = (tmp_path / f"trail.{kind}").read_bytes()
    assert drawn.startswith(b"\x89PNG") if kind == "png" else b"</svg>" in drawn and b"digits.csv" in drawn


def test_with_json_both_are_given(run, writing, digits, tmp_path):
    digits(writing(), folder=str(tmp_path))
    status, out, _ = run("lineage", "model.pt", "--draw", "trail.dot", "--json")
    assert (status, out[:1]) == (0, "{")
    assert (tmp_path / "trail.dot").exists()


def test_odd_names_are_text_in_the_picture(run, writing, tmp_path):
    w = writing()
    act = w.begin("odd")
    w.makes(act, w.met_file('a"b\\n]; x -> y \x1b[31m.txt', "6"))
    w.end()
    w.close()
    assert run("lineage", 'a"b\\n]; x -> y \x1b[31m.txt', "--draw", "trail.dot")[0] == 0
    subprocess.run(["dot", "-Tsvg", "-o", "odd.svg", "trail.dot"], check=True, cwd=tmp_path)
    drawn = (tmp_path / "odd.svg").read_text("utf-8")
    assert "a&quot;b\\n]; x" in drawn
    assert "\x1b" not in drawn


def test_what_cannot_be_drawn_is_said_before_anything_is_done(run, writing, digits, tmp_path, monkeypatch):
    digits(writing(), folder=str(tmp_path))
    for path in ("trail.pdf", "trail", "nowhere/trail.dot"):
        status, out, err = run("lineage", "model.pt", "--draw", path)
        assert (status, out) == (2, ""), err
        assert err.startswith(f"trilha: {path}: ")
    status, _, err = run("lineage", "nothing.pt", "--draw", "trail.pdf")
    assert "a picture is a file that ends with one of .svg, .png, .dot" in err
    monkeypatch.setenv("PATH", "")
    status, _, err = run("lineage", "model.pt", "--draw", "trail.svg")
    assert status == 2
    assert "Graphviz is not installed" in err
    assert not list(tmp_path.glob("trail*"))
