"""Names and namespaces (PROV-DM section 5.7.1 and 5.7.2; PROV-N section 3.7.1).

An identifier is a `Name`: the whole IRI, so that two documents agree on it whatever prefixes they use.
Prefixes are presentation and belong to a document: `Namespaces` holds them, turns ``"ex:e1"`` into the
`Name` it stands for, and remembers the names it met lately, so that the statements of a document share
one object for one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from trilha.errors import UsageError
from trilha.prov.terms import PLACEHOLDER

__all__ = ["COMMIT", "FIXED", "PROV", "PYPI", "SHA256", "TRILHA", "XSD", "Name", "Namespace", "Namespaces"]

_REMEMBERED = 8192
"""So many names are remembered before the memory is emptied: it shares names that are used close together."""

_SCHEMES = frozenset({"urn", "nih", "pkg", "swh", "acct", "doi", "file", "mailto", "tag"})
"""Schemes of IRIs that are taken as such, without ``//``, where no prefix of that name is declared."""


class Name(str):
    """An identifier: the whole IRI, as text.

    A name compares and hashes as its text. As the value of an attribute it is a qualified name, where a
    plain ``str`` is an ``xsd:string``. Any text is allowed, since documents in the wild hold names that are
    no valid IRIs; a format that cannot carry one encodes it and says so.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Name({str.__repr__(self)})"


class Namespace:
    """A namespace: an IRI, and the prefix that usually stands for it.

    Args:
        prefix: for example ``"ex"``; ``""`` for the default namespace.
        iri: what the prefix stands for, for example ``"http://example.org/"``.

    Example:
        >>> ex = Namespace("ex", "http://example.org/")
        >>> ex["e1"]
        Name('http://example.org/e1')
    """

    __slots__ = ("iri", "prefix")

    def __init__(self, prefix: str, iri: str) -> None:
        self.prefix = prefix
        self.iri = iri

    def __getitem__(self, local: str) -> Name:
        """The name with this local part."""
        return Name(self.iri + local)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(self.iri)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Namespace) and (self.prefix, self.iri) == (other.prefix, other.iri)

    def __hash__(self) -> int:
        return hash((self.prefix, self.iri))

    def __repr__(self) -> str:
        return f"Namespace({self.prefix!r}, {self.iri!r})"


PROV = Namespace("prov", "http://www.w3.org/ns/prov#")
"""PROV's own terms."""
XSD = Namespace("xsd", "http://www.w3.org/2001/XMLSchema#")
"""The data types of XML Schema."""
TRILHA = Namespace("trilha", "https://w3id.org/trilha/ns#")
"""What Trilha says beyond PROV."""
SHA256 = Namespace("sha256", "nih:sha-256;")
"""Content by its SHA-256, in lower-case hexadecimal (RFC 6920 section 7)."""
PYPI = Namespace("pypi", "pkg:pypi/")
"""Python packages, by package URL."""
COMMIT = Namespace("commit", "swh:1:rev:")
"""Commits, by Software Heritage identifier."""

FIXED = (PROV, XSD, TRILHA, SHA256, PYPI, COMMIT)
"""The namespaces that Trilha itself uses. Only ``prov`` and ``xsd`` need no declaration."""

_BUILT_IN = {PROV.prefix: PROV.iri, XSD.prefix: XSD.iri}


class _Remembered(dict[object, Name]):
    """Text to name; what is not there is put together from its prefix, or asked of `resolve`."""

    __slots__ = ("_prefixes", "_resolve")

    def __init__(self, prefixes: dict[str, str], resolve: Callable[[object], Name]) -> None:
        self._prefixes = prefixes
        self._resolve = resolve

    def __missing__(self, text: object) -> Name:
        if not isinstance(text, str):
            return self._resolve(text)  # a statement, which should not be kept alive from here
        prefix, colon, local = text.partition(":")
        iri = self._prefixes.get(prefix) if colon else None
        name = self._resolve(text) if iri is None else Name(iri + local)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = name
        return name


