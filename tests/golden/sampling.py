"""Golden answers for the `sampling` skill, by a plain program that sorts whole tables and counts in fractions.

It is written from the papers and the guide, not from the skill: every order is a full sort, every share an exact fraction, every
reservoir walks over all of its items. The table is made by a formula that the Rust test repeats. Python's standard library only.

    python3 tests/golden/sampling.py
"""

import fractions
import json
import math
import pathlib

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15
ROWS = 1000
CITIES = ["Lima", "Quito", "Bogotá", "Cusco", None, "Sucre", "Tarma"]
# The streams of one round: rows, clusters, start, reservoir.
PURPOSES = {"rows": 0, "clusters": 1, "start": 2, "reservoir": 3}


def mix(z):
    """SplitMix64's output function."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def number(state, place):
    return mix((state + (place + 1) * GAMMA) & MASK)


def stream(seed, round_, purpose):
    return number(number(seed, round_), PURPOSES[purpose])


def unit(state, place):
    return ((number(state, place) >> 11) + 0.5) / 2.0**53


def table():
    """Skewed strata, a weight that may be missing, zero or negative, and a number to filter by."""
    rows = []
    for i in range(ROWS):
        city = CITIES[min((i * i + 3 * i) % 23 % 9, 6)]
        weight = None if i % 17 == 0 else (i * 7 % 31) - 2.0
        rows.append({"id": i, "city": city, "weight": weight, "mod": i % 10})
    return rows


def smallest(rows, count, state):
    return sorted(rows, key=lambda row: number(state, row["id"]))[:count]


def strata(rows, column):
    """Groups in the order of their first rows."""
    groups = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def largest_remainders(sizes, total):
    """Hamilton's method in exact fractions; ties go to the larger group, then to the one that comes first."""
    whole = sum(sizes)
    total = min(total, whole)
    quotas = [fractions.Fraction(total * size, whole) for size in sizes]
    shares = [math.floor(quota) for quota in quotas]
    order = sorted(range(len(sizes)), key=lambda g: (-(quotas[g] - shares[g]), -sizes[g], g))
    for group in order[: total - sum(shares)]:
        shares[group] += 1
    return shares


def reservoir(count, items, state):
    """Algorithm L (Li 1994), walking over every item."""
    kept = list(items[:count])
    if len(items) <= count:
        return kept
    place = 0

    def draw():
        nonlocal place
        place += 1
        return place - 1

    w = math.exp(math.log(unit(state, draw())) / count)
    position = count - 1
    position += math.floor(math.log(unit(state, draw())) / math.log1p(-w)) + 1
    for i in range(count, len(items)):
        if i == position:
            slot = (number(state, draw()) * count) >> 64
            kept[slot] = items[i]
            w *= math.exp(math.log(unit(state, draw())) / count)
            position += math.floor(math.log(unit(state, draw())) / math.log1p(-w)) + 1
    return kept


def run(method, parameters, rows, seed, round_):
    size = parameters.get("sample_size")
    if size is not None and size < 1:
        size = math.floor(size * len(rows) + 0.5)
    order = stream(seed, round_, "rows")
    if method == "random":
        return smallest(rows, size, order)
    if method == "reservoir":
        return reservoir(size, rows, stream(seed, round_, "reservoir"))
    if method == "systematic":
        interval = parameters["interval"]
        start = parameters.get("start")
        if start is None:
            start = 1 + ((number(stream(seed, round_, "start"), 0) * interval) >> 64)
        return rows[start - 1 :: interval]
    if method == "stratified":
        groups = list(strata(rows, parameters["strata_columns"]).values())
        if size is None:
            shares = [min(parameters["samples_per_stratum"], len(group)) for group in groups]
        else:
            shares = largest_remainders([len(group) for group in groups], size)
        return [row for group, share in zip(groups, shares) for row in smallest(group, share, order)]
    if method == "cluster":
        groups = list(strata(rows, parameters["cluster_column"]).values())
        clusters = stream(seed, round_, "clusters")
        groups.sort(key=lambda group: number(clusters, group[0]["id"]))
        drawn = []
        for group in groups[: parameters["num_clusters"]]:
            count = len(group)
            if "samples_per_cluster" in parameters:
                count = min(count, parameters["samples_per_cluster"])
            if "sample_percentage" in parameters:
                count = max(1, math.floor(parameters["sample_percentage"] / 100 * count + 0.5))
            drawn += smallest(group, count, order)
        return drawn
    if method == "weighted":
        heavy = [row for row in rows if row["weight"] is not None and 0 < row["weight"]]
        return sorted(heavy, key=lambda row: -math.log(unit(order, row["id"])) / row["weight"])[:size]
    raise ValueError(method)


CASES = [
    [("random", {"sample_size": 25})],
    [("random", {"sample_size": 0.035})],
    [("random", {"sample_size": 5000})],
    [("reservoir", {"sample_size": 25})],
    [("reservoir", {"sample_size": 1})],
    [("systematic", {"interval": 37})],
    [("systematic", {"interval": 37, "start": 5})],
    [("stratified", {"strata_columns": "city", "sample_size": 101})],
    [("stratified", {"strata_columns": "city", "samples_per_stratum": 6})],
    [("cluster", {"cluster_column": "city", "num_clusters": 2})],
    [("cluster", {"cluster_column": "city", "num_clusters": 3, "samples_per_cluster": 4})],
    [("cluster", {"cluster_column": "city", "num_clusters": 3, "sample_percentage": 12.5})],
    [("weighted", {"sample_size": 40, "weight_column": "weight"})],
    [
        ("random", {"sample_size": 20}),
        ("weighted", {"sample_size": 20, "weight_column": "weight"}),
        ("stratified", {"strata_columns": "city", "sample_size": 33}),
        ("systematic", {"interval": 101}),
        ("reservoir", {"sample_size": 17}),
    ],
]


def main():
    cases = []
    for rounds in CASES:
        for seed in [0, 42, 2**53 - 1]:
            # One seed of each case draws from some of the rows only.
            below = 4 if seed == 42 else None
            left = table()
            drawn = []
            for round_, (method, parameters) in enumerate(rounds):
                eligible = [row for row in left if below is None or row["mod"] < below]
                ids = sorted(row["id"] for row in run(method, parameters, eligible, seed, round_))
                drawn.append(ids)
                taken = set(ids)
                left = [row for row in left if row["id"] not in taken]
            asked = [{"method": method, "parameters": parameters} for method, parameters in rounds]
            cases.append({"seed": seed, "below": below, "rounds": asked, "drawn": drawn})
    hashes = [
        {"seed": seed, "round": round_, "purpose": purpose, "row": row, "hash": str(number(stream(seed, round_, purpose), row))}
        for seed in [0, 1, 42, 2**53 - 1]
        for round_ in [0, 3]
        for purpose in PURPOSES
        for row in [0, 1, 2**32, 2**40 + 7]
    ]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"hashes": hashes, "cases": cases}, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(hashes), "hashes,", len(cases), "cases,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
