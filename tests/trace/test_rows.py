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
SPLIT = "from sklearn.model_selection import train_test_split\n"
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
    "merged": ("s = df.merge(other, on='k')\ny = s.loc[2, 'x']", [2]),
    "merged, more than one": ("s = other.merge(df, on='k')\ny = s.loc[2:3, 'x'].sum()", [1, 4]),
    "merged by a function": ("s = pd.merge(other, df, on='k', how='left')\ny = s.iloc[-1]['x']", [3]),
    "merged from the right": ("s = pd.merge(right=df, left=other, on='k')\ny = s.x[1]", [2]),
    "merged, and chosen": ("s = df.merge(other, on='k')\ny = s[s.q == 2]['x'].sum()", [1, 4]),
    "joined": ("s = other[['q']].join(big)\ny = s.loc[2, 'x']", [2]),
    "joined by a column": ("s = df.join(other.set_index('k'), on='k')\ny = s.loc[4, 'x']", [4]),
    "put together": ("s = pd.concat([big, df], ignore_index=True)\ny = s.loc[1, 'x']", [3]),
    "put together with labels": ("s = pd.concat([df[3:], df[:3]])\ny = s.iloc[0]['x']", [3]),
    "put together with a part of it": (
        "s = pd.concat([df[df.x > 3], df], ignore_index=True)\ny = s['x'].iloc[0]",
        [2],
    ),
    "put together twice": ("s = pd.concat([df, df])\ny = s.iloc[6]['x']", [1]),
    "a sum of a group": ("y = df.groupby('k')['x'].sum()['b']", [1, 4]),
    "a sum of a group by position": ("y = df.groupby('k').x.sum().iloc[0]", [0, 2]),
    "a sum of a group that has a name": ("g = df.groupby('k')\nm = g['x'].mean()\ny = m['a']", [0, 2]),
    "a second sum of it": ("g = df.groupby('k')\na = g.x.sum()\nb = g.n.sum()\ny = b['b']", [1, 4]),
    "sums of groups": ("s = df.groupby('k').sum()\ny = s.loc['a', 'x']", [0, 2]),
    "sums of groups of a new column": ("df['t'] = df.x * 2\ny = df.groupby('k').sum()['t']['a']", [0, 2]),
    "sums of groups, with names": ("s = df.groupby('k').agg(t=('x', 'sum'))\ny = s.loc['b', 't']", [1, 4]),
    "sizes of groups": ("y = df.groupby('k').size()['b']", [1, 4]),
    "groups by numbers": ("df['h'] = df.n % 2\ny = df.groupby('h')['x'].max()[0]", [2, 3, 4]),
    "groups by another column": ("y = df.groupby(df.n > 2)['x'].sum().iloc[0]", [1, 3]),
    "groups of chosen rows": ("y = big.groupby('k')['x'].sum()['b']", [4]),
    "groups by two keys": ("y = df.groupby(['k', 'n'])['x'].sum()['a', 4]", [2]),
    "groups of a column": ("y = df['x'].groupby(df['k']).sum()['a']", [0, 2]),
    "the largest group": (
        "s = df.groupby('k')['x'].sum().sort_values(ascending=False)\ny = s.iloc[0]",
        [0, 2],
    ),
    "groups with new labels": ("s = df.groupby('k')['x'].sum().reset_index()\ny = s.loc[1, 'x']", [1, 4]),
    "groups of what is merged": ("s = df.merge(other, on='k')\ny = s.groupby('q')['x'].sum()[2]", [1, 4]),
    "labels of a column": ("s = df.drop_duplicates('k').set_index('k')\ny = s.loc['b', 'x']", [1]),
    "a row for each of a list": (
        "df['l'] = [[1], [2, 3], [4], [5], [6]]\ns = df.explode('l')\ny = s.iloc[2]['x']",
        [1],
    ),
    "split": (f"{SPLIT}s, t = train_test_split(df, random_state=0)\ny = s['x'].sum()", None),
    "split with another": (
        f"{SPLIT}_, s, t, u = train_test_split(df[['x']], df.n, random_state=0)\ny = s['x'].sum()",
        None,
    ),
    "a sum of sums of groups": ("y = big.groupby('k')['x'].sum().sum()", [2, 3, 4]),
    "sums so far": ("s = df['x'].cumsum()\ny = s[2]", [0, 1, 2]),
    "the largest so far, of chosen rows": ("s = big.cummax()\ny = s.loc[3, 'x']", [2, 3]),
    "sums of a window": ("s = df['x'].rolling(2).sum()\ny = s[3]", [2, 3]),
    "means of a window over a frame": (
        "r = df.rolling(window=3, min_periods=1)\ns = r['x'].mean()\ny = s.iloc[1]",
        [0, 1],
    ),
    "a window of sorted rows": (
        "s = df.sort_values('x')[['x', 'n']].rolling(2).max()\ny = s.loc[4, 'x']",
        [3, 4],
    ),
    "a column of a window": ("df['v'] = df['x'].rolling(2).mean()\ny = df.loc[1, 'v']", [0, 1]),
    "a window so far": ("s = df.x.expanding().mean()\ny = s[1]", [0, 1]),
    "the row before": ("s = df['x'].shift()\ny = s[3]", [2]),
    "the row behind": ("s = df['x'].shift(-1)\ny = s[3]", [4]),
    "the difference to a row before": ("s = big['x'].diff()\ny = s[4]", [3, 4]),
    "all sums so far": ("y = big['x'].cumsum().max()", [2, 3, 4]),
    "a mean of its group for each row": ("s = df.groupby('k')['x'].transform('mean')\ny = s[4]", [1, 4]),
    "a column of sums of groups": ("df['v'] = df.groupby('k')['x'].transform('sum')\ny = df.v[0]", [0, 2]),
    "a share of the sum of its group": (
        "g = df.groupby('k')\ndf['v'] = df.x / g.x.transform('sum')\ny = df.loc[2, 'v']",
        [0, 2],
    ),
    "each column of groups for each row": (
        "s = big.groupby('k')[['x', 'n']].transform('max')\ny = s.loc[4, 'x']",
        [4],
    ),
    "a second one of each row": (
        "h = df.groupby('k')['x']\na = h.sum()\nb = h.transform('sum')\ny = b[1]",
        [1, 4],
    ),
    "groups as a column": ("s = df.groupby('k', as_index=False)['x'].sum()\ny = s.loc[1, 'x']", [1, 4]),
    "groups as a column, with names": (
        "s = df.groupby('k', as_index=False).agg(t=('x', 'sum'))\ny = s.t[0]",
        [0, 2],
    ),
    "values in another order": ("df['v'] = df['x'].iloc[::-1].values\ny = df.v[1]", [3]),
    "values of rows that were chosen": ("big['v'] = big.x.to_numpy()\ny = big.v[4]", [4]),
    "values as a list": ("l = df['x'].tolist()\ny = l[2]", [2]),
    "sums across columns": ("s = df[['x', 'n']].sum(axis=1)\ny = s[2]", [2]),
    "a column of sums across columns": ("df['v'] = df[['x', 'n']].max(axis='columns')\ny = df.v[3]", [3]),
    "rows left out by label": ("s = df.drop(index=[0, 1])\ny = s.x.iloc[0]", [2]),
    "rows by new labels": ("s = df.reindex([4, 2])\ny = s.x.iloc[1]", [2]),
    "columns with new names": ("s = df.rename(columns={'x': 'v'})\ny = s.v[1]", [1]),
    "where a condition holds, else another column": ("s = df.x.where(df.x > 5, df.n)\ny = s[1]", [1]),
    "the first row of each group": ("s = df.groupby('k').head(1)\ny = s.x.iloc[1]", [1]),
    "a group by its key": ("y = df.groupby('k').get_group('b').x.sum()", [1, 4]),
    "missing values filled": ("s = big.fillna(0)\ny = s.loc[3, 'x']", [3]),
}
UNKNOWN = {
    "a value of the first row of a group that has one": "y = df.groupby('k')['x'].first()['b']",
    "groups that are not in the index": "y = df.groupby('k')['x'].describe().loc['a', 'mean']",
    "a table of two keys": "y = df.pivot_table(index='k', values='x').loc['a', 'x']",
    "counts of values": "y = df['k'].value_counts()['a']",
    "put together side by side": "s = pd.concat([df, big], axis=1)\ny = s.iloc[0].iloc[0]",
    "texts of a frame of two with the same labels": (
        "s = pd.concat([df[['x']], other[['q']]])\ny = s.loc[0, 'x'].sum()"
    ),
    "the first of its group for each row": "s = df.groupby('k')['x'].transform('first')\ny = s[4]",
    "the first of each group": "y = df.groupby('k')['x'].agg('first')['b']",
    "what a function made of its group for each row": (
        "s = df.groupby('k')['x'].transform(lambda c: c.iloc[::-1])\ny = s[4]"
    ),
    "a mean of its group for each row, beside a column of other groups": (
        "g = df.groupby('k')\nh = g['x']\nu = g[['x']]\nu = None\nb = df.x + 1\n"
        "v = df.groupby('n')\nv.size()\ny = h.transform('mean')[4]"
    ),
    "a mean of its group for each row, beside other groups": (
        "g = df.groupby('n')\ns = df.groupby('k')['x'].transform('mean')\ny = s[4]"
    ),
    "a mean of its group for each row, beside a grouping that is not known any more": (
        "h = df.groupby('k')['x']\n"
        + "".join(f"g{n} = df.groupby(df.n > {n})\n" for n in range(8))
        + "".join(f"g{n} = None\n" for n in range(8))
        + "b = df.x + 1\ng = df.groupby('n')\na = g.x.sum()\ny = h.transform('mean')[4]"
    ),
    "sums so far in each group": "s = df.groupby('k')['x'].cumsum()\ny = s[2]",
    "sums across columns": "s = df[['x', 'n']].cumsum(axis=1)\ny = s.loc[2, 'n']",
    "a window that is centred": "s = df['x'].rolling(3, center=True).sum()\ny = s[2]",
    "a window of a size that is asked for": "w = 2\ns = df['x'].rolling(w).sum()\ny = s[3]",
    "a window in each group": "s = df.groupby('k')['x'].rolling(2, min_periods=1).sum()\ny = s.iloc[1]",
    "windows that something else is filled in": "s = df['x'].shift(1, fill_value=df.x[4])\ny = s[0]",
    "what values in another order were computed of": "df['v'] = df['x'].iloc[::-1].values * 2\ny = df.v[1]",
    "a list of values that was put in order": "l = df['x'].tolist()\nl.reverse()\ny = l[0]",
    "an array of values that was written to": (
        "a = df['x'].to_numpy(copy=True)\na[:] = a[::-1].copy()\ny = a[0]"
    ),
    "some rows of labels that are not told": "y = df.set_index(['k', 'x'], drop=False).loc['a'].x.sum()",
    "the first rows of labels that are not told": "y = df.set_index(['k', 'x'], drop=False).head(2).x.sum()",
    "a value by its label, by a method": "y = df.x.get(2)",
    "a row by its label, by a method": "y = df.xs(2).x",
    "the next row": "y = next(df.itertuples()).x",
    "rows of groups that a function chose": "y = df.groupby('k').filter(lambda g: len(g) > 1).x.sum()",
    "a row of a column after new labels": "df.index = [4, 3, 2, 1, 0]\ny = df['x'][0]",
    "a row of a column after new labels in place": (
        "df.sort_values('n', inplace=True, ignore_index=True)\ny = df['x'][0]"
    ),
    "a row of a column of a column with new labels": "s = df['x']\ns.index = [4, 3, 2, 1, 0]\ny = s[0]",
    "rows in order with new labels": "y = df.sort_values('n', ignore_index=True)['x'][1]",
    "rows in order with new labels, by loc": "y = df.sort_values('n', ignore_index=True).loc[1, 'x']",
    "rows in order with new labels, by position": "y = df.sort_values('n', ignore_index=True)['x'].iloc[1]",
    "a row of those that are no doubles, with new labels": (
        "y = df.drop_duplicates('k', ignore_index=True)['x'][2]"
    ),
    "a row of those in another order, with new labels": (
        "y = df.sample(frac=1, random_state=1, ignore_index=True)['x'][2]"
    ),
    "rows with other labels": "s = df.rename({2: 20, 0: 2})\ny = s.x[2]",
    "a row after rows were taken out in place": "df.drop(0, inplace=True)\ny = df.iloc[0]['x']",
    "a row after new labels": "df.index = [5, 6, 7, 8, 9]\ny = df.loc[5, 'x']",
    "a row after one was put in": "df.loc[9] = ['d', 1, 1]\ny = df.loc[9, 'x']",
    "an element of an array that is split": (
        f"{SPLIT}s, t = train_test_split(df[['x']].to_numpy(), random_state=0)\ny = s[0, 0]"
    ),
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
    assert found[FRAME] == (expected, True)
    assert all(exact for _, exact in found.values())


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
    "s = s.merge(pd.DataFrame({'w': [7, 1, 3, 1, 14, 5, 0]}), on='w', how='left')",
    "s = pd.DataFrame({'q': range(6)}).merge(s, left_on='q', right_on='w')[['v', 'w']]",
    "s = pd.concat([s[3:], s[:3]])",
    "s = pd.concat([s[s.v > 9], s], ignore_index=True)",
    "s = s.set_index(s.v.astype(str))",
    "s = s.nlargest(5, 'w')",
    "s['u'] = s.w * 2",
    "s = s.dropna().loc[lambda d: d.w > 2]",
]
ONCE = [one for one in STEPS if "concat([s, s])" not in one and "s.v > 9" not in one and "[['v'" not in one]
GROUPS = [
    "g = s.groupby('c')",
    "g = s.groupby('c', sort=False)",
    "g = s.groupby(['c', 'd'])",
    "g = s.groupby(s.w > 8)",
    "g = s.groupby('c', as_index=False)",
    "g = s.groupby(s.c.astype('category'), observed=False)",
]
SUMS = [
    "t = g['b'].sum()",
    "t = g.sum(numeric_only=True)['b']",
    "t = g.agg({'b': 'sum'})['b']",
    "t = g.agg(b=('b', 'sum')).b",
    "t = g['b'].agg('sum').sort_values()",
    "t = g['b'].sum().reset_index()['b']",
    "t = g.b.agg(['sum', 'max'])['sum']",
]
ENDS = [
    "y = s.iloc[{}]['v']",
    "y = s['v'].iloc[{}]",
    "y = s.to_numpy()[{}, 0]",
    "y = s.loc[s.index.tolist()[{}], 'v']",
    "y = [r.v for r in s.itertuples()][{}]",
    "y = s.apply(lambda r: r['v'], axis=1).iloc[{}]",
]


