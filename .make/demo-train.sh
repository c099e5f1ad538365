#!/usr/bin/env bash
# Trains a Boltzmann machine on the shipped table of comments: labels them with BETO, adds what the rows of a teacher and subject have in
# common, trains, audits, and asks for an approval, which is given here from the command line.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source .make/stage.sh

(($# == 0)) || fail "unknown argument '$1': it takes none"
set_up demo-train

# Waits until a job waits for a person: await_approval JOB
await_approval() {
    local state
    for ((tenth = 0; tenth < 1200; tenth++)); do
        state=$("$bin/relevo" explain "$1" | head -n 1)
        case $state in
            waiting_for_human) return 0 ;;
            failed | quarantined | cancelled | finished | completed) break ;;
        esac
        sleep 0.1
    done
    "$bin/relevo" show "$1" >&2 || true
    tail -n 30 "$data"/*.log >&2
    fail "the job does not wait for an approval: the logs end above"
}

say "submitting blueprint 'train_rbm': which mood has a comment, told from the grades and from what the words are about?"
job=$(submit train_rbm --param "text_model=$model" --param text_feats=tfidf_lsa --param n_components=16 \
    --param 'columns=["calif_*","feat_t_*"]' --param n_hidden=32 --param lr=0.05 --param epochs=30 --param batch_size=32 \
    --param patience=8 --param momentum_final=0.9 --param name=demo/mood)
"$bin/relevo" watch "$job" &
watching=$!
await_approval "$job"
"$bin/relevo" logs "$job" | grep -E 'epoch|features|fold|saying' || true
say "the training and its audit are done: approving job $job"
"$bin/relevo" approve "$job" --comment "seen in the demonstration"
wait "$watching" || {
    tail -n 30 "$data"/*.log >&2
    fail "the job did not complete: the logs end above"
}

python3 - "$job" "$data" <<'PYTHON'
import glob, json, os, sys, urllib.request

URL, TOKEN, JOB, DATA = os.environ["RELEVO_URL"], os.environ["RELEVO_CLIENT_TOKEN"], *sys.argv[1:]
request = urllib.request.Request(f"{URL}/api/v1/jobs/{JOB}", headers={"Authorization": f"Bearer {TOKEN}"})
with urllib.request.urlopen(request, timeout=30) as answer:
    result = json.load(answer)["result"]

trained, audit = result["trained"], result["audit"]["summary"]
metrics = trained["metrics"]
print(f"\nTrained on {trained['rows']['train']} rows, judged on {trained['rows']['validation']} others, seed {trained['seed']},"
      f" {trained['epochs_run']} epochs, the best was {trained['kept_epoch']}:")
for name in ["accuracy", "majority_baseline", "macro_f1", "roc_auc", "mcc", "reconstruction_error", "pseudo_log_likelihood", "log_likelihood"]:
    print(f"   {name.replace('_', ' '):<24}{metrics[name]:8.3f}")
print(f"Audited in {result['audit']['folds']} folds (mean ± deviation):")
for name in ["accuracy", "majority_baseline", "macro_f1", "roc_auc", "mcc"]:
    print(f"   {name.replace('_', ' '):<24}{audit[name]['mean']:8.3f} ± {audit[name]['std']:.3f}")
verdict = "better than" if audit["beats_baseline"] else "not better than"
print(f"   {verdict} always saying the most frequent mood")
print(f"Approved: {result['approval']['comment']}. Promoted as {result['name']}, content hash {result['content_hash'][:16]}…")
curve = glob.glob(f"{DATA}/s3/*/jobs/{JOB}/**/learning_curves.svg", recursive=True)
print(f"The learning curve: {os.path.relpath(curve[0])}")
PYTHON
say "done in $SECONDS s"
