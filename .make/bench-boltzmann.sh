#!/usr/bin/env bash
# Measures the training of a restricted Boltzmann machine beside scikit-learn and a plain PyTorch loop. Takes some minutes.
#   .make/bench-boltzmann.sh [ROUNDS]
#
# libtorch does the work and is always optimised: our own code is built without optimisation, which spares a second build of everything.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

packages=$cache/bench-boltzmann-python
if [[ ! -e $packages/.complete ]]; then
    need_pip
    say "installing scikit-learn and PyTorch into $packages (about 3 GB to download)"
    rm -rf "$packages"
    python3 -m pip install -q --disable-pip-version-check --target "$packages" 'scikit-learn==1.8.0' 'torch==2.11.0' >&2
    touch "$packages/.complete"
fi
LIBTORCH=$(.make/libtorch.sh)
export LIBTORCH
say "building"
program=$(cargo bench --profile dev --workspace --bench boltzmann --no-run --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "boltzmann":
        print(built["executable"])')
PYTHONPATH=$packages python3 tests/bench/boltzmann.py "$program" "$@"
