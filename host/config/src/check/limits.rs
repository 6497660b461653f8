//! Limits on top of limits: a resource's own on `[limits]`, those on the defaults.

use crate::raw;
use crate::settings::Limits;

/// `base` with what is written on top.
pub(super) fn limits(written: &raw::Limits, base: &Limits) -> Limits {
    Limits {
        login_timeout: written.login_timeout.as_ref().map_or(base.login_timeout, |at| at.value),
        idle_timeout: written.idle_timeout.as_ref().map_or(base.idle_timeout, |at| at.value),
        approval_timeout: written.approval_timeout.as_ref().map_or(base.approval_timeout, |at| at.value),
        max_operation_bytes: written
            .max_operation_bytes
            .as_ref()
            .map_or(base.max_operation_bytes, |at| at.value),
        max_answer_bytes: written.max_answer_bytes.as_ref().map_or(base.max_answer_bytes, |at| at.value),
        buffer_bytes: written.buffer_bytes.as_ref().map_or(base.buffer_bytes, |at| at.value),
        max_sessions_per_user: written
            .max_sessions_per_user
            .as_ref()
            .map_or(base.max_sessions_per_user, |at| at.value),
    }
}
