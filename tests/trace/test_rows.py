"""The rows of a frame that a value came from: exactly these, or said not to be known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trace.traced import Traced as Run

from trilha.capture.script import labels as told
from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.labels import Labels
from trilha.trace.rows import rows_of
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

SCRIPT = """\
import io
import numpy as np
import pandas as pd
df = pd.read_csv(io.StringIO('k,x,n\\na,1.5,3\\nb,2.0,1\\na,9.0,4\\nc,7.5,2\\nb,8.0,6\\n'))
other = pd.DataFrame({'k': ['a', 'b', 'c'], 'q': [1, 2, 3]})
big = df[df.x > 3]
"""
FRAME, OTHER = 4, 5
CASES = {
    "a cell": ("y = df.loc[3, 'x']", [3]),
    "a cell by position": ("y = big.iloc[0, 1]", [2]),
    "a cell from the end": ("y = big.iloc[-1]['x']", [4]),
    "a cell of a column": ("y = df['x'][1]", [1]),
    "a cell of a column by position": ("y = big['x'].iloc[1]", [3]),
    "at": ("y = df.at[2, 'x']", [2]),
    "a row": ("row = df.loc[2]\ny = row['x'] + row.n", [2]),
    "rows that were chosen": ("y = big['x'].sum()", [2, 3, 4]),
    "rows by a condition": ("y = df.loc[df.k == 'a', 'x'].mean()", [0, 2]),
    "rows by a list": ("y = df.loc[[0, 3], 'x'].sum()", [0, 3]),
    "rows by a slice": ("y = df[1:3]['x'].sum()", [1, 2]),
    "sorted": ("y = df.sort_values('x').head(2)['x'].sum()", [0, 1]),
    "a row of sorted ones": ("s = df.sort_values('x', ascending=False)\ny = s.iloc[1]['n']", [4]),
    "sample": ("s = df.sample(2, random_state=0)\ny = s.x.sum() - s.x.sum()", None),
    "a column of others": ("df['t'] = df.x * df.n + df.x.iloc[0] * 0\ny = df.loc[3, 't']", [0, 3]),
    "normalised": ("big['z'] = (big.x - big.x.mean()) / 2\ny = big.loc[3, 'z']", [2, 3, 4]),
    "a function of each": ("df['l'] = np.log(df['x'])\ny = df.loc[1, 'l']", [1]),
    "a text of each": ("df['u'] = df['k'].str.upper()\ny = df.loc[1, 'u']", [1]),
    "loop over rows": ("for i, r in big.iterrows():\n    y = r['x']", [4]),
    "loop over tuples": ("for r in big.itertuples():\n    y = r.x\n    break", [2]),
    "loop over a column": ("for y in big['x']:\n    pass", [4]),
    "loop over groups": (
        "for k, g in df.groupby('k'):\n    y = g['x'].sum()\n    if k > 'a':\n        break",
        [1, 4],
    ),
    "some of a loop": (
        "y = 0\nfor i, r in df.iterrows():\n    if r['n'] > 2:\n        y += r['x']",
        [0, 2, 4],
    ),
    "a list of a loop": ("l = [r.x for r in df.itertuples()]\ny = l[3]", [3]),
    "what was put into a list": (
        "l = []\nfor _, r in big.iterrows():\n    l.append(r['x'])\ny = sum(l)",
        [2, 3, 4],
    ),
    "apply": ("df['v'] = df.apply(lambda r: r['x'] + 1, axis=1)\ny = df.loc[2, 'v']", [2]),
    "in apply": ("def f(r):\n    global y\n    y = r['x']\n    return y\nbig.apply(f, axis=1)", [4]),
    "map": ("df['v'] = df['x'].map(lambda x: x + 1)\ny = df.loc[2, 'v']", [2]),
    "in map": ("def f(x):\n    global y\n    y = x\n    return y\nbig['x'].map(f)", [4]),
    "an array": ("a = big[['x', 'n']].to_numpy()\ny = a[1, 0]", [3]),
    "new labels": ("s = big.reset_index(drop=True)\ny = s.loc[0, 'x']", [2]),
    "missing values filled": ("s = big.fillna(0)\ny = s.loc[3, 'x']", [3]),
}
UNKNOWN = {
    "put together": "s = pd.concat([big, df])\ny = s.iloc[0]['x']",
    "merged": "s = df.merge(other, on='k')\ny = s.loc[0, 'x']",
    "a sum of a group": "y = df.groupby('k')['x'].sum()['a']",
    "sums so far": "s = df['x'].cumsum()\ny = s[2]",
    "a row after rows were taken out in place": "df.drop(0, inplace=True)\ny = df.iloc[0]['x']",
    "a row after new labels": "df.index = [5, 6, 7, 8, 9]\ny = df.loc[5, 'x']",
    "a row after one was put in": "df.loc[9] = ['d', 1, 1]\ny = df.loc[9, 'x']",
    "a row by a label that is a text": "s = df.drop_duplicates('k').set_index('k')\ny = s.loc['a', 'x']",
    "a value of categories": "c = df['k'].astype('category')\ny = c.map(lambda k: k * 2)[2]",
    "an element of an array that is made of another": "a = df[['x']].to_numpy() / 2\ny = a[1, 0]",
    "what numbers in another order were put into": "big['p'] = [1, 2, df.x[0]]\ny = big.loc[2, 'p']",
}


def rows(text, make, what="y"):
    """The frames that a value came from: by line the rows, and whether these are known."""
    run = Run(SCRIPT + text, make)
    assert run.error is None
    traced = Traced.of_log(run.chunks)
    found = rows_of(backward(traced, meant([traced], what).evaluations))
    return {traced.component(one.evaluation).line: (one.rows, one.exact) for one in found}, run.names


@pytest.mark.filterwarnings("ignore:.*inplace.*")
@pytest.mark.parametrize("case", CASES)
def test_a_value_comes_from_these_rows(case, trail):
    text, expected = CASES[case]
    found, names = rows(text, trail)
    if expected is None:
        expected = sorted(names["s"].index)
    assert found == {FRAME: (expected, True)}


@pytest.mark.filterwarnings("ignore:.*inplace.*")
@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_known_of_rows_is_said(case, trail):
    found, _ = rows(UNKNOWN[case], trail)
    assert found[FRAME][1] is False


STEPS = [
    "s = s[s.v % 3 > 0]",
    "s = s[s.v > s.v.mean()]",
    "s = s.sort_values('w')",
    "s = s.head(max(1, len(s) - 2))",
    "s = s.tail(max(1, len(s) // 2))",
    "s = s.sample(frac=0.7, random_state=1)",
    "s = s.iloc[::-1]",
    "s = s.copy()",
    "s = s.reset_index(drop=True)",
    "s = s.loc[s.index[:-1]]",
    "s = s.assign(w=s.w * 2)",
    "s = pd.concat([s, s])",
    "s = s.drop_duplicates('v')",
    "s.index = range(100, 100 + len(s))",
    "s = s[['v', 'w']]",
]
ENDS = [
    "y = s.iloc[{}]['v']",
    "y = s['v'].iloc[{}]",
    "y = s.to_numpy()[{}, 0]",
    "y = s.loc[s.index.tolist()[{}], 'v']",
    "y = [r.v for r in s.itertuples()][{}]",
    "y = s.apply(lambda r: r['v'], axis=1).iloc[{}]",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=4), st.sampled_from(ENDS), st.integers(0, 3))
def test_of_frames_that_are_made_of_others_the_row_is_this_or_not_known(steps, end, position):
    table = "v,w\\n" + "".join(f"{row},{row * 7 % 20}\\n" for row in range(20))
    begin = f"import io, pandas as pd\ns = pd.read_csv(io.StringIO('{table}'))"
    run = Run("\n".join([begin, *steps, end.format(position)]), Trail)
    if run.error is not None:
        return  # There is no such row, or there are two.
    traced = Traced.of_log(run.chunks)
    (found,) = rows_of(backward(traced, meant([traced], "y").evaluations))
    value = run.names["y"]
    if isinstance(value, pd.Series):
        return
    assert found.rows == [value] if found.exact else value in found.rows


def packed(values):
    """Labels as they are told, and read again."""
    found = told._told(np.array(values) if values else np.array([], dtype=int))
    return Labels(*found) if found is not None else None


@given(
    st.lists(st.integers(-(2**40), 2**40))
    | st.lists(st.integers(-50, 50))
    | st.sets(st.integers(0, 60)).map(sorted)
    | st.builds(range, st.integers(-5, 5), st.integers(-5, 50), st.integers(1, 3)).map(list)
)
def test_labels_are_what_they_were(values):
    found = packed(values)
    assert list(found.all) == values
    assert len(found) == len(values)
    assert found.are_unique == (len(set(values)) == len(values))
    assert [found.at(place) for place in range(len(values))] == values
    assert found.at(len(values)) is None


def test_labels_that_are_no_numbers_or_too_many_are_not_told(monkeypatch):
    monkeypatch.setattr(told, "_MOST_EACH", 3)
    assert packed(["a", "b"]) is None
    assert packed([1.5, 2.0]) is None
    assert packed([3, 1, 2, 9]) is None
    assert list(packed([3, 1, 2]).all) == [3, 1, 2]
