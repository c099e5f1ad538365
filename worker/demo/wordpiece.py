"""Owns the model's tokenizer: a lower-case WordPiece vocabulary that keeps accents."""

import random
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_TOKENS = 512


def train_tokenizer(texts: list[str], pieces: int) -> BertTokenizerFast:
    """Learns `pieces` word pieces from the texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=pieces, special_tokens=SPECIAL, min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    )
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=True, strip_accents=False, model_max_length=MAX_TOKENS)


def save_tokenizer(tokenizer: BertTokenizerFast, folder: Path) -> None:
    """Writes tokenizer.json, tokenizer_config.json and vocab.txt."""
    tokenizer.save_pretrained(folder)
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in by_id), "utf-8")


class Resplitter:
    """Encodes text, now and then cutting a word elsewhere than the tokenizer would, so that every piece gets a meaning."""

    def __init__(self, tokenizer: BertTokenizerFast, rng: random.Random, rate: float) -> None:
        self.backend = tokenizer.backend_tokenizer
        self.vocab = tokenizer.get_vocab()
        self.rng = rng
        self.rate = rate

    def greedy(self, letters: str, inside: bool) -> list[int] | None:
        """The longest pieces that spell the letters, None when there are none."""
        ids = []
        while letters:
            for end in range(len(letters), 0, -1):
                piece = self.vocab.get(("##" if inside or ids else "") + letters[:end])
                if piece is not None:
                    ids.append(piece)
                    letters = letters[end:]
                    break
            else:
                return None
        return ids

    def encode(self, text: str) -> list[int]:
        """The piece ids with [CLS] and [SEP], cut at the model's length."""
        ids = [self.vocab["[CLS]"]]
        for word, _ in self.backend.pre_tokenizer.pre_tokenize_str(self.backend.normalizer.normalize_str(text)):
            pieces = self.greedy(word, inside=False)
            if pieces and len(word) > 3 and self.rng.random() < self.rate:
                cut = self.rng.randrange(2, len(word))
                head, tail = self.greedy(word[:cut], inside=False), self.greedy(word[cut:], inside=True)
                pieces = head + tail if head and tail else pieces
            ids.extend(pieces or [self.vocab["[UNK]"]])
        return ids[: MAX_TOKENS - 1] + [self.vocab["[SEP]"]]
