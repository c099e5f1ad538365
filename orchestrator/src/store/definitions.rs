//! Pinned blueprints and the sets of requirements that tasks asked for.

use std::collections::HashMap;

use super::{Result, Store, keys::Keys};

impl Store {
    /// Keeps the text of a blueprint under its hash, for ever.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pin_blueprint(&self, hash: &str, text: &str) -> Result<()> {
        let mut connection = self.connections.get().await?;
        Ok(redis::cmd("SETNX").arg(Keys::definition(hash)).arg(text).query_async::<()>(&mut connection).await?)
    }

    /// The text of a pinned blueprint.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pinned_blueprint(&self, hash: &str) -> Result<Option<String>> {
        let mut connection = self.connections.get().await?;
        Ok(redis::cmd("GET").arg(Keys::definition(hash)).query_async(&mut connection).await?)
    }

    /// Notes which requirements a queue stands for.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn note_requirements(&self, queue: &str, requirements: &str) -> Result<()> {
        let mut connection = self.connections.get().await?;
        let mut command = redis::cmd("HSETNX");
        command.arg(Keys::requirements()).arg(queue).arg(requirements);
        Ok(command.query_async::<()>(&mut connection).await?)
    }

    /// Queue to requirements, as JSON, for every queue that has any.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn requirements(&self) -> Result<HashMap<String, String>> {
        let mut connection = self.connections.get().await?;
        Ok(redis::cmd("HGETALL").arg(Keys::requirements()).query_async(&mut connection).await?)
    }
}
