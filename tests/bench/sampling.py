"""Relevo's `sampling` beside the same sampling written by hand in DuckDB and in Polars, on one file and one machine.

Makes a table of ten million rows (an id, three numbers, one of fifty regions, a text), then draws from it in turn: 100,000 rows at
random, 100 rows of each region among those that fulfil a condition, and 100,000 rows by weight. Each way reads the Parquet file and
writes its sample as Parquet with zstd. Where there are several ways to write it by hand, all of them run and the fastest counts.
Prints the median of the rounds. With `--large` it makes a hundred million rows instead, draws 100 rows of each region with
Relevo alone, and prints the most memory that its process had.

    python3 -m pip install --target packages duckdb==2.0.1 polars==2.1.0
    PYTHONPATH=packages python3 tests/bench/sampling.py PROGRAM [ROUNDS | --large]
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 2
os.environ["POLARS_MAX_THREADS"] = str(THREADS)

import duckdb  # noqa: E402
import polars as pl  # noqa: E402  (the number of threads is read on import)

SIZE, EACH, CONDITION = 100_000, 100, "price > 250 AND quantity < 800"

JOBS = {
    "random": {"method": "random", "parameters": {"sample_size": SIZE}},
    "stratified": {
        "method": "stratified",
        "parameters": {"strata_columns": "region", "samples_per_stratum": EACH},
        "filters": {"expression": CONDITION},
    },
    "weighted": {"method": "weighted", "parameters": {"weight_column": "price", "sample_size": SIZE}},
}


def connect():
    return duckdb.connect(config={"threads": THREADS})


def make(path, rows):
    """Numbers from a hash, so that the table is the same everywhere."""
    connect().execute(
        f"""COPY (
            SELECT i AS id, (hash(i) % 100000) / 100.0 AS price, (hash(i + 1) % 1000)::INTEGER AS quantity,
                (hash(i + 2) % 1000000) / 1e6 AS score, 'region ' || (hash(i + 3) % 50) AS region,
                'customer ' || (hash(i + 4) % 1000000) AS customer
            FROM range({rows}) t(i)
        ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
    )


