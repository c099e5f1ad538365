#!/usr/bin/env bash
# Measures the orchestrator beside Celery, and lists among many jobs, with release builds. Takes a quarter of an hour.
#   .make/bench.sh [JOBS [SAMPLES [ROUNDS]]]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
python=$cache/bench-python
packages "$python" Celery 'celery[redis]==5.7.*'
say "building with optimisations"
cargo build --release --bins -p relevo-orchestrator -p relevo-worker
PYTHONPATH=$python cargo bench -p relevo-tests --bench orchestrator -- "$@"
say "lists among a million finished jobs"
cargo bench -p relevo-tests --bench index
