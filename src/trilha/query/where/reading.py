"""The text of an expression becomes a tree.

    expression  :=  both ("or" both)*
    both        :=  single ("and" single)*
    single      :=  "not" single | "(" expression ")" | comparison
    comparison  :=  field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                 |  field ["not"] "in" "(" value ("," value)* ")"
                 |  field ["not"] ("like" | "contains") text
                 |  field "is" ["not"] "unknown"
    field       :=  name | function "(" name ")"
    value       :=  number | duration | date | 'text' | "text" | word | function "(" name ")"

A name may have dots, slashes, colons and hyphens in it; any other stands in backquotes. A word on the right
is text. An error shows the place with a caret.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from trilha.errors import UsageError

__all__ = [
    "Both",
    "Comparison",
    "Constant",
    "Either",
    "Field",
    "Negation",
    "Tree",
    "operand",
    "parse",
    "wrong",
]

FUNCTIONS: Final = ("first", "last", "min", "max", "avg", "best", "count")
"""What may be asked of the values of a metric, or of a hyperparameter that changed."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)(?![\w.])
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s?(?P<unit>ms|min|s|h|d)?(?![\w.])
    |'(?P<single>(?:[^']|'')*)'
    |"(?P<double>(?:[^"]|"")*)"
    |`(?P<quoted>[^`]+)`
    |(?P<word>[^\W\d][\w.:/@-]*)
    |(?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)
_SIGNS: Final = {"==": "=", "<>": "!="}
_ORDERS: Final = ("=", "!=", "<", "<=", ">", ">=")
_KEYWORDS: Final = ("and", "or", "not", "in", "like", "contains", "is")
_DEEPEST: Final = 100


class Field(NamedTuple):
    """What is asked of each run.

    Attributes:
        function: one of `FUNCTIONS`; empty for the name alone.
        name: of a metric, a hyperparameter or a fact of the run.
        at: where it stands in the text.
    """

    function: str
    name: str
    at: int


class Constant(NamedTuple):
    """A value in the text: number (a duration in seconds), text, or a time in nanoseconds since 1970 UTC."""

    value: float | str
    time: int | None
    at: int


class Comparison(NamedTuple):
    """``field order values``; several values for ``in`` alone, none for ``unknown``."""

    order: str
    field: Field
    values: tuple[Constant | Field, ...]


class Negation(NamedTuple):
    """``not tree``."""

    tree: Tree


class Both(NamedTuple):
    """``tree and tree and …``."""

    trees: tuple[Tree, ...]


class Either(NamedTuple):
    """``tree or tree or …``."""

    trees: tuple[Tree, ...]


Tree = Comparison | Negation | Both | Either


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    value: float | str | None = None
    time: int | None = None


def parse(text: str) -> Tree:
    """The tree of an expression.

    Raises:
        UsageError: it is none; the message shows the place.
    """
    reader = _Reader(text)
    tree = reader.expression()
    reader.end()
    return tree


def operand(text: str) -> Field:
    """One field, such as ``accuracy`` or ``last(val_loss)``.

    Raises:
        UsageError: it is none; the message shows the place.
    """
    reader = _Reader(text)
    field = reader.field()
    reader.end()
    return field


def wrong(text: str, at: int, what: str) -> UsageError:
    """An error with the text, and a caret at the place."""
    return UsageError(f"{what}\n{_shown(text, at)}")


def pointed(text: str, at: int) -> str:
    """The text, and a caret below the place."""
    return _shown(text, at)


def _shown(text: str, at: int) -> str:
    begin = max(0, at - 60)
    line = re.sub(r"\s", " ", text[begin : at + 40])
    return f"  {line}\n  {' ' * (at - begin)}^"


class _Reader:
    """Reads from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _keyword(self, *words: str) -> str:
        """Take the next token if it is one of these keywords; gives it, or an empty text."""
        token = self._next
        if token.kind == "word" and token.text.lower() in words:
            self._place += 1
            return token.text.lower()
        return ""

    def _sign(self, sign: str) -> bool:
        if self._next.kind == "sign" and self._next.text == sign:
            self._place += 1
            return True
        return False

    def _expect(self, sign: str, behind: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"expected {sign!r} {behind}")

    def _wrong(self, what: str) -> UsageError:
        token = self._next
        met = "the expression ends here" if token.kind == "end" else f"here is {token.text!r}"
        return wrong(self._text, token.at, f"{what}; {met}")

    def end(self) -> None:
        """Nothing may follow."""
        if self._next.kind != "end":
            raise self._wrong("expected 'and', 'or' or the end")

    def expression(self) -> Tree:
        """``both or both …``."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise wrong(self._text, self._next.at, f"parentheses and 'not' deeper than {_DEEPEST} levels")
        trees = [self._both()]
        while self._keyword("or"):
            trees.append(self._both())
        self._depth -= 1
        return trees[0] if len(trees) == 1 else Either(tuple(trees))

    def _both(self) -> Tree:
        trees = [self._single()]
        while self._keyword("and"):
            trees.append(self._single())
        return trees[0] if len(trees) == 1 else Both(tuple(trees))

    def _single(self) -> Tree:
        nots = 0
        while self._keyword("not"):
            nots += 1
        if self._sign("("):
            tree = self.expression()
            self._expect(")", "after the expression in parentheses")
        else:
            tree = self._comparison()
        return Negation(tree) if nots % 2 else tree

    def field(self) -> Field:
        """A name, or a function of one."""
        token = self._next
        if token.kind not in ("word", "name") or (token.kind == "word" and token.text.lower() in _KEYWORDS):
            raise self._wrong("expected the name of a metric, a hyperparameter or a fact of the run")
        self._take()
        if token.kind == "word" and self._sign("("):
            if token.text.lower() not in FUNCTIONS:
                known = ", ".join(FUNCTIONS)
                raise wrong(self._text, token.at, f"no function {token.text!r}; there are {known}")
            inside = self._take()
            if inside.kind not in ("word", "name"):
                self._place -= inside.kind != "end"
                raise self._wrong(f"expected the name of a metric in {token.text}(…)")
            self._expect(")", f"after {token.text}({inside.text}")
            return Field(token.text.lower(), inside.text, inside.at)
        return Field("", token.text, token.at)

    def _comparison(self) -> Tree:
        field = self.field()
        if self._keyword("is"):
            known = bool(self._keyword("not"))
            if not self._keyword("unknown"):
                raise self._wrong("expected 'unknown' or 'not unknown' after 'is'")
            tree: Tree = Comparison("unknown", field, ())
            return Negation(tree) if known else tree
        negated = bool(self._keyword("not"))
        word = self._keyword("in", "like", "contains")
        if word:
            made = Comparison(word, field, self._several() if word == "in" else (self._text_value(word),))
            return Negation(made) if negated else made
        token = self._next
        order = _SIGNS.get(token.text, token.text)
        if negated or token.kind != "sign" or order not in _ORDERS:
            allowed = (
                "'in', 'like' or 'contains'" if negated else "=, !=, <, <=, >, >=, in, like, contains or is"
            )
            raise self._wrong(f"expected {allowed} after {field.name!r}")
        self._take()
        return Comparison(order, field, (self._value(),))

    def _several(self) -> tuple[Constant | Field, ...]:
        self._expect("(", "after 'in'")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        self._expect(")", "after the values of 'in'")
        return tuple(values)

    def _text_value(self, word: str) -> Constant:
        token = self._next
        if token.kind not in ("text", "word", "name", "number", "date"):
            raise self._wrong(f"expected a text after {word!r}")
        self._take()
        return Constant(token.text, None, token.at)

    def _value(self) -> Constant | Field:
        token = self._next
        if token.kind == "word" and token.text.lower() not in _KEYWORDS:
            following = self._tokens[self._place + 1]
            if following.kind == "sign" and following.text == "(":
                return self.field()
            self._take()
            special = {"nan": float("nan"), "inf": float("inf")}.get(token.text.lower())
            return Constant(token.text if special is None else special, None, token.at)
        if token.kind in ("number", "date", "text", "name"):
            self._take()
            value = token.text if token.value is None else token.value
            return Constant(value, token.time, token.at)
        raise self._wrong("expected a number, a text or a word")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            what = (
                "this quotation mark has no other"
                if text[at] in "'\"`"
                else f"{text[at]!r} means nothing here"
            )
            raise wrong(text, at, what)
        place = found.end()
        kind = next(
            name
            for name in ("date", "number", "single", "double", "quoted", "word", "sign")
            if found[name] is not None
        )
        tokens.append(_token(text, kind, found))
    return [*tokens, _Token("end", "", len(text))]


def _token(text: str, kind: str, found: re.Match[str]) -> _Token:
    said, at = found[kind], found.start(kind)
    if kind == "number":
        unit = found["unit"]
        return _Token("number", found[0].strip(), at, float(said) * (_UNITS[unit] if unit else 1))
    if kind == "date":
        try:
            time = datetime.fromisoformat(said).astimezone()
        except (ValueError, OverflowError):
            raise wrong(text, at, f"{said!r} is no date") from None
        return _Token("date", said, at, None, round(time.timestamp() * 1e6) * 1000)
    if kind in ("single", "double"):
        quote = "'" if kind == "single" else '"'
        return _Token("text", said.replace(quote * 2, quote), at - 1)
    return _Token({"quoted": "name"}.get(kind, kind), said, at)
