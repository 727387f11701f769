"""The named questions: what a person asks of a run, of a document or of a whole campaign.

`asking` says what a question and its answer are and finds them by name; each family of questions is a module
of its own: `origins` (lineage, paths, impact), `ranking` (runs, the best of them), `measures` (metrics,
epochs), `settings` (hyperparameters, layers), `adapting` (what changed on the way), `preparing`
(transformations, splits), `sharing` (data in common), `accounting` (who, where, with what, what failed, is
this the file), `comparing` (two runs), `depending` and `calling` (calls and data of parallel workflows),
`tables` (databases).

Source: the queries of the DLProv papers, of their kin and of Swift; each question says which one it answers.
"""

from __future__ import annotations

from trilha.query.questions.asking import Answer, Asked, Question, ask, find, questions

__all__ = ["Answer", "Asked", "Question", "ask", "find", "questions"]
