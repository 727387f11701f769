"""A set of statements: a document, and the bundles in it (PROV-DM section 5.4, PROV-N section 4).

Statements are kept in the order in which they were made; what a document *says* is the set of them, so that
neither order, nor repetition, nor the choice of prefixes makes two documents differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Final

from trilha.prov.dictionary import DictionaryStatements
from trilha.prov.namespaces import Name, Namespace, Namespaces
from trilha.prov.record import Record
from trilha.prov.terms import Kind

if TYPE_CHECKING:
    from trilha.prov.constraints import Answer, Verdict

__all__ = ["Bundle", "Document"]


def _same(ours: list[Record], theirs: list[Record]) -> bool:
    """Whether two lists hold the same set of statements.

    Comparing cells is several times faster than building what equality is defined by (`Record.key`), so that
    is left for when attributes stand in another order, for NaN, and for when the lists do differ.
    """
    if len(ours) == len(theirs) and _alike(ours, theirs):
        return True
    hashes = list(map(_cells_hash, ours))
    by_hash = dict(zip(hashes, ours, strict=True))
    if len(by_hash) == len(ours) or _alike(ours, list(map(by_hash.__getitem__, hashes))):
        met: set[int] = set()
        for begin in range(0, len(theirs), _AT_ONCE):
            some = theirs[begin : begin + _AT_ONCE]
            hashes = list(map(_cells_hash, some))
            if not by_hash.keys() >= set(hashes) or not _alike(some, list(map(by_hash.__getitem__, hashes))):
                break
            met.update(hashes)
        else:
            if len(met) == len(by_hash):
                return True
    return {record.key for record in ours} == {record.key for record in theirs}


_AT_ONCE: Final = 256
"""So many statements stay in the processor's cache while they are looked at several times."""
_cells_equal = tuple.__eq__
_cells_hash = tuple.__hash__
_flat = itemgetter(-1)
_kind = itemgetter(0)
_LAST_PLAIN: Final = int(Kind.MEMBERSHIP)


def _alike(some: list[Record], others: list[Record]) -> bool:
    """Whether statements are cell by cell the same, pair by pair; if so they are equal, else they may be."""
    if not all(map(_cells_equal, some, others)):
        return False
    if max(map(_kind, some), default=0) > _LAST_PLAIN:
        return False  # it may have values as arguments, whose types count
    # 1 equals True and 1.0, but does not say the same.
    types = map(type, chain.from_iterable(map(_flat, some)))
    return all(map(is_, types, map(type, chain.from_iterable(map(_flat, others)))))


class _Records(DictionaryStatements):
    """What a document and a bundle have in common."""

    __slots__ = ("_by_name", "_indexed", "places")

    def __init__(self, namespaces: Namespaces) -> None:
        super().__init__(namespaces)
        self.places: Sequence[tuple[int, int]] = ()
        self._by_name: dict[Name, list[Record]] = {}
        self._indexed = 0

    def update(self, records: Iterable[Record]) -> None:
        """Add many statements."""
        self.records.extend(records)

    def get(self, name: str) -> list[Record]:
        """The statements with this identifier (a `Name`, or ``"ex:e1"``), in order; an empty list if none.

        The index behind this grows with the document; it does not see statements that were taken out again.

        Raises:
            UsageError: the prefix is not declared.
        """
        if self._indexed < len(self.records):
            for record in self.records[self._indexed :]:
                if record[1] is not None:
                    self._by_name.setdefault(record[1], []).append(record)
            self._indexed = len(self.records)
        return list(self._by_name.get(self.namespaces.resolve(name), ()))

    def of(self, kind: Kind) -> list[Record]:
        """The statements of one kind, in order."""
        return [record for record in self.records if record[0] == kind]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return True

    def says_as(self, other: _Records) -> bool:
        """Whether the same is said here as there, bundles apart."""
        return _same(self.records, other.records)


