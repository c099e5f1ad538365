//! What a client's token is for, and which scope a request needs.

use std::fmt;

/// A part of the service that a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Look at jobs, and at what runs them.
    JobsRead,
    /// Create jobs, and change what there is.
    JobsWrite,
    /// Use files and datasets.
    Files,
    /// All of these, for the jobs of every client.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which people read of them.
    pub const ALL: [Self; 4] = [Self::JobsRead, Self::JobsWrite, Self::Files, Self::Admin];
    /// What a client has that names none.
    pub const USUAL: [Self; 3] = [Self::JobsRead, Self::JobsWrite, Self::Files];

    /// Its name, as files and answers write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::Files => "files",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }

    /// What a request needs, by its method and its route. A route that is not named here needs what its method says,
    /// so that a new one is never open by mistake.
    #[must_use]
    pub fn needed(method: &str, route: &str) -> Self {
        // What an operator does to workers, skills and blueprints concerns every client.
        let operates = ["/pause", "/drain", "/resume"];
        if method == "POST" && operates.iter().any(|act| route.ends_with(act)) {
            return Self::Admin;
        }
        // Who reads the secret can sign as this service.
        let reads = (matches!(method, "GET" | "HEAD") && route != "/api/v1/webhooks/secret")
            || route.starts_with("/v1/toolkit/");
        // A blueprint may have an endpoint that looks like a file's: a POST there creates a job.
        let files = route.starts_with("/api/datasets")
            || (method != "POST" && route.contains("/files/"))
            || route == "/api/sampling/jobs/{job_id}/data";
        match (files, reads) {
            (true, _) => Self::Files,
            (false, true) => Self::JobsRead,
            (false, false) => Self::JobsWrite,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_the_scope_of_what_it_does() {
        let cases = [
            ("GET", "/api/v1/jobs/{job_id}", Scope::JobsRead),
            ("HEAD", "/jobs", Scope::JobsRead),
            ("POST", "/v1/toolkit/jobs/status", Scope::JobsRead),
            ("POST", "/api/{version}/{*endpoint}", Scope::JobsWrite),
            ("DELETE", "/api/jobs/{job_id}", Scope::JobsWrite),
            ("PUT", "/api/v1/jobs/{job_id}/files/content/{filename}", Scope::Files),
            ("POST", "/api/v1/jobs/{job_id}/files/content/{filename}", Scope::JobsWrite),
            ("GET", "/api/datasets", Scope::Files),
            ("GET", "/api/sampling/jobs/{job_id}/data", Scope::Files),
            ("POST", "/api/sampling/datasets/{dataset_id}/jobs", Scope::JobsWrite),
            ("GET", "/api/v1/webhooks/secret", Scope::JobsWrite),
            ("POST", "/api/v1/workers/{worker_id}/drain", Scope::Admin),
            ("GET", "/api/v1/workers", Scope::JobsRead),
        ];

        for (method, route, scope) in cases {
            assert_eq!(Scope::needed(method, route), scope, "{method} {route}");
        }
    }

    #[test]
    fn a_scope_reads_back_as_it_was_written() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_word(&scope.to_string()), Some(scope));
        }
        assert_eq!(Scope::from_word("jobs"), None);
    }
}
