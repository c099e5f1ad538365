#!/usr/bin/env bash
# Measures sampling beside DuckDB and Polars, with an optimised build. Takes some minutes.
#   .make/bench-sampling.sh [ROUNDS | --large]

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

packages=$cache/bench-sampling-python
if [[ ! -e $packages/.complete ]]; then
    need_pip
    say "installing DuckDB and Polars into $packages"
    rm -rf "$packages"
    python3 -m pip install -q --disable-pip-version-check --target "$packages" 'duckdb==2.0.1' 'polars==2.1.0' >&2
    touch "$packages/.complete"
fi
say "building with optimisations"
program=$(cargo bench -p relevo-worker --bench sampling --no-default-features --no-run --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "sampling":
        print(built["executable"])')
PYTHONPATH=$packages python3 tests/bench/sampling.py "$program" "$@"
