//! `relevo graph FILE`: draws a blueprint.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use super::{Failure, output};
use crate::domain::blueprint::Blueprint;

#[derive(Debug, clap::Args)]
pub(super) struct GraphArguments {
    /// The blueprint file.
    file: PathBuf,
    /// Draw it as SVG; as DOT for Graphviz otherwise.
    #[arg(long)]
    svg: bool,
}

pub(super) fn graph(arguments: &GraphArguments) -> Result<ExitCode, Failure> {
    let shown = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    let blueprint =
        Blueprint::parse(&text).map_err(|_| format!("{shown} has faults: `relevo validate {shown}` tells them"))?;
    let taken = BTreeSet::new();
    let drawn = if arguments.svg { blueprint.graph_svg(&taken, None) } else { blueprint.graph(&taken, None) };
    output::say(drawn.trim_end());
    Ok(ExitCode::SUCCESS)
}
