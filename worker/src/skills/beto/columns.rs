//! Finds the text and grade columns of a table by their names. Pure.

use super::request::TextColumns;
use crate::skills::SkillError;

/// Names that a text column goes by, in the order in which they are looked for.
const TEXT_NAMES: [&str; 8] =
    ["comentario", "comentarios", "sugerencias", "observaciones", "obs", "texto", "review", "opinion"];
/// Stems that a grade column's name starts with; only a number may follow.
const GRADE_STEMS: [&str; 7] = ["calif", "calificacion", "nota", "puntaje", "puntuacion", "grade", "score"];

/// The text columns' places in `columns`: those asked for, else the first that goes by a known name.
///
/// # Errors
/// `InvalidInput` on `text_col`, naming the columns that there are.
pub fn text_columns(columns: &[String], asked: Option<&TextColumns>) -> Result<Vec<usize>, SkillError> {
    let missing = |what: String| {
        let reason = format!("{what}; the table has the columns {}", columns.join(", "));
        SkillError::invalid("text_col", reason)
    };
    let names = match asked {
        None => {
            let place = TEXT_NAMES.iter().find_map(|name| columns.iter().position(|column| fold(column) == *name));
            return place.map(|place| vec![place]).ok_or_else(|| {
                missing("must name the text column, as none of the names that are looked for is there".to_owned())
            });
        }
        Some(TextColumns::One(name)) => std::slice::from_ref(name),
        Some(TextColumns::Many(names)) => names,
    };
    names
        .iter()
        .map(|name| find(columns, name).ok_or_else(|| missing(format!("there is no column `{name}`"))))
        .collect()
}

/// Places of the grade columns: `calif_1` to `calif_10` where there are any, else all that are named like a grade.
#[must_use]
pub fn grade_columns(columns: &[String]) -> Vec<usize> {
    let numbered: Vec<usize> = (1..=10)
        .filter_map(|number| columns.iter().position(|column| fold(column) == format!("calif_{number}")))
        .collect();
    if !numbered.is_empty() {
        return numbered;
    }
    (0..columns.len()).filter(|&place| is_grade(&fold(&columns[place]))).collect()
}

/// Exactly as written, else without regard to case and accents.
pub(super) fn find(columns: &[String], name: &str) -> Option<usize> {
    let folded = fold(name);
    columns
        .iter()
        .position(|column| column == name)
        .or_else(|| columns.iter().position(|column| fold(column) == folded))
}

fn is_grade(name: &str) -> bool {
    GRADE_STEMS.iter().any(|stem| {
        let Some(rest) = name.strip_prefix(stem) else {
            return false;
        };
        let rest = rest.strip_prefix("es").or_else(|| rest.strip_prefix('s')).unwrap_or(rest);
        rest.trim_start_matches(['_', ' ', '-', '.']).bytes().all(|b| b.is_ascii_digit())
    })
}

/// Lower case, without the accents of Spanish and without white space at the ends.
fn fold(name: &str) -> String {
    let letters = name.trim().chars().flat_map(char::to_lowercase).filter(|c| !('\u{300}'..='\u{36f}').contains(c));
    letters
        .map(|c| match c {
            'á' | 'à' => 'a',
            'é' | 'è' => 'e',
            'í' | 'ì' => 'i',
            'ó' | 'ò' => 'o',
            'ú' | 'ù' | 'ü' => 'u',
            'ñ' => 'n',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn text_is_found_without_regard_to_case_and_accents() {
        assert_eq!(text_columns(&columns(&["id", "OPINIÓN"]), None), Ok(vec![1]));
        assert_eq!(text_columns(&columns(&["Observaciones", "Comentarios "]), None), Ok(vec![1]));
        assert_eq!(text_columns(&columns(&["opinio\u{301}n"]), None), Ok(vec![0]));
    }

    #[test]
    fn columns_asked_for_keep_their_order() {
        let asked = TextColumns::Many(vec!["Mejorar".to_owned(), "gusto".to_owned()]);

        assert_eq!(text_columns(&columns(&["gustó", "mejorar"]), Some(&asked)), Ok(vec![1, 0]));
    }

    #[test]
    fn a_missing_text_column_names_those_there_are() {
        let table = columns(&["id", "nota"]);
        let asked = TextColumns::One("comentario".to_owned());

        for error in [text_columns(&table, None).unwrap_err(), text_columns(&table, Some(&asked)).unwrap_err()] {
            let SkillError::InvalidInput { details, .. } = error else { panic!("not an invalid input") };
            assert_eq!(details[0].field, "text_col");
            assert!(details[0].reason.ends_with("the table has the columns id, nota"), "{}", details[0].reason);
        }
    }

    #[test]
    fn numbered_grades_go_before_others() {
        assert_eq!(grade_columns(&columns(&["nota", "calif_2", "Calif_1"])), [2, 1]);
    }

    #[test]
    fn grades_are_detected_by_name() {
        let table = columns(&["Nota", "notas 2", "calificación", "notable", "anotacion", "score_3", "calificaciones"]);

        assert_eq!(grade_columns(&table), [0, 1, 2, 5, 6]);
    }
}
