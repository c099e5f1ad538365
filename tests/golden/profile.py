"""Golden answers of pandas and NumPy: a table, and what they find out about its columns.

Writes `tests/golden/profile.parquet` and the figures to `tests/golden/profile.json`. The stories of the skill `profiling`
look at the same table and must come to the same, to within 1e-9.

    python3 -m venv v && v/bin/pip install pandas==3.1.1 pyarrow==26.0.1
    v/bin/python tests/golden/profile.py
"""

import json
import pathlib

import numpy
import pandas
import pyarrow
import pyarrow.parquet

HERE = pathlib.Path(__file__).parent
ROWS = 2000
BINS = 20
QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def table():
    chance = numpy.random.default_rng(42)
    normal = chance.normal(170.0, 9.5, ROWS)
    frame = pandas.DataFrame(
        {
            "altura": normal,
            "peso": normal * 0.9 - 80 + chance.normal(0, 1.5, ROWS),
            "ingresos": chance.lognormal(10, 1.2, ROWS).round(2),
            "hijos": chance.poisson(0.6, ROWS),
            "id": numpy.arange(ROWS) + 9_007_199_254_740_993,
            "activo": chance.random(ROWS) < 0.8,
            "alta": pandas.to_datetime("2024-01-01") + pandas.to_timedelta(chance.integers(0, 400, ROWS), unit="D"),
            "ciudad": chance.choice(["Bogotá", "Lima", "Quito", "", "São <Paulo>"], ROWS, p=[0.4, 0.3, 0.2, 0.05, 0.05]),
            "constante": 7,
        }
    )
    frame.loc[chance.random(ROWS) < 0.3, "ingresos"] = None
    frame.loc[chance.random(ROWS) < 0.1, "ciudad"] = None
    frame.loc[:9, "altura"] = None
    frame = frame.astype({"ciudad": "string"})
    frame.iloc[-5:] = frame.iloc[:5].to_numpy()
    return frame.astype({"hijos": "int64", "id": "int64", "constante": "int64", "activo": "bool"})


def numbers(column):
    values = column.dropna().to_numpy(dtype="float64")
    counts, edges = numpy.histogram(values, bins=BINS)
    return {
        "min": values.min(),
        "max": values.max(),
        "mean": column.mean(),
        "std": column.std(),
        "skewness": None if column.nunique() == 1 else column.skew(),
        "quantiles": numpy.quantile(values, QUANTILES).tolist(),
        "zeros": int((column == 0).sum()),
        "negatives": int((column < 0).sum()),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def figures(column):
    found = {"count": int(column.count()), "missing": int(column.isna().sum()), "distinct": int(column.nunique())}
    if pandas.api.types.is_bool_dtype(column) or pandas.api.types.is_datetime64_any_dtype(column):
        return found
    if pandas.api.types.is_numeric_dtype(column):
        return found | numbers(column)
    lengths = column.dropna().str.len()
    top = column.value_counts()
    return found | {
        "lengths": [int(lengths.min()), int(lengths.max()), float(lengths.mean())],
        "top": [[name, int(count)] for name, count in top.items()],
    }


frame = table()
pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame, preserve_index=False), HERE / "profile.parquet", row_group_size=700)
correlation = frame[["altura", "peso", "ingresos", "hijos"]].corr()
answers = {
    "columns": {name: figures(frame[name]) for name in frame.columns},
    "correlation": {"altura peso": correlation.loc["altura", "peso"]},
    "duplicate_rows": int(frame.duplicated().sum()),
}
text = json.dumps(answers, ensure_ascii=False, indent=1, default=float)
(HERE / "profile.json").write_text(text + "\n", encoding="utf-8")
