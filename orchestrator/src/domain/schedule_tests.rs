//! Timetables: beside another implementation, where clocks change, and after instants were missed.

use relevo_shared::schedule::{CatchUp, ScheduleSpec};
use serde_json::json;

use super::schedule::{MISSED_AFTER_MS, MOST_CAUGHT_UP, Timetable, Turn};
use crate::time::rfc3339;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn spec(cron: &str, time_zone: &str) -> ScheduleSpec {
    let spec = json!({ "name": "tests", "blueprint": "echo", "cron": cron, "time_zone": time_zone });
    serde_json::from_value(spec).unwrap()
}

fn timetable(cron: &str, time_zone: &str) -> Timetable {
    Timetable::new(&spec(cron, time_zone)).unwrap_or_else(|wrong| panic!("{cron} in {time_zone}: {wrong:?}"))
}

fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn instants(cron: &str, time_zone: &str, after: &str, most: usize) -> Vec<String> {
    let found = timetable(cron, time_zone).upcoming(ms(after), most);
    found.into_iter().map(|at| rfc3339(at).replace(":00.000Z", "Z").replace(".000", "")).collect()
}

/// The fields that are refused.
fn refused(spec: &ScheduleSpec) -> Vec<String> {
    Timetable::new(spec).expect_err("it should be refused").into_iter().map(|detail| detail.field).collect()
}

#[test]
fn instants_are_those_that_another_implementation_finds() {
    let golden = include_str!("../../../tests/golden/cron.json");
    let cases: Vec<(String, String, i64, Vec<i64>)> = serde_json::from_str(golden).unwrap();
    assert!(cases.len() > 2_000, "only {} cases", cases.len());
    let mut differ = Vec::new();

    for (cron, zone, start, expected) in cases {
        let found = timetable(&cron, &zone).upcoming(start * 1000, expected.len());
        let expected: Vec<i64> = expected.iter().map(|second| second * 1000).collect();
        if found != expected {
            let told = |instants: &[i64]| instants.iter().map(|at| rfc3339(*at)).collect::<Vec<_>>().join(" ");
            differ.push(format!("{cron} in {zone}\n  {}\n  {}", told(&found), told(&expected)));
        }
    }

    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

// Madrid: on 29 March 2026 the hour from 2 to 3 is left out, on 25 October 2026 it comes twice.

#[test]
fn a_time_of_day_that_is_left_out_comes_right_after_the_gap() {
    assert_eq!(
        instants("30 2 * * *", "Europe/Madrid", "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]
    );
}

#[test]
fn a_time_of_day_that_comes_twice_counts_once() {
    assert_eq!(
        instants("30 2 * * *", "Europe/Madrid", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]
    );
}

#[test]
fn a_steady_rhythm_goes_on_through_a_gap_and_a_repeated_hour() {
    let gap = ["2026-03-29T00:40Z", "2026-03-29T01:00Z", "2026-03-29T01:20Z"];
    let twice =
        ["2026-10-25T00:40Z", "2026-10-25T01:00Z", "2026-10-25T01:20Z", "2026-10-25T01:40Z", "2026-10-25T02:00Z"];

    assert_eq!(instants("*/20 * * * *", "Europe/Madrid", "2026-03-29T00:20:00Z", 3), gap);
    assert_eq!(instants("*/20 * * * *", "Europe/Madrid", "2026-10-25T00:20:00Z", 5), twice);
}

#[test]
fn instants_lie_between_start_and_end() {
    let bounded = ScheduleSpec {
        starts_at: Some("2026-05-01T12:00:00+02:00".to_owned()),
        ends_at: Some("2026-05-01T12:00:00Z".to_owned()),
        ..spec("0 * * * *", "UTC")
    };

    let found = Timetable::new(&bounded).unwrap().upcoming(ms("2026-01-01T00:00:00Z"), 10);

    let expected = ["2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z", "2026-05-01T12:00:00Z"];
    assert_eq!(found, expected.map(ms));
}

#[test]
fn an_instant_that_is_not_a_minute_late_is_not_missed() {
    let (due, table) = (ms("2026-05-20T10:00:00Z"), timetable("0 * * * *", "UTC"));

    for catch_up in [CatchUp::Skip, CatchUp::One, CatchUp::All] {
        let turn = table.turn(due, due + MISSED_AFTER_MS, catch_up);

        assert_eq!(turn, Turn { fire: Some(due), missed: None, next: Some(due + HOUR) }, "{catch_up:?}");
    }
}

#[test]
fn missed_instants_are_skipped_made_up_for_once_or_all_made_up_for() {
    let (due, table) = (ms("2026-05-20T10:00:00Z"), timetable("0 * * * *", "UTC"));
    let now = due + 5 * HOUR + HOUR / 2;
    let turn = |catch_up| table.turn(due, now, catch_up);

    let skipped = Turn { fire: None, missed: Some(due), next: Some(due + 6 * HOUR) };
    let once = Turn { fire: Some(due + 5 * HOUR), missed: Some(due), next: Some(due + 6 * HOUR) };
    let first_of_all = Turn { fire: Some(due), missed: None, next: Some(due + HOUR) };
    assert_eq!(turn(CatchUp::Skip), skipped);
    assert_eq!(turn(CatchUp::One), once);
    assert_eq!(turn(CatchUp::All), first_of_all);
}

#[test]
fn no_more_than_a_hundred_instants_are_made_up_for() {
    let (due, table) = (ms("2026-05-20T10:00:00Z"), timetable("* * * * *", "UTC"));
    let now = due + 3 * 24 * HOUR;
    let mut next = due;
    let mut fired = Vec::new();

    while next <= now {
        let turn = table.turn(next, now, CatchUp::All);
        fired.extend(turn.fire);
        next = turn.next.expect("it goes on for ever");
    }

    // The one of a minute ago and the one of now were not missed.
    assert_eq!(fired.len(), MOST_CAUGHT_UP + 2);
    assert_eq!(fired[0], now - (MOST_CAUGHT_UP as i64 + 1) * MINUTE);
    assert_eq!(fired.last(), Some(&now));
}

#[test]
fn what_is_wrong_is_named_all_at_once() {
    let wrong = ScheduleSpec {
        name: " ".to_owned(),
        starts_at: Some("tomorrow".to_owned()),
        ..spec("61 * * * *", "Europe/Madird")
    };

    assert_eq!(refused(&wrong), ["name", "cron", "time_zone", "starts_at"]);
    let backwards = ScheduleSpec {
        starts_at: Some("2026-05-02T00:00:00Z".to_owned()),
        ends_at: Some("2026-05-01T00:00:00Z".to_owned()),
        ..spec("* * * * *", "UTC")
    };
    assert_eq!(refused(&backwards), ["ends_at"]);
    for cron in
        ["", "* * * *", "* * * * * * *", "@daily", "* * * * MOON", "*/0 * * * *", "5-1 * * * *", &"1,".repeat(200)]
    {
        assert_eq!(refused(&spec(cron, "UTC")), ["cron"], "{cron}");
    }
}

#[test]
fn a_day_that_no_month_has_never_comes() {
    assert_eq!(timetable("0 0 30 2 *", "UTC").next_after(0), None);
}
