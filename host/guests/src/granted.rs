//! Imports that must be granted, but for the clock: random bytes, a store, metrics, HTTP.
//!
//! Everything a guest hands over is checked here, before it leaves the room: sizes, names, where a request goes. What
//! answers it lies elsewhere (`outside`). While a plugin is loaded and tried there is no session, and nothing is reached:
//! trying a file must have no effect.

use crate::contract::v0_1::judge::weir::plugin::{
    host_http, host_key_value, host_metrics, host_random, types,
};
use crate::instance::Bounds;
use crate::outside::{Answered, Declined, HttpRequest, Outside};
use crate::state::GuestState;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Random bytes of one call.
const MAX_RANDOM_BYTES: u32 = 4096;
const MAX_KEY_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 64 << 10;
/// Longest lifetime that is counted; beyond is for ever, for all practical purposes.
const MAX_LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
const MAX_METRIC_NAME: usize = 64;
const MAX_BODY_BYTES: usize = 1 << 20;
const MAX_HEADERS: usize = 64;
const MAX_URL_BYTES: usize = 8 << 10;
/// How long one call may wait for a store and the network, all its questions together. Its own time does not run meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(10);
const HTTP_TIME_MS: u32 = 1000;
const MAX_HTTP_TIME_MS: u32 = 10_000;

/// What an instance needs to use its grants.
pub(crate) struct Granted {
    bounds: Arc<Bounds>,
    outside: Arc<dyn Outside>,
    /// What is left of the time that one call may wait for others.
    left: Duration,
}

impl Granted {
    /// `outside`: nothing, while the plugin is tried.
    pub(crate) fn new(bounds: Arc<Bounds>, outside: Arc<dyn Outside>) -> Self {
        Self { bounds, outside, left: MAX_WAIT }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.left = MAX_WAIT;
    }

    /// Waits for an answer, as long as the call may.
    async fn wait<T>(&mut self, answer: Answered<T>) -> Result<T, Declined> {
        let began = Instant::now();
        let answer = tokio::time::timeout(self.left, answer).await;
        self.left = self.left.saturating_sub(began.elapsed());
        answer.unwrap_or_else(|_| {
            let message = format!("a call waits for others no longer than {} s", MAX_WAIT.as_secs());
            Err(Declined::new("wait-limit", message))
        })
    }
}

impl From<Declined> for types::Fault {
    fn from(why: Declined) -> Self {
        Self { code: why.code.to_owned(), message: why.message }
    }
}

fn key_is_fine(key: &str) -> Result<(), Declined> {
    match key.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        length => {
            let message = format!("a key has 1 to {MAX_KEY_BYTES} bytes, this one {length}");
            Err(Declined::new("key-value-limit", message))
        }
    }
}

fn lifetime(ms: Option<u64>) -> Option<Duration> {
    ms.map(|ms| Duration::from_millis(ms).min(MAX_LIFETIME))
}

impl host_random::Host for GuestState {
    fn bytes(&mut self, count: u32) -> Vec<u8> {
        let mut bytes = vec![0; count.min(MAX_RANDOM_BYTES) as usize];
        // Where the system has none, fewer come than were asked for: none.
        match getrandom::fill(&mut bytes) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }
}

impl host_key_value::Host for GuestState {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::Fault> {
        key_is_fine(&key)?;
        let answer = self.granted.outside.get(&self.granted.bounds.plugin, key);
        Ok(self.granted.wait(answer).await?)
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        lifetime_ms: Option<u64>,
    ) -> Result<(), types::Fault> {
        key_is_fine(&key)?;
        if value.len() > MAX_VALUE_BYTES {
            let message = format!("a value has at most {MAX_VALUE_BYTES} bytes, this one {}", value.len());
            return Err(Declined::new("key-value-limit", message).into());
        }
        let plugin = &self.granted.bounds.plugin;
        let answer = self.granted.outside.set(plugin, key, value, lifetime(lifetime_ms));
        Ok(self.granted.wait(answer).await?)
    }

    async fn delete(&mut self, key: String) -> Result<(), types::Fault> {
        key_is_fine(&key)?;
        let answer = self.granted.outside.delete(&self.granted.bounds.plugin, key);
        Ok(self.granted.wait(answer).await?)
    }

    async fn add(&mut self, key: String, by: i64, lifetime_ms: Option<u64>) -> Result<i64, types::Fault> {
        key_is_fine(&key)?;
        let plugin = &self.granted.bounds.plugin;
        let answer = self.granted.outside.add(plugin, key, by, lifetime(lifetime_ms));
        Ok(self.granted.wait(answer).await?)
    }
}

impl host_metrics::Host for GuestState {
    fn count(&mut self, name: String, by: u64) {
        if name_is_fine(&name) {
            self.granted.bounds.metrics.own.count(name, by);
        }
    }

    fn gauge(&mut self, name: String, value: f64) {
        if name_is_fine(&name) && value.is_finite() {
            self.granted.bounds.metrics.own.set(name, value);
        }
    }
}

