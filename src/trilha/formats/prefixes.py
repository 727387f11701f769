"""Which prefix a name is written with: the writers' half of qualified names (PROV-N section 3.7.1).

A name is a whole IRI; a format writes ``prefix:local``. The longest declared namespace that fits is taken; a
name that none fits gets Trilha's own prefix, if it is in one of Trilha's namespaces, or a generated one
(``ns1``, ``ns2``, …), which is declared with the document.
"""

from __future__ import annotations

from collections.abc import Callable

from trilha.prov import FIXED, Document, Name, Namespaces

__all__ = ["Prefixes"]


class Prefixes(dict[Name, str]):
    """The text of each name in one scope (a document, or a bundle in it): ``prefixes[name]``.

    Args:
        document: the document.
        spell: how this format writes a name: a function of prefix (``""`` for the default namespace) and
            local part that gives the text, or None if this prefix cannot be used for it.
        keeps: whether this format can declare a prefix; what it cannot is not used.
        scope: the namespaces of a bundle, for its scope; without it, the scope is the document.
        root: the prefixes of the document, for the scope of a bundle.
        blank: whether this format has a place for names that begin with ``_:``, as they are.
        cut: where a name can be cut in two, from a place on: what comes behind must be a local part.
    """

    def __init__(
        self,
        document: Document,
        spell: Callable[[str, str], str | None],
        keeps: Callable[[str], bool],
        scope: Namespaces | None = None,
        root: Prefixes | None = None,
        *,
        blank: bool = False,
        cut: Callable[[str, int], int] | None = None,
    ) -> None:
        super().__init__()
        self._spell = spell
        self._blank = blank
        self._cut = cut
        self._root = self if root is None else root
        own = document.namespaces if scope is None else scope
        self.declared = {prefix: iri for prefix, iri in own.items() if not prefix or keeps(prefix)}
        """What is declared in this scope, prefix to IRI; for the document with what was generated."""
        in_scope = {ns.prefix: ns.iri for ns in FIXED[:2]}
        if root is not None:
            in_scope |= {prefix: iri for prefix, iri in root.declared.items() if prefix}
        in_scope |= self.declared
        self._in_scope = sorted(in_scope.items(), key=lambda pair: -len(pair[1]))
        self._by_iri: dict[str, list[str]] = {}
        for prefix, iri in self._in_scope:
            self._by_iri.setdefault(iri, []).append(prefix)
        self._lengths = list(dict.fromkeys(map(len, self._by_iri)))
        self._generated: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        if root is None:
            self._taken = {"prov", "xsd", "default"}
            for some in (own, *(bundle.namespaces for bundle in document.bundles.values())):
                self._taken.update(prefix for prefix, _ in some.items())

    def __missing__(self, name: Name) -> str:
        if self._blank and name.startswith("_:"):
            self[name] = str(name)
            return self[name]
        for length in self._lengths:  # not IRI by IRI: there may be as many as names
            for prefix in self._by_iri.get(name[:length], ()):
                text = self._spell(prefix, name[length:])
                if text is not None:
                    self[name] = text
                    return text
        text = self[name] = self._root._generate(name)
        return text

    def shared(self, name: Name, inner: Prefixes) -> str:
        """The text of a name that means the same in this scope and in that of the bundle it names."""
        text = self.prefixed(name)
        return text if text.partition(":")[0] not in inner.declared else self._generate(name)

    def prefixed(self, name: Name) -> str:
        """The text of a name with a prefix, even where the default namespace would do."""
        text = self[name]
        before, colon, _ = text.partition(":")
        return text if colon and not before.endswith("\\") else self._root._generate(name)

    def _generate(self, name: Name) -> str:
        """The text of a name by a prefix that means the same in all scopes."""
        prefix, iri = next(
            (
                (ns.prefix, ns.iri)
                for ns in FIXED
                if name in ns and self._spell(ns.prefix, name[len(ns.iri) :]) is not None
            ),
            ("", ""),
        )
        if not iri:
            cut = max(name.rfind("/"), name.rfind("#")) + 1 or name.rfind(":") + 1 or 1
            iri = name[: self._cut(name, cut) if self._cut else cut]
        chosen = self._generated.get(iri)
        if chosen is None:
            number = self._numbers.get(prefix, 1)
            chosen = prefix if prefix and number == 1 else f"{prefix or 'ns'}{number}"
            while chosen in self._taken:
                number += 1
                chosen = f"{prefix or 'ns'}{number}"
            self._numbers[prefix] = number + 1
            self._taken.add(chosen)
            self._generated[iri] = chosen
            self.declared[chosen] = iri
        text = self._spell(chosen, name[len(iri) :])
        if text is None:
            raise AssertionError(f"{name!r} cannot be spelt even with a prefix of its own")
        return text
