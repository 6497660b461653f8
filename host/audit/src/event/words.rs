//! The words that the columns of a record can hold, for whoever asks for them: a misspelt one must not look like one
//! that found nothing.

/// In the column `kind`.
pub const KINDS: [&str; 22] = [
    "host-started",
    "host-stopped",
    "session-opened",
    "session-ended",
    "session-killed",
    "login-failed",
    "token-created",
    "token-revoked",
    "intent",
    "refused",
    "outcome",
    "held",
    "reviewed",
    "plugin-loaded",
    "plugin-removed",
    "plugin-refused",
    "plugin-set-aside",
    "config-applied",
    "config-refused",
    "gap",
    "recovered",
    "payloads-erased",
];

/// In the column `verdict`: what was decided about an operation.
pub const VERDICTS: [&str; 5] = ["abstain", "allow", "deny", "hold", "rewrite"];

/// In the column `status`: how an operation, a review or a session ended.
pub const STATUSES: [&str; 23] = [
    "ok",
    "error",
    "skipped",
    "suspended",
    "unknown",
    "refused",
    "approve",
    "deny",
    "expired",
    "cancelled",
    "client-gone",
    "overrun",
    "session-killed",
    "upstream-gone",
    "session-failed",
    "host-stopped",
    "client-closed",
    "upstream-closed",
    "idle",
    "drained",
    "cut-short",
    "revoked",
    "failed",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Review, Status};
    use crate::record::tests::every_event;
    use weir_model::{Abandoned, EndReason, Fault, FaultSource};

    #[test]
    fn every_word_of_an_event_is_among_them() {
        for event in every_event() {
            assert!(KINDS.contains(&event.kind()), "{}", event.kind());
            for (words, word) in [(VERDICTS.as_slice(), event.verdict()), (&STATUSES, event.status())] {
                assert!(word.is_none_or(|word| words.contains(&word)), "{word:?}");
            }
        }
        let kinds: std::collections::BTreeSet<_> = every_event().iter().map(Event::kind).collect();
        assert_eq!(kinds.len(), KINDS.len());
    }

    #[test]
    fn every_status_there_can_be_is_among_them() {
        use Abandoned::*;
        let abandoned =
            [Cancelled, ClientGone, Overrun, SessionKilled, UpstreamGone, SessionFailed, HostStopped];
        let reviews = [Review::Approve, Review::Deny, Review::Expired].into_iter();
        let reviews = reviews.chain(abandoned.map(Review::Abandoned)).map(Review::as_word);
        use EndReason::*;
        let fault = Fault::new(FaultSource::Host, "x", "x");
        let ends = [ClientClosed, UpstreamClosed, Idle, Drained, CutShort, Revoked, Failed(fault)];
        let statuses = [Status::Ok, Status::Error, Status::Skipped, Status::Suspended, Status::Unknown];
        let all: std::collections::BTreeSet<_> = reviews
            .chain(ends.iter().map(EndReason::as_word))
            .chain(statuses.map(|status| status.as_word()))
            .chain(["refused"])
            .collect();
        assert_eq!(all, STATUSES.into_iter().collect());
    }
}
