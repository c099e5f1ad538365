"""Owns the marked-line format of `sources/`: one text per line behind a mood mark, `#` starts a comment."""

from pathlib import Path

SOURCES = Path(__file__).parent / "sources"

MOODS = {"+": "pos", "-": "neg", "=": "neu", "~": "mixed"}


def read_marked(name: str) -> list[tuple[str, str]]:
    r"""Reads `sources/<name>.txt` as (text, mood) pairs; the two characters `\n` become a line break."""
    pairs = []
    for number, line in enumerate((SOURCES / f"{name}.txt").read_text("utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        mark, _, text = line.partition(" ")
        if mark not in MOODS or not text:
            raise ValueError(f"{name}.txt line {number}: expected one of + - = ~, a blank and a text")
        pairs.append((text.replace("\\n", "\n"), MOODS[mark]))
    return pairs


def read_by_mood(name: str) -> dict[str, list[str]]:
    """Reads `sources/<name>.txt` as the texts of each mood."""
    texts: dict[str, list[str]] = {}
    for text, mood in read_marked(name):
        texts.setdefault(mood, []).append(text)
    return texts
