//! Stories over the whole system: real processes, a real Redis, real HTTP.

mod api_docs;
mod beto;
mod cli;
mod clients;
mod datasets;
mod drain;
mod endings;
mod fans;
mod files;
mod frugal;
mod idempotency;
mod jobs;
mod leases;
mod limits;
mod logs;
mod metrics;
mod outages;
mod polls;
mod refusals;
mod traces;
