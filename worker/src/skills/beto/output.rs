//! Writes the source's rows with what was found beside them, in input order, as one Parquet file.

use std::{path::Path, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use relevo_tables::{Description, ParquetTableWriter, TableError, Written};

use super::{clean::Comment, features::WordFeatures, grades::Score, table::unreadable, verdict::Verdict};
use crate::skills::SkillError;

/// What was found of each row, column by column of the same length.
#[derive(Debug)]
pub struct Findings {
    /// The text at each stage.
    pub comments: Vec<Comment>,
    /// What the model says.
    pub verdicts: Vec<Verdict>,
    /// Base and score, where there are grades.
    pub scores: Option<Vec<(Option<f64>, Score)>>,
    /// Word features, where they were asked for.
    pub features: Option<WordFeatures>,
}

impl Findings {
    /// The new columns for the rows from `start` up to `end`.
    fn columns(&self, start: usize, end: usize) -> Vec<(String, ArrayRef)> {
        let (comments, verdicts) = (&self.comments[start..end], &self.verdicts[start..end]);
        let text =
            |of: fn(&Comment) -> &str| Arc::new(StringArray::from_iter_values(comments.iter().map(of))) as ArrayRef;
        let number =
            |of: fn(&Verdict) -> f64| Arc::new(Float64Array::from_iter_values(verdicts.iter().map(of))) as ArrayRef;
        let mut columns: Vec<(String, ArrayRef)> = [
            ("text_raw", text(|comment| &comment.raw)),
            ("text_clean", text(|comment| &comment.clean)),
            ("text_tokens", text(|comment| &comment.words)),
            ("has_text", Arc::new(BooleanArray::from_iter(comments.iter().map(|comment| Some(comment.has_text))))),
            ("p_neg", number(|verdict| verdict.p[0])),
            ("p_neu", number(|verdict| verdict.p[1])),
            ("p_pos", number(|verdict| verdict.p[2])),
            (
                "sentiment_label_teacher",
                Arc::new(StringArray::from_iter_values(verdicts.iter().map(|verdict| verdict.label.as_str()))),
            ),
            ("sentiment_conf", number(|verdict| verdict.confidence)),
            (
                "accepted_by_teacher",
                Arc::new(BooleanArray::from_iter(verdicts.iter().map(|verdict| Some(verdict.accepted)))),
            ),
        ]
        .map(|(name, column)| (name.to_owned(), column))
        .into();
        if let Some(scores) = &self.scores {
            columns.extend(score_columns(&scores[start..end]).map(|(name, column)| (name.to_owned(), column)));
        }
        if let Some(features) = &self.features {
            let rows = &features.rows[start..end];
            columns.extend((0..features.width()).map(|place| {
                let column = Float32Array::from_iter_values(rows.iter().map(|row| row[place] as f32));
                (format!("feat_t_{}", place + 1), Arc::new(column) as ArrayRef)
            }));
        }
        columns
    }
}

fn score_columns(scores: &[(Option<f64>, Score)]) -> [(&'static str, ArrayRef); 5] {
    let column = |of: fn(&(Option<f64>, Score)) -> Option<f64>| {
        Arc::new(Float64Array::from_iter(scores.iter().map(of))) as ArrayRef
    };
    [
        ("score_base_0_50", column(|&(base, _)| base)),
        ("sentiment_delta", column(|(_, score)| Some(score.delta))),
        ("sentiment_signal", column(|(_, score)| Some(score.signal))),
        ("sentiment_delta_points", column(|(_, score)| Some(score.points))),
        ("score_total_0_50", column(|(_, score)| score.total)),
    ]
}

/// Writes the source's rows with the findings beside them. Rows without text are left out unless `keep_empty`.
///
/// # Errors
/// As [`write_beside`].
pub fn write(
    source: &Path,
    description: &Description,
    findings: &Findings,
    keep_empty: bool,
    to: &Path,
) -> Result<Written, SkillError> {
    let columns = |start, end| findings.columns(start, end);
    let kept = |start: usize, end: usize| (!keep_empty).then(|| has_text(&findings.comments[start..end]));
    write_beside((source, description), findings.comments.len(), columns, kept, to)
}

/// Reads the source again, batch by batch, and writes its rows with new columns beside them. A source column that has the
/// name of a new one is replaced. `columns` and `kept` are given the numbers of a range of the `rows` that were read before: they
/// tell its new columns, and which of its rows are written where not all are.
///
/// # Errors
/// When the source cannot be read any more, or the file cannot be written.
pub fn write_beside(
    (source, description): (&Path, &Description),
    rows: usize,
    columns: impl Fn(usize, usize) -> Vec<(String, ArrayRef)>,
    kept_rows: impl Fn(usize, usize) -> Option<BooleanArray>,
    to: &Path,
) -> Result<Written, SkillError> {
    let reader = relevo_tables::open(source, description).map_err(unreadable)?;
    let new: Vec<(String, ArrayRef)> = columns(0, 0);
    let kept: Vec<usize> = (0..reader.schema().fields().len())
        .filter(|&place| new.iter().all(|(name, _)| name != reader.schema().field(place).name()))
        .collect();
    let source_fields = kept.iter().map(|&place| reader.schema().field(place).clone());
    let new_fields = new.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true));
    let schema: SchemaRef = Arc::new(Schema::new(source_fields.chain(new_fields).collect::<Vec<_>>()));
    let mut writer = ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| unwritable(&error))?;
    let mut start = 0;
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        let end = start + batch.num_rows();
        if rows < end {
            return Err(SkillError::Transient("the table grew while it was read".to_owned()));
        }
        let batch = beside(&batch, &kept, columns(start, end), &schema).and_then(|batch| {
            kept_rows(start, end).map_or_else(|| Ok(batch.clone()), |rows| filter_record_batch(&batch, &rows))
        });
        writer
            .write(&batch.map_err(|error| SkillError::Permanent(format!("the output cannot be laid out: {error}")))?)
            .map_err(|error| unwritable(&error))?;
        start = end;
    }
    writer.finish().map_err(|error| unwritable(&error))
}

fn beside(
    source: &RecordBatch,
    kept: &[usize],
    new: Vec<(String, ArrayRef)>,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let columns =
        kept.iter().map(|&place| Arc::clone(source.column(place))).chain(new.into_iter().map(|(_, column)| column));
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
}

fn has_text(comments: &[Comment]) -> BooleanArray {
    comments.iter().map(|comment| Some(comment.has_text)).collect()
}

fn unwritable(error: &TableError) -> SkillError {
    SkillError::ResourceExhausted(format!("the output cannot be written: {error}"))
}
