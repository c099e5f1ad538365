//! Why a job is where it is: reads what each of its branches waits for, and asks of every worker why it cannot help.

use std::collections::HashMap;

use relevo_shared::{
    BranchId, JobId, SkillName,
    explain::{Candidates, Explanation, QueuePlace, Unable, WaitReason, Waiting},
};

use crate::{
    domain::{blueprint::Requirements, placement::lacks},
    error::Result,
    store::{FanId, FanRecord, JobRecord, LiveWorker, Pauses, Store},
    time::rfc3339,
};

/// Branches of a fan-out that are told of.
const SHOWN_BRANCHES: usize = 10;
/// Branches of a fan-out that are looked at to find them.
const SEEN_BRANCHES: u32 = 200;
/// Workers that are asked why they cannot take a task.
const ASKED_WORKERS: usize = 10_000;
/// Workers whose answer is told.
const SHOWN_WORKERS: usize = 100;
/// How deep fan-outs within fan-outs are followed.
const DEEPEST: usize = 4;

/// The fields of a branch as it is kept.
struct Fields(HashMap<String, String>);

impl Fields {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}

/// What a job waits for; `status` is what it is called now.
///
/// # Errors
/// When Redis is away.
pub async fn explain(store: &Store, id: JobId, record: JobRecord, status: String) -> Result<Explanation> {
    let mut waits_for = Vec::new();
    let own = Fields(record.fields);
    if own.text("ended_at").is_none() {
        let mut left = vec![(BranchId::from(id), own, 0)];
        while let Some((branch, fields, depth)) = left.pop() {
            if let Some(number) = fields.number("fan")
                && depth < DEEPEST
            {
                let fan = FanId { job: id, number };
                let open = open_branches(store, fan).await?;
                left.extend(open.into_iter().rev().map(|(branch, fields)| (branch, fields, depth + 1)));
            }
            if waits_for.len() <= SHOWN_BRANCHES {
                waits_for.push(waiting(store, branch, &fields).await?);
            }
        }
    }
    Ok(Explanation { job_id: id, status, waits_for })
}

/// The first branches of a fan-out that have not ended.
async fn open_branches(store: &Store, fan: FanId) -> Result<Vec<(BranchId, Fields)>> {
    let opened = store.read_fan(fan).await?.map_or(0, |fan| fan.opened);
    let mut open = Vec::new();
    for index in 0..opened.min(SEEN_BRANCHES) {
        let fields = Fields(store.read_branch(fan.branch(index)).await?);
        if !fields.0.is_empty() && fields.text("ended_at").is_none() {
            open.push((fan.branch(index), fields));
        }
        if open.len() == SHOWN_BRANCHES {
            break;
        }
    }
    Ok(open)
}

async fn waiting(store: &Store, branch: BranchId, fields: &Fields) -> Result<Waiting> {
    let task_id = fields.text("task").map(|number| format!("{branch}.{number}"));
    let until = fields.number("wait_until").map(rfc3339);
    let skill = fields.text("skill").unwrap_or_default();
    let mut told = Waiting {
        branch: branch.to_string(),
        state: fields.text("current").map(str::to_owned),
        reason: WaitReason::NextStep,
        message: "its next step is about to be taken".to_owned(),
        until,
        task_id,
        queue: None,
        workers: None,
    };
    let mut say = |reason, message: String| {
        told.reason = reason;
        told.message = message;
    };
    if let Some(number) = fields.number("fan") {
        let fan = store.read_fan(FanId { job: branch.job, number }).await?.unwrap_or_default();
        let FanRecord { total, opened, running, done, failed } = fan;
        let message = format!(
            "its fan-out: {done} of {total} branches have ended ({failed} failed), {running} are open, {} have not begun",
            total.saturating_sub(opened)
        );
        say(WaitReason::FanOut, message);
    } else if let Some(child) = fields.text("child") {
        say(WaitReason::Child, format!("job {child} of blueprint `{skill}`"));
    } else if fields.text("task").is_some() {
        match fields.text("task_state").unwrap_or_default() {
            "queued" => return queued(store, branch, fields, told).await,
            "leased" => {
                let since = fields.number("leased_at").map(rfc3339).unwrap_or_default();
                let worker = fields.text("worker").unwrap_or("?");
                say(WaitReason::Result, format!("worker {worker} runs its task `{skill}` since {since}"));
            }
            "parked" => match fields.text("parked").and_then(|place| place.strip_prefix("blueprint:")) {
                Some(name) => say(WaitReason::PausedBlueprint, format!("an operator has paused blueprint `{name}`")),
                None => say(
                    WaitReason::ConcurrencyLimit,
                    "as many tasks of its client or its concurrency_key run already as may run at once".to_owned(),
                ),
            },
            "open" => say(WaitReason::Approval, "a person has to decide".to_owned()),
            _ => {}
        }
    } else if let Some(until) = &told.until {
        let message = format!("it goes on at {until}");
        told.reason = WaitReason::Timer;
        told.message = message;
    }
    Ok(told)
}

