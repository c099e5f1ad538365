//! Who may ask: clients and workers, known by the hashes of their tokens.

mod directory;
mod entry;
mod lists;
pub mod token;

use std::{collections::HashMap, sync::Arc};

use relevo_shared::secret::Secret;
use subtle::ConstantTimeEq;

pub use directory::{BadClients, Directory};
pub use entry::{ClientEntry, Signatures, WorkerEntry};
use token::Hash;

use crate::domain::{quota::Plan, scope::Scope};

/// A system that may use the service.
#[derive(Debug)]
pub struct Client {
    /// Its name; jobs belong to it.
    pub name: String,
    /// What its tokens are for.
    pub scopes: Vec<Scope>,
    /// What it may take.
    pub plan: Plan,
    /// The user that its jobs are recorded under.
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// What its webhooks are signed with: the first signs, all are accepted.
    pub webhook_secrets: Vec<Secret>,
}

impl Client {
    /// Whether its tokens are for this.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether it may see what belongs to the client of this name.
    #[must_use]
    pub fn sees(&self, owner: &str) -> bool {
        self.name == owner || self.has(Scope::Admin)
    }
}

/// A token that workers come with.
#[derive(Debug, Clone)]
pub struct WorkerToken {
    /// The one worker that it is for; any worker when `None`.
    pub worker_id: Option<String>,
    /// What is asked of the signatures in what comes with it.
    pub signatures: Signatures,
    /// By which the tokens that were made from it name it.
    pub fingerprint: Fingerprint,
}

/// The first bytes of a token's hash.
pub type Fingerprint = [u8; 8];

/// Everybody who may ask, as it was at one instant.
#[derive(Debug, Default)]
pub struct Clients {
    clients: Owners<Arc<Client>>,
    workers: Owners<WorkerToken>,
    names: HashMap<String, Arc<Client>>,
}

impl Clients {
    /// The client whose token this is.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<&Arc<Client>> {
        self.clients.of(token)
    }

    /// The client of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Client>> {
        self.names.get(name)
    }

    /// What is known of this worker token.
    #[must_use]
    pub fn worker(&self, token: &str) -> Option<&WorkerToken> {
        self.workers.of(token)
    }

    /// The worker token with this fingerprint.
    #[must_use]
    pub fn worker_by_fingerprint(&self, fingerprint: Fingerprint) -> Option<&WorkerToken> {
        self.workers.0.get(&fingerprint)?.first().map(|(_, token)| token)
    }

    /// How many clients and how many worker tokens there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.names.len(), self.workers.len())
    }
}

/// The owners of tokens, found by the first bytes of the token's hash. These bytes say nothing of the token itself; the
/// whole hash is compared in constant time.
#[derive(Debug)]
struct Owners<T>(HashMap<Fingerprint, Vec<(Hash, T)>>);

impl<T> Default for Owners<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Owners<T> {
    fn insert(&mut self, hash: Hash, owner: T) {
        self.0.entry(start(&hash)).or_default().push((hash, owner));
    }

    fn of(&self, token: &str) -> Option<&T> {
        let hash = token::hash(token);
        let alike = self.0.get(&start(&hash))?;
        alike.iter().find(|(known, _)| bool::from(known.ct_eq(&hash))).map(|(_, owner)| owner)
    }

    fn contains(&self, hash: &Hash) -> bool {
        self.0.get(&start(hash)).is_some_and(|alike| alike.iter().any(|(known, _)| known == hash))
    }

    fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

fn start(hash: &Hash) -> Fingerprint {
    *hash.first_chunk().expect("a hash is longer than that")
}
