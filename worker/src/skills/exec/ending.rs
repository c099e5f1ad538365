//! What the end of a program means for its task. Pure.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::Signal;

use crate::skills::SkillError;

/// What the end means; none when it is a success. `tail` is what the program wrote last to its standard error.
pub(super) fn fault(status: ExitStatus, tail: &str) -> Option<SkillError> {
    let message = |what: String| if tail.is_empty() { what } else { format!("{what}: {tail}") };
    if let Some(signal) = status.signal() {
        let name =
            name_of(signal).map_or_else(|| format!("signal {signal}"), |name| format!("signal {signal} ({name})"));
        let message = message(format!("the program was ended by {name}"));
        // Nobody here sends it before the program had time to stop; the kernel does when memory runs out.
        let out_of_memory = signal == Signal::KILL.as_raw();
        return Some(if out_of_memory {
            SkillError::ResourceExhausted(message)
        } else {
            SkillError::Transient(message)
        });
    }
    let code = status.code().unwrap_or_default();
    let message = message(format!("the program ended with exit code {code}"));
    Some(match code {
        0 => return None,
        // The names are those of sysexits.h: EX_USAGE and EX_DATAERR.
        64 | 65 => SkillError::InvalidInput { message, details: Vec::new() },
        // EX_UNAVAILABLE, EX_TEMPFAIL, and what a shell makes of SIGTERM.
        69 | 75 | 143 => SkillError::Transient(message),
        // EX_OSERR ("cannot fork"), and what a shell makes of SIGKILL.
        71 | 137 => SkillError::ResourceExhausted(message),
        _ => SkillError::Permanent(message),
    })
}

fn name_of(signal: i32) -> Option<&'static str> {
    Some(match Signal::from_named_raw(signal)? {
        Signal::HUP => "SIGHUP",
        Signal::INT => "SIGINT",
        Signal::ILL => "SIGILL",
        Signal::ABORT => "SIGABRT",
        Signal::BUS => "SIGBUS",
        Signal::FPE => "SIGFPE",
        Signal::KILL => "SIGKILL",
        Signal::SEGV => "SIGSEGV",
        Signal::PIPE => "SIGPIPE",
        Signal::TERM => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_code(code: i32) -> Option<&'static str> {
        fault(ExitStatus::from_raw(code << 8), "").map(|fault| fault.code())
    }

    #[test]
    fn exit_codes_mean_what_the_guide_says() {
        assert_eq!(of_code(0), None);
        for (codes, meaning) in [
            (&[64, 65][..], "INVALID_INPUT"),
            (&[69, 75, 143], "TRANSIENT"),
            (&[71, 137], "RESOURCE_EXHAUSTED"),
            (&[1, 2, 3, 126, 127, 255], "PERMANENT"),
        ] {
            for code in codes {
                assert_eq!(of_code(*code), Some(meaning), "{code}");
            }
        }
    }

    #[test]
    fn a_program_ended_by_a_signal_may_run_again() {
        let of = |signal| fault(ExitStatus::from_raw(signal), "last words").unwrap();

        assert_eq!(
            of(11),
            SkillError::Transient("the program was ended by signal 11 (SIGSEGV): last words".to_owned())
        );
        assert_eq!(of(9).code(), "RESOURCE_EXHAUSTED");
    }
}
