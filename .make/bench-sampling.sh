#!/usr/bin/env bash
# Measures sampling beside DuckDB and Polars, with an optimised build. Takes some minutes.
#   .make/bench-sampling.sh [ROUNDS | --large]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

python=$cache/bench-sampling-python
packages "$python" "DuckDB and Polars" 'duckdb==2.0.1' 'polars==2.1.0'
say "building with optimisations"
program=$(bench_program sampling -p relevo-worker --no-default-features)
PYTHONPATH=$python python3 tests/bench/sampling.py "$program" "$@"
