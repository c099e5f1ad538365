"""Golden answers of Hugging Face transformers for the BERT of `beto.preprocess`.

Makes a tiny BertForSequenceClassification with random weights and a WordPiece vocabulary, runs it on a list of texts, one
by one, and writes the model and its logits to `tests/golden/beto/`. The Rust tests compare with these files.

    python3 -m venv v && v/bin/pip install torch==2.11.0 transformers==5.23.0
    v/bin/python tests/golden/beto_logits.py
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

FOLDER = pathlib.Path(__file__).parent / "beto"
TEXTS = [
    "El profesor explica muy bien, excelente curso.",
    "Pésimo, no se entiende nada!!! 😡",
    "normal",
    "",
    "La clase de ÁLGEBRA fue regular; el niño aprendió poco",
    "<URL> gracias <MENTION> por todo <HASHTAG_profe>",
    "muy " * 60,
    "buenísimo aburridísimo explicación explicaciones",
    "¿Qué? ¡No! 3.5 de 5",
    "palabra-desconocida xyzw 漢字 [MASK]",
]
WORDS = """el la los las de en y que no muy bien mal curso profesor profesora clase explica nada se entiende fue gracias
por todo regular excelente pésimo normal niño aprendió poco bueno buen aburrido El La Pésimo Qué No álgebra URL MENTION
HASHTAG profe palabra explicación""".split()
PIECES = """##s ##o ##a ##e ##es ##ísimo ##ción ##ciones ##ar ##do ##ido ##te ##mente ##ica explica aburrid buen
##GEBRA Á desconocida""".split()
SIGNS = list(".,;:!?¡¿<>_-#@0123456789") + list("abcdefghijklmnopqrstuvwxyz") + ["##" + c for c in "abcdefghijklmnñopqrstuvwxyzáéíóú"]


def main():
    torch.manual_seed(7)
    FOLDER.mkdir(exist_ok=True)
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + PIECES + SIGNS))
    (FOLDER / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer_config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=1) + "\n")
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=40, num_labels=3, id2label={0: "NEG", 1: "NEU", 2: "POS"},
        label2id={"NEG": 0, "NEU": 1, "POS": 2}, architectures=["BertForSequenceClassification"],
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        # The usual initialisation is so small that every row would get nearly the same answer.
        for name, weight in model.named_parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if "LayerNorm" in name else 0.15))
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, FOLDER / "model.safetensors", {"format": "pt"})
    (FOLDER / "model.safetensors").chmod(0o644)
    pickled = FOLDER.parent / "beto_pickled"
    pickled.mkdir(exist_ok=True)
    # As checkpoints are that were published before safetensors; halved, because it is here for its format.
    state = model.state_dict()
    for name in state:
        state[name] = state[name].half()
    torch.save(state, pickled / "pytorch_model.bin")
    (FOLDER / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")

    tokenizer = BertTokenizer(str(FOLDER / "vocab.txt"), do_lower_case=False, strip_accents=False)
    rows = []
    for text in TEXTS:
        encoded = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        rows.append({"text": text, "ids": encoded["input_ids"][0].tolist(), "logits": [round(x, 7) for x in logits.tolist()]})
    golden = {"transformers": transformers.__version__, "torch": torch.__version__, "max_length": 32, "rows": rows}
    (FOLDER / "logits.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(row["logits"], len(row["ids"]), row["text"][:50])


if __name__ == "__main__":
    main()
