//! `[limits]`, and `limits` of a resource, as written.

use std::time::Duration;

use crate::document::{At, Fields};
use crate::settings::{
    APPROVAL_TIMEOUT, BUFFER_BYTES, IDLE_TIMEOUT, LOGIN_TIMEOUT, MAX_ANSWER_BYTES, MAX_OPERATION_BYTES,
    MAX_SESSIONS_PER_USER,
};

#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) login_timeout: Option<At<Duration>>,
    pub(crate) idle_timeout: Option<At<Duration>>,
    pub(crate) approval_timeout: Option<At<Duration>>,
    pub(crate) max_operation_bytes: Option<At<u64>>,
    pub(crate) max_answer_bytes: Option<At<u64>>,
    pub(crate) buffer_bytes: Option<At<u64>>,
    pub(crate) max_sessions_per_user: Option<At<usize>>,
}

impl Limits {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let limits = Self {
            login_timeout: fields.duration("login_timeout", &LOGIN_TIMEOUT),
            idle_timeout: fields.duration("idle_timeout", &IDLE_TIMEOUT),
            approval_timeout: fields.duration("approval_timeout", &APPROVAL_TIMEOUT),
            max_operation_bytes: fields.size("max_operation_bytes", &MAX_OPERATION_BYTES),
            max_answer_bytes: fields.size("max_answer_bytes", &MAX_ANSWER_BYTES),
            buffer_bytes: fields.size("buffer_bytes", &BUFFER_BYTES),
            max_sessions_per_user: fields.count("max_sessions_per_user", &MAX_SESSIONS_PER_USER),
        };
        fields.finish();
        limits
    }
}
