use crate::bytes::*;
use crate::host::Host;

fn hiding() -> Host {
    Host::masking().mask(|text| text.contains('@').then(|| Some("[E,MAIL]".into())))
}

fn describing(text: &str) -> Vec<u8> {
    cat(&[&parse("weir:copy", text), &describe(b'S', "weir:copy"), &close(b'S', "weir:copy"), SYNC])
}

/// What the server says to the hidden describe.
fn described(names: &[&str]) -> Vec<u8> {
    cat(&[PARSED, &message(b't', b"\0\0"), &text_columns(names), CLOSED, IDLE])
}

#[test]
fn columns_are_asked_for_before_the_copy_and_rows_are_masked() {
    let mut host = hiding();
    let asked = query("COPY t TO STDOUT");
    assert_eq!(host.client(&asked), cat(&[&describing("SELECT * FROM \"t\""), &asked]));
    assert_eq!(host.server(described(&["id", "mail"])), b"");
    let start = copy_response(b'H', 0, 2);
    let got = host.server(cat(&[
        &start,
        &copy_data(b"1\ta@b.c\n"),
        &notice("x"),
        &copy_data(b"2\tx\\ty\n"),
        &copy_data(b"\\N\t\\N\n"),
        COPY_DONE,
        &tag("COPY 3"),
        IDLE,
    ]));
    assert_eq!(
        got,
        cat(&[
            &start,
            &copy_data(b"1\t[E,MAIL]\n"),
            &notice("x"),
            &copy_data(b"2\tx\\ty\n"),
            &copy_data(b"\\N\t\\N\n"),
            COPY_DONE,
            &tag("COPY 3"),
            IDLE
        ])
    );
    assert_eq!(host.seen, ["1", "a@b.c", "x", "2", "x\ty", "NULL", "NULL"]);
    assert_eq!(
        host.take_log(),
        [r#"sql.query 1 "COPY t TO STDOUT""#, "shape 1 id,mail", r#"done 1 0 rows 3 "COPY 3""#, "idle 0"]
    );
}

#[test]
fn csv_with_a_header_and_a_row_over_several_messages() {
    let mut host = hiding();
    host.client(query("copy (select id, mail from t) to stdout (format csv, header)"));
    host.server(described(&["id", "mail"]));
    let start = copy_response(b'H', 0, 2);
    let got = host.server(cat(&[
        &start,
        &copy_data(b"id,mail\n"),
        &copy_data(b"1,\"a@b\n"),
        &copy_data(b"second line\"\n"),
        &copy_data(b"2,plain\n"),
        COPY_DONE,
        &tag("COPY 2"),
        IDLE,
    ]));
    assert_eq!(
        got,
        cat(&[
            &start,
            &copy_data(b"id,mail\n"),
            &copy_data(b"1,\"[E,MAIL]\"\n"),
            &copy_data(b"2,plain\n"),
            COPY_DONE,
            &tag("COPY 2"),
            IDLE
        ])
    );
}

#[test]
fn binary_rows_with_header_and_trailer() {
    let mut host = hiding();
    host.client(query("copy t to stdout (format binary)"));
    host.server(described(&["mail"]));
    let start = copy_response(b'H', 1, 1);
    let head = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let got = host.server(cat(&[
        &start,
        &copy_data(&cat(&[head, b"\0\x01\0\0\0\x03a@b"])),
        &copy_data(b"\0\x01\xff\xff\xff\xff"),
        &copy_data(b"\xff\xff"),
        COPY_DONE,
        &tag("COPY 2"),
        IDLE,
    ]));
    assert_eq!(
        got,
        cat(&[
            &start,
            &copy_data(&cat(&[head, b"\0\x01\0\0\0\x08[E,MAIL]"])),
            &copy_data(b"\0\x01\xff\xff\xff\xff"),
            &copy_data(b"\xff\xff"),
            COPY_DONE,
            &tag("COPY 2"),
            IDLE
        ])
    );
}

#[test]
fn what_the_columns_of_are_not_known_is_swallowed() {
    let mut host = hiding();
    host.client(query("copy t to stdout"));
    // The server's table has changed in between.
    host.server(described(&["id"]));
    let got = host.server(cat(&[
        &copy_response(b'H', 0, 2),
        &copy_data(b"1\ta@b\n"),
        COPY_DONE,
        &tag("COPY 1"),
        IDLE,
    ]));
    let text = String::from_utf8_lossy(&got);
    assert!(text.contains("cannot be masked") && !text.contains("a@b"));
    assert!(got.ends_with(IDLE));
    assert_eq!(host.take_log()[1..], [r#"done 1 1 rows 0 "" 42501"#, "idle 0"]);
}

#[test]
fn the_first_cause_is_shown_when_the_describe_aborts_the_transaction() {
    let mut host = hiding();
    host.client(query("begin"));
    host.server(cat(&[&tag("BEGIN"), IN_TRANSACTION]));
    host.client(query("copy missing to stdout"));
    assert_eq!(host.server(cat(&[&error("42P01", "no such table"), FAILED])), b"");
    let got = host.server(cat(&[&error("25P02", "aborted"), FAILED]));
    assert_eq!(got, cat(&[&error("42P01", "no such table"), FAILED]));
    assert_eq!(host.take_log().last().unwrap(), "idle 3");
}

#[test]
fn copies_that_cannot_be_described_are_refused() {
    for asked in [
        query("copy t to stdout; select 1"),
        query("copy t to stdout (encoding 'latin1')"),
        cat(&[&parse("", "copy t to stdout"), &bind("", "", &[]), &execute("", 0), SYNC]),
        cat(&[&parse("s", "select 1"), &query("copy t to stdout")]),
    ] {
        let mut host = hiding();
        host.client(asked);
        assert!(host.take_log().iter().any(|line| line.starts_with("refused")));
    }
}

#[test]
fn a_refused_copy_leaves_nothing_hidden() {
    let mut host = hiding().judge(|_| crate::host::Verdict::Deny("no", "no"));
    let sent = host.client(query("copy t to stdout"));
    assert_eq!(sent, b"Q\0\0\0\x1a/* weir: refused */ !\0");
    host.server(cat(&[&error("42601", "syntax"), IDLE]));
    assert_eq!(host.take_log().last().unwrap(), "idle 0");
}

#[test]
fn without_masking_copy_passes_unseen() {
    let mut host = Host::new();
    assert_eq!(host.client(query("copy t to stdout")), query("copy t to stdout"));
    let answer = cat(&[&copy_response(b'H', 0, 1), &copy_data(b"a@b\n"), COPY_DONE, &tag("COPY 1"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(host.results[0].rows, 1);
}

#[test]
fn rows_split_anywhere_are_masked_the_same() {
    let answer = cat(&[
        &copy_response(b'H', 0, 2),
        &copy_data(b"1,\"a@b\n"),
        &copy_data(b"more\"\n"),
        &copy_data(b"2,x\n"),
        COPY_DONE,
        &tag("COPY 2"),
        IDLE,
    ]);
    let start = |host: &mut Host| {
        host.client(query("copy t to stdout csv"));
        host.server(described(&["id", "mail"]));
    };
    let mut whole = hiding();
    start(&mut whole);
    let expected = whole.server(&answer);
    for split in 0..answer.len() {
        let mut host = hiding();
        start(&mut host);
        let mut got = host.server(&answer[..split]);
        got.extend(host.server(&answer[split..]));
        assert_eq!(got, expected, "split at {split}");
    }
}

#[test]
fn a_binary_value_that_nobody_can_read_becomes_null() {
    let mut host = hiding();
    host.client(query("copy t to stdout (format binary)"));
    let strange = columns(&[("mail", 25, -1, 1), ("what", 16_999, -1, 1)]);
    let head = cat(&[b"PGCOPY\n\xff\r\n\0", &[0; 8]]);
    let rows = |first: &[u8], second: &[u8]| {
        [
            copy_data(&cat(&[&head, b"\0\x02\0\0\0\x01x", first])),
            copy_data(&cat(&[b"\0\x02\0\0\0\x03", second])),
            copy_data(b"\xff\xff"),
        ]
        .concat()
    };
    let before = cat(&[PARSED, b"t\0\0\0\x06\0\0", &strange, CLOSED, IDLE, &copy_response(b'H', 1, 2)]);
    let sent = rows(b"\0\0\0\x02\x01\x02", b"a@b\0\0\0\x02\x01\x02");
    let got = host.server(cat(&[&before, &sent, COPY_DONE, &tag("COPY 2"), IDLE]));
    let masked = copy_data(b"\0\x02\0\0\0\x08[E,MAIL]\xff\xff\xff\xff");
    let expected = cat(&[
        &copy_response(b'H', 1, 2),
        &copy_data(&cat(&[&head, b"\0\x02\0\0\0\x01x\xff\xff\xff\xff"])),
        &masked,
        &copy_data(b"\xff\xff"),
        COPY_DONE,
        &tag("COPY 2"),
        IDLE,
    ]);
    assert_eq!(got, expected);
}
