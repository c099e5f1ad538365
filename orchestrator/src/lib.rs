//! The orchestrator of Relevo: takes jobs over HTTP, turns them into tasks by blueprint, hands tasks to workers.
//!
//! State lives in Redis; any number of replicas may run and any of them may be killed at any moment. Imports go one
//! way: `cli → http, duties → webhooks → engine, dispatch, live → store → domain → relevo-shared`.

pub mod blobs;
pub mod catalogue;
pub mod cli;
pub mod clients;
pub mod dispatch;
pub mod domain;
pub mod duties;
pub mod engine;
pub mod error;
pub mod explain;
pub mod http;
pub mod intake;
pub mod live;
pub mod metrics;
pub mod network;
pub mod overview;
pub mod quota;
pub mod rows;
pub mod settings;
pub mod store;
pub mod time;
pub mod traces;
pub mod view;
pub mod webhooks;
