"""Steps around blocks and functions: what is recorded of them, and that nothing else about them changes."""

import asyncio
import contextlib
import functools
import inspect
import linecache
import pickle
import sys
import threading
import traceback
from collections import OrderedDict, defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.capture.graph import P, recording

import trilha
from trilha.errors import UsageError
from trilha.prov import Kind


@trilha.step
def load(size=3, *, kind="zeros"):
    """Load it."""
    return np.zeros(size)


@trilha.step
def scale(data, by=2):
    data += by


@trilha.step
def total(data):
    return float(data.sum())


@trilha.step
def through(thing):
    return thing


@trilha.step
def made(make):
    return make()


def test_what_one_step_returns_and_another_takes_is_one_entity(tmp_path):
    with recording(tmp_path) as graph:
        assert total(load(4)) == 0.0
    assert graph.generations() == [("load()", "load")]
    assert graph.usages() == [("total", "load()")]
    assert graph.derivations() == []


def test_arguments_defaults_and_plain_results_are_attributes_of_the_step(tmp_path):
    with recording(tmp_path) as graph:
        load(kind="ones")
        total(data=np.ones(2))
    assert graph.one("load")["arg.size"] == [3]
    assert graph.one("load")["arg.kind"] == ["ones"]
    assert graph.one("total")["returned"] == [2.0]


def test_a_result_is_derived_from_the_arguments(tmp_path):
    @trilha.step
    def join(one, two):
        return np.concatenate([one, two])

    with recording(tmp_path) as graph:
        join(load(1), load(2))
    assert graph.derivations() == [("join()", "load()"), ("join()", "load()")]
    for record in graph.of(Kind.DERIVATION):
        assert graph.label(record[4]) == "join"
        generation = next(one for one in graph.of(Kind.GENERATION) if one.id == record[5])
        assert generation[2] == record[2]
        usage = next(one for one in graph.of(Kind.USAGE) if one.id == record[6])
        assert usage[3] == record[3]


def test_what_a_step_changed_in_place_is_a_revision(tmp_path):
    with recording(tmp_path) as graph:
        data = load(4)
        data += 1
        scale(data)
        total(data)
    assert ("data after scale", "load()") in graph.derivations()
    assert ("total", "data after scale") in graph.usages()
    assert [record.value(P + "type") for record in graph.of(Kind.DERIVATION)] == [P + "Revision"]


@pytest.mark.parametrize("kind", ["list", "nested", "instance", "frame", "block"])
def test_changes_in_place_are_told_for_many_kinds(kind, tmp_path):
    import pandas as pd

    class Model:
        pass

    @trilha.step
    def change(thing):
        if kind == "list":
            thing.append(3)
        elif kind == "nested":
            thing["layers"].append(3)
        elif kind == "instance":
            thing.weights = np.ones(3)
        elif kind == "frame":
            thing["new"] = 1

    things = {
        "list": [1],
        "nested": {"layers": [1]},
        "instance": Model(),
        "frame": pd.DataFrame({"a": [1]}),
        "block": [1],
    }
    thing = things[kind]
    with recording(tmp_path) as graph:
        if kind == "block":
            with trilha.step("change", thing=thing):
                thing.append(2)
        else:
            change(thing)
        through(thing)
    ((new, _),) = graph.derivations()
    assert new.endswith("after change")
    assert ("through", new) in graph.usages()


def test_what_is_returned_unchanged_stays_the_same_entity(tmp_path):
    with recording(tmp_path) as graph:
        data = load()
        assert through(data) is data
        total(data)
    assert graph.generations() == [("load()", "load")]
    assert graph.derivations() == []
    assert graph.usages() == [("through", "load()"), ("total", "load()")]


def test_what_is_changed_and_returned_is_a_revision_derived_from_all_arguments(tmp_path):
    class Estimator:
        pass

    @trilha.step
    def fit(model, data):
        model.weights = data * 2
        return model

    with recording(tmp_path) as graph:
        through(fit(Estimator(), load()))
    assert sorted(graph.derivations()) == [("model after fit", "load()"), ("model after fit", "model")]
    assert ("through", "model after fit") in graph.usages()


