#!/usr/bin/env bash
# Writes the API document, as the service gives it, to docs/openapi.json.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
cargo build --workspace --bins
"$target/debug/relevo" openapi >docs/openapi.json
