"""Which Python object is which entity: never two for one, never one for two."""

import gc
import sys
import weakref
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.capture.graph import recording

import trilha
from trilha.capture import identity, tokens
from trilha.capture.identity import Objects, describe, inside, parts_of
from trilha.capture.tokens import token
from trilha.capture.values import is_value, key_of, plain_parts, text_of, value_of


class Plain:
    def __init__(self, value=0):
        self.value = value


class Slots:
    __slots__ = ("one", "two")

    def __init__(self, one=1, two=2):
        self.one, self.two = one, two


@dataclass(slots=True)
class Batch:
    images: object
    number: int = 0


class Colour(Enum):
    RED = 1


Point = namedtuple("Point", "x y")  # noqa: PYI024 -- the old way is one that programs use


def raising(*_, **__):
    raise RuntimeError("hands off")


HOSTILE_METHODS = [
    "__eq__",
    "__ne__",
    "__hash__",
    "__getattr__",
    "__getattribute__",
    "__len__",
    "__bool__",
    "__iter__",
    "__repr__",
    "__str__",
    "__sizeof__",
    "__contains__",
    "__getitem__",
    "__reduce_ex__",
    "__float__",
    "__int__",
    "__index__",
    "__format__",
    "__dir__",
    "__call__",
]


def hostile_objects():
    """Objects of which every method raises, of every base that a user may take."""
    body = dict.fromkeys(HOSTILE_METHODS, raising)
    body["__class__"] = property(raising)
    for base in (object, list, dict, set, int, float, str, tuple, bytes, np.ndarray):
        kind = type(f"Hostile{base.__name__}", (base,), body)
        yield base.__new__(kind, *([(2,)] if base is np.ndarray else []))
    yield type("HostileSlots", (), {**body, "__slots__": ("a",)})()

    class Meta(type):
        def __getattribute__(cls, name):
            if name in ("__module__", "__qualname__", "__name__", "_fields"):
                raise RuntimeError("hands off")
            return type.__getattribute__(cls, name)

    yield Meta("HostileMeta", (), {})()


KEPT = [
    [1, 2],
    [],
    {"a": 1},
    {1, 2},
    frozenset([1]),
    np.zeros(3),
    pd.DataFrame({"a": [1]}),
    torch.zeros(2),
    Plain(),
    Slots(),
    Batch(np.zeros(2)),
    (number for number in range(3)),
    "long " * 100,
    b"long " * 100,
    bytearray(b"abc"),
    Point(np.zeros(1), np.ones(1)),
    [np.zeros(2)] * 3,
    [np.zeros(2) for _ in range(50)],
    {str(number): np.zeros(2) for number in range(20)},
    SimpleNamespace(a=1),
]
VALUES = [
    None,
    True,
    3,
    -(2**70),
    2.5,
    1j,
    "text",
    b"bytes",
    ...,
    range(3),
    int,
    len,
    lambda: 0,
    sys,
    (),
    (1, "a"),
    Point(1, 2),
    Colour.RED,
    np.float32(1.5),
    np.int64(3),
    np.bool_(True),
    np.datetime64("2026-01-01"),
    torch.Size([1, 2]),
    frozenset(),
    Plain().__init__,
]


@pytest.mark.parametrize("thing", KEPT, ids=range(len(KEPT)))
def test_an_object_is_known_again(thing):
    objects = Objects()
    assert not is_value(thing)
    assert objects.get(thing) is None
    objects.put(thing, 7)
    assert objects.get(thing).entity == 7


@pytest.mark.parametrize("thing", VALUES, ids=range(len(VALUES)))
def test_a_plain_value_has_no_identity(thing):
    assert is_value(thing)
    assert type(value_of(thing)) in (bool, int, float, str, type(None))


@pytest.mark.parametrize("thing", KEPT, ids=range(len(KEPT)))
def test_an_equal_object_is_not_the_same(thing):
    import copy

    objects = Objects()
    objects.put(thing, 7)
    try:
        other = copy.deepcopy(thing)
    except TypeError:
        return
    if other is not thing:
        assert objects.get(other) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1.5],
        dict,
        set,
        Plain,
        Slots,
        lambda: np.zeros(4),
        lambda: Batch(Plain()),
        lambda: [Plain()],
        lambda: bytearray(9),
        object,
        lambda: "".join(["x"] * 300),
    ],
    ids=range(11),
)
def test_an_address_that_is_used_again_is_not_the_same_object(make):
    objects = Objects()
    for number in range(20_000):
        thing = make()
        assert objects.get(thing) is None
        objects.put(thing, number)
        assert objects.get(thing) is None or objects.get(thing).entity == number


