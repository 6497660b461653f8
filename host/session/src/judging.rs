//! What streams and HTTP share of deciding: denials, what an approval binds, and what is kept of both.

use crate::ports::Intent;
use crate::traffic::Request;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_model::{Decision, Digest, Fault, Operation, SessionInfo, Tags, Verdict};

pub(crate) fn denial(why: &Fault) -> Verdict {
    Verdict::Deny { code: why.code.clone(), reason: why.message.clone() }
}

pub(crate) fn denied(why: &Fault, inspector: weir_model::JudgedBy) -> Decision {
    Decision { verdict: denial(why), findings: vec![], tags: Tags::default(), judged_by: vec![inspector] }
}

/// The reason of a refusal as it may be kept: a denial's has been through the maskers.
pub(crate) fn as_recorded(why: Fault, intent: &Intent) -> Fault {
    match &intent.decision.verdict {
        Verdict::Deny { reason, .. } => Fault { message: reason.clone(), ..why },
        _ => why,
    }
}

/// What was decided in the end, with all that was said before; what is the same is told once.
pub(crate) fn merged(mut earlier: Decision, latest: Decision) -> Decision {
    fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
        for item in more {
            if !all.contains(&item) {
                all.push(item);
            }
        }
    }
    add(&mut earlier.findings, latest.findings);
    let new = latest.tags.iter().filter(|tag| !earlier.tags.contains(tag)).cloned().collect();
    earlier.tags.add(new);
    add(&mut earlier.judged_by, latest.judged_by);
    Decision { verdict: latest.verdict, ..earlier }
}

/// As exact as it is written into the trail.
pub(crate) fn in_milliseconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(since_epoch(time))
}

pub(crate) fn since_epoch(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn same_reviewers(one: &Decision, other: &Decision) -> bool {
    match (&one.verdict, &other.verdict) {
        (Verdict::Hold { reviewers: one, .. }, Verdict::Hold { reviewers: other, .. }) => one == other,
        _ => false,
    }
}

/// What an approval binds: who, where, until when, and every byte. Each part is preceded by its length, so that no two
/// operations share an encoding.
pub(crate) fn digest(
    info: &SessionInfo,
    request: &Request,
    operation: &Operation,
    bytes: &[u8],
    expires_at: SystemTime,
) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"weir-approval/v2");
    part(&since_epoch(expires_at).to_be_bytes());
    part(info.id.as_str().as_bytes());
    part(info.resource.as_str().as_bytes());
    part(info.who.id.as_bytes());
    for attribute in &info.attributes {
        part(attribute.name.as_bytes());
        part(attribute.value.as_bytes());
    }
    part(&request.id.to_be_bytes());
    part(operation.kind.as_bytes());
    part(operation.text.as_bytes());
    for parameter in &operation.parameters {
        part(parameter.name.as_bytes());
        part(parameter.type_name.as_bytes());
        part(&[u8::from(parameter.value.is_some())]);
        part(parameter.value.as_deref().unwrap_or_default().as_bytes());
    }
    part(bytes);
    Digest(hash.finalize().into())
}
