"""pandas' frames: a value comes from the columns that it used, where they are known, else from the whole."""

import pytest
from tests.trace.test_arrays import lines

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
    "the whole frame": ("df['b'] = k\ny = df.sum()", [2, 3, 4, 5]),
    "the whole frame by a method": ("df['b'] = k\ny = df.describe()", [2, 3, 4, 5]),
    "a column put in": ("df.insert(0, 'd', k)\ny = df['d'].sum()", [3, 4, 5]),
    "a column taken out": ("df['b'] = k\ny = df.pop('a').sum()", [2, 3, 4, 5]),
    "new names": ("df['b'] = k\ndf.columns = ['x', 'y', 'z']\ny = df['y'].sum()", [2, 3, 4, 5, 6]),
    "in place": ("df.update(k) if 0 else df.update(df)\ny = df['b'].sum()", [2, 4, 5]),
    "another name": ("e = df\ne['b'] = k\ny = df['b'].sum()", [3, 5, 6]),
    "made of lists": ("b = [1, 2]\ndf = pd.DataFrame({'a': [k, 2], 'b': b})\ny = df['b'].sum()", [4, 6]),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_value_comes_from_these_lines(case, trail):
    text, expected = CASES[case]
    assert lines(CSV + text, trail) == expected
