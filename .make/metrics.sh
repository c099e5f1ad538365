#!/usr/bin/env bash
# Checks with Prometheus' own tool: the metrics of a service that has run a job, the alert rules and when they fire, and every
# expression of the dashboard.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare
promtool=$(.make/promtool.sh)
cargo build --workspace --bins

work=$(mktemp -d)
servers=()
clean_up() {
    local pid
    for pid in "${servers[@]}"; do
        { kill -TERM "$pid" && wait "$pid" || true; } 2>/dev/null
    done
    rm -rf "$work"
}
trap clean_up EXIT

say "the alert rules"
"$promtool" check rules charts/relevo/monitoring/alerts.yaml
"$promtool" test rules charts/relevo/monitoring/alerts_test.yaml

say "the dashboard"
python3 - charts/relevo/monitoring/dashboard.json >"$work/dashboard.yaml" <<'PYTHON'
import json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    dashboard = json.load(file)
expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
assert len(expressions) > 10, "the dashboard has lost its panels"
filled = [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in expressions]
rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
PYTHON
"$promtool" check rules "$work/dashboard.yaml"

say "the metrics of a service at work"
start() {
    "$@" >>"$work/log" 2>&1 &
    servers+=($!)
}
umask 077
start "$target/debug/relevo" dev --data "$work/data" --listen 127.0.0.1:0
until [[ -s $work/data/dev.env ]]; do
    kill -0 "${servers[0]}" 2>/dev/null || { cat "$work/log" >&2; fail "relevo dev did not start: its log stands above"; }
    sleep 0.05
done
set -a
# shellcheck source=/dev/null
source "$work/data/dev.env"
set +a
start "$target/debug/relevo-worker"
job=$("$target/debug/relevo" submit echo --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["job_id"])')
timeout --foreground 60 "$target/debug/relevo" watch "$job" >&2
python3 - "$RELEVO_URL/_public/metrics" >"$work/metrics" <<'PYTHON'
import sys, urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    sys.stdout.write(answer.read().decode())
PYTHON
grep -q '^relevo_jobs_ended_total{state="completed"} 1$' "$work/metrics" || fail "the job was not counted"
"$promtool" check metrics <"$work/metrics"
say "all metrics are as Prometheus wants them"
