//! Boltzmann machines: what they are and how they learn.

pub mod machine;