class Namespaces:
    """The prefixes of a document, or of a bundle within it.

    A bundle's prefixes come before those of its document; ``prov`` and ``xsd`` are always there and mean
    what PROV says (PROV-N section 3.7.1). The prefix ``""`` is the default namespace.

    Args:
        declared: prefix to IRI, or namespaces.
        parent: the namespaces of the document, for those of a bundle.

    Raises:
        UsageError: a prefix is declared twice, with two IRIs.
    """

    __slots__ = ("_declared", "_parent", "names")

    def __init__(
        self, declared: Mapping[str, str] | Iterable[Namespace] = (), parent: Namespaces | None = None
    ) -> None:
        self._declared: dict[str, str] = {}
        self._parent = parent
        self.names = _Remembered(self._declared, self._resolve)
        """Text to name: ``names["ex:e1"]``. Raises `UsageError` as `resolve` does."""
        pairs = declared.items() if isinstance(declared, Mapping) else [(n.prefix, n.iri) for n in declared]
        for prefix, iri in pairs:
            self.add(prefix, iri)

    def add(self, namespace: Namespace | str, iri: str | None = None) -> Namespace:
        """Declare a namespace: ``add(EX)``, ``add("ex", "http://example.org/")``, ``add("", iri)`` (default).

        Raises:
            UsageError: the prefix is no prefix, or stands for another IRI in this document already.
        """
        if isinstance(namespace, str):
            if iri is None:
                raise UsageError(
                    f"prefix {namespace!r}: expected the IRI it stands for as the second argument"
                )
            namespace = Namespace(namespace, iri)
        prefix = namespace.prefix
        if ":" in prefix or prefix == "_":
            raise UsageError(
                f"{prefix!r} cannot be a prefix: expected a short name without ':', such as 'ex'"
            )
        known = _BUILT_IN.get(prefix) or self._declared.get(prefix)
        if known is None:
            self._declared[prefix] = str(namespace.iri)
            self.names.clear()
        elif known != namespace.iri:
            what = f"prefix {prefix!r}" if prefix else "the default namespace"
            raise UsageError(
                f"{what} stands for {known} here, so not for {namespace.iri}: choose another prefix"
            )
        return namespace

    def resolve(self, text: str) -> Name:
        """The name that `text` stands for here.

        ``"ex:e1"`` is taken apart at its first colon; ``"e1"`` belongs to the default namespace; a whole IRI
        (with ``//`` after its scheme, or of a scheme such as ``urn``) is itself; and so is a `Name`.

        Raises:
            UsageError: the prefix is not declared, or there is no default namespace.
        """
        return text if text.__class__ is Name else self.names[text]

    def get(self, prefix: str) -> str | None:
        """The IRI that `prefix` stands for, or None."""
        iri = _BUILT_IN.get(prefix) or self._declared.get(prefix)
        if iri is None and self._parent is not None:
            return self._parent.get(prefix)
        return iri

    def items(self) -> Iterator[tuple[str, str]]:
        """What is declared here (not in the parent; not ``prov`` and ``xsd``): prefix and IRI, in order."""
        return iter(self._declared.items())

    def __iter__(self) -> Iterator[Namespace]:
        return (Namespace(prefix, iri) for prefix, iri in self._declared.items())

    def __len__(self) -> int:
        return len(self._declared)

    def __contains__(self, prefix: object) -> bool:
        return isinstance(prefix, str) and self.get(prefix) is not None

    def __repr__(self) -> str:
        return f"Namespaces({self._declared!r})"

    def _resolve(self, text: object) -> Name:
        if not isinstance(text, str):
            if text is PLACEHOLDER:
                return text  # type: ignore[return-value]
            text = getattr(text, "id", text)  # a statement stands for its identifier
            if isinstance(text, Name):
                return text
            raise UsageError(f"expected a name such as 'ex:e1', not {text!r}")
        prefix, colon, local = text.partition(":")
        if not colon:
            prefix, local = "", text
            if not text:
                raise UsageError("expected a name such as 'ex:e1', not an empty text")
        iri = self.get(prefix)
        if iri is not None:
            return Name(iri + local)
        if not colon:
            raise UsageError(
                f"{text!r} has no prefix, and there is no default namespace: write it as 'ex:{text}' with a"
                " declared prefix, or declare the default with namespaces.add('', iri)"
            )
        if local.startswith("//") or prefix in _SCHEMES or prefix == "_":
            return Name(text)
        raise UsageError(
            f"the prefix {prefix!r} of {text!r} is not declared: declare it with"
            f" namespaces.add({prefix!r}, iri), or give a whole IRI as Name({text!r})"
        )
