#!/usr/bin/env bash
# Measures the training of a BERT beside transformers' Trainer. Takes some minutes, and 5 GB for PyTorch.
#   .make/bench-finetune.sh [ROUNDS [--base]]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
packages=$cache/bench-finetune-python
if [[ ! -e $packages/.complete ]]; then
    need_pip
    say "installing PyTorch and transformers into $packages"
    rm -rf "$packages"
    python3 -m pip install -q --disable-pip-version-check --no-cache-dir --target "$packages" \
        'torch==2.11.0' 'transformers==5.23.0' 'accelerate==1.15.0' >&2
    touch "$packages/.complete"
fi
# libtorch does the work: a build with optimisations would measure the same.
program=$(cargo bench --profile dev --workspace --bench finetune --no-run --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "finetune":
        print(built["executable"])')
PYTHONPATH=$packages python3 tests/bench/beto_finetune.py "$program" "$@"
