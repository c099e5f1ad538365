//! What the documents tell people to do is what is done: commands exist, and the ones of the start are those that CI runs.

use std::fs;

use rig::repository;

use crate::{report, sources::under};

#[test]
fn the_readme_starts_with_the_commands_that_ci_runs() {
    let ci = read(".ci/run");
    let readme = read("README.md");

    let promised = ["demo", "test"];
    for command in promised {
        assert!(readme.contains(&format!("make {command}")), "the README does not tell of 'make {command}'");
        assert!(ci.lines().any(|line| line == format!("step {command}")), ".ci/run does not run 'make {command}'");
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let makefile = read("Makefile");
    let mut faults = Vec::new();
    for page in under("", &["md"]) {
        for command in code_lines(&page.text).filter_map(|line| line.strip_prefix("make ").map(str::to_owned)) {
            let target = command.split_whitespace().next().unwrap_or_default();
            if !makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
                faults.push(format!("{}: 'make {target}' is not in the Makefile", page.path));
            }
        }
    }

    report(&faults);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut faults = Vec::new();
    for page in under("", &["md"]) {
        let folder = repository().join(&page.path).parent().expect("a page lies in a folder").to_owned();
        for target in page.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                faults.push(format!("{}: nothing is at '{target}'", page.path));
            }
        }
    }

    report(&faults);
}

#[test]
fn the_guide_to_programs_shows_its_examples_as_they_run() {
    let guide = read("docs/guides/exec.md");

    let examples = under("docs/guides/exec", &["toml", "py", "sh", "yaml"]);
    assert_eq!(examples.len(), 5);
    let stale = examples.iter().filter(|example| !guide.contains(&format!("\n{}```", example.text)));
    report(
        &stale
            .map(|example| format!("docs/guides/exec.md does not show {} as it is", example.path))
            .collect::<Vec<_>>(),
    );
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a page's code blocks, without their indentation.
fn code_lines(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).flat_map(str::lines).map(str::trim)
}
