use super::*;
use proptest::prelude::*;

const A: &str = "49744de5ddacb1293d38a9960f0811efe2ba64b3";
const B: &str = "8470b78bb62544634406b16344ba839443da64b2";

fn body(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" | "0001" | "0002" => out.extend_from_slice(line.as_bytes()),
            line => pkt::write(&mut out, line.as_bytes()),
        }
    }
    out
}

fn asked(lines: &[&str]) -> Asked {
    read(&body(lines)).unwrap_or_else(|why| panic!("{lines:?}: {why:?}"))
}

fn refused(lines: &[&str], code: &str) {
    assert_eq!(read(&body(lines)).unwrap_err().code, code, "{lines:?}");
}

#[test]
fn a_flush_alone_is_a_probe() {
    assert_eq!(read(b"0000").unwrap().command, Command::Probe);
    read(b"").unwrap_err();
    read(b"00000000").unwrap_err();
    read(b"0001").unwrap_err();
}

#[test]
fn version_0_wants_and_has() {
    let want = format!("want {A} multi_ack_detailed side-band-64k ofs-delta agent=git/2.47.3\n");
    let (plain, have) = (format!("want {B}\n"), format!("have {B}\n"));
    let found = asked(&[&want, &plain, "deepen 1\n", "filter blob:none\n", "0000", &have, "0000", "done\n"]);
    assert_eq!((found.command, found.version), (Command::Fetch, 0));
    assert_eq!((found.wants, found.haves), (vec![A.to_owned(), B.to_owned()], vec![B.to_owned()]));
    assert_eq!(found.named, [("depth", "1".to_owned()), ("filter", "blob:none".to_owned())]);
    assert_eq!(found.agent.as_deref(), Some("git/2.47.3"));
    // The first round of a shallow fetch, and a clone.
    asked(&[&want, "deepen 1", "0000"]);
    asked(&[&want, "0000", "done\n"]);
}

#[test]
fn version_0_refuses_what_it_does_not_know() {
    let (want, have) = (format!("want {A}"), format!("have {B}"));
    let code = "git-malformed";
    refused(&[&want], code);
    refused(&[&want, &have, "0000"], code);
    refused(&[&want, "0001", "done"], code);
    refused(&[&want, "0000", "done", "done"], code);
    refused(&[&want, "0000", &want], code);
    refused(&[&want, "0000", "done now"], code);
    refused(&[&want, "deepen +1", "0000"], code);
    refused(&[&want, "deepen 0x1", "0000"], code);
    refused(&[&want, "unknown x", "0000"], code);
    refused(&["want x", "0000"], code);
    refused(&[&want, &format!("want {B} agent=x"), "0000"], code);
    refused(&[&format!("{want}\0x"), "0000"], code);
}

#[test]
fn version_2_lists_refs() {
    let found = asked(&[
        "command=ls-refs\n",
        "agent=git/2.47.3",
        "session-id=s1",
        "object-format=sha1",
        "server-option=x=y",
        "0001",
        "peel\n",
        "symrefs\n",
        "unborn\n",
        "ref-prefix HEAD\n",
        "ref-prefix refs/heads/\n",
        "0000",
    ]);
    assert_eq!((found.command, found.version), (Command::ListRefs, 2));
    let named: Vec<_> = found.named.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(
        named,
        ["object-format sha1", "server-option x=y", "ref-prefix HEAD", "ref-prefix refs/heads/"]
    );
    assert_eq!((found.agent.as_deref(), found.session_id.as_deref()), (Some("git/2.47.3"), Some("s1")));
    assert_eq!(asked(&["command=ls-refs", "0000"]).command, Command::ListRefs);
    assert_eq!(asked(&["agent=x", "command=bundle-uri", "0001", "0000"]).command, Command::BundleUri);
}

#[test]
fn version_2_fetches() {
    let (want, have, shallow) = (format!("want {A}\n"), format!("have {B}\n"), format!("shallow {B}\n"));
    let found = asked(&[
        "command=fetch",
        "0001",
        "thin-pack",
        "ofs-delta",
        "no-progress",
        "include-tag",
        &shallow,
        "deepen 3",
        "deepen-relative",
        "want-ref refs/heads/main",
        &want,
        &have,
        "done\n",
        "0000",
    ]);
    assert_eq!(
        (found.wants, found.haves, found.shallow),
        (vec![A.to_owned()], vec![B.to_owned()], vec![B.to_owned()])
    );
    assert_eq!(found.want_refs, ["refs/heads/main"]);
    assert_eq!(asked(&["command=object-info", "0001", "size", &format!("oid {A}"), "0000"]).wants, [A]);
}

#[test]
fn version_2_refuses_what_it_does_not_know() {
    refused(&["command=push", "0001", "0000"], "git-command");
    refused(&["command=fetch", "command=ls-refs", "0000"], "git-malformed");
    refused(&["agent=x", "0000"], "git-malformed");
    refused(&["command=fetch", "new=1", "0000"], "git-capability");
    refused(&["command=fetch", "0001", "new", "0000"], "git-argument");
    refused(&["command=fetch", "0001", "done now", "0000"], "git-argument");
    refused(&["command=fetch", "0001", "ref-prefix x", "0000"], "git-argument");
    refused(&["command=ls-refs", "0001", "done", "0000"], "git-argument");
    refused(&["command=fetch", "0001", "want-ref main", "0000"], "git-ref-name");
    refused(&["command=fetch", "0001", "want x", "0000"], "git-malformed");
    refused(&["command=fetch", "0001", "done"], "git-malformed");
    refused(&["command=fetch", "0001", "0001", "0000"], "git-malformed");
    refused(&["command=fetch", "0000", "0000"], "git-malformed");
    refused(&["command=fetch", "0000", "command=fetch", "0000"], "git-malformed");
    let many: Vec<_> = (0..=MAX_NAMED).map(|number| format!("ref-prefix {number}")).collect();
    let mut lines = vec!["command=ls-refs", "0001"];
    lines.extend(many.iter().map(String::as_str));
    lines.push("0000");
    refused(&lines, "git-too-many");
}

proptest! {
    #[test]
    fn nothing_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = read(&bytes);
    }

    #[test]
    fn no_shortened_request_is_accepted_as_another(cut in 0_usize..100) {
        let whole = body(&["command=fetch", "0001", &format!("want {A}"), "done", "0000"]);
        if cut < whole.len() {
            prop_assert!(read(&whole[..cut]).is_err());
        }
    }
}
