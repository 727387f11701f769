"""What Trilha's own calls take, in a process that hands tasks over: for `parallel.py` and `executors.py`.

The CPU time of whole processes, bare and recorded, differs by more from one bare run to the next than Trilha
adds. So each entry from the engine into Trilha is wrapped, and each of the engine's own functions that is
called from there, too: what is between is counted, by the processor's own count (`inside.c`), in all threads.

A call that takes longer than `LONGEST` has waited for the processor, or for the interpreter's lock: it is
left out, and told apart. What the counting takes is in the numbers and told beside them. What the threads
spend that Trilha has beside the program is a number of its own.
"""

from __future__ import annotations

import importlib
import operator
from array import array
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from overhead import counter, resolve

LONGEST = 1e-3
"""Seconds. An interpreter that has several threads gives each of them 5 ms."""
POOLS = "concurrent.futures"
KERNELS = "parsl.dataflow.dflow:DataFlowKernel"
PLACES = {
    "threads": (
        "trilha.capture.integrations.executors.threads",
        f"{POOLS}.thread",
        (f"{POOLS}.thread:ThreadPoolExecutor.submit",),
    ),
    "processes": (
        "trilha.capture.integrations.executors.processes",
        f"{POOLS}.process",
        (
            f"{POOLS}.process:ProcessPoolExecutor.submit",
            f"{POOLS}.process:_CallItem.__init__",
            f"{POOLS}.process:_ExecutorManagerThread.process_result_item",
        ),
    ),
    "parsl": (
        "trilha.capture.integrations.parsl",
        "parsl",
        (
            f"{KERNELS}.submit",
            f"{KERNELS}.launch_task",
            f"{KERNELS}.handle_exec_update",
            f"{KERNELS}._complete_task_result",
            "parsl.dataflow.futures:AppFuture.__init__",
            "parsl.executors.threads:ThreadPoolExecutor.submit",
        ),
    ),
}
"""By engine: the integration, the library, and what the integration stands in the place of."""
HANDED = frozenset(["Handed", "Within"])
"""Types of what Trilha hands to a pool's thread in the place of a function."""


