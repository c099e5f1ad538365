//! Stories over the whole system: real processes, a real Redis, real HTTP.

mod api_docs;
mod beto;
mod blueprint_folder;
mod cli;
mod clients;
mod datasets;
mod drain;
mod endings;
mod fans;
mod field;
mod files;
mod frugal;
mod idempotency;
mod jobs;
mod leases;
mod limits;
mod metrics;
mod outages;
mod overview;
mod polls;
mod refusals;
mod schedules;
mod sdk;
mod sockets;
mod traces;
mod worker_tokens;
