//! What the faults of tables and of DataFusion mean for a task.

use datafusion::error::DataFusionError;
use relevo_tables::TableError;

use crate::skills::SkillError;

/// What a table's fault means for the task. `field` is the parameter that named the table.
#[must_use]
pub fn table_error(field: &str, error: TableError) -> SkillError {
    match error {
        TableError::Io(error) => SkillError::Transient(format!("the table cannot be read: {error}")),
        TableError::Write(reason) => SkillError::ResourceExhausted(format!("the table cannot be written: {reason}")),
        other => SkillError::invalid(field, other.to_string()),
    }
}

/// What a fault of DataFusion means for the task. `field` is the parameter that named the table.
#[must_use]
pub fn data_error(field: &str, error: &DataFusionError) -> SkillError {
    let root = error.find_root();
    let reason = root.message();
    match root {
        DataFusionError::ResourcesExhausted(_) => {
            SkillError::ResourceExhausted(format!("the rows need more memory or disk than there is: {reason}"))
        }
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => {
            SkillError::Transient(format!("the table cannot be read or written: {reason}"))
        }
        // What the rows hold: a cast that fails, a division by zero, a page that is broken.
        DataFusionError::ArrowError(..) | DataFusionError::ParquetError(_) | DataFusionError::Execution(_) => {
            SkillError::invalid(field, reason.into_owned())
        }
        _ => SkillError::Permanent(reason.into_owned()),
    }
}