class Bundle(_Records):
    """A named set of statements within a document (PROV-DM section 5.4.1). `Document.bundle` makes it.

    Attributes:
        name: its identifier.
        records: its statements.
        namespaces: its own prefixes; those of its document hold in it too.
        places: line and column, from 1, where a reader met each of `records`; empty if none says.
    """

    __slots__ = ("name",)

    def __init__(self, name: Name, namespaces: Namespaces) -> None:
        super().__init__(namespaces)
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.name == other.name and self.says_as(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Bundle {self.name!r} of {len(self.records)} statements>"


class Document(_Records):
    """A document of PROV.

    Two documents are equal when they say the same: the same set of statements, and bundles of the same names
    that say the same. Prefixes do not count.

    Args:
        namespaces: the prefixes, as a mapping of prefix to IRI or as namespaces; ``""`` is the default.

    Attributes:
        records: its statements, without those in bundles.
        bundles: its bundles by their names.
        namespaces: its prefixes.
        places: line and column, from 1, where a reader met each of `records`: ``document.places[i]`` is that
            of ``document.records[i]``. Empty for formats that do not say; statements added later have none.

    Raises:
        UsageError: a prefix is declared twice, with two IRIs.

    Example:
        >>> document = Document({"ex": "http://example.org/"})
        >>> record = document.entity("ex:report", {"prov:label": "Crime in cities"})
        >>> relation = document.was_generated_by("ex:report", "ex:writing")
        >>> len(document)
        2
    """

    __slots__ = ("bundles",)

    def __init__(self, namespaces: Mapping[str, str] | Iterable[Namespace] = ()) -> None:
        super().__init__(Namespaces(namespaces))
        self.bundles: dict[Name, Bundle] = {}

    def bundle(self, name: str, namespaces: Mapping[str, str] | Iterable[Namespace] = ()) -> Bundle:
        """The bundle of that name, made if there is none yet.

        Args:
            name: its identifier, a `Name` or ``"ex:b1"``.
            namespaces: prefixes of its own, which come before the document's.

        Raises:
            UsageError: a prefix is not declared, or declared twice.
        """
        resolved = self.namespaces.resolve(name)
        found = self.bundles.get(resolved)
        if found is None:
            found = self.bundles[resolved] = Bundle(resolved, Namespaces((), self.namespaces))
        for namespace in Namespaces(namespaces):
            found.namespaces.add(namespace)
        return found

    def validate(self) -> Verdict:
        """Check the document, and each bundle on its own, against PROV-CONSTRAINTS.

        Returns:
            The verdict: `valid` or not, and in `violations` each constraint that does not hold, with its
            number, the statements at fault and the reasons.
        """
        from trilha.prov.constraints import validate  # it is larger than the model, and few documents need it

        return validate(self)

    def normal_form(self) -> Document:
        """All that the document says, once (PROV-CONSTRAINTS 6.1): expanded, with all inferences, merged.

        What is there and has no name gets one that begins with ``_:``.

        Raises:
            UsageError: the document is not valid, or more than 2,000,000 statements follow from it.
        """
        from trilha.prov.constraints import normal_form

        return normal_form(self)

    def equivalent(self, other: Document) -> Answer:
        """Whether another document says the same, with all that follows (PROV-CONSTRAINTS 6.1 and 6.2).

        Returns:
            An answer, true if it does; `Answer.equivalent` is None where it could not be found out.
        """
        from trilha.prov.constraints import equivalent

        return equivalent(self, other)

    def flattened(self) -> Document:
        """The statements of the document and of its bundles, without bundles."""
        from trilha.prov.transforming import flattened

        return flattened(self)

    def unified(self) -> Document:
        """One statement of each thing (PROV-CONSTRAINTS 22 to 29), bundle by bundle.

        Raises:
            UsageError: the document is not valid; the message names the first violation.
        """
        from trilha.prov.transforming import unified

        return unified(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.bundles == other.bundles and self.says_as(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        bundles = f" and {len(self.bundles)} bundles" if self.bundles else ""
        return f"<Document of {len(self.records)} statements{bundles}>"
