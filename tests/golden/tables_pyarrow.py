"""Golden answers of pyarrow and pandas: hostile tables, and what they make of them.

Writes files of every format with what pyarrow reads in them to `tests/golden/tables_pyarrow.json`. The stories of
`shared/tables` read the same files and must come to the same columns, types and values.

    python3 -m venv v && v/bin/pip install pyarrow==26.0.1 pandas==3.1.1
    v/bin/python tests/golden/tables_pyarrow.py
"""

import io
import json
import pathlib

import pandas
import pyarrow
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

KINDS = [
    (pyarrow.types.is_boolean, "boolean"),
    (pyarrow.types.is_integer, "integer"),
    (pyarrow.types.is_floating, "number"),
    (pyarrow.types.is_date, "date"),
    (pyarrow.types.is_timestamp, "timestamp"),
]


def kind(data_type):
    return next((name for test, name in KINDS if test(data_type)), "string")


def value(item):
    return item.isoformat() if hasattr(item, "isoformat") else item


def case(name, file_format, data, table, **extra):
    rows = [[value(item) for item in row.values()] for row in table.to_pylist()]
    return {
        "name": name,
        "format": file_format,
        "hex": data.hex(),
        "columns": [[field.name, kind(field.type)] for field in table.schema],
        "rows": rows,
        **extra,
    }


def csv(name, text, separator=",", encoding="utf-8", codec=None, as_text=()):
    """`as_text` names columns that we keep as text by decision, where pyarrow takes them for numbers."""
    data = text.encode(codec or encoding)
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(encoding=encoding, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            column_types={column: pyarrow.string() for column in as_text},
        ),
    )
    return case(name, "csv", data, table, separator=separator, encoding=encoding)


def json_lines(name, text):
    return case(name, "jsonl", text.encode(), pyarrow.json.read_json(io.BytesIO(text.encode())))


def parquet(name, table, **options):
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **options)
    return case(name, "parquet", file.getvalue(), table)


def frame():
    return pandas.DataFrame(
        {
            "id": [1, 2, 3],
            "comentario": ["¡Muy bien!", None, 'dijo "no", y\nse fue'],
            "nota": [4.5, None, -0.25],
            "aprobado": [True, False, True],
            "fecha": pandas.to_datetime(["2026-01-31 10:00:00", "2026-02-28 23:59:59", None]).astype("datetime64[us]"),
        }
    )


def wide():
    return pyarrow.table(
        {
            "small": pyarrow.array([1, None, -3, 4], pyarrow.int8()),
            "half": pyarrow.array([1.5, 2.5, None, -0.5], pyarrow.float32()),
            "large": pyarrow.array(["a", "ñ", None, "😀"], pyarrow.large_string()),
            "label": pyarrow.array(["pos", "neg", "pos", None]).dictionary_encode(),
            "view": pyarrow.array(["short", "a text longer than twelve bytes", None, ""], pyarrow.string_view()),
            "day": pyarrow.array([0, 1, None, 20000], pyarrow.date32()),
            "at": pyarrow.array([0, None, 1_700_000_000_000_001, -1], pyarrow.timestamp("us")),
            "flag": pyarrow.array([True, None, False, True]),
        }
    )


CASES = [
    csv("quotes, line breaks and blank lines", 'a,b\r\n"x, ""y""","1\n2"\r\n\r\n"",3\r\n"\r\n",4\r\n\r\n'),
    csv("windows-1252 from a spreadsheet", "año;opinión;nota\r\n2026;“Muy bueno” – 5 €;1,5\r\n2027;¿qué?;2\r\n",
        separator=";", encoding="windows-1252"),
    csv("a byte order mark, tabs and scripts", "nombre\t日本\t😀\n\u00e9\te\u0301\t👩‍👩‍👧\n\t\tx\n",
        separator="\t", codec="utf-8-sig"),
    csv("pipes around blank and empty fields", "a|b|c\n x |\"\"|y;z\n|  |\"|\"\nu|v|w,\n", separator="|"),
    csv("all the types", "i,n,b,d,t,s\n1,1.5,true,2026-01-31,2026-01-31 10:00:01,x\n-2,-1e-3,FALSE,2024-02-29,2026-01-31T00:00:00,1\n,,,,,\n"),
    csv("days that do not exist", "d,t\n2026-02-30,2026-01-31 24:00:01\n2026-02-28,2026-01-31 10:00:01\n"),
    csv("identifiers that only look like numbers", "zip,phone,huge,code\n01234,+34600111222,92233720368547758080,1e5x\n98765,+34600111223,1,2\n",
        as_text=["zip", "phone", "huge"]),
    csv("quotes within a field", 'a,b\n5" pipe,x\nthe "best" one,y\n'),
    csv("one column of texts", 'comentario\n"Bien, gracias"\nMal\n"""Regular"""\n'),
    csv("carriage returns alone", "a,b\r1,x\r2,y\r"),
    csv("no line end at the end", 'a,b\n1,x\n2,"y"'),
    csv("written by pandas", frame().to_csv(index=False)),
    csv("written by pandas with semicolons", frame().to_csv(index=False, sep=";", lineterminator="\r\n"), separator=";"),
    json_lines("flat objects", '{"a":1,"b":"ñ \\u00f1 \\n \\"q\\"","c":true}\n{"a":2.5,"b":null,"c":false}\n{"b":"😀","a":-0.0,"c":null}\n'),
    json_lines("written by pandas", frame().drop(columns="fecha").to_json(orient="records", lines=True)),
    parquet("text in every layout, snappy", wide(), compression="snappy"),
    parquet("many row groups, gzip", wide(), compression="gzip", row_group_size=1),
    parquet("lz4 and the newer pages", wide(), compression="lz4", data_page_version="2.0"),
    parquet("zstd without dictionaries or counts", wide(), compression="zstd", use_dictionary=False, write_statistics=False),
]

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(CASES, ensure_ascii=False, indent=1) + "\n")
print(f"{len(CASES)} files described in {path.name}")
