//! `[server]`: folders, and what concerns all sessions together.

use std::path::PathBuf;
use std::time::Duration;

use super::Knob;

/// `[server]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The watched folder with the plugins' `.wasm` files. Exists.
    pub plugins: PathBuf,
    /// The folder for the audit store, keys and compiled plugins. May not exist yet.
    pub state: PathBuf,
    /// The file with the local users. May not exist yet.
    pub users: PathBuf,
    /// Public Ed25519 keys in base64: with any, only plugins that one of them has signed are loaded.
    pub plugin_keys: Vec<String>,
    /// On shutdown, sessions get this long to end by themselves.
    pub drain_timeout: Duration,
    /// More clients than this at once are refused.
    pub max_sessions: usize,
    /// Bytes of HTTP messages that are inspected whole, of all sessions together. Messages below 64 KiB are not counted.
    pub max_inspected_bytes: u64,
}

pub(crate) const PLUGINS: &str = "plugins";
pub(crate) const STATE: &str = "state";
pub(crate) const USERS: &str = "users.toml";

/// Long enough for a usual transaction, short enough for a supervisor that kills after 90 s. None is allowed:
/// sessions are then cut at once.
pub const DRAIN_TIMEOUT: Knob<Duration> =
    Knob { default: Duration::from_secs(30), least: Duration::ZERO, most: Duration::from_secs(24 * 3600) };

/// An idle session costs some 50 KiB per plugin. The pool of instances for this many fits below Debian's default of
/// `vm.max_map_count` (65530); for more than some 1900 that has to be raised, or instances are made on demand.
pub const MAX_SESSIONS: Knob<usize> = Knob { default: 1000, least: 1, most: 1_000_000 };

/// Sixty of the largest requests at once; what waits for approval may take four times its size, because it is kept as it
/// will be sent, shown and recorded. One session may have a quarter, so the least still takes the largest answer of the
/// defaults.
pub const MAX_INSPECTED_BYTES: Knob<u64> = Knob { default: 512 << 20, least: 64 << 20, most: 1 << 40 };
