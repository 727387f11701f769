"""Annotations after the fact: what a user says of things that are recorded already.

The journal is the truth: each call writes a journal of its own beside those of the run, so that a store
that is made anew still has it, and that the run's own journals stay as they were.
"""

from __future__ import annotations

from trilha.annotating.writing import Meant, Said, annotate, meant, value_of

__all__ = ["Meant", "Said", "annotate", "meant", "value_of"]
