"""Asking a named question of a store, or of a document alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from trilha import store as stores
from trilha.errors import UsageError
from trilha.formats import read
from trilha.prov import Document
from trilha.query import questions
from trilha.store.memory import store_of

if TYPE_CHECKING:
    from trilha.query.questions import Answer
    from trilha.store import Store

__all__ = ["ask", "opened"]


def ask(
    name: str,
    *arguments: Any,
    run: str | None = None,
    where: str | None = None,
    store: Store | str | os.PathLike[str] | None = None,
    document: Document | str | os.PathLike[str] | None = None,
) -> Answer:
    """The answer to a named question; docs/reference/questions.md lists them, and so does `trilha ask`.

    Args:
        name: of the question, such as ``"top"``.
        arguments: of the question, such as ``"accuracy", 5``.
        run: only this run: a name, a UUID or its beginning, ``"last"``.
        where: only runs for which this is true: ``"accuracy > 0.9 and framework = torch"``.
        store: a store, or its folder; the environment's TRILHA_STORE, else ``.trilha``, by default.
        document: instead of a store, a document or its file, in any format that `trilha.read` reads.

    Returns:
        Rows of plain values, and what cannot be known.

    Raises:
        NotFound: no such question, run or thing.
        UsageError: the arguments are wrong, the expression cannot be read, or both a store and a document
            were given.
        StoreError: there is no store.
        FormatError: the document is not what its format says.
    """
    if store is not None and document is not None:
        raise UsageError("a question is asked of a store or of a document: give one of the two")
    if store is not None and isinstance(store, stores.Store):
        store.refresh()
        return questions.ask(store, name, *arguments, run=run, where=where)
    with opened(store, document) as found:
        return questions.ask(found, name, *arguments, run=run, where=where)


def opened(
    store: str | os.PathLike[str] | None, document: Document | str | os.PathLike[str] | None = None
) -> Store:
    """The store in a folder, brought up to date; or one in memory that holds a document.

    Raises:
        StoreError: there is no store.
        FormatError: the document is not what its format says.
        UsageError: its file cannot be read.
    """
    if document is None:
        return stores.open(store)
    if isinstance(document, Document):
        return store_of(document)
    return store_of(read(document), os.fspath(document))
