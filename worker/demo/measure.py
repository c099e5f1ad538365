"""Owns the honest figures: what the stored model answers on the test sentences and on the demo's comments.

    python measure.py [--show N]        prints the figures, rewrites accuracy.json, shows N labelled comments
"""

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from comments import compose_rows
from make_data import SEED
from noise import clean

FOLDER = Path(__file__).parent
MODEL = FOLDER / "models" / "relevo" / "demo-sentiment"
MOODS = ["neg", "neu", "pos"]
MAX_LENGTH = 128


def read_sentences(split: str) -> list[dict[str, str]]:
    """The rows of one split of `frases.csv`."""
    with (FOLDER / "frases.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def confusion_of(truth: list[str], answers: list[str]) -> list[list[int]]:
    """Counts by truth (rows) and answer (columns), in the order of MOODS."""
    counts = Counter(zip(truth, answers, strict=True))
    return [[counts[true, answer] for answer in MOODS] for true in MOODS]


def figures_of(truth: list[str], answers: list[str]) -> dict:
    """Accuracy, macro-F1, the share of the commonest mood, and the confusion matrix."""
    table = confusion_of(truth, answers)
    hits = [table[n][n] for n in range(len(MOODS))]
    f1 = [2 * hits[n] / max(1, sum(table[n]) + sum(row[n] for row in table)) for n in range(len(MOODS))]
    return {
        "sentences": len(truth),
        "accuracy": round(sum(hits) / len(truth), 4),
        "macro_f1": round(sum(f1) / len(f1), 4),
        "majority_baseline": round(max(map(sum, table)) / len(truth), 4),
        "confusion": table,
    }


class Judge:
    """The stored model with its tokenizer, loaded as anyone would load it."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    @torch.no_grad()
    def probabilities(self, texts: list[str]) -> torch.Tensor:
        """One row (negative, neutral, positive) per text."""
        rows = [torch.empty(0, len(MOODS))]
        for start in range(0, len(texts), 32):
            batch = [clean(text) for text in texts[start : start + 32]]
            encoded = self.tokenizer(batch, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            rows.append(self.model(**encoded).logits.softmax(-1))
        return torch.cat(rows)

    def answers(self, texts: list[str]) -> list[str]:
        """The likeliest mood per text."""
        return [MOODS[n] for n in self.probabilities(texts).argmax(-1).tolist()]


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", type=int, default=0, help="how many labelled comments to print")
    wanted = parser.parse_args()
    judge = Judge(MODEL)

    test = read_sentences("test")
    on_test = figures_of([row["etiqueta"] for row in test], judge.answers([row["texto"] for row in test]))
    rows, moods = compose_rows(SEED)
    judged = [(row["comentario"], mood) for row, mood in zip(rows, moods, strict=True) if row["comentario"].strip()]
    texts = [text for text, _ in judged]
    answers = judge.answers(texts)
    clear = [(mood, answer) for (_, mood), answer in zip(judged, answers, strict=True) if mood != "mixed"]
    on_comments = figures_of([mood for mood, _ in clear], [answer for _, answer in clear])

    report = {"labels": [mood.upper() for mood in MOODS], "test_sentences": on_test.pop("sentences"), **on_test, "comments": on_comments}
    (MODEL / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report))
    print("labels of all comments with text:", dict(Counter(answers)))
    print("labels of torn comments:", dict(Counter(answer for (_, mood), answer in zip(judged, answers, strict=True) if mood == "mixed")))
    for row, text, answer in zip(judge.probabilities(texts[: wanted.show]).tolist(), texts, answers, strict=False):
        print(answer, " ".join(f"{value:.2f}" for value in row), text[:110].replace("\n", " "))


if __name__ == "__main__":
    main()
