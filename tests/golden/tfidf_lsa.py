"""Golden answers of scikit-learn for the word features of `beto.preprocess`.

Fits TfidfVectorizer (1-grams and 2-grams) and TruncatedSVD on a list of texts and writes terms, weights, singular values
and reduced rows to `tests/golden/tfidf_lsa.json`. The Rust tests compare with this file.

    python3 -m venv v && v/bin/pip install scikit-learn==1.9.1
    v/bin/python tests/golden/tfidf_lsa.py
"""

import itertools
import json
import pathlib
import random

import sklearn
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

SUBJECTS = ["el profesor", "la profesora", "el curso de álgebra", "la clase", "el taller"]
VERDICTS = ["explica muy bien", "es muy aburrido", "fue regular", "no se entiende", "me gustó mucho y aprendí"]
TAILS = ["", "gracias", "hay que mejorar el material", "a 5 de 5"]
TEXTS = [" ".join(part for part in parts if part) for parts in itertools.product(SUBJECTS, VERDICTS, TAILS)]
# A full product of parts would have equal singular values, whose components are not unique.
TEXTS = random.Random(5).choices(TEXTS, k=60)
# Terms of equal use have no order in scikit-learn: 31 is a number at which the limit cuts between two uses.
CASES = [
    {"min_df": 2, "max_df": 1.0, "max_features": 20000, "n_components": 8},
    {"min_df": 3, "max_df": 0.4, "max_features": 31, "n_components": 5},
    {"min_df": 0.1, "max_df": 20, "max_features": 20000, "n_components": 4},
]


def main():
    cases = []
    for case in CASES:
        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), min_df=case["min_df"], max_df=case["max_df"], max_features=case["max_features"]
        )
        matrix = vectorizer.fit_transform(TEXTS)
        svd = TruncatedSVD(case["n_components"], algorithm="arpack", random_state=42).fit(matrix)
        cases.append(
            case
            | {
                "terms": vectorizer.get_feature_names_out().tolist(),
                "idf": vectorizer.idf_.tolist(),
                "rows": [
                    [[int(j), float(v)] for j, v in sorted(zip(row.indices, row.data))] for row in matrix
                ],
                "singular_values": svd.singular_values_.tolist(),
                "reduced": svd.transform(matrix).tolist(),
            }
        )
        print(case, matrix.shape, svd.singular_values_.round(3))
    golden = {"scikit_learn": sklearn.__version__, "texts": TEXTS, "cases": cases}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
