"""Owns what happens to a training sentence before the model sees it: joining, misspelling, cleaning marks."""

import random
import re
import unicodedata

# Words that turn a sentence round: losing one would make its mood wrong.
DECIDING = set("no nunca jamás ni sin nadie ningún ninguna nada poco poca tampoco cero casi pero aunque bien mal".split())
LETTERS = "abcdefghijklmnñopqrstuvwxyz"
MARKS = ["<URL>", "<MENTION>", "<EMAIL>", "<PHONE>", "<HASHTAG_clase>", "<HASHTAG_docente>"]
FACES = {"pos": "😊 😄 ❤️ 👏 🙏 👍 😍 💪 🔥 🙌 💙".split(), "neg": "😡 👎 😞 😤 🤦 😴 😠 😢 💩".split(), "neu": "😐 🤷 👌 🤔".split()}
SHORTHAND = {"que": "q", "por": "x", "porque": "xq", "para": "pa", "también": "tmb", "profesor": "profe", "profesora": "profe", "muy": "mui", "hay": "ai"}


def clean(text: str) -> str:
    """The clean-up that comments get before the model: addresses, numbers and tags become marks, white space is collapsed."""
    text = re.sub(r"https?://\S+", "<URL>", text)
    text = re.sub(r"[\w.+-]+@[\w-]+\.[\w.-]+\w", "<EMAIL>", text)
    text = re.sub(r"(?<!\w)\+?\d[\d ()-]{7,}\d", "<PHONE>", text)
    text = re.sub(r"(?<!\w)@\w+", "<MENTION>", text)
    text = re.sub(r"(?<!\w)#(\w+)", r"<HASHTAG_\1>", text)
    return " ".join(text.split())


def without_accents(word: str) -> str:
    """The word without acute accents; ñ and ü stay."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).replace("\u0301", ""))


def decides(word: str) -> bool:
    """Whether the word, without case and punctuation, is one of DECIDING."""
    return word.lower().strip(".,;:!¡¿?") in DECIDING


def misspell(word: str, rng: random.Random) -> str:
    """One slip of the fingers, or the shorthand that a student would use."""
    if word.lower() in SHORTHAND and rng.random() < 0.5:
        return SHORTHAND[word.lower()]
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    return rng.choice([
        word[:at] + word[at + 1:],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2:],
        word[:at] + rng.choice(LETTERS) + word[at + 1:],
        word.replace("b", "v") if "b" in word else word.replace("v", "b"),
        word.replace("c", "s").replace("z", "s"),
        word + word[-1] * rng.randrange(1, 4),
    ])


def roughen(text: str, mood: str, rng: random.Random) -> str:
    """The text as a student in a hurry might type it."""
    words = text.split(" ")
    if rng.random() < 0.3:
        words = [without_accents(word) for word in words]
    words = [word if decides(word) or rng.random() > 0.04 else misspell(word, rng) for word in words]
    if len(words) > 4:
        words = [word for word in words if decides(word) or rng.random() > 0.08] or words
    text = " ".join(words)
    if rng.random() < 0.3:
        text = re.sub(r"[.,;!¡¿?]", "", text)
    if rng.random() < 0.04:
        text = f"{text} {rng.choice(FACES[mood]) * rng.randrange(1, 4)}"
    if rng.random() < 0.03:
        text = rng.choice([f"{text} {rng.choice(MARKS)}", f"{rng.choice(MARKS)} {text}"])
    return text


class Mixer:
    """Makes longer comments by joining sentences; the mood of the joint comment is that of its clear majority."""

    def __init__(self, sentences: dict[str, list[str]], rng: random.Random) -> None:
        self.sentences = sentences
        self.rng = rng

    def joined(self, text: str, mood: str) -> str:
        """The text alone, or among others of the same mood, with a neutral or a lone opposite remark between them."""
        roll = self.rng.random()
        if roll < 0.75:
            return text
        more = self.rng.randrange(1, 5) if roll < 0.99 else self.rng.randrange(8, 40)
        texts = [text]
        for _ in range(more):
            other = "neu" if mood != "neu" and self.rng.random() < 0.2 else mood
            texts.append(self.rng.choice(self.sentences[other]))
        if mood != "neu" and len(texts) >= 4 and self.rng.random() < 0.5:
            texts.append(self.rng.choice(self.sentences["neg" if mood == "pos" else "pos"]))
        self.rng.shuffle(texts)
        return self.rng.choice([" ", " ", ". ", ", ", "; "]).join(texts)