def test_an_object_that_cannot_tell_of_changes_is_new_when_it_is_returned(tmp_path):
    numbers = (number for number in range(3))
    with recording(tmp_path) as graph:
        through(numbers)
    assert graph.derivations() == [("thing after through", "thing")]
    assert next(numbers) == 0


def test_the_same_object_twice_is_used_once_and_changed_once(tmp_path):
    @trilha.step
    def both(one, two):
        one += 1

    with recording(tmp_path) as graph:
        data = load()
        both(data, data)
    assert graph.usages() == [("both", "load()")]
    assert graph.derivations() == [("one after both", "load()")]


def test_tuples_lists_and_dicts_stand_for_their_parts(tmp_path):
    @trilha.step
    def split(data):
        return data[:1].copy(), {"test": data[1:].copy(), "sizes": [1, 2]}

    with recording(tmp_path) as graph:
        train, rest = split(load())
        total(train)
        total(rest["test"])
    assert ("split()[0]", "split") in graph.generations()
    assert ("split()[1]['test']", "split") in graph.generations()
    assert graph.usages()[1:] == [("total", "split()[0]"), ("total", "split()[1]['test']")]


def test_a_new_object_is_derived_from_the_known_ones_that_it_holds(tmp_path):
    class Dataset:
        def __init__(self, images, labels):
            self.images, self.labels = images, labels

    with recording(tmp_path) as graph:
        through(Dataset(load(), load()))
    assert [source for new, source in graph.derivations() if new == "thing"] == ["load()", "load()"]


def test_results_that_are_gathered_are_what_the_gathered_came_of(tmp_path):
    with recording(tmp_path) as graph:
        results = [through([number]) for number in range(3)]
        through(results)
        through({"first": results[0], "number": 1})
        through([{"x": 1}])
    assert [source for new, source in graph.derivations() if new == "thing"] == ["thing"] * 4


@pytest.mark.parametrize(
    ("make", "take"),
    [
        (lambda: [[1, 2], [3, 4]], lambda whole: whole[1]),
        (lambda: ([1, 2], [3, 4]), lambda whole: whole[1]),
        (lambda: {"train": {"x": [1, 2]}}, lambda whole: whole["train"]),
        (lambda: {"train": {"x": [1, 2]}}, lambda whole: whole["train"]["x"]),
        (lambda: {"model": np.zeros(3), "losses": [0.5, 0.25]}, lambda whole: whole["losses"]),
    ],
    ids=["a row", "one of two", "a dict", "in a dict", "beside an array"],
)
def test_a_list_that_is_taken_out_of_a_result_came_of_it(make, take, tmp_path):
    with recording(tmp_path) as graph:
        through(take(made(make)))
    used = {source for user, source in graph.usages() if user == "through"}
    came = used | {source for new, source in graph.derivations() if new in used}
    assert any(one.startswith("made()") for one in came)


def test_a_list_that_was_put_into_a_result_since_is_no_part_of_it(tmp_path):
    with recording(tmp_path) as graph:
        thing = made(lambda: {"x": [1, 2]})
        thing["x"] = None
        thing["x"] = [3, 4]
        through(thing["x"])
    assert not graph.derivations()


@pytest.mark.parametrize("kind", [dict, functools.partial(defaultdict, list)], ids=["dict", "defaultdict"])
def test_what_was_put_into_a_result_goes_with_it(kind, tmp_path):
    with recording(tmp_path) as graph:
        thing = made(lambda: kind(rate=[0.1]))
        thing["more"] = load()
        thing["deep"] = [through([1])]
        through(thing)
    assert {source for user, source in graph.usages() if user == "through"} == {"thing", "made()", "load()"}


@pytest.mark.parametrize(
    "gather",
    [deque, lambda things: dict(enumerate(things)).values(), lambda things: OrderedDict(enumerate(things))],
    ids=["deque", "values", "OrderedDict"],
)
def test_what_holds_results_came_of_them_whatever_holds_them(gather, tmp_path):
    with recording(tmp_path) as graph:
        results = [made(lambda: [1]), made(lambda: [2])]
        through(gather(results))
    assert graph.derivations()[:2] == [("thing", "made()")] * 2


