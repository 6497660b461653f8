//! `[audit]` as written.

use std::time::Duration;

use crate::document::{At, Fields};
use crate::settings::{PATIENCE, QUEUE_BYTES, QUEUE_RECORDS};

#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) queue_records: Option<At<usize>>,
    pub(crate) queue_bytes: Option<At<u64>>,
    pub(crate) patience: Option<At<Duration>>,
}

impl Audit {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let audit = Self {
            queue_records: fields.count("queue_records", &QUEUE_RECORDS),
            queue_bytes: fields.size("queue_bytes", &QUEUE_BYTES),
            patience: fields.duration("patience", &PATIENCE),
        };
        fields.finish();
        audit
    }
}
