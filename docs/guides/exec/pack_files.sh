#!/bin/sh
# Compresses files: a skill in shell. What it needs of its task it finds in its environment, so it does not read JSON.
set -eu

cd "$RELEVO_INPUT"
total=$(ls | wc -l)
number=0
for file in *; do
    if ! gzip -c -- "$file" >"$RELEVO_OUTPUT/$file.gz"; then
        echo "ERROR: the disk may be full" >&2
        exit 75 # EX_TEMPFAIL: another worker may have room.
    fi
    number=$((number + 1))
    echo "{\"progress\": $(awk "BEGIN { print $number / $total }"), \"message\": \"$number of $total files\"}"
done
echo "{\"result\": {\"packed\": $number}}"
