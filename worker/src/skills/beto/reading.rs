//! The way from a request to tokens: the table comes here, its texts are cleaned and tokenised.

use std::{path::PathBuf, sync::Arc};

use relevo_shared::job::LogLevel;
use relevo_tables::Description;
use serde_json::json;

use super::{
    clean::Comment,
    request::{Request, Source},
    table::{Rows, unreadable},
    tokens::{BertTokenizer, Tokens},
};
use crate::{
    context::TaskContext,
    skills::{SkillError, off_the_clock},
};

/// A table on this machine.
#[derive(Debug, Clone)]
pub struct Table {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub description: Description,
}

/// Brings the table here and reads its texts.
///
/// # Errors
/// `InvalidInput` when the table or its text column cannot be read; else as a download fails.
pub async fn bring(request: &Request, context: &TaskContext) -> Result<(Table, Rows), SkillError> {
    let path = context.work_dir().join("source");
    let (uri, format) = match &request.source {
        Source::Table(table) => (&table.uri, Some(table.format)),
        Source::Input(uri) => (uri, relevo_tables::sniff_format(None, Some(uri), &[])),
    };
    context.download(uri, &path).await?;
    let request = request.clone();
    let (table, rows) = off_the_clock(move || {
        let description = match &request.source {
            Source::Table(table) => Description::from(table.as_ref()),
            Source::Input(_) => relevo_tables::describe(&path, format).map_err(unreadable)?,
        };
        let rows = Rows::read(&path, &description, request.text_col.as_ref())?;
        Ok((Table { path, description }, rows))
    })
    .await?;
    let grades: Vec<&str> = rows.grades.iter().map(|(name, _)| name.as_str()).collect();
    let facts = json!({ "rows": rows.texts.len(), "text_columns": rows.text_columns, "grade_columns": grades });
    context.log(LogLevel::Info, format!("read {} rows", rows.texts.len()), Some(facts));
    Ok((table, rows))
}

/// Cleans all texts, and tokenises those that say something with the tokenizer in the folder `model`; a row without text has no
/// tokens.
///
/// # Errors
/// When the folder holds no tokenizer.
pub async fn prepare(
    request: &Request,
    texts: Vec<String>,
    model: PathBuf,
    max_length: usize,
) -> Result<(Vec<Comment>, Vec<Option<Arc<Tokens>>>), SkillError> {
    let (normalize, min_tokens) = (request.normalize_text, request.min_tokens);
    off_the_clock(move || {
        let tokenizer = BertTokenizer::read(&model)?;
        let comments: Vec<Comment> = texts.into_iter().map(|text| Comment::new(text, normalize, min_tokens)).collect();
        let speaking: Vec<&str> =
            comments.iter().filter(|comment| comment.has_text).map(|comment| comment.clean.as_str()).collect();
        let mut encoded = tokenizer.encode(&speaking, max_length)?.into_iter();
        let tokens =
            comments.iter().map(|comment| if comment.has_text { encoded.next().map(Arc::new) } else { None }).collect();
        Ok((comments, tokens))
    })
    .await
}
