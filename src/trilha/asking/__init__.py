"""Questions asked from a program: of a store or a document, and beside a training that goes on.

`ask` asks a named question once. `watching` asks while the program trains, and lets the answer stop or adapt
it; it is the one room that knows both what records and what answers.
"""

from __future__ import annotations

from trilha.asking.answering import ask
from trilha.asking.watching import Live, Stop, Watching, watch
from trilha.query.questions import Answer, Question, questions

__all__ = ["Answer", "Live", "Question", "Stop", "Watching", "ask", "questions", "watch"]
