//! `[server]`: the folders.

use super::Context;
use super::files::Absent;
use crate::document::At;
use crate::raw;
use crate::settings::{DRAIN_TIMEOUT, MAX_SESSIONS, PLUGINS, STATE, Server, USERS};

/// `[server]`, with whatever is wrong replaced by its default.
pub(crate) fn server(written: &raw::Server, context: Context<'_>) -> Server {
    let folder = |key, path: &Option<At<String>>, default, absent| match path {
        Some(path) => context.folder(key, &path.value, Some(path.span), absent),
        None => context.folder(key, default, None, absent),
    };
    Server {
        plugins: folder("plugins", &written.plugins, PLUGINS, Absent::Refuse),
        state: folder("state", &written.state, STATE, Absent::Create),
        users: context.path(written.users.as_ref().map_or(USERS, |path| &path.value)),
        drain_timeout: written.drain_timeout.as_ref().map_or(DRAIN_TIMEOUT.default, |at| at.value),
        max_sessions: written.max_sessions.as_ref().map_or(MAX_SESSIONS.default, |at| at.value),
    }
}
