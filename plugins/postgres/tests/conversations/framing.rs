use crate::bytes::*;
use crate::host::Host;

#[test]
fn nothing_unknown_passes() {
    for bytes in [
        &b"p\0\0\0\x05x"[..],
        b"Q\0\0\0\x03",
        b"Q\0\0\0\x05x",
        b"Q\0\0\0\x08a\0b\0",
        b"P\0\0\0\x07a\0b",
        b"E\0\0\0\x06a\0",
        b"D\0\0\0\x06X\0",
        b"S\0\0\0\x05x",
        b"\0\0\0\0\x04",
        b"B\0\0\0\x0b\0\0\0\0\x7f\xff\0",
        b"D\0\0\x7f\xff",
    ] {
        let mut host = Host::new();
        assert_eq!(host.client(bytes), b"", "{bytes:?}");
        assert_eq!(host.dead.as_ref().map(|why| why.code.as_str()), Some("08P01"), "{bytes:?}");
    }
}

#[test]
fn answers_to_nothing_end_the_session() {
    for bytes in [
        &b"R\0\0\0\x08\0\0\0\0"[..],
        IDLE,
        PARSED,
        b"x\0\0\0\x04",
        b"Z\0\0\0\x03",
        b"W\0\0\0\x07\0\0\0",
        b"D\0\0\0\x06\0\0",
        b"d\0\0\0\x04",
    ] {
        let mut host = Host::new();
        host.server(bytes);
        assert!(host.dead.is_some(), "{bytes:?}");
    }
}

/// What the parties get must not depend on how the bytes arrive.
#[test]
fn splitting_at_every_byte_changes_nothing() {
    let asked = cat(&[
        &query("select 1"),
        &parse("s", "select $1"),
        &describe(b'S', "s"),
        FLUSH,
        &bind("p", "s", &["x"]),
        &describe(b'P', "p"),
        &execute("p", 2),
        SYNC,
        &query("copy t from stdin"),
        &copy_data(b"some data\n"),
        COPY_DONE,
    ]);
    let answer = cat(&[
        &text_columns(&["a"]),
        &row(&["1"]),
        &notice("n"),
        &tag("SELECT 1"),
        IDLE,
        PARSED,
        &message(b't', b"\0\x01\0\0\0\x19"),
        &text_columns(&["b"]),
        BOUND,
        &text_columns(&["b"]),
        &row(&["x"]),
        &row(&["y"]),
        SUSPENDED,
        IDLE,
        &copy_response(b'G', 0, 1),
        &tag("COPY 1"),
        IDLE,
    ]);
    let mut whole = Host::new();
    let sent = whole.client(&asked);
    let got = whole.server(&answer);
    assert_eq!((&sent, &got), (&asked, &answer));
    let log = whole.take_log();
    for split in 0..=asked.len() {
        let mut host = Host::new();
        let mut sent = host.client(&asked[..split]);
        sent.extend(host.client(&asked[split..]));
        assert_eq!(sent, asked, "split at {split}");
        let mut got = vec![];
        for byte in answer.chunks(1 + split % 7) {
            got.extend(host.server(byte));
        }
        assert_eq!(got, answer);
        assert_eq!(host.take_log(), log, "split at {split}");
    }
}
