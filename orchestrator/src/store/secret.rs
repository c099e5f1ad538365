//! The deployment's secret: made once, the same for every replica, known to nobody else.

use super::{Result, Store, keys::Keys};

impl Store {
    /// 32 random bytes, made by whichever replica asks first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn secret(&self) -> Result<Vec<u8>> {
        if let Some(secret) = self.secret.get() {
            return Ok(secret.clone());
        }
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).expect("the operating system has random numbers");
        let (kept,): (Vec<u8>,) = redis::pipe()
            .cmd("SET")
            .arg(Keys::secret())
            .arg(&fresh)
            .arg("NX")
            .ignore()
            .cmd("GET")
            .arg(Keys::secret())
            .query_async(&mut self.connections.get().await?)
            .await?;
        Ok(self.secret.get_or_init(|| kept).clone())
    }
}
