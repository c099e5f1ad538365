"""Owns the training of the demo's small BERT, from random weights, on the training split of `frases.csv` alone.

    python train.py        writes models/relevo/demo-sentiment/ (a few minutes on one CPU core)

The test sentences and the comments are never read here: epochs are chosen on a development part of the training split.
"""

import argparse
import copy
import random
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from measure import MODEL, MOODS, figures_of, read_sentences
from noise import DECIDING, Mixer, roughen
from wordpiece import Resplitter, save_tokenizer, train_tokenizer

SEED = 11
THREADS = 1
PIECES = 3000
RESPLIT_RATE = 0.3
MASK_RATE = 0.2
DEVELOPMENT_SHARE = 0.15
WRITTEN_REPEATS = 2
COMPOSED_PER_EPOCH = 2600
BATCH = 32
EPOCHS = 12
RATE = 1.5e-3
AVERAGE_DECAY = 0.99
SMOOTHING = 0.1
ATTENTION_START = 0.3
POSITION_START = 0.2


def batches(rows: list, size: int, rng: random.Random) -> list[list]:
    """Shuffled batches of rows of about the same length; a row's first item is its piece ids."""
    rows = sorted(rows, key=lambda row: len(row[0]) + rng.random() * 6)
    cut = [rows[start : start + size] for start in range(0, len(rows), size)]
    rng.shuffle(cut)
    return cut


def padded(ids: list[list[int]]) -> dict[str, torch.Tensor]:
    """Piece ids and attention mask, padded to the longest row."""
    width = max(map(len, ids))
    return {
        "input_ids": torch.tensor([row + [0] * (width - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids]),
    }


def optimiser(model: torch.nn.Module, rate: float, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW without decay on biases and norms; 10 % warm-up, then linear decay."""
    plain = [p for p in model.parameters() if p.ndim < 2]
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    adam = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=rate)
    warm = max(1, steps // 10)
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm))))


def apply_step(model: torch.nn.Module, loss: torch.Tensor, adam: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler) -> None:
    """One clipped step down the loss."""
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    schedule.step()


def masked(ids: list[int], mask: int, shown: set[int], rng: random.Random) -> list[int]:
    """The pieces with some hidden, so that no single word decides alone; those in `shown` never are."""
    return [piece if piece in shown or rng.random() > MASK_RATE else mask for piece in ids]


@torch.no_grad()
def start_gently(model: BertForSequenceClassification) -> None:
    """Makes attention nearly even and word order faint at first: the model begins as a bag of words and learns order after."""
    model.bert.embeddings.position_embeddings.weight.mul_(POSITION_START)
    for layer in model.bert.encoder.layer:
        layer.attention.self.query.weight.mul_(ATTENTION_START)
        layer.attention.self.key.weight.mul_(ATTENTION_START)


@torch.no_grad()
def judged(model: BertForSequenceClassification, rows: list[tuple[list[int], int]]) -> tuple[dict, float]:
    """Figures and mean loss on encoded rows."""
    model.eval()
    logits = torch.cat([model(**padded([ids for ids, _ in rows[start : start + 64]])).logits for start in range(0, len(rows), 64)])
    truth = torch.tensor([mood for _, mood in rows])
    figures = figures_of([MOODS[n] for n in truth.tolist()], [MOODS[n] for n in logits.argmax(-1).tolist()])
    return figures, cross_entropy(logits, truth).item()


def fit(model: BertForSequenceClassification, train: list[dict], development: list[dict], tokenizer: BertTokenizerFast, rng: random.Random) -> dict:
    """Trains the classifier and leaves it as it was after its best epoch on the development part."""
    sentences = {mood: [row["texto"] for row in train if row["etiqueta"] == mood] for mood in MOODS}
    mixer = Mixer(sentences, rng)
    written = [row for row in train if row["origen"] == "escrita"]
    composed = [row for row in train if row["origen"] != "escrita"]
    counts = torch.tensor([float(sum(row["etiqueta"] == mood for row in train)) for mood in MOODS])
    weights = counts.sum() / (len(MOODS) * counts)
    splitter, mask = Resplitter(tokenizer, rng, RESPLIT_RATE), tokenizer.mask_token_id
    shown = {tokenizer.cls_token_id, tokenizer.sep_token_id, *tokenizer.convert_tokens_to_ids(sorted(DECIDING))}
    unseen = [(tokenizer(row["texto"])["input_ids"], MOODS.index(row["etiqueta"])) for row in development]
    per_epoch = WRITTEN_REPEATS * len(written) + COMPOSED_PER_EPOCH
    adam, schedule = optimiser(model, RATE, EPOCHS * (per_epoch // BATCH + 1))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY))
    began = time.monotonic()
    best, kept, report = 0.0, None, {}
    for epoch in range(EPOCHS):
        rows = []
        for row in WRITTEN_REPEATS * written + rng.sample(composed, COMPOSED_PER_EPOCH):
            text = mixer.joined(row["texto"], row["etiqueta"])
            ids = splitter.encode(roughen(text, row["etiqueta"], rng))
            rows.append((masked(ids, mask, shown, rng), MOODS.index(row["etiqueta"])))
        total = 0.0
        model.train()
        cut = batches(rows, BATCH, rng)
        for batch in cut:
            logits = model(**padded([ids for ids, _ in batch])).logits
            loss = cross_entropy(logits, torch.tensor([mood for _, mood in batch]), weight=weights, label_smoothing=SMOOTHING)
            apply_step(model, loss, adam, schedule)
            average.update_parameters(model)
            total += loss.item()
        figures, unseen_loss = judged(average.module, unseen)
        print(f"moods, epoch {epoch + 1}: loss {total / len(cut):.3f}, development loss {unseen_loss:.3f}, accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, {time.monotonic() - began:.0f} s", flush=True)
        if figures["macro_f1"] > best:
            best, kept, report = figures["macro_f1"], copy.deepcopy(average.module.state_dict()), figures
    model.load_state_dict(kept)
    return report


def main() -> None:
    """Trains and stores the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=MODEL)
    folder = parser.parse_args().output
    began = time.monotonic()
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)

    rows = read_sentences("train")
    written = [row for row in rows if row["origen"] == "escrita"]
    rng.shuffle(written)
    development = written[: int(len(written) * DEVELOPMENT_SHARE)]
    apart = {row["texto"] for row in development}
    train = [row for row in rows if row["texto"] not in apart]
    print(f"{len(train)} training sentences, {len(development)} hand-written development sentences")

    texts = [row["texto"] for row in train]
    rough = [roughen(text, row["etiqueta"], rng) for row in train for text in [row["texto"]] * 2]
    tokenizer = train_tokenizer(texts * 3 + rough, PIECES)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512, max_position_embeddings=512,
        initializer_range=0.05, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.1, problem_type="single_label_classification",
        id2label={0: "NEG", 1: "NEU", 2: "POS"}, label2id={"NEG": 0, "NEU": 1, "POS": 2},
    )
    model = BertForSequenceClassification(config)
    start_gently(model)
    report = fit(model, train, development, tokenizer, rng)

    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    size = (folder / "model.safetensors").stat().st_size / 1e6
    print(f"stored after {time.monotonic() - began:.0f} s: {size:.2f} MB, development accuracy {report['accuracy']:.3f}; now run measure.py")


if __name__ == "__main__":
    main()