/// A task in its queue: how long the line is, and who could take it.
async fn queued(store: &Store, branch: BranchId, fields: &Fields, told: Waiting) -> Result<Waiting> {
    let (queue, skill) = (fields.text("queue").unwrap_or_default(), fields.text("skill").unwrap_or_default());
    let task = told.task_id.clone().unwrap_or_default();
    let (ahead, length) = store.place_in_queue(branch.job, queue, &task).await?;
    let wanted = store.requirements().await?.remove(queue);
    let wanted = wanted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let pauses = store.pauses().await?;
    let workers = candidates(&store.workers(ASKED_WORKERS).await?, skill, &wanted, &pauses);
    let message = match (workers.with_skill, workers.able) {
        _ if pauses.skills.contains(skill) => format!("an operator has paused the skill `{skill}`"),
        (0, _) => format!("no worker that is alive has the skill `{skill}`"),
        (all, 0) => format!("none of the {all} workers with the skill `{skill}` can take it now"),
        (all, able) => {
            format!("{able} of {all} workers with the skill `{skill}` can take it; {ahead} tasks are before it")
        }
    };
    let since = fields.number("queued_at").map(rfc3339).unwrap_or_default();
    let queue = QueuePlace { name: queue.to_owned(), ahead, length, since };
    Ok(Waiting { reason: WaitReason::Worker, message, queue: Some(queue), workers: Some(workers), ..told })
}

fn candidates(workers: &[LiveWorker], skill: &str, wanted: &Requirements, pauses: &Pauses) -> Candidates {
    let mut told = Candidates { with_skill: 0, able: 0, unable: Vec::new() };
    let has = |worker: &&LiveWorker| {
        let skills = &worker.record.registration.supported_skills;
        skill.parse::<SkillName>().is_ok_and(|skill| skills.iter().any(|known| *known.name() == skill))
    };
    for worker in workers.iter().filter(has) {
        told.with_skill += 1;
        let reasons = reasons(worker, wanted, pauses);
        if reasons.is_empty() {
            told.able += 1;
        } else if told.unable.len() < SHOWN_WORKERS {
            told.unable.push(Unable { worker_id: worker.record.registration.worker_id.clone(), reasons });
        }
    }
    told
}

/// Why a worker cannot take a task now.
fn reasons(worker: &LiveWorker, wanted: &Requirements, pauses: &Pauses) -> Vec<String> {
    let (registration, heartbeat) = (&worker.record.registration, &worker.record.heartbeat);
    let mut reasons: Vec<String> = lacks(&worker.record.profile(), wanted).collect();
    if let Some(how) = pauses.worker(&registration.worker_id) {
        reasons.push(format!("an operator lets it have no more tasks ({how})"));
    }
    if let Some(status @ ("draining" | "offline" | "full")) = heartbeat.status.as_deref() {
        reasons.push(format!("it says that it is {status}"));
    }
    let (held, most) = (
        heartbeat.current_tasks.as_ref().map_or(0, Vec::len),
        registration.resources.as_ref().and_then(|resources| resources.max_concurrent_tasks).unwrap_or(1),
    );
    if held >= most as usize {
        reasons.push(format!("it is busy with {held} of at most {most} tasks"));
    }
    reasons
}
