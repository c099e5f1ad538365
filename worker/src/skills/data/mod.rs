//! Tables made of tables: `data.unify` brings periods and datasets together, `data.features` adds what groups of rows have in
//! common. Neither drops a row.

mod features;
mod output;
mod unify;

#[cfg(feature = "torch")]
pub(crate) use self::features::is_figure_of;
pub(super) use self::{features::DataFeatures, unify::DataUnify};
