#!/usr/bin/env bash
# Checks the formatting and the lints of all targets.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
if ! { cargo clippy --version && cargo fmt --version; } >/dev/null 2>&1; then
    command -v rustup >/dev/null ||
        fail "clippy or rustfmt is missing, and so is rustup: install both as you installed cargo (Debian: rust-clippy, rustfmt)"
    rustup component add clippy rustfmt
fi
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
