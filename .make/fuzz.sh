#!/usr/bin/env bash
# Tries every route of a running service with requests that schemathesis makes from its API document: right ones and wrong ones.
# No answer may be a fault of the service, and none may be other than the document says. Arguments go to schemathesis, for
# example: .make/fuzz.sh --max-examples 1000

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
python=$cache/schemathesis-4.32
packages "$python" schemathesis 'schemathesis==4.32.*'
cargo build --workspace --bins

# The log and dev.env hold tokens.
umask 077
work=$(mktemp -d)
relevo=
clean_up() {
    [[ -z $relevo ]] || { kill -TERM "$relevo" && wait "$relevo" || true; } 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

"$target/debug/relevo" dev --data "$work/data" --listen 127.0.0.1:0 >"$work/relevo.log" 2>&1 &
relevo=$!
until [[ -s $work/data/dev.env ]]; do
    kill -0 "$relevo" 2>/dev/null || { cat "$work/relevo.log" >&2; fail "relevo dev did not start: its log stands above"; }
    sleep 0.05
done
set -a
# shellcheck source=/dev/null
source "$work/data/dev.env"
set +a

# Jobs that there are, each in quotes as schemathesis reads values. Some will be cancelled on the way.
submit() {
    "$target/debug/relevo" submit echo --json | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["job_id"]))'
}
for _ in {1..10}; do submit >>"$work/jobs.txt"; done
# What is told of a job that runs has no end: an answer that is read whole would be waited for for ever.
cp tests/api/schemathesis.toml "$work"
cd "$work"
PYTHONPATH=$python timeout --foreground 600 python3 "$python/bin/st" --config-file schemathesis.toml \
    run "$RELEVO_URL/_public/openapi.json" --exclude-operation-id get_job_events "$@" || {
    grep -E 'ERROR|WARN' relevo.log | tail -n 30 >&2 || true
    fail "an answer is not as the document says: see above"
}
