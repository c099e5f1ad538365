#!/usr/bin/env bash
# Runs a real BETO job over a shipped table of comments, from the upload to the Parquet file, with Relevo's own parts.
#   .make/demo.sh          starts on an empty folder, ends by itself, and leaves its data in .relevo/demo to be looked at
#   .make/demo.sh --stay   keeps its data in .relevo/up and leaves everything running until Ctrl-C

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Logs and dev.env hold tokens.
umask 077

stay=no
if [[ ${1:-} == --stay ]]; then
    stay=yes
elif (($# > 0)); then
    fail "unknown argument '$1': it takes --stay or nothing"
fi

model=relevo/demo-sentiment
table=worker/demo/comentarios.csv
servers=()
data=

# Ends what this script started, newest first, and nothing else.
clean_up() {
    local status=$? pid index
    trap - EXIT INT TERM
    for ((index = ${#servers[@]} - 1; index >= 0; index--)); do
        pid=${servers[index]}
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Starts a program in the background with its output in a log: start NAME PROGRAM ARGUMENT…
start() {
    local name=$1
    shift
    "$@" >"$data/$name.log" 2>&1 {lock}>&- &
    servers+=($!)
}

# Runs a program and, should it die, runs it again, as systemd or Kubernetes would; gives up when it cannot even start.
keep_running() {
    local child began
    trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit' TERM
    while true; do
        began=$SECONDS
        "$@" &
        child=$!
        wait "$child" && return 0
        ((SECONDS - began >= 1)) || return 1
        echo "it died: starting it again"
    done
}

# Waits until a file is there: await FILE SECONDS NAME, where NAME is the program that will write it.
await() {
    local file=$1 deadline=$((SECONDS + $2)) name=$3
    until [[ -s $file ]]; do
        if ! kill -0 "${servers[-1]}" 2>/dev/null || ((SECONDS > deadline)); then
            tail -n 30 "$data/$name.log" >&2
            fail "$name did not start: its log ends above"
        fi
        sleep 0.05
    done
}

prepare
say "building (the first time takes some minutes)"
cargo build --workspace --bins
bin=$target/debug

if [[ $stay == yes ]]; then
    data=$root/.relevo/up
else
    data=$root/.relevo/demo
fi
mkdir -p .relevo
exec {lock}>"$data.lock"
flock -n "$lock" || fail "another one is running on ${data#"$root"/}"
[[ $stay == yes ]] || rm -rf "$data"
mkdir -p "$data"
rm -f "$data/dev.env"

say "starting relevo dev in ${data#"$root"/}"
start relevo "$bin/relevo" dev --data "$data" --listen 127.0.0.1:0
await "$data/dev.env" 30 relevo
set -a
# shellcheck source=/dev/null
source "$data/dev.env"
set +a

say "starting a worker with the models in worker/demo/models"
export RELEVO_MODELS=$root/worker/demo/models RELEVO_WORKER_ID=demo RELEVO_HEARTBEAT_SECONDS=2
start worker keep_running "$bin/relevo-worker"

say "uploading $table as dataset 'comentarios'"
"$bin/relevo" datasets put comentarios "$table"

say "submitting blueprint 'beto_sentiment'"
job=$("$bin/relevo" submit beto_sentiment --dataset comentarios --param "model=$model" --json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["job_id"])')
timeout --foreground 300 "$bin/relevo" watch "$job" || {
    tail -n 30 "$data"/*.log >&2
    fail "the job did not complete: the logs end above"
}
"$bin/relevo" show "$job" --rows 8 --columns \
    id,docente,comentario,p_neg,p_neu,p_pos,sentiment_label_teacher,sentiment_conf,score_base_0_50,score_total_0_50
echo
say "the Parquet file: $(find ".relevo/${data##*/}/s3" -path "*$job*" -name '*.parquet' -print -quit)"
python3 - "worker/demo/models/$model/accuracy.json" <<'PYTHON'
import json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    measured = json.load(file)

def figures(of):
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in of.items() if isinstance(value, (int, float)))


print("The shipped model, measured on what it was not trained on:")
print("  ", figures(measured))
for name, part in measured.items():
    if isinstance(part, dict):
        print("  ", f"{name}:", figures(part))
PYTHON

if [[ $stay == yes ]]; then
    say "Relevo answers at $RELEVO_URL (client token: $RELEVO_CLIENT_TOKEN). In another terminal:"
    printf '    set -a; source %q; set +a\n    %q submit beto_sentiment --dataset comentarios --param model=%s\n' \
        "$data/dev.env" "$bin/relevo" "$model"
    say "Ctrl-C ends it; the data stay in ${data#"$root"/}"
    wait -n "${servers[@]}" || true
    tail -n 30 "$data"/*.log >&2
    fail "a process ended by itself: the logs end above"
fi
say "done in $SECONDS s"
