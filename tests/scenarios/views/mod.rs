//! The documents beside `/api/v1`: the same jobs, told in their words.

mod by_type;
mod lists;
mod logs;
mod refusals;
mod removal;
mod rows;
mod states;
mod toolkit;

use rig::{Api, Hand, Relevo};
use serde_json::{Value, json};

/// A job in each of the states in which one can be, by the canonical name of the state.
struct EachState {
    relevo: Relevo,
    jobs: Vec<(&'static str, String)>,
    // Its task is what keeps one of them running.
    _hand: Hand,
}

impl EachState {
    fn new() -> Self {
        let relevo = Relevo::dev();
        let hand = relevo.hand("each", &["hand"]);
        let create = || relevo.api().create("jobs/by_hand", &json!({ "id": "my-own-7", "n": 3 }));
        let ended = |body: Value| {
            let id = create();
            assert_eq!(hand.result(&hand.claim(), &body).status, 200);
            id
        };
        let failed =
            |code: &str| ended(json!({ "status": "failure", "error": { "code": code, "message": "no good" } }));
        let mut jobs = vec![
            ("completed", ended(json!({ "status": "success", "data": { "rows": 12 } }))),
            ("failed", failed("INVALID_INPUT")),
            ("quarantined", failed("PERMANENT")),
        ];
        let cancelled = create();
        assert_eq!(relevo.api().post(&format!("/api/jobs/{cancelled}/cancel"), &json!({})).status, 200);
        jobs.push(("cancelled", cancelled));
        let running = create();
        assert_eq!(hand.claim().job_id.to_string(), running);
        jobs.push(("running", running));
        jobs.push(("waiting", relevo.api().create("jobs/board", &json!({}))));
        jobs.push(("pending", create()));
        Self { relevo, jobs, _hand: hand }
    }

    fn api(&self) -> Api {
        self.relevo.api()
    }

    /// The job in this state.
    fn id(&self, state: &str) -> &str {
        &self.jobs.iter().find(|(known, _)| *known == state).expect("there is one in each").1
    }
}
