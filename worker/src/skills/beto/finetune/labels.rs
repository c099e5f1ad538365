//! The classes of a labelled table: which there are, in which order, and what they are in a model that tells some already.

use std::{collections::BTreeSet, path::Path};

use arrow_array::{Array, ArrayRef, StringArray, cast::AsArray, types::Float64Type};
use arrow_cast::cast;
use arrow_schema::DataType;
use relevo_tables::Description;
use serde::Serialize;

use crate::skills::{
    SkillError,
    beto::{columns::find, config::BertConfig, table::unreadable},
};

/// More classes than this are a column of something else, such as numbers or names.
const MOST: usize = 256;
/// Characters of a class's name: longer ones are texts.
const LONGEST: usize = 200;

/// The names of the classes, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Labels(pub Vec<String>);

/// The label of each row of a table, trimmed; none where it is empty. The columns `texts` are what is learnt from.
///
/// # Errors
/// `InvalidInput` on `label_col` when there is no such column, it is one of the texts, or it holds something that is no label.
pub fn read(
    path: &Path,
    description: &Description,
    column: &str,
    texts: &[String],
) -> Result<Vec<Option<String>>, SkillError> {
    let wrong = |reason: String| SkillError::invalid("label_col", reason);
    let names: Vec<String> = description.columns.iter().map(|column| column.name.clone()).collect();
    let place = find(&names, column).ok_or_else(|| {
        wrong(format!("there is no column `{column}`; the table has the columns {}", names.join(", ")))
    })?;
    if texts.contains(&names[place]) {
        // A model that reads the answer learns nothing else.
        let reason = format!("must be another column than that of the text, which `{}` is", names[place]);
        return Err(wrong(reason));
    }
    let mut labels = Vec::new();
    for batch in relevo_tables::open(path, description).map_err(unreadable)? {
        let batch = batch.map_err(unreadable)?;
        let column = batch.column(place);
        if let Some(row) = first_nan(column) {
            let row = labels.len() + row + 1;
            return Err(wrong(format!("must hold labels; that of row {row} is NaN, not a number")));
        }
        let text = cast(column, &DataType::Utf8).map_err(|error| wrong(format!("must hold labels: {error}")))?;
        let text: &StringArray = text.as_string();
        let label = |label: Option<&str>| label.map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned);
        labels.extend(text.iter().map(label));
    }
    Ok(labels)
}

fn first_nan(column: &ArrayRef) -> Option<usize> {
    if !column.data_type().is_floating() {
        return None;
    }
    let numbers = cast(column, &DataType::Float64).ok()?;
    numbers.as_primitive::<Float64Type>().iter().position(|number| number.is_some_and(f64::is_nan))
}

