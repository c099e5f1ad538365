"""Owns the grammar that composes labelled training sentences from the phrases in `sources/phrases_*.txt`.

It must never read the test sentences or the comments of the demo.
"""

import random
import re

from marked import read_by_mood

DOES = read_by_mood("phrases_teacher_does")
IS = read_by_mood("phrases_teacher_is")
THING = read_by_mood("phrases_thing_is")
SAYS = read_by_mood("phrases_student_says")
QUALITY = read_by_mood("phrases_quality")
NOUN = read_by_mood("phrases_exclaim")
REQUESTS = read_by_mood("phrases_request")["neu"]
FACTS = read_by_mood("phrases_fact")["neu"]

TEACHERS = [
    ("el profe", "m"), ("la profe", "f"), ("el profesor", "m"), ("la profesora", "f"), ("el docente", "m"), ("la docente", "f"),
    ("el maestro", "m"), ("la maestra", "f"), ("el doctor", "m"), ("la doctora", "f"), ("el ingeniero", "m"), ("la licenciada", "f"),
    ("la miss", "f"), ("este profesor", "m"), ("esta profesora", "f"), ("él", "m"), ("ella", "f"), ("", "m"), ("", "f"), ("", "m"),
]
THINGS = [
    ("la clase", "f", 1), ("las clases", "f", 2), ("el curso", "m", 1), ("la materia", "f", 1), ("la asignatura", "f", 1),
    ("los exámenes", "m", 2), ("el examen", "m", 1), ("las tareas", "f", 2), ("el material", "m", 1), ("la evaluación", "f", 1),
    ("los ejercicios", "m", 2), ("el laboratorio", "m", 1), ("las prácticas", "f", 2), ("los proyectos", "m", 2),
    ("las explicaciones", "f", 2), ("la plataforma", "f", 1), ("las asesorías", "f", 2), ("la metodología", "f", 1),
    ("los talleres", "m", 2), ("las lecturas", "f", 2), ("el parcial", "m", 1), ("la forma de evaluar", "f", 1),
    ("el contenido", "m", 1), ("los temas", "m", 2), ("las diapositivas", "f", 2), ("el trabajo final", "m", 1),
]
TOPICS = (
    "álgebra cálculo estadística física química biología programación contabilidad economía derecho historia filosofía ética redacción "
    "inglés anatomía mecánica electrónica redes mercadeo finanzas psicología sociología pedagogía geometría termodinámica diseño"
).split()
REQUEST_FRAMES = [
    "Sugiero que", "Propongo que", "Recomiendo que", "Solicito que", "Pido que", "Quisiera que", "Me gustaría que", "Sería bueno que",
    "Sería útil que", "Estaría bien que", "Convendría que", "Sería conveniente que", "Que", "Se sugiere que", "Se recomienda que",
    "Como sugerencia, que", "Tal vez convenga que", "Solo pediría que", "Haría falta que", "Lo único, que", "Para el próximo curso, que",
]
DAYS = "lunes martes miércoles jueves viernes sábados".split()
COUNTS = "dos tres cuatro cinco seis siete ocho diez doce quince veinte treinta".split()
UNITS = "parciales tareas exposiciones prácticas lecturas unidades ensayos talleres proyectos cuestionarios sesiones créditos".split()
OPENERS = {
    "pos": ["", "", "", "", "La verdad, ", "Sinceramente, ", "En general ", "Para mí ", "En mi opinión ", "Felicidades, ", "Me alegra decir que "],
    "neg": ["", "", "", "", "La verdad, ", "Sinceramente, ", "En general ", "Para mí ", "En mi opinión ", "Lamentablemente ", "Qué pena, "],
    "neu": ["", "", "", "", "La verdad, ", "En general ", "Por ahora ", "Para mí ", "En mi opinión ", "En este grupo ", "Este semestre "],
}
AMPLIFIERS = ["siempre ", "de verdad ", "realmente ", "claramente ", "en serio "]
OPPOSITE = {"pos": "neg", "neg": "pos"}


