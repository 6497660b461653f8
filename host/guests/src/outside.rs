//! What plugins may reach beyond their input, as far as it is not this room's: a store and the network. The host gives
//! it; tests and `weir check` give nothing.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use weir_model::PluginName;

/// An answer on its way.
pub type Answered<T> = Pin<Box<dyn Future<Output = Result<T, Declined>> + Send>>;

/// Why something was not done: code and sentence, as the plugin gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    pub code: &'static str,
    pub message: String,
}

impl Declined {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A request of a plugin. Its origin is one of those that were granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    /// `https://risk.internal:8443`, as in the configuration
    pub origin: String,
    /// path and query; begins with `/`
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// for the whole answer
    pub within: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The store and the network, for plugins that were granted them. Sizes of what a plugin hands over are checked before;
/// what is refused here is `key-value-limit` (it keeps too much), `key-value-down`, `key-value-type` or `http-…`, as
/// `wit/host.wit` has them.
pub trait Outside: Send + Sync + 'static {
    /// `None` when nothing is kept under the key, or when it has expired.
    fn get(&self, plugin: &PluginName, key: String) -> Answered<Option<Vec<u8>>>;
    /// Resolves when it survives the end of the process. Without a `lifetime` it stays until it is deleted.
    fn set(
        &self,
        plugin: &PluginName,
        key: String,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Answered<()>;
    fn delete(&self, plugin: &PluginName, key: String) -> Answered<()>;
    /// The sum; what is not there counts as 0 and gets the `lifetime`.
    fn add(&self, plugin: &PluginName, key: String, by: i64, lifetime: Option<Duration>) -> Answered<i64>;
    /// The whole answer, of any status; within the request's own time.
    fn send(&self, plugin: &PluginName, request: HttpRequest) -> Answered<HttpAnswer>;
}

/// Nothing is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

fn nothing<T: Send + 'static>() -> Answered<T> {
    Box::pin(async { Err(Declined::new("no-session", "there is nothing to reach here")) })
}

impl Outside for Nothing {
    fn get(&self, _: &PluginName, _: String) -> Answered<Option<Vec<u8>>> {
        nothing()
    }

    fn set(&self, _: &PluginName, _: String, _: Vec<u8>, _: Option<Duration>) -> Answered<()> {
        nothing()
    }

    fn delete(&self, _: &PluginName, _: String) -> Answered<()> {
        nothing()
    }

    fn add(&self, _: &PluginName, _: String, _: i64, _: Option<Duration>) -> Answered<i64> {
        nothing()
    }

    fn send(&self, _: &PluginName, _: HttpRequest) -> Answered<HttpAnswer> {
        nothing()
    }
}
