//! Answers of our own, in the words that git shows to people.
//!
//! - a push: status 200 and a report, so that git prints `! [remote rejected] main -> main (REASON)` for each ref and
//!   `remote: weir: REASON` above; with an HTTP error it would hide the reason and say `Everything up-to-date`
//! - everything else of the smart protocol: status 200 and an `ERR` line, printed as `fatal: remote error: weir: REASON`
//! - what is not of the smart protocol: an HTTP error with plain text
//!
//! Whoever sends the answer to a push must have taken all of the request before the answer ends: a git that is still
//! sending its pack then reports a broken connection, or `Everything up-to-date`, instead of the reason.

use crate::names::Capabilities;
use crate::pkt;
use crate::target::{Door, Service};
use weir_sdk::Fault;
use weir_sdk::http::{Header, OwnAnswer, is_unavailable};

/// A reason in a report's line, in bytes: git shows it in one line.
const MAX_REASON: usize = 500;
const OTHERS: &str = "another ref of this push was refused";

const PROGRESS: u8 = 2;
const REPORT: u8 = 1;
const ERROR: u8 = 3;

/// One ref of a refused push, and whether it is one of those that caused it.
pub struct Ref<'a> {
    pub name: &'a str,
    pub guilty: bool,
}

pub fn plain(why: &Fault) -> OwnAnswer {
    let status = match why.code.as_str() {
        "git-malformed" | "git-path" | "git-service" => 400,
        "git-method" => 405,
        "git-content-type" => 415,
        code if is_unavailable(code) => 503,
        _ => 403,
    };
    own(status, "text/plain; charset=utf-8", format!("{}\n", said(why)).into_bytes())
}

/// For the advertisement of refs, and for all that `git-upload-pack` is asked.
pub fn error_line(door: Door, why: &Fault) -> OwnAnswer {
    let kind = match door {
        Door::Refs(service) => format!("application/x-{}-advertisement", service.name()),
        Door::Call(service) => format!("application/x-{}-result", service.name()),
    };
    let mut body = Vec::new();
    if let Door::Refs(service) = door {
        pkt::write(&mut body, format!("# service={}\n", service.name()).as_bytes());
        body.extend_from_slice(pkt::FLUSH);
    }
    pkt::write(&mut body, format!("ERR {}", said(why)).as_bytes());
    own(200, &kind, body)
}

/// For a push whose client said what it understands.
pub fn push(capabilities: &Capabilities, refs: &[Ref<'_>], why: &Fault) -> OwnAnswer {
    let banded = is_banded(capabilities);
    let message = format!("{}\n", said(why));
    if !wants_report(capabilities) {
        if !banded {
            return plain(why);
        }
        let mut body = Vec::new();
        pkt::write_band(&mut body, ERROR, message.as_bytes());
        return own(200, RESULT, body);
    }
    let reason = one_line(&why.message);
    let mut report = Vec::new();
    // With no ref to hang the reason on, the pack takes the blame.
    let unpack = if refs.is_empty() { reason.as_str() } else { "ok" };
    pkt::write(&mut report, format!("unpack {unpack}\n").as_bytes());
    for each in refs {
        let reason = if each.guilty { reason.as_str() } else { OTHERS };
        pkt::write(&mut report, format!("ng {} {reason}\n", each.name).as_bytes());
    }
    report.extend_from_slice(pkt::FLUSH);
    if !banded {
        return own(200, RESULT, report);
    }
    let mut body = Vec::new();
    pkt::write_band(&mut body, PROGRESS, message.as_bytes());
    pkt::write_band(&mut body, REPORT, &report);
    body.extend_from_slice(pkt::FLUSH);
    own(200, RESULT, body)
}

/// Shown by git as `remote: weir: MESSAGE` while it goes on waiting.
pub fn progress(message: &str) -> OwnAnswer {
    let mut body = Vec::new();
    pkt::write_band(&mut body, PROGRESS, format!("weir: {}\n", one_line(message)).as_bytes());
    own(200, RESULT, body)
}

pub const RESULT: &str = "application/x-git-receive-pack-result";

pub fn is_banded(capabilities: &Capabilities) -> bool {
    capabilities.has("side-band-64k")
}

pub fn wants_report(capabilities: &Capabilities) -> bool {
    capabilities.has("report-status") || capabilities.has("report-status-v2")
}

/// What an answer to this door is, when all is well.
pub fn result_type(door: Door) -> &'static str {
    match door {
        Door::Refs(Service::UploadPack) => "application/x-git-upload-pack-advertisement",
        Door::Refs(Service::ReceivePack) => "application/x-git-receive-pack-advertisement",
        Door::Call(Service::UploadPack) => "application/x-git-upload-pack-result",
        Door::Call(Service::ReceivePack) => RESULT,
    }
}

