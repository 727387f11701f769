"""A node of a graph on its way to the thread or process that computes it, with the attempt that this is.

What the node does is what it does without us, and what it raises shows no frame of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trilha.capture import context
from trilha.capture.context import Quiet, process
from trilha.capture.identity import describe
from trilha.capture.values import is_value, value_of

if TYPE_CHECKING:
    from trilha.capture.tasks import Attempt

__all__ = ["Traced", "TracedElsewhere", "without_frame"]


def without_frame(error: BaseException) -> None:
    """Take the frame that handles `error`, the outermost one so far, out of its traceback."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next


class Traced:
    """A node that is computed in a thread of this process.

    Args:
        node: that computes.
        attempt: that this is.
        ended: called with the result, or with None and the error.
    """

    __slots__ = ("_attempt", "_ended", "_node")

    def __init__(
        self, node: Any, attempt: Attempt, ended: Callable[[Attempt, Any, BaseException | None], object]
    ) -> None:
        self._node = node
        self._attempt = attempt
        self._ended = ended

    def __call__(self, values: Any) -> Any:
        """What the node gives."""
        attempt = self._attempt
        began, spent = time.time_ns(), time.thread_time_ns()
        reset = context.enter(attempt.activity)
        result, failure = None, None
        try:
            result = self._node(values)
        except BaseException as error:
            failure = error
            without_frame(error)
            raise
        finally:
            context.leave(reset)
            cpu = (time.thread_time_ns() - spent) / 1e9
            attempt.ran = ("trilha:waited", (began - attempt.at) / 1e9, "trilha:cpu_seconds", cpu)
            self._ended(attempt, result, failure)
            failure = None
        return result


class TracedElsewhere:
    """A node that is computed in another process, which may have joined the run.

    Args:
        node: that computes.
        run: UUID of the run.
        attempt: IRI of the attempt that this is.
        result: IRI of the entity that the result will be.
        given: IRIs of the entities that go in, by key.
    """

    def __init__(self, node: Any, run: str, attempt: str, result: str, given: dict[Any, str]) -> None:
        self._node = node
        self._run = run
        self._attempt = attempt
        self._result = result
        self._given = given

    def __call__(self, values: Any) -> Any:
        """What the node gives."""
        execution = self._begin(values)
        try:
            result = self._node(values)
        except BaseException as error:
            without_frame(error)
            self._end(execution)
            raise
        self._end(execution)
        if execution is not None:
            self._describe(result)
        return result

    def _begin(self, values: Any) -> Any:
        recorder = process.recorder
        if recorder is None or recorder.uuid != self._run:
            return None
        try:
            from trilha.capture.execution import Execution

            with Quiet():
                for key, entity in self._given.items():
                    value = values.get(key)
                    if not is_value(value) and recorder.objects.get(value) is None:
                        recorder.objects.put(value, entity)
            if recorder.join is not None:
                node = self._node
                given = (*getattr(node, "args", ()), *getattr(node, "inner_tasks", ()))
                traced = recorder.join.follows(getattr(node, "func", None), given)
                recorder.join.executes(self._attempt, traced=traced)
            return Execution(recorder, self._attempt)
        except Exception:
            recorder.failed()
            return None

    @staticmethod
    def _end(execution: Any) -> None:
        if execution is not None:
            if process.recorder is not None and process.recorder.join is not None:
                process.recorder.join.executed()
            execution.end()

    def _describe(self, result: Any) -> None:
        """Say of the result what only the process that has it can say."""
        recorder = process.recorder
        if recorder is None or result is None:
            return
        try:
            with Quiet():
                plain = is_value(result)
                recorder.entity(
                    self._result, *(("prov:value", value_of(result)) if plain else describe(result))
                )
                if not plain and recorder.objects.get(result) is None:
                    recorder.objects.put(result, self._result)
        except Exception:
            recorder.failed()
