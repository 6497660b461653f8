//! Lists of refs, and fetches.

use super::*;
use host::{answered, get, post};
use weir_sdk::Fault;

const UPLOAD: &str = "/team/app.git/git-upload-pack";
const RESULT: &str = "application/x-git-upload-pack-result";
const REFS: &str = "application/x-git-upload-pack-advertisement";

fn refs(service: &str) -> RequestHead {
    get("/team/app.git/info/refs", Some(&format!("service={service}")))
}

#[test]
fn asking_for_refs_is_a_read_whatever_they_are_for() {
    let mut host = Host::new();
    let request = ask(&mut host, &refs("git-upload-pack"), &[]);
    assert_eq!(
        told(&request.operations[0].operation),
        [
            "git.list-refs read: list refs of team/app",
            "on team/app",
            "on team/app.git",
            "git-repository team/app",
            "git-service git-upload-pack",
            "http-path /team/app.git/info/refs",
            "claims user-agent git/2.47.3",
        ]
    );
    let (passed, results) =
        host.answer(request.exchange, &answered(200, REFS), &[recorded!("v2-refs.answer")]);
    assert_eq!((passed.as_slice(), results.len()), (recorded!("v2-refs.answer"), 0));
    let request = ask(&mut host, &refs("git-receive-pack"), &[]);
    let operation = &request.operations[0].operation;
    assert_eq!(
        (operation.action.as_str(), operation.text.as_str()),
        ("read", "list refs of team/app to push")
    );
    assert_eq!(operation.attribute("git-service"), Some("git-receive-pack"));
}

#[test]
fn version_2_lists_and_fetches() {
    let mut host = Host::new();
    let request = ask(&mut host, &post(UPLOAD), &[recorded!("v2-list.ask")]);
    assert_eq!(request.forwarded, recorded!("v2-list.ask"));
    let lines = told(&request.operations[0].operation);
    assert_eq!(lines[0], "git.list-refs read: list refs of team/app");
    assert!(lines.ends_with(&[
        "claims git-agent git/2.47.3".to_owned(),
        "object-format = sha1".to_owned(),
        "ref-prefix = HEAD".to_owned(),
        "ref-prefix[1] = refs/heads/".to_owned(),
        "ref-prefix[2] = refs/tags/".to_owned(),
    ]));
    let request = ask(&mut host, &post(UPLOAD), &[recorded!("v2-fetch.ask")]);
    let operation = &request.operations[0].operation;
    assert_eq!((operation.kind.as_str(), operation.text.as_str()), ("git.fetch", "fetch team/app"));
    assert_eq!(
        (operation.attribute("git-protocol"), operation.attribute("git-wants")),
        (Some("2"), Some("2"))
    );
    assert_eq!(request.forwarded, recorded!("v2-fetch.ask"));
}

#[test]
fn version_0_fetches() {
    let mut host = Host::new();
    let request = ask(&mut host, &post(UPLOAD), &[recorded!("v0-fetch.ask")]);
    let operation = &request.operations[0].operation;
    assert_eq!((operation.kind.as_str(), operation.attribute("git-protocol")), ("git.fetch", Some("0")));
    let wants: Vec<_> = operation.parameters.iter().map(|each| each.value.as_deref().unwrap()).collect();
    assert_eq!(wants[0], "49744de5ddacb1293d38a9960f0811efe2ba64b3");
    assert_eq!(request.forwarded, recorded!("v0-fetch.ask"));
}

#[test]
fn answers_pass_however_they_are_cut() {
    for (answer, kind) in [
        (recorded!("v0-refs.answer"), REFS),
        (recorded!("v2-refs.answer"), REFS),
        (recorded!("v2-list.answer"), RESULT),
        (recorded!("v0-fetch.answer"), RESULT),
        (recorded!("v2-fetch.answer"), RESULT),
    ] {
        for at in 0..=2 * answer.len() + 1 {
            // With and without somebody who looks at texts.
            let (at, looks) = (at / 2, at % 2 == 1);
            let mut host =
                if looks { Host::new().masking(|text| Some(text.to_owned())) } else { Host::new() };
            let head = if kind == REFS { refs("git-upload-pack") } else { post(UPLOAD) };
            let request = ask(&mut host, &head, &[b"0000"]);
            let (first, rest) = answer.split_at(at);
            let (passed, results) = host.answer(request.exchange, &answered(200, kind), &[first, rest, b""]);
            assert_eq!((passed.as_slice(), results.len()), (answer, 0), "cut at {at}");
        }
    }
}

