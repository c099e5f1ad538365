"""Counts the words of a text: a skill in Python, without anything but its standard library."""

import collections
import csv
import json
import logging
import pathlib
import re
import sys

logging.basicConfig(level=logging.INFO)


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    task = json.load(sys.stdin)
    try:
        text = pathlib.Path(task["files"]["text"]).read_text(encoding="utf-8")
    except KeyError:
        return refuse("text", "is required")
    except UnicodeDecodeError as error:
        return refuse("text", f"must be UTF-8: {error}")

    say(stage="count")
    counts = collections.Counter()
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        counts.update(re.findall(r"\w+", line.lower()))
        say(progress=number / len(lines), message=f"{number} of {len(lines)} lines")
    say(stage="count", status="completed")

    if not counts:
        # Neither a success nor a failure: the blueprint says what follows.
        say(outcome="needs_review", result={"reason": "there are no words"})
        return 0
    logging.info("%d words, %d different ones", counts.total(), len(counts))
    with open(pathlib.Path(task["output"], "counts.csv"), "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["word", "count"])
        table.writerows(counts.most_common())
    top = counts.most_common(task["params"].get("top", 3))
    say(result={"words": counts.total(), "top": [word for word, _ in top]})
    return 0


def refuse(field, reason):
    details = [{"field": field, "reason": reason}]
    say(error={"code": "INVALID_INPUT", "message": f"{field}: {reason}", "details": details})
    return 1


if __name__ == "__main__":
    sys.exit(main())
