#!/usr/bin/env bash
# Runs a real BETO job over a shipped table of comments, from the upload to the Parquet file, and draws a sample of what it
# labelled, with Relevo's own parts.
#   .make/demo.sh          starts on an empty folder, ends by itself, and leaves its data in .relevo/demo to be looked at
#   .make/demo.sh --stay   keeps its data in .relevo/up and leaves everything running until Ctrl-C

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source .make/stage.sh

stay=no
if [[ ${1:-} == --stay ]]; then
    stay=yes
elif (($# > 0)); then
    fail "unknown argument '$1': it takes --stay or nothing"
fi

if [[ $stay == yes ]]; then
    set_up up --stay
else
    set_up demo
fi

say "submitting blueprint 'beto_sentiment'"
job=$(submit beto_sentiment --param "model=$model")
watch "$job"
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

echo
say "the labelled rows are table 'beto' of the same dataset: drawing 40 of them, by sentiment, with blueprint 'sampling'"
rounds='[{"round_number": 1, "method": "stratified", "parameters":
    {"strata_columns": ["sentiment_label_teacher"], "sample_size": 40, "min_per_stratum": 3, "seed": 42}}]'
sample=$(submit sampling --param table_key=beto --param "rounds=$rounds")
watch "$sample"
python3 - "$sample" <<'PYTHON'
import json, os, sys, urllib.request

URL, TOKEN, JOB = os.environ["RELEVO_URL"], os.environ["RELEVO_CLIENT_TOKEN"], sys.argv[1]
COLUMNS = ["sentiment_label_teacher", "sentiment_conf", "comentario"]


def get(path):
    request = urllib.request.Request(URL + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def line(cells):
    cells = ["·" if cell is None else " ".join(str(cell).split()) for cell in cells]
    return "  ".join(f"{cell:<24.24}" if n < 2 else cell[:80] for n, cell in enumerate(cells))


page = get(f"/api/sampling/jobs/{JOB}/data?limit=8&columns={','.join(COLUMNS)}")
print(line(COLUMNS))
for row in page["rows"]:
    print(line(row[name] for name in COLUMNS))
result = get(f"/api/v1/jobs/{JOB}")["result"]
print(f"\nThe first 8 of {result['total_sampled']} sampled rows. How they are spread over the labels:")
for stratum in sorted(result["rounds"][0]["strata"], key=lambda stratum: -stratum["eligible"]):
    label = stratum["values"]["sentiment_label_teacher"]
    print(f"   {label:<10} {stratum['sampled']:>4} of {stratum['eligible']}")
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
