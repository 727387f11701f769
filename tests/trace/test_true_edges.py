"""What a member came from, held against what it changes with: each input is changed, and the text run again.

A slice has what a value changes with if an input is changed slightly, so that all keeps its order. With
guards and places it has also what a value changes with if an input is another: what decided which member it
is. No expectation is written down.
"""

import contextlib
import io

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.programs import program
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

IMPORT = (
    "import itertools, functools\nfrom collections import Counter, defaultdict, deque\nimport numpy as np\n"
)
FIRST = IMPORT.count("\n") + 1
NUMBERS = (40.0, 10.0, 30.0, 20.0)
TEXTS = ("d1", "a2", "c3", "b4")
LIST = "l = [p, q, s, t]\n"
DICT = "d = {}\nd[p] = q\nd[s] = t\n"
ARRAY = "a = np.zeros(4)\na[0] = p\na[1] = q\na[2] = s\na[3] = t\n"
SQUARE = f"{ARRAY}b = a.reshape(2, 2)\n"
FIELDS = "a = np.zeros(2, [('u', float), ('v', float)])\n"
ONES = ("r[0]", "r[1]")
OF_NUMBERS = {
    f"{LIST}r = list(itertools.islice(l, 1, 3))": ONES,
    f"{LIST}r = list(itertools.accumulate(l))": ONES,
    f"{LIST}r = sorted(l)": ("r[0]", "r[3]"),
    f"{LIST}l.sort()\nl.append(p)\nr = l": ("r[0]", "r[4]"),
    f"{LIST}r = [(k, list(g)) for k, g in itertools.groupby(l, lambda v: v > 25)]": ("r[0][0]", "r[1][1][0]"),
    f"{LIST}r = l[::-2] + l[1:]": ("r[0]", "r[2]"),
    f"{LIST}r = l * 2": ("r[1]", "r[4]"),
    f"{LIST}l[1:2] = [t, s]\nr = l": ("r[1]", "r[3]"),
    f"{LIST}l[0], l[3] = l[3], l[0]\nr = l": ("r[0]", "r[3]"),
    f"{LIST}r = list(enumerate(l[1:], int(p)))": ("r[1][0]", "r[1]"),
    f"{LIST}r = dict(zip('abcd', l))": ("r['a']", "r['d']"),
    f"{LIST}r = list(zip(l, reversed(l)))": ("r[0][1]", "r[3][0]"),
    f"{LIST}r = list(map(max, l, l[1:]))": ONES,
    f"{LIST}r = [*(v for v in l if v > 15)]": ONES,
    f"{LIST}r = deque(maxlen=2)\nfor v in l:\n    r.append(v)": ("r[0]", "r[1]", "sum(r)"),
    f"{LIST}r = deque(l, 3)\nr.appendleft(l[1])": ("r[0]", "r[2]"),
    f"{LIST}r = functools.reduce(lambda a, b: a + [b], l, [])": ONES,
    "r = Counter(k=p, m=q)\nr.update({'k': s})\nr.subtract(m=t)": ("r['k']", "r['m']"),
    "r = Counter(k=p) + Counter(k=q, m=s)": ("r['k']", "r['m']"),
    f"{ARRAY}r = np.where(a > 15, a, -a)": ONES,
    f"{ARRAY}r = a[np.argsort(a)]": ONES,
    f"{ARRAY}a[a > 25] = q\nr = a": ONES,
    f"{ARRAY}r = np.zeros(4)\nr[:] = a": ONES,
    f"{ARRAY}r = np.zeros((2, 4))\nr[1] = a": ("r[1, 2]", "r[1].sum()"),
    f"{ARRAY}r = np.zeros(4)\nnp.add.at(r, [1, 1, 2], a[:3])": ("r[1]", "r[2]"),
    f"{ARRAY}r = np.concatenate([a[2:], a[:2]])": ONES,
    f"{ARRAY}r = np.split(a, 2)\nr[1][0] = p": ("r[1][0]", "a[2]"),
    f"{ARRAY}u, i = np.unique(a, return_inverse=True)\nr = u[i]": ONES,
    f"{ARRAY}r = a[:, None] + a[None, :]": ("r[0, 1]",),
    f"{ARRAY}r = np.frombuffer(a.data)\na[0] = q": ONES,
    f"{ARRAY}a.partition(1)\nr = a": ("r[0]", "r[3]"),
    f"{ARRAY}a[1:] = a[:-1]\nr = a": ONES,
    f"{ARRAY}np.cumsum(a, out=a)\nr = a": ONES,
    f"{ARRAY}r = [v for v in a.flat]": ONES,
    f"{SQUARE}r = b.T.ravel()": ("r[1]", "r[2]"),
    f"{SQUARE}b[[0, 1]] = b[[1, 0]]\nr = a": ONES,
    f"{SQUARE}for v in b:\n    v *= q\nr = a": ("r[0]", "r[2]"),
    f"{SQUARE}b[:, 0] = [t, q]\nr = a": ("r[0]", "r[1]", "r[2]"),
    f"{SQUARE}r = np.einsum('ij->j', b)": ONES,
    f"{SQUARE}b.flat[1] = p\nr = a": ONES,
    f"{FIELDS}a[0]['u'] = p\na['v'][0] = q\na[1] = (s, t)\nr = a": ("r[0]['u']", "r['v'][0]", "r[1]['v']"),
    f"{FIELDS}for v in a:\n    v['u'] = p\nw = a[1]\nw['v'] = q\nr = a": ("r['u'][0]", "r[1]['v']"),
}
OF_TEXTS = {
    f"{DICT}r = d": ("str(r)", "sorted(r)[0]", "sorted(r.items())[0][0]", "max(r.values())", "list(r)[1]"),
    f"{DICT}r = dict(d)\nr[q] = p": ("str(r)", "max(r)"),
    f"{DICT}r = {{}}\nr.update(d)": ("str(r)", "','.join(r)"),
    f"{DICT}r = {{v: k for k, v in d.items()}}": ("r[q]",),
    "r = {}\nfor k in [p, q, s]:\n    r.setdefault(k, []).append(t)": ("str(r)", "r[p][0]"),
    "r = defaultdict(list)\nfor k in [p, q, s]:\n    r[k].append(t)": ("str(r)", "r[p][0]"),
    "r = Counter()\nfor k in [p, q, q]:\n    r[k] += 1": ("r.most_common(1)[0][0]",),
    "r = '-'.join([p, q, s])": ("r.split('-')[1]",),
    "r = {p, q} | {s}": ("sorted(r)[0]",),
}


