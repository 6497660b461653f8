use super::*;
use proptest::prelude::*;

const A: &str = "49744de5ddacb1293d38a9960f0811efe2ba64b3";
const B: &str = "8470b78bb62544634406b16344ba839443da64b2";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn body(lines: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        if line == "0000" || line == "0001" || line == "0002" {
            out.extend_from_slice(line.as_bytes());
        } else {
            pkt::write(&mut out, line.as_bytes());
        }
    }
    out
}

/// All at once: what was read, how far, and how it went.
fn read(bytes: &[u8]) -> Result<(Commands, usize, Step), String> {
    let mut reader = Reader::default();
    let step = reader.read(bytes, true, 1 << 20).map_err(|why| why.code)?;
    Ok((reader.commands, reader.at, step))
}

fn line(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} {name}")
}

fn first(capabilities: &str) -> String {
    format!("{A} {B} refs/heads/main\0 {capabilities}")
}

#[test]
fn commands_are_one_update_per_ref() {
    let (commands, _, step) = read(&body(&[
        format!("shallow {A}"),
        format!("{A} {B} refs/heads/main\0 report-status side-band-64k object-format=sha1 agent=git/2.47.3"),
        line(ZERO, B, "refs/heads/x\n"),
        line(A, ZERO, "refs/tags/v1"),
        "0000".to_owned(),
    ]))
    .unwrap();
    assert_eq!(step, Step::Commands);
    let told: Vec<_> = commands.updates.iter().map(|each| (each.change.word(), each.name.as_str())).collect();
    assert_eq!(told, [("update", "refs/heads/main"), ("create", "refs/heads/x"), ("delete", "refs/tags/v1")]);
    assert_eq!((commands.updates[1].old.as_str(), commands.updates[1].new.as_str()), (ZERO, B));
    assert!(commands.capabilities.has("side-band-64k"));
}

#[test]
fn options_are_read_when_they_are_announced() {
    let with = |capabilities: &str| {
        let lines = [first(capabilities), "0000".to_owned(), "ci.skip".to_owned(), "0000".to_owned()];
        read(&body(&lines)).unwrap()
    };
    let (commands, at, _) = with("push-options");
    assert_eq!(
        (commands.options, at),
        (vec!["ci.skip".to_owned()], body(&[first("push-options")]).len() + 19)
    );
    // Without, these bytes are the pack's.
    assert_eq!(with("report-status").0.options, Vec::<String>::new());
}

#[test]
fn nothing_asked_for_is_a_probe_when_nothing_follows() {
    assert_eq!(read(b"0000").unwrap().2, Step::Probe);
    assert_eq!(read(&body(&[format!("shallow {A}"), "0000".to_owned()])).unwrap().2, Step::Probe);
    assert_eq!(read(b"0000PACK").unwrap_err(), "git-malformed");
    let mut reader = Reader::default();
    assert_eq!(reader.read(b"0000", false, 100).unwrap(), Step::More(5));
    assert_eq!(reader.read(b"0000", true, 100).unwrap(), Step::Probe);
}

#[test]
fn what_git_might_read_otherwise_is_refused() {
    let check = |lines: &[String], code: &str| {
        assert_eq!(read(&body(lines)).unwrap_err(), code, "{lines:?}");
    };
    let end = || "0000".to_owned();
    check(&[first(""), line(ZERO, B, "refs/heads/x\0push-options"), end()], "git-malformed");
    check(&[first("a\0push-options"), end()], "git-malformed");
    check(&[first("a\tpush-options"), end()], "git-malformed");
    check(&[first(""), "0001".to_owned(), line(ZERO, B, "refs/heads/x"), end()], "git-malformed");
    check(&[first(""), "0002".to_owned()], "git-malformed");
    check(&[first("")], "git-malformed");
    check(&[first(""), String::new(), end()], "git-malformed");
    check(&[first(""), format!("shallow {A}"), end()], "git-malformed");
    check(&[first(""), line(A, B, "refs/heads/main"), end()], "git-malformed");
    check(&["shallow x".to_owned(), end()], "git-malformed");
    check(&[format!("shallow {A}{A}")[..72].to_owned(), first(""), end()], "git-malformed");
    check(&[format!("{A} {B} refs/heads/main\n\0 report-status"), end()], "git-malformed");
    check(&["ERR x".to_owned(), end()], "git-malformed");
    check(&[line(A, B, "HEAD"), end()], "git-ref-name");
    check(&[line(A, B, "refs/heads/a\n\n"), end()], "git-malformed");
    check(&[line(A, B, "refs/heads/a b"), end()], "git-ref-name");
    check(&[line(A, B, " refs/heads/a"), end()], "git-ref-name");
    check(&[line(ZERO, ZERO, "refs/heads/a"), end()], "git-malformed");
    check(&[line(&A[1..], B, "refs/heads/a"), end()], "git-malformed");
    check(&[line(&A.repeat(2)[..64], &B.repeat(2)[..64], "refs/heads/a"), end()], "git-malformed");
    check(&[format!("{A}\t{B}\trefs/heads/a"), end()], "git-malformed");
    check(&["push-cert\0report-status\n".to_owned(), end()], "git-signed-push");
}

