//! Secrets: never written in the file, only where to find them.
//!
//! ```toml
//! password = { env = "CUSTOMERS_PASSWORD" }           # a variable of the environment
//! password = { file = "/run/secrets/customers" }      # a file, relative to the configuration's folder
//! password = { command = ["pass", "db/customers"] }   # what a program prints, within 10 s
//! ```
//!
//! One newline at the end is not part of the secret, because editors and `echo` put one there.
//!
//! In a plugin's `settings`, which are the plugin's own language, a key is that of a secret by its **name**: it
//! ends in `_key`, `_secret`, `_token` or `password`, or is `secret` or `token`. Below such a key, a table of
//! exactly one of the keys above is a reference, and the plugin gets the text it refers to. Below any other key a
//! table is a table.

mod reference;
mod resolve;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub(crate) use reference::{Reference, command, has_shape, hide, read, reference_in, refuse_literal};
pub(crate) use resolve::resolve;

/// A text that is not printed, logged or compared in measurable time, and is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret {
    text: Arc<Zeroizing<String>>,
    origin: Arc<str>,
}

impl Secret {
    /// `origin` says where it came from and may be printed: `env CUSTOMERS_PASSWORD`.
    pub fn new(text: impl Into<String>, origin: impl Into<Arc<str>>) -> Self {
        Self { text: Arc::new(Zeroizing::new(text.into())), origin: origin.into() }
    }

    /// The secret itself, for the one place that has to use it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Where it came from, never what it is.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl PartialEq for Secret {
    /// Whether the texts are the same, wherever they came from. The time depends on the lengths only.
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({})", self.origin)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

/// Whether a key of this name holds a secret.
pub(crate) fn is_name_of_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    matches!(key.as_str(), "secret" | "token")
        || ["_key", "_secret", "_token", "password"].iter().any(|end| key.ends_with(end))
}

/// Whether a text written below such a key is taken for the secret itself. All are but those that name something
/// else everywhere: `partition_key = "id"` and the like.
pub(crate) fn literal_is_suspicious(key: &str) -> bool {
    let name = key.to_lowercase().replace('-', "_");
    let harmless = ["partition_key", "primary_key", "foreign_key", "sort_key", "routing_key", "public_key"];
    is_name_of_secret(key) && !harmless.iter().any(|end| name.ends_with(end))
}

/// Where the password stands in a text of the form `scheme://user:password@…`, in bytes.
pub(crate) fn password_in_url(text: &str) -> Option<Range<usize>> {
    let (scheme, rest) = text.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let start = scheme.len() + "://".len() + user.len() + ":".len();
    Some(start..start + password.len()).filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2", "env P");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "[secret] Secret(env P) Some(Secret(env P))"
        );
        assert_eq!(secret, Secret::new("hunter2", "file p"));
        assert_ne!(secret, Secret::new("hunter3", "env P"));
    }

    #[test]
    fn the_name_says_what_a_secret_is() {
        for name in [
            "api_key",
            "hash_key",
            "API-KEY",
            "password",
            "db_password",
            "bot_token",
            "token",
            "client_secret",
        ] {
            assert!(is_name_of_secret(name), "{name}");
            assert!(literal_is_suspicious(name), "{name}");
        }
        for name in ["key", "keys", "tokens", "secrets_folder", "pass"] {
            assert!(!is_name_of_secret(name), "{name}");
        }
        assert!(is_name_of_secret("partition_key") && !literal_is_suspicious("partition_key"));
    }

    #[test]
    fn passwords_in_urls_are_found() {
        let found = |text: &'static str| password_in_url(text).map(|range| &text[range]);
        assert_eq!(found("amqp://app:hunter2@mq/x"), Some("hunter2"));
        assert_eq!(found("amqp://app:a:b@c@mq"), Some("a:b@c"));
        for none in ["amqp://app@mq", "amqp://mq:5672/a", "app:hunter2@mq", "amqp://app:@mq"] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
