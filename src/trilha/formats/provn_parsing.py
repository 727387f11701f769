"""PROV-N by its whole grammar, symbol after symbol: what the fast reader leaves, and all its errors.

Each method stands at a symbol, takes what the grammar wants there and steps over it, or raises a
`FormatError` that says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from trilha.errors import FormatError, UsageError
from trilha.formats import provn_grammar as grammar
from trilha.formats.places import place
from trilha.prov import (
    DICTIONARY,
    PLACEHOLDER,
    PLAIN,
    PROV,
    XSD,
    Argument,
    Braces,
    Kind,
    Literal,
    Name,
    Namespaces,
    Parentheses,
    Record,
)
from trilha.prov.values import QUALIFIED_NAME, literal
from trilha.prov.values import time as _time

__all__ = ["KINDS", "NAME_TYPES", "Parser"]

KINDS: Final = {kind.provn: kind for kind in (*PLAIN, *DICTIONARY)}
"""Kinds of statement by what PROV-N calls them."""
NAME_TYPES: Final = frozenset({QUALIFIED_NAME, XSD["QName"]})
"""Data types whose text is a qualified name."""

_EXTENDED: Final = "http://openprovenance.org/prov/extension#"
"""ProvToolbox' own: specialization, alternate and membership where they have identifier or attributes."""
_DEEPEST: Final = 100
"""So many terms and groups may stand within each other in an extension."""
_SHOWN = re.compile(r"[^\s,;()\[\]{}=]+|\S")


