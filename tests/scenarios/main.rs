//! Stories over the whole system: real processes, a real Redis, real HTTP.

mod api_docs;
mod beto;
mod cli;
mod datasets;
mod drain;
mod endings;
mod fans;
mod field;
mod files;
mod frugal;
mod jobs;
mod leases;
mod metrics;
mod outages;
mod polls;
mod refusals;
mod sdk;
mod sockets;
mod worker_tokens;
