"""Members come from what put them there, told by place, by key, or, where neither is known, by object."""

import pytest
from tests.trace.traced import Traced as Run

from trilha.trace.asked import meant
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

BEFORE = """\
import bisect, functools, heapq, itertools
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
a = 'k1'
b = 'k2'
p = [1]
q = [2]
r = 3
s = 4
"""
A, B, P, Q, R, S = range(3, 9)
FUNCTION = "def g():\n    yield r\n    yield s\n"
CASES = {
    # -- heaps and sorted lists, of objects
    "heappop": ("h = []\nheapq.heappush(h, q)\nheapq.heappush(h, p)\ny = heapq.heappop(h)", {P}),
    "the first of a heap": ("h = []\nheapq.heappush(h, q)\nheapq.heappush(h, p)\ny = h[0]", {P}),
    "heapify": ("h = [q, p]\nheapq.heapify(h)\ny = h[0]", {P}),
    "heappushpop, what was pushed": ("h = [q]\ny = heapq.heappushpop(h, p)", {P}),
    "what is left of a heap": ("h = [q, p]\nx = heapq.heapreplace(h, [5])\ny = h[0]", {P}),
    "nsmallest": ("y = heapq.nsmallest(1, [q, p])[0]", {P}),
    "nlargest": ("y = heapq.nlargest(1, [q, p])[0]", {Q}),
    "insort": ("l = []\nbisect.insort(l, q)\nbisect.insort(l, p)\ny = l[1]", {Q}),
    "rotate": ("d = deque([p, q])\nd.rotate(1)\ny = d[0]", {Q}),
    "numbers of a heap": ("h = []\nheapq.heappush(h, r)\nheapq.heappush(h, s)\ny = heapq.heappop(h)", {R, S}),
    # -- dicts that are made of pairs
    "dict of zip": ("d = dict(zip([a, b], [p, q]))\ny = d['k2']", {Q}),
    "dict of pairs": ("d = dict([(a, p), (b, q)])\ny = d['k2']", {Q}),
    "OrderedDict of pairs": ("d = OrderedDict([(a, p), (b, q)])\ny = d['k2']", {Q}),
    "a later value": ("d = dict(zip([a, b], [r, s]))\nd['k2'] = p\ny = d['k2']", {P}),
    "numbers in a dict of zip": ("d = dict(zip([a, b], [r, s]))\ny = d['k2']", {A, B, R, S}),
    "fromkeys": ("d = dict.fromkeys([a, b], [])\nd[a].append(r)\ny = d[b][0]", {R}),
    "lists by key": ("d = defaultdict(list)\nd[a].append(r)\nd[b].append(s)\ny = d['k2'][0]", {S}),
    "setdefault": (
        "d = {}\nd.setdefault(a, []).append(r)\nd.setdefault(b, []).append(s)\ny = d['k2'][0]",
        {S},
    ),
    "move_to_end": ("d = OrderedDict()\nd[a] = r\nd[b] = s\nd.move_to_end(a)\ny = d['k2']", {S}),
    # -- the keys that a dict has, where the whole of it is looked at
    "a key of all of them": ("d = {}\nd[a] = r\nd[b] = s\ny = sorted(d)", {A, B, R, S}),
    "a key of all members": (
        "d = {}\nd[a] = r\nfor k, v in [(b, s)]:\n    d[k] = v\ny = str(d)",
        {A, B, R, S},
    ),
    "no key of all values": ("d = {}\nd[a] = r\nd[b] = s\ny = sum(d.values())", {R, S}),
    "no key of a member": ("d = {}\nd[a] = r\nd[b] = s\ny = d['k1']", {R}),
    "a key that was counted": ("c = Counter()\nc[a] += 1\ny = c.most_common(1)[0][0]", {A}),
    "a key of setdefault": ("d = {}\nd.setdefault(a, []).append(r)\ny = str(d)", {A, R}),
    "a key of another dict": ("d, e = {}, {}\ne[a] = r\nd.update(e)\ny = str(d)", {A, R}),
    "a key of a copy": ("d = {}\nd[a] = r\ne = d.copy()\ny = max(e)", {A, R}),
    "what a counter had": ("c = Counter(k=r)\nc.update(k=s)\ny = c['k']", {R, S}),
    # -- deques of a greatest length
    "a deque of a greatest length": ("d = deque(maxlen=1)\nd.append(r)\nd.append(s)\ny = d[0]", {R, S}),
    "a loop over a deque of a greatest length": (
        "d = deque([], 1)\nd.append(r)\nd.append(s)\nfor y in d:\n    pass",
        {R, S},
    ),
    "a copy of a deque of a greatest length": (
        "d = deque([p], 1).copy()\nd.append(r)\nd.append(s)\ny = d[0]",
        {P, R, S},
    ),
    # -- iterators
    "a count of enumerate": ("l = list(enumerate([r], s))\ny = l[0][0]", {S}),
    "a count of enumerate, with the member": ("l = list(enumerate([r], s))\ny = l[0]", {R, S}),
    "chain": ("for y in itertools.chain([r], [s]):\n    pass", {S}),
    "chain, the first": ("for y in itertools.chain([r], [s]):\n    break", {R}),
    "list of chain": ("l = list(itertools.chain([r], [s]))\ny = l[1]", {S}),
    "what is left of chain": ("c = itertools.chain([r], [s])\nx = next(c)\ny = next(c)", {S}),
    "chain of what grows": (
        "l = [r]\nc = itertools.chain(l, [0])\nl.append(s)\nx = next(c)\ny = next(c)",
        {S},
    ),
    "chain of what grows when it is over": (
        "l, m = [0], [r, s]\nc = itertools.chain(l, m)\nx, z = next(c), next(c)\nl.append(1)\ny = next(c)",
        {S},
    ),
    "chain of a generator": ("for y in itertools.chain((v for v in [r]), [s]):\n    pass", {R, S}),
    "from_iterable": ("for y in itertools.chain.from_iterable([[r], [s]]):\n    pass", {S}),
    "zip_longest": ("for x, y in itertools.zip_longest([r], [s]):\n    pass", {S}),
    "zip_longest, behind the end": (
        "for x, y in itertools.zip_longest([r, 1], [s], fillvalue=a):\n    pass",
        {A, R, S},
    ),
    "pairwise": ("for x, y in itertools.pairwise([r, s]):\n    pass", {S}),
    "pairwise of what changes": (
        "l = [r, s, 5]\nfor x, z in itertools.pairwise(l):\n    l[1] = 0\ny = x",
        {S},
    ),
    "pairwise of an iterator": ("for x, y in itertools.pairwise(iter([r, s])):\n    pass", {R, S}),
    "an iterator that chain took of": (
        "i = iter([r, s])\nc = itertools.chain(i, [0])\nx = next(c)\ny = next(i)",
        {R, S},
    ),
    "an iterator that from_iterable took of": (
        "i = iter([r, s])\nc = itertools.chain.from_iterable([i])\nx = next(c)\ny = next(i)",
        {R, S},
    ),
    "an iterator that pairwise took of": (
        "i = iter([r, 0, s])\nc = itertools.pairwise(i)\nx = next(c)\ny = next(i)",
        {R, S},
    ),
    "an iterator of which zip took one more": ("i = iter([r, s])\nl = list(zip(i, []))\ny = next(i)", {R, S}),
    "an iterator of which a strict zip took one more": (
        "i = iter([r, s])\ntry:\n    l = list(zip([], i, strict=True))\nexcept ValueError:\n    y = next(i)",
        {R, S},
    ),
    "an iterator of an iterator of which zip took one more": (
        "i = iter([r, s])\nl = list(zip(enumerate(i), []))\ny = next(i)",
        {R, S},
    ),
    "an iterator of an iterator that something took of": (
        "i = iter([r, s])\nc = map(repr, enumerate(i))\nx = next(c)\ny = next(i)",
        {R, S},
    ),
    "an iterator of which it is not known how much zip took": (
        "i = iter([r, s])\nl = list(zip((v for v in [0]), i))\ny = next(i)",
        {R, S},
    ),
    "an iterator that zip has last": ("i = iter([r, s])\nl = list(zip([0], i))\ny = next(i)", {S}),
    "zip of an iterator with itself": ("i = iter([r, s, a, b])\nl = list(zip(i, i))\ny = l[1][0]", {A}),
    "a loop over zip of an iterator with itself": (
        "i = iter([r, s])\nfor x, y in zip(i, i):\n    pass",
        {S},
    ),
    # -- tuples of plain values, which have no identity in the log
    "a tuple in a list": ("l = []\nl.append((r, s))\ny = l[0][1]", {S}),
    "a tuple in a list, by name": ("l = [(r, s), (0, 0)]\nt = l[0]\ny = t[0]", {R}),
    "a tuple in a dict": ("d = {}\nd[a] = (r, s)\ny = d[a][1]", {S}),
    "another tuple at its place": ("l = [(r, s)]\nl[0] = (s, a)\ny = l[0][1]", {A}),
    "a tuple of objects at its place": ("l = [0, 0]\nl[1] = (p, q)\ny = l[1][0]", {P}),
    "a tuple as a whole": ("l = [(r, s), (a, b)]\ny = sum(l[0])", {R, S}),
    "a tuple that is popped": ("l = [(r, a)]\nl.append((s, b))\ny = l.pop()[0]", {S}),
    "a tuple from the left": ("l = deque([(r, a), (s, b)])\nx, y = l.popleft()", {A}),
    "a tuple of a dict, by get": ("d = {'u': (r, a)}\ny = d.get('u')[0]", {R}),
    "a tuple that is popped of list of zip": ("l = list(zip([r, s], [a, b]))\ny = l.pop(0)[1]", {A}),
    "list of zip": ("l = list(zip([r, s], [a, b]))\ny = l[1][0]", {S}),
    "list of zip, of objects": ("l = list(zip([p, q], [a, b]))\ny = l[1][0]", {Q}),
    "list of zip, a tuple as a whole": ("l = list(zip([r, s], [a, b]))\ny = l[1]", {S, B}),
    "list of zip, behind another tuple": ("l = list(zip([r], [s]))\nl.insert(0, (a, b))\ny = l[1][0]", {R}),
    "list of zip in another order": ("l = list(zip([r, s], [a, b]))\nl.sort()\ny = l[1][0]", {A, B, R, S}),
    "list of enumerate": ("l = list(enumerate([r, s]))\ny = l[1][1]", {S}),
    "list of items": ("l = list({a: r, b: s}.items())\ny = l[1][1]", {S}),
    "a tuple in a tuple of zip": ("l = list(enumerate(zip([r, s], [a, b])))\ny = l[1][1][0]", {S}),
    # -- what is put in as a whole
    "extend by a generator": (f"{FUNCTION}l = []\nl.extend(g())\ny = l[1]", {R, S}),
    "extend by a generator expression": ("l = []\nl.extend(v for v in [r, s])\ny = l[1]", {R, S}),
    "extend by a set that grew": ("z = set()\nz.add(r)\nl = []\nl.extend(z)\ny = l[0]", {R}),
    "update by a generator": ("d = {}\nd.update((k, v) for k, v in [(a, r)])\ny = d['k1']", {A, R}),
    "a set that is updated by a generator": (
        f"{FUNCTION}d = set()\nd.update(g())\nfor y in d:\n    pass",
        {R, S},
    ),
    "a slice that becomes a generator's": (f"{FUNCTION}l = [0]\nl[1:] = g()\ny = l[1]", {R, S}),
    "a slice that becomes a set's": ("z = set()\nz.add(r)\nl = [0]\nl[:] = z\ny = l[0]", {R}),
    "a slice that becomes another": ("l = [0, 1]\nl[1:] = [r]\ny = l[1]", {R}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_member_comes_from_these_lines(case, trail):
    text, expected = CASES[case]
    run = Run(BEFORE + text, trail)
    assert run.error is None
    assert not run.gaps
    traced = Traced.of_log(run.chunks)
    found = backward(traced, meant([traced], "y").evaluations)
    assert {traced.component(one).line for one in found.evaluations} & set(range(A, S + 1)) == expected