def test_a_result_came_of_the_results_that_it_holds(tmp_path):
    @trilha.step
    def gather():
        return {"first": through([1]), "second": through([2]), "rate": 0.1}

    with recording(tmp_path) as graph:
        gather()
    assert [source for new, source in graph.derivations() if new == "gather()"] == ["thing", "thing"]


def test_plain_tuples_and_dicts_are_told_by_their_values(tmp_path):
    @trilha.step
    def shape(data, size=(2, 3)):
        return 2, "rows"

    @trilha.step
    def scores():
        return {"f 1": 0.5, "none": None}

    with recording(tmp_path) as graph:
        shape(load())
        scores()
    assert graph.one("shape")["returned.0"] == [2]
    assert graph.one("shape")["returned.1"] == ["rows"]
    assert graph.one("shape")["arg.size"] == ["(2, 3)"]
    assert graph.one("scores")["returned.f%201"] == [0.5]


def test_further_positional_and_named_arguments(tmp_path):
    @trilha.step
    def many(first, /, *rest, last=4, **more):
        return None

    with recording(tmp_path) as graph:
        many(1, 2, load(), last=5, extra=6)
        many(*range(1000))
    one, other = (graph.about[name] for name in graph.all("many"))
    assert (one["arg.first"], one["arg.rest.0"], one["arg.last"], one["arg.extra"]) == ([1], [2], [5], [6])
    assert ("many", "load()") in graph.usages()
    assert len([key for key in other if key.startswith("arg.")]) == 66


def test_methods_and_class_methods(tmp_path):
    class Model:
        def __init__(self):
            self.weights = 0

        @trilha.step
        def fit(self, data):
            self.weights = 1
            return self

        @trilha.step
        @classmethod
        def build(cls, size):
            return cls()

        @classmethod
        @trilha.step
        def rebuild(cls):
            return cls()

        @trilha.step("say hello")
        @staticmethod
        def hello():
            return "hello"

    with recording(tmp_path) as graph:
        Model.build(3).fit(load())
        assert Model().hello() == Model.hello() == "hello"
        assert type(Model.rebuild()) is Model
    assert ("fit", "build()") in graph.usages()
    assert ("self after fit", "build()") in graph.derivations()
    assert graph.one("build")["arg.size"] == [3]
    assert graph.labels("Step").count("say hello") == 2


def test_an_object_met_as_self_is_called_by_its_type(tmp_path):
    class Model:
        @trilha.step
        def fit(self):
            pass

    with recording(tmp_path) as graph:
        Model().fit()
    assert graph.usages() == [("fit", "Model")]


def test_steps_nest(tmp_path):
    @trilha.step
    def outer():
        with trilha.step("middle"):
            return load()

    with recording(tmp_path) as graph:
        outer()
    assert graph.starters() == {"outer": "run", "middle": "outer", "load": "middle"}
    # What the inner step made is no second entity where the outer one returns it.
    assert graph.generations() == [("load()", "load")]


def test_a_change_inside_is_the_inner_steps(tmp_path):
    @trilha.step
    def outer(data):
        scale(data)

    with recording(tmp_path) as graph:
        outer(load())
    assert [one for one in graph.generations() if "after" in one[0]] == [("data after scale", "scale")]


def test_an_exception_ends_the_step_and_goes_on(tmp_path):
    @trilha.step
    def fails(data):
        data += 1
        raise KeyError("no")

    with recording(tmp_path) as graph:
        with pytest.raises(KeyError, match="no"):
            fails(load())
        with pytest.raises(ZeroDivisionError), trilha.step("block"):
            1 / 0
        with trilha.step("after"):
            pass
    assert graph.one("fails")["exception"] == ["KeyError"]
    assert graph.one("block")["exception"] == ["ZeroDivisionError"]
    assert graph.starters()["after"] == "run"
    assert graph.generations()[-1] == ("data after fails", "fails")
    assert {graph.id("fails"), graph.id("block")} <= graph.ended


def trace_of(call):
    try:
        call()
    except BaseException:
        return traceback.format_exc()
    raise AssertionError


