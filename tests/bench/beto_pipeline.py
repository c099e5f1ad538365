"""Throughput of Relevo's BETO path beside Hugging Face transformers, on the same weights, table and machine.

Makes a BERT of base size with random weights and a table of 256 comments of 8 to 128 tokens, then measures in turn:
transformers' text-classification pipeline in arrival order, a Python loop with the same length buckets as Relevo, and
Relevo itself, each from the table to the labels. Prints the best of the rounds, and how far the logits are apart.

    python3 -m venv v && v/bin/pip install torch==2.11.0 transformers==5.23.0
    cargo bench -p relevo-worker --bench beto --no-run         # names the program
    v/bin/python tests/bench/beto_pipeline.py PROGRAM [ROUNDS]
"""

import csv
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import torch  # noqa: E402  (the number of threads is read on import)
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, pipeline  # noqa: E402
from transformers.utils import logging  # noqa: E402

ROWS, MAX_LENGTH, BATCH_ROWS, BATCH_TOKENS = 256, 128, 32, 1024


def make(folder):
    """A model folder and a table; log-normal lengths, as comments have."""
    random.seed(3)
    torch.manual_seed(3)
    syllables = [a + b for a in "bcdfglmnprst" for b in "aeiou"]
    words = sorted({"".join(random.choices(syllables, k=random.choice([2, 3, 4]))) for _ in range(60000)})[:30997]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}\n')
    config = BertConfig(vocab_size=len(vocabulary), num_labels=3, id2label={0: "NEG", 1: "NEU", 2: "POS"})
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "classifier" in name:
                weight.normal_(0, 1)
    model.save_pretrained(folder)
    lengths = [min(128, max(8, round(random.lognormvariate(3.3, 0.7)))) for _ in range(ROWS)]
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "comentario"])
        rows.writerows([i, " ".join(random.choices(words, k=n - 2))] for i, n in enumerate(lengths))
    print(f"{ROWS} rows, {min(lengths)} to {max(lengths)} tokens, mean {sum(lengths) / ROWS:.1f}; {THREADS} threads")


def read(folder):
    with open(folder / "table.csv", newline="", encoding="utf-8") as file:
        return [row["comentario"] for row in csv.DictReader(file)]


def with_pipeline(folder, classify):
    texts = read(folder)
    return classify(texts, batch_size=BATCH_ROWS, truncation=True, max_length=MAX_LENGTH, top_k=None)


def with_buckets(folder, model, tokenizer):
    texts = read(folder)
    ids = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    logits, batch = [None] * len(ids), []
    batches = []
    for i in order:
        if batch and (len(batch) + 1) * len(ids[batch[0]]) > BATCH_TOKENS:
            batches.append(batch)
            batch = []
        batch.append(i)
    batches.append(batch)
    with torch.inference_mode():
        for batch in batches:
            padded = tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt")
            for i, row in zip(batch, model(**padded).logits.float().tolist()):
                logits[i] = row
    return logits


def relevo(program, folder, dtype):
    arguments = [program, str(folder), str(folder / "table.csv"), dtype, "1"]
    return json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout)


def timed(work, *arguments):
    began = time.perf_counter()
    answer = work(*arguments)
    return time.perf_counter() - began, answer


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make(folder)
        tokenizer = BertTokenizer.from_pretrained(folder)
        model = BertForSequenceClassification.from_pretrained(folder).eval()
        short = BertForSequenceClassification.from_pretrained(folder, dtype=torch.bfloat16).eval()
        classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
        seconds = {}
        for number in range(rounds + 1):
            expected = timed(with_buckets, folder, model, tokenizer)
            measured = {
                "pipeline fp32, arrival order": timed(with_pipeline, folder, classify)[0],
                "Python fp32, length buckets": expected[0],
                "Python bf16, length buckets": timed(with_buckets, folder, short, tokenizer)[0],
            }
            full, half = relevo(program, folder, "fp32"), relevo(program, folder, "bf16")
            measured |= {"Relevo fp32": full["seconds"][0], "Relevo bf16": half["seconds"][0]}
            print(f"round {number}:", ", ".join(f"{what} {took:.1f} s" for what, took in measured.items()), flush=True)
            # The first round warms up.
            for what, took in measured.items() if number else ():
                seconds.setdefault(what, []).append(took)
        usual = min(seconds["pipeline fp32, arrival order"])
        for what, took in seconds.items():
            print(f"{what:30} {ROWS / min(took):7.1f} rows/s  {usual / min(took):5.2f} x  ({len(took)} rounds)")
        apart = max(abs(a - b) for x, y in zip(full["logits"], expected[1]) for a, b in zip(x, y))
        print(f"largest difference of fp32 logits from transformers: {apart:.2e}")
        print(f"labels of Relevo bf16 that agree with its fp32: {100 * half['label_agreement_fp32']:.1f} %")


if __name__ == "__main__":
    main()
