#!/usr/bin/env bash
# Builds the documentation of the code; a broken link is an error.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --no-deps
say "open $target/doc/relevo/index.html"
