//! `relevo validate FILE…`: tells every fault of every file, with its place.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

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
            Ok(line) => drop(writeln!(out, "{line}")),
            Err(faults) => {
                sound = false;
                for fault in faults {
                    drop(writeln!(err, "{fault}"));
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
