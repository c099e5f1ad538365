# Sourced by the demonstrations: Relevo with parts of its own, a worker with the models that ship, and how jobs are watched.
# Whatever was started here ends when the script that sourced it does.

# Logs and dev.env hold tokens.
umask 077

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

# Builds the programs and starts Relevo and a worker on a folder of .relevo, which is emptied unless it is to stay: set_up NAME [--stay]
set_up() {
    prepare
    say "building (the first time takes some minutes)"
    cargo build --workspace --bins
    bin=$target/debug
    data=$root/.relevo/$1
    mkdir -p .relevo
    exec {lock}>"$data.lock"
    flock -n "$lock" || fail "another one is running on ${data#"$root"/}"
    [[ ${2:-} == --stay ]] || rm -rf "$data"
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
}

# Creates a job over the dataset of comments and prints its id: submit BLUEPRINT ARGUMENT…
submit() {
    "$bin/relevo" submit "$@" --dataset comentarios --json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["job_id"])'
}

# Shows how a job goes until it is completed: watch JOB
watch() {
    timeout --foreground 300 "$bin/relevo" watch "$1" || {
        tail -n 30 "$data"/*.log >&2
        fail "the job did not complete: the logs end above"
    }
}