impl Labels {
    /// The classes among the labels of rows, sorted: by value where all are whole numbers, else as text.
    ///
    /// # Errors
    /// `InvalidInput` on `label_col` when there is none, one, or far too many.
    pub fn of<'a>(labels: impl IntoIterator<Item = &'a str>) -> Result<Self, SkillError> {
        let names: BTreeSet<&str> = labels.into_iter().collect();
        let wrong = |reason: String| Err(SkillError::invalid("label_col", reason));
        match names.len() {
            0 => return wrong("must hold labels; no row with text has one".to_owned()),
            1 => {
                let only = names.first().copied().unwrap_or_default();
                return wrong(format!("must hold two classes or more; every label is `{only}`"));
            }
            count if MOST < count => {
                return wrong(format!("must hold at most {MOST} classes; there are {count} different values"));
            }
            _ => {}
        }
        if let Some(length) = names.iter().map(|name| name.chars().count()).find(|&length| LONGEST < length) {
            return wrong(format!("must hold classes of at most {LONGEST} characters; one has {length}"));
        }
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if names.iter().all(|name| name.parse::<i64>().is_ok()) {
            names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
        }
        Ok(Self(names))
    }

    /// The number of a class.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|label| label == name)
    }

    /// For each class its number in a model, where the model tells exactly these: by the same names, or because both mean
    /// negative, neutral and positive.
    #[must_use]
    pub fn places_in(&self, model: &BertConfig) -> Option<Vec<i64>> {
        if model.id2label.len() != self.0.len() {
            return None;
        }
        let named = |name: &String| {
            let class = model.id2label.iter().find(|(_, label)| *label == name);
            class.and_then(|(id, _)| id.parse().ok())
        };
        let places: Option<Vec<i64>> = self.0.iter().map(named).collect();
        places.or_else(|| self.as_sentiment(model)).filter(|places| {
            let count = places.len() as i64;
            places.iter().all(|place| (0..count).contains(place))
        })
    }

    fn as_sentiment(&self, model: &BertConfig) -> Option<Vec<i64>> {
        let theirs = model.sentiment_classes().ok()?;
        let mine = model.telling(&self.0).sentiment_classes().ok()?;
        let mut places = vec![0; 3];
        for (mine, theirs) in mine.into_iter().zip(theirs) {
            places[usize::try_from(mine).ok()?] = theirs;
        }
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn labels(names: &[&str]) -> Labels {
        Labels::of(names.iter().copied()).unwrap()
    }

    fn model(id2label: &Value) -> BertConfig {
        let config = json!({
            "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 64, "max_position_embeddings": 40, "hidden_act": "gelu", "id2label": id2label
        });
        BertConfig::parse(&config.to_string()).unwrap()
    }

    fn read_csv(csv: &str, column: &str) -> Result<Vec<Option<String>>, SkillError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, csv).unwrap();
        read(&path, &relevo_tables::describe(&path, None).unwrap(), column, &["t".to_owned()])
    }

    #[test]
    fn classes_are_sorted_and_numbers_by_their_value() {
        assert_eq!(labels(&["pos", "neg", "pos", "neu"]).0, ["neg", "neu", "pos"]);
        assert_eq!(labels(&["10", "9", "-1"]).0, ["-1", "9", "10"]);
    }

    #[test]
    fn too_few_and_too_many_classes_are_refused() {
        let long = "a".repeat(201);
        let many: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();

        for (names, words) in [
            (Vec::new(), "no row with text has one"),
            (vec!["a", "a"], "every label is `a`"),
            (many.iter().map(String::as_str).collect(), "there are 300"),
            (vec!["b", &long], "one has 201"),
        ] {
            let error = Labels::of(names).unwrap_err().to_string();
            assert!(error.starts_with("label_col: ") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn labels_are_read_as_text_and_empty_ones_are_none() {
        assert_eq!(read_csv("t,l\na, x \nb,\nc,y\n", "L").unwrap(), [Some("x".to_owned()), None, Some("y".to_owned())]);
        assert_eq!(read_csv("t,l\na,1\nb,2\n", "l").unwrap(), [Some("1".to_owned()), Some("2".to_owned())]);
        let error = read_csv("t,l\na,1\n", "clase").unwrap_err().to_string();
        assert_eq!(error, "label_col: there is no column `clase`; the table has the columns t, l");
    }

    #[test]
    fn a_column_of_the_text_holds_no_labels() {
        let error = read_csv("t,l\na,1\n", "T").unwrap_err().to_string();

        assert_eq!(error, "label_col: must be another column than that of the text, which `t` is");
    }

    #[test]
    fn a_models_classes_are_found_by_name_or_by_meaning() {
        let sentiment = model(&json!({"0": "POS", "1": "NEG", "2": "NEU"}));

        assert_eq!(labels(&["NEG", "NEU", "POS"]).places_in(&sentiment), Some(vec![1, 2, 0]));
        assert_eq!(labels(&["negativo", "neutro", "positivo"]).places_in(&sentiment), Some(vec![1, 2, 0]));
        assert_eq!(labels(&["a", "b", "c"]).places_in(&sentiment), None);
        assert_eq!(labels(&["NEG", "POS"]).places_in(&sentiment), None);
        assert_eq!(labels(&["b", "a"]).places_in(&model(&json!({"0": "b", "1": "a"}))), Some(vec![1, 0]));
        assert_eq!(labels(&["b", "a"]).places_in(&model(&json!({"4": "b", "5": "a"}))), None);
    }
}