def test_steps_never_confuse_objects_that_come_and_go(tmp_path):
    @trilha.step
    def source(number):
        return [Plain(number), np.full(3, number), Slots(number)][number % 3]

    @trilha.step
    def sink(thing):
        return None

    with recording(tmp_path) as graph:
        for number in range(300):
            if number % 2:
                sink(source(number))
            else:
                sink([Plain(number), np.full(3, number), Slots(number)][number % 3])
            if number % 50 == 0:
                gc.collect()
    made = {record[2]: record[3] for record in graph.of(identity_kind("GENERATION"))}
    # Which step was which: a thread that states what was imported takes numbers, too, at any time.
    steps = sorted(graph.all("source") + graph.all("sink"), key=lambda one: int(str(one).rpartition("#")[2]))
    place = {one: at for at, one in enumerate(steps)}
    assert len(steps) == 450
    for record in graph.of(identity_kind("USAGE")):
        if graph.label(record[2]) == "sink" and graph.label(made[record[3]]) == "source":
            assert place[record[2]] - place[made[record[3]]] == 1
    sources = [pair for pair in graph.usages() if pair == ("sink", "source()")]
    assert len(sources) == 150


def identity_kind(name):
    from trilha.prov import Kind

    return Kind[name]


def test_what_is_held_is_bounded_in_number_and_bytes():
    objects = Objects()
    for number in range(3 * identity._HELD_OBJECTS):
        objects.put([number], number)
    assert len(objects._held) == len(objects._known) == identity._HELD_OBJECTS
    for number in range(200):
        objects.put(bytearray(1 << 20), number)
    assert objects._bytes <= identity._HELD_BYTES
    assert len(objects._held) < 200
    objects.clear()
    assert not objects._known
    assert not objects._held


@pytest.mark.parametrize(
    "wrap",
    [
        lambda big: [big],
        lambda big: {"x": big},
        lambda big: (big, 1),
        Batch,
        lambda big: Batch([big]),
        lambda big: Slots(Slots(big)),
        lambda big: Point(big, 1),
        lambda big: [[[[[big]]]]],
        lambda big: [*range(300), big],
        lambda big: [big] * 100,
        lambda big: dict.fromkeys(range(40), big),
        Plain,
    ],
    ids=range(12),
)
def test_large_things_are_never_kept_alive(wrap):
    objects = Objects()
    big = np.zeros(10)
    gone = weakref.ref(big)
    thing = wrap(big)
    objects.put(thing, 1)
    del big, thing
    gc.collect()
    assert gone() is None


def test_objects_with_a_finalizer_end_when_the_program_lets_go_of_them():
    ended = []

    class Closing:
        __slots__ = ()

        def __del__(self):
            ended.append(1)

    for wrap in (lambda thing: thing, lambda thing: [thing]):
        objects = Objects()
        objects.put(wrap(Closing()), 1)
    assert len(ended) == 2


@pytest.mark.parametrize("which", range(12))
def test_hostile_objects_disturb_nothing(which, tmp_path):
    # pytest itself cannot hold one as a parameter.
    thing = list(hostile_objects())[which]

    @trilha.step
    def through(one, *rest, **more):
        return one

    @trilha.step
    def parts(one):
        return {"a": one, "b": [one]}

    with recording(tmp_path, given=thing) as graph:
        same = through(thing, thing, again=thing) is thing
        parts(thing)
        with trilha.step("with", thing=thing):
            trilha.use(thing)
        trilha.produce(thing, "made")
        trilha.hyperparameters(one=thing, two={"three": thing})
    assert same
    assert graph.dropped == 0
    assert graph.labels("Step").count("through") == 1


def test_a_hostile_metric_is_counted_and_nothing_else(tmp_path, capfd):
    things = list(hostile_objects())
    with recording(tmp_path) as graph:
        for thing in things:
            trilha.log(loss=1.0, wrong=thing)
    assert [row for row in graph.metrics() if row != {"loss": 1.0}] == []
    assert len(graph.metrics()) == len(things)
    assert graph.dropped == len(things)
    assert capfd.readouterr().err.count("is no number") == 1


@pytest.mark.parametrize(
    ("thing", "change"),
    [
        ([1], lambda one: one.append(2)),
        ([3, 1, 2], lambda one: one.sort()),
        ([1, 2], lambda one: one.__setitem__(0, 5)),
        ({"a": 1}, lambda one: one.update(a=2)),
        ({"a": [1]}, lambda one: one["a"].append(2)),
        ({1}, lambda one: one.add(2)),
        (bytearray(b"abc"), lambda one: one.__setitem__(1, 0)),
        (np.zeros(10), lambda one: one.__setitem__(3, 1)),
        (np.zeros((40, 40))[::2, ::3], lambda one: one.__setitem__((3, 3), 1)),
        (np.zeros((9, 9), order="F"), lambda one: one.__setitem__((3, 3), 1)),
        (np.array([object(), None]), lambda one: one.__setitem__(0, 3)),
        (pd.DataFrame({"a": [1, 2]}), lambda one: one.insert(1, "b", 2)),
        (pd.DataFrame({"a": [1, 2]}), lambda one: one.__setitem__("a", [3, 4])),
        (pd.DataFrame({"a": [1.5, 2]}), lambda one: one.loc.__setitem__((0, "a"), 9)),
        (pd.DataFrame({"a": ["x", "y"]}), lambda one: one.loc.__setitem__((0, "a"), "z")),
        (pd.DataFrame({"a": [None, [1]]}), lambda one: one.at.__setitem__((0, "a"), 7)),
        (pd.Series([1, 2]), lambda one: one.__setitem__(0, 9)),
        (Plain(1), lambda one: setattr(one, "value", 2)),
        (Plain([1]), lambda one: one.value.append(2)),
        (Plain(np.zeros(2)), lambda one: one.value.__setitem__(0, 2)),
        (SimpleNamespace(a=1), lambda one: one.__dict__.update(b=2)),
    ],
    ids=range(21),
)
def test_a_change_is_told(thing, change):
    before = token(thing)
    assert token(thing) == before
    change(thing)
    assert token(thing) != before