fn own(status: u16, kind: &str, body: Vec<u8>) -> OwnAnswer {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let headers =
        vec![header("content-type", kind), header("cache-control", "no-cache, max-age=0, must-revalidate")];
    OwnAnswer { status, headers, body }
}

fn said(why: &Fault) -> String {
    match why.code.is_empty() {
        true => format!("weir: {}", one_line(&why.message)),
        false => format!("weir: {} ({})", one_line(&why.message), one_line(&why.code)),
    }
}

/// Lines end packets and reports, and other control characters move cursors.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for letter in text.trim().chars() {
        if line.len() + letter.len_utf8() > MAX_REASON {
            break;
        }
        line.push(if letter.is_control() { ' ' } else { letter });
    }
    if line.is_empty() { "refused".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> Fault {
        Fault::new("protected", "main is\nprotected")
    }

    fn capabilities(list: &str) -> Capabilities {
        Capabilities::read(list).unwrap()
    }

    fn text(answer: &OwnAnswer) -> String {
        String::from_utf8(answer.body.clone()).unwrap()
    }

    const REFS: [Ref<'static>; 2] =
        [Ref { name: "refs/heads/main", guilty: true }, Ref { name: "refs/heads/x", guilty: false }];

    #[test]
    fn a_push_is_reported_ref_by_ref() {
        let answer = push(&capabilities("report-status"), &REFS, &why());
        assert_eq!(answer.status, 200);
        let wanted = "000eunpack ok\n0029ng refs/heads/main main is protected\n\
                      0039ng refs/heads/x another ref of this push was refused\n0000";
        assert_eq!(text(&answer), wanted);
        let banded = push(&capabilities("report-status-v2 side-band-64k"), &REFS, &why());
        assert!(text(&banded).starts_with("0029\u{2}weir: main is protected (protected)\n"));
        assert!(text(&banded).ends_with(&format!("\u{1}{wanted}0000")));
    }

    #[test]
    fn a_push_without_a_report_is_told_otherwise() {
        let answer = push(&capabilities("side-band-64k"), &REFS, &why());
        assert_eq!(text(&answer), "0029\u{3}weir: main is protected (protected)\n");
        let answer = push(&capabilities(""), &REFS, &why());
        assert_eq!((answer.status, text(&answer).as_str()), (403, "weir: main is protected (protected)\n"));
        let down = Fault::new("58030", "the operation could not be recorded");
        assert_eq!(push(&capabilities(""), &REFS, &down).status, 503);
    }

    #[test]
    fn a_push_whose_refs_are_unknown_blames_the_pack() {
        let answer = push(&capabilities("report-status"), &[], &why());
        assert_eq!(text(&answer), "001dunpack main is protected\n0000");
    }

    #[test]
    fn reasons_stay_in_their_line() {
        assert_eq!(one_line("a\r\n\u{1b}[31mb"), "a   [31mb");
        assert_eq!(one_line(&"ü".repeat(500)).len(), 500);
        assert_eq!(one_line(" \n"), "refused");
    }

    #[test]
    fn refs_are_refused_in_an_advertisement() {
        let answer = error_line(Door::Refs(Service::ReceivePack), &why());
        assert_eq!(
            text(&answer),
            "001f# service=git-receive-pack\n0000002bERR weir: main is protected (protected)"
        );
        assert_eq!(answer.headers[0].value, "application/x-git-receive-pack-advertisement");
    }
}
