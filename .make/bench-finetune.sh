#!/usr/bin/env bash
# Measures the training of a BERT beside transformers' Trainer. Takes some minutes, and 5 GB for PyTorch.
#   .make/bench-finetune.sh [ROUNDS [--base]]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
python=$cache/bench-finetune-python
packages "$python" "PyTorch and transformers" --no-cache-dir 'torch==2.11.0' 'transformers==5.23.0' 'accelerate==1.15.0'
# libtorch does the work: a build with optimisations would measure the same.
program=$(bench_program finetune --profile dev --workspace)
PYTHONPATH=$python python3 tests/bench/beto_finetune.py "$program" "$@"