@pytest.mark.parametrize("recorded", [False, True])
def test_a_traceback_shows_no_frame_of_ours(recorded, tmp_path):
    def fails():
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("outer") from error

    def generator():
        yield 1
        fails()

    async def coroutine():
        fails()

    async def many():
        yield 1
        fails()

    async def all_of(make):
        return [one async for one in make()]

    calls = {
        fails: lambda one: one(),
        generator: lambda one: list(one()),
        coroutine: lambda one: asyncio.run(one()),
        many: lambda one: asyncio.run(all_of(one)),
    }
    with recording(tmp_path) if recorded else contextlib.nullcontext():
        for function, call in calls.items():
            plain = trace_of(functools.partial(call, function))
            assert trace_of(functools.partial(call, trilha.step(function))) == plain
            assert "trilha" not in plain.replace(__file__, "")


def test_a_wrong_call_raises_what_it_would(tmp_path):
    with recording(tmp_path) as graph:
        with pytest.raises(TypeError, match=r"total\(\) missing 1 required positional argument"):
            total()
        with pytest.raises(TypeError, match="unexpected keyword"):
            total(1, wrong=2)
    assert graph.dropped == 0


def test_a_decorated_function_stays_what_it_was():
    assert load.__name__ == "load"
    assert load.__qualname__ == "load"
    assert load.__doc__ == "Load it."
    assert load.__module__ == __name__
    assert str(inspect.signature(load)) == "(size=3, *, kind='zeros')"
    assert pickle.loads(pickle.dumps(load)) is load
    assert inspect.isfunction(load)

    @trilha.step
    async def coroutine():
        pass

    @trilha.step
    def generator():
        yield

    @trilha.step
    async def many():
        yield

    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(many)


def test_other_callables_may_be_steps(tmp_path):
    class Callable:
        __hash__ = None

        def __call__(self, x):
            return x + 1

    with recording(tmp_path) as graph:
        assert trilha.step(functools.partial(max, 3))(5) == 5
        assert trilha.step("called")(Callable())(1) == 2
        assert trilha.step(len)("abc") == 3
        assert trilha.step(functools.lru_cache(lambda x: [x]))(4) == [4]
        assert trilha.step(lambda: 7)() == 7
    assert graph.dropped == 0
    assert graph.labels("Step") == ["max", "called", "len", "<lambda>", "<lambda>"]


@pytest.mark.parametrize("wrong", [3, None, property(lambda self: 1)])
def test_what_is_neither_name_nor_function_is_a_wrong_call(wrong):
    with pytest.raises(UsageError, match=r"trilha\.step takes a name or a function"):
        trilha.step(wrong)


def test_a_class_is_no_step():
    with pytest.raises(UsageError, match="not a class"):
        trilha.step(type("Some", (), {}))


def test_a_coroutines_step_lasts_until_it_is_done(tmp_path):
    @trilha.step
    async def fetch(number):
        await asyncio.sleep(0)
        with trilha.step(f"inside {number}"):
            await asyncio.sleep(0)
        return [number]

    @trilha.step
    async def main():
        return await asyncio.gather(*(fetch(number) for number in range(5)))

    with recording(tmp_path) as graph:
        assert asyncio.run(main()) == [[number] for number in range(5)]
    starters = [(graph.label(one[2]), one[2], one[4]) for one in graph.of(Kind.START)]
    fetches = {name: starter for label, name, starter in starters if label == "fetch"}
    assert len(fetches) == 5
    assert set(fetches.values()) == {graph.id("main")}
    assert {starter for label, _, starter in starters if label.startswith("inside")} == set(fetches)
    assert set(fetches) <= graph.ended


def test_a_cancelled_coroutine_ends_its_step(tmp_path):
    @trilha.step
    async def forever():
        await asyncio.sleep(1000)

    async def main():
        task = asyncio.create_task(forever())
        await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with recording(tmp_path) as graph:
        asyncio.run(main())
    assert graph.one("forever")["exception"] == ["CancelledError"]


