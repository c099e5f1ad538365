//! Datasets: where the refs of each table point, what people call the dataset, and every commit.

use std::collections::{BTreeMap, HashMap};

use relevo_shared::dataset::TableRef;

use super::{
    Result, Store,
    keys::Keys,
    script::{COMMIT_TABLE, Reply, corrupt},
};
use crate::domain::dataset::MAIN;

/// Commits that are read of one dataset, the latest.
const LATEST: isize = 1000;

/// A dataset as it is kept.
#[derive(Debug, Clone, Default)]
pub struct DatasetRecord {
    /// What people call it, where somebody has said.
    pub name: Option<String>,
    /// Where each ref points: its name, then table keys, then commits.
    pub refs: BTreeMap<String, BTreeMap<String, String>>,
    /// Every table where `main` points, by its key.
    pub tables: Vec<TableRef>,
    /// The latest commits of all tables, newest first.
    pub commits: Vec<TableRef>,
}

/// A dataset in a list.
#[derive(Debug, Clone)]
pub struct ListedDataset {
    /// Its name.
    pub id: String,
    /// What people call it, where somebody has said.
    pub name: Option<String>,
    /// The keys of its tables, sorted.
    pub tables: Vec<String>,
    /// When it was last written to, in milliseconds since 1970.
    pub updated_at: f64,
}

/// What a ref of a dataset points at.
#[derive(Debug, Clone, Default)]
pub struct FoundTable {
    /// The table; `None` when there is no such ref or commit. It says what people call its dataset.
    pub table: Option<TableRef>,
    /// The keys of all tables of the dataset, sorted; none when there is no dataset of this name.
    pub known: Vec<String>,
    /// The refs of the table that was asked for, sorted.
    pub refs: Vec<String>,
}

/// Where a commit is to be seen.
#[derive(Debug, Clone, Copy)]
pub struct CommitAs<'a> {
    /// The ref that will point at it.
    pub reference: &'a str,
    /// What people are to call the dataset from now on.
    pub name: Option<&'a str>,
}

/// The field of a table's ref among the heads.
fn head_field(table_key: &str, reference: &str) -> String {
    if reference == MAIN { table_key.to_owned() } else { format!("{table_key}@{reference}") }
}

/// Table key and ref of such a field.
fn read_head(field: &str) -> (&str, &str) {
    field.split_once('@').unwrap_or((field, MAIN))
}

fn commit_field(table_key: &str, commit: &str) -> String {
    format!("{table_key}@{commit}")
}

fn read(text: &str) -> Result<TableRef> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("table: {error}")))
}

fn keys_of<'a>(heads: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut keys: Vec<String> = heads.map(|field| read_head(field).0.to_owned()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl Store {
    /// Makes a table what a ref points at. Answers the reference that is kept: the older one when the same bytes were
    /// committed before.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn commit_table(&self, table: &TableRef, seen: CommitAs<'_>) -> Result<TableRef> {
        let text = serde_json::to_string(table).map_err(|error| corrupt(error.to_string()))?;
        let id = &table.dataset_id;
        let mut call = COMMIT_TABLE.key(Keys::dataset_heads(id));
        call.key(Keys::dataset_commits(id)).key(Keys::dataset_log(id));
        call.key(Keys::datasets()).key(Keys::dataset_names());
        call.arg(id).arg(head_field(&table.table_key, seen.reference)).arg(&table.commit_id);
        call.arg(commit_field(&table.table_key, &table.commit_id)).arg(text).arg(seen.name.unwrap_or_default());
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        read(&reply.next::<String>()?)
    }

    /// A dataset; `None` when there is none of this name.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn dataset(&self, id: &str) -> Result<Option<DatasetRecord>> {
        let mut connection = self.connections.get().await?;
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(Keys::dataset_heads(id)).cmd("HGET").arg(Keys::dataset_names()).arg(id);
        pipe.cmd("ZREVRANGE").arg(Keys::dataset_log(id)).arg(0).arg(LATEST - 1);
        let (heads, name, latest): (HashMap<String, String>, Option<String>, Vec<String>) =
            pipe.query_async(&mut connection).await?;
        if heads.is_empty() {
            return Ok(None);
        }
        let mut record = DatasetRecord { name, ..DatasetRecord::default() };
        for (field, commit) in heads {
            let (table, reference) = read_head(&field);
            record.refs.entry(reference.to_owned()).or_default().insert(table.to_owned(), commit);
        }
        let main = record.refs.get(MAIN).into_iter().flatten().map(|(table, commit)| commit_field(table, commit));
        let main: Vec<String> = main.collect();
        let mut command = redis::cmd("HMGET");
        command.arg(Keys::dataset_commits(id)).arg(&main).arg(&latest);
        let texts: Vec<Option<String>> = command.query_async(&mut connection).await?;
        let mut tables = texts.iter().flatten().map(|text| read(text));
        record.tables = tables.by_ref().take(main.len()).collect::<Result<_>>()?;
        record.commits = tables.collect::<Result<_>>()?;
        Ok(Some(record))
    }

    /// One table of a dataset where a ref points, or at the commit of this id.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn table(&self, id: &str, table_key: &str, source_ref: &str) -> Result<FoundTable> {
        let mut connection = self.connections.get().await?;
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(Keys::dataset_heads(id)).cmd("HGET").arg(Keys::dataset_names()).arg(id);
        let (heads, name): (HashMap<String, String>, Option<String>) = pipe.query_async(&mut connection).await?;
        let commit = heads.get(&head_field(table_key, source_ref)).map_or(source_ref, String::as_str);
        let mut command = redis::cmd("HGET");
        command.arg(Keys::dataset_commits(id)).arg(commit_field(table_key, commit));
        let text: Option<String> = command.query_async(&mut connection).await?;
        let table = text.map(|text| read(&text)).transpose()?;
        let refs = heads.keys().map(|field| read_head(field)).filter(|(key, _)| *key == table_key);
        let mut refs: Vec<String> = refs.map(|(_, reference)| reference.to_owned()).collect();
        refs.sort_unstable();
        Ok(FoundTable {
            table: table.map(|table| TableRef { dataset_name: Some(name.unwrap_or_else(|| id.to_owned())), ..table }),
            known: keys_of(heads.keys()),
            refs,
        })
    }

    /// Every dataset, the one that was written to last first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn datasets(&self, limit: usize) -> Result<Vec<ListedDataset>> {
        let mut connection = self.connections.get().await?;
        let mut newest = redis::cmd("ZREVRANGE");
        newest.arg(Keys::datasets()).arg(0).arg(limit.saturating_sub(1)).arg("WITHSCORES");
        let ids: Vec<(String, f64)> = newest.query_async(&mut connection).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (mut names, mut heads) = (redis::cmd("HMGET"), redis::pipe());
        names.arg(Keys::dataset_names());
        for (id, _) in &ids {
            names.arg(id);
            heads.cmd("HKEYS").arg(Keys::dataset_heads(id));
        }
        let names: Vec<Option<String>> = names.query_async(&mut connection).await?;
        let heads: Vec<Vec<String>> = heads.query_async(&mut connection).await?;
        let listed = ids.into_iter().zip(names).zip(heads);
        Ok(listed
            .map(|(((id, updated_at), name), heads)| ListedDataset {
                id,
                name,
                tables: keys_of(heads.iter()),
                updated_at,
            })
            .collect())
    }
}
