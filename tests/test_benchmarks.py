"""The benchmarks name what is there. They are not run here: a test never measures."""

from __future__ import annotations

import runpy
import sys
import threading
from array import array
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
OVERHEAD = runpy.run_path(str(BENCHMARKS / "overhead.py"))
sys.path.insert(0, str(BENCHMARKS))  # it imports its neighbour
HANDING = runpy.run_path(str(BENCHMARKS / "handing.py"))
sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize(
    "entry", [one for one in (*OVERHEAD["ENTRIES"], *OVERHEAD["MAKERS"]) if not one.startswith("builtins:")]
)
def test_what_the_overhead_counts_is_there(entry: str) -> None:
    owner, name = OVERHEAD["resolve"](entry)
    assert hasattr(owner, name)


def test_the_overhead_counts_only_the_outermost_entry() -> None:
    inside = OVERHEAD["Inside"]()
    inner = inside.timed(lambda: None, "inner")
    outer = inside.timed(inner, "outer")
    outer()
    inner()
    assert {name: calls for name, (calls, _) in inside.taken().items()} == {"inner": 1, "outer": 1}
    assert inside.taken() == {}


def test_the_overhead_counts_methods_and_lets_what_they_give_and_raise_through() -> None:
    inside = OVERHEAD["Inside"]()

    class Divisor:
        def divided(self, one: int, *, by: int) -> float:
            return one / by

    Divisor.divided = inside.timed(Divisor.divided, "divided")  # type: ignore[method-assign]
    assert Divisor().divided(6, by=3) == 2
    with pytest.raises(ZeroDivisionError):
        Divisor().divided(6, by=0)
    calls, seconds = inside.taken()["divided"]
    assert calls == 2
    assert seconds > 0


def test_what_an_entry_calls_outside_is_no_part_of_it() -> None:
    counter = OVERHEAD["counter"]()
    seen: list[int] = []
    inner = counter.Timed(lambda: seen.append(1))
    outside = counter.Timed(lambda: [inner() for _ in range(3)], True)
    outer = counter.Timed(lambda: [outside() for _ in range(2)])
    parts = counter.parts()
    outer()
    assert len(seen) == 6
    # An entry from outside is one of its own; each return from outside goes on with the one it was called in.
    assert [len(array("q", one.times())) for one in (inner, outer)] == [6, 1]
    assert counter.parts() - parts == 1 + 2 + 6


def test_calls_in_several_threads_are_counted_each_by_itself() -> None:
    counter = OVERHEAD["counter"]()
    both = threading.Barrier(2)
    timed = counter.Timed(both.wait)
    threads = [threading.Thread(target=timed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(array("q", timed.times())) == 2


@pytest.mark.parametrize("place", [place for _, _, places in HANDING["PLACES"].values() for place in places])
def test_what_is_counted_of_handing_over_is_there(place: str) -> None:
    pytest.importorskip(place.partition(".")[0])
    owner, name = OVERHEAD["resolve"](place)
    assert hasattr(owner, name)
