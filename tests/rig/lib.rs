//! The rig of the stories: real processes on free ports in temporary folders, each ended when its value is dropped.
//!
//! Nothing here sleeps for a fixed time: what is waited for is looked at again and again until a deadline.

#![allow(clippy::missing_panics_doc, reason = "a rig panics where a test should fail")]

mod api;
mod clients;
mod events;
mod hand;
mod process;
mod receiver;
mod redis;
mod relevo;
mod samples;
mod sdk;
mod socket;
mod until;
mod worker;

pub use api::{Answer, Api, text};
pub use clients::{ListFile, client_entry, worker_entry};
pub use events::{Event, Events};
pub use hand::Hand;
pub use process::{Process, program};
pub use receiver::{Received, Receiver, Reply};
pub use redis::{Durability, Redis, calls, forget_calls};
pub use relevo::{Relevo, repository};
pub use samples::{Ran, Sample};
pub use sdk::SdkWorker;
pub use socket::Socket;
pub use until::{SOON, until};
pub use worker::Worker;
