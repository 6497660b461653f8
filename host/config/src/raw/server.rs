//! `[server]` as written.

use std::time::Duration;

use crate::document::{At, Fields};
use crate::settings::{DRAIN_TIMEOUT, MAX_INSPECTED_BYTES, MAX_SESSIONS};

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) plugins: Option<At<String>>,
    pub(crate) state: Option<At<String>>,
    pub(crate) users: Option<At<String>>,
    pub(crate) plugin_keys: Option<At<Vec<At<String>>>>,
    pub(crate) drain_timeout: Option<At<Duration>>,
    pub(crate) max_sessions: Option<At<usize>>,
    pub(crate) max_inspected_bytes: Option<At<u64>>,
}

impl Server {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let server = Self {
            plugins: fields.text("plugins"),
            state: fields.text("state"),
            users: fields.text("users"),
            plugin_keys: fields.different_texts("plugin_keys"),
            drain_timeout: fields.duration("drain_timeout", &DRAIN_TIMEOUT),
            max_sessions: fields.count("max_sessions", &MAX_SESSIONS),
            max_inspected_bytes: fields.size("max_inspected_bytes", &MAX_INSPECTED_BYTES),
        };
        fields.finish();
        server
    }
}