class Relevo:
    def __init__(self, program):
        self.program = program

    def run(self, kind, table, output):
        """Seconds, rows and the most memory, as the program itself measures them: without its start."""
        job = json.dumps({"seed": 42, "rounds": [JOBS[kind]]})
        command = [self.program, "--bench", str(table), str(THREADS), "1", job, str(output)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(answer.stdout)
        return told["seconds"][0], told["rows"], told["peak_rss_bytes"]


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_duckdb(kind, table, output):
    """Queries that people write, each by its name."""
    source = f"read_parquet('{table}')"
    queries = {
        "random": {
            "USING SAMPLE": f"SELECT * FROM {source} USING SAMPLE reservoir({SIZE} ROWS) REPEATABLE (42)",
            "ORDER BY hash": f"SELECT * FROM {source} ORDER BY hash(id + 42) LIMIT {SIZE}",
        },
        "stratified": {
            "QUALIFY": f"""SELECT * FROM {source} WHERE {CONDITION}
                QUALIFY row_number() OVER (PARTITION BY region ORDER BY hash(id + 42)) <= {EACH}""",
            "min_by, then join": f"""SELECT t.* FROM {source} t SEMI JOIN (
                SELECT unnest(min_by(id, hash(id + 42), {EACH})) AS id FROM {source} WHERE {CONDITION} GROUP BY region
                ) c ON t.id = c.id""",
        },
        "weighted": {
            "ORDER BY key": f"""SELECT * FROM {source} WHERE price > 0
                ORDER BY -ln((hash(id + 42) + 1.0) / 18446744073709551617.0) / price LIMIT {SIZE}""",
        },
    }
    for name, query in queries[kind].items():
        connection = connect()
        yield name, timed(lambda: connection.execute(f"COPY ({query}) TO '{output}' (FORMAT parquet, COMPRESSION zstd)"))


def in_polars(kind, table, output):
    """Expressions that people write, each by its name."""

    def stored(frame):
        if isinstance(frame, pl.LazyFrame):
            frame = frame.collect()
        frame.write_parquet(output, compression="zstd")

    condition = (pl.col("price") > 250) & (pl.col("quantity") < 800)
    key = (-((pl.col("id").hash(42) + 1).cast(pl.Float64) / 2.0**64).log() / pl.col("price")).alias("key")

    def chosen(ids):
        return pl.scan_parquet(table).join(ids.lazy(), on="id", how="semi")

    def drawn_ids():
        ids = pl.scan_parquet(table).filter(condition).select("id", "region", h=pl.col("id").hash(42)).collect()
        return ids.group_by("region").agg(pl.col("id").sort_by("h").head(EACH)).explode("id").select("id")

    ways = {
        "random": {
            "sample": lambda: stored(pl.read_parquet(table).sample(SIZE, seed=42)),
            "ids, then join": lambda: stored(
                chosen(pl.scan_parquet(table).select("id").collect().sample(SIZE, seed=42))
            ),
        },
        "stratified": {
            "over": lambda: stored(
                pl.scan_parquet(table).filter(condition).filter(pl.col("id").hash(42).rank("ordinal").over("region") <= EACH)
            ),
            "ids, then join": lambda: stored(chosen(drawn_ids())),
        },
        "weighted": {
            "bottom_k": lambda: stored(
                pl.scan_parquet(table).filter(pl.col("price") > 0).with_columns(key).bottom_k(SIZE, by="key").drop("key")
            ),
            "ids, then join": lambda: stored(
                chosen(
                    pl.scan_parquet(table)
                    .filter(pl.col("price") > 0)
                    .select("id", key)
                    .collect()
                    .bottom_k(SIZE, by="key")
                    .select("id")
                )
            ),
        },
    }
    for name, work in ways[kind].items():
        yield name, timed(work)


def beside(program, rounds, folder):
    table, output = folder / "table.parquet", folder / "sample.parquet"
    make(table, 10_000_000)
    print(f"10,000,000 rows, {table.stat().st_size / 1e6:.0f} MB; {THREADS} threads; median of {rounds} rounds")
    print(f"duckdb {duckdb.__version__}, polars {pl.__version__}")
    relevo = Relevo(program)
    for kind in JOBS:
        seconds = {}
        for _ in range(rounds):
            took, rows, memory = relevo.run(kind, table, output)
            seconds.setdefault(("Relevo", ""), []).append(took)
            for tool, ways in (("DuckDB", in_duckdb), ("Polars", in_polars)):
                for way, took in ways(kind, table, output):
                    seconds.setdefault((tool, way), []).append(took)
        print(f"\n{kind}: {rows} rows, Relevo's process {memory / 2**20:.0f} MiB at most")
        for (tool, way), took in seconds.items():
            print(f"  {tool:7} {way:18} {statistics.median(took):7.3f} s   ({min(took):.3f} to {max(took):.3f})")


def large(program, folder):
    table, output = folder / "table.parquet", folder / "sample.parquet"
    make(table, 100_000_000)
    job = {key: value for key, value in JOBS["stratified"].items() if key != "filters"}
    JOBS["whole"] = job
    print(f"100,000,000 rows, {table.stat().st_size / 1e6:.0f} MB; {THREADS} threads")
    for kind in ("whole", "stratified", "weighted", "random"):
        took, rows, memory = Relevo(program).run(kind, table, output)
        print(f"{kind}: {rows} rows in {took:.2f} s, {memory / 2**20:.0f} MiB at most")


def main():
    program = sys.argv[1]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relevo-sampling-"))
    try:
        if sys.argv[2:] == ["--large"]:
            large(program, folder)
        else:
            beside(program, int(sys.argv[2]) if len(sys.argv) > 2 else 5, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