#[test]
fn an_error_of_the_server_is_the_outcome() {
    let service = b"001e# service=git-upload-pack\n0000";
    let error = b"0015ERR access denied";
    for at in 0..=error.len() {
        let mut host = Host::new();
        let request = ask(&mut host, &post(UPLOAD), &[recorded!("v2-fetch.ask")]);
        let (first, rest) = error.split_at(at);
        let (passed, results) = host.answer(request.exchange, &answered(200, RESULT), &[first, rest]);
        assert_eq!(
            (passed.as_slice(), ended(&results)),
            (&error[..], vec!["1 ERR|git-error|access denied".to_owned()])
        );
    }
    let mut host = Host::new();
    let request = ask(&mut host, &refs("git-upload-pack"), &[]);
    let (_, results) = host.answer(request.exchange, &answered(200, REFS), &[service, error]);
    assert_eq!(ended(&results), ["1 ERR|git-error|access denied"]);
    // The status says it already.
    let request = ask(&mut host, &refs("git-upload-pack"), &[]);
    let (passed, results) =
        host.answer(request.exchange, &answered(404, "text/plain"), &[b"0015ERR access denied"]);
    assert_eq!((passed.len(), results.len()), (21, 0));
}

#[test]
fn errors_and_progress_are_masked() {
    let mut host = Host::new().masking(|text| text.contains("ann").then(|| text.replace("ann", "[…]")));
    let request = ask(&mut host, &post(UPLOAD), &[recorded!("v2-fetch.ask")]);
    let (passed, results) =
        host.answer(request.exchange, &answered(200, RESULT), &[b"0019ERR no access ", b"for ann"]);
    assert_eq!(String::from_utf8(passed).unwrap(), "001bERR no access for […]");
    assert_eq!(ended(&results), ["1 ERR|git-error|no access for ann"]);
    let request = ask(&mut host, &post(UPLOAD), &[recorded!("v2-fetch.ask")]);
    let bytes = [b"000dpackfile\n000b\x02for an".as_slice(), b"0008\x01ann0007\x02n\n0000"].concat();
    let cut: Vec<&[u8]> = bytes.chunks(3).collect();
    let (passed, _) = host.answer(request.exchange, &answered(200, RESULT), &cut);
    assert_eq!(String::from_utf8(passed).unwrap(), "000dpackfile\n000f\u{2}for […]\n0008\u{1}ann0000");
}

#[test]
fn a_refused_read_is_an_error_line() {
    let deny = |host: &mut Host, head: &RequestHead, body: &[u8]| {
        let request = ask(host, head, &[body]);
        assert!(request.forwarded.is_empty());
        let own = host.refusal(&request);
        (own.status, own.headers[0].value.clone(), String::from_utf8(own.body).unwrap())
    };
    let mut host = Host::judging(|_| Some(Fault::new("not-you", "not yours")));
    let (status, kind, body) = deny(&mut host, &refs("git-upload-pack"), b"");
    assert_eq!((status, kind.as_str()), (200, REFS));
    assert_eq!(body, "001e# service=git-upload-pack\n00000021ERR weir: not yours (not-you)");
    let (status, kind, body) = deny(&mut host, &post(UPLOAD), recorded!("v2-fetch.ask"));
    assert_eq!((status, kind.as_str(), body.as_str()), (200, RESULT, "0021ERR weir: not yours (not-you)"));
    // What is malformed is said in the same way.
    let mut host = Host::new();
    let (_, _, body) = deny(&mut host, &post(UPLOAD), b"0010command=push0000");
    assert_eq!(body, "0042ERR weir: this command of version 2 is not known (git-command)");
    let (status, kind, body) = deny(&mut host, &get("/team/app.git/HEAD", None), b"");
    assert_eq!((status, kind.as_str()), (403, "text/plain; charset=utf-8"));
    assert!(body.contains("smart HTTP"), "{body}");
}

#[test]
fn an_answer_to_nothing_is_no_answer() {
    use weir_sdk::http::HttpInspector;
    let mut host = Host::new();
    assert!(host.inspector.answer(7, &answered(200, RESULT)).is_err());
    assert!(host.inspector.request_body(7, b"0000", true).is_err());
    assert!(host.inspector.encode(7, &[], &[], &[]).is_err());
}
