//! Pushes.

use super::*;
use host::{answered, post};
use weir_sdk::Fault;
use weir_sdk::http::HttpInspector;

const RECEIVE: &str = "/app.git/git-receive-pack";
const RESULT: &str = "application/x-git-receive-pack-result";
const TEXTS: [&str; 3] = ["update refs/heads/main", "create refs/heads/new", "create refs/heads/bad"];
const NO_REPORT: &str = "1 |git-no-report|the server did not report what became of this ref";

fn pushed(host: &mut Host) -> Request {
    ask(host, &post(RECEIVE), &[recorded!("push.ask")])
}

fn no_main() -> Host {
    Host::judging(|operation| {
        (operation.attribute("git-ref") == Some("refs/heads/main"))
            .then(|| Fault::new("protected", "main is protected"))
    })
}

#[test]
fn each_ref_is_an_operation() {
    let mut host = Host::new();
    let request = pushed(&mut host);
    assert_eq!(texts(&request), TEXTS);
    assert_eq!(
        told(&request.operations[0].operation),
        [
            "git.update-ref write: update refs/heads/main",
            "on app refs/heads/main",
            "on app.git refs/heads/main",
            "on refs/heads/main",
            "git-repository app",
            "git-service git-receive-pack",
            "http-path /app.git/git-receive-pack",
            "git-ref refs/heads/main",
            "git-update update",
            "git-fast-forward yes",
            "claims user-agent git/2.47.3",
            "claims git-agent git/2.47.3",
            "old = 49744de5ddacb1293d38a9960f0811efe2ba64b3",
            "new = 2814aac97f6a889e13de8ff33d0bd79e8c77f14d",
            "push-option = ci.skip",
            "push-option[1] = why=test",
        ]
    );
    assert_eq!(request.operations[1].operation.attribute("git-fast-forward"), None);
    let request = ask(&mut host, &post(RECEIVE), &[recorded!("push-hooked.ask")]);
    assert_eq!(texts(&request), ["delete refs/heads/new", "create refs/heads/x"]);
    let ids: Vec<_> = request.operations.iter().map(|found| found.id).collect();
    assert_eq!(ids, [4, 5]);
}

/// Nothing goes on before all commands are there, and then every byte does.
#[test]
fn a_push_arrives_however_it_is_cut() {
    let bytes = recorded!("push.ask");
    for at in 0..=bytes.len() {
        let mut host = Host::new();
        let (first, rest) = bytes.split_at(at);
        let request = ask(&mut host, &post(RECEIVE), &[first, rest]);
        assert_eq!((texts(&request), request.forwarded.as_slice()), (TEXTS.to_vec(), bytes), "cut at {at}");
    }
    let mut host = Host::new();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(ask(&mut host, &post(RECEIVE), &single).forwarded, bytes);
    let mut host = no_main();
    let refused = ask(&mut host, &post(RECEIVE), &single);
    assert_eq!((texts(&refused), refused.forwarded.len()), (TEXTS.to_vec(), 0));
}

fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

fn forward(host: &mut Host, pieces: &[&[u8]]) -> Vec<Option<String>> {
    let request = ask(host, &post(RECEIVE), pieces);
    assert_eq!(request.forwarded, pieces.concat());
    let operations = request.operations.iter().map(|found| &found.operation);
    operations.map(|each| each.attribute("git-fast-forward").map(str::to_owned)).collect()
}

/// A server that is told to forget what is behind a commit forgets the branch, however true its history is.
#[test]
fn a_push_that_cuts_history_off_is_not_known_to_be_forward() {
    let push = recorded!("push.ask");
    let new = line("shallow 2814aac97f6a889e13de8ff33d0bd79e8c77f14d");
    let old = line("shallow 49744de5ddacb1293d38a9960f0811efe2ba64b3");
    assert_eq!(forward(&mut Host::new(), &[push])[0].as_deref(), Some("yes"));
    assert_eq!(forward(&mut Host::new(), &[&old, push])[0].as_deref(), Some("yes"));
    assert_eq!(forward(&mut Host::new(), &[&new, push])[0].as_deref(), Some("unknown"));
    // What another branch was pushed with, and even only asked for, holds for the pushes behind it.
    let zero = "0".repeat(40);
    let create =
        line(&format!("{zero} 2814aac97f6a889e13de8ff33d0bd79e8c77f14d refs/heads/b\0 report-status"));
    let mut host = Host::new();
    forward(&mut host, &[&new, &create, b"0000"]);
    assert_eq!(forward(&mut host, &[push])[0].as_deref(), Some("unknown"));
}

