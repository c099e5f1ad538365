//! States that open branches, compiled: Parallel and Map.

use super::{
    model::{Given, StateIndex},
    template::Template,
    work::Work,
};

/// A state whose branches are written in the file, each with a machine of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parallel {
    pub(super) parameters: Option<Template>,
    /// The first state of each branch.
    pub(super) branches: Vec<Processor>,
    pub(super) work: Work,
}

/// A state that opens one branch for each item, or batch of items, of an array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MapState {
    /// `ItemsPath` or `Items`: the array; absent where the state's input is the array.
    pub(super) items: Option<Template>,
    /// `ItemSelector`: what a branch gets for an item.
    pub(super) selector: Option<Template>,
    pub(super) processor: Processor,
    pub(super) batcher: Option<Batcher>,
    /// 0 stands for no limit.
    pub(super) max_concurrency: Option<Given<u32>>,
    pub(super) tolerated: Tolerated,
    pub(super) work: Work,
}

/// The machine of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processor {
    pub(super) start: StateIndex,
    /// Whether its states may look at the context object's `Map`, which is then carried along.
    pub(super) wants_item: bool,
}

/// How many items go into one branch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batcher {
    /// What every batch gets beside its items.
    pub(super) input: Option<Template>,
    pub(super) max_items: Option<Given<u32>>,
    pub(super) max_bytes: Option<Given<u32>>,
}

/// How many branches may fail before the state does; it fails at the first where neither is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tolerated {
    pub(super) count: Option<Given<u32>>,
    /// From 0 to 100.
    pub(super) percentage: Option<Given<f64>>,
}

impl Tolerated {
    /// Whether the state says how many.
    pub(super) const fn is_given(&self) -> bool {
        self.count.is_some() || self.percentage.is_some()
    }
}
