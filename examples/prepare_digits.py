"""Write scikit-learn's digits to data/digits.csv beside this file, so that there is raw data to start from.

One row an image: 64 columns of grey values (p00 to p63, 0 to 16, row by row) and the label (0 to 9).
The set is the test part of "Optical Recognition of Handwritten Digits" of the UCI repository, 1,797 images.
"""

from pathlib import Path

import pandas as pd
from sklearn.datasets import load_digits


def main() -> None:
    """Write the file, unless it is there."""
    target = Path(__file__).with_name("data") / "digits.csv"
    if target.exists():
        return
    digits = load_digits()
    table = pd.DataFrame(digits.data.astype(int), columns=[f"p{i:02}" for i in range(64)])
    table["label"] = digits.target
    target.parent.mkdir(exist_ok=True)
    table.to_csv(target, index=False)
    print(f"wrote {len(table)} images to {target}")


if __name__ == "__main__":
    main()
