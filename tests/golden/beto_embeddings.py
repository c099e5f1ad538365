"""Golden sentence vectors of Hugging Face transformers for the encoder of `beto.embed`.

Runs the model in `tests/golden/beto/` (made by `beto_logits.py`) on the token rows of its `logits.json`, one by one, and writes the
mean of the last layer's vectors (weighted by the attention mask) and the first of them to `tests/golden/beto_embeddings.json`.

    python3 -m pip install --target packages torch==2.11.0 transformers==5.23.0
    PYTHONPATH=packages python3 -P tests/golden/beto_embeddings.py    # -P: not to find profile.py, which lies here, for Python's own
"""

import json
import pathlib

import torch
import transformers
from transformers import BertModel

HERE = pathlib.Path(__file__).parent


def main():
    model = BertModel.from_pretrained(HERE / "beto").eval()
    rows = []
    for row in json.loads((HERE / "beto/logits.json").read_text())["rows"]:
        ids = torch.tensor([row["ids"]])
        mask = torch.ones_like(ids)
        with torch.no_grad():
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        rounded = lambda vector: [round(x, 6) for x in vector.tolist()]
        rows.append({"ids": row["ids"], "mean": rounded(mean[0]), "cls": rounded(hidden[0, 0])})
    golden = {"transformers": transformers.__version__, "torch": torch.__version__, "rows": rows}
    (HERE / "beto_embeddings.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
