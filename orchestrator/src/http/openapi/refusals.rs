//! What a route may refuse with, by name: each stands for a status, its body and its headers.

use std::collections::BTreeMap;

use relevo_shared::problem::{Detail, Problem, ToolkitProblem};
use serde::Serialize;
use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{SchemaType, Type},
    },
};

const SOME_JOB: &str = "0198c0de-0000-7000-8000-000000000000";

/// The refusals that mean one thing in the whole service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    NotNow,
    Unauthorized,
    Forbidden,
    NotFound,
    LeaseLost,
    NotWaiting,
    NotUnique,
    KeyInUse,
    TooLarge,
    UnsupportedType,
    Invalid,
    TooMany,
    Internal,
    S3Off,
    Away,
}

impl Refusal {
    /// Every one.
    pub(super) const ALL: [Self; 15] = [
        Self::NotUnique,
        Self::NotNow,
        Self::Forbidden,
        Self::NotWaiting,
        Self::KeyInUse,
        Self::TooMany,
        Self::Unauthorized,
        Self::NotFound,
        Self::LeaseLost,
        Self::TooLarge,
        Self::UnsupportedType,
        Self::Invalid,
        Self::Internal,
        Self::S3Off,
        Self::Away,
    ];

    /// Its name among the components of the document.
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Its status, and where the document says the rest.
    pub(super) fn reference(self) -> (String, RefOr<Response>) {
        (self.facts().0.to_owned(), RefOr::Ref(Ref::from_response_name(self.name())))
    }

    /// Its name in the document of the toolkit, whose bodies are others.
    pub(super) fn toolkit_name(self) -> String {
        format!("Toolkit{self:?}")
    }

    /// Its status there, and where the document says the rest.
    pub(super) fn toolkit_reference(self) -> (String, RefOr<Response>) {
        (self.toolkit_status().to_string(), RefOr::Ref(Ref::from_response_name(self.toolkit_name())))
    }

    fn toolkit_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            _ => self.facts().0.parse().expect("a status is a number"),
        }
    }

    /// Status, code, what it means, and a sentence as a client may read it.
    const fn facts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::NotNow => {
                ("400", "invalid_state", "The action does not fit the job's state.", "Cannot cancel completed job")
            }
            Self::Forbidden => (
                "403",
                "forbidden",
                "The caller is known, but may not do this.",
                "this approval needs the signed token of its link",
            ),
            Self::NotWaiting => (
                "409",
                "not_waiting",
                "The job does not wait for a decision (any more).",
                "job 0198c0de-0000-7000-8000-000000000000 does not wait for an approval",
            ),
            Self::KeyInUse => (
                "409",
                "idempotency_key_reused",
                "The `Idempotency-Key` was used for another request, or (`idempotency_in_progress`) its request is still being served.",
                "this Idempotency-Key was used for another request; take a fresh one",
            ),
            Self::TooMany => (
                "429",
                "rate_limited",
                "Requests come too fast, or (`quota_exceeded`) the client has as much as its plan allows.",
                "too many requests; try again in 2 s",
            ),
            Self::Unauthorized => (
                "401",
                "unauthorized",
                "The token is missing or unknown.",
                "the X-Client-Token header is missing or unknown",
            ),
            Self::NotFound => (
                "404",
                "not_found",
                "There is no such thing, or it belongs to another client.",
                "there is no dataset \"comments\"",
            ),
            Self::LeaseLost => (
                "409",
                "lease_lost",
                "The worker does not hold this task (any more).",
                "the lease on task 0198c0de-0000-7000-8000-000000000000.1 is held by another worker or has ended",
            ),
            Self::NotUnique => (
                "409",
                "not_unique",
                "Another unfinished job has the same `unique_key`.",
                "job 0198c0de-0000-7000-8000-000000000000 has the same unique_key and is unfinished",
            ),
            Self::TooLarge => {
                ("413", "body_too_large", "The body is too large.", "the body is larger than 2097152 bytes")
            }
            Self::UnsupportedType => (
                "415",
                "unsupported_media_type",
                "The body is of a type that is not read here.",
                "the body must be application/json, not text/plain",
            ),
            Self::Invalid => (
                "422",
                "invalid_parameters",
                "Something in the request is wrong; `details` names each field.",
                "initial_data.seconds: must be a number",
            ),
            Self::Internal => ("500", "internal_error", "A fault of the service.", "something went wrong on our side"),
            Self::S3Off => (
                "501",
                "s3_disabled",
                "This deployment has no S3.",
                "this deployment has no S3 storage: set RELEVO_S3_BUCKET and its companions",
            ),
            Self::Away => (
                "503",
                "store_unavailable",
                "Redis or S3 is away for a moment: try again.",
                "the job store is away for a moment; try again",
            ),
        }
    }

    /// Its body and its headers.
    pub(super) fn response(self) -> Response {
        let (_, code, meaning, sentence) = self.facts();
        let details = match self {
            Self::Invalid => vec![Detail::new("initial_data.seconds", "must be a number")],
            _ => Vec::new(),
        };
        let (error, code, message) = (sentence.into(), code.into(), sentence.into());
        self.with_body("Problem", meaning, &Problem { error, code, message, details, job_id: None, detail: None })
    }

    /// Its body and its headers in the document of the toolkit.
    pub(super) fn toolkit_response(self) -> Response {
        let (_, _, meaning, sentence) = self.facts();
        let example = match self {
            Self::NotFound => {
                ToolkitProblem { error: "Job not found".into(), code: None, job_id: Some(SOME_JOB.into()) }
            }
            _ => ToolkitProblem { error: sentence.into(), code: Some(self.toolkit_status()), job_id: None },
        };
        self.with_body("ToolkitProblem", meaning, &example)
    }

    fn with_body(self, schema: &str, meaning: &str, example: &impl Serialize) -> Response {
        let example = serde_json::to_value(example).expect("a problem has string keys only");
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example));
        let mut response = ResponseBuilder::new().description(meaning).content("application/json", content.build());
        if matches!(self, Self::Away | Self::TooMany | Self::KeyInUse) {
            let seconds = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(0));
            let header = HeaderBuilder::new()
                .schema(Some(seconds.build()))
                .description(Some("Seconds to wait before trying again."));
            response = response.header("Retry-After", header.build());
        }
        response.build()
    }
}

/// Names for what handlers refuse with, as their `responses(…)` take them.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $($refusal:ident)|+;)+) => {$(
        $(#[$doc])*
        pub(in crate::http) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(Refusal::$refusal.reference()),+])
            }
        }
    )+};
}

/// The job is not there, as the toolkit says it.
pub(in crate::http) enum ToolkitNotFound {}

impl IntoResponses for ToolkitNotFound {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([Refusal::NotFound.toolkit_reference()])
    }
}

refusals! {
    /// What any JSON body may be refused with.
    BadBody = TooLarge | UnsupportedType | Invalid;
    /// A body of bytes that is too large.
    TooLarge = TooLarge;
    /// A query or a path with a part that is wrong.
    BadQuery = Invalid;
    /// Something named in the path is not there.
    NotFound = NotFound;
    /// The caller does not hold the task.
    LeaseLost = LeaseLost;
    /// No S3 in this deployment.
    NoStorage = S3Off;
    /// The action does not fit the job's state.
    NotNow = NotNow;
    /// The caller may not do this.
    Forbidden = Forbidden;
    /// The job does not wait for a decision (any more).
    NotWaiting = NotWaiting;
    /// Another job has taken the unique key.
    NotUnique = NotUnique;
    /// What a route that asks for no token may fail with.
    Failing = Internal | Away;
}
