//! Every Lua script says what it touches and what it answers, and names the story that shows it at work.

use crate::{
    report,
    sources::{Source, under},
};

const FOLDER: &str = "orchestrator/src/store/lua";
/// Words that the scripts share; no transition of its own.
const PRELUDE: &str = "prelude.lua";

#[test]
fn every_script_has_its_interface_in_its_header_and_a_story_that_runs() {
    let stories = stories();
    let scripts = under(FOLDER, &["lua"]);
    assert!(scripts.len() > 4, "only {} scripts were found in {FOLDER}", scripts.len());

    let transitions = scripts.iter().filter(|script| !script.path.ends_with(PRELUDE));
    report(&transitions.flat_map(|script| faults_in_header(script, &stories)).collect::<Vec<_>>());
}

#[test]
fn a_header_that_lacks_something_is_found() {
    let stories = ["it_is_told".to_owned()];
    let faults = |text: &str| {
        let script = Source { path: format!("{FOLDER}/take_a.lua"), text: text.to_owned() };
        faults_in_header(&script, &stories).len()
    };
    let whole = "-- take_a: a -> b   story: it_is_told\n-- KEYS a   ARGV b   replies: ok\nreturn 1\n";

    assert_eq!(faults(whole), 0);
    assert_eq!(faults(&whole.replace("it_is_told", "it_is_not")), 1);
    assert_eq!(faults(&whole.replace("take_a:", "take_b:")), 1);
    assert_eq!(faults(&whole.replace("replies", "answers")), 1);
    assert_eq!(faults("return 1\n"), 4);
}

fn faults_in_header(script: &Source, stories: &[String]) -> Vec<String> {
    let header = script.text.lines().take_while(|line| line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let name = script.path.rsplit('/').next().and_then(|file| file.strip_suffix(".lua")).unwrap_or_default();
    let story = header.split("story:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let mut faults = Vec::new();
    if !header.starts_with(&format!("-- {name}: ")) {
        faults.push(format!("{}: line one does not begin with '-- {name}: '", script.path));
    }
    for word in ["KEYS", "replies:"] {
        if !header.contains(word) {
            faults.push(format!("{}: its header does not tell of '{word}'", script.path));
        }
    }
    match story {
        None => faults.push(format!("{}: its header names no story", script.path)),
        Some(story) if !stories.iter().any(|known| known == story) => {
            faults.push(format!("{}: no test is called '{story}'", script.path));
        }
        Some(_) => {}
    }
    faults
}

/// The names of all tests.
fn stories() -> Vec<String> {
    let mut names = Vec::new();
    for source in ["tests", "orchestrator"].iter().flat_map(|folder| under(folder, &["rs"])) {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                if is_test {
                    names.extend(rest.split('(').next().map(str::to_owned));
                }
                is_test = false;
            }
        }
    }
    assert!(names.len() > 10, "only {} tests were found", names.len());
    names
}