def test_a_generators_step_lasts_while_it_is_iterated(tmp_path):
    @trilha.step
    def batches(count):
        for number in range(count):
            with trilha.step(f"make {number}"):
                batch = np.full(2, number)
            received = yield batch
            assert received is None
        return "done"

    def consume():
        result = yield from batches(2)
        assert result == "done"

    with recording(tmp_path) as graph:
        for batch in consume():
            # While the consumer runs, the generator's step is not the current one.
            with trilha.step("train"):
                total(batch)
    starters = graph.starters()
    assert starters["make 0"] == starters["make 1"] == "batches"
    assert starters["train"] == "run"
    assert [one for one in graph.generations() if one[1] == "batches"] == [
        ("batches() 1", "batches"),
        ("batches() 2", "batches"),
    ]
    assert ("total", "batches() 2") in graph.usages()
    assert graph.one("batches")["returned"] == ["done"]
    assert graph.one("batches")["yielded"] == [2]


def test_a_generator_behaves_as_without_us(tmp_path):
    def log(events):
        try:
            got = yield 1
            events.append(got)
            try:
                yield 2
            except ValueError as error:
                events.append(str(error))
            yield 3
        finally:
            events.append("closed")

    def drive(make):
        events = []
        one = make(events)
        events.append(next(one))
        events.append(one.send("sent"))
        events.append(one.throw(ValueError("thrown")))
        one.close()
        with pytest.raises(StopIteration):
            next(one)
        return events

    def endless():
        while True:
            try:
                yield
            except GeneratorExit:
                yield "again"

    with recording(tmp_path) as graph:
        assert drive(trilha.step(log)) == drive(log)
        stubborn = trilha.step(endless)()
        next(stubborn)
        with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
            stubborn.close()
        left = trilha.step(log)([])
        next(left)
        del left
        kept = trilha.step(log)([])
        next(kept)
    # Iterated further, and ended, when its run is over.
    assert next(kept) == 2
    kept.close()
    steps = graph.all("log")
    assert [name in graph.ended for name in steps] == [True, True, False]
    assert "exception" not in graph.about[steps[0]]
    assert graph.dropped == 0


def test_an_asynchronous_generator_behaves_as_without_us(tmp_path):
    async def log(events):
        try:
            got = yield 1
            events.append(got)
            try:
                yield 2
            except ValueError as error:
                events.append(str(error))
            yield 3
        finally:
            events.append("closed")

    async def drive(make):
        events = []
        one = make(events)
        events.append(await anext(one))
        events.append(await one.asend("sent"))
        events.append(await one.athrow(ValueError("thrown")))
        await one.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(one)
        return events

    with recording(tmp_path) as graph:
        assert asyncio.run(drive(trilha.step(log))) == asyncio.run(drive(log))
    assert graph.one("log")["yielded"] == [3]


def test_long_generators_say_how_much_they_gave(tmp_path):
    @trilha.step
    def many():
        for number in range(500):
            yield [number]

    with recording(tmp_path) as graph:
        list(many())
    assert len(graph.generations()) == 64
    assert graph.one("many")["yielded"] == [500]


def test_one_step_is_entered_by_many_threads_at_once(tmp_path):
    step = trilha.step("shared", size=3)
    barrier = threading.Barrier(8)

    def work(number):
        for _ in range(5):
            barrier.wait()
            with step:
                barrier.wait()
                with trilha.step(f"inside {number}"):
                    pass

    with recording(tmp_path) as graph, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    shared = graph.all("shared")
    assert len(shared) == 40
    assert set(shared) <= graph.ended
    starts = [one for one in graph.of(Kind.START) if graph.label(one[2]).startswith("inside")]
    # Each inside its own thread's: five of each thread, each in another.
    assert len({one[4] for one in starts}) == 40
    assert {graph.label(one[4]) for one in starts} == {"shared"}
    assert not step._entered


def test_one_step_is_entered_by_many_tasks_at_once(tmp_path):
    step = trilha.step("shared")

    async def work(number):
        with step:
            await asyncio.sleep(0.001 * (7 - number))
            with trilha.step(f"inside {number}"):
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*map(work, range(8)))

    with recording(tmp_path) as graph:
        asyncio.run(main())
    starts = [one for one in graph.of(Kind.START) if graph.label(one[2]).startswith("inside")]
    assert len({one[4] for one in starts}) == 8
    assert set(graph.all("shared")) <= graph.ended