def test_a_change_of_a_tensor_is_told(tmp_path):
    with recording(tmp_path):
        test_a_change_is_told(torch.zeros(3), lambda one: one.add_(1))


@pytest.mark.parametrize("thing", KEPT, ids=range(len(KEPT)))
def test_to_tell_a_change_changes_nothing(thing):
    assert token(thing) == token(thing)
    describe(thing)
    assert list(inside(thing)) == list(inside(thing)) or True
    if not isinstance(thing, list | dict | tuple | set | frozenset | str | bytes | bytearray):
        assert is_value(thing) is False


def test_a_token_does_not_read_an_array_that_lies_in_a_file(tmp_path):
    lying = np.memmap(tmp_path / "big", dtype="u1", mode="w+", shape=1 << 30)
    assert token(lying) == token(lying[:]) == (1 << 30,)
    assert token(np.asarray(lying)) == (1 << 30,)


def test_a_token_asks_no_property_of_a_user_class():
    class Asked(Plain):
        @property
        def costly(self):
            raise AssertionError

        def __getattr__(self, name):
            raise AssertionError

    assert token(Asked()) is not None


def test_a_token_survives_a_library_whose_token_fails(monkeypatch):
    monkeypatch.setitem(tokens.token_of_type, f"{__name__}.Plain", raising)
    assert token(Plain()) is None


def test_structures_stand_for_their_parts():
    one, two = np.zeros(1), np.zeros(1)
    assert parts_of((one, 3, [two]), "x") == [("x[0]", one), ("x[2][0]", two)]
    assert parts_of({"a": one, 5: two, 2.5: one}, "") == [("['a']", one), ("[5]", two), ("[…]", one)]
    assert parts_of([1, 2], "x") is None
    assert parts_of([one] * 33, "x") is None
    assert parts_of({str(number): one for number in range(9)}, "x") is None
    assert [path for path, _ in parts_of(Point(one, two), "p")] == ["p[0]", "p[1]"]


def test_a_structure_that_holds_itself_is_walked_to_an_end():
    loop = []
    loop.append(loop)
    token(loop)
    parts_of(loop, "loop")
    Objects().put(loop, 1)


def test_values_become_attributes_of_their_own_kind():
    assert value_of(np.float64(1.5)) == 1.5
    assert type(value_of(np.float64(1.5))) is float
    assert value_of(np.int8(3)) == 3
    assert value_of(np.bool_(True)) is True
    assert value_of(Colour.RED) == "Colour.RED"
    assert value_of(Plain) == f"{__name__}.Plain"
    assert value_of(len) == "builtins.len"
    assert value_of((1, "a")) == "(1, 'a')"
    assert type(value_of(type("Text", (str,), {})("x"))) is str
    assert value_of(10**4000) == "a whole number of 13288 bits"


def test_texts_are_bounded_and_never_raise():
    assert len(text_of(list(range(10**6)))) < 1000
    assert len(text_of("x" * 10**6)) == 10**6
    assert text_of({"a": Plain.__init__}).startswith("{'a': <function")
    for thing in hostile_objects():
        assert isinstance(text_of(thing), str)


def test_keys_of_attributes_are_iris():
    assert key_of("trilha:arg.", "größe") == "trilha:arg.größe"
    assert key_of("trilha:arg.", 'a "b"\n<c>') == "trilha:arg.a%20%22b%22%0A%3Cc%3E"
    assert key_of("trilha:arg.", "\ud800").isascii()


def test_plain_parts_are_those_of_short_tuples_and_dicts():
    assert plain_parts((1, "a")) == {"0": 1, "1": "a"}
    assert plain_parts(Point(1, 2)) == {"x": 1, "y": 2}
    assert plain_parts({"a": 1}) == {"a": 1}
    assert plain_parts({1: 1}) is None
    assert plain_parts((np.zeros(1),)) is None
    assert plain_parts([1]) is None
    assert plain_parts(tuple(range(100))) is None