def told_of(lines):
    """What is told of the rows that `y` came from, if any, and what it is; None where the program failed."""
    run = Run("\n".join(lines), Trail)
    if run.error is not None:
        return None  # There is no such row, or there are two.
    traced = Traced.of_log(run.chunks)
    found = rows_of(backward(traced, meant([traced], "y").evaluations))
    return next((one for one in found if traced.component(one.evaluation).line == 1), None), run.names["y"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=4), st.sampled_from(ENDS), st.integers(0, 3))
def test_of_frames_that_are_made_of_others_the_row_is_this_or_not_known(steps, end, position):
    table = "v,w\\n" + "".join(f"{row},{row * 7 % 20}\\n" for row in range(20))
    begin = f"import io, pandas as pd; s = pd.read_csv(io.StringIO('{table}'))"
    told = told_of([begin, *steps, end.format(position)])
    if told is None or isinstance(told[1], pd.Series):
        return
    found, value = told
    assert found.rows == [value] if found.exact else value in found.rows


def bits(number):
    """The digits of a number to the base 8 that are not 0."""
    return [at for at in range(21) if number >> 3 * at & 7]


def holds(found, value):
    """The rows are those that the digits of a sum name; where they are not exact, these are among them."""
    expected = bits(int(value))
    assert found.rows == expected if found.exact else set(expected) <= set(found.rows)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(ONCE), max_size=2),
    st.sampled_from(GROUPS),
    st.sampled_from(SUMS),
    st.integers(0, 3),
)
def test_of_groups_the_rows_are_these_or_not_known(steps, group, total, position):
    # Each row has a digit of its own: a sum says which rows are in it, though some are there more than once.
    table = "v,w,c,d,b\\n"
    table += "".join(f"{row},{row * 7 % 20},{'abc'[row % 3]},{row % 2},{8**row}\\n" for row in range(20))
    begin = f"import io, pandas as pd; s = pd.read_csv(io.StringIO('{table}'))"
    told = told_of([begin, *steps, group, total, f"y = t.iloc[{position}]"])
    if told is None or isinstance(told[1], pd.Series) or told[1] != int(told[1]):
        return
    holds(*told)


