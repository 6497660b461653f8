//! Limits on top of limits: a resource's own on `[limits]`, those on the defaults.

use crate::document::Report;
use crate::problem::code;
use crate::raw;
use crate::settings::Limits;
use crate::units::show_size;

/// `base` with what is written on top.
pub(super) fn limits(written: &raw::Limits, base: &Limits, report: &Report) -> Limits {
    let limits = Limits {
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
    };
    let spans = [&written.buffer_bytes, &written.max_operation_bytes];
    if let Some(size) = spans.into_iter().flatten().next()
        && limits.buffer_bytes < limits.max_operation_bytes
    {
        let [buffer, operation] = [limits.buffer_bytes, limits.max_operation_bytes].map(show_size);
        let message =
            format!("an operation of {operation} never fits into `buffer_bytes`, which is {buffer}");
        report
            .error(code::BUFFER_TOO_SMALL, size.span, message)
            .help(format!("`buffer_bytes = \"{operation}\"` or more, or a smaller `max_operation_bytes`"));
    }
    limits
}
