//! Who waits for which queue, and which queues may hold something.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::ranking::Rank;

/// Everyone that waits on this replica.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    next_place: u64,
    places: HashMap<u64, Seat>,
    queues: HashMap<String, Queue>,
}

#[derive(Debug)]
struct Seat {
    /// Its queues, and where it stands in the line of each.
    queues: Arc<[(String, Rank)]>,
    notify: Arc<Notify>,
    /// The queue that it was woken for and has not looked at yet.
    woken_for: Option<String>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Counts the messages that this queue has something.
    messages: u64,
    /// How many messages there had been when a claim last found it empty.
    empty_after: Option<u64>,
    /// Those that sleep, by the order in which they are woken.
    asleep: BTreeSet<(Rank, u64)>,
}

impl Waiting {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue has a task: notes it, and wakes the one that placement picks.
    pub(super) fn wake(&self, queue: &str) {
        self.inside().wake(queue);
    }

    /// What is known of the queues has changed: everyone looks again, also who stands in no line.
    pub(super) fn stir(&self) {
        self.inside().places.values().for_each(|seat| seat.notify.notify_one());
    }

    /// Any queue may have tasks.
    pub(super) fn wake_all(&self) {
        let mut inside = self.inside();
        let queues: Vec<String> = inside.queues.keys().cloned().collect();
        for queue in queues {
            inside.wake(&queue);
        }
    }
}

impl Inside {
    fn wake(&mut self, name: &str) {
        let queue = self.queues.entry(name.to_owned()).or_default();
        queue.messages += 1;
        let Some(&(_, first)) = queue.asleep.first() else { return };
        self.set_asleep(first, false);
        if let Some(seat) = self.places.get_mut(&first) {
            seat.woken_for = Some(name.to_owned());
            seat.notify.notify_one();
        }
    }

    /// Puts a place among the sleepers of its queues, or takes it from there.
    fn set_asleep(&mut self, place: u64, asleep: bool) {
        let Some(seat) = self.places.get(&place) else { return };
        for (name, rank) in &*seat.queues {
            let queue = self.queues.entry(name.clone()).or_default();
            if asleep {
                queue.asleep.insert((*rank, place));
            } else {
                queue.asleep.remove(&(*rank, place));
            }
        }
    }
}

/// One poll's place among those that wait; given up when dropped.
pub(super) struct Place {
    waiting: Arc<Waiting>,
    number: u64,
    queues: Arc<[(String, Rank)]>,
    notify: Arc<Notify>,
}

/// How many messages each queue had seen before a claim.
pub(super) struct Seen(Vec<u64>);

impl Place {
    /// Takes a place in the lines of some queues; `queues` answers them, given a number that grows with time.
    pub(super) fn enter(waiting: &Arc<Waiting>, queues: impl FnOnce(u64) -> Vec<(String, Rank)>) -> Self {
        let notify = Arc::new(Notify::new());
        let mut inside = waiting.inside();
        let number = inside.next_place;
        inside.next_place += 1;
        let queues = Arc::<[(String, Rank)]>::from(queues(number));
        let seat = Seat { queues: Arc::clone(&queues), notify: Arc::clone(&notify), woken_for: None };
        inside.places.insert(number, seat);
        inside.set_asleep(number, true);
        drop(inside);
        Self { waiting: Arc::clone(waiting), number, queues, notify }
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().map(|(queue, _)| queue.as_str())
    }

    /// Whether any of the queues may hold a task; if so, what to say with [`Self::found_empty`] when none does.
    pub(super) fn may_have_tasks(&self) -> Option<Seen> {
        let mut inside = self.waiting.inside();
        if inside.places.get_mut(&self.number).is_some_and(|seat| seat.woken_for.take().is_some()) {
            inside.set_asleep(self.number, true);
        }
        let queues = || self.queues().filter_map(|queue| inside.queues.get(queue));
        let any = queues().any(|queue| queue.empty_after != Some(queue.messages));
        any.then(|| Seen(queues().map(|queue| queue.messages).collect()))
    }

    /// A claim that began when these messages had been seen took all there was.
    pub(super) fn found_empty(&self, seen: &Seen) {
        let mut inside = self.waiting.inside();
        for (queue, messages) in self.queues().zip(&seen.0) {
            if let Some(queue) = inside.queues.get_mut(queue) {
                queue.empty_after = queue.empty_after.max(Some(*messages));
            }
        }
    }

    /// There is more than this place could take: wakes one more for each of its queues.
    pub(super) fn pass_on(&self) {
        let mut inside = self.waiting.inside();
        for queue in self.queues() {
            inside.wake(queue);
        }
    }

    /// Ends when this place is woken.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.waiting.inside();
        inside.set_asleep(self.number, false);
        let seat = inside.places.remove(&self.number);
        // Woken, but gone before it looked: the message is for the next one.
        if let Some(queue) = seat.and_then(|seat| seat.woken_for) {
            inside.wake(&queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ranking::{Candidate, Placement, Work};

    fn enter(waiting: &Arc<Waiting>, queue: &str) -> Place {
        let models = BTreeSet::new();
        let work = Work { skill: queue, models: &models, placement: Placement::default() };
        Place::enter(waiting, |since| vec![(queue.to_owned(), Candidate::default().rank(work, since))])
    }

    fn is_woken(waiting: &Waiting, place: &Place) -> bool {
        waiting.inside().places[&place.number].woken_for.is_some()
    }

    #[test]
    fn one_message_wakes_one_place() {
        let waiting = Arc::new(Waiting::default());
        let (first, second, other) = (enter(&waiting, "a"), enter(&waiting, "a"), enter(&waiting, "b"));

        waiting.wake("a");

        assert!(is_woken(&waiting, &first));
        assert!(!is_woken(&waiting, &second));
        assert!(!is_woken(&waiting, &other));
    }

    #[test]
    fn a_queue_found_empty_is_not_looked_at_until_a_message_comes() {
        let waiting = Arc::new(Waiting::default());
        let place = enter(&waiting, "a");
        let seen = place.may_have_tasks().expect("nobody has looked yet");

        place.found_empty(&seen);

        assert!(place.may_have_tasks().is_none());
        waiting.wake("a");
        assert!(place.may_have_tasks().is_some());
    }

    #[test]
    fn a_message_during_a_claim_is_not_lost() {
        let waiting = Arc::new(Waiting::default());
        let place = enter(&waiting, "a");
        let seen = place.may_have_tasks().expect("nobody has looked yet");

        waiting.wake("a");
        place.found_empty(&seen);

        assert!(place.may_have_tasks().is_some());
    }

    #[tokio::test]
    async fn who_stands_in_no_line_looks_again_when_what_is_known_changes() {
        let waiting = Arc::new(Waiting::default());
        let place = Place::enter(&waiting, |_| Vec::new());

        waiting.stir();

        place.woken().await;
    }

    #[test]
    fn a_place_that_leaves_after_it_was_woken_passes_the_message_on() {
        let waiting = Arc::new(Waiting::default());
        let (first, second) = (enter(&waiting, "a"), enter(&waiting, "a"));
        waiting.wake("a");

        drop(first);

        assert!(is_woken(&waiting, &second));
    }
}
