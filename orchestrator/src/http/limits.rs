//! Limits on how fast requests come, and the headers that tell of them.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::Request,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use super::{App, address::counted};
use crate::{
    domain::quota::Rate,
    error::{Error, Result, seconds},
    network::Network,
    settings::Settings,
    store::Allowance,
};

/// What is asked of every request, whoever sends it.
#[derive(Debug)]
pub struct Gate {
    /// Proxies that are taken at their word.
    pub(super) trusted_proxies: Vec<Network>,
    address: Option<Rate>,
    failed_tokens: Option<Rate>,
}

impl Gate {
    /// The gate of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let some = |number: u32| (number > 0).then_some(number);
        let per_second = settings.address_requests_per_second;
        let per_minute = some(settings.failed_tokens_per_minute);
        Self {
            trusted_proxies: settings.trusted_proxies.clone(),
            address: (per_second > 0.0).then(|| Rate::new(per_second, some(settings.address_burst))),
            failed_tokens: per_minute.map(|number| Rate::new(f64::from(number) / 60.0, Some(number))),
        }
    }
}

/// A limit that was asked for one request.
#[derive(Debug, Clone, Copy)]
struct Asked {
    policy: &'static str,
    rate: Rate,
    allowance: Allowance,
}

/// What was asked for one request so far.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<Vec<Asked>>>);

impl Ledger {
    fn with<T>(&self, use_it: impl FnOnce(&mut Vec<Asked>) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells in every answer what was asked for its request.
pub(super) async fn tell(mut request: Request, next: Next) -> Response {
    let ledger = Ledger::default();
    request.extensions_mut().insert(ledger.clone());
    let mut response = next.run(request).await;
    ledger.with(|asked| write_headers(asked, response.headers_mut()));
    response
}

/// Counts a request of this address.
pub(super) async fn spend_for_address(app: &App, extensions: &Extensions, address: IpAddr) -> Result<()> {
    spend(app, extensions, "address", &counted(address), app.gate.address).await
}

/// Counts a request of this client.
pub(super) async fn spend_for_client(
    app: &App,
    extensions: &Extensions,
    client: &str,
    rate: Option<Rate>,
) -> Result<()> {
    spend(app, extensions, "client", client, rate).await
}

/// Counts a token that nobody has. While Redis is away nothing is counted: the answer is a refusal in any case.
pub(super) async fn spend_for_unknown_token(app: &App, extensions: &Extensions, address: IpAddr) -> Result<()> {
    match spend(app, extensions, "failed_tokens", &counted(address), app.gate.failed_tokens).await {
        Err(Error::Store(_)) => Ok(()),
        other => other,
    }
}

async fn spend(app: &App, extensions: &Extensions, policy: &'static str, who: &str, rate: Option<Rate>) -> Result<()> {
    let Some(rate) = rate else { return Ok(()) };
    let allowance = app.store.spend_allowance(&format!("{policy}:{who}"), rate).await?;
    if let Some(ledger) = extensions.get::<Ledger>() {
        ledger.with(|asked| asked.push(Asked { policy, rate, allowance }));
    }
    match allowance.wait {
        None => Ok(()),
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
    }
}

/// `RateLimit` and `RateLimit-Policy` list every limit (draft-ietf-httpapi-ratelimit-headers-10); the three older headers
/// know one only, so they tell of the tightest.
fn write_headers(asked: &[Asked], headers: &mut HeaderMap) {
    let Some(tightest) = asked.iter().min_by_key(|one| one.allowance.remaining) else { return };
    let list = |line: &dyn Fn(&Asked) -> String| asked.iter().map(line).collect::<Vec<_>>().join(", ");
    let reset = |one: &Asked| seconds(one.allowance.wait.unwrap_or(one.allowance.full_in));
    let policy = list(&|one| format!("\"{}\";q={};w={}", one.policy, one.rate.burst, one.rate.window_s()));
    let limit = list(&|one| format!("\"{}\";r={};t={}", one.policy, one.allowance.remaining, reset(one)));
    let written = [
        ("ratelimit-policy", policy),
        ("ratelimit", limit),
        ("ratelimit-limit", tightest.rate.burst.to_string()),
        ("ratelimit-remaining", tightest.allowance.remaining.to_string()),
        ("ratelimit-reset", reset(tightest).to_string()),
    ];
    for (name, value) in written {
        let value = HeaderValue::from_str(&value).expect("words and numbers are printable");
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asked(policy: &'static str, burst: u32, remaining: u32, wait_ms: Option<u64>) -> Asked {
        let wait = wait_ms.map(Duration::from_millis);
        let allowance = Allowance { wait, remaining, full_in: Duration::from_millis(2100) };
        Asked { policy, rate: Rate::new(10.0, Some(burst)), allowance }
    }

    #[test]
    fn an_answer_tells_of_every_limit_and_of_the_tightest() {
        let mut headers = HeaderMap::new();

        write_headers(&[asked("address", 100, 40, None), asked("client", 30, 0, Some(50))], &mut headers);

        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("ratelimit-policy"), "\"address\";q=100;w=10, \"client\";q=30;w=3");
        assert_eq!(text("ratelimit"), "\"address\";r=40;t=3, \"client\";r=0;t=1");
        assert_eq!([text("ratelimit-limit"), text("ratelimit-remaining"), text("ratelimit-reset")], ["30", "0", "1"]);
    }

    #[test]
    fn an_answer_without_limits_tells_of_none() {
        let mut headers = HeaderMap::new();

        write_headers(&[], &mut headers);

        assert!(headers.is_empty());
    }
}
