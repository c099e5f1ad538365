//! The scripts, each compiled once. The shared words of the prelude stand in front of every one.

use std::{collections::HashMap, sync::LazyLock};

use redis::{FromRedisValue, Script, Value};

use super::{Result, StoreError};

macro_rules! scripts {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(include_str!("lua/prelude.lua"), include_str!(concat!("lua/", $file, ".lua"))))
            });
        )+

        /// Every script.
        pub(super) fn all() -> impl Iterator<Item = &'static Script> {
            [$(&*$name),+].into_iter()
        }

        /// The name of the script with this hash.
        pub(super) fn name_of(hash: &str) -> Option<&'static str> {
            static NAMES: LazyLock<HashMap<&'static str, &'static str>> =
                LazyLock::new(|| HashMap::from([$(($name.get_hash(), $file)),+]));
            NAMES.get(hash).copied()
        }
    };
}

scripts!(
    SUBMIT_JOB = "submit_job",
    CLAIM_TASKS = "claim_tasks",
    COMPLETE_TASK = "complete_task",
    ADVANCE_JOB = "advance_job",
    RELEASE_TASK = "release_task",
    RENEW_LEASES = "renew_leases",
    EXPIRE_LEASES = "expire_leases",
    TAKE_DUE = "take_due",
    ADVANCE_BRANCH = "advance_branch",
    LOAD_BRANCH = "load_branch",
    STOCK_FAN = "stock_fan",
    OPEN_BRANCHES = "open_branches",
    SWEEP_FAN = "sweep_fan",
    CANCEL_JOB = "cancel_job",
    END_JOB = "end_job",
    RETRY_JOB = "retry_job",
    FIND_INSTANT = "find_instant",
    PACK_JOB = "pack_job",
    UNPACK_JOB = "unpack_job",
    DELETE_JOB = "delete_job",
    TAKE_TURN = "take_turn",
    DECIDE_APPROVAL = "decide_approval",
    UNPARK_TASKS = "unpark_tasks",
    REPORT_PROGRESS = "report_progress",
    COMMIT_TABLE = "commit_table",
    REGISTER_WORKER = "register_worker",
    BEAT_WORKER = "beat_worker",
    RATE_WORKER = "rate_worker",
    LEAVE_SOCKET = "leave_socket",
    RENEW_SOCKET = "renew_socket",
    SPEND_ALLOWANCE = "spend_allowance",
    COUNT_JOB = "count_job",
    RESERVE_ANSWER = "reserve_answer",
    KEEP_ANSWER = "keep_answer",
    LEAVE_ANSWER = "leave_answer",
    PUT_SCHEDULE = "put_schedule",
    TAKE_SCHEDULES = "take_schedules",
    CLAIM_FIRING = "claim_firing",
    SETTLE_FIRING = "settle_firing",
    TAKE_DELIVERIES = "take_deliveries",
    RECORD_ATTEMPT = "record_attempt",
    DEFER_DELIVERIES = "defer_deliveries",
    REPLAY_DELIVERY = "replay_delivery",
);

/// A script's reply: a word, then whatever belongs to it.
pub(super) struct Reply {
    word: String,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn word(&self) -> &str {
        &self.word
    }

    /// The next part of the reply.
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Result<T> {
        let value = self.rest.next().ok_or_else(|| corrupt(format!("the reply `{}` is too short", self.word)))?;
        redis::from_redis_value(value).map_err(|error| corrupt(error.to_string()))
    }

    /// The next part, if there is one.
    pub(super) fn next_if_any<T: FromRedisValue>(&mut self) -> Result<Option<T>> {
        if self.rest.len() == 0 { Ok(None) } else { self.next().map(Some) }
    }

    /// The next part, which is an id or a number.
    pub(super) fn next_as<T: std::str::FromStr>(&mut self) -> Result<T> {
        let text: String = self.next()?;
        text.parse().map_err(|_| corrupt(format!("the reply `{}` has {text}", self.word)))
    }

    /// The next part, which is an id or a number, or empty.
    pub(super) fn next_maybe<T: std::str::FromStr>(&mut self) -> Result<Option<T>> {
        let text: String = self.next()?;
        if text.is_empty() {
            Ok(None)
        } else {
            text.parse().map(Some).map_err(|_| corrupt(format!("not an id: {text}")))
        }
    }

    /// The error for a word that no script answers.
    pub(super) fn unexpected(&self) -> StoreError {
        corrupt(format!("unknown reply `{}`", self.word))
    }
}

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> std::result::Result<Self, redis::ParsingError> {
        let mut rest = Vec::<Value>::from_redis_value(value)?.into_iter();
        let word = rest.next().map(String::from_redis_value).transpose()?.unwrap_or_default();
        Ok(Self { word, rest })
    }
}

/// The error for something in Redis that has another form than it must have.
pub(super) const fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt(what)
}