def agree(phrase: str, gender: str, number: int = 1) -> str:
    """Gives a phrase its gender and number: `muy clar@` becomes `muy claras`."""
    feminine = gender == "f"
    phrase = re.sub(r"\bun@", "una" if feminine else "un", phrase)
    phrase = re.sub(r"\bl@", "la" if feminine else "el", phrase)
    phrase = re.sub(r"or@", "ora" if feminine else ("or" if number == 1 else "ore"), phrase)
    if feminine:
        phrase = re.sub(r"ón\b", "ona", phrase)
    if number == 2:
        bare = re.fullmatch(r"((?:muy|nada) )?(\w+(?:[el]|ar))", phrase)
        if bare and bare[2] not in ("estándar", "lo"):
            return phrase + ("s" if phrase.endswith("e") else "es")
        phrase = re.sub(r"(@|ora|ore)(?=\W|$)", r"\1s", phrase)
    return phrase.replace("@", "a" if feminine else "o")


def affirmed(phrase: str) -> str:
    """The phrase without its mark for denial."""
    return phrase.removeprefix("!")


class Grammar:
    """Composes clauses and sentences of a wanted mood from one source of randomness."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.teacher = ("", "m")

    def subject(self) -> tuple[str, str]:
        """The teacher of this sentence, named in its first clause only, and the gender."""
        (name, gender), self.teacher = self.teacher, ("", self.teacher[1])
        return name, gender

    def does(self, mood: str) -> str:
        """A clause on what the teacher does, at times by denying the opposite."""
        pick = self.rng.choice
        subject, _ = self.subject()
        if mood != "neu" and self.rng.random() < 0.14:
            deniable = [affirmed(phrase) for phrase in DOES[OPPOSITE[mood]] if phrase.startswith("!")]
            denial = pick(["no ", "no ", "nunca ", "jamás ", "casi nunca ", "no siempre "][: 5 if mood == "neg" else 4])
            return f"{subject} {denial}{pick(deniable)}".strip()
        amplifier = pick(AMPLIFIERS) if mood != "neu" and self.rng.random() < 0.15 else ""
        return f"{subject} {amplifier}{affirmed(pick(DOES[mood]))}".strip()

    def is_(self, mood: str) -> str:
        """A clause on what the teacher is."""
        pick = self.rng.choice
        subject, gender = self.subject()
        if mood != "neu" and self.rng.random() < 0.12:
            words = {"pos": ["mal@", "injust@", "groser@", "aburrid@", "impuntual", "arrogante"], "neg": ["buen@", "clar@", "just@", "puntual", "amable", "paciente"]}
            return agree(f"{subject} no es {pick(['', 'nada ', 'para nada '])}{pick(words[mood])}".strip(), gender)
        if mood != "neu" and self.rng.random() < 0.4:
            return agree(f"{subject} {pick(['es', 'es muy', 'resultó'])} {pick(QUALITY[mood])}".strip(), gender)
        return agree(f"{subject} {pick(['es', 'es', 'me parece', 'fue'])} {pick(IS[mood])}".strip(), gender)

    def thing(self, mood: str) -> str:
        """A clause on a part of the course."""
        pick = self.rng.choice
        subject, gender, number = pick(THINGS)
        if subject == "la clase" and self.rng.random() < 0.5:
            subject = f"la clase de {pick(TOPICS)}"
        verbs = [("es", "son"), ("es", "son")] if mood == "neu" else [("es", "son"), ("fue", "fueron"), ("me pareció", "me parecieron")]
        verb = pick(verbs)[number - 1]
        if mood != "neu" and self.rng.random() < 0.12:
            words = {"pos": ["mal@", "aburrid@", "pesad@", "inútil", "injust@", "confus@"], "neg": ["buen@", "interesante", "clar@", "útil", "just@", "entretenid@"]}
            return f"{subject} no {verb} {pick(['', 'nada '])}{agree(pick(words[mood]), gender, number)}"
        qualities = QUALITY[mood] if mood != "neu" and self.rng.random() < 0.4 else THING[mood]
        return f"{subject} {verb} {agree(pick(qualities), gender, number)}"

    def noun(self, mood: str) -> str:
        """A clause around one noun that carries the mood."""
        pick, noun = self.rng.choice, self.rng.choice(NOUN[mood])
        return pick([
            f"qué {noun}", f"pura {noun}", f"cuánta {noun}" if noun.endswith("a") else f"cuánto {noun}", f"todo fue {noun}", f"siento {noun}", f"hay {noun} en cada clase",
            f"solo recuerdo {noun} y {pick(NOUN[mood])}", f"lo resumo así: {noun}", f"mucha {noun}" if noun.endswith(("a", "d", "ón")) else f"mucho {noun}",
            f"nada de {pick(NOUN[OPPOSITE[mood]])}, solo {noun}", f"cero {pick(NOUN[OPPOSITE[mood]])}", f"falta {pick(NOUN['pos'])}" if mood == "neg" else f"sobra {noun}",
        ])

    def says(self, mood: str) -> str:
        """A clause on what the student takes from the course."""
        return self.rng.choice(SAYS[mood])

    def clause(self, mood: str) -> str:
        """One clause of any kind."""
        if mood != "neu" and self.rng.random() < 0.08:
            return self.noun(mood)
        return self.rng.choice([self.does, self.does, self.is_, self.thing, self.thing, self.says, self.says])(mood)

    def neutral(self) -> str:
        """A remark that only neutral sentences make: a request, a fact, something in the middle."""
        pick = self.rng.choice
        kind = self.rng.randrange(7)
        if kind == 6:
            return pick(FACTS)
        if kind < 2:
            return f"{pick(REQUEST_FRAMES).lower()} {pick(REQUESTS)}"
        if kind == 2:
            return pick([
                f"tuvimos {pick(COUNTS)} {pick(UNITS)}", f"hubo {pick(COUNTS)} {pick(UNITS)} y {pick(COUNTS)} {pick(UNITS)}",
                f"la clase de {pick(TOPICS)} es los {pick(DAYS)}", f"el grupo tiene {pick(COUNTS)} alumnos", f"vimos temas de {pick(TOPICS)} y {pick(TOPICS)}",
                f"los {pick(DAYS)} hay {pick(TOPICS)} a las {pick(COUNTS)}", f"antes de este curso llevé {pick(TOPICS)}", f"el salón es el {self.rng.randrange(100, 600)}",
                f"la unidad {pick(COUNTS)} trata de {pick(TOPICS)}", f"cursé {pick(TOPICS)} y {pick(TOPICS)} a la vez",
            ])
        subject, gender, number = pick(THINGS)
        good, bad = (agree(pick(THING[mood]), gender, number) for mood in ("pos", "neg"))
        if kind == 3 and number == 2:
            some = "algunas" if gender == "f" else "algunos"
            others = "otras" if gender == "f" else "otros"
            noun = subject.split(" ", 1)[1]
            return pick([f"{some} {noun} me parecieron {good} y {others} {bad}", f"hubo {noun} {good} y {noun} {bad}", f"{subject}: unas {good}, otras {bad}"])
        if kind == 4:
            verb = ("es", "son")[number - 1]
            return pick([f"{subject} no {verb} {good} pero tampoco {bad}", f"{subject} ni {good} ni {bad}", f"{subject}, a ratos {good} y a ratos {bad}"])
        does = affirmed(pick(DOES["pos"])), affirmed(pick(DOES["neg"]))
        return pick([f"a veces {does[0]} y a veces {does[1]}", f"a veces {does[0]}, a veces no", f"por un lado {does[0]}, por otro {does[1]}"])

    def contrast(self, mood: str) -> str:
        """Two clauses of opposite moods: the main clause, or the one behind `pero`, decides."""
        other = self.clause(OPPOSITE[mood])
        main = self.clause(mood)
        return self.rng.choice([
            f"aunque {other}, {main}", f"{main}, aunque {other}", f"{other}, pero {main}", f"{other} pero en general {main}",
            f"{other}; sin embargo, {main}", f"a pesar de que {other}, {main}", f"si bien {other}, {main}",
        ])

    def sentence(self, mood: str) -> str:
        """One finished sentence of a mood."""
        self.teacher = self.rng.choice(TEACHERS)
        roll = self.rng.random()
        if mood == "neu":
            text = self.neutral() if roll < 0.5 else self.clause("neu") if roll < 0.8 else f"{self.clause('neu')}{self.rng.choice([', ', '; ', ' y '])}{self.clause('neu')}"
        elif roll < 0.48:
            text = self.clause(mood)
        elif roll < 0.72:
            text = f"{self.clause(mood)}{self.rng.choice([', ', ' y ', ', además ', '; ', ' porque '])}{self.clause(mood)}"
        elif roll < 0.86:
            text = self.contrast(mood)
        elif roll < 0.93:
            text = f"{self.clause('neu')}, {self.rng.choice(['y ', 'pero ', ''])}{self.clause(mood)}"
        else:
            first, second = self.clause(mood), self.clause(mood)
            text = f"{first}. {second[0].upper()}{second[1:]}"
        text = self.rng.choice(OPENERS[mood]) + text
        return text[0].upper() + text[1:] + self.rng.choice([".", ".", ".", "", "!" if mood != "neu" else "."])
