# Sourced by the other scripts: where things are, and what every build needs. It leaves the caller in the repository's root.
# It must never start anything that keeps running.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
# What is downloaded lies here; a CI machine points it at a folder that outlives a clone.
cache=${RELEVO_CACHE:-$root/.cache}
mkdir -p "$cache"
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$root/$target

say() { printf '\033[1m•\033[0m %s\n' "$*" >&2; }
fail() {
    printf '\033[31m✗\033[0m %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages: as root, or with sudo where it asks for no password or somebody can type one.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
        [[ -t 0 ]] || as_root+=(-n)
    fi
    say "installing $* with apt-get"
    "${as_root[@]}" apt-get update -qq >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Python with pip; pip is used to download, never to install.
need_pip() {
    command -v python3 >/dev/null || fail "python3 is missing: install Python 3.9 or later"
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip ||
        fail "pip is missing: run 'sudo apt-get install python3-pip' (or 'python3 -m ensurepip')"
}

# Downloads wheels into a folder: fetch FOLDER REQUIREMENT [pip option…]
fetch() {
    local into=$1 what=$2
    shift 2
    say "downloading $what"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$into" "$@" "$what" >&2
}

# Python packages in a folder of their own: packages FOLDER WHAT REQUIREMENT…
packages() {
    local into=$1 what=$2
    shift 2
    [[ ! -e $into/.complete ]] || return 0
    need_pip
    say "installing $what into $into"
    rm -rf "$into"
    python3 -m pip install -q --disable-pip-version-check --target "$into" "$@" >&2
    touch "$into/.complete"
}

# Builds a benchmark of the worker and prints where the program is: bench_program NAME OPTION…
bench_program() {
    local name=$1
    shift
    cargo bench --bench "$name" --no-run --message-format json "$@" | python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == sys.argv[1]:
        print(built["executable"])' "$name"
}

# Everything that a build or a test needs beside Rust and a C compiler.
prepare() {
    command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"
    command -v c++ >/dev/null || apt_install g++ || fail "a C++ compiler is missing: run 'sudo apt-get install g++'"
    local redis
    redis=$(.make/redis.sh)
    LIBTORCH=$(.make/libtorch.sh)
    # One of our own goes first: the machine's, where it has one, is too old.
    [[ $redis != "$cache"/* ]] || PATH=${redis%/*}:$PATH
    export LIBTORCH PATH
}
