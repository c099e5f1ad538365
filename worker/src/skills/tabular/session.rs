//! A DataFusion session whose memory is bounded, and which spills into the task's work folder.

use std::sync::Arc;

use datafusion::{
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
    prelude::{SessionConfig, SessionContext},
};

use super::data_error;
use crate::{context::TaskContext, skills::SkillError};

/// Memory that the rows of one task may take; what needs more is sorted and grouped on disk.
pub const MEMORY_BYTES: usize = 512 << 20;
/// The disk's own size is the bound: what is spilled lies beside the table itself.
const SPILL_BYTES: u64 = u64::MAX;

/// A session for one task: as many threads as there are cores, at most [`MEMORY_BYTES`] of memory, the rest in files of
/// the task's work folder.
///
/// # Errors
/// `Transient` when the work folder cannot be written to.
pub fn session(context: &TaskContext) -> Result<SessionContext, SkillError> {
    session_with(context, SessionConfig::new().with_information_schema(false))
}

/// The same with more said about how it works.
///
/// # Errors
/// As for [`session`].
pub fn session_with(context: &TaskContext, config: SessionConfig) -> Result<SessionContext, SkillError> {
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![context.work_dir().join("spill")]))
        .with_max_temp_directory_size(SPILL_BYTES);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES)))
        .with_disk_manager_builder(spill)
        .build_arc()
        .map_err(|error: DataFusionError| data_error("source", &error))?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}