class Handing:
    """Counts from when it is made on. A run is being recorded, and the engines are imported and not used yet.

    Args:
        engines: keys of `PLACES`.

    Raises:
        SystemExit: there is no compiler.
    """

    def __init__(self, *engines: str) -> None:
        from trilha.capture.context import process

        self._recorder: Any = process.recorder
        self._counter = counter()
        self._timed: dict[str, Any] = {}
        for engine in engines:
            self._count(*PLACES[engine])
        for name in ("begin", "leave"):
            owner, _ = resolve(f"builtins:__trilha__.{name}")
            if hasattr(owner, name):  # a script's functions tell of their calls
                setattr(owner, name, self._inside(getattr(owner, name), f"calls.{name}"))
        self.reset()

    def _count(self, integration: str, library: str, places: tuple[str, ...]) -> None:
        """Have the integration listen anew, to functions that are not counted, and count what it does."""
        module = importlib.import_module(integration)
        module.end(self._recorder)
        found = [resolve(place) for place in places]
        if library == "parsl":
            dill = importlib.import_module("dill._dill")
            found.append((dill.Pickler.dispatch, CodeType))
        for owner, name in found:
            _put(owner, name, self._outside(_get(owner, name)))
        module.begin(self._recorder, importlib.import_module(library))
        for owner, name in found:
            label = f"{owner.__name__}.{name}" if isinstance(name, str) else "code that is sent"
            _put(owner, name, self._inside(_get(owner, name), label))

    def _inside(self, function: Callable[..., Any], name: str) -> Any:
        one = self._timed[name] = self._counter.Timed(function)
        return one

    def _outside(self, function: Callable[..., Any]) -> Any:
        one = self._counter.Timed(self._handing_on(function) if _is_pools(function) else function, True)
        for name in ("__module__", "__name__", "__qualname__"):
            if hasattr(function, name):
                setattr(one, name, getattr(function, name))
        return one

    def _handing_on(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        """What hands to a pool's threads as `submit` does, and has what Trilha hands to them counted."""
        execute = self._inside(operator.call, "attempt")

        def submit_counted(pool: Any, function: Any, /, *args: Any, **named: Any) -> Any:
            if type(function).__name__ in HANDED:
                return submit(pool, execute, function, *args, **named)
            return submit(pool, function, *args, **named)

        return submit_counted

    def own(self, function: Callable[..., Any]) -> Any:
        """What to hand to threads in the place of `function`, so that its own time is not counted."""
        return self._outside(function)

    def reset(self) -> None:
        """Count from here."""
        for one in self._timed.values():
            one.reset()
        self._parts, self._beside = self._counter.parts(), self._spent_beside()

    def _spent_beside(self) -> float:
        """Seconds of CPU time that Trilha's own threads have spent."""
        found = 0.0
        for thread in (self._recorder.flusher, self._recorder.worker):
            try:
                told = Path(f"/proc/self/task/{thread._native}/schedstat").read_text()
                found += int(told.split()[0]) / 1e9
            except OSError:
                pass  # it does not run
        return found

    def taken(self, tasks: int) -> dict[str, Any]:
        """What was counted since `reset`.

        Returns:
            For each task, in microseconds: ``inside``, ``counting`` (the part of it that the counting took)
            and ``beside``; ``left_out`` (calls, seconds), and ``entries`` (name to calls and seconds).
        """
        beside, parts = self._spent_beside() - self._beside, self._counter.parts() - self._parts
        entries, out = {}, [0, 0.0]
        for name, one in self._timed.items():
            times = [time / 1e9 for time in array("q", one.times())]
            kept = [time for time in times if time < LONGEST]
            if times:
                entries[name] = len(times), sum(kept)
            out[0] += len(times) - len(kept)
            out[1] += sum(times) - sum(kept)
        return {
            "inside": 1e6 * sum(seconds for _, seconds in entries.values()) / tasks,
            "counting": 1e6 * parts * self._alone() / tasks,
            "beside": 1e6 * beside / tasks,
            "left_out": out,
            "entries": entries,
        }

    def _alone(self) -> float:
        """Seconds that the counting of nothing takes, of each interval."""
        nothing = self._counter.Timed(None)
        for _ in range(1000):
            nothing()
        return sorted(array("q", nothing.times()))[500] / 1e9


def _is_pools(function: Any) -> bool:
    name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    return name == (f"{POOLS}.thread", "ThreadPoolExecutor.submit")


def _get(owner: Any, name: Any) -> Any:
    return owner[name] if isinstance(owner, dict) else getattr(owner, name)


def _put(owner: Any, name: Any, value: Any) -> None:
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)


def show(found: list[dict[str, Any]], tasks: int, spread: Callable[[list[float], str], str]) -> None:
    """Print what some runs of so many tasks counted."""
    inside, counting, beside = ([one[key] for one in found] for key in ("inside", "counting", "beside"))
    calls, seconds = (sum(one["left_out"][at] for one in found) for at in (0, 1))
    print(
        f"  inside Trilha, a task: {spread(inside, '.2f')} µs,"
        f" of which the counting {spread(counting, '.2f')}; its own threads {spread(beside, '.2f')} µs;"
        f" left out {calls} calls, {1e3 * seconds:.0f} ms, of more than {1e3 * LONGEST:.0f} ms"
    )
    entries = sorted(found, key=lambda one: one["inside"])[len(found) // 2]["entries"]
    for name, (calls, seconds) in sorted(entries.items(), key=lambda one: -one[1][1]):
        print(f"    {name:<48} {1e6 * seconds / tasks:6.2f} µs, {calls / tasks:.2f} calls")
