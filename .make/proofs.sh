#!/usr/bin/env bash
# Runs the tests that take minutes, such as those that train a model until it is known to be good. Arguments go to cargo test.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
cargo build --workspace --bins
# Without the examples of the documentation, where `ignored` means something else.
cargo test --workspace --tests --no-fail-fast "$@" -- --ignored
