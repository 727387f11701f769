"""Tracebacks of calls of models that were looked at, as they are of calls that were not.

A module with a hook calls its `forward` from a function inside `Module._call_impl`, one without from that
method itself: a traceback would have a frame more, and another line. It gets the line of the plain call.
"""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any

__all__ = ["mend"]


def mend(error: BaseException, module: Any) -> None:
    """Have the traceback of `error`, which came out of a call of `module`, be that of a call without hooks.

    Args:
        error: its traceback is changed, if it goes through such a call.
        module: that was called.
    """
    before: list[TracebackType] = []
    at = error.__traceback__
    while at is not None and not _is_call(at, module):
        before.append(at)
        at = at.tb_next
    inside = at.tb_next if at is not None else None
    if at is None or inside is None:
        return
    place = _plain_call(at.tb_frame.f_code)
    if place is None:
        return
    made = TracebackType(inside.tb_next, at.tb_frame, *place)
    for one in reversed(before):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    error.__traceback__ = made


def _is_call(at: TracebackType, module: Any) -> bool:
    code, inside = at.tb_frame.f_code, at.tb_next
    return (
        code.co_name == "_call_impl"
        and inside is not None
        and inside.tb_frame.f_code.co_name == "inner"
        and inside.tb_frame.f_code in code.co_consts
        and at.tb_frame.f_locals.get("self") is module
    )


def _plain_call(code: CodeType) -> tuple[int, int] | None:
    """Where `Module._call_impl` calls `forward` if there are no hooks: the instruction, and its line."""
    import dis

    for one in dis.get_instructions(code):
        if one.opname == "CALL_FUNCTION_EX" and one.positions is not None and one.positions.lineno:
            return one.offset, one.positions.lineno
    return None
