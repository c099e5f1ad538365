//! Reads a condition on the columns of a table, written in SQL, and says what is wrong with it. Never touches a row.
//!
//! A condition is one SQL *expression*. [`Condition::read`] parses it, checks every name and every type against the
//! [`Columns`] of a table, and gives a logical expression that DataFusion can run. What looks beyond the row
//! (statements, sub-queries, aggregates, the clock, chance) is refused, and so is a text whose reading could exhaust
//! the stack.

mod columns;
mod condition;
mod fault;
mod functions;
mod kinds;
mod syntax;
mod tokens;
mod types;

pub use columns::Columns;
pub use condition::Condition;
pub use fault::Fault;
pub use functions::function_names;
