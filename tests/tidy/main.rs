//! The rules of the repository, as tests: a rule that nothing checks will rot.

mod api;
mod layers;
mod monitoring;
mod papers;
mod scripts;
mod sources;

use sources::Source;

/// Fails with one line for each fault.
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_file_is_one_idea() {
    const MOST_LINES: usize = 500;
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > MOST_LINES).then(|| format!("{}: {lines} lines, more than {MOST_LINES}", source.path))
    };

    report(&sources::written_by_hand().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn line_one_of_every_file_says_what_it_owns() {
    let silent = |source: &Source| {
        let first = source.text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        let opening = match source.extension() {
            "rs" => "//! ",
            "lua" => "-- ",
            "sh" | "yaml" => "# ",
            "py" => "\"\"\"",
            _ => return None,
        };
        let speaks = first.strip_prefix(opening).is_some_and(|said| !said.trim().is_empty());
        (!speaks).then(|| format!("{}: begins with {first:?} in place of '{opening}' and a sentence", source.path))
    };

    report(&sources::written_by_hand().iter().filter_map(silent).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["X", "XX"].concat(), ["WI", "P"].concat()];
    let mut faults = Vec::new();
    for source in sources::written_by_hand() {
        for (number, line) in source.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            if let Some(mark) = words.find(|word| marks.iter().any(|mark| mark == word)) {
                faults.push(format!("{}:{}: {mark}", source.path, number + 1));
            }
        }
    }

    report(&faults);
}
