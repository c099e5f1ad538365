//! The deployment's secret: made once, the same for every replica, known to nobody else.

use std::sync::{Mutex, PoisonError};

use super::{Result, Store, keys::Keys};

/// The secret as this replica knows it; none until it was asked for.
pub(super) type Known = Mutex<Option<Vec<u8>>>;

impl Store {
    /// 32 random bytes, from memory where they are known.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn secret(&self) -> Result<Vec<u8>> {
        match self.known_secret() {
            Some(secret) => Ok(secret),
            None => self.agree_on_secret().await,
        }
    }

    /// The secret as Redis has it. A Redis that was emptied gets back the one that this replica knows; where there was none,
    /// it is made by whichever replica asks first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn agree_on_secret(&self) -> Result<Vec<u8>> {
        let offered = self.known_secret().unwrap_or_else(|| {
            let mut fresh = vec![0; 32];
            getrandom::fill(&mut fresh).expect("the operating system has random numbers");
            fresh
        });
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(Keys::secret()).arg(offered).arg("NX").ignore();
        pipe.cmd("GET").arg(Keys::secret());
        let (kept,): (Vec<u8>,) = pipe.query_async(&mut self.connections.get().await?).await?;
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.clone());
        Ok(kept)
    }

    fn known_secret(&self) -> Option<Vec<u8>> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
