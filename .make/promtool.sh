#!/usr/bin/env bash
# Prints the path of promtool, getting one when there is none. It installs nothing: the server of the same package stays away.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

private=$cache/promtool/usr/bin/promtool

# Debian's package starts a service when it is installed; its one program is taken out instead.
from_package() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local work
    work=$(mktemp -d "$cache/promtool.XXXXXX")
    trap 'rm -rf "$work"' RETURN
    say "downloading promtool (Debian's package prometheus)"
    (cd "$work" && apt-get download -qq prometheus >&2) || return 1
    dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool || return 1
    mkdir -p "${private%/*}"
    mv -f "$work/usr/bin/promtool" "$private"
}

if command -v promtool; then
    exit 0
fi
if [[ ! -x $private ]]; then
    from_package || fail "promtool could not be had: put one on the PATH (it comes with Prometheus)"
fi
echo "$private"
