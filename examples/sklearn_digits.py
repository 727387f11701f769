"""Train a pipeline on handwritten digits with scikit-learn, choose its strength by a search, and test it.

    trilha run sklearn_digits.py [OUT]

The digits are those that scikit-learn ships. The pipeline goes to OUT/digits.joblib. Needs the extra
`sklearn`.
"""

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)

images, labels = load_digits(return_X_y=True)
train, test, train_labels, test_labels = train_test_split(
    images, labels, test_size=0.25, stratify=labels, random_state=7
)
pipeline = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=300))
search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2)
search.fit(train, train_labels)
print(f"chosen: {search.best_params_}")
print(f"test accuracy {accuracy_score(test_labels, search.predict(test)):.3f}")
joblib.dump(search.best_estimator_, out / "digits.joblib")
