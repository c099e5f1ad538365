"""Owns the writing of the demo's CSV files: comments, the Windows-1252 sample and the labelled sentences.

    python make_data.py        writes comentarios.csv, comentarios_latin1.csv, frases.csv

It fails when a training sentence is, or nearly is, a test sentence or a comment of the demo.
"""

import csv
import random
import re
from pathlib import Path

from comments import COLUMNS, compose_rows, windows_rows
from grammar import Grammar
from marked import read_marked

FOLDER = Path(__file__).parent
SEED = 20260114
COMPOSED_PER_MOOD = 2400
NEAR = 0.8


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text without case and punctuation; emoji and marks alone stay as they are."""
    return tuple(re.findall(r"\w+", text.lower())) or (text.strip(),)


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard overlap of two sets of words, 0 to 1."""
    return len(one & other) / len(one | other)


class HeldOut:
    """The sentences that training must not see."""

    def __init__(self, texts: list[str]) -> None:
        pieces = [piece for text in texts for piece in [text, *re.split(r"(?<=[.!?;])\s+|\n", text)] if piece.strip()]
        self.exact = {words_of(piece) for piece in pieces}
        self.bags = [frozenset(words) for words in self.exact if len(words) >= 4]

    def holds(self, text: str) -> bool:
        """Whether the text is held out, or shares nearly all its words with a held-out sentence of four words or more."""
        words = words_of(text)
        return words in self.exact or (len(words) >= 4 and any(overlap(frozenset(words), bag) >= NEAR for bag in self.bags))


def training_sentences(held_out: HeldOut) -> list[tuple[str, str, str]]:
    """Text, mood and origin of the hand-written training sentences, then of the composed ones, without repeats."""
    seen: set[tuple[str, ...]] = set()
    sentences = []

    def take(text: str, mood: str, origin: str) -> bool:
        words = words_of(text)
        if words in seen or held_out.holds(text):
            return False
        seen.add(words)
        sentences.append((text, mood, origin))
        return True

    written = read_marked("train")
    left_out = [text for text, mood in written if not take(text, mood, "escrita")]
    print(f"hand-written training sentences: {len(written) - len(left_out)} kept, left out as held out or repeated: {left_out}")
    grammar = Grammar(random.Random(SEED))
    for mood in ("neg", "neu", "pos"):
        wanted = COMPOSED_PER_MOOD
        while wanted:
            wanted -= take(grammar.sentence(mood), mood, "compuesta")
    return sentences


def write_csv(name: str, header: list[str], rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> None:
    """Writes one RFC 4180 file."""
    with (FOLDER / name).open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def main() -> None:
    """Writes the three files."""
    rows, _ = compose_rows(SEED)
    write_csv("comentarios.csv", COLUMNS, [[row[c] for c in COLUMNS] for row in rows])
    write_csv("comentarios_latin1.csv", COLUMNS, [[row[c] for c in COLUMNS] for row in windows_rows(rows)], ";", "cp1252")
    test = read_marked("test")
    train = training_sentences(HeldOut([text for text, _ in test] + [row["comentario"] for row in rows]))
    labelled = [[text, mood, "train", origin] for text, mood, origin in train] + [[text, mood, "test", "escrita"] for text, mood in test]
    write_csv("frases.csv", ["texto", "etiqueta", "split", "origen"], labelled)


if __name__ == "__main__":
    main()