#[test]
fn a_pack_is_known_by_what_is_in_it_and_by_those_before() {
    let push = recorded!("push.ask");
    let (commands, pack) = push.split_at(bytes_before_pack(push));
    let mut host = Host::new();
    let said = |host: &mut Host, pieces: &[&[u8]]| forward(host, pieces)[0].clone().unwrap();
    assert_eq!(said(&mut host, &[commands]), "unknown");
    assert_eq!(said(&mut host, &[commands, b"PACK\0\0\0\x02\0\0\0\0"]), "unknown");
    assert_eq!(said(&mut host, &[commands, b"rubbish"]), "unknown");
    assert_eq!(said(&mut host, &[commands, pack]), "yes");
    assert_eq!(said(&mut host, &[commands]), "yes");
    // In the other direction, as `push --force` does.
    let (old, new) = ("49744de5ddacb1293d38a9960f0811efe2ba64b3", "2814aac97f6a889e13de8ff33d0bd79e8c77f14d");
    let back = line(&format!("{new} {old} refs/heads/main\0 report-status"));
    assert_eq!(said(&mut host, &[&back, b"0000"]), "no");
    assert_eq!(said(&mut Host::new(), &[&back, b"0000"]), "unknown");
}

#[test]
fn many_refs_cannot_say_a_long_thing_each() {
    let zero = "0".repeat(40);
    let new = "2814aac97f6a889e13de8ff33d0bd79e8c77f14d";
    let ask_with = |refs: usize, option: usize| {
        let mut body = Vec::new();
        for number in 0..refs {
            let capabilities = if number == 0 { "\0 push-options" } else { "" };
            body.extend(line(&format!("{zero} {new} refs/heads/{number}{capabilities}")));
        }
        body.extend_from_slice(b"0000");
        body.extend(line(&"a".repeat(option)));
        body.extend_from_slice(b"0000");
        ask(&mut Host::new(), &post(RECEIVE), &[&body])
    };
    assert_eq!(ask_with(1000, 100).operations.len(), 1000);
    assert_eq!(ask_with(1, 60_000).operations.len(), 1);
    let refused = ask_with(1000, 60_000);
    assert_eq!((refused.refused.unwrap().1.code.as_str(), refused.forwarded.len()), ("git-too-large", 0));
}

#[test]
fn a_push_that_ends_too_early_is_refused() {
    let commands = bytes_before_pack(recorded!("push.ask"));
    for at in 0..commands {
        let mut host = Host::new();
        let request = ask(&mut host, &post(RECEIVE), &[&recorded!("push.ask")[..at]]);
        assert!(request.refused.is_some() && request.forwarded.is_empty(), "ends at {at}");
        host.refusal(&request);
    }
}

fn bytes_before_pack(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|four| four == b"PACK").unwrap()
}

#[test]
fn each_ref_has_its_own_outcome_however_the_report_is_cut() {
    let (push, hooked) = (recorded!("push.answer"), recorded!("push-hooked.answer"));
    for at in 0..=push.len() {
        let mut host = Host::new();
        let request = pushed(&mut host);
        let (first, rest) = push.split_at(at);
        let (passed, results) = host.answer(request.exchange, &answered(200, RESULT), &[first, rest, b""]);
        assert_eq!(passed, push);
        let wanted = [
            "0 ok refs/heads/main||",
            "0 ok refs/heads/new||",
            "1 ng refs/heads/bad|git-rejected|hook declined",
        ];
        assert_eq!(ended(&results), wanted, "cut at {at}");
        let ids: Vec<_> = results.iter().map(|each| each.operation).collect();
        assert_eq!(ids, [1, 2, 3]);
    }
    let mut host = Host::new();
    let request = ask(&mut host, &post(RECEIVE), &[recorded!("push-hooked.ask")]);
    let (_, results) = host.answer(request.exchange, &answered(200, RESULT), &[hooked]);
    let wanted = [
        "1 ng refs/heads/new|git-rejected|pre-receive hook declined",
        "1 ng refs/heads/x|git-rejected|pre-receive hook declined",
    ];
    assert_eq!(ended(&results), wanted);
}

