//! Jobs while they run: what workers tell goes in here, gathered; what those see who watch goes out, in order.
//!
//! Nothing is kept here for a watcher but its place: it reads from Redis what comes after it, when it can take it.

mod feed;
mod message;
mod reports;
mod watchers;

pub use feed::{Feed, Wish};
pub use message::Message;
pub use reports::Reports;
pub use watchers::{Transport, Watchers};