class Parser:
    """Reads symbols from a text, from a position on.

    Args:
        text: the whole document.
        file: what to call it in messages.

    Attributes:
        at: offset of the next symbol; white space and comments may stand before it.
    """

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0

    # Symbols

    def skip(self) -> int:
        """Step over white space and comments; where the next symbol is."""
        match = grammar.SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        if self.text.startswith("/*", self.at):
            self.fail("the comment to be closed by '*/'", shown=False)
        return self.at

    def fail(self, expected: str, *, at: int | None = None, shown: bool = True) -> NoReturn:
        """Refuse the document for what stands here (or at `at`)."""
        if at is not None:
            self.at = at
        found = ""
        if shown:
            match = _SHOWN.match(self.text, self.at)
            found = f", not {_short(match[0])!r}" if match else ", not the end of the document"
        self.refuse(f"expected {expected}{found}", self.at)

    def refuse(self, message: str, at: int) -> NoReturn:
        """Refuse the document with this message."""
        line, column = place(self.text, at)
        raise FormatError(f"{self.file}:{line}:{column}: {message}")

    def sign(self, signs: str, where: str) -> str:
        """Take one of these signs."""
        self.skip()
        found = self.text[self.at : self.at + 1]
        if not found or found not in signs:
            self.fail(" or ".join(repr(sign) for sign in signs) + " " + where)
        self.at += 1
        return found

    def peek(self) -> str:
        """The next character that is neither white space nor comment; empty at the end."""
        self.skip()
        return self.text[self.at : self.at + 1]

    def word(self) -> str:
        """The keyword that comes next, if any, which is not taken; a name is none."""
        name = grammar.NAME.match(self.text, self.skip())
        return name[3] or "" if name else ""

    def take_word(self, word: str) -> None:
        """Take one keyword."""
        if self.word() != word:
            self.fail(f"'{word}'")
        self.at += len(word)

    # Names and times

    def name(self, names: Namespaces, what: str) -> Name:
        """Take a qualified name, and resolve it."""
        match = grammar.NAME.match(self.text, self.skip())
        if match is None or grammar.DATETIME.match(self.text, self.at):
            self.fail(what)
        found = self.resolve(match, names)
        self.at = match.end()
        return found

    def resolve(self, match: re.Match[str], names: Namespaces, at: int | None = None) -> Name:
        """The name that a match of `grammar.NAME`, in the text or (`at`) in a value, stands for."""
        prefix, local, alone = match.groups()
        at = match.start() if at is None else at
        iri = names.get(prefix or "")
        if iri is None:
            if prefix == "_":
                return Name(match[0])
            if prefix is None:
                self.refuse(
                    f"{_short(match[0])!r} has no prefix, and there is no default namespace: expected a name"
                    " such as ex:e1, or 'default <IRI>' at the beginning",
                    at,
                )
            self.refuse(
                f"the prefix {prefix!r} of {_short(match[0])!r} is not declared: expected"
                f" 'prefix {prefix} <IRI>' at the beginning",
                at,
            )
        return Name(iri + grammar.unescaped_name(alone if local is None else local))

    def marker(self) -> bool:
        """Take a ``-`` that stands alone, if one comes next."""
        text, at = self.text, self.skip()
        if text.startswith("-", at) and not text[at + 1 : at + 2].isdigit():
            self.at += 1
            return True
        return False

    def argument(self, names: Namespaces, argument: Argument, of: str) -> Any:
        """Take one argument of a statement."""
        if argument.holds == "value":
            return self.value(names)
        if argument.holds in {"keys", "pairs"}:
            return self.several(names, self.value if argument.holds == "keys" else self.pair, of)
        if self.marker():  # also for what is required: not by the grammar, but by PROV-CONSTRAINTS' own cases
            return PLACEHOLDER
        if argument.holds == "name":
            return self.name(names, f"a name or '-' as the {argument.name} of {of}")
        return self.time(f"a time such as 2026-11-21T09:30:00Z, or '-', as the {argument.name} of {of}")

    def time(self, expected: str) -> Any:
        """Take a time."""
        match = grammar.DATETIME.match(self.text, self.skip())
        if match is None:
            self.fail(expected)
        try:
            found = _time(match[0])
        except UsageError:
            self.refuse(f"{match[0]} is no time: expected one such as 2026-11-21T09:30:00Z", match.start())
        self.at = match.end()
        return found

    def pair(self, names: Namespaces) -> tuple[Any, Name]:
        """Take a key and an entity in parentheses (PROV-Dictionary section 3.2)."""
        self.sign("(", "before a key and its entity")
        key = self.value(names)
        self.sign(",", "after the key")
        entity = self.name(names, "a name as the entity of the key")
        self.sign(")", "after the entity of the key")
        return key, entity

    def several(self, names: Namespaces, one: Callable[[Namespaces], Any], of: str) -> tuple[Any, ...]:
        """Take keys, or pairs of key and entity, in braces; also none."""
        self.sign("{", f"before the keys of {of}")
        found: list[Any] = []
        if self.peek() == "}":
            self.at += 1
            return ()
        while True:
            found.append(one(names))
            if self.sign(",}", f"after a key of {of}") == "}":
                return tuple(found)

    # Statements

    def statement(self, names: Namespaces) -> Record:
        """Take one statement."""
        start = self.skip()
        kind = self.kind(names)
        if kind is Kind.EXTENSION:
            return self.extension(names, 0)
        of = f"{kind.provn}(...)"
        self.sign("(", f"after {kind.provn}")
        cells: list[Any] = [kind]
        last = ""
        if kind.is_element:
            cells.append(self.name(names, f"a name as the identifier of {of}"))
            last = "identifier"
        else:
            cells.append(self.optional_identifier(names))
        flat: tuple[Any, ...] = ()
        for argument in kind.arguments:
            if last and not self.more(last, argument, of):
                break
            cells.append(self.argument(names, argument, of))
            last = argument.name
        else:
            self.more(last, None, of)
        if self.peek() == "[":
            flat = self.attributes(names, of)
        self.sign(")", f"at the end of {of}")
        cells += [None] * (len(kind.arguments) + 2 - len(cells))
        if kind is Kind.DICTIONARY_MEMBERSHIP and (flat or cells[1] is not None):
            self.refuse(f"{of} has neither identifier nor attributes: expected it without", start)
        if kind > Kind.MEMBERSHIP and PLACEHOLDER in cells:
            self.refuse(f"{of} has '-' for a dictionary or entity: expected a name", start)
        assert self.at > start  # or the document would never end
        return Record.new((*cells, flat))

    def kind(self, names: Namespaces) -> Kind:
        """Take the word that a statement begins with; that of an extension is left."""
        match = grammar.NAME.match(self.text, self.skip())
        if match is None:
            self.fail("a statement such as entity(...)")
        if match[3] is not None:
            iri, local = PROV.iri, match[3]
        else:
            iri, local = names.get(match[1]) or "", match[2]
        if iri not in {PROV.iri, _EXTENDED} or local not in KINDS:
            if not match[1] or iri == PROV.iri:
                self.no_kind(match)
            return Kind.EXTENSION
        self.at = match.end()
        return KINDS[local]

    def no_kind(self, match: re.Match[str]) -> NoReturn:
        """Say what is wrong with the word that a statement begins with."""
        self.refuse(
            f"{_short(match[0])!r} is no statement: expected {', '.join(KINDS)}, bundle, endBundle or"
            " endDocument, or an extension with a prefix of its own",
            match.start(),
        )

    # Extensions (production extensibilityExpression)

    def extension(self, names: Namespaces, depth: int) -> Record:
        """Take a term that no recommendation knows, with all that it has."""
        term = self.name(names, "the name of an extension")
        of = f"{_short(term)}(...)"
        self.sign("(", f"after {_short(term)}")
        identifier = self.optional_identifier(names)
        content: list[Any] = []
        flat: tuple[Any, ...] = ()
        end = ""
        while not end:
            if self.peek() == "[":
                flat = self.attributes(names, of)
                end = self.sign(")", f"at the end of {of}")
            elif not content and self.peek() == ")":
                end = self.sign(")", f"at the end of {of}")
            else:
                content.append(self.content(names, depth, of))
                end = self.sign(",)", f"after an argument of {of}").strip(",")
        return Record.new((Kind.EXTENSION, identifier, term, tuple(content), flat))

    def content(self, names: Namespaces, depth: int, of: str) -> Any:
        """Take one argument of an extension."""
        if depth > _DEEPEST:
            self.fail(f"no more than {_DEEPEST} terms within each other in {of}", shown=False)
        if self.marker():
            return PLACEHOLDER
        sign = self.peek()
        if sign in {"{", "("} and sign:
            return self.group(names, depth + 1, of)
        if sign == "'":
            return Literal(str(self.quoted_name(names)), QUALIFIED_NAME)
        if sign == '"':
            found = self.text_value(names)
            return Literal(str(found), QUALIFIED_NAME) if found.__class__ is Name else found
        if grammar.DATETIME.match(self.text, self.at):
            when = self.time("a time")
            return Literal(when, XSD["dateTime"]) if when.__class__ is str else when
        number, name = (some.match(self.text, self.at) for some in (grammar.INTEGER, grammar.NAME))
        if number is not None and (name is None or name.end() <= number.end()):
            self.at = number.end()
            return integer(number[0])
        if name is None:
            self.fail(f"a name, a value, a time, '-', '{{' or '(' as an argument of {of}")
        start, self.at = self.at, name.end()
        if self.peek() == "(":
            self.at = start
            return self.extension(names, depth + 1)
        return self.resolve(name, names)

    def group(self, names: Namespaces, depth: int, of: str) -> Any:
        """Take arguments of an extension in braces or parentheses; also none."""
        braces = self.sign("{(", f"in {of}") == "{"
        end = "}" if braces else ")"
        found: list[Any] = []
        if self.peek() == end:
            self.at += 1
        else:
            found.append(self.content(names, depth, of))
            while self.sign("," + end, f"after an argument of {of}") == ",":
                found.append(self.content(names, depth, of))
        return Braces(found) if braces else Parentheses(found)

    def optional_identifier(self, names: Namespaces) -> Name | None:
        """Take the identifier before a ``;``, if there is one."""
        start = self.skip()
        if self.marker():
            if self.peek() == ";":
                self.at += 1
                return None
        else:
            match = grammar.NAME.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                if self.peek() == ";":
                    self.at += 1
                    return self.resolve(match, names)
        self.at = start
        return None

    def more(self, last: str, following: Argument | None, of: str) -> bool:
        """Whether another argument follows; the ``,`` before it, or before attributes, is taken."""
        required = following is not None and following.required
        sign = self.peek()
        if sign == ")" and not required:
            return False
        if sign != ",":
            expected = "','" if required else "',' or ')'"
            self.fail(f"{expected} after the {last} of {of}")
        self.at += 1
        if self.peek() == "[" and not required:
            return False
        if following is None:
            self.fail(f"attributes in '[' and ']' as the last of {of}")
        return True

    # Attributes

    def attributes(self, names: Namespaces, of: str) -> tuple[Any, ...]:
        """Take attributes in brackets."""
        self.sign("[", "before the attributes")
        flat: list[Any] = []
        if self.peek() == "]":
            self.at += 1
            return ()
        while True:
            key = self.name(names, f"the name of an attribute of {of}")
            self.sign("=", "after the name of the attribute")
            flat += (key, self.value(names))
            if self.sign(",]", f"after the value of the attribute of {of}") == "]":
                return tuple(flat)

    def value(self, names: Namespaces) -> Any:
        """Take a literal (section 3.7.3)."""
        sign = self.peek()
        if sign == '"':
            return self.text_value(names)
        if sign == "'":
            return self.quoted_name(names)
        match = grammar.INTEGER.match(self.text, self.at)
        if match is None:
            self.fail("a value: text in \"...\", a whole number or a 'qualified name'")
        self.at = match.end()
        return integer(match[0])

    def quoted_name(self, names: Namespaces) -> Name:
        """Take a name in single quotes."""
        self.at += 1
        match = grammar.NAME.match(self.text, self.at)
        if match is None:
            self.fail('a qualified name after "\'"')
        found = self.resolve(match, names)
        self.at = match.end()
        if not self.text.startswith("'", self.at):
            self.fail('"\'" after the qualified name')
        self.at += 1
        return found

    def text_value(self, names: Namespaces) -> Any:
        """Take text with its data type or language."""
        start = self.at
        long = self.text.startswith('"""', start)
        match = (grammar.LONG_TEXT if long else grammar.SHORT_TEXT).match(self.text, start)
        if match is None:
            self.bad_text(start, long=long)
        said = grammar.unescaped_text(match[1])
        self.at = match.end()
        language = grammar.LANGUAGE.match(self.text, self.skip())
        if language is not None:
            self.at = language.end()
        if not self.text.startswith("%%", self.skip()):
            return literal(said, None, language and language[1].replace("_", "-"))
        self.at += 2
        datatype = self.name(names, "a data type such as xsd:int after '%%'")
        if language is not None:
            return literal(said, None, language[1].replace("_", "-"))
        return self.typed(said, datatype, names, start)

    def typed(self, text: str, datatype: Name, names: Namespaces, at: int) -> Any:
        """Text of a data type; a qualified name where that is the type."""
        if datatype not in NAME_TYPES:
            return literal(text, datatype)
        match = grammar.NAME.fullmatch(text)
        if match is None:
            self.refuse(f"{_short(text)!r} is no qualified name: expected one such as ex:e1", at)
        return self.resolve(match, names, at)

    def bad_text(self, start: int, *, long: bool) -> NoReturn:
        """Say what is wrong with text: an escape that there is not, or no end."""
        closing = '"""' if long else '"'
        at = start + len(closing)
        part = re.compile(r'[^"\\]++|\\[tbnrf"\'\\]' + (r'|"(?!"")' if long else ""))
        while (match := part.match(self.text, at)) is not None:
            at = match.end()
        if self.text.startswith("\\", at):
            self.fail("\\t, \\b, \\n, \\r, \\f, \\\", \\' or \\\\ in text", at=at)
        self.fail(f"{closing!r} at the end of the text that begins here", at=start, shown=False)

    # Declarations

    def declarations(self, names: Namespaces) -> None:
        """Take the declarations of prefixes."""
        while (word := self.word()) in {"prefix", "default"}:
            start = self.at
            self.at += len(word)
            prefix = ""
            if word == "prefix":
                match = grammar.PREFIX.match(self.text, self.skip())
                if match is None:
                    self.fail("a prefix such as ex")
                prefix, self.at = match[0], match.end()
            match = grammar.IRI.match(self.text, self.skip())
            if match is None:
                self.fail(f"an IRI such as <http://example.org/> after '{word}'")
            self.at = match.end()
            fixed = {"prov": PROV.iri, "xsd": XSD.iri}.get(prefix)
            if fixed is not None and match[1].rstrip("#/") == fixed.rstrip("#"):
                continue  # some tools leave out the last sign
            self.declare(names, prefix, match[1], start)

    def declare(self, names: Namespaces, prefix: str, iri: str, at: int) -> None:
        """Declare one prefix."""
        try:
            names.add(prefix, iri)
        except UsageError as error:
            self.refuse(str(error), at)


def integer(text: str) -> Any:
    """A whole number: an ``int``, or a literal where it has more digits than Python takes."""
    return int(text) if len(text) < 4000 else literal(text, XSD["integer"])


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
