//! When a schedule fires: a cron expression in a time zone, and what becomes of instants that were missed.

use croner::{
    Cron,
    parser::{CronParser, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use relevo_shared::{
    problem::Detail,
    schedule::{CatchUp, ScheduleSpec},
};

/// An instant that found nobody to create its job for this long has been missed; in milliseconds.
pub const MISSED_AFTER_MS: i64 = 60_000;
/// At most this many missed instants get their jobs after all.
pub const MOST_CAUGHT_UP: usize = 100;

const LONGEST_NAME: usize = 200;
const LONGEST_CRON: usize = 256;

/// The instants of a schedule. All are whole seconds, given in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
    starts_at: i64,
    ends_at: i64,
}

/// What is to be done about a schedule whose next instant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The instant to create a job for.
    pub fire: Option<i64>,
    /// The first instant that is passed over, because it was missed.
    pub missed: Option<i64>,
    /// The instant after that; `None` when there is none.
    pub next: Option<i64>,
}

impl Timetable {
    /// The timetable of a schedule.
    ///
    /// # Errors
    /// Every field that is wrong, with what would be right.
    pub fn new(spec: &ScheduleSpec) -> Result<Self, Vec<Detail>> {
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, reason: String| wrong.push(Detail::new(field, reason));
        if spec.name.trim().is_empty() || spec.name.chars().count() > LONGEST_NAME {
            refuse("name", format!("must be 1 to {LONGEST_NAME} characters"));
        }
        let cron = parse_cron(&spec.cron).map_err(|reason| refuse("cron", reason)).ok();
        let zone = TimeZone::get(&spec.time_zone).ok().filter(|zone| zone.iana_name().is_some());
        if zone.is_none() {
            let reason = format!("{:?} is no IANA time zone; one is Europe/Madrid, another UTC", spec.time_zone);
            refuse("time_zone", reason);
        }
        let mut bound = |field: &str, text: &Option<String>| {
            let instant = text.as_ref()?.parse::<Timestamp>();
            let reason = "must be an instant of RFC 3339, such as 2030-06-01T08:00:00Z";
            instant.map_err(|_| refuse(field, reason.to_owned())).ok()
        };
        let starts_at = bound("starts_at", &spec.starts_at).map_or(i64::MIN, Timestamp::as_millisecond);
        let ends_at = bound("ends_at", &spec.ends_at).map_or(i64::MAX, Timestamp::as_millisecond);
        if starts_at >= ends_at {
            refuse("ends_at", "must be after starts_at".to_owned());
        }
        match (cron, zone) {
            (Some(cron), Some(zone)) if wrong.is_empty() => Ok(Self { cron, zone, starts_at, ends_at }),
            _ => Err(wrong),
        }
    }

    /// The first instant after this one.
    #[must_use]
    pub fn next_after(&self, after: i64) -> Option<i64> {
        let from = self.local(after.max(self.starts_at.saturating_sub(1)))?;
        let next = self.cron.find_next_occurrence(&from, false).ok()?.timestamp().as_millisecond();
        (next <= self.ends_at).then_some(next)
    }

    /// At most this many instants after this one.
    #[must_use]
    pub fn upcoming(&self, after: i64, most: usize) -> Vec<i64> {
        std::iter::successors(self.next_after(after), |at| self.next_after(*at)).take(most).collect()
    }

    /// What is to be done when the instant `due` has come and it is `now`.
    #[must_use]
    pub fn turn(&self, due: i64, now: i64, catch_up: CatchUp) -> Turn {
        let goes_on_at = self.goes_on_at(due, now, catch_up);
        let missed = (goes_on_at != Some(due)).then_some(due);
        match goes_on_at {
            Some(at) if at <= now => Turn { fire: Some(at), missed, next: self.next_after(at) },
            later => Turn { fire: None, missed, next: later },
        }
    }

    /// The first instant from `due` on that is not passed over.
    fn goes_on_at(&self, due: i64, now: i64, catch_up: CatchUp) -> Option<i64> {
        let missed_before = now - MISSED_AFTER_MS;
        if due >= missed_before {
            return Some(due);
        }
        let caught_up = match catch_up {
            CatchUp::Skip => 0,
            CatchUp::One => 1,
            CatchUp::All => MOST_CAUGHT_UP,
        };
        match self.latest_before(missed_before, caught_up) {
            Some(at) => Some(at.max(due)),
            None => self.next_after(missed_before - 1),
        }
    }

    /// The instant that is this many before the first one from `end` on; or the earliest there is.
    fn latest_before(&self, end: i64, count: usize) -> Option<i64> {
        let origin = self.local(end.min(self.ends_at.saturating_add(1)))?;
        let earliest = self.cron.iter_before(origin).take(count).last()?.timestamp().as_millisecond();
        // The search backwards only says where to begin: the search forwards alone decides what is an instant.
        let mut latest: std::collections::VecDeque<i64> = std::collections::VecDeque::new();
        let mut next = self.next_after(earliest - 1);
        while let Some(at) = next.filter(|at| *at < end) {
            if latest.len() == count {
                latest.pop_front();
            }
            latest.push_back(at);
            next = self.next_after(at);
        }
        latest.front().copied()
    }

    fn local(&self, ms: i64) -> Option<Zoned> {
        // A start or an end that is not set is far outside of what a clock can show.
        let second = Timestamp::from_second(ms.div_euclid(1000).clamp(0, LAST_SECOND)).ok()?;
        Some(second.to_zoned(self.zone.clone()))
    }
}

/// The end of the year 4000: far enough, and within what the calendar knows.
const LAST_SECOND: i64 = 64_092_211_199;

fn parse_cron(text: &str) -> Result<Cron, String> {
    const FORM: &str =
        "five fields (minute, hour, day of the month, month, day of the week), or six with seconds first";
    let fields = text.split_whitespace().count();
    if text.len() > LONGEST_CRON || !(5..=6).contains(&fields) {
        return Err(format!("must be {FORM}"));
    }
    let parser = CronParser::builder().year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| format!("must be {FORM}: {error}"))
}
