//! Datasets: the head of each table and every commit.

use std::collections::HashMap;

use relevo_shared::dataset::TableRef;

use super::{
    Result, Store,
    keys::Keys,
    script::{COMMIT_TABLE, Reply, corrupt},
};

/// A dataset as it is kept.
#[derive(Debug, Clone, Default)]
pub struct DatasetRecord {
    /// Table key to the commit that is its head.
    pub heads: HashMap<String, String>,
    /// Every commit of every table.
    pub commits: Vec<TableRef>,
}

impl DatasetRecord {
    /// A table at its head.
    #[must_use]
    pub fn head(&self, table_key: &str) -> Option<&TableRef> {
        let commit = self.heads.get(table_key)?;
        self.commits.iter().find(|table| table.table_key == table_key && table.commit_id == *commit)
    }
}

fn read(text: &str) -> Result<TableRef> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("table: {error}")))
}

impl Store {
    /// Makes a table the head of its key. Answers the reference that is kept: the older one when the same bytes were
    /// uploaded before.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn commit_table(&self, table: &TableRef) -> Result<TableRef> {
        let text = serde_json::to_string(table).map_err(|error| corrupt(error.to_string()))?;
        let mut call = COMMIT_TABLE.key(Keys::dataset_heads(&table.dataset_id));
        call.key(Keys::dataset_commits(&table.dataset_id)).key(Keys::datasets());
        call.arg(&table.dataset_id).arg(&table.table_key).arg(&table.commit_id).arg(text);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        read(&reply.next::<String>()?)
    }

    /// A dataset; `None` when there is none of this name.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn dataset(&self, id: &str) -> Result<Option<DatasetRecord>> {
        let (heads, commits): (HashMap<String, String>, HashMap<String, String>) = redis::pipe()
            .cmd("HGETALL")
            .arg(Keys::dataset_heads(id))
            .cmd("HGETALL")
            .arg(Keys::dataset_commits(id))
            .query_async(&mut self.connections.get().await?)
            .await?;
        if heads.is_empty() {
            return Ok(None);
        }
        let commits = commits.values().map(|text| read(text)).collect::<Result<_>>()?;
        Ok(Some(DatasetRecord { heads, commits }))
    }

    /// One table of a dataset at a commit, or at its head for `main`, with the keys of all tables of the dataset; these
    /// are none when there is no dataset of this name.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn table(&self, id: &str, table_key: &str, source_ref: &str) -> Result<(Option<TableRef>, Vec<String>)> {
        let mut connection = self.connections.get().await?;
        let heads: HashMap<String, String> =
            redis::cmd("HGETALL").arg(Keys::dataset_heads(id)).query_async(&mut connection).await?;
        let commit = if source_ref == "main" { heads.get(table_key).map(String::as_str) } else { Some(source_ref) };
        let mut found = None;
        if let Some(commit) = commit {
            let mut command = redis::cmd("HGET");
            command.arg(Keys::dataset_commits(id)).arg(format!("{table_key}@{commit}"));
            let text: Option<String> = command.query_async(&mut connection).await?;
            found = text.map(|text| read(&text)).transpose()?;
        }
        let mut keys: Vec<String> = heads.into_keys().collect();
        keys.sort_unstable();
        Ok((found, keys))
    }

    /// Every dataset with the instant of its last upload in milliseconds since 1970 and the keys of its tables, the newest
    /// first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn datasets(&self, limit: usize) -> Result<Vec<(String, f64, Vec<String>)>> {
        let mut connection = self.connections.get().await?;
        let mut newest = redis::cmd("ZREVRANGE");
        newest.arg(Keys::datasets()).arg(0).arg(limit.saturating_sub(1)).arg("WITHSCORES");
        let ids: Vec<(String, f64)> = newest.query_async(&mut connection).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (id, _) in &ids {
            pipe.cmd("HKEYS").arg(Keys::dataset_heads(id));
        }
        let keys: Vec<Vec<String>> = pipe.query_async(&mut connection).await?;
        Ok(ids.into_iter().zip(keys).map(|((id, at), keys)| (id, at, keys)).collect())
    }
}