fn name_is_fine(name: &str) -> bool {
    (1..=MAX_METRIC_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl host_http::Host for GuestState {
    async fn send(&mut self, request: host_http::Request) -> Result<host_http::Answer, types::Fault> {
        let request = checked(request, &self.granted.bounds.http)?;
        let answer = self.granted.outside.send(&self.granted.bounds.plugin, request);
        let answer = self.granted.wait(answer).await?;
        Ok(host_http::Answer { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

/// A request that may go: to an origin of the list, in a form that can be read in one way.
fn checked(request: host_http::Request, origins: &[String]) -> Result<HttpRequest, Declined> {
    let malformed = |what: &str| Declined::new("http-malformed", what.to_owned());
    let host_http::Request { method, url, headers, body, timeout_ms } = request;
    if body.len() > MAX_BODY_BYTES || headers.len() > MAX_HEADERS || url.len() > MAX_URL_BYTES {
        let message = format!(
            "at most {MAX_BODY_BYTES} bytes of body, {MAX_HEADERS} headers and {MAX_URL_BYTES} bytes of URL"
        );
        return Err(Declined::new("http-limit", message));
    }
    if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str()) {
        return Err(malformed("a method that is not sent"));
    }
    // Nothing that two readers could understand in two ways.
    let plain = |b: u8| {
        b.is_ascii_graphic()
            && !matches!(b, b'\\' | b'#' | b'"' | b'<' | b'>' | b'`' | b'^' | b'{' | b'|' | b'}')
    };
    if !url.bytes().all(plain) {
        return Err(malformed("a URL with characters that must be escaped"));
    }
    let origin = origins.iter().find(|origin| {
        url.strip_prefix(origin.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    });
    let Some(origin) = origin else {
        let scheme = url.find("://").map_or(0, |at| at + 3);
        let end =
            url.get(scheme..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| scheme + at);
        let asked: String = url.get(..end).unwrap_or_default().chars().take(100).collect();
        return Err(Declined::new(
            "http-denied",
            format!("`{asked}` is not among the origins this plugin may reach"),
        ));
    };
    let rest = url.get(origin.len()..).unwrap_or_default();
    let target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    for (name, value) in &headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let ours = [
            "host",
            "content-length",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
        ];
        if name.is_empty()
            || !name.bytes().all(token)
            || ours.iter().any(|own| name.eq_ignore_ascii_case(own))
        {
            return Err(malformed("a header that is the host's, or no header"));
        }
        if value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
            return Err(malformed("a header's value with control characters"));
        }
    }
    let ms = if timeout_ms == 0 { HTTP_TIME_MS } else { timeout_ms.min(MAX_HTTP_TIME_MS) };
    let within = Duration::from_millis(ms.into());
    Ok(HttpRequest { method, origin: origin.clone(), target, headers, body, within })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str) -> Result<HttpRequest, &'static str> {
        let request = host_http::Request {
            method: "GET".into(),
            url: url.into(),
            headers: vec![],
            body: vec![],
            timeout_ms: 0,
        };
        let origins = ["https://risk.internal".to_owned(), "http://127.0.0.1:8080".to_owned()];
        checked(request, &origins).map_err(|why| why.code)
    }

    #[test]
    fn only_listed_origins_are_reached() {
        for (url, target) in [
            ("https://risk.internal/score?id=1", "/score?id=1"),
            ("https://risk.internal", "/"),
            ("https://risk.internal?x=1", "/?x=1"),
            ("http://127.0.0.1:8080/a/../b", "/a/../b"),
        ] {
            assert_eq!(ask(url).map(|request| request.target), Ok(target.to_owned()), "{url}");
        }
        for url in [
            "https://risk.internal.evil/",
            "https://risk.internal:8443/",
            "https://risk.internal@evil/",
            "https://risk.internal:443@evil/",
            "http://risk.internal/",
            "https://evil/https://risk.internal/",
            "http://127.0.0.1:80801/",
            "/score",
            "",
        ] {
            assert_eq!(ask(url), Err("http-denied"), "{url}");
        }
        for url in [
            "https://risk.internal\\@evil/",
            "https://risk.internal/ x",
            "https://risk.internal/\r\nx: y",
            "https://risk.internal/#a",
        ] {
            assert_eq!(ask(url), Err("http-malformed"), "{url}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_the_hosts() {
        for (name, value, fine) in [
            ("x-key", "1", true),
            ("authorization", "Bearer x", true),
            ("Host", "evil", false),
            ("content-length", "3", false),
            ("x y", "1", false),
            ("", "1", false),
            ("x", "a\r\nb: c", false),
        ] {
            let request = host_http::Request {
                method: "POST".into(),
                url: "https://risk.internal/".into(),
                headers: vec![(name.into(), value.into())],
                body: vec![],
                timeout_ms: 99_999,
            };
            let sent = checked(request, &["https://risk.internal".to_owned()]);
            assert_eq!(sent.is_ok(), fine, "{name}: {value:?}");
            assert!(sent.is_ok_and(|sent| sent.within == Duration::from_secs(10)) || !fine);
        }
    }

    #[test]
    fn names_of_metrics_are_words() {
        assert!(name_is_fine("denied_2"));
        for name in ["", "Denied", "a-b", "a\"b", "ä", &"x".repeat(65)] {
            assert!(!name_is_fine(name), "{name}");
        }
    }
}
