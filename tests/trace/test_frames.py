"""pandas' frames: a value comes from the columns that it used, where they are known, else from the whole."""

import pytest
from tests.trace.test_arrays import lines
from tests.trace.traced import Traced as Run

CSV = "import pandas as pd, io\ndf = pd.read_csv(io.StringIO('a,b,c\\n1,2,3\\n4,5,6\\n'))\nk = 5\n"
CASES = {
    "another column": ("df['b'] = k\ny = df['a'].sum()", [2, 5]),
    "this column": ("df['b'] = k\ny = df['b'].sum()", [3, 4, 5]),
    "a column as an attribute": ("df['b'] = k\ny = df.b.sum()", [3, 4, 5]),
    "a column set as an attribute": ("df.b = k\ny = df['b'].sum()", [3, 4, 5]),
    "another one as an attribute": ("df['b'] = k\ny = df.a.sum()", [2, 5]),
    "a column of others": ("df['b'] = k\ndf['d'] = df.a + df['c']\ny = df['d'].sum()", [2, 5, 6]),
    "some rows of a column": ("df.loc[df.a > 1, 'b'] = k\ny = df['b'].sum()", [2, 3, 4, 5]),
    "some rows of another": ("df.loc[df.a > 1, 'b'] = k\ny = df['a'].sum()", [2, 5]),
    "rows of a column read": ("df['b'] = k\ny = df.loc[0, 'a']", [2, 5]),
    "columns": ("df['b'] = k\ndf['c'] = 1\ny = df[['a', 'c']].sum()", [2, 5, 6]),
    "grouped": ("df['b'] = k\ndf['c'] = 1\ny = df.groupby('a')['c'].sum()", [2, 5, 6]),
    "grouped by what changed": ("df['a'] = k\ny = df.groupby('a')['c'].sum()", [2, 3, 4, 5]),
    "group after group": ("df['b'] = k\nfor _, g in df.groupby('a'):\n    y = g['b'].sum()", [2, 3, 4, 5, 6]),
    "the whole frame": ("df['b'] = k\ny = df.sum()", [2, 3, 4, 5]),
    "the whole frame by a method": ("df['b'] = k\ny = df.describe()", [2, 3, 4, 5]),
    "a column put in": ("df.insert(0, 'd', k)\ny = df['d'].sum()", [3, 4, 5]),
    "a column taken out": ("df['b'] = k\ny = df.pop('a').sum()", [2, 3, 4, 5]),
    "new names": ("df['b'] = k\ndf.columns = ['x', 'y', 'z']\ny = df['y'].sum()", [2, 3, 4, 5, 6]),
    "in place": ("df.update(k) if 0 else df.update(df)\ny = df['b'].sum()", [2, 4, 5]),
    "another name": ("e = df\ne['b'] = k\ny = df['b'].sum()", [3, 5, 6]),
    "made of lists": ("b = [1, 2]\ndf = pd.DataFrame({'a': [k, 2], 'b': b})\ny = df['b'].sum()", [4, 6]),
}


