//! What the documents tell people to do is what is done: commands exist, and the ones of the start are those that CI runs.

use std::fs;

use rig::repository;

use crate::{
    report,
    sources::{Source, under},
};

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

/// What a test says that is left out of `make test`.
const SLOW: &str = "#[ignore = \"slow: run by make proofs\"]";

#[test]
fn every_test_that_is_left_out_is_slow_and_run_by_make_proofs() {
    let faults: Vec<_> = under("", &["rs"]).iter().flat_map(left_out_otherwise).collect();
    report(&faults);

    assert!(read(".ci/run").lines().any(|line| line == "step proofs"), ".ci/run does not run 'make proofs'");
    assert!(read(".make/proofs.sh").contains("-- --ignored"), "make proofs does not run what is left out");
}

#[test]
fn a_test_that_is_left_out_for_another_reason_is_found() {
    // Put together here, so that this file does not find itself.
    let [bare, odd] = ["]", " = \"flaky\"]"].map(|end| ["#[ign", "ore", end].concat());
    let file = |text: &str| Source { path: "x.rs".to_owned(), text: text.to_owned() };

    assert!(left_out_otherwise(&file(&format!("    {SLOW}\n"))).is_empty());
    assert_eq!(left_out_otherwise(&file(&format!("#[test]\n{bare}\n    {odd}\n"))).len(), 2);
}

fn left_out_otherwise(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let odd = lines.filter(|(_, line)| line.starts_with("#[ignore") && *line != SLOW);
    odd.map(|(number, line)| format!("{}:{number}: {line} in place of {SLOW}", source.path)).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a page's code blocks, without their indentation.
fn code_lines(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).flat_map(str::lines).map(str::trim)
}
