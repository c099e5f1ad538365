#!/usr/bin/env bash
# Measures the orchestrator beside Celery, and lists among many jobs, with release builds. Takes a quarter of an hour.
#   .make/bench.sh [JOBS [SAMPLES [ROUNDS]]]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
packages=$cache/bench-python
if [[ ! -e $packages/.complete ]]; then
    need_pip
    say "installing Celery into $packages"
    rm -rf "$packages"
    python3 -m pip install -q --disable-pip-version-check --target "$packages" 'celery[redis]==5.7.*' >&2
    touch "$packages/.complete"
fi
say "building with optimisations"
cargo build --release --bins -p relevo-orchestrator -p relevo-worker
PYTHONPATH=$packages cargo bench -p relevo-tests --bench orchestrator -- "$@"
say "lists among a million finished jobs"
cargo bench -p relevo-tests --bench index