DERIVED = {
    "rows, another column": ("df['b'] = k\ne = df[df['a'] > 1]\ny = e['c'].sum()", [2, 5, 6]),
    "rows, this column": ("df['b'] = k\ne = df[df['a'] > 1]\ny = e['b'].sum()", [2, 3, 4, 5, 6]),
    "rows, mask column": ("df['a'] = k\ne = df[df['a'] > 1]\ny = e['c'].sum()", [2, 3, 4, 5, 6]),
    "rows, then written": ("e = df[df['a'] > 1]\ndf['c'] = k\ny = e['c'].sum()", [2, 4, 6]),
    "rows twice": ("df['b'] = k\ne = df[df.a > 1]\nf = e[e.a > 2]\ny = f.c.sum()", [2, 5, 6, 7]),
    "rows twice this": ("df['b'] = k\ne = df[df.a > 1]\nf = e[e.a > 2]\ny = f.b.sum()", [2, 3, 4, 5, 6, 7]),
    "loc rows": ("df['b'] = k\ne = df.loc[df['a'] > 1]\ny = e['c'].sum()", [2, 5, 6]),
    "loc rows and columns": ("df['b'] = k\ne = df.loc[df['a'] > 1, ['a', 'c']]\ny = e['c'].sum()", [2, 5, 6]),
    "columns": ("df['b'] = k\ne = df[['a', 'b']]\ny = e['a'].sum()", [2, 5, 6]),
    "head": ("df['b'] = k\ne = df.head(1)\ny = e['c'].sum()", [2, 5, 6]),
    "copy then put": ("e = df.copy()\ne['b'] = k\ny = df['b'].sum()", [2, 6]),
    "copy then put, seen": ("e = df.copy()\ne['b'] = k\ny = e['b'].sum()", [3, 5, 6]),
    "copy, other": ("e = df.copy()\ne['b'] = k\ny = e['c'].sum()", [2, 4, 6]),
    "sorted": ("df['b'] = k\ne = df.sort_values('a')\ny = e['c'].sum()", [2, 5, 6]),
    "sorted by what changed": ("df['b'] = k\ne = df.sort_values('b')\ny = e['c'].sum()", [2, 3, 4, 5, 6]),
    "assign": ("e = df.assign(d=k)\ny = e['a'].sum()", [2, 4, 5]),
    "assigned": ("e = df.assign(d=k)\ny = e['d'].sum()", [3, 5]),
    "assigned by a function": (
        "df['b'] = k\ne = df.assign(d=lambda f: f.b + 1)\ny = e['d'].sum()",
        [2, 3, 4, 5, 6],
    ),
    "merge": (
        "df['b'] = k\no = df[['a']].copy()\no['q'] = 7\ne = df.merge(o, on='a')\ny = e['c'].sum()",
        [2, 5, 7, 8],
    ),
    "merge, other's": (
        "df['b'] = k\no = df[['a']].copy()\no['q'] = 7\ne = df.merge(o, on='a')\ny = e['q'].sum()",
        [2, 5, 6, 7, 8],
    ),
    "merge on what changed": (
        "df['a'] = k\no = pd.DataFrame({'a': [5], 'q': [7]})\ne = df.merge(o, on='a')\ny = e['c'].sum()",
        [2, 3, 4, 5, 6, 7],
    ),
    "group sums": ("df['b'] = k\ne = df.groupby('a').sum()\ny = e['c'].max()", [2, 5, 6]),
    "group sums, this": ("df['b'] = k\ne = df.groupby('a').sum()\ny = e['b'].max()", [2, 3, 4, 5, 6]),
    "group sums, key": ("df['a'] = k\ne = df.groupby('a').sum()\ny = e['c'].max()", [2, 3, 4, 5, 6]),
    "grouping in a variable": (
        "df['b'] = k\ng = df.groupby('b')\ne = g.sum()\ny = e['c'].max()",
        [2, 3, 4, 5, 6, 7],
    ),
    "part put in derived": (
        "df['b'] = k\ne = df.copy()\ne.loc[e.a > 1, 'b'] = 3\ny = e['b'].sum()",
        [2, 3, 4, 5, 6, 7],
    ),
    "renamed": (
        "df['b'] = k\ne = df.copy()\ne.columns = ['x', 'y', 'z']\ny = e['y'].sum()",
        [2, 3, 4, 5, 6, 7],
    ),
    "concat": ("df['b'] = k\ne = pd.concat([df, df])\ny = e['b'].sum()", [3, 4, 5, 6]),
    "concat, other": ("df['b'] = k\ne = pd.concat([df, df])\ny = e['a'].sum()", [2, 5, 6]),
    "concat, of one": (
        "e = df[['a']].copy()\ne['q'] = k\nf = pd.concat([df, e])\ny = f['q'].sum()",
        [2, 3, 5, 6, 7],
    ),
    "concat, of one and read": (
        "e = df[['b']].copy()\ne['b'] = k\nf = pd.concat([df, e])\ny = f['b'].sum()",
        [2, 3, 5, 6, 7],
    ),
    "merge, of one and read": (
        "o = df.copy()\no['c'] = k\ne = df.merge(o, on='a')\ny = e['c_x'].sum()",
        [2, 3, 4, 5, 6, 7],
    ),
    "row by row": ("df['b'] = k\nfor i, r in df.iterrows():\n    y = r['a']", [2, 5, 6]),
    "row by row, this column": ("df['b'] = k\nfor i, r in df.iterrows():\n    y = r['b']", [3, 4, 5, 6]),
    "row by row, attribute": ("df['b'] = k\nfor i, r in df.iterrows():\n    y = r.a", [2, 5, 6]),
    "row by row, as a whole": ("df['b'] = k\nfor i, r in df.iterrows():\n    y = r.sum()", [2, 3, 4, 5, 6]),
    "row by row, written": (
        "for i, r in df.iterrows():\n    r['a'] = k\n    y = r['a']\n    z = r['b']",
        [3, 5, 6],
    ),
    "tuples": ("df['b'] = k\nfor r in df.itertuples():\n    y = r.a", [2, 5, 6]),
    "tuples, this column": ("df['b'] = k\nfor r in df.itertuples():\n    y = r.b", [3, 4, 5, 6]),
    "groups": ("df['b'] = k\nfor _, g in df.groupby('a'):\n    y = g['c'].sum()", [2, 5, 6]),
    "groups by what changed": (
        "df['a'] = k\nfor _, g in df.groupby('a'):\n    y = g['c'].sum()",
        [2, 3, 4, 5, 6],
    ),
    "apply to rows": (
        "df['b'] = k\ndef f(r):\n    return r['a']\ne = df.apply(f, axis=1)\ny = e.sum()",
        [2, 6, 7, 8],
    ),
    "apply to rows, this column": (
        "df['b'] = k\ndef f(r):\n    return r.b\ne = df.apply(f, axis=1)\ny = e.sum()",
        [3, 4, 6, 7, 8],
    ),
    "in a function that rows are given to": (
        "df['b'] = k\ndef f(r):\n    global y\n    y = r['a']\ndf.apply(f, axis=1)",
        [2, 7, 8],
    ),
    "apply": ("df['b'] = k\ne = df.apply(lambda c: c + 1)\ny = e['b'].sum()", [2, 3, 4, 5, 6]),
}


