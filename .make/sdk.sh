#!/usr/bin/env bash
# Prints the folder with the worker SDKs of the field, each release in a folder of its own, downloading those that are missing.
# Tests run them as they are against the orchestrator; nothing else here uses them.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

home=$cache/sdk
for release in 1.0b7 1.0b20; do
    into=$home/$release
    [[ ! -e $into/.complete ]] || continue
    need_pip
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "the worker SDKs that the tests run need Python 3.11 or later: install one as python3"
    say "installing avtomatika-worker $release into $into"
    rm -rf "$into"
    python3 -m pip install -q --disable-pip-version-check --pre --target "$into" "avtomatika-worker==$release" >&2
    touch "$into/.complete"
done
echo "$home"