/// A server that says nothing has not said yes.
#[test]
fn refs_without_a_report_have_failed() {
    let answers: [(&[u8], &str); 4] = [
        (b"0000", NO_REPORT),
        (b"rubbish", NO_REPORT),
        (b"002b\x01000eunpack ok\n0015ok refs/heads/other\n0000", NO_REPORT),
        (b"0012\x03disk is full\n", "1 unpack|git-unpack|disk is full"),
    ];
    for (answer, wanted) in answers {
        let mut host = Host::new();
        let request = pushed(&mut host);
        let (passed, results) = host.answer(request.exchange, &answered(200, RESULT), &[answer]);
        assert_eq!((passed.as_slice(), ended(&results)), (answer, vec![wanted.to_owned(); 3]));
    }
    // An HTTP error speaks for itself: the host ends the operations by it.
    let mut host = Host::new();
    let request = pushed(&mut host);
    let (_, results) = host.answer(request.exchange, &answered(403, "text/plain"), &[b"no"]);
    assert!(results.is_empty());
}

#[test]
fn a_refused_push_says_which_ref_was_the_reason() {
    let mut host = no_main();
    let request = pushed(&mut host);
    assert!(request.forwarded.is_empty());
    let own = host.refusal(&request);
    assert_eq!((own.status, own.headers[0].value.as_str()), (200, RESULT));
    let wanted = "0029\u{2}weir: main is protected (protected)\n\
        00b6\u{1}000eunpack ok\n\
        0029ng refs/heads/main main is protected\n\
        003bng refs/heads/new another ref of this push was refused\n\
        003bng refs/heads/bad another ref of this push was refused\n\
        00000000";
    let body = String::from_utf8(own.body).unwrap();
    assert_eq!(body, wanted);
    // When nothing is said of any one, the reason is all of theirs.
    let own = host.inspector.refuse(request.exchange, &[], &Fault::new("trail", "the trail is down"));
    assert_eq!(String::from_utf8(own.body).unwrap().matches(" the trail is down\n").count(), 3);
}

#[test]
fn a_held_push_is_told_and_can_still_be_refused() {
    let mut host = no_main();
    let request = pushed(&mut host);
    let own = host.inspector.waiting(request.exchange, "held: approval 7").unwrap();
    assert_eq!((own.status, own.headers[0].value.as_str()), (200, RESULT));
    assert_eq!(own.body, b"001c\x02weir: held: approval 7\n");
    // With the same head: what follows is more of the same body.
    let refused = host.refusal(&request);
    assert_eq!(refused.status, own.status);
    assert_eq!(refused.headers[0].value, own.headers[0].value);
}

#[test]
fn after_it_was_told_only_a_report_fits() {
    let begun = |host: &mut Host| {
        let request = pushed(host);
        host.inspector.waiting(request.exchange, "held").unwrap();
        request
    };
    let mut host = Host::new();
    let request = begun(&mut host);
    let (passed, _) = host.answer(request.exchange, &answered(200, RESULT), &[recorded!("push.answer")]);
    assert_eq!(passed, recorded!("push.answer"));
    for head in [answered(500, RESULT), answered(200, "text/html")] {
        let request = begun(&mut host);
        let outcome = host.inspector.answer(request.exchange, &head).unwrap();
        assert_eq!(outcome.refusal.unwrap().code, "git-upstream");
        assert_eq!((outcome.results.len(), outcome.results[0].status), (3, 1));
    }
}

#[test]
fn who_cannot_be_told_is_not() {
    let mut host = Host::new();
    let fetch = ask(&mut host, &post("/app.git/git-upload-pack"), &[recorded!("v2-fetch.ask")]);
    assert!(host.inspector.waiting(fetch.exchange, "held").is_none());
    let probe = ask(&mut host, &post(RECEIVE), &[b"0000"]);
    assert!(host.inspector.waiting(probe.exchange, "held").is_none());
    let unbanded =
        String::from_utf8_lossy(recorded!("push-hooked.ask")).replace("side-band-64k", "side-band-64x");
    let push = ask(&mut host, &post(RECEIVE), &[unbanded.as_bytes()]);
    assert_eq!(push.operations.len(), 2);
    assert!(host.inspector.waiting(push.exchange, "held").is_none());
    assert!(host.inspector.waiting(99, "held").is_none());
}

