//! `[plugin.NAME]`: what one plugin gets and how much it may take.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use weir_model::PluginName;

use super::{Knob, Range, Secret};

/// `[plugin.NAME]`; the defaults for a plugin that a pipeline names without such a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// The component. Whether it exists is for the host to say: files come and go in a watched folder.
    pub file: PathBuf,
    /// `settings`: always a [`Setting::Table`].
    pub settings: Setting,
    /// What it may touch besides its input. Without repetitions, sorted.
    pub capabilities: Vec<Capability>,
    /// Origins it may send HTTP requests to: `https://risk.internal`. Naming them grants it.
    pub http: Vec<String>,
    /// What its failure means. `Open` is for policies and maskers only; the host refuses it for inspectors.
    pub failure_mode: FailureMode,
    pub mode: Mode,
    pub limits: PluginLimits,
}

/// How a plugin takes part in the pipelines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Where pipelines name it.
    #[default]
    Enforce,
    /// It judges beside `of`, wherever a pipeline names that one; the trail tells where they differ, and that is all.
    Shadow { of: PluginName },
    /// It takes the place of `of` in so many of a hundred sessions, until it misbehaves.
    Canary { of: PluginName, share: usize },
}

impl Mode {
    /// The plugin it stands beside or for.
    pub fn of(&self) -> Option<&PluginName> {
        match self {
            Self::Enforce => None,
            Self::Shadow { of } | Self::Canary { of, .. } => Some(of),
        }
    }

    pub fn as_word(&self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow { .. } => "shadow",
            Self::Canary { .. } => "canary",
        }
    }
}

/// Sessions of a hundred that a canary gets: enough to see something of it soon, few enough to be sorry about.
pub const SHARE: Knob<usize> = Knob { default: 10, least: 1, most: 100 };

/// Something a plugin may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// Time.
    Clock,
    /// Random bytes.
    Random,
    /// A small store of its own.
    KeyValue,
    /// Numbers of its own on `/metrics`.
    Metrics,
}

/// What happens to an operation when the plugin fails on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// It is refused.
    Closed,
    /// It goes on as if the plugin were not there; the trail says so.
    Open,
}

/// `limits` of a `[plugin.NAME]`. `None` is what the host finds right for a plugin of its kind, which only the host
/// knows (`weir-guests`, `limits.rs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLimits {
    /// Linear memory of one instance (one session).
    pub memory_bytes: Option<u64>,
    /// One call, from entering the guest to leaving it.
    pub call_time: Option<Duration>,
    /// What one call may return.
    pub output_bytes: Option<u64>,
    /// Compiling the file apart: its first call (`describe`), and `configure` of each instance.
    pub start_time: Option<Duration>,
}

/// 4 GiB is all a 32-bit guest can address.
pub const MEMORY_BYTES: Range<u64> = Range { least: 1 << 20, most: 4 << 30 };

/// Beyond a minute, everybody thinks it hangs.
pub const CALL_TIME: Range<Duration> =
    Range { least: Duration::from_millis(1), most: Duration::from_secs(60) };

pub const OUTPUT_BYTES: Range<u64> = Range { least: 1 << 10, most: 1 << 30 };

/// Interpreters load their program here.
pub const START_TIME: Range<Duration> =
    Range { least: Duration::from_millis(10), most: Duration::from_secs(300) };

/// A value of `settings`.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Text(String),
    Integer(i64),
    /// Finite.
    Float(f64),
    Boolean(bool),
    List(Vec<Setting>),
    Table(BTreeMap<String, Setting>),
    /// A text that nobody may print; the plugin gets it as a text like any other.
    Secret(Secret),
}

impl Plugin {
    pub(crate) fn with_defaults(file: PathBuf) -> Self {
        Self {
            file,
            settings: Setting::Table(BTreeMap::new()),
            capabilities: Vec::new(),
            http: Vec::new(),
            failure_mode: FailureMode::Closed,
            mode: Mode::Enforce,
            limits: PluginLimits::default(),
        }
    }
}

impl Capability {
    pub(crate) const WORDS: [(&str, Self); 4] = [
        ("clock", Self::Clock),
        ("random", Self::Random),
        ("key-value", Self::KeyValue),
        ("metrics", Self::Metrics),
    ];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::KeyValue => "key-value",
            Self::Metrics => "metrics",
        }
    }
}

impl Setting {
    /// The JSON the plugin is configured with, **secrets included**: hand it to the plugin and nobody else.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::new());
        self.write(&mut out, &|secret| secret.expose().to_owned());
        out
    }

    /// The same JSON with every secret replaced by `"[secret]"`: for people.
    pub fn to_json_without_secrets(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, &|_| "[secret]".to_owned());
        out
    }

    fn write(&self, out: &mut String, reveal: &dyn Fn(&Secret) -> String) {
        match self {
            Self::Text(text) => push_text(out, text),
            Self::Secret(secret) => push_text(out, &Zeroizing::new(reveal(secret))),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Float(number) => out.push_str(&serde_json::Value::from(*number).to_string()),
            Self::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::List(settings) => {
                out.push('[');
                for (index, setting) in settings.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    setting.write(out, reveal);
                }
                out.push(']');
            }
            Self::Table(settings) => {
                out.push('{');
                for (index, (key, setting)) in settings.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    push_text(out, key);
                    out.push(':');
                    setting.write(out, reveal);
                }
                out.push('}');
            }
        }
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_json_and_secrets_show_only_where_asked() {
        let settings = Setting::Table(BTreeMap::from([
            ("a\"b".to_owned(), Setting::List(vec![Setting::Integer(1), Setting::Float(1.5)])),
            ("api_key".to_owned(), Setting::Secret(Secret::new("s3\n", "env KEY"))),
            ("on".to_owned(), Setting::Boolean(true)),
        ]));
        assert_eq!(&**settings.to_json(), "{\"a\\\"b\":[1,1.5],\"api_key\":\"s3\\n\",\"on\":true}");
        assert_eq!(
            settings.to_json_without_secrets(),
            "{\"a\\\"b\":[1,1.5],\"api_key\":\"[secret]\",\"on\":true}"
        );
        assert!(!format!("{settings:?}").contains("s3"));
    }
}
