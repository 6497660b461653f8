//! What a plugin may use when the configuration grants it: the time, random bytes, a store, metrics, HTTP. What is not used
//! is not imported, and need not be granted. Each has its limits in `wit/host.wit`.
//!
//! Natively, for tests, the store is a map of the thread, metrics are kept in one, and HTTP is answered by what the test
//! gives to [`http::answer_with`].

use crate::Fault;

#[cfg(target_arch = "wasm32")]
mod bindings {
    #![allow(clippy::all, missing_docs, unreachable_pub, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "granted",
        with: { "weir:plugin/types@0.1.0": crate::bindings::weir::plugin::types },
    });
}

/// Grant: `capabilities = ["clock"]`. `std::time` does not know the time in a plugin.
pub mod clock {
    /// Milliseconds since 1970-01-01 UTC. Natively the machine's.
    pub fn unix_ms() -> u64 {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::weir::plugin::host_clock::unix_ms();
        #[cfg(not(target_arch = "wasm32"))]
        std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Grant: `capabilities = ["random"]`.
pub mod random {
    /// So many bytes, 4096 at most. Natively they are always the same.
    pub fn bytes(count: u32) -> Vec<u8> {
        #[cfg(target_arch = "wasm32")]
        return super::bindings::weir::plugin::host_random::bytes(count);
        #[cfg(not(target_arch = "wasm32"))]
        (0..count.min(4096)).map(|at| at as u8).collect()
    }
}

/// A store of the plugin's own, shared by its sessions and kept over restarts. What is kept is not masked.
/// Grant: `capabilities = ["key-value"]`.
pub mod key_value {
    use super::Fault;
    use std::time::Duration;

    #[cfg(target_arch = "wasm32")]
    use super::bindings::weir::plugin::host_key_value as host;
    #[cfg(not(target_arch = "wasm32"))]
    use native as host;

    /// What is kept under a key of 1 to 256 bytes; `None` when nothing is, or when it has expired.
    ///
    /// # Errors
    /// `key-value-limit`, `key-value-down`; `no-session` while the host tries the plugin.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Fault> {
        host::get(key)
    }

    /// When it returns, it survives the end of the gateway's process. `lifetime` is from now; without one it stays until it
    /// is deleted.
    ///
    /// # Errors
    /// As [`get`]; nothing is changed then.
    pub fn set(key: &str, value: &[u8], lifetime: Option<Duration>) -> Result<(), Fault> {
        host::set(key, value, lifetime.map(ms))
    }

    /// What is not there is deleted, too.
    ///
    /// # Errors
    /// As [`get`].
    pub fn delete(key: &str) -> Result<(), Fault> {
        host::delete(key)
    }

    /// Adds to a number and answers the sum: at once for all sessions. What is not there counts as 0 and gets the
    /// `lifetime`; a number that is there keeps the one it has.
    ///
    /// # Errors
    /// As [`get`], and `key-value-type` when the value is no decimal number.
    pub fn add(key: &str, by: i64, lifetime: Option<Duration>) -> Result<i64, Fault> {
        host::add(key, by, lifetime.map(ms))
    }

    fn ms(lifetime: Duration) -> u64 {
        u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod native {
        use super::Fault;
        use std::cell::RefCell;
        use std::collections::BTreeMap;

        thread_local!(static KEPT: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) });

        pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Fault> {
            Ok(KEPT.with_borrow(|kept| kept.get(key).cloned()))
        }

        pub(super) fn set(key: &str, value: &[u8], _: Option<u64>) -> Result<(), Fault> {
            KEPT.with_borrow_mut(|kept| kept.insert(key.to_owned(), value.to_vec()));
            Ok(())
        }

        pub(super) fn delete(key: &str) -> Result<(), Fault> {
            KEPT.with_borrow_mut(|kept| kept.remove(key));
            Ok(())
        }

        pub(super) fn add(key: &str, by: i64, _: Option<u64>) -> Result<i64, Fault> {
            let no_number = || Fault::new("key-value-type", "the value is no number");
            let before = match get(key)? {
                Some(value) => {
                    let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok());
                    number.ok_or_else(no_number)?
                }
                None => 0,
            };
            let sum = before.checked_add(by).ok_or_else(no_number)?;
            set(key, sum.to_string().as_bytes(), None)?;
            Ok(sum)
        }
    }
}

