//! Steps that wait for a person.

use std::sync::Arc;

use relevo_shared::{
    BranchId, JobId,
    job::{ApprovalView, DecideApproval, Decision},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;

use super::{Engine, follow::Follow};
use crate::{
    domain::{
        blueprint::TaskOrder,
        signature::{self, Signed},
        task::{Outcome, REJECTED},
    },
    error::{Error, Result},
    store::JobRecord,
    time::{now_ms, rfc3339},
};

/// Longest comment that is kept, in bytes.
const LONGEST_COMMENT: usize = 4096;

/// An approval that a branch waits for, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Approval {
    state: String,
    group: String,
    params: Value,
    /// Tells it from earlier ones of the same branch.
    number: u32,
    /// Milliseconds since 1970, like `expires_at`.
    requested_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// Whether only who has the signed link may decide.
    #[serde(default)]
    signed: bool,
}

impl Approval {
    /// What a state of the blueprint asks for. It is signed when the parameters say `"signed": true`.
    pub(super) fn wanted(group: &str, order: &TaskOrder, number: u32, now: i64) -> Self {
        Self {
            state: order.state.clone(),
            group: group.to_owned(),
            params: order.params.clone(),
            number,
            requested_at: now,
            expires_at: order.timeout_seconds.map(|seconds| now + i64::from(seconds) * 1000),
            signed: order.params.get("signed") == Some(&Value::Bool(true)),
        }
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("an approval has string keys only")
    }

    /// What a signed link proves: that its holder may decide this approval.
    fn claim(&self, branch: BranchId) -> String {
        format!("approval {branch}.{}", self.number)
    }
}

impl Engine {
    /// What a job asks of a person, with the link that decides it; of several approvals the one that has waited longest.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn wanted_approval(&self, id: JobId, record: &JobRecord) -> Result<Option<ApprovalView>> {
        let Some((branch, approval)) = waiting(record).into_iter().next() else { return Ok(None) };
        let mut link = format!("/_public/webhooks/approval/{id}");
        if approval.signed {
            let signed = Signed { claim: approval.claim(branch), expires_at: approval.expires_at };
            link = format!("{link}?token={}", signature::sign(&self.store.secret().await?, &signed));
        }
        Ok(Some(ApprovalView {
            group: approval.group,
            state: approval.state,
            params: approval.params,
            requested_at: rfc3339(approval.requested_at),
            expires_at: approval.expires_at.map(rfc3339),
            link,
        }))
    }

    /// Takes a person's decision on a job: on the state that is named, else on the one that has waited longest.
    ///
    /// # Errors
    /// [`Error::JobNotFound`]; [`Error::Conflict`] when it does not wait for a decision (any more); [`Error::Forbidden`]
    /// without the signed token that the state asks for; or when Redis is away.
    pub async fn decide_approval(self: &Arc<Self>, id: JobId, decide: &DecideApproval) -> Result<()> {
        let DecideApproval { decision, ref comment, ref state, ref token } = *decide;
        let comment = comment.as_deref().unwrap_or_default();
        if comment.len() > LONGEST_COMMENT {
            return Err(Error::invalid("comment", format!("must be at most {LONGEST_COMMENT} bytes")));
        }
        let record = self.store.read_job(id).await?.ok_or_else(|| Error::JobNotFound(id.to_string()))?;
        let meant = |approval: &Approval| state.as_ref().is_none_or(|state| approval.state == *state);
        let not_waiting = || Error::Conflict("not_waiting", format!("job {id} does not wait for an approval"));
        let oldest = waiting(&record).into_iter().find(|(_, approval)| meant(approval));
        let (branch, approval) = oldest.ok_or_else(not_waiting)?;
        if approval.signed {
            let secret = self.store.secret().await?;
            let refused = || Error::Forbidden("this approval needs the signed token of its link".to_owned());
            let signed =
                token.as_deref().and_then(|token| signature::read(&secret, token, now_ms())).ok_or_else(refused)?;
            if signed.claim != approval.claim(branch) {
                return Err(refused());
            }
        }
        let decided_at = rfc3339(now_ms());
        let outcome = match decision {
            Decision::Approved => Outcome::Succeeded {
                output: json!({
                    "decision": "approved", "comment": comment, "group": approval.group, "decided_at": decided_at,
                }),
            },
            Decision::Rejected => Outcome::failed(
                REJECTED,
                if comment.is_empty() { format!("rejected by {}", approval.group) } else { comment.to_owned() },
            ),
        };
        let actor = format!("group:{}", approval.group);
        if !self.store.decide_approval(branch, decision.as_str(), &actor, comment, &outcome).await? {
            return Err(not_waiting());
        }
        info!(job = %id, %branch, decision = decision.as_str(), "approval decided");
        self.follow_in_background(vec![Follow::Look(branch)]);
        Ok(())
    }
}

/// The approvals that a job waits for, the oldest first.
fn waiting(record: &JobRecord) -> Vec<(BranchId, Approval)> {
    let read = |(branch, text): (&String, &String)| Some((branch.parse().ok()?, serde_json::from_str(text).ok()?));
    let mut waiting: Vec<(BranchId, Approval)> = record.approvals.iter().filter_map(read).collect();
    waiting.sort_by_key(|(branch, approval)| (approval.requested_at, *branch));
    waiting
}
