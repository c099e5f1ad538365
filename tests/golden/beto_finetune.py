"""Golden loss curves of Hugging Face transformers for the training of `beto.finetune`, and a check of the folder that it writes.

Trains the model in `tests/golden/beto/` (made by `beto_logits.py`) for 50 steps of 4 rows, without dropout, with torch's AdamW, a linear
warm-up and decay, and a cut gradient; then once more with two batches to a step and classes of different weight. Writes the rows, their
order and the losses to `tests/golden/beto_finetune.json`. The Rust tests train on the same rows and compare.

    python3 -m pip install --target packages torch==2.11.0 transformers==5.23.0
    PYTHONPATH=packages python3 -P tests/golden/beto_finetune.py        # -P: not to find profile.py, which lies here, for Python's own

A model that `beto.finetune` wrote, with the answers that Relevo gives with it, is loaded by transformers, which must answer the same
within 1e-4:

    RELEVO_KEEP_MODEL=/tmp/trained cargo test --workspace --test beto_training a_trained_model
    PYTHONPATH=packages python3 -P tests/golden/beto_finetune.py --reload /tmp/trained
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    get_linear_schedule_with_warmup,
)

HERE = pathlib.Path(__file__).parent
STEPS, BATCH, RATE, DECAY, WARM_UP, NORM = 50, 4, 5e-4, 0.01, 5, 1.0


def make_rows(generator):
    """Rows of different lengths whose class shows in their tokens, so that there is something to learn."""
    rows = []
    for number in range(48):
        label = number % 3
        length = int(torch.randint(3, 20, (1,), generator=generator))
        body = torch.randint(10, 140, (length,), generator=generator)
        body[::3] = 20 + label
        rows.append({"ids": [2, *body.tolist(), 3], "class": label})
    return rows


def batch_of(rows):
    longest = max(len(row["ids"]) for row in rows)
    pad = lambda row, of: of + [0] * (longest - len(row["ids"]))
    return {
        "input_ids": torch.tensor([pad(row, row["ids"]) for row in rows]),
        "attention_mask": torch.tensor([pad(row, [1] * len(row["ids"])) for row in rows]),
    }


def train(rows, steps, class_weights):
    """`steps` are lists of batches, each a list of row numbers. Gives the loss of each step before the weights moved."""
    model = BertForSequenceClassification.from_pretrained(
        HERE / "beto", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    ).train()
    free = lambda name: name.endswith(".bias") or "LayerNorm" in name
    groups = [
        {"params": [p for name, p in model.named_parameters() if not free(name)], "weight_decay": DECAY},
        {"params": [p for name, p in model.named_parameters() if free(name)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, WARM_UP, len(steps))
    weights = torch.tensor(class_weights)
    losses, norms = [], []
    for batches in steps:
        whole = sum(class_weights[rows[row]["class"]] for batch in batches for row in batch)
        total = 0.0
        for batch in batches:
            chosen = [rows[row] for row in batch]
            logits = model(**batch_of(chosen)).logits
            classes = torch.tensor([row["class"] for row in chosen])
            loss = torch.nn.functional.cross_entropy(logits, classes, weight=weights, reduction="sum") / whole
            loss.backward()
            total += loss.item()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), NORM)))
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(total)
    return losses, norms


def curves():
    generator = torch.Generator().manual_seed(11)
    rows = make_rows(generator)
    draw = lambda: torch.randint(0, len(rows), (BATCH,), generator=generator).tolist()
    cases = {}
    for name, count, class_weights in (("plain", 1, [1.0, 1.0, 1.0]), ("gathered", 2, [0.5, 1.0, 2.0])):
        steps = [[draw() for _ in range(count)] for _ in range(STEPS)]
        losses, norms = train(rows, steps, class_weights)
        cases[name] = {"class_weights": class_weights, "steps": steps, "losses": losses, "gradient_norms": norms}
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}")
    golden = {
        "transformers": transformers.__version__, "torch": torch.__version__, "learning_rate": RATE,
        "weight_decay": DECAY, "warm_up": WARM_UP, "max_grad_norm": NORM, "rows": rows, "cases": cases,
    }
    (HERE / "beto_finetune.json").write_text(json.dumps(golden) + "\n")


def reload(folder):
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = json.loads((pathlib.Path(folder) / "answers.json").read_text())["rows"]
    largest = 0.0
    for row in rows:
        encoded = tokenizer(row["text"], truncation=True, max_length=32, return_tensors="pt")
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        largest = max(largest, float((logits - torch.tensor(row["logits"])).abs().max()))
    print(f"{type(model).__name__}, classes {model.config.id2label}: {len(rows)} rows, largest difference {largest:.2e}")
    if not rows or largest > 1e-4:
        sys.exit("the answers differ")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reload"]:
        reload(sys.argv[2])
    else:
        curves()
