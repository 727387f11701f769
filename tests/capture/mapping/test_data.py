"""Typed data sets over files: what a program gets, and what is recorded of it."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from tests.capture.graph import Graph, recording

import trilha
from trilha import data
from trilha.errors import NotFound, UsageError
from trilha.prov import Kind


class Image(data.Struct):
    img: data.File
    hdr: data.File


class Subject(data.Struct):
    scan: Image
    notes: data.File


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2, 10):
        for field in ("img", "hdr"):
            Path(f"anatomy{number}.{field}").write_text(f"{field} {number}")
    return tmp_path


@pytest.fixture
def record(place):
    return lambda: recording(place / "store")


def members(graph):
    """Triples: labels of collection and member, and the key."""
    found = []
    for record in graph.of(Kind.MEMBERSHIP):
        keys = [value for key, value in record.attributes if str(key).endswith("#key")]
        if keys:
            found.append((graph.label(record[2]), graph.label(record[3]), keys[0]))
    return found


# -- what a program gets


def test_a_glob_finds_files_in_natural_order(place):
    files = data.mapped(list[data.File], data.glob("anatomy*.img"))
    assert [os.fspath(file) for file in files] == ["anatomy1.img", "anatomy2.img", "anatomy10.img"]
    assert files.keys() == [0, 1, 2]
    assert (len(files), 1 in files, 7 in files) == (3, True, False)
    assert Path(files[2]).read_text() == "img 10"
    with files[0].open() as file:
        assert file.read() == "img 1"


def test_a_glob_of_structures_pairs_what_the_wildcards_stand_for(place):
    images = data.mapped(dict[str, Image], data.glob(img="anatomy*.img", hdr="anatomy*.hdr"))
    assert images.keys() == ["1", "2", "10"]
    assert str(images["10"].hdr) == "anatomy10.hdr"
    Path("anatomy2.hdr").unlink()
    with pytest.raises(UsageError, match=r"anatomy2\.img \(the img of .*\) has no hdr: expected a file like"):
        data.mapped(list[Image], data.glob(img="anatomy*.img", hdr="anatomy*.hdr"))


def test_a_pattern_works_both_ways(place):
    images = data.mapped(list[Image], data.pattern("anatomy{index}.{field}"), name="anatomy")
    assert images.keys() == [1, 2, 10]
    assert images[2] is images[2]
    assert images[2].img.label == "anatomy[2].img"
    assert str(images[3].hdr) == "anatomy3.hdr"
    assert not images[3].hdr.exists
    assert images.keys() == [1, 2, 10, 3]
    padded = data.mapped(list[data.File], data.pattern("out/{0:03d}.txt"))
    assert str(padded[7]) == "out/007.txt"
    assert len(padded) == 1


def test_a_pattern_takes_only_what_it_would_write_itself(place):
    for name in ("x1.txt", "x01.txt", "x-1.txt", "x12.txt", "x.txt"):
        Path(name).write_text("")
    assert data.mapped(list[data.File], data.pattern("x{}.txt")).keys() == [1, 12]
    assert data.mapped(list[data.File], data.pattern("x{:02d}.txt")).keys() == [1, 12]
    assert set(data.mapped(dict[str, data.File], data.pattern("x{}.txt")).keys()) == {"-1", "01", "1", "12"}


def test_arrays_of_arrays_of_structures(place):
    for site in ("a", "b"):
        for number in (0, 1):
            for field in ("img", "hdr"):
                path = Path(f"{site}/{number}/{site}-{field}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
    sites = data.mapped(dict[str, list[Image]], data.pattern("{0}/{1}/{0}-{2}"))
    assert [(site, len(images)) for site, images in sites.items()] == [("a", 2), ("b", 2)]
    assert str(sites["b"][1].hdr) == "b/1/b-hdr"


def test_a_table_lists_the_files(place):
    Path("lists").mkdir()
    Path("lists/all.csv").write_text("who,scan.img,scan.hdr,notes\nada,../anatomy1.img,../anatomy1.hdr,n1\n")
    subjects = data.mapped(dict[str, Subject], data.table("lists/all.csv", key="who"))
    assert subjects.keys() == ["ada"]
    assert str(subjects["ada"].scan.img) == "lists/../anatomy1.img"
    assert str(subjects["ada"].notes) == "lists/n1"
    Path("plain.csv").write_text("file;size\na;1\nb;2\n")
    assert [str(file) for file in data.mapped(list[data.File], data.table("plain.csv", delimiter=";"))] == [
        "a",
        "b",
    ]


def test_files_are_named_one_by_one_and_by_mappers_of_ones_own(place):
    one = data.mapped(Image, {"img": "anatomy1.img", "hdr": Path("anatomy1.hdr")})
    assert (str(one.img), str(one.hdr)) == ("anatomy1.img", "anatomy1.hdr")
    assert str(data.mapped(data.File, "anatomy1.img")) == "anatomy1.img"

    class Even(data.Mapper):
        def __init__(self, most):
            self.most = most

        def find(self, shape):
            return (
                ((n,), f"anatomy{n}.img") for n in range(2, self.most, 2) if Path(f"anatomy{n}.img").exists()
            )

        def path(self, keys, shape):
            return f"anatomy{keys[0]}.img"

    assert data.mapped(list[data.File], Even(20)).keys() == [2, 10]


def test_keys_of_an_object_store(place):
    system = fsspec.filesystem("memory")
    system.pipe({"/scans/a1.img": b"one", "/scans/a2.img": b"two"})
    scans = data.mapped(list[data.File], data.pattern("memory://scans/a{}.img"))
    assert [str(scan) for scan in scans] == ["memory://scans/a1.img", "memory://scans/a2.img"]
    assert scans[1].exists
    assert not data.File("memory://scans/none").exists
    with recording(place / "store") as graph:
        with trilha.step("copy") as _, scans[1].open("rb") as read, scans[3].open("wb") as written:
            written.write(read.read())
        scans.close()
    assert system.cat("/scans/a3.img") == b"one"
    assert ("copy", "a1.img") in graph.usages()
    assert ("a3.img", "copy") in graph.generations()
    assert [key for _, _, key in members(graph)] == ["[1]", "[2]", "[3]"]
    system.rm("/scans", recursive=True)


def test_members_travel_to_other_processes(place):
    images = data.mapped(list[Image], data.pattern("anatomy{index}.{field}"), name="anatomy")
    again = pickle.loads(pickle.dumps(images))
    assert (str(again[2].img), again[2].img.label) == ("anatomy2.img", "anatomy[2].img")


# -- what is recorded


def test_a_data_set_is_a_collection_of_the_files_with_their_keys(record):
    with record() as graph:
        images = data.mapped(list[Image], data.pattern("anatomy{index}.{field}"), name="anatomy")

        @trilha.step
        def average(images):
            return [Path(image.img).read_text() * 100 for image in images]

        average(images)
    assert ("anatomy", "anatomy[2]", "[2]") in members(graph)
    assert ("anatomy[2]", "anatomy2.img", ".img") in members(graph)
    assert len(members(graph)) == 9
    assert {
        ("average", "anatomy"),
        ("average", "anatomy2.img"),
        ("map anatomy", "Pattern of anatomy"),
    } <= set(graph.usages())
    assert ("anatomy", "map anatomy") in graph.generations()
    whole = graph.one("anatomy")
    assert whole["declared"] == ["list[Image]"]
    assert graph.one("Pattern of anatomy")["arg.pattern"] == ["anatomy{index}.{field}"]
    assert len(graph.all("anatomy2.img")) == 1
    assert valid(graph)


def test_the_same_file_mapped_twice_is_one_entity(record):
    with record() as graph:
        first = data.mapped(list[data.File], data.glob("anatomy*.img"), name="first")
        second = data.mapped(Image, {"img": "./anatomy1.img", "hdr": "anatomy1.hdr"}, name="second")
        with trilha.step("both", first=first, second=second, file=first[0], same=second.img):
            Path("anatomy1.img").read_text()
    assert len(graph.all("anatomy1.img")) == 1
    keys = {(collection, key) for collection, member, key in members(graph) if member == "anatomy1.img"}
    assert keys == {("first", "[0]"), ("second", ".img")}
    used = [pair for pair in graph.usages() if pair == ("both", "anatomy1.img")]
    assert len(used) == 1


def test_what_is_written_piece_by_piece_ends_with_a_constructor(record):
    with record() as graph, data.mapped(dict[str, Image], data.pattern("out-{}.{}"), name="atlas") as atlas:

        @trilha.step
        def write(to):
            Path(to).write_text(str(to))

        for axis in ("x", "y"):
            write(atlas[axis].img)
            write(atlas[axis].hdr)
        str(atlas["z"].img)
    assert ("out-x.img", "write") in graph.generations()
    assert ("atlas", "construct atlas") in graph.generations()
    assert ("construct atlas", "out-y.hdr") in graph.usages()
    assert {key for collection, _, key in members(graph) if collection == "atlas"} == {"[x]", "[y]", "[z]"}
    assert graph.one("atlas[z]")["missing"] == [1]
    # Containment is no cause: nothing is derived from a member because it is one.
    assert not any("atlas" in pair for pair in graph.derivations())
    assert valid(graph)


def test_what_is_written_over_is_constructed_anew(record):
    with record() as graph:
        images = data.mapped(list[data.File], data.pattern("anatomy{}.img"), name="images")
        for image in images:
            Path(image).write_text("written over, longer")
        images.close()
    assert ("images", "construct images") in graph.generations()


def test_a_file_that_is_to_be_written_is_an_argument_and_once_there_an_entity(record):
    with record() as graph:
        out = data.mapped(list[data.File], data.pattern("o{}.txt"), name="out")

        @trilha.step
        def copy(source, target):
            Path(target).write_text("x")

        copy(out[0], out[1])
        copy(out[1], out[2])
    first, second = (graph.about[one] for one in graph.all("copy"))
    assert first["arg.target"] == ["o1.txt"]
    assert "arg.source" not in second
    assert ("copy", "o1.txt") in graph.usages()


def test_a_data_set_that_changed_is_a_revision(record):
    with record() as graph:
        images = data.mapped(list[data.File], data.pattern("anatomy{}.img"), name="images")
        with trilha.step("before", images=images):
            pass
        with trilha.step("same", images=images):
            pass
        Path("anatomy2.img").write_text("another")
        with trilha.step("after", images=images):
            pass
    assert len(graph.all("images")) == 2
    assert ("images", "images") in graph.derivations()
    used = {graph.label(r[2]): r[3] for r in graph.of(Kind.USAGE) if r[3] in graph.all("images")}
    assert used["before"] == used["same"] != used["after"]


def test_a_mapper_is_derived_from_the_table_and_the_objects_that_it_is_given(record):
    Path("all.csv").write_text("file\nanatomy1.img\n")
    with record() as graph:
        paths = [f"anatomy{number}.img" for number in range(1, 3)]
        trilha.produce(paths, "paths")
        with trilha.step("s", a=data.mapped(list[data.File], data.table("all.csv"), name="listed")):
            pass
        with trilha.step("t", b=data.mapped(list[data.File], paths, name="given")):
            pass
    assert ("Table of listed", "all.csv") in graph.derivations()
    assert ("Files of given", "paths") in graph.derivations()


def test_members_go_through_executors(record):
    def read(path):
        return Path(path).read_text()

    with record() as graph:
        images = data.mapped(list[data.File], data.glob("anatomy*.img"), name="images")
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, images)) == ["img 1", "img 2", "img 10"]
    assert {"anatomy1.img", "anatomy2.img", "anatomy10.img"} <= set(graph.files())
    assert graph.dropped == 0


def test_a_data_set_is_annotated(record):
    with record() as graph:
        images = data.mapped(list[data.File], data.glob("anatomy*.img"), name="images")
        trilha.annotate(images, center="UChicago")
        trilha.annotate(images[1], checked=True)
    assert graph.one("images")["annotation.center"] == ["UChicago"]
    assert graph.one("anatomy2.img")["annotation.checked"] == [True]


# -- what is wrong


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: data.mapped(int, "a"), "a data set of int: expected data.File"),
        (lambda: data.mapped(list[int], ["a"]), "a data set of int: expected"),
        (lambda: data.mapped(dict[int, data.File], {}), "expected data.File, list"),
        (lambda: data.mapped(data.Struct, {}), "a data set of Struct: expected"),
        (lambda: data.mapped(type("Empty", (data.Struct,), {}), {}), "Empty has no fields"),
        (lambda: data.mapped(list[data.File], 3), "expected a mapper, a path or paths, not int"),
        (lambda: data.mapped(list[data.File], [], name=3), "takes a text, not int"),
        (lambda: data.mapped(list[data.File], [3]), r"files\[0\]: expected a path, not int"),
        (lambda: data.mapped(list[data.File], "a.img"), r"files: expected a list for list\[File\], not str"),
        (lambda: data.mapped(Image, {"img": "a"}), "Image needs hdr, too"),
        (lambda: data.mapped(Image, {"img": "a", "hdr": "b", "x": "c"}), "Image has no field 'x'"),
        (lambda: data.mapped(data.File, data.pattern("a")), "found no file"),
        (lambda: data.glob("a.img"), "expected a wildcard"),
        (data.glob, "takes one pattern, or one for each field"),
        (lambda: data.mapped(list[Image], data.glob("*.img")), "a pattern for each field: img=…, hdr=…"),
        (lambda: data.mapped(list[data.File], data.glob(img="*.img")), "expected one pattern"),
        (lambda: data.mapped(list[list[data.File]], data.glob("*")), "needs a pattern"),
        (lambda: data.pattern("a{0"), "pattern 'a{0'"),
        (lambda: data.pattern("a{0!r}"), "expected a width such as 03d"),
        (
            lambda: data.mapped(list[Image], data.pattern("a{0}")),
            r"tell the members of list\[Image\] apart.*\{1\}",
        ),
        (lambda: data.mapped(list[data.File], data.pattern("a{0}{1}")), r"has no level \{1\}"),
        (lambda: data.mapped(list[data.File], data.pattern("a{x}")), r"has no level \{x\}"),
        (lambda: data.mapped(list[data.File], data.pattern("a{field}")), "0 levels that could be"),
        (lambda: data.mapped(Image, data.table("t.csv")), "a table lists the members of an array"),
        (lambda: data.mapped(list[data.File], data.table("none.csv")), "none.csv: cannot be read as a table"),
        (Image, "is made by data.mapped"),
    ],
)
def test_what_cannot_be_a_data_set_is_said(place, make, sentence):
    with pytest.raises(UsageError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("text", "declared", "key", "sentence"),
    [
        ("", list[data.File], "", "is empty; expected a line"),
        ("a,b\n1,2\n", list[data.File], "", "t.csv:1: expected a column 'file', or a single one; found a, b"),
        ("img\nx\n", list[Image], "", "expected a column 'hdr' for Image; found img"),
        ("file\n\nx,y\n", list[data.File], "", "t.csv:3: expected 1 values, found 2"),
        ("k,file\na,\n", dict[str, data.File], "k", "expected a file in the column 'file', which is empty"),
        ("k,file\na,b\na,c\n", dict[str, data.File], "k", "t.csv:3: the key 'a' is there already"),
        ("file\na\n", dict[str, data.File], "", "expected key="),
        ("file\na\n", dict[str, data.File], "k", "expected a column 'k' of keys"),
        ("file\na\n", list[data.File], "file", "no key: a list has indices"),
    ],
)
def test_tables_that_do_not_fit(place, text, declared, key, sentence):
    Path("t.csv").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        data.mapped(declared, data.table("t.csv", key=key))


def test_members_that_cannot_be(place):
    files = data.mapped(list[data.File], data.glob("anatomy*.img"), name="files")
    with pytest.raises(
        NotFound, match=r"files\[7\]: no such member, and Glob names no files.*it has 0, 1, 2"
    ):
        files[7]
    with pytest.raises(UsageError, match=r"list\[File\]\['a'\]: expected an index from 0"):
        files["a"]
    with pytest.raises(UsageError, match="expected an index from 0"):
        files[-1]
    images = data.mapped(list[Image], data.pattern("anatomy{index}.{field}"), name="anatomy")
    with pytest.raises(AttributeError, match="no attribute 'image'"):
        images[1].image  # noqa: B018
    images.close()
    with pytest.raises(NotFound, match=r"anatomy\[4\]: no such member, and it is closed"):
        images[4]


def test_a_mapper_of_ones_own_that_errs_is_told(place):
    class Odd(data.Mapper):
        def __init__(self, found):
            self.found = found

        def find(self, shape):
            return self.found

    for found, sentence in (
        ([(("a",), "x")], "expected an index from 0"),
        ([((), "x")], "expected keys down to a file"),
        ([((0,), 3)], "expected a path or URI as text"),
        ([((0,), "x"), ((0,), "y")], "expected each member once"),
        (None, "Odd found None; expected keys and path of each file"),
        (["x"], "Odd found 'x'; expected keys and path of each file"),
        ([(0, "x")], "Odd found \\(0, 'x'\\); expected keys and path of each file"),
    ):
        with pytest.raises(UsageError, match=sentence):
            data.mapped(list[data.File], Odd(found))


def valid(graph):
    import trilha.store

    with trilha.store.open(graph.folder) as store:
        verdict = store.document(graph.about_run()).validate()
    assert verdict, str(verdict)
    return True


def test_a_closed_data_set_of_many_files_is_one_entity_however_often_it_is_used(record):
    for number in range(300):
        Path(f"m{number}.txt").write_text(str(number))
    with record() as graph:
        many = data.mapped(list[data.File], data.pattern("m{}.txt"), name="many").close()
        for _ in range(3):
            with trilha.step("use", many=many):
                pass
    assert graph.usages().count(("use", "many")) == 3
    assert len(graph.all("many")) == 1
    assert sum(collection == "many" for collection, _, _ in members(graph)) == 300


SPAWNED = """
import multiprocessing
from pathlib import Path
import trilha
from trilha import data

@trilha.step
def use(images):
    return [Path(image).read_text() for image in images]

if __name__ == "__main__":
    images = data.mapped(list[data.File], data.glob("anatomy*.img"), name="images").close()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(use, [images]))
        pool.close()
        pool.join()
"""


def test_what_is_closed_is_the_same_entity_in_another_process(place):
    Path("script.py").write_text(SPAWNED)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    words = [sys.executable, "-c", "from trilha.cli import main; main()", "run", "script.py"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=kept)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[['img 1', 'img 2', 'img 10']]\n"
    graph = Graph(place / ".trilha")
    assert len(graph.all("images")) == 1
    assert ("use", "images") in graph.usages()
    assert valid(graph)
