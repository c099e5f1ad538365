//! A client of a running orchestrator.

use std::time::Duration;

use relevo_shared::{JobId, job::JobView, problem::Problem, secret::Secret};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::Failure;

/// Where the orchestrator is and who we are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Connection {
    /// Address of the orchestrator.
    #[arg(long, env = "RELEVO_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Token of this client.
    #[arg(long, env = "RELEVO_CLIENT_TOKEN", hide_env_values = true, value_parser = secret, global = true)]
    client_token: Option<Secret>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Calls an orchestrator.
pub(super) struct ApiClient {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl ApiClient {
    pub(super) fn new(connection: &Connection) -> Result<Self, Failure> {
        let token =
            connection.client_token.clone().ok_or("no client token: set RELEVO_CLIENT_TOKEN or --client-token")?;
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, base: connection.url.trim_end_matches('/').to_owned(), token })
    }

    /// A request to one of the service's paths.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("X-Client-Token", self.token.reveal())
    }

    /// Sends a request and reads its JSON answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        Ok(self.send(request).await?.json().await?)
    }

    /// Sends a request; an answer that is a refusal becomes an error with the service's own words.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response =
            request.send().await.map_err(|error| format!("cannot reach the orchestrator at {}: {error}", self.base))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await.into())
    }

    /// A job.
    pub(super) async fn job(&self, id: &JobId) -> Result<JobView, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/jobs/{id}"))).await
    }
}

async fn refusal(response: Response) -> String {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => {
            let rest = problem.details.iter().skip(1).map(|detail| format!("\n  {}: {}", detail.field, detail.reason));
            format!("{}{}", problem.error, rest.collect::<String>())
        }
        Err(_) if status == StatusCode::UNAUTHORIZED => "the token is unknown".to_owned(),
        Err(_) => format!("the orchestrator answered {status}"),
    }
}
