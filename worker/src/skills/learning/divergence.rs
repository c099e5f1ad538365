//! What it means for a task when its training runs away: losses, gradients or weights that are no finite numbers any more. Pure.

use std::fmt::Display;

use crate::skills::SkillError;

/// The end of a training that ran away in a step of an epoch, both counted from 1.
///
/// `rate` is the learning rate with its field's name: what a person has to change, so trying again would not help. `what` says in which
/// figure it shows. `kept` is the last epoch in the checkpoint, which stays as it was.
#[must_use]
pub fn ran_away(
    (field, rate): (&str, f64),
    (epoch, step): (u32, u64),
    what: impl Display,
    kept: Option<u32>,
) -> SkillError {
    let stays = kept.map_or_else(String::new, |kept| format!("; the checkpoint of epoch {kept} stays"));
    let reason = format!(
        "the training ran away in epoch {epoch}, step {step}: {what}; a smaller learning rate than {rate} would be right{stays}"
    );
    SkillError::invalid(field, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_that_ran_away_names_its_rate_its_step_and_what_is_left() {
        let [bare, kept] = [None, Some(2)].map(|kept| ran_away(("lr", 0.5), (3, 7), "the loss is NaN", kept));

        let told = "lr: the training ran away in epoch 3, step 7: the loss is NaN; a smaller learning rate than 0.5 would be right";
        assert_eq!((bare.code(), bare.to_string()), ("INVALID_INPUT", told.to_owned()));
        assert_eq!(kept.to_string(), format!("{told}; the checkpoint of epoch 2 stays"));
    }
}
