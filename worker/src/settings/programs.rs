//! Programs that are skills: the tables `[skills.<name>]` of the settings' file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use relevo_shared::SkillName;
use serde::{Deserialize, Serialize};

use super::Faults;

/// A program gets at most this long between SIGTERM and SIGKILL: a skill that takes longer to stop is abandoned.
const LONGEST_STOP: u64 = 8;
const USUAL_STOP: u64 = 5;
/// A week.
const LONGEST_RUN: u64 = 604_800;

/// As it stands in the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenProgram {
    command: Vec<String>,
    #[serde(default)]
    folder: Option<PathBuf>,
    #[serde(default)]
    inputs: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    keep_env: Vec<String>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    stop_seconds: Option<u64>,
}

/// A program that is a skill.
#[derive(Debug, Clone)]
pub struct Program {
    /// The skill's name.
    pub name: SkillName,
    /// The program, found.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// Parameters that name files in S3, which are brought here before it starts.
    pub inputs: Vec<String>,
    /// Variables of its own.
    pub env: BTreeMap<String, String>,
    /// Variables of the worker that it gets although they may hold secrets.
    pub keep_env: Vec<String>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How long it has between SIGTERM and SIGKILL.
    pub stop: Duration,
}

/// Judges the programs; `file` is where they were read from.
pub(super) fn judged(given: BTreeMap<String, GivenProgram>, file: Option<&Path>, faults: &mut Faults) -> Vec<Program> {
    let beside = file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    given.into_iter().filter_map(|(name, program)| one(&name, program, &beside, faults)).collect()
}

fn one(name: &str, given: GivenProgram, beside: &Path, faults: &mut Faults) -> Option<Program> {
    let setting = |field: &str| format!("skills.{name}.{field}");
    let before = faults.0.len();
    let skill = name.parse::<SkillName>();
    let skill = skill.map_err(|fault| faults.add(&format!("skills.{name}"), &format!("must be {}", fault.form))).ok();
    // The name of a file alone lies in this folder.
    let folder = Path::new(".").join(beside).join(given.folder.unwrap_or_default());
    // A program runs elsewhere than the worker: what is relative here would not be there.
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    if !folder.is_dir() {
        faults.add(&setting("folder"), &format!("{} is not a folder", folder.display()));
    }
    let program = match given.command.first().filter(|program| !program.is_empty()) {
        None => {
            faults.add(&setting("command"), "must name a program, then its arguments");
            None
        }
        Some(program) => {
            let found = which::which_in(program, std::env::var_os("PATH"), &folder);
            let missing = |_| {
                let place = if program.contains('/') { folder.display().to_string() } else { "the PATH".to_owned() };
                faults.add(&setting("command"), &format!("there is no program {program:?} in {place} that can be run"));
            };
            found.map_err(missing).ok()
        }
    };
    for variable in given.env.keys().chain(&given.keep_env) {
        if variable.is_empty() || variable.contains(['=', '\0']) {
            faults.add(&setting("env"), &format!("{variable:?} cannot be the name of a variable"));
        }
    }
    if given.timeout_seconds.is_some_and(|seconds| !(1..=LONGEST_RUN).contains(&seconds)) {
        faults.add(&setting("timeout_seconds"), &format!("must be from 1 to {LONGEST_RUN}"));
    }
    let stop = given.stop_seconds.unwrap_or(USUAL_STOP);
    if stop > LONGEST_STOP {
        faults.add(&setting("stop_seconds"), &format!("must be at most {LONGEST_STOP}"));
    }
    if faults.0.len() > before {
        return None;
    }
    Some(Program {
        name: skill?,
        program: program?,
        arguments: given.command.into_iter().skip(1).collect(),
        folder,
        inputs: given.inputs,
        env: given.env,
        keep_env: given.keep_env,
        timeout: given.timeout_seconds.map(Duration::from_secs),
        stop: Duration::from_secs(stop),
    })
}