#[test]
fn the_probe_in_front_of_a_large_push_changes_nothing() {
    let mut host = Host::new();
    let request = ask(&mut host, &post(RECEIVE), &[b"0000"]);
    let lines = told(&request.operations[0].operation);
    assert_eq!(lines[..2], ["git.probe session: probe app", "on app"]);
    assert_eq!(request.forwarded, b"0000");
    let (_, results) = host.answer(request.exchange, &answered(200, RESULT), &[b""]);
    assert!(results.is_empty());
}

#[test]
fn a_signed_push_is_told_what_to_do() {
    let mut body = Vec::new();
    let line = "push-cert\0report-status side-band-64k\n";
    body.extend_from_slice(format!("{:04x}{line}", line.len() + 4).as_bytes());
    let mut host = Host::new();
    let request = ask(&mut host, &post(RECEIVE), &[&body, b"0016certificate versio"]);
    assert!(request.operations.is_empty() && request.forwarded.is_empty());
    let own = host.refusal(&request);
    let text = String::from_utf8(own.body).unwrap();
    assert_eq!(own.status, 200);
    assert!(text.contains("unpack a signed push cannot be judged: push with --no-signed\n"), "{text}");
}

/// Before the client said what it understands, nothing but HTTP can be spoken.
#[test]
fn what_is_no_push_is_refused_by_http() {
    let mut host = Host::new();
    for body in [&b"PACK"[..], b"0000PACK", b"0003", b"", b"0001"] {
        let request = ask(&mut host, &post(RECEIVE), &[body]);
        assert!(request.operations.is_empty() && request.forwarded.is_empty());
        let own = host.refusal(&request);
        assert_eq!(
            (own.status, own.headers[0].value.as_str()),
            (400, "text/plain; charset=utf-8"),
            "{body:?}"
        );
    }
}

/// As `remote: …` and in `[remote rejected]`; and when nothing is masked, not a byte is another one.
#[test]
fn what_a_server_says_is_masked_however_it_is_cut() {
    let (push, hooked) = (recorded!("push.answer"), recorded!("push-hooked.answer"));
    for at in 0..=push.len() {
        let (first, rest) = push.split_at(at);
        let mut host = Host::new().masking(|text| {
            text.contains("declined")
                .then(|| text.replace("declined", "said no").replace("refs/heads/bad", "REF"))
        });
        let request = pushed(&mut host);
        let (passed, results) = host.answer(request.exchange, &answered(200, RESULT), &[first, rest, b""]);
        let text = String::from_utf8(passed).unwrap();
        assert!(text.starts_with("0027\u{2}error: hook said no to update REF\n"), "{text}");
        assert!(
            text.contains("0017ok refs/heads/main\n")
                && text.contains("0023ng refs/heads/bad hook said no\n")
        );
        // The host masks what it records; it gets what the server said.
        assert_eq!(results[2].message, "hook declined");
        let mut host = Host::new().masking(|_| None);
        let request = pushed(&mut host);
        assert_eq!(host.answer(request.exchange, &answered(200, RESULT), &[first, rest, b""]).0, push);
    }
    let mut host = Host::new().masking(|text| Some(text.to_owned()));
    let request = ask(&mut host, &post(RECEIVE), &[recorded!("push-hooked.ask")]);
    assert_eq!(host.answer(request.exchange, &answered(200, RESULT), &[hooked]).0, hooked);
}

#[test]
fn an_answer_that_is_no_gits_is_masked_as_one_text() {
    let mut host = Host::new().masking(|text| Some(text.replace("ann", "[…]")));
    let request = pushed(&mut host);
    let (passed, _) = host.answer(request.exchange, &answered(403, "text/html"), &[b"<p>an", b"n may not"]);
    assert_eq!(String::from_utf8(passed).unwrap(), "<p>[…] may not");
    let request = pushed(&mut host);
    let mut answer = host.answer_head(request.exchange, &answered(200, "image/png"));
    assert_eq!(host.answer_piece(&mut answer, b"\x89PNG", true), b"");
    assert_eq!(answer.refusal.unwrap().code, "git-no-text");
}
