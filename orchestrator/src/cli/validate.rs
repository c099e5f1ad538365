//! `relevo validate FILE…`: tells every fault of every file, with its place.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::output::harmless;
use crate::domain::blueprint::Blueprint;

/// Checks blueprint files: one line for each sound file on standard output, one for each fault on standard error.
///
/// Fails when a file cannot be read or has a fault.
#[must_use]
pub(super) fn validate(files: &[PathBuf]) -> ExitCode {
    // A closed pipe (`relevo validate … | head`) is no reason to judge the files differently.
    let sound = report(files, &mut io::stdout().lock(), &mut io::stderr().lock());
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(files: &[PathBuf], out: &mut impl Write, err: &mut impl Write) -> bool {
    let mut sound = true;
    for file in files {
        match check(file) {
            Ok(line) => drop(writeln!(out, "{}", harmless(&line))),
            Err(faults) => {
                sound = false;
                for fault in faults {
                    drop(writeln!(err, "{}", harmless(&fault)));
                }
            }
        }
    }
    sound
}

/// One line about a sound file, or one for each fault in the form that editors know: `file:line:column: what`.
fn check(file: &Path) -> Result<String, Vec<String>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| vec![format!("{shown}: cannot be read: {e}")])?;
    match Blueprint::parse(&text) {
        Ok(blueprint) => {
            let Blueprint { name, version, endpoint, .. } = &blueprint;
            let states = blueprint.machine.state_names().count();
            let plural = if states == 1 { "" } else { "s" };
            Ok(format!("{shown}: ok: {name} {version} at {endpoint}, {states} state{plural}"))
        }
        Err(faults) => Err(faults
            .iter()
            .map(|fault| match fault.line {
                Some(_) => format!("{shown}:{fault}"),
                None => format!("{shown}: {fault}"),
            })
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written about these files, and whether all are sound.
    fn told(files: &[PathBuf]) -> (String, String, bool) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let sound = report(files, &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("it is UTF-8");
        (text(out), text(err), sound)
    }

    #[test]
    fn a_sound_file_gets_one_line() {
        let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../blueprints/echo.yaml"));

        let (out, err, sound) = told(std::slice::from_ref(&file));

        assert_eq!(out, format!("{}: ok: echo 1 at /jobs/echo, 1 state\n", file.display()));
        assert_eq!((err.as_str(), sound), ("", true));
    }

    #[test]
    fn every_fault_of_every_file_is_told_with_its_place() {
        let cargo_toml = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let absent = PathBuf::from("/nowhere/blueprint.yaml");
        let faulty = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/blueprints/faulty.yaml"));

        let (out, err, sound) = told(&[cargo_toml.clone(), absent, faulty.clone()]);

        let lines: Vec<&str> = err.lines().collect();
        assert!(lines[0].starts_with(&format!("{}:2:1: this is no YAML", cargo_toml.display())), "{err}");
        assert!(lines[1].starts_with("/nowhere/blueprint.yaml: cannot be read: "), "{err}");
        assert_eq!(
            lines[2],
            format!(
                "{}:4:1: endpoint: must be words with a `/` before each, for example `/jobs/my_blueprint`",
                faulty.display()
            )
        );
        assert_eq!(
            lines[3],
            format!("{}:10:7: definition.States.Work.Nxet: unknown field (did you mean `Next`?)", faulty.display())
        );
        assert_eq!((out.as_str(), sound), ("", false));
    }
}
