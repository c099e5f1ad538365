"""Relevo's `beto.finetune` beside transformers' Trainer, on one model, the same rows and one machine.

Makes a BERT of 4 layers, 256 wide, with new weights, tokenises the comments of the demonstration with the demonstration's vocabulary, and
trains it on them in turn: Relevo's steps and the Trainer's (AdamW, fused as it is by default; linear warm-up and decay, cut gradients, the
dropout of the config), in plain order and with rows of like length together. Nothing is judged or saved meanwhile. Threads that wait
go to sleep soon in both, as in a worker, so that other work on the machine costs neither more than it must. Prints medians of the rounds, of the time on the clock and of
that of the processors; Relevo's processor time includes the start of its process.

    python3 -m pip install --target packages torch==2.11.0 transformers==5.23.0 accelerate==1.15.0
    PYTHONPATH=packages python3 tests/bench/beto_finetune.py PROGRAM [ROUNDS [--base]]

With `--base` the model has BERT's base size and BETO's vocabulary, and learns from 48 rows only.
"""

import csv
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

THREADS, EPOCHS, BATCH, LENGTH = 2, 2, 16, 128
os.environ["OMP_NUM_THREADS"] = str(THREADS)
os.environ["GOMP_SPINCOUNT"] = "1000"

import torch  # noqa: E402  (the number of threads is read on import)
import transformers  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

WORKER = pathlib.Path(__file__).resolve().parents[2] / "worker"


def make(folder, base):
    """The model, and the rows with a class each: which class does not matter for the time."""
    tokenizer = BertTokenizer.from_pretrained(WORKER / "demo/models/relevo/demo-sentiment")
    torch.manual_seed(1)
    small = dict(
        vocab_size=len(tokenizer), hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
        max_position_embeddings=LENGTH,
    )
    config = BertConfig(num_labels=3, **({"vocab_size": 31_002} if base else small))
    BertForSequenceClassification(config).save_pretrained(folder / "model")
    with open(WORKER / "demo/comentarios.csv", encoding="utf-8") as file:
        texts = [row["comentario"] for row in csv.DictReader(file) if row["comentario"].strip()]
    ids = tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]
    rows = [{"ids": row, "class": number % 3} for number, row in enumerate(ids[:48] if base else ids)]
    (folder / "rows.json").write_text(json.dumps(rows))
    return tokenizer, rows


def relevo(program, folder, order):
    command = [program, "--bench", folder / "model", folder / "rows.json", str(THREADS), str(EPOCHS), str(BATCH), order]
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = used()
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told["seconds"], used() - before


def trainer(folder, tokenizer, rows, order):
    model = BertForSequenceClassification.from_pretrained(folder / "model")
    data = [{"input_ids": row["ids"], "labels": row["class"]} for row in rows]
    arguments = TrainingArguments(
        output_dir=folder / "out", use_cpu=True, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=2e-5,
        weight_decay=0.01, warmup_steps=0.1, max_grad_norm=1.0, logging_strategy="no", save_strategy="no", report_to=[],
        disable_tqdm=True, seed=42, **ORDERS[order],
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer)
    )
    began, used = time.perf_counter(), time.process_time()
    trainer.train()
    return time.perf_counter() - began, time.process_time() - used


ORDERS = {"plain": {}, "by_length": {"train_sampling_strategy": "group_by_length"}}


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    torch.set_num_threads(THREADS)
    transformers.logging.set_verbosity_error()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relevo-finetune-"))
    try:
        tokenizer, rows = make(folder, sys.argv[3:] == ["--base"])
        lengths = [len(row["ids"]) for row in rows]
        print(f"{len(rows)} rows of {statistics.mean(lengths):.0f} tokens (at most {max(lengths)}), {EPOCHS} epochs, batches of {BATCH}")
        print(f"torch {torch.__version__}, transformers {transformers.__version__}, {THREADS} threads; median of {rounds} rounds")
        taken = {}
        for _ in range(rounds):
            for order in ORDERS:
                taken.setdefault(("Relevo", order), []).append(relevo(program, folder, order))
                taken.setdefault(("Trainer", order), []).append(trainer(folder, tokenizer, rows, order))
        middle = {who: [statistics.median(times) for times in zip(*took)] for who, took in taken.items()}
        for (tool, order), (clock, processors) in middle.items():
            clocks = [took[0] for took in taken[tool, order]]
            rate = len(rows) * EPOCHS / clock
            spread = f"({min(clocks):.2f} to {max(clocks):.2f})"
            print(f"  {tool:8} {order:10} {clock:7.2f} s {rate:6.0f} rows/s {spread:18} processors {processors:7.2f} s")
        for order in ORDERS:
            ratios = [theirs / ours for theirs, ours in zip(middle["Trainer", order], middle["Relevo", order])]
            print(f"  {order}: Relevo is {ratios[0]:.2f} times as fast, by the processors' time {ratios[1]:.2f} times")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
