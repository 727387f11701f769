"""Choosing runs by an expression: ``accuracy > 0.9 and learning_rate < 0.01 and framework = torch``.

`reading` makes a tree of the text, `fields` fetches what its names mean for each run, `choosing` keeps the
runs for which it is true. Nothing of the text is ever executed or put into SQL.
"""

from __future__ import annotations

from trilha.query.where.choosing import Chosen, choose
from trilha.query.where.fields import lower_is_better
from trilha.query.where.reading import operand, parse

__all__ = ["Chosen", "choose", "lower_is_better", "operand", "parse"]
