//! The scripts of the store, one by one on a real Redis, with nothing above them: what each answers when the world has moved on.

mod fans;
mod fixture;
mod jobs;
mod lists;
mod packing;
mod removal;
mod reports;
mod schedules;
mod tasks;
mod webhooks;
mod workers;
