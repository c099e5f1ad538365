#!/usr/bin/env bash
# Measures the training of a restricted Boltzmann machine beside scikit-learn and a plain PyTorch loop. Takes some minutes.
#   .make/bench-boltzmann.sh [ROUNDS]
#
# libtorch does the work and is always optimised: our own code is built without optimisation, which spares a second build of everything.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

python=$cache/bench-boltzmann-python
packages "$python" "scikit-learn and PyTorch (about 3 GB to download)" 'scikit-learn==1.8.0' 'torch==2.11.0'
LIBTORCH=$(.make/libtorch.sh)
export LIBTORCH
say "building"
program=$(bench_program boltzmann --profile dev --workspace)
PYTHONPATH=$python python3 tests/bench/boltzmann.py "$program" "$@"
