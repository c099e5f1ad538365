//! The HTTP API as a client sees it, without any of Relevo's own client code.

use std::{sync::LazyLock, time::Duration};

use relevo_shared::{
    job::{JobState, JobView},
    problem::Problem,
};
use reqwest::{
    Method, StatusCode,
    blocking::{Body, Client, RequestBuilder},
    header::HeaderMap,
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::{SOON, until};

/// One for all callers: each of its own would read the machine's certificates again.
static HTTP: LazyLock<Client> = LazyLock::new(|| {
    let builder = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(90));
    builder.build().expect("a client needs no outside help")
});

/// A client with its token.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    url: String,
    token: (&'static str, String),
}

impl Api {
    /// A client of the orchestrator at this URL.
    #[must_use]
    pub fn client(url: &str, token: &str) -> Self {
        Self::with("x-client-token", url, token)
    }

    /// A worker that speaks for itself.
    #[must_use]
    pub fn worker(url: &str, token: &str) -> Self {
        Self::with("x-worker-token", url, token)
    }

    fn with(header: &'static str, url: &str, token: &str) -> Self {
        Self { http: HTTP.clone(), url: url.to_owned(), token: (header, token.to_owned()) }
    }

    /// The same caller with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: (self.token.0, token.to_owned()), ..self.clone() }
    }

    /// Whether the orchestrator answers at all.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.request(Method::GET, "/_public/status").send().is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a request without a body.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path))
    }

    /// Sends JSON.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::POST, path).json(body))
    }

    /// Sends JSON.
    #[must_use]
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::PATCH, path).json(body))
    }

    /// Asks to take something away.
    #[must_use]
    pub fn delete(&self, path: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path))
    }

    /// Sends bytes.
    #[must_use]
    pub fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        Self::send(self.request(Method::PUT, path).body(body))
    }

    /// Sends a request to any URL without a token, as whoever holds a presigned link does.
    #[must_use]
    pub fn bare(&self, method: Method, url: &str, body: impl Into<Body>) -> Answer {
        Self::send(self.http.request(method, url).body(body))
    }

    /// A request of one's own making, for [`Self::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header(self.token.0, &self.token.1)
    }

    /// Sends a request and reads its answer whole.
    #[must_use]
    pub fn send(request: RequestBuilder) -> Answer {
        let answer = request.send().expect("the orchestrator answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.bytes().expect("an answer ends").to_vec() }
    }

    /// Creates a job at a blueprint's endpoint and gives its id.
    #[must_use]
    pub fn create(&self, endpoint: &str, input: &Value) -> String {
        let answer = self.post(&format!("/api/v1/{endpoint}"), &json!({ "initial_data": input }));
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        text(&answer.json()["job_id"])
    }

    /// The job as it is now.
    #[must_use]
    pub fn job(&self, id: &str) -> JobView {
        let answer = self.get(&format!("/api/v1/jobs/{id}"));
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("a job has the form that is documented")
    }

    /// Waits until the job is in this state. A job that ends in another one fails the test at once.
    pub fn wait(&self, id: &str, state: JobState) -> JobView {
        self.wait_within(id, state, SOON)
    }

    /// [`Self::wait`] with a deadline of one's own.
    pub fn wait_within(&self, id: &str, state: JobState, within: Duration) -> JobView {
        until(&format!("job {id} to be {}", state.as_str()), within, || {
            let job = self.job(id);
            if job.status == state.as_str() {
                return Some(job);
            }
            assert!(job.completed_at.is_none(), "the job ended otherwise: {job:#?}");
            None
        })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The refusal in the body. Panics unless the status is the one that was expected.
    #[must_use]
    pub fn refusal(&self, status: u16) -> Problem {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.text()))
    }
}

/// A JSON string as text.
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