EACH = [
    "t = g['b'].transform('sum')",
    "t = g[['b']].transform('sum')['b']",
    "s['t'] = g['b'].transform('sum'); t = s[::-1]['t']",
    "t = g['b'].transform(lambda c: c.sum())",
    "t = g['b'].transform('last')",
    "h = s.groupby('d'); t = g['b'].transform('sum')",
    "u = s.groupby('d')['b'].transform('sum'); t = g['b'].transform('sum')",
]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(ONCE), max_size=2),
    st.sampled_from(GROUPS),
    st.sampled_from(EACH),
    st.integers(0, 9),
)
def test_of_what_each_row_has_of_its_group_the_rows_are_these_or_not_known(steps, group, each, position):
    table = "v,w,c,d,b\\n"
    table += "".join(f"{row},{row * 7 % 20},{'abc'[row % 3]},{row % 2},{8**row}\\n" for row in range(16))
    begin = f"import io, pandas as pd; s = pd.read_csv(io.StringIO('{table}'))"
    told = told_of([begin, *steps, group, each, f"y = t.iloc[{position}]"])
    if told is None or isinstance(told[1], pd.Series) or told[1] != told[1]:
        return
    holds(*told)


WINDOWS = [
    "t = s['b'].cumsum()",
    "t = s['b'].rolling(3, min_periods=1).sum()",
    "t = s[['b', 'w']].rolling(window=2, min_periods=1).sum()['b']",
    "t = s['b'].expanding(1).sum()",
    "t = s['b'].shift(2)",
    "t = s.shift(periods=-1)['b']",
    "s['t'] = s['b'].cumsum(); t = s[::-1]['t']",
    "t = s['b'].shift(1).rolling(4, min_periods=1).sum()",
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ONCE), max_size=2), st.sampled_from(WINDOWS), st.integers(0, 9))
def test_of_windows_the_rows_are_these_or_not_known(steps, window, position):
    table = "v,w,b\\n" + "".join(f"{row},{row * 7 % 20},{8**row}\\n" for row in range(16))
    begin = f"import io, pandas as pd; s = pd.read_csv(io.StringIO('{table}'))"
    told = told_of([begin, *steps, window, f"y = t.iloc[{position}]"])
    if told is None or isinstance(told[1], pd.Series) or told[1] != told[1]:
        return
    assert told[0].exact or steps
    holds(*told)


