"""The statements of PROV-Dictionary (https://www.w3.org/TR/prov-dictionary/), and extensions.

A key is a value such as attributes have: it is given as one, and a plain ``str`` is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trilha.prov.namespaces import Name
from trilha.prov.record import DictionaryMembership, Extension, Group, Insertion, Record, Removal
from trilha.prov.statements import Attributes, Named, Statements
from trilha.prov.terms import Kind, Placeholder
from trilha.prov.values import value as _value

__all__ = ["DictionaryStatements"]

_STRUCTURED: Final = (Record, Group, Placeholder)

_new: Any = tuple.__new__


class DictionaryStatements(Statements):
    """A list of statements, and the methods that add to it, those of PROV-Dictionary among them."""

    __slots__ = ()

    def derived_by_insertion_from(
        self,
        after: Named,
        before: Named,
        pairs: Mapping[Any, Named] | Iterable[tuple[Any, Named]],
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Insertion:
        """State that the dictionary `after` is `before` with `pairs` put in (PROV-Dictionary section 3.2).

        Args:
            after: the dictionary that is made.
            before: the dictionary that it is made from.
            pairs: of key and entity. They take the place of those with the same keys.
            attributes: as in other statements.
            id: its identifier, if any.
        """
        name = self._name
        given = pairs.items() if isinstance(pairs, Mapping) else pairs
        record: Insertion = _new(
            Insertion,
            (
                Kind.INSERTION,
                None if id is None else name(id),
                name(after),
                name(before),
                tuple((_value(key), name(entity)) for key, entity in given),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def derived_by_removal_from(
        self,
        after: Named,
        before: Named,
        keys: Iterable[Any],
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Removal:
        """State that `after` is the dictionary `before` without what is under `keys` (section 3.3)."""
        name = self._name
        record: Removal = _new(
            Removal,
            (
                Kind.REMOVAL,
                None if id is None else name(id),
                name(after),
                name(before),
                tuple(map(_value, keys)),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def had_dictionary_member(self, dictionary: Named, entity: Named, key: Any) -> DictionaryMembership:
        """State that `entity` belongs to `dictionary` under `key` (PROV-Dictionary section 3.4)."""
        name = self._name
        cells = (Kind.DICTIONARY_MEMBERSHIP, None, name(dictionary), name(entity), _value(key), ())
        record: DictionaryMembership = _new(DictionaryMembership, cells)
        self.records.append(record)
        return record

    def extension(
        self, term: str, content: Iterable[Any], attributes: Attributes = None, *, id: str | None = None
    ) -> Extension:
        """Keep a statement of a kind that no recommendation knows (PROV-N: extensibilityExpression).

        Args:
            term: what it states, a `Name` or ``"ex:x"``.
            content: its arguments, as `Extension` has them; a plain ``str`` is text, as in attributes.
        """
        name = self._name
        record: Extension = _new(
            Extension,
            (
                Kind.EXTENSION,
                None if id is None else name(id),
                name(term),
                tuple(one if isinstance(one, _STRUCTURED) else _value(one) for one in content),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def _name(self, given: Named) -> Name:
        return given if given.__class__ is Name else self._names[given]
