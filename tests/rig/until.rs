//! Waiting for something to become true, up to a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough for anything that should be quick, also on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks until `look` finds something, and gives that. Panics, naming what was awaited, when the deadline has passed.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