def read(found):
    """Labels as they are told, read again."""
    how, data = told._packed(found)
    return Labels(*found._replace(how=how, packed=data))


def packed(values):
    """Labels as they are told, and read again."""
    found = told._told(np.array(values) if values else np.array([], dtype=int))
    return read(found) if found is not None else None


@given(
    st.lists(st.integers(-(2**40), 2**40))
    | st.lists(st.integers(-50, 50))
    | st.sets(st.integers(0, 60)).map(sorted)
    | st.sets(st.integers(0, 2000)).map(lambda left_out: sorted({*range(2000)} - left_out))
    | st.builds(range, st.integers(-5, 5), st.integers(-5, 50), st.integers(1, 3)).map(list)
)
def test_labels_are_what_they_were(values):
    found = packed(values)
    assert list(found.all) == values
    assert len(found) == len(values)
    assert found.are_unique == (len(set(values)) == len(values))
    assert [found.at(place) for place in range(len(values))] == values
    assert found.at(len(values)) is None


@pytest.mark.parametrize(("share", "bits"), [(0.9, 0.51), (0.5, 1.0), (0.02, 0.21)])
def test_a_bit_for_each_row_is_compressed_where_that_takes_less(share, bits):
    chosen = np.flatnonzero(np.random.default_rng(0).random(100_000) < share)
    found = told._told(chosen)
    how, data = told._packed(found)
    assert how == (told.BITS if share == 0.5 else told.PRESSED)
    assert 8 * len(data) <= bits * 100_000
    assert list(read(found).all) == chosen.tolist()


@given(
    st.lists(st.integers(-1, 2**17)) | st.lists(st.integers(-1, 9)).map(sorted) | st.integers(0, 9).map(range)
)
def test_places_are_what_they_were(values):
    found = told._places(np.array(values, dtype=int))
    assert list(read(found).numbers) == list(values)


@given(st.lists(st.integers(-1, 300)), st.sampled_from([301, 70_000]))
def test_groups_are_what_they_were(values, count):
    found = told._groups(np.array(values, dtype=int), count)
    made = read(found)
    assert [one - 1 for one in made.numbers] == values
    assert made.count == count


def test_labels_that_are_no_numbers_or_too_many_are_not_told(monkeypatch):
    monkeypatch.setattr(told, "_MOST_EACH", 3)
    assert packed(["a", "b"]) is None
    assert packed([1.5, 2.0]) is None
    assert packed([3, 1, 2, 9]) is None
    assert list(packed([3, 1, 2]).all) == [3, 1, 2]