@pytest.mark.parametrize("case", {**CASES, **DERIVED})
def test_a_value_comes_from_these_lines(case, trail):
    text, expected = {**CASES, **DERIVED}[case]
    assert lines(CSV + text, trail) == expected


SERIES = "import pandas as pd\ns = pd.Series([1, 2, 3], index=['a', 'b', 'c'])\nk = 7\n"
OF_SERIES = {
    "a label": ("s['b'] = k\ny = s['b']", [3, 4, 5]),
    "another label": ("s['b'] = k\ny = s['c']", [2, 5]),
    "a label by loc": ("s.loc['b'] = k\ny = s['b']", [3, 4, 5]),
    "another label by loc": ("s.loc['b'] = k\ny = s.at['c']", [2, 5]),
    "several labels": ("s.loc['b'] = k\ny = s.loc['a':'b'].min()", [2, 3, 4, 5]),
    "a list of labels": ("s['b'] = k\ny = s[['a', 'b']].min()", [2, 3, 4, 5]),
    "a position": ("s.iloc[1] = k\ny = s['b']", [2, 3, 4, 5]),
    "by position what has a label": ("s['b'] = k\ny = s.iloc[1]", [2, 3, 4, 5]),
    "its values": ("s['b'] = k\ny = s.values.sum()", [2, 3, 4, 5]),
    "an attribute for a label": ("s['b'] = k\ny = s.b", [2, 3, 4, 5]),
    "how many": ("s['d'] = k\ny = s.shape", [2, 3, 4, 5]),
    "a label that is gone": ("del s['b']\ny = s.index.tolist()", [2, 4, 5]),
    "more by loc": ("s.loc['b'] += k\ny = s['b']", [2, 3, 4, 5]),
    "dates": (
        "s.index = pd.date_range('2024-03-01', periods=3)\ns['2024-03-02'] = k\ny = s['2024-03'].min()",
        [2, 3, 4, 5, 6],
    ),
    "what becomes of the whole of a library's object": (
        "import scipy.sparse as sp\nm = sp.lil_matrix((2, 2))\nm[0, 1] = k\ny = m.tocsr().data[0]",
        [3, 5, 6, 7],
    ),
}


