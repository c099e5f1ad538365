#!/usr/bin/env bash
# Checks the formatting and the lints of all targets.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
{ cargo clippy --version && cargo fmt --version; } >/dev/null 2>&1 || rustup component add clippy rustfmt
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
