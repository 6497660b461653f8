//! `[server]`: the folders.

use super::Context;
use super::files::Absent;
use crate::document::At;
use crate::problem::code;
use crate::raw;
use crate::settings::{DRAIN_TIMEOUT, MAX_INSPECTED_BYTES, MAX_SESSIONS, PLUGINS, STATE, Server, USERS};

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
        plugin_keys: plugin_keys(written, context),
        drain_timeout: written.drain_timeout.as_ref().map_or(DRAIN_TIMEOUT.default, |at| at.value),
        max_sessions: written.max_sessions.as_ref().map_or(MAX_SESSIONS.default, |at| at.value),
        max_inspected_bytes: written
            .max_inspected_bytes
            .as_ref()
            .map_or(MAX_INSPECTED_BYTES.default, |at| at.value),
    }
}

/// An Ed25519 key is 32 bytes; OpenSSL puts 12 before them, which are these in base64 (RFC 8410).
const KEY_CHARS: usize = 43;
const SPKI: &str = "MCowBQYDK2VwAyEA";

fn plugin_keys(written: &raw::Server, context: Context<'_>) -> Vec<String> {
    // As strict as who uses them (`weir-guests`, `trust.rs`), or each plugin would be refused for it.
    let is_key = |key: &str| {
        let body = key.strip_prefix(SPKI).filter(|rest| rest.len() > KEY_CHARS / 2).unwrap_or(key);
        body.strip_suffix('=').is_some_and(|body| {
            body.len() == KEY_CHARS
                && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
                // 43 characters are 2 bits more than 32 bytes.
                && body.ends_with(|last| "AEIMQUYcgkosw048".contains(last))
        })
    };
    let keys = written.plugin_keys.iter().flat_map(|list| &list.value);
    for key in keys.clone().filter(|key| !is_key(&key.value)) {
        context
            .report
            .error(code::BAD_KEY, key.span, "`plugin_keys`: not a public Ed25519 key in base64")
            .help("`weir plugin sign --key FILE` tells the public key of FILE");
    }
    keys.map(|key| key.value.clone()).collect()
}
