//! What an error of libtorch means for a task.

use tch::TchError;

use crate::skills::SkillError;

/// What an error of libtorch means for the task.
#[must_use]
pub fn torch_error(error: &TchError) -> SkillError {
    let text = error.to_string();
    // libtorch has one error type; the allocators of both devices say this much.
    let sentence = text.lines().next().unwrap_or_default().to_owned();
    if text.contains("out of memory") || text.contains("can't allocate memory") {
        SkillError::ResourceExhausted(sentence)
    } else {
        SkillError::Permanent(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_told_apart_by_one_sentence() {
        let of = |text: &str| torch_error(&TchError::Torch(text.to_owned()));

        for text in ["CUDA out of memory. Tried to allocate 2 GiB\n at a", "DefaultCPUAllocator: can't allocate memory"]
        {
            let SkillError::ResourceExhausted(sentence) = of(text) else { panic!("{text}") };
            assert!(sentence.contains("memory") && !sentence.contains('\n'), "{sentence}");
        }
        assert_eq!(of("shapes differ").code(), "PERMANENT");
    }
}
