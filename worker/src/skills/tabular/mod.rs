//! A table that a job is pinned to, opened for DataFusion in memory that does not grow with it.
//!
//! A skill brings the table here with [`LocalTable::fetch`], makes a [`session`] for its task, and reads the table as a
//! [`LocalTable::frame`] or straight from the Parquet file.

mod column;
mod fault;
mod local;
mod session;

pub(crate) use self::{column::column, local::convert};
pub use self::{
    fault::{data_error, table_error},
    local::LocalTable,
    session::{MEMORY_BYTES, session, session_with},
};