def value(text, name):
    names = {}
    try:
        exec(text, names)
    except Exception as error:
        return type(error)
    return names[name]


def like(one, other):
    return repr(one) == repr(other)


def changes_with(inputs, changed, make, name, found):
    """The inputs of which a value is another if they are; what fails with them says nothing."""
    for at, one in enumerate(inputs):
        for other in changed(one):
            got = value(make([*inputs[:at], other, *inputs[at + 1 :]]), name)
            if not isinstance(got, type) and not like(got, found):
                yield at


def slightly(one):
    return [f"{one}\x01"] if isinstance(one, str) else [one + 1e-7, one - 1e-7]


def much(one):
    return [f"{one}x", f"a{one}", "zz", ""] if isinstance(one, str) else [one + 1, one + 100, -one - 3]


@pytest.mark.parametrize(
    ("body", "ends", "inputs"),
    [
        *((body, ends, NUMBERS) for body, ends in OF_NUMBERS.items()),
        *((body, ends, TEXTS) for body, ends in OF_TEXTS.items()),
    ],
)
def test_a_slice_has_all_that_a_member_changes_with(body, ends, inputs):
    asked = "".join(f"\ny{at} = {end}" for at, end in enumerate(ends))

    def make(given):
        return (
            IMPORT + "".join(f"{n} = {one!r}\n" for n, one in zip("pqst", given, strict=True)) + body + asked
        )

    run = Run(make(inputs), Trail)
    assert run.error is None
    traced = Traced.of_log(run.chunks)
    for at in range(len(ends)):
        name = f"y{at}"
        start = meant([traced], name).evaluations
        thin, full = (
            {line - FIRST for _, line in backward(traced, start, places=more, guards=more).lines()}
            for more in (False, True)
        )
        found = value(make(inputs), name)
        assert set(changes_with(inputs, slightly, make, name, found)) <= thin, ends[at]
        assert set(changes_with(inputs, much, make, name, found)) <= full, ends[at]
        with contextlib.redirect_stdout(io.StringIO()):
            assert like(value(program(traced, start)["script.py"], name), found), ends[at]
