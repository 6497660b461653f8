//! Data of a COPY FROM STDIN: it belongs to an operation that was allowed, and streams past in any size.

use super::{Scan, Step, advance, pass};
use crate::inspector::Inspector;
use crate::wire::Header;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CopyIn {
    #[default]
    No,
    /// A COPY FROM STDIN was sent through the extended protocol; its answer is open.
    Expected { operation: u32, segment: u64 },
    /// The server asked for the data.
    Active,
}

impl CopyIn {
    /// The operation has ended, one way or the other.
    pub(crate) fn is_over(&mut self, operation: u32) {
        if matches!(self, Self::Expected { operation: expected, .. } if *expected == operation) {
            *self = Self::No;
        }
    }

    pub(crate) fn is_expected(self) -> bool {
        matches!(self, Self::Expected { .. })
    }

    /// The server asks for data.
    pub(crate) fn starts(&mut self) {
        *self = Self::Active;
    }

    /// The server has what it wanted, or gave up.
    pub(crate) fn is_served(&mut self) {
        if *self == Self::Active {
            *self = Self::No;
        }
    }

    /// The server skips the rest of the segment, and with it a COPY that is still expected there.
    pub(crate) fn is_skipped(&mut self, failed_segment: u64) {
        if *self == Self::Active
            || matches!(self, Self::Expected { segment, .. } if *segment == failed_segment)
        {
            *self = Self::No;
        }
    }
}

impl Inspector {
    /// The rest of a CopyData message whose beginning was dealt with in an earlier call.
    pub(super) fn continue_copy_data(&mut self, scan: &mut Scan<'_>) {
        let now = self.client.copy_left.min(scan.data.len());
        scan.out.pass(now);
        scan.at = now;
        self.client.copy_left -= now;
    }

    pub(super) fn copy_data(&mut self, scan: &mut Scan<'_>, header: Header) -> Step {
        if !self.takes_copy_data() {
            // The server ignores data nobody asked for; so it need not see it.
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        let now = header.total_bytes.min(scan.data.len() - scan.at);
        scan.out.pass(now);
        scan.at += now;
        self.client.copy_left = header.total_bytes - now;
        if self.client.copy_left > 0 { Step::Stop } else { Step::Next }
    }

    /// CopyDone or CopyFail.
    pub(super) fn copy_ends(&mut self, scan: &mut Scan<'_>, header: Header) -> Step {
        let takes = self.takes_copy_data();
        if self.client.copy_in != CopyIn::Active {
            self.queue.copy_data_ended_early();
        }
        self.client.copy_in = CopyIn::No;
        if takes {
            return pass(scan, header);
        }
        scan.out.drop(header.total_bytes);
        advance(scan, header)
    }

    /// A COPY FROM STDIN may be running, or may be about to: the client need not wait to be asked.
    fn takes_copy_data(&self) -> bool {
        self.client.copy_in != CopyIn::No || self.queue.may_copy_in()
    }
}
