"""Golden answers of scikit-learn: scores of predictions, and what its linear models learn.

Writes `tests/golden/scores.json`. The unit tests of `learning` and of the heads on Boltzmann machines (worker) read the
same rows and must come to the same: scores to within 1e-9, weights to within 1e-4.

    python3 -m venv v && v/bin/pip install scikit-learn==1.9.1
    v/bin/python tests/golden/scores.py
"""

import json
import pathlib

import numpy
from sklearn import metrics
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent


def of_classes(chance, rows, classes, skill, never=None):
    truth = chance.integers(0, classes, rows)
    logits = chance.normal(0, 1, (rows, classes)) + skill * numpy.eye(classes)[truth]
    if never is not None:
        logits[:, never] = -50
    probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    # Ties, which a rank must share.
    probabilities = probabilities.round(2)
    told = probabilities.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0.0}
    one_vs_rest = [metrics.roc_auc_score(truth == one, probabilities[:, one]) for one in range(classes)]
    return {
        "truth": truth.tolist(),
        "probabilities": probabilities.tolist(),
        "told": told.tolist(),
        "accuracy": metrics.accuracy_score(truth, told),
        "macro_f1": metrics.f1_score(truth, told, **macro),
        "precision": metrics.precision_score(truth, told, **macro),
        "recall": metrics.recall_score(truth, told, **macro),
        "mcc": metrics.matthews_corrcoef(truth, told),
        "roc_auc": float(numpy.mean(one_vs_rest)),
        "confusion": metrics.confusion_matrix(truth, told, labels=range(classes)).tolist(),
    }


def of_numbers(chance, rows, noise):
    truth = chance.normal(30, 8, rows)
    told = truth + chance.normal(0, noise, rows)
    return {
        "truth": truth.tolist(),
        "told": told.tolist(),
        "mae": metrics.mean_absolute_error(truth, told),
        "rmse": metrics.root_mean_squared_error(truth, told),
        "r2": metrics.r2_score(truth, told),
    }


def of_heads(chance, rows, units):
    hidden = chance.random((rows, units)).round(3)
    logits = hidden @ chance.normal(0, 3, (units, 3)) + chance.normal(0, 1, (rows, 3))
    classes, numbers = logits.argmax(axis=1), (logits[:, 0] * 4 + 20).round(3)
    # One unit that varies by a thousandth of the others, and counts as much.
    hidden[:, 1] = 0.5 + hidden[:, 1] / 1000
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000))
    logistic.fit(hidden, classes)
    ridge = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(hidden, numbers)
    return {
        "hidden": hidden.tolist(),
        "classes": classes.tolist(),
        "numbers": numbers.tolist(),
        "probabilities": logistic.predict_proba(hidden).tolist(),
        "loss": metrics.log_loss(classes, logistic.predict_proba(hidden)),
        "predicted": ridge.predict(hidden).tolist(),
    }


def main():
    chance = numpy.random.default_rng(42)
    answers = {
        "classes": [
            of_classes(chance, 200, 3, 1.2),
            of_classes(chance, 60, 2, 0.0),
            of_classes(chance, 120, 5, 2.0),
            of_classes(chance, 90, 3, 1.0, never=1),
        ],
        "numbers": [of_numbers(chance, 50, 3.0), of_numbers(chance, 50, 20.0)],
        "heads": of_heads(chance, 120, 6),
    }
    (HERE / "scores.json").write_text(json.dumps(answers) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