@pytest.mark.parametrize("case", OF_SERIES)
def test_a_value_of_a_series_comes_from_these_lines(case, trail):
    text, expected = OF_SERIES[case]
    assert lines(SERIES + text, trail) == expected


OF_ALL = {
    "its columns": ("df['d'] = k\ny = df.columns.tolist()", [2, 3, 4, 5]),
    "its shape": ("df['d'] = k\ny = df.shape", [2, 3, 4, 5]),
    "turned": ("df['a'] = k\ny = df.T.loc['a'].sum()", [2, 3, 4, 5]),
    "all values": ("df.loc[0, 'a'] = k\ny = df.values.tolist()", [2, 3, 4, 5]),
    "columns that are left": ("del df['a']\ny = list(df.columns)", [2, 4, 5]),
}


@pytest.mark.parametrize("case", OF_ALL)
def test_what_is_made_of_all_columns_comes_from_these_lines(case, trail):
    text, expected = OF_ALL[case]
    assert lines(CSV + text, trail) == expected


def test_a_method_of_pandas_changes_no_list_that_it_is_given():
    text = "k = ['sum']\ndf['a'].isin(k)\ndf.groupby('a').agg(k)\ndf.groupby('a')['b'].agg(k)\n"
    assert Run(CSV + text).gaps == []


IN_PLACE = {
    "a Series under another name": ("t = s\ns += k\ny = t.sum()", [2, 3, 4, 5, 6]),
    "a Series by a number, under another name": ("t = s\ns *= 2\ny = t.sum()", [2, 4, 5, 6]),
    "a frame by a number, under another name": (
        "d = s.to_frame('v')\ne = d\nd *= 2\ny = e['v'].sum()",
        [2, 4, 5, 6, 7],
    ),
    "a method that is told so": ("t = s\ns.replace(2, k, inplace=True)\ny = t.sum()", [2, 3, 4, 5, 6]),
}


@pytest.mark.parametrize("case", IN_PLACE)
def test_what_is_changed_in_place_is_changed_under_each_name(case, trail):
    text, expected = IN_PLACE[case]
    assert lines(SERIES + text, trail) == expected


SHARED = {
    "a column": ("c = d['a']\nc.iloc[0] = k\ny = d['a'].sum()", [2, 3, 5, 6]),
    "a column of another type": ("c = d['b']\nc.iloc[0] = k\ny = d['a'].sum()", [2, 6]),
    "a column, in place": ("c = d['a']\nc.fillna(k, inplace=True)\ny = d['a'].sum()", [2, 3, 4, 5, 6]),
    "the frame, seen in a column": ("c = d['a']\nd.loc[0, 'a'] = k\ny = c.sum()", [2, 3, 4, 5, 6]),
    "an array of the values": ("v = d['a'].to_numpy()\nd.iloc[0, 0] = k\ny = v.sum()", [2, 3, 4, 5, 6]),
    "rows": ("e = d[:1]\ne.loc[0, 'a'] = k\ny = d['a'].sum()", [2, 3, 5, 6]),
    "a copy": ("c = d['a'].copy()\nc.iloc[0] = k\ny = d['a'].sum()", [2, 6]),
    "an array that it was made of": (
        "import numpy as np\na = np.zeros(3)\nt = pd.Series(a, copy=False)\na[1] = k\ny = t.sum()",
        [3, 5, 6, 7, 8],
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_without_copy_on_write_a_write_is_seen_in_all_that_shares_memory(case, trail, monkeypatch):
    monkeypatch.setattr("pandas._config.using_copy_on_write", lambda: False, raising=False)
    text, expected = SHARED[case]
    frame = "import pandas as pd\nd = pd.DataFrame({'a': [1, 2], 'b': [3.0, 4.0]})\nk = 7\n"
    assert lines(frame + text, trail) == expected


def test_with_copy_on_write_a_column_is_a_column_of_its_own(trail, monkeypatch):
    monkeypatch.setattr("pandas._config.using_copy_on_write", lambda: True, raising=False)
    text = "import pandas as pd\nd = pd.DataFrame({'a': [1, 2]})\nc = d['a']\nc.iloc[0] = 7\ny = d['a'].sum()"
    assert lines(text, trail) == [2, 5]
