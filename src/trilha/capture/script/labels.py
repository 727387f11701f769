"""Which rows a frame or a column of pandas has: its labels, as a trace has them.

What is chosen, ordered or copied of a frame keeps the labels of its rows, so they say of each row of the one
which of the other it was. Labels that are whole numbers are logged, each set of them once: as a range, as a
bit for each number between the first and the last, or one by one; few labels that are texts, too. Where rows
were merged, or summed up by group, it is logged where they went. pandas' own properties are asked, not those
of a class of the program.

Source: pandas User Guide, "Intro to data structures"; Python Library Reference, `zlib`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from trilha.capture.script.placed import GROUPINGS, MOST, Placed

__all__ = [
    "BITS",
    "DESCRIBED",
    "EACH",
    "FRAME",
    "GROUPS",
    "LABELS",
    "OTHER",
    "PLACES",
    "PLAIN",
    "PRESSED",
    "RANGE",
    "ROWS",
    "SERIES",
    "TEXTS",
    "Labels",
]

DESCRIBED: Final = GROUPINGS | {"Series"}
"""The names of types, but frames, of which rows may be told."""

ROWS, LABELS = 14, 15
"""Records: an object has rows with these labels; a set of labels."""
SERIES, PLAIN, FRAME, OTHER = 0, 1, 2, 3
"""What has rows: a column, whatever rows it has; one of plain values; a frame; a column of values of other
kinds (categories)."""
OF_FIRST, OF_SECOND, OF_GROUPS, BY_GROUPS = 4, 5, 6, 7
"""What was made of rows: of those of the two frames that were merged, of those of groups; by these groups, if
by any."""
RANGE, BITS, EACH, TEXTS = range(4)
"""How labels are told."""
PLACES, GROUPS = 4, 5
"""How positions and groups are told."""
PRESSED = 6
"""How labels are told by bits that take less when they are compressed."""
_MOST_SPAN: Final = 1 << 22
"""So far from each other the first and the last label may be to be told by bits."""
_SPARSE: Final = 64
"""So many bits for each label at most."""
_MOST_EACH: Final = 1 << 15
"""So many labels may be told one by one."""
_MOST_TEXTS: Final = 1 << 11
"""So many labels that are texts are told."""
_MOST_BYTES: Final = 64 << 20
"""So many bytes of labels a process logs; what else there is, is not known."""
_MOST_PLACED: Final = 4 << 20
"""So many of them at most say where rows went that were merged or summed up."""
_FEW: Final = 64
_MOST_MARKS: Final = 64


class _Told(NamedTuple):
    how: int
    length: int
    first: int
    step: int
    packed: bytes


class Labels:
    """The sets of labels that a log has.

    Args:
        put: logs a record of numbers.
        text: logs a record of a kind, bytes and numbers before their length.
    """

    def __init__(self, put: Callable[..., Any], text: Callable[..., Any]) -> None:
        self._put, self._text = put, text
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._marks: dict[int, tuple[object, int]] = {}
        self._left, self._left_placed = _MOST_BYTES, _MOST_PLACED
        self._placed = Placed()

    def rows(self, value: Any, token: int) -> None:
        """Log which rows a frame or column has, after its token was told.

        Args:
            value: that the log calls so; what is none of pandas' has no rows.
            token: of it.
        """
        pandas = sys.modules.get("pandas")
        if type(value).__name__ in GROUPINGS and type(value).__module__.startswith("pandas."):
            self._placed.grouping(value)
            return
        if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
            return
        self._placed.listen(sys.modules.get("pandas.core.reshape.merge"))
        if isinstance(value, pandas.DataFrame):
            shape, index = FRAME, pandas.DataFrame.index.__get__(value)
        else:
            self._put(ROWS, token, SERIES, 0)
            dtype = pandas.Series.dtype.__get__(value)
            shape = PLAIN if type(dtype).__module__.startswith("numpy") else OTHER
            index = pandas.Series.index.__get__(value)
        number = self._number(index)
        if number is not None:
            self._put(ROWS, token, shape, number)
        for made_of, told in self._made_of(value, index):
            number = self._known(told)
            if number is not None:
                self._put(ROWS, token, made_of, number)

    def _made_of(self, value: Any, index: Any) -> Iterator[tuple[int, _Told]]:
        """The rows that those of a frame or column were made of."""
        for made_of, places in zip((OF_FIRST, OF_SECOND), self._placed.places(value), strict=False):
            if places is None:
                yield made_of, _Told(RANGE, len(index), 0, 1, b"")
            elif len(places) == len(index):
                yield made_of, _places(places)
        groups = self._placed.groups(index)
        if groups is not None and len(groups[1]) <= MOST:
            yield OF_GROUPS if groups[0] else BY_GROUPS, _groups(*groups[1:])

    def _number(self, index: Any) -> int | None:
        """The number of a set of labels, which is told if it is new; None if it is not known."""
        if type(index).__name__ == "RangeIndex":
            return self._known(_Told(RANGE, len(index), index.start, index.step, b""))
        plain = type(index).__name__ in ("Index", "Int64Index")
        if not plain and type(index).__name__ not in ("MultiIndex", "CategoricalIndex"):
            return None
        mark = getattr(index, "_id", None)  # Views of one index share it.
        known = self._marks.get(id(mark))
        if known is not None and mark is not None:
            return known[1]
        told = _texts(index) or (_told(index.values) if plain else None)
        if told is None:
            return None
        number = self._known(told)
        if mark is not None and number is not None:
            if len(self._marks) >= _MOST_MARKS:
                del self._marks[next(iter(self._marks))]
            self._marks[id(mark)] = mark, number
        return number

    def _known(self, told: _Told) -> int | None:
        key = (*told[:4], blake2b(told.packed, digest_size=16).digest())
        number = self._numbers.get(key)
        if number is None:
            how, packed = _packed(told)
            if self._left < len(packed) or (told.how >= PLACES and self._left_placed < len(packed)):
                return None
            self._left_placed -= len(packed) if told.how >= PLACES else 0
            self._left -= len(packed) + len(key)
            number = self._numbers[key] = len(self._numbers)
            signed = [2 * one if one >= 0 else -2 * one - 1 for one in (told.first, told.step)]
            self._text(LABELS, packed, number, how, told.length, *signed)
        return number


def _packed(told: _Told) -> tuple[int, bytes]:
    """How labels are told, and the bytes as the log has them."""
    if told.how == RANGE:
        return RANGE, told.packed
    if told.how in (EACH, TEXTS):
        return told.how, zlib.compress(told.packed, 1)
    # To look for no more than runs takes a fraction of the time.
    packing = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    packed = packing.compress(told.packed) + packing.flush()
    if told.how != BITS:
        return told.how, packed
    return (PRESSED, packed) if len(packed) < len(told.packed) else (BITS, told.packed)


def _texts(index: Any) -> _Told | None:
    """How labels are told that are texts, or texts and whole numbers of several levels; None for others."""
    levels = type(index).__name__ == "MultiIndex"
    if len(index) > _MOST_TEXTS or not (levels or str(index.dtype) in ("str", "object", "category", "bool")):
        return None
    if levels:
        known = [level.tolist() for level in index.levels]
        if not all(type(part) in (str, int, bool) for level in known for part in level):
            return None
        codes = [one.tolist() for one in index.codes]
        if any(code < 0 for one in codes for code in one):
            return None
        parts = ([level[code] for code in one] for level, one in zip(known, codes, strict=True))
        labels = list(zip(*parts, strict=True))
    else:
        labels = index.tolist()
        if not all(type(one) in (str, bool) for one in labels):
            return None
    if not labels:
        return None
    return _Told(TEXTS, len(labels), 0, 1, "\0".join(map(repr, labels)).encode("utf-8", "surrogatepass"))


def _places(places: Any) -> _Told:
    """How positions are told: each, or, where they grow, by how far it is from the one before."""
    numpy = sys.modules["numpy"]
    some = places[::_FEW]
    grows = bool((some[1:] >= some[:-1]).all())  # Most that do not are seen without a look at all of them.
    if grows and len(places):
        steps = numpy.diff(places)
        if places[0] == 0 and bool((steps == 1).all()):
            return _Told(RANGE, len(places), 0, 1, b"")
        if grows := bool((steps >= 0).all()):
            places = numpy.append(places[:1], steps)
    width, packed = _narrow(places + 1)
    return _Told(PLACES, len(places), width, int(grows), packed)


def _groups(groups: Any, count: int) -> _Told:
    """How the groups of rows are told: 0 for none."""
    width, packed = _narrow(groups + 1)
    return _Told(GROUPS, len(groups), width, count, packed)


def _narrow(numbers: Any) -> tuple[int, bytes]:
    """Numbers in as many bytes each as the largest one needs, and how many that are."""
    most = int(numbers.max()) if len(numbers) else 0
    width = 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4
    return width, numbers.astype(f"<u{width}").tobytes()


def _told(labels: Any) -> _Told | None:
    """How labels are told: an array of numbers; None for what are none, or are too many."""
    numpy = sys.modules["numpy"]
    if labels.dtype.kind not in "iu" or (labels.dtype.kind == "u" and labels.dtype.itemsize > 4):
        return None
    labels = labels.astype("<i8", copy=False)
    if not len(labels):
        return _Told(RANGE, 0, 0, 1, b"")
    first, span = int(labels[0]), int(labels[-1]) - int(labels[0]) + 1
    steps = numpy.diff(labels)
    if len(labels) == 1 or (steps[0] and bool((steps == steps[0]).all())):
        return _Told(RANGE, len(labels), first, int(steps[0]) if len(steps) else 1, b"")
    if 0 < span <= min(_MOST_SPAN, _SPARSE * len(labels)) and bool((steps > 0).all()):
        bits = numpy.zeros(span, dtype=bool)
        bits[labels - first] = True
        return _Told(BITS, len(labels), first, 1, numpy.packbits(bits).tobytes())
    if len(labels) > _MOST_EACH:
        return None
    return _Told(EACH, len(labels), first, 1, labels.tobytes())
