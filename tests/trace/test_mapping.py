"""The three mappings: the paper's counts, and valid documents of all that the obvious tracer knows.

The numbers are those of figure 5 of Pimentel et al. (IPAW 2018) and of the documents that they published.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path

import pytest
from tests.trace.obvious import trace
from tests.trace.traced import Traced

from trilha.errors import UsageError
from trilha.prov import PROV, Document, Kind
from trilha.prov.versioned import SCRIPT, VERSION
from trilha.prov.versioned.checking import check
from trilha.prov.versioned.history import History
from trilha.trace.mapping import MAPPINGS, document_of, stated
from trilha.trace.mapping.copying import Plain
from trilha.trace.mapping.stating import Stating

PAPER = Path(__file__).with_name("floyd_warshall.txt").read_text("utf-8")
KINDS = (
    "entity",
    "activity",
    "used",
    "wasDerivedFrom",
    "wasGeneratedBy",
    "hadMember",
    "derivedByInsertionFrom",
)


def mapped(source: str, mapping: str) -> Stating:
    with contextlib.redirect_stdout(io.StringIO()):
        traced = trace(source)
    return stated(traced.events, traced.components, mapping)


def counts(made: Stating, line: int | None = None, *, specific: bool = False) -> tuple[int, ...]:
    places = made.specific if specific else range(len(made.document))
    wanted = [at for at in places if line is None or made.lines[at] == line]
    found = Counter(made.document.records[at].kind.provn for at in wanted)
    assert set(found) <= set(KINDS)
    return tuple(found[kind] for kind in KINDS)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("plain", (120, 92, 97, 121, 9, 108, 0)),
        ("dictionary", (121, 92, 97, 121, 9, 0, 36)),
        ("versioned", (102, 91, 103, 94, 5, 18, 0)),
    ],
)
def test_figure_5_b_all_statements(mapping: str, expected: tuple[int, ...]) -> None:
    assert counts(mapped(PAPER, mapping)) == expected
    assert sum(expected) == {"plain": 547, "dictionary": 476, "versioned": 413}[mapping]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("plain", (18, 1, 0, 27, 4, 108, 0)),
        ("dictionary", (19, 1, 0, 27, 4, 0, 36)),
        ("versioned", (0, 0, 3, 0, 0, 18, 0)),
    ],
)
def test_figure_5_a_what_is_specific(mapping: str, expected: tuple[int, ...]) -> None:
    assert counts(mapped(PAPER, mapping), specific=True) == expected
    assert sum(expected) == {"plain": 158, "dictionary": 87, "versioned": 21}[mapping]


@pytest.mark.parametrize(
    ("lines", "plain", "dictionary", "versioned"),
    [
        ((2, 3, 4, 5), 35 + 6, 27 + 2 + 1, 12),
        ((7,), 3 + 3, 1 + 1, 3),
        ((9,), 18, 6, 0),
        ((12,), 36, 12, 0),
        ((17,), 54, 36, 6),
        ((18,), 3, 1, 0),
    ],
    ids=["matrix", "range", "distk", "disti", "part assignment", "print"],
)
def test_what_is_specific_by_line(
    lines: tuple[int, ...], plain: int, dictionary: int, versioned: int
) -> None:
    found = [
        sum(sum(counts(made, line, specific=True)) for line in lines)
        for made in (mapped(PAPER, mapping) for mapping in MAPPINGS)
    ]
    assert found == [plain, dictionary, versioned]


SCRIPTS = {
    "paper": PAPER,
    "functions": "def f(a, *b, c=3, **d):\n    if a:\n        return [a, *b, c]\n    return d\n"
    "x = f(1, 2)\nx.append(f(0, q=[x]))\nprint(x[3])",
    "closure": "def o():\n    n = [0]\n    def i():\n        n[0] += 1\n        return n\n    return i\n"
    "g = o()\nx = g()\ny = g()\nz = y[0]",
    "attributes": "class P:\n    k = []\n    def __init__(s, x):\n        s.x = [x]\n    def up(s):\n"
    "        s.x.append(s.k)\n        return s\np = P(4).up()\nq = p.x[1]\nq.append(p)\ndel p.x",
    "lists": "a = [1, 2, 3]\nb = a\na.insert(0, 9)\na.pop()\ndel b[0]\na[0:1] = [7, 8]\na.sort()\na += [b]\n"
    "c = a[1:]\na.clear()\nd = c + [a] * 2\ne = []\ne.append(e)\ne.append(1)",
    "dicts": "d = {'a': 1, **{'b': [2]}}\nd.update({'c': d['b']})\nd['b'].append(3)\ndel d['a']\nd.pop('c')\n"
    "x = {k: v for k, v in d.items()}\nd.setdefault('z', []).append(4)",
    "sets": "s = {1, 2}\ns.add(3)\nt = s\nt.clear()",
    "conditions": "a = [5]\nif a[0] > 3 and len(a) < 2:\n    a[0] = a[0] if a[0] > 9 else 2\n"
    "while a[0] < 5:\n    a[0] += 1\nb = a[0] or 3\nc = (d := b) + 1",
    "exceptions": "def f(x):\n    raise ValueError(x)\ntry:\n    f([1])\nexcept ValueError as e:\n    y = e\n"
    "try:\n    {}['k']\nexcept KeyError as e:\n    z = str(e)",
    "unpacking": "(a, b), c = (1, [2]), 3\nb.append(c)\na, c = c, a\n"
    "for i, (j, k) in [(1, (2, 3))]:\n    b[0] = j",
    "text": "x = 3\nprint(f'{x:>4} {x!r}', [i for i in range(3) if i], lambda q: q)",
    "imports": "import math\nfrom collections import deque\nx = math.floor(2.5) + len(deque([1]))",
}


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_document_is_valid(name: str, mapping: str) -> None:
    document = mapped(SCRIPTS[name], mapping).document
    assert str(document.validate()) == "valid"


def test_a_change_costs_the_same_however_long_the_list_and_however_many_its_names() -> None:
    def cost(length: int, names: int) -> int:
        before = f"a = list(range({length}))\n" + "".join(f"b{n} = a\n" for n in range(names))
        after = "a[0] = 1\na.append(2)\na.insert(0, 3)\ndel a[0]\nc = a\n"
        long, short = mapped(before + after, "versioned"), mapped(before, "versioned")
        return len(long.document) - len(short.document)

    assert cost(30, 1) == cost(300, 1) == cost(30, 30)


@pytest.mark.parametrize("mapping", ["plain", "dictionary"])
def test_for_a_member_that_is_read_the_others_are_not_gone_through(
    mapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    every = Plain.current
    monkeypatch.setattr(
        Plain, "current", lambda self, identity: looks.append(identity) or every(self, identity)
    )

    def cost(reads: int) -> int:
        looks.clear()
        mapped("a = [[1], 2, 3]\na[1] = 4\n" + "b = a[1] + a[2]\n" * reads, mapping)
        return len(looks)

    assert cost(1) == cost(9) > 0


def types(document: Document) -> Counter[str]:
    found = Counter[str]()
    for record in document.records:
        for value in record.values("http://www.w3.org/ns/prov#type"):
            found[str(value).removeprefix(SCRIPT.iri).removeprefix(VERSION.iri)] += 1
    return found


def test_a_traced_call_leads_from_its_value_through_the_return_to_the_argument() -> None:
    document = mapped("def f(x):\n    return x\ny = f([1])\n", "versioned").document
    derived = {record.generated: record.used for record in document.of(10)}  # type: ignore[attr-defined]
    at = next(name for name in derived if "#" not in name and name.endswith("y.1"))
    steps = []
    while at in derived:
        at = derived[at]
        steps.append(at.rpartition(":")[2])
    assert steps == ["f__1.1", "return_x.1", "x.1", "list.1"]


def test_a_deletion_puts_a_placeholder() -> None:
    document = mapped("d = {'a': 1}\ndel d['a']\n", "versioned").document
    assert types(document)["VoidEntity"] == 1
    assert types(document)["Put"] == 2


def captured(source: str, mapping: str = "versioned") -> Document:
    """The document of a script as its log is replayed."""
    run = Traced(source)  # type: ignore[no-untyped-call]
    assert run.error is None
    return document_of(run.events, run.components, mapping)


@pytest.mark.parametrize(
    "source",
    [
        "l = [1, 2, 3]\nl[0:1] = [4, 5]\n",
        "l = [1, 2, 3]\nl[5:] = [4]\n",
        "l = [1, 2, 3]\nl[-2:-1] = []\n",
        "l = [1, 2, 3]\nl[:] = [4]\ny = l[0]\n",
        "l = [1, 2, 3]\nl[::2] = [4, 5]\ny = l[2]\n",
        "l = [1, 2, 3]\ndel l[1:]\n",
        "l = [1, 2, 3]\ndel l[::-2]\n",
        "l = [1, 2, 3]\nl[1:1] = l\ny = l[4]\n",
    ],
)
def test_what_a_slice_of_a_list_becomes_is_its_removals_and_insertions(source: str) -> None:
    found, expected = captured(source), mapped(source, "versioned").document
    assert types(found) == types(expected)
    names: dict[str, list[int]] = {}
    exec(source, names)
    history = History(found)
    assert [key for key, _ in history.members("trace:l.1")] == [str(at) for at in range(len(names["l"]))]
    literals = {record.id: record.value(PROV["label"]) for record in found.of(Kind.ENTITY)}
    assert [literals[member] for _, member in history.members("trace:l.1")] == [*map(str, names["l"])]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("key", ["0", "1:3", "[1, 2]", "a > 0", "..."])
def test_a_store_into_an_array_is_an_assignment_of_what_was_stored(key: str, mapping: str) -> None:
    document = captured(f"import numpy as np\na = np.ones(4)\nx = 7\na[{key}] = x\n", mapping)
    assert "delete" not in types(document)
    derived = {(record.generated, record.used) for record in document.of(Kind.DERIVATION)}  # type: ignore[attr-defined]
    assert any(used == "urn:trilha:trace:x.1" for _, used in derived)
    assert document.validate().valid


def test_a_store_of_what_is_not_known_is_no_deletion() -> None:
    document = captured("exec('x = 3')\nd = {}\nd['k'] = x\nd[0] = d.pop('k')\ndel d[0]\n")
    assert types(document)["delete"] == 1


@pytest.mark.parametrize(
    ("source", "members"),
    [
        ("a = [1]\nb = a\nb += [2]\n", 2),
        ("a = [1]\nb = max(a, [0])\n", 1),
        ("a = [1]\nb = max(a, a)\nb.append(2)\n", 2),
        ("a = [1]\nc = {'k': a}\nb = c.get('k')\nb.append(2)\n", 2),
        ("a = [1]\nc = [a]\nb = next(iter(c))\n", 1),
        ("a = [1]\nb = a\nb += a\n", 2),
    ],
)
def test_what_gives_a_list_that_was_there_refers_to_it(source: str, members: int) -> None:
    document = captured(source)
    history = History(document)
    names = [record.id for record in document.of(Kind.ENTITY) if record.value(PROV["label"]) == "b"]
    assert len({history.root(name) for name in names if name} | {history.root("trace:a.1")}) == 1
    assert len(history.members("trace:a.1")) == members
    assert not check(document)
    assert document.validate().valid
    if "+=" not in source:
        plain = captured(source, "plain")
        assert any(record.collection == names[-1] for record in plain.of(Kind.MEMBERSHIP))  # type: ignore[attr-defined]


def test_a_gap_is_an_activity() -> None:
    from trilha.trace.evaluations import Gap

    document = document_of([Gap(1, 2, "a.py", 3, "exec")], {})
    assert types(document) == {"gap": 1}


def test_an_unknown_mapping_is_told() -> None:
    with pytest.raises(UsageError, match="expected one of plain, dictionary, versioned"):
        document_of([], {}, "other")
