"""Golden answers of pandas: an Excel workbook, and what pandas reads in it.

Writes `tests/golden/import.xlsx` and, for each of its sheets, the columns and rows to `tests/golden/import_xlsx.json`.
The stories of the skill `import` read the same workbook and must come to the same.

    python3 -m venv v && v/bin/pip install openpyxl==3.1.5 pandas==3.1.1
    v/bin/python tests/golden/import_xlsx.py
"""

import datetime
import json
import pathlib

import openpyxl
import pandas

HERE = pathlib.Path(__file__).parent
WORKBOOK = HERE / "import.xlsx"


def write():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Ventas 2024"
    sheet["B1"] = "Informe de ventas"
    sheet.append([])
    sheet.append(["código", "región", "unidades", "precio", "vendido", "día", "cerrado", "nota"])
    day = datetime.date(2024, 2, 28)
    for number in range(40):
        sheet.append(
            [
                f"{number:03}",
                ["norte", "sur", None, "él & <b>ella</b>"][number % 4],
                number * 7,
                None if number % 10 == 3 else number / 8,
                number % 2 == 0,
                day + datetime.timedelta(days=number),
                datetime.datetime(2024, 12, 31, 23, 59, 30) + datetime.timedelta(minutes=number),
                "#DIV/0!" if number == 5 else number if number % 3 else f"={number}+1 no es una fórmula"[1:],
            ]
        )
    plain = book.create_sheet("sin cabecera")
    plain["B2"], plain["C2"], plain["B3"], plain["D3"] = 1, "uno", 2, True
    book.create_sheet("vacía")
    book.save(WORKBOOK)


def value(item):
    if pandas.isna(item):
        return None
    if hasattr(item, "isoformat"):
        return item.isoformat()
    return item.item() if hasattr(item, "item") else item


def read(sheet, **options):
    # As objects: pandas would make the number 0 of the text "000".
    frame = pandas.read_excel(WORKBOOK, sheet_name=sheet, dtype=object, **options)
    frame = frame.dropna(how="all").dropna(axis="columns", how="all")
    return {
        "columns": [str(name) for name in frame.columns],
        "rows": [[value(item) for item in row] for row in frame.itertuples(index=False)],
    }


write()
answers = {"Ventas 2024": read("Ventas 2024", header=2), "sin cabecera": read("sin cabecera", header=None)}
(HERE / "import_xlsx.json").write_text(json.dumps(answers, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
