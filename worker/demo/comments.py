"""Owns the comments of the demo: gives each hand-written comment a course, grades that fit it loosely, and an order."""

import random
import re

from marked import read_marked

FILES = ["comments_positive", "comments_negative", "comments_other", "comments_long"]
BLANKS = [""] * 33 + [" ", "   ", "\t", "\n", " \n ", "      "]
PERIODS = ["2023-1", "2023-2", "2024-1", "2024-2", "2025-1", "2025-2"]
GRADES = [f"calif_{n}" for n in range(1, 11)]
COLUMNS = ["id", "periodo", "docente", "materia", *GRADES, "comentario"]

# Invented people: name, gender, leaning of their grades, subjects.
TEACHERS = [
    ("Andrés Quintana Rey", "m", 0.3, ["Cálculo Diferencial", "Álgebra Lineal"]),
    ("Lucía Barragán Soto", "f", 0.3, ["Estadística I", "Probabilidad"]),
    ("Hernán Ocampo Lugo", "m", -0.3, ["Física General", "Termodinámica"]),
    ("Marisol Tejeda Vera", "f", 0.1, ["Bases de Datos", "Ingeniería de Software"]),
    ("Rubén Salcedo Mora", "m", -0.2, ["Programación I", "Estructuras de Datos"]),
    ("Graciela Montiel Paz", "f", -0.3, ["Contabilidad de Costos", "Economía General"]),
    ("Ximena Arrieta Cano", "f", 0.2, ["Metodología de la Investigación", "Redacción Académica"]),
    ("Óscar Peñaloza Díaz", "m", 0.1, ["Derecho Laboral", "Ética Profesional"]),
    ("Teresa Ñáñez Duarte", "f", 0.0, ["Microbiología", "Química Orgánica"]),
    ("Julián Echeverri Gil", "m", 0.0, ["Redes de Computadores", "Electrónica Básica"]),
    ("Paola Zúñiga Ferrer", "f", 0.2, ["Psicología Educativa", "Sociología"]),
    ("Íñigo Larrea Campos", "m", -0.1, ["Historia Contemporánea", "Geografía Económica"]),
]
FEMININE = r"\b(la|una|esta|querida) (profe|profesora|maestra|doctora|docente|miss)\b|maestra|profesora|\bella\b|mejor profe\b.*\bla\b"
MASCULINE = r"\b(el|un|este|del|al) (profe|profesor|maestro|doctor|docente|señor)\b|profesor\b|maestro\b|\bél\b|@profe_andres|señor\b|escucharlo"
HINTS = {
    "Andrés Quintana Rey": r"andrés|profe_andres|cálculo|calculo|integrales|algebra|trigonometría|ecuaci|despejar",
    "Lucía Barragán Soto": r"lucía|estadística|estadistica|encuesta de mil",
    "Marisol Tejeda Vera": r"sql|bases de datos|curso_bd|/bd/|normalización",
    "Rubén Salcedo Mora": r"programación|python|copiaba código|computadora",
    "Graciela Montiel Paz": r"presupuesto",
    "Teresa Ñáñez Duarte": r"fermentaciones",
    "Íñigo Larrea Campos": r"posguerra",
    "Ximena Arrieta Cano": r"ensayos|tesina|investigación",
    "Óscar Peñaloza Díaz": r"juicios|ética",
    "Julián Echeverri Gil": r"osciloscopio",
}
MEANS = {"pos": 4.4, "neg": 2.5, "neu": 3.7, "mixed": 3.5}
WINDOWS_ROWS = 20


def teacher_for(comment: str, rng: random.Random) -> tuple:
    """Picks a teacher whose gender and subject the comment does not deny."""
    words = comment.lower()
    feminine, masculine = re.search(FEMININE, words), re.search(MASCULINE, words)
    gender = None if bool(feminine) == bool(masculine) else ("f" if feminine else "m")
    hinted = [name for name, hint in HINTS.items() if re.search(hint, words)]
    fitting = [t for t in TEACHERS if gender in (None, t[1])]
    return rng.choice([t for t in fitting if t[0] in hinted] or fitting)


def grades_for(mood: str, leaning: float, rng: random.Random) -> list[str]:
    """Ten grades from 0 to 5; one row in nine goes against its mood, some grades are missing."""
    if rng.random() < 0.11:
        mood = rng.choice(list(MEANS))
    mean = MEANS[mood] + leaning + rng.gauss(0, 0.45)
    missing = 1.0 if rng.random() < 0.02 else 0.06
    return ["" if rng.random() < missing else f"{min(5.0, max(0.0, rng.gauss(mean, 0.45))):.1f}" for _ in GRADES]


def compose_rows(seed: int) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of `comentarios.csv` in their order, and the mood of each row's author."""
    rng = random.Random(seed)
    comments = [pair for name in FILES for pair in read_marked(name)]
    comments += [(blank, rng.choice(["pos", "pos", "neu", "neg"])) for blank in BLANKS]
    rng.shuffle(comments)
    rows = []
    for number, (comment, mood) in enumerate(comments, start=1):
        name, _, leaning, subjects = teacher_for(comment, rng)
        values = [str(number), rng.choice(PERIODS), name, rng.choice(subjects), *grades_for(mood, leaning, rng), comment]
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows, [mood for _, mood in comments]


def windows_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Short accented comments that Windows-1252 can write; first those that Latin-1 cannot (curly quotes, the euro)."""
    chosen = []
    for row in rows:
        comment = row["comentario"]
        if not comment.isascii() and len(comment) < 400 and comment.encode("cp1252", "ignore").decode("cp1252") == comment:
            chosen.append(row)
    chosen.sort(key=lambda row: row["comentario"].encode("latin-1", "ignore").decode("latin-1") == row["comentario"])
    return sorted(chosen[:WINDOWS_ROWS], key=lambda row: int(row["id"]))
