//! Boltzmann machines: `rbm.train` learns one from the numbers of a table, `rbm.transform` and `rbm.predict` use it.
//!
//! A [`plan`](parameters) says what is to be learnt; a table becomes a [`matrix`], which is [`prepared`] with scales that come from
//! the training rows; a [`run`] learns epoch by epoch and can be taken up again; what came out of it is a folder of [`artefacts`].

mod apply;
pub mod artefacts;
pub mod evaluation;
pub mod head;
mod likelihood;
pub mod machine;
pub mod matrix;
mod memory;
pub mod parameters;
pub mod prepared;
pub mod preprocess;
pub mod run;
mod stage;
pub mod standing;
mod train;
pub mod trained;

pub(in crate::skills) use self::train::{load, parts, room_of};
pub use self::{
    apply::{RbmPredict, RbmTransform},
    train::RbmTrain,
};
