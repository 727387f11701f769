"""How exactly decimals are calculated: by the precision and rounding that the text has set for all of them.

What an operation of decimals gives comes of `getcontext().prec`, though nothing is handed from the one to the
other; what is set within the block of a `localcontext` is over with it.

Source: Python Library Reference, `decimal`, section "Context objects".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, TypeGuard

from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Kind, Role
from trilha.trace.states import States
from trilha.trace.traced import Traced

__all__ = ["Decimals"]

_SETTINGS: Final = (".prec", ".rounding", ".Emin", ".Emax", ".capitals", ".clamp")
_HELD: Final = frozenset(
    (Role.OPERAND, Role.ARGUMENT, Role.COLLECTION, Role.ELEMENT, Role.VALUE, Role.MEMBER, Role.RESULT)
)
_PLAIN: Final = frozenset(["str", "repr", "int", "float", "print", "len", "bool", "hash", "isinstance"])
"""Functions that calculate nothing with decimals, and give others."""


class Decimals:
    """Tells which settings an operation of decimals was made with.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        texts = {path for path, text in traced.texts.items() if "decimal" in text}
        set_ = [
            number
            for number, one in traced.components.items()
            if texts and one.kind is Kind.PART and one.file in texts and one.text.endswith(_SETTINGS)
        ]
        self._set = {number: self._end(number) for one in set_ for number in traced.of_component(one)}
        self._calculated = dict.fromkeys(sorted(self._calculations(texts)) if self._set else ())

    def led_to(self, number: int) -> list[int]:
        """What was set for an operation of decimals."""
        if number not in self._calculated:
            return []
        last = {}
        for one, end in sorted(self._set.items()):
            if one < number < end:
                last[self._traced.component(one).text.rpartition(".")[2]] = one
        return list(last.values())

    def calculated_after(self, number: int) -> Iterator[int]:
        """The operations of decimals that were made with what an evaluation set."""
        if number in self._set:
            yield from (one for one in self._calculated if number in self.led_to(one))

    def _end(self, number: int) -> int:
        """The first evaluation for which what another one set does not hold any more."""
        traced, one = self._traced, self._traced.component(number)
        blocks = filter(_is_local, ast.walk(parsed(traced.texts[one.file])))
        lines = [range(node.lineno, (node.end_lineno or 0) + 1) for node in blocks]
        around = min((some for some in lines if one.line in some), key=len, default=None)
        if around is None:
            return traced.end
        activation = traced.activation_number(number)
        for later in range(number + 1, traced.end):
            outside = traced.is_evaluation(later) and traced.component(later).line not in around
            if outside and traced.activation_number(later) == activation:
                return later
        return traced.end

    def _calculations(self, texts: set[str]) -> Iterator[int]:
        """The operations and calls of libraries that decimals go into."""
        traced = self._traced
        states = {path: States(parsed(traced.texts[path])) for path in texts}
        made = [
            at
            for number, one in traced.components.items()
            if one.kind is Kind.CALL and one.file in states
            if states[one.file].full_name(one.text).startswith("decimal.Decimal")
            for at in traced.of_component(number)
        ]
        holds = bytearray(traced.end)
        for number in made:
            holds[number] = 1
        for number in traced.consumers(min(made, default=traced.end), holds, holds):
            if not any(holds[source] and role in _HELD for source, role in traced.sources(number)):
                continue
            one = traced.component(number)
            if one.kind is Kind.CALL and traced.called_by(number):
                roles = ((source, role) for source, role in traced.sources(number) if role is Role.RESULT)
                holds[number] = any(holds[source] for source, _ in roles)
                continue
            plain = one.kind is Kind.CALL and one.text.partition("(")[0] in _PLAIN
            holds[number] = not plain
            if one.kind in (Kind.OPERATION, Kind.CALL) and not plain:
                yield number


def _is_local(node: ast.AST) -> TypeGuard[ast.With]:
    """Whether a statement is a ``with`` of a context of its own."""
    return isinstance(node, ast.With) and any("localcontext" in ast.unparse(one) for one in node.items)