#[test]
fn commands_have_limits() {
    let many: Vec<_> =
        (0..=MAX_UPDATES).map(|number| line(ZERO, B, &format!("refs/tags/{number}"))).collect();
    assert_eq!(read(&body(&many)).unwrap_err(), "git-too-many");
    let mut reader = Reader::default();
    let bytes = body(&many[..100]);
    assert_eq!(reader.read(&bytes, false, 1000).unwrap_err().code, "git-too-large");
}

#[test]
fn sha256_is_known() {
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let (commands, ..) =
        read(&body(&[format!("{old} {new} refs/heads/a\0object-format=sha256"), "0000".to_owned()])).unwrap();
    assert_eq!(commands.updates[0].new, new);
}

/// What `git receive-pack` makes of the same bytes (its `read_head_info`): old id, new id and name of each command.
fn as_git_reads(mut bytes: &[u8]) -> Option<Vec<(String, String, String)>> {
    let mut commands = Vec::new();
    while let Ok(Next::Packet(Packet::Line(line), taken)) = pkt::next(bytes) {
        bytes = &bytes[taken..];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.len() > 8 && line.starts_with(b"shallow ") {
            std::str::from_utf8(line.get(8..48)?).ok().filter(|id| is_object_id(id))?;
            continue;
        }
        let text = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let id = |at: usize| {
            let text = std::str::from_utf8(text.get(at..at + 40)?).ok()?;
            (is_object_id(text) && line.get(at + 40) == Some(&b' ')).then(|| text.to_ascii_lowercase())
        };
        commands.push((id(0)?, id(41)?, String::from_utf8(text[82..].to_vec()).ok()?));
    }
    Some(commands)
}

/// Lines that are nearly right.
fn nearly() -> impl Strategy<Value = String> {
    let part = |text: &'static str| Just(text.to_owned());
    let upper = A.to_uppercase();
    prop_oneof![
        4 => ("[a-c]{1,2}", prop_oneof![
            4 => part(""), 1 => part("\n"), 1 => part("\n\n"), 1 => part("\0"), 2 => part("\0 report-status"),
            1 => part("\0push-options"), 1 => part("\n\0 atomic"), 1 => part("\0a\0b"), 1 => part(" "), 1 => part("\r"),
        ]).prop_map(|(name, end)| format!("{A} {B} refs/heads/{name}{end}")),
        1 => "[a-c]{1,2}".prop_map(move |name| format!("{ZERO} {upper} refs/heads/{name}")),
        1 => part("0000"),
        1 => prop_oneof![part("0001"), part("0002"), part(""), part("\n"), part("push-cert"), part("ERR x")],
        1 => Just(format!("shallow {A}")),
        1 => Just(format!("shallow {A}{B}")),
        1 => "[ -~]{0,9}".prop_map(|bytes| format!("{A} {bytes}")),
    ]
}

proptest! {
    /// What is accepted is what the server reads, in every way it could be written.
    #[test]
    fn what_is_judged_is_what_git_reads(mut lines in prop::collection::vec(nearly(), 1..6)) {
        lines.push("0000".to_owned());
        let bytes = body(&lines);
        if let Ok((commands, ..)) = read(&bytes) {
            let read: Vec<_> = commands.updates.into_iter().map(|each| (each.old, each.new, each.name)).collect();
            prop_assert_eq!(Some(read), as_git_reads(&bytes));
        }
    }

    /// However the bytes arrive, the same is read, and never a byte of the pack.
    #[test]
    fn splitting_changes_nothing(
        names in prop::collection::hash_set("refs/heads/[a-z]{1,8}", 1..6),
        options in prop::collection::vec("[a-z.=]{1,9}", 0..3),
        pack in prop::collection::vec(any::<u8>(), 0..40),
        step in 1_usize..9,
    ) {
        let mut lines: Vec<_> = names.iter().map(|name| line(A, B, name)).collect();
        lines[0].push_str("\0report-status push-options");
        lines.push("0000".to_owned());
        lines.extend(options.clone());
        lines.push("0000".to_owned());
        let mut bytes = body(&lines);
        let head = bytes.len();
        bytes.extend_from_slice(&pack);
        let (whole, at, _) = read(&bytes).unwrap();
        prop_assert_eq!(at, head);
        prop_assert_eq!(&whole.options, &options);
        let mut reader = Reader::default();
        let mut there = 0;
        loop {
            there = (there + step).min(bytes.len());
            match reader.read(&bytes[..there], there == bytes.len(), 1 << 20).unwrap() {
                Step::More(needed) => prop_assert!(needed > there && needed <= head),
                other => {
                    prop_assert_eq!(other, Step::Commands);
                    break;
                }
            }
        }
        prop_assert_eq!(reader.commands, whole);
        prop_assert_eq!(reader.at, head);
    }

    #[test]
    fn nothing_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..200), end in any::<bool>()) {
        _ = Reader::default().read(&bytes, end, 1000);
    }
}
