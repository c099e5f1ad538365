#!/usr/bin/env bash
# Runs every test. Arguments go to cargo test, for example: .make/test.sh --test scenarios drain

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
RELEVO_SDK=$(.make/sdk.sh)
RELEVO_SAMPLES=$(.make/samples.sh)
export RELEVO_SDK RELEVO_SAMPLES
# The scenarios start the two programs, and cargo test alone would not build them.
cargo build --workspace --bins
cargo test --workspace --no-fail-fast "$@"