def test_one_step_is_a_decorator_and_a_context_and_nests_in_itself(tmp_path):
    step = trilha.step("again", depth=1)

    @step
    def function():
        with step, step:
            pass

    with recording(tmp_path) as graph:
        function()
    assert len(graph.all("again")) == 3
    assert set(graph.all("again")) <= graph.ended


def test_a_step_entered_before_the_run_or_left_after_it_disturbs_nothing(tmp_path):
    early, late = trilha.step("early"), trilha.step("late")
    early.__enter__()
    with recording(tmp_path) as graph:
        early.__exit__(None, None, None)
        late.__enter__()
    late.__exit__(None, None, None)
    with recording(tmp_path / "second") as second, trilha.step("inside"):
        pass
    assert graph.labels("Step") == ["late"]
    assert second.starters() == {"inside": "run"}


def test_a_function_follows_a_plan_that_says_where_it_stands(tmp_path):
    with recording(tmp_path) as graph:
        load()
        load()
    plan = graph.one(f"{__name__}.load")
    assert plan["type"] == [P + "Plan"]
    assert plan["source"][0].startswith("@trilha.step\ndef load(size=3")
    assert plan["path"] == [__file__]
    assert plan["line"] == [load.__wrapped__.__code__.co_firstlineno]
    followed = [one[4] for one in graph.of(Kind.ASSOCIATION) if graph.label(one[2]) == "load"]
    assert followed == [plan["id"][0]] * 2


def test_a_block_follows_a_plan(tmp_path):
    with recording(tmp_path) as graph:
        for _ in range(2):
            with (
                contextlib.nullcontext(),
                trilha.step("block", size=1),
            ):
                pass
        with trilha.step("other"):
            load()
    plan = graph.one('with "block"')
    assert plan["source"][0].startswith("with (\n    contextlib.nullcontext(),")
    plans = [one[4] for one in graph.of(Kind.ASSOCIATION) if graph.label(one[2]) == "block"]
    assert len(plans) == 2
    assert len(set(plans)) == 1
    assert len([one for one in graph.of(Kind.ASSOCIATION) if graph.label(one[2]) == "other"]) == 1


def test_functions_of_one_source_and_two_names_follow_two_plans(tmp_path):
    def make(number):
        @trilha.step
        def same():
            return number

        same.__wrapped__.__qualname__ = f"same_{number}"
        return same

    with recording(tmp_path) as graph:
        make(1)()
        make(2)()
        make(1)()
    plans = [one[4] for one in graph.of(Kind.ASSOCIATION) if graph.label(one[2]) == "same"]
    assert len(plans) == 3
    assert plans[0] == plans[2] != plans[1]


def test_a_function_without_source_is_a_step_without_a_plan(tmp_path, monkeypatch):
    # What stands under that name is another one's: Python 3.13 keeps the source of `python -c` there.
    another = "with trilha.step('block'): other()\n"
    monkeypatch.setitem(linecache.cache, "<string>", (len(another), None, [another], "<string>"))
    space = {"trilha": trilha}
    exec("@trilha.step\ndef made(x): return x", space)
    with recording(tmp_path) as graph:
        assert space["made"](1) == 1
        exec("with trilha.step('block'): pass", space)
    assert [one[4] for one in graph.of(Kind.ASSOCIATION)] == [None, None, None]
    assert graph.dropped == 0


def test_recursion_is_as_deep_as_ever(tmp_path):
    @trilha.step
    def down(number):
        return number if number == 0 else down(number - 1)

    with recording(tmp_path) as graph:
        assert down(50) == 0
        with pytest.raises(RecursionError):
            down(sys.getrecursionlimit())
        assert down(3) == 0
    assert graph.starters()["down"] in ("run", "down")


def test_an_error_of_ours_never_reaches_the_program(tmp_path, monkeypatch):
    from trilha.capture import steps

    monkeypatch.setattr(steps, "describe", lambda thing: 1 / 0)
    with recording(tmp_path) as graph:
        assert total(load()) == 0.0
        with trilha.step("block", data=np.zeros(1)):
            trilha.use([1])
            trilha.produce([2])
    assert graph.dropped > 0