/// Numbers of the plugin's own on the host's `/metrics`. Names are `[a-z0-9_]`, and hold no values.
/// Grant: `capabilities = ["metrics"]`.
pub mod metrics {
    /// Adds to a counter.
    pub fn count(name: &str, by: u64) {
        #[cfg(target_arch = "wasm32")]
        super::bindings::weir::plugin::host_metrics::count(name, by);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (name, by);
    }

    /// Sets a gauge.
    pub fn gauge(name: &str, value: f64) {
        #[cfg(target_arch = "wasm32")]
        super::bindings::weir::plugin::host_metrics::gauge(name, value);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (name, value);
    }
}

/// HTTP requests; the operation waits for the answer. Grant: `http = ["https://risk.internal"]`.
pub mod http {
    use super::Fault;
    use std::time::Duration;

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Request {
        pub method: String,
        /// Absolute; its origin is one of those granted.
        pub url: String,
        /// 64 at most. `host`, `content-length` and what concerns the connection are the host's.
        pub headers: Vec<(String, String)>,
        /// 1 MiB at most, as the answer's.
        pub body: Vec<u8>,
        /// For the whole answer; 10 s at most.
        pub within: Duration,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Answer {
        pub status: u16,
        pub headers: Vec<(String, String)>,
        pub body: Vec<u8>,
    }

    impl Request {
        pub fn get(url: impl Into<String>) -> Self {
            Self {
                method: "GET".into(),
                url: url.into(),
                headers: vec![],
                body: vec![],
                within: Duration::from_secs(1),
            }
        }

        pub fn post(url: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
            let headers = vec![("content-type".to_owned(), content_type.to_owned())];
            Self { method: "POST".into(), headers, body: body.into(), ..Self::get(url) }
        }

        #[must_use]
        pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
            self.headers.push((name.to_owned(), value.into()));
            self
        }

        #[must_use]
        pub fn within(mut self, time: Duration) -> Self {
            self.within = time;
            self
        }

        /// # Errors
        /// `http-denied`, `http-malformed`, `http-limit`, `http-timeout`, `http-failed`; `no-session` while the host tries
        /// the plugin. A status of 400 and above is an answer.
        pub fn send(self) -> Result<Answer, Fault> {
            send(self)
        }
    }

    #[cfg(target_arch = "wasm32")]
    fn send(request: Request) -> Result<Answer, Fault> {
        use super::bindings::weir::plugin::host_http as host;
        let timeout_ms = u32::try_from(request.within.as_millis()).unwrap_or(u32::MAX).max(1);
        let Request { method, url, headers, body, .. } = request;
        let answer = host::send(&host::Request { method, url, headers, body, timeout_ms })?;
        Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn send(request: Request) -> Result<Answer, Fault> {
        ANSWERS.with_borrow(|answers| match answers {
            Some(answer) => answer(&request),
            None => Err(Fault::new("http-failed", "no test has said what is answered: `answer_with`")),
        })
    }

    #[cfg(not(target_arch = "wasm32"))]
    type Answering = Box<dyn Fn(&Request) -> Result<Answer, Fault>>;

    #[cfg(not(target_arch = "wasm32"))]
    thread_local!(static ANSWERS: std::cell::RefCell<Option<Answering>> = const { std::cell::RefCell::new(None) });

    /// For tests: what requests of this thread are answered from now on.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn answer_with(answer: impl Fn(&Request) -> Result<Answer, Fault> + 'static) {
        ANSWERS.set(Some(Box::new(answer)));
    }
}
