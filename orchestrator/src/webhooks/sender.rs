//! Sends one message: to an address that has been checked, within a time, and without reading more than a little of the answer.

use std::{error::Error as StdError, io, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::{Attempt, Policy},
};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::target::{NotAllowed, Targets};
use crate::{domain::delivery::Ending, time::now_ms};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read, so that the connection can be used again.
const MOST_READ: usize = 4096;
const MOST_REDIRECTS: usize = 3;

/// Sends messages; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    http: Client,
    targets: Arc<Targets>,
    timeout: Duration,
}

/// How an attempt ended, for the verdict and for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ending: Ending,
    /// Why it does not count as delivered.
    pub(super) error: Option<String>,
}

impl Sender {
    pub(super) fn new(targets: Arc<Targets>, timeout: Duration) -> Result<Self, reqwest::Error> {
        let checked = Arc::clone(&targets);
        let http = Client::builder()
            .user_agent(concat!("Relevo/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(CheckedNames(Arc::clone(&targets)))
            // A proxy would resolve names itself, and past every check.
            .no_proxy()
            .referer(false)
            .redirect(Policy::custom(move |attempt| follow(&checked, attempt)))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self { http, targets, timeout })
    }

    /// Sends one message. It never fails: how it ended is the answer.
    pub(super) async fn send(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Sent {
        let refused = |reason: String| Sent { ending: Ending::Refused, error: Some(reason) };
        // An address in the URL is never resolved, so it is checked here; the rules may have changed since it was given.
        let url = match self.targets.read(url) {
            Ok(url) => url,
            Err(reason) => return refused(format!("the URL {reason}")),
        };
        let request =
            self.http.post(url).headers(headers).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match request.body(body).send().await {
            Ok(mut answer) => {
                let (status, asked) = (answer.status(), retry_after_ms(answer.headers()));
                let mut length = 0;
                while let Ok(Some(chunk)) = answer.chunk().await {
                    length += chunk.len();
                    if length >= MOST_READ {
                        break;
                    }
                }
                let ending = Ending::Answered { status: status.as_u16(), retry_after_ms: asked };
                Sent { ending, error: (!status.is_success()).then(|| format!("answered {status}")) }
            }
            Err(error) if causes(&error).any(<dyn StdError>::is::<NotAllowed>) => refused(NotAllowed.to_string()),
            Err(error) => Sent { ending: Ending::Failed, error: Some(self.words(&error)) },
        }
    }

    fn words(&self, error: &reqwest::Error) -> String {
        let last = causes(error).last().map(ToString::to_string).unwrap_or_default();
        if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else if error.is_dns() {
            "the name of the host is not found".to_owned()
        } else if error.is_connect() {
            format!("cannot connect: {last}")
        } else if error.is_redirect() {
            format!("not followed: {last}")
        } else {
            format!("the connection broke: {last}")
        }
    }
}

/// An error and what caused it, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Whether a redirect is followed. One that changes the method ends with its own status: a receiver that is not at its
/// address has not got the message.
fn follow(targets: &Targets, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if !matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return attempt.stop();
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error(io::Error::other("too many redirects"));
    }
    let downgraded = |from: &Url| from.scheme() == "https" && attempt.url().scheme() != "https";
    if attempt.previous().last().is_some_and(downgraded) {
        return attempt.error(io::Error::other("redirected from https to http"));
    }
    match targets.check(attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(_) => attempt.error(NotAllowed),
    }
}

/// Milliseconds that the receiver asks to be left alone: as seconds, or as an HTTP date.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    u64::try_from(at.unix_timestamp().saturating_mul(1000).saturating_sub(now_ms())).ok()
}

/// Resolves names, and gives no address that must not be called. What it gives is what is connected to, so a name that
/// changes its address between check and call gains nothing.
struct CheckedNames(Arc<Targets>);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if addresses.iter().all(|address| targets.admits(name.as_str(), address.ip())) {
                Ok(Box::new(addresses.into_iter()) as Addrs)
            } else {
                Err(NotAllowed.into())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(allow: &[&str]) -> Sender {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        Sender::new(Arc::new(Targets::new(&allow, &[]).unwrap()), Duration::from_secs(5)).unwrap()
    }

    async fn send(sender: &Sender, url: &str) -> Sent {
        sender.send(url, HeaderMap::new(), Vec::new()).await
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_resolved() {
        let name: Name = "localhost".parse().unwrap();
        let targets = |allow: &[String]| Arc::new(Targets::new(allow, &[]).unwrap());

        let refused = CheckedNames(targets(&[])).resolve(name).await.err().expect("loopback is not public");
        assert!(refused.is::<NotAllowed>());

        let name: Name = "localhost".parse().unwrap();
        assert!(CheckedNames(targets(&["localhost".to_owned()])).resolve(name).await.is_ok());
    }

    #[tokio::test]
    async fn the_refusal_of_a_name_is_told_from_a_failure() {
        // One of the two loopback addresses passes the check of the URL; every address that the name has must pass.
        let sent = send(&sender(&["::1"]), "http://localhost:9/").await;
        assert_eq!(sent.ending, Ending::Refused, "{sent:?}");

        let sent = send(&sender(&["127.0.0.0/8", "::1"]), "http://localhost:9/").await;
        assert_eq!(sent.ending, Ending::Failed, "{sent:?}");
        assert!(sent.error.unwrap().starts_with("cannot connect: "));
    }

    #[tokio::test]
    async fn an_address_is_checked_again_when_it_is_called() {
        let sent = send(&sender(&[]), "http://127.0.0.1:9/").await;

        assert_eq!(sent.ending, Ending::Refused);
        assert_eq!(sent.error.unwrap(), "the URL must lead to a public address, or to one that the settings allow");
    }

    #[test]
    fn a_time_to_come_back_is_read_in_both_forms() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after_ms(&headers)
        };

        assert_eq!(asked("120"), Some(120_000));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        let far = asked("Wed, 06 Nov 2999 08:49:37 GMT").unwrap();
        assert!(far > 900 * 365 * 24 * 3600 * 1000, "{far}");
    }
}
