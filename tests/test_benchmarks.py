"""The benchmarks name what is there. They are not run here: a test never measures."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
OVERHEAD = runpy.run_path(str(BENCHMARKS / "overhead.py"))


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
